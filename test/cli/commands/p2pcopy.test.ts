/** `p2pcopy` on a lab machine and on files of this one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { liveTree, openBlockTarget } from '../../../src/linux/index.ts';
import { fillChunk } from '../../../src/orchestrators/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { runCli, runJson } from '../run-cli.ts';

const LAB = fileURLToPath(new URL('../../../examples/eideticom.yaml', import.meta.url));
/** Two drives at root ports of a host bridge that is on no list of the kernel. */
const APART = `peerlane: lab/1
kernel: 6.12.9
cpu: {vendor: intel, family: 6, model: 151}
iommu: off
memory: 4G
host-bridges:
  - identity: 8086:4668
    below:
      - {root-port: a, below: {nvme: nvme0, cmb: 64M, namespaces: 64M}}
      - {root-port: b, below: {nvme: nvme1, namespaces: 64M}}
`;
const PROVIDER = /^0000:[0-9a-f]{2}:00\.0$/;

const folder = mkdtempSync(join(tmpdir(), 'peerlane-p2pcopy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

describe('p2pcopy on a lab', () => {
  it('copies through the controller memory of a drive and finds every byte, with nothing in system memory', async () => {
    const result = await runJson([
      ...['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', 'nvme0'],
      ...['--skip-read', '-c', '64', '-s', '64k', '-t', '8'],
    ]);
    expect(result).toMatchObject({
      schema: 'peerlane/p2pcopy/1',
      outcome: 'done',
      bytesRead: 0,
      bytesWritten: 64 * 65536,
      totalBytes: 64 * 65536,
      isSimulated: true,
      bytesPerSecond: null,
      latencyNs: null,
      route: { kind: 'peer', provider: expect.stringMatching(PROVIDER) },
      traffic: { dramBytes: 0, rootPortBytes: 0 },
      exitStatus: 0,
    });
  });

  it('checks what arrived, through host memory and by comparing bytes', async () => {
    const { status, stdout, stderr } = await runCli([
      ...['lab', LAB, 'p2pcopy', 'nvme0', 'nvme1', 'nvme0', '--check', '-c', '32', '--threads', '4'],
      ...['--seed', '5'],
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Running peerlane p2pcopy: reading nvme0 (8 GiB): writing nvme1');
    expect(stdout).toContain('chunk size = 4096 : number of chunks = 32 : total = 128 KiB : thread(s) = 4');
    expect(stdout).toContain('checking data with seed = 5');
    expect(stdout).toContain('MATCH on data check: all 131072 bytes');
    expect(stdout).toMatch(/^Transfer:\n {2}128 KiB \(131072 B\) in .*simulated, untimed/m);
  });

  it('uses host memory when none is named, and says so', async () => {
    const result = await runJson(['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', '--check', '-c', '16']);
    const byPeer = await runJson(['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', 'auto', '--check', '-c', '16']);
    // Neither the filling nor the check, which go through host memory always, are counted.
    expect(byPeer).toMatchObject({ route: { kind: 'peer' }, traffic: { dramBytes: 0, rootPortBytes: 0 } });
    expect(result).toMatchObject({
      route: { kind: 'host', provider: null },
      check: { outcome: 'match', comparedBytes: 65536, badChunks: 0 },
    });
    const { dramBytes } = (result as { traffic: { dramBytes: number } }).traffic;
    expect(dramBytes).toBe(2 * 65536);
  });

  it('takes the memory by its file in sysfs, by address and by name alike', async () => {
    const byName = await runJson<{ route: { provider: string } }>([
      ...['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', 'nvme0', '-c', '4'],
    ]);
    const { provider } = byName.route;
    for (const name of [provider, `/sys/bus/pci/devices/${provider}/p2pmem/allocate`]) {
      const { route } = await runJson<{ route: { provider: string } }>([
        ...['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', name, '-c', '4'],
      ]);
      expect(route.provider).toBe(provider);
    }
  });

  it('is refused with status 1 where the verdict refuses the memory', async () => {
    writeFileSync(path('apart.yaml'), APART);
    const refused = await runCli(['-m', path('apart.yaml'), 'p2pcopy', 'nvme0', 'nvme1', 'nvme0']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('COPY_NO_ROUTE');
  });

  it.each([
    ['a mapping offset', ['nvme0', '-o', '4096'], 'USAGE_P2PCOPY'],
    ['an offset without peer memory', ['-o', '4096'], 'USAGE_P2PCOPY'],
    ['the processor on peer memory', ['nvme0', '--host_access', '64'], 'USAGE_P2PCOPY'],
    ['peer memory set to zero', ['nvme0', '--init', '4096'], 'USAGE_P2PCOPY'],
    ['more set to zero than there is', ['--init', '64:1M'], 'USAGE_P2PCOPY'],
    ['an access larger than the memory', ['--host_access', '65536'], 'USAGE_P2PCOPY'],
    ['no legs', ['--skip-read', '--skip-write'], 'USAGE_P2PCOPY'],
    ['a check of one leg', ['--check', '--skip-write'], 'COPY_SETUP'],
    ['a check with overlap', ['--check', '--overlap'], 'COPY_SETUP'],
    ['overlap that is not needed', ['--overlap'], 'COPY_RANGE'],
    ['more than the drive', ['-c', '1M', '-s', '1M'], 'COPY_RANGE'],
    ['half a page of peer memory', ['nvme0', '-s', '2048'], 'COPY_SETUP'],
    ['half a block', ['-s', '100'], 'COPY_SETUP'],
    ['no threads', ['-t', '0'], 'USAGE_P2PCOPY'],
    [
      'more threads than peer memory',
      ['nvme0', '-t', '1024', '-s', '1M', '-c', '1024'],
      'P2P_POOL_EXHAUSTED',
    ],
    ['an old character device', ['/dev/p2pmem0'], 'USAGE_PEER_MEMORY'],
    ['a name that nothing has', ['nvme9'], 'TOPO_UNKNOWN_NAME'],
    ['nonsense for an access', ['--host_access', 'x'], 'USAGE_P2PCOPY'],
  ])('refuses %s in one line', async (_, args, code) => {
    const { status, stdout, stderr } = await runCli(['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^peerlane: [^\\n]*; [^\\n]*\\[${code}\\]\\n$`));
  });

  it('has the processor try host memory first, and can stop there', async () => {
    const args = ['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', '--init', '64:4k', '--host_access', '64:100:stop'];
    const { status, stdout } = await runCli(args);
    expect(status).toBe(0);
    expect(stdout).toContain('initialised 4 KiB of the buffer with zeros');
    expect(stdout).toContain('MATCH on 100 host accesses');
    expect(stdout).toContain('stopped before the transfer');
    const reading = await runJson(['-m', LAB, 'p2pcopy', 'nvme0', 'nvme1', '--host_access', '-8', '-c', '2']);
    expect(reading).toMatchObject({ hostAccess: { accesses: 64, isReadOnly: true }, chunksDone: 2 });
  });
});

function directIoWorks(): boolean {
  writeFileSync(path('probe'), new Uint8Array(4096));
  try {
    void openBlockTarget(path('probe'), { look: liveTree }).close();
    return true;
  } catch (error) {
    console.log(`skipped: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

describe.skipIf(!hasFfi() || !directIoWorks())('p2pcopy on files', () => {
  const BYTES = 1 << 18;
  const make = (): void => {
    writeFileSync(path('from'), new Uint8Array(BYTES).fill(1));
    writeFileSync(path('to'), new Uint8Array(BYTES).fill(2));
  };

  it('copies the chunks and no more, and a total that is the whole file', async () => {
    make();
    const result = await runJson(['p2pcopy', path('from'), path('to'), '-c', '16', '-t', '4']);
    expect(result).toMatchObject({ outcome: 'done', totalBytes: 65536, isSimulated: false, traffic: null });
    const bytes = readFileSync(path('to'));
    expect(new Set(bytes.subarray(0, 65536))).toEqual(new Set([1]));
    expect(new Set(bytes.subarray(65536))).toEqual(new Set([2]));
    expect(await runJson(['p2pcopy', path('from'), path('to'), '-c', '64'])).toMatchObject({
      totalBytes: BYTES,
    });
  });

  it('asks before --check writes to the source, and writes what the seed says when allowed', async () => {
    make();
    const args = ['p2pcopy', path('from'), path('to'), '--check', '-c', '8', '--seed', '3'];
    const refused = await runCli(args, ['n']);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('COPY_NOT_CONFIRMED') });
    expect(new Set(readFileSync(path('from')))).toEqual(new Set([1]));
    const { status, stdout } = await runCli([...args, '--yes']);
    expect(status).toBe(0);
    expect(stdout).toContain('MATCH on data check');
    const expected = new Uint8Array(4096);
    fillChunk(3, 7, expected);
    for (const name of ['from', 'to']) {
      expect(Buffer.compare(readFileSync(path(name)).subarray(7 * 4096, 8 * 4096), expected)).toBe(0);
    }
  });

  it('wraps around on files smaller than the total', async () => {
    make();
    const args = ['p2pcopy', path('from'), path('to'), '-c', '128', '--overlap', '-t', '2'];
    expect(await runJson(args)).toMatchObject({ outcome: 'done', totalBytes: 2 * BYTES });
    expect(Buffer.compare(readFileSync(path('to')), readFileSync(path('from')))).toBe(0);
  });

  it('refuses the same file twice', async () => {
    make();
    const { status, stderr } = await runCli(['p2pcopy', path('from'), path('from'), '-c', '4']);
    expect(status).toBe(2);
    expect(stderr).toContain('USAGE_SAME_TARGET');
  });
});
