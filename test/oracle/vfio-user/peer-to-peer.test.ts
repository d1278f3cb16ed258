/**
 * The kernel moves data between drives without a copy in guest memory: between two of ours through the memory of one of them, and
 * with QEMU's own drive as provider and as client. cmp says whether the bytes are right, our counters which way they went.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceCounters, ServerCounters } from '../../../src/cli/attach/counters.ts';
import { SIGNATURE_BYTES } from '../../../src/linux/index.ts';
import { vfioUserLabAvailable } from '../cache.ts';
import type { BootResult } from '../vm.ts';
import { expectCleanEnd, ServedLab } from './served-lab.ts';
import { bootServed, kept } from './served-vm.ts';

const MIB = 2 ** 20;
const COPY_MIB = 8;
/**
 * Before it overwrites a drive, `copy` looks twice at both its ends, and that the drive writes to guest memory: so much and no byte
 * more where the kernel does not read ahead.
 */
const LOOK_BYTES = 2 * 2 * SIGNATURE_BYTES;
const DRIVE_MIB = 32;

const lab = `
peerlane: lab/1
cpu: {vendor: intel}
memory: 2G
below:
  - switch: sw0
    below:
      - {nvme: a, cmb: 64M, namespaces: ${DRIVE_MIB}M}
      - {nvme: b, namespaces: ${DRIVE_MIB}M}
      - port: spare
`;

const driver = readFileSync(new URL('../guest/copy-driver.mjs', import.meta.url));

/** From drive to drive through the memory of a third party, which may be one of them. */
const legs = [
  { name: 'ours', from: 'a', to: 'b', via: 'a' },
  { name: 'back', from: 'b', to: 'a', via: 'a' },
  { name: 'theirs-writes-ours', from: 'q', to: 'a', via: 'a' },
  { name: 'ours-writes-theirs', from: 'b', to: 'q', via: 'q' },
  { name: 'theirs-reads-ours', from: 'a', to: 'q', via: 'a' },
  { name: 'ours-reads-theirs', from: 'q', to: 'b', via: 'q' },
] as const;
type LegName = (typeof legs)[number]['name'];

/** One process for all copies: starting Node is what takes time on an emulated CPU. */
const scenario = `
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { cli, keep, sh } from './copy-driver.mjs';
const bash = (words) => sh('. $LAB/prelude.sh; ' + words);
for (const { name, from, to, via } of ${JSON.stringify(legs)}) {
  const [source, target, provider] = bash(\`drive \${from}; drive \${to}; address \${via}\`).out.split('\\n');
  writeFileSync('/tmp/pattern', randomBytes(${COPY_MIB * MIB}));
  bash(\`
    echo 0 > /sys/block/$(basename \${target})/queue/read_ahead_kb
    dd if=/tmp/pattern of=\${source} bs=1M oflag=direct status=none; host counters \${name} before\`);
  await cli(\`copy-\${name}\`, 'copy', source, target, '--via', provider, '--size', '${COPY_MIB}M', '--yes', '--json');
  keep(\`cmp-\${name}\`, bash(\`
    host counters \${name} after
    echo 3 > /proc/sys/vm/drop_caches
    cmp -n ${COPY_MIB * MIB} \${source} \${target}\`));
}
const [from, to, via] = bash('drive a; drive b; address a').out.split('\\n');
for (const step of ['break', 'mend']) {
  bash('host ' + step);
  await cli('copy-' + step, 'copy', from, to, '--via', via, '--size', '${COPY_MIB}M', '--yes', '--json');
}
keep('cmp-mend', bash(\`echo 3 > /proc/sys/vm/drop_caches; cmp -n ${COPY_MIB * MIB} \${from} \${to}\`));
`;

const script = `
wait_for "drive a && drive b && drive q"
keep memory-a cat /sys/bus/pci/devices/$(address a)/p2pmem/size
REPOSITORY=$(cat $LAB/checkout)/ node $LAB/scenario.mjs || exit 1
dmesg > $LAB/out/dmesg
`;

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(`peer-to-peer between served drives${found.ok ? '' : `: ${found.why}`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-p2p-'));
  const counters = new Map<string, ServerCounters>();
  let fault: string;
  let served: ServedLab | undefined;
  let result: BootResult;
  beforeAll(async () => {
    const image = join(folder, 'q.img');
    writeFileSync(image, new Uint8Array(DRIVE_MIB * MIB));
    const server = await ServedLab.start(lab);
    served = server;
    result = await bootServed({
      lab: found.ok ? found.lab : expect.unreachable(),
      served: server,
      drives: { q: image },
      arguments: ['-device', 'nvme,id=q,bus=spare,serial=LAB-q,drive=q,cmb_size_mb=64'],
      calls: {
        counters: async (words) => {
          counters.set(words.join(' '), await server.control<ServerCounters>('counters'));
          return '';
        },
        break: async () => {
          fault = await server.addFault({ device: 'a', do: 'cmb-gone' });
          return '';
        },
        mend: async () => {
          await server.removeFault(fault);
          return '';
        },
      },
      files: { 'copy-driver.mjs': driver, 'scenario.mjs': scenario },
      script,
    });
    expect(result.status, result.stderr).toBe(0);
  }, 900_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await expectCleanEnd(served);
  });

  /** What the scenario has kept of a program. */
  function outcomeOf(name: string): { status: number; out: string; err: string } {
    return JSON.parse(
      result.files.get(name)?.toString() ?? expect.unreachable(`no ${name}\n${result.stderr}`),
    );
  }

  function deviceOf(leg: LegName, when: 'before' | 'after', name: string): DeviceCounters {
    const device = counters.get(`${leg} ${when}`)?.devices.find((each) => each.name === name);
    return device ?? expect.unreachable(`no counters of ${name} ${when} ${leg}`);
  }

  /** Data of commands that one of our drives moved in a leg: by way, read and written. */
  function moved(leg: LegName, name: string) {
    const before = deviceOf(leg, 'before', name);
    const after = deviceOf(leg, 'after', name);
    const grown = (way: 'guestMemory' | 'peers' | 'messages', what: 'read' | 'written') =>
      after[way][what].dataBytes - before[way][what].dataBytes;
    return {
      guestRead: grown('guestMemory', 'read'),
      guestWritten: grown('guestMemory', 'written'),
      peersRead: grown('peers', 'read'),
      peersWritten: grown('peers', 'written'),
      messagesRead: grown('messages', 'read'),
      messagesWritten: grown('messages', 'written'),
    };
  }

  it('finds the memory of the served controller', () => {
    expect(kept(result, 'memory-a').out).toBe(`${64 * MIB}\n`);
    expect(result.files.get('dmesg')!.toString()).toMatch(/added peer-to-peer DMA memory/);
  });

  it.each(legs.map(({ name }) => name))('%s: the kernel grants it, and the bytes are right', (name) => {
    const copy = outcomeOf(`copy-${name}`);
    expect(copy.err).toBe('');
    expect(JSON.parse(copy.out)).toMatchObject({
      outcome: 'done',
      copiedBytes: COPY_MIB * MIB,
      route: { kind: 'peer', isFallback: false },
    });
    expect(outcomeOf(`cmp-${name}`)).toEqual({ status: 0, out: '', err: '' });
  });

  it('fails with an error of the drive that reads where the memory is gone, and works again when it is back', () => {
    expect(outcomeOf('copy-break')).toMatchObject({ status: 3, err: expect.stringContaining('EIO') });
    // Generic status 04h, Data Transfer Error.
    expect(result.files.get('dmesg')!.toString()).toMatch(/I\/O Error \(sct 0x0 \/ sc 0x4\)/);
    expect(outcomeOf('copy-mend')).toMatchObject({ status: 0, err: '' });
    expect(outcomeOf('cmp-mend')).toEqual({ status: 0, out: '', err: '' });
  });

  it('moves nothing through guest memory, whoever reads and writes', () => {
    for (const { name, from, to } of legs) {
      if (from !== 'q') {
        const { guestRead, guestWritten } = moved(name, from);
        expect({ name, guestRead, guestWritten }).toEqual({ name, guestRead: 0, guestWritten: 0 });
      }
      if (to !== 'q') {
        const { guestRead, guestWritten } = moved(name, to);
        expect({ name, guestRead, guestWritten }).toEqual({ name, guestRead: 0, guestWritten: LOOK_BYTES });
      }
    }
  });

  it('moves data of two of our drives inside the server, without a message and below the switch', () => {
    const bytes = COPY_MIB * MIB;
    const none = { peersRead: 0, peersWritten: 0, messagesRead: 0, messagesWritten: 0 };
    expect(moved('ours', 'b')).toMatchObject({ ...none, peersRead: bytes });
    expect(moved('back', 'b')).toMatchObject({ ...none, peersWritten: bytes });
    for (const leg of ['ours', 'back'] as const) {
      expect(moved(leg, 'a')).toMatchObject({ messagesRead: 0, messagesWritten: 0 });
      const upstream = (when: 'before' | 'after') =>
        counters.get(`${leg} ${when}`)!.links.find((link) => link.to === 'sw0') ?? expect.unreachable();
      expect(upstream('after').up.dataBytes - upstream('before').up.dataBytes).toBe(LOOK_BYTES);
      expect(upstream('after').down.dataBytes - upstream('before').down.dataBytes).toBe(0);
    }
  });

  it('asks QEMU where the memory is QEMU’s, and is not asked where the memory is ours', () => {
    const bytes = COPY_MIB * MIB;
    expect(moved('ours-writes-theirs', 'b')).toMatchObject({ messagesWritten: bytes, messagesRead: 0 });
    expect(moved('ours-reads-theirs', 'b')).toMatchObject({ messagesRead: bytes, messagesWritten: 0 });
    for (const leg of ['theirs-writes-ours', 'theirs-reads-ours'] as const) {
      expect(moved(leg, 'a')).toMatchObject({ messagesRead: 0, messagesWritten: 0 });
    }
  });
});
