/** The commands on files of this machine. Drives, peer memory and refusals by verdict are tried in a virtual machine. */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/base/index.ts';
import type { Io } from '../../src/cli/io.ts';
import { confirmWrite } from '../../src/cli/transfer/consent.ts';
import { liveTree, openBlockTarget } from '../../src/linux/index.ts';
import { hasFfi } from '../support/ffi.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

const random = new SeededRandom(31);
const content = new Uint8Array(new Uint32Array(1 << 18).map(() => random.next32()).buffer);
writeFileSync(path('source'), content);

function directIoWorks(): boolean {
  try {
    void openBlockTarget(path('source'), { look: liveTree }).close();
    return true;
  } catch (error) {
    console.log(`skipped: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

const canRun = hasFfi() && directIoWorks();

describe.skipIf(!canRun)('peerlane copy', () => {
  it('makes the destination, copies and verifies', async () => {
    const { status, stdout, stderr } = await runCli([
      'copy',
      path('source'),
      path('new'),
      '--via',
      'host',
      '--verify',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('route: host memory: host memory was asked for');
    expect(stdout).toContain('copied: 1 MiB');
    expect(stdout).toContain('verify: equal; 1 MiB');
    expect(stdout).toContain('trust: verified');
    expect(Buffer.compare(readFileSync(path('new')), content)).toBe(0);
  });

  it('copies a range, and only that', async () => {
    writeFileSync(path('range'), new Uint8Array(content.length).fill(1));
    const args = [
      '--via',
      'host',
      '--offset',
      '64k',
      '--size',
      '128k',
      '--chunk',
      '16k',
      '--depth',
      '3',
      '--json',
    ];
    const { status, stdout } = await runCli(['copy', path('source'), path('range'), ...args]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'peerlane/copy/1',
      outcome: 'done',
      trust: 'transferred',
      copiedBytes: 131072,
      certainBytes: 131072,
      chunkBytes: 16384,
      depth: 3,
      route: { kind: 'host', provider: null, isFallback: false },
      verify: null,
      failure: null,
      exitStatus: 0,
    });
    const bytes = readFileSync(path('range'));
    expect(Buffer.compare(bytes.subarray(65536, 196608), content.subarray(65536, 196608))).toBe(0);
    expect(new Set(bytes.subarray(0, 65536))).toEqual(new Set([1]));
    expect(new Set(bytes.subarray(196608))).toEqual(new Set([1]));
  });

  it.each([
    ['a source that is not there', [path('missing'), path('x'), '--via', 'host'], 'HOST_NO_SUCH_PATH'],
    ['a mistyped device', [path('source'), '/dev/nvme99n1', '--via', 'host', '--yes'], 'HOST_NO_SUCH_PATH'],
    ['a folder', [path('source'), folder, '--via', 'host'], 'HOST_NOT_BLOCK'],
    ['a folder that is not there', [path('source'), path('no/such'), '--via', 'host'], 'HOST_NO_SUCH_PATH'],
    ['the same file twice', [path('source'), path('source'), '--via', 'host'], 'USAGE_SAME_TARGET'],
    [
      'a size that is no multiple of a block',
      [path('source'), path('x'), '--via', 'host', '--size', '1000'],
      'COPY_RANGE',
    ],
    ['a size beyond the source', [path('source'), path('x'), '--via', 'host', '--size', '1G'], 'COPY_RANGE'],
    [
      'an offset beyond the source',
      [path('source'), path('x'), '--via', 'host', '--offset', '1G'],
      'COPY_RANGE',
    ],
    ['a size of nothing', [path('source'), path('x'), '--via', 'host', '--size', '0'], 'COPY_RANGE'],
    ['a chunk of nothing', [path('source'), path('x'), '--via', 'host', '--chunk', '0'], 'COPY_SETUP'],
    ['a depth of nothing', [path('source'), path('x'), '--via', 'host', '--depth', '0'], 'USAGE_DEPTH'],
    [
      'a depth beyond reason',
      [path('source'), path('x'), '--via', 'host', '--depth', '999999'],
      'USAGE_DEPTH',
    ],
    ['a route through nothing', [path('source'), path('x'), '--via', 'nvme99'], 'TOPO_UNKNOWN_NAME'],
  ])('%s is a one-line error with a hint and status 2, and makes no file', async (_, args, code) => {
    const { status, stdout, stderr } = await runCli(['copy', ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^peerlane: [^\\n]*; [^\\n]*\\[${code}\\]\\n$`));
    expect(existsSync(path('x'))).toBe(false);
  });

  it('leaves a destination as it was when the copy is refused after it was opened', async () => {
    writeFileSync(path('kept'), 'content');
    const refused = await runCli(['copy', path('source'), path('kept'), '--via', 'host', '--chunk', '1000']);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('COPY_SETUP') });
    expect(readFileSync(path('kept'), 'utf8')).toBe('content');
    symlinkSync(path('nowhere'), path('dangling'));
    const link = await runCli(['copy', path('source'), path('dangling'), '--via', 'host']);
    expect(link).toMatchObject({ status: 2, stderr: expect.stringContaining('HOST_NO_SUCH_PATH') });
    expect(lstatSync(path('dangling')).isSymbolicLink()).toBe(true);
  });

  it('takes no more memory than the copy has chunks', async () => {
    const args = ['--via', 'host', '--verify', '--depth', '4096', '--chunk', '256k', '--json'];
    const { status, stdout } = await runCli(['copy', path('source'), path('few'), ...args]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ chunkBytes: 262144, depth: 4, trust: 'verified' });
  });

  it('without a peer route is refused with status 1 and all reasons, and --fallback takes host memory', async () => {
    // The file system of the test's folder is on no NVMe namespace, or no provider reaches it: either way there are reasons.
    const refused = await runCli(['copy', path('source'), path('x')]);
    if (refused.status === 0) {
      console.log('skipped: this machine has a peer route between its files');
      return;
    }
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('COPY_NO_ROUTE');
    expect(refused.stderr.trim().split('\n').length).toBeGreaterThan(1);
    expect(existsSync(path('x'))).toBe(false);
    const { status, stdout } = await runCli(['copy', path('source'), path('x'), '--fallback', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'done', route: { kind: 'host', isFallback: true } });
    expect(statSync(path('x')).size).toBe(content.length);
  });
});

describe.skipIf(!canRun)('peerlane bench', () => {
  it('reads and tells rounds, throughput and latencies', async () => {
    const args = [
      '--via',
      'host',
      '--block',
      '16k',
      '--depth',
      '4',
      '--count',
      '50',
      '--rounds',
      '3',
      '--json',
    ];
    const { status, stdout } = await runCli(['bench', path('source'), ...args]);
    expect(status).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      schema: 'peerlane/bench/1',
      outcome: 'done',
      mode: 'read',
      ratio: null,
      depth: 4,
    });
    expect(result.sides).toHaveLength(1);
    expect(result.sides[0].rounds.map((round: { items: number }) => round.items)).toEqual([50, 50, 50]);
    expect(result.sides[0].latency.read.count).toBe(150);
    expect(result.sides[0].latency.write.count).toBe(0);
  });

  it('only reads unless told, and writes only with consent', async () => {
    writeFileSync(path('victim'), content);
    await runCli(['bench', path('victim'), '--via', 'host', '--count', '10', '--rounds', '1']);
    for (const mode of ['write', 'mixed']) {
      const { status, stderr } = await runCli([
        'bench',
        path('victim'),
        '--via',
        'host',
        '--mode',
        mode,
        '--count',
        '10',
      ]);
      expect(status).toBe(2);
      expect(stderr).toContain('COPY_NOT_CONFIRMED');
    }
    expect(Buffer.compare(readFileSync(path('victim')), content)).toBe(0);
    const asked = await runCli(
      ['bench', path('victim'), '--via', 'host', '--mode', 'write', '--count', '1'],
      ['no'],
    );
    expect(asked.status).toBe(2);
    const agreed = await runCli(
      [
        'bench',
        path('victim'),
        '--via',
        'host',
        '--mode',
        'write',
        '--count',
        '4',
        '--rounds',
        '1',
        '--block',
        '16k',
      ],
      ['yes'],
    );
    expect(agreed.status).toBe(0);
    expect(agreed.stdout).toContain('host write');
    expect(Buffer.compare(readFileSync(path('victim')), content)).not.toBe(0);
  });

  it('copies from one to another', async () => {
    writeFileSync(path('to'), new Uint8Array(content.length));
    const args = [
      '--mode',
      'copy',
      '--via',
      'host',
      '--block',
      '64k',
      '--count',
      '16',
      '--rounds',
      '1',
      '--yes',
    ];
    const { status, stdout } = await runCli(['bench', path('source'), path('to'), ...args]);
    expect(status).toBe(0);
    expect(stdout).toContain('host copy');
    expect(Buffer.compare(readFileSync(path('to')), content)).toBe(0);
  });

  it.each([
    ['two targets to read', [path('source'), path('source')], 'USAGE_TARGETS'],
    ['one to copy', [path('source'), '--mode', 'copy', '--yes'], 'USAGE_TARGETS'],
    ['a file that would have to be made', [path('absent'), '--mode', 'write', '--yes'], 'HOST_NO_SUCH_PATH'],
    ['an area smaller than a block', [path('source'), '--size', '4k'], 'COPY_RANGE'],
    ['no rounds', [path('source'), '--rounds', '0', '--count', '1'], 'COPY_SETUP'],
    ['no requests', [path('source'), '--count', '0'], 'COPY_SETUP'],
  ])('%s is a one-line error with status 2', async (_, args, code) => {
    const { status, stdout, stderr } = await runCli(['bench', '--via', 'host', ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^peerlane: [^\\n]*; [^\\n]*\\[${code}\\]\\n$`));
  });
});

describe('consent to overwrite a device', () => {
  const disk = { label: '/dev/x', holds: ['an ext4 file system', 'swap space'] };
  const consent = async (yes: boolean, end: { label: string; holds: readonly string[] }) => {
    const said: string[] = [];
    const io = {
      ask: async (question: string) => {
        said.push(question);
        return 'y';
      },
      err: (text: string) => said.push(text),
    } as unknown as Io;
    await confirmWrite(io, yes, end, '/dev/y');
    return said;
  };

  it('names what would be lost in the question, and with --yes in a warning', async () => {
    expect(await consent(false, disk)).toEqual([
      'Overwrite /dev/x (it holds an ext4 file system and swap space) with /dev/y? [y/N] ',
    ]);
    expect(await consent(true, disk)).toEqual([
      'peerlane: warning: /dev/x holds an ext4 file system and swap space, which is overwritten\n',
    ]);
  });

  it('says nothing of a device that is not known to hold anything', async () => {
    expect(await consent(false, { label: '/dev/x', holds: [] })).toEqual([
      'Overwrite /dev/x with /dev/y? [y/N] ',
    ]);
    expect(await consent(true, { label: '/dev/x', holds: [] })).toEqual([]);
  });
});

/** A loop device on a file of ours; undefined where they cannot be made. */
function loopDevice(name: string): string | undefined {
  writeFileSync(path(name), new Uint8Array(4 << 20));
  const made = spawnSync('losetup', ['--find', '--show', path(name)], { encoding: 'utf8' });
  return made.status === 0 ? made.stdout.trim() : undefined;
}

const loop = canRun ? loopDevice('loop') : undefined;
if (loop === undefined) {
  console.log('skipped: no loop devices here (root and losetup make them)');
} else {
  afterAll(() => void spawnSync('losetup', ['--detach', loop]));
}

describe.skipIf(loop === undefined)('peerlane copy to a block device that nobody claims', () => {
  const copy = (...more: string[]) => runCli(['copy', path('source'), loop!, '--via', 'host', ...more]);
  const put = (offset: number, bytes: Uint8Array) => {
    const fd = openSync(loop!, 'r+');
    writeSync(fd, bytes, 0, bytes.length, offset);
    fsyncSync(fd);
    closeSync(fd);
  };

  it('warns of what it holds, once, and copies', async () => {
    put(4086, new TextEncoder().encode('SWAPSPACE2'));
    const { status, stderr } = await copy('--yes');
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `peerlane: warning: ${loop} holds swap space, which is overwritten\n`,
    });
    // Random content now, also for the page cache: nothing to warn of.
    expect(await copy('--yes')).toMatchObject({ status: 0, stderr: '' });
  });

  it('refuses a partition table that the kernel does not show, and leaves it', async () => {
    const table = new Uint8Array(512);
    table.set([0, 0x20, 0x21, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446);
    table.set([0x55, 0xaa], 510);
    put(0, table);
    expect(await copy('--yes')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/an MBR partition table.*\[HOST_HAS_PARTITIONS\]\n$/),
    });
    // The same for programs that open it without a look before.
    expect(() => openBlockTarget(loop!, { look: liveTree, write: true })).toThrow('an MBR partition table');
    expect(Buffer.compare(readFileSync(loop!).subarray(0, 512), table)).toBe(0);
    put(0, new Uint8Array(512));
    expect(await copy('--yes')).toMatchObject({ status: 0, stderr: '' });
  });

  it.each(['r', 'r+'])(
    'refuses a device that another program holds open (%s) without a claim',
    async (flags) => {
      const fd = openSync(loop!, flags);
      const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
      closeSync(fd);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      try {
        await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
        const { status, stderr } = await copy('--yes');
        expect(status).toBe(2);
        expect(stderr).toContain(`held open by process ${child.pid} (sleep); stop that program first`);
        expect(stderr).toContain('[HOST_IN_USE]');
        expect(() => openBlockTarget(loop!, { look: liveTree, write: true })).toThrow('(sleep)');
      } finally {
        child.kill();
        await ended;
      }
      expect((await copy('--yes')).status).toBe(0);
    },
  );
});
