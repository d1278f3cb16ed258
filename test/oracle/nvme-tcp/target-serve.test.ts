/**
 * A stock Linux initiator on `peerlane target serve`: nvme-cli discovers and connects with both digests on, fio writes and verifies, and
 * the file holds the bytes when SIGTERM has drained the target. The guest reaches this computer as 10.0.2.2.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram, labAvailable } from '../cache.ts';
import { type BootResult, bootAndRun } from '../vm.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const DISK = 'nqn.2024-01.org.example:disk';
const MIB = 2 ** 20;
const DISK_MIB = 64;
const FIO_SECONDS = 5;

const scriptFor = (port: number): string => `
set -e
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
at="-t tcp -a 10.0.2.2 -s ${port}"
me="--hostnqn=nqn.2014-08.org.nvmexpress:uuid:3d2b1f6e-5a4c-4b1d-9f0e-0c1d2e3f4a5b --hostid=3d2b1f6e-5a4c-4b1d-9f0e-0c1d2e3f4a5b"
nvme discover $at $me -o json > $LAB/out/discovery
nvme connect $at $me -n ${DISK} --hdr-digest --data-digest --keep-alive-tmo=60
for i in $(seq 100); do [ -b /dev/nvme0n1 ] && break; sleep 0.1; done
nvme list -o json > $LAB/out/list
nvme id-ctrl /dev/nvme0 -o json > $LAB/out/id-ctrl
fio --name=random --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=4k-256k --size=48M \\
  --verify=crc32c --verify_fatal=1 --verify_backlog=32 --verify_state_save=0 --time_based --runtime=${FIO_SECONDS} \\
  --output=$LAB/out/fio --output-format=json
dd if=/dev/urandom of=$LAB/out/random bs=1M count=8 status=none
dd if=$LAB/out/random of=/dev/nvme0n1 bs=1M seek=56 oflag=direct conv=fsync status=none
sha256sum /dev/nvme0n1 | cut -d' ' -f1 > $LAB/out/sum
nvme disconnect -n ${DISK} > $LAB/out/disconnect
dmesg > $LAB/out/dmesg
`;

const available = labAvailable();
const missing = ['nvme', 'fio', 'ip'].filter((name) => findProgram(name) === undefined);
const why = available.ok
  ? missing.length === 0
    ? ''
    : `${missing.join(', ')} not installed`
  : available.why;
if (why !== '') {
  console.log(`skipped: a stock initiator on target serve: ${why}`);
}

describe.skipIf(why !== '')(`a stock initiator on target serve${why === '' ? '' : `: ${why}`}`, () => {
  let scratch: string;
  let image: string;
  const lines: string[] = [];
  let child: ChildProcess;
  let ended: Promise<number | NodeJS.Signals | null>;
  let result: BootResult;

  beforeAll(async () => {
    // Not below /tmp, which may be memory that takes no direct I/O.
    scratch = mkdtempSync(join(root, 'node_modules/.peerlane-target-'));
    image = join(scratch, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, DISK_MIB * MIB);
    const file = join(scratch, 'target.json');
    const value = {
      ports: [{ portid: 1, addr: { traddr: '127.0.0.1', trsvcid: '0', trtype: 'tcp' }, subsystems: [DISK] }],
      subsystems: [
        {
          nqn: DISK,
          attr: { allow_any_host: '1', serial: 'ORACLE', model: 'Peerlane file' },
          namespaces: [{ nsid: 1, enable: 1, device: { path: 'disk.img' } }],
        },
      ],
    };
    writeFileSync(file, JSON.stringify(value));
    child = spawn(
      process.execPath,
      [join(root, 'bin/peerlane.js'), 'target', 'serve', file, '--json', '--log'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    ended = new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        lines.push(line);
        if (line === '{"event":"ready"}') {
          resolve();
        }
      });
      void ended.then(() => reject(new Error('the target did not start')));
    });
    const { listening } = JSON.parse(lines[0]!) as { listening: readonly { port: number }[] };
    result = await bootAndRun({
      lab: available.ok ? available.lab : expect.unreachable(),
      machine: {
        name: 'initiator',
        cpu: 'Skylake-Server',
        arguments: ['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
        // One name for the card, whatever its place.
        append: ['net.ifnames=0'],
      },
      modules: ['virtio_net', 'nvme-tcp', 'crc32c_generic', 'crc32c-intel'],
      hostRoot: true,
      script: scriptFor(listening[0]!.port),
      hangLimitMs: 600_000,
    });
    expect(result.status, `${result.stderr}\n${result.stdout}\n${lines.slice(-20).join('\n')}`).toBe(0);
  }, 900_000);
  afterAll(() => {
    child?.kill('SIGKILL');
    rmSync(scratch, { recursive: true, force: true });
  });

  const text = (name: string): string => result.files.get(name)!.toString();

  it('is found in the discovery log', () => {
    const { records } = JSON.parse(text('discovery')) as { records: readonly Record<string, unknown>[] };
    expect(records).toEqual(
      expect.arrayContaining([expect.objectContaining({ subnqn: DISK, trtype: 'tcp' })]),
    );
  });

  it('is a drive with the names of the file', () => {
    expect(text('list')).toContain('ORACLE');
    expect(JSON.parse(text('id-ctrl'))).toMatchObject({
      subnqn: DISK,
      sn: expect.stringMatching(/^ORACLE *$/),
    });
  });

  it('keeps what fio writes, with both digests on', () => {
    const { jobs } = JSON.parse(text('fio')) as {
      jobs: readonly { error: number; read: { io_bytes: number }; write: { io_bytes: number } }[];
    };
    expect(jobs.map(({ error }) => error)).toEqual([0]);
    expect(jobs[0]!.write.io_bytes).toBeGreaterThan(MIB);
    console.log(
      `fio: ${Math.round(jobs[0]!.read.io_bytes / MIB)} MiB read, ${Math.round(jobs[0]!.write.io_bytes / MIB)} MiB written`,
    );
  });

  it('gives the kernel nothing to complain about', () => {
    const complaints = text('dmesg')
      .split('\n')
      .filter((line) =>
        /nvme.*(timeout|abort|invalid|fail|reconnect|digest error)|I\/O error|BUG:|Call Trace/i.test(line),
      );
    expect(complaints).toEqual([]);
  });

  it('ends with 0, and the file is what the guest saw', async () => {
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const held = readFileSync(image);
    expect(createHash('sha256').update(held).digest('hex')).toBe(text('sum').trim());
    expect(held.subarray(56 * MIB).equals(result.files.get('random')!)).toBe(true);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      event: 'end',
      counters: {
        transport: { violations: 0, dataDigestErrors: 0 },
        namespaces: [{ counters: { failedCommands: 0 } }],
      },
    });
  });
});
