/** On this machine: files with O_DIRECT, and loop devices where root may make them. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DONE, PENDING, STATUS, type Status } from '../../src/access/index.ts';
import { PeerlaneError, SeededRandom } from '../../src/base/index.ts';
import {
  allocateHostMemory,
  backingOf,
  type LinuxBlockTarget,
  liveTree,
  type OpenBlockOptions,
  openBlockTarget,
} from '../../src/linux/index.ts';
import { Copy } from '../../src/orchestrators/index.ts';
import { hasFfi } from '../support/ffi.ts';

const MIB = 1024 * 1024;
const look = liveTree;

function codeOf(path: string, options: Partial<OpenBlockOptions> = {}): string {
  try {
    void openBlockTarget(path, { look, ...options }).close();
    return 'opened';
  } catch (error) {
    expect(error).toBeInstanceOf(PeerlaneError);
    expect(error).toMatchObject({ exitStatus: 2, hint: expect.any(String) });
    expect((error as Error).message).not.toContain('\n');
    return (error as PeerlaneError).code;
  }
}

/** Where a link leads; nothing when it is gone by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The status of one request. */
function settled(target: LinuxBlockTarget, request: (token: number) => Status): Promise<Status> {
  return new Promise((resolve) => {
    target.onDone = (token, status) => {
      expect(token).toBe(7);
      resolve(status);
    };
    const first = request(7);
    if (first !== PENDING) {
      resolve(first);
    }
  });
}

function directIoWorks(folder: string): boolean {
  const path = join(folder, 'probe');
  writeFileSync(path, new Uint8Array(4096));
  const code = codeOf(path);
  if (code !== 'opened') {
    console.log(`skipped: no direct I/O on ${folder} (${code})`);
  }
  return code === 'opened';
}

const folder = mkdtempSync(join(tmpdir(), 'peerlane-'));
const canRun = hasFfi() && directIoWorks(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!canRun)('a file as a block target', () => {
  let source: string;
  let content: Uint8Array;
  beforeAll(() => {
    const random = new SeededRandom(21);
    content = new Uint8Array(new Uint32Array(MIB).map(() => random.next32()).buffer);
    source = join(folder, 'source');
    writeFileSync(source, content);
  });

  it('is copied whole, and a new file has its bytes and its size', async () => {
    const destination = join(folder, 'copy');
    const from = openBlockTarget(source, { look });
    const to = openBlockTarget(destination, { look, write: true, createBytes: content.length });
    const spans = [1, 2, 3].map(() => allocateHostMemory(4 * 256 * 1024));
    const copy = new Copy({
      source: from,
      target: to,
      span: spans[0]!,
      sourceOffsetBytes: 0,
      targetOffsetBytes: 0,
      lengthBytes: content.length,
      chunkBytes: 256 * 1024,
      depth: 4,
      nowNs: () => performance.now() * 1e6,
      verify: { sourceSpan: spans[1]!, targetSpan: spans[2]! },
    });
    const result = await copy.run();
    expect(result).toMatchObject({
      outcome: 'done',
      trust: 'verified',
      certainBytes: content.length,
      isFlushed: true,
    });
    await from.close();
    await to.close();
    for (const span of spans) {
      span.close();
    }
    expect(Buffer.compare(readFileSync(destination), content)).toBe(0);
  });

  it('knows its size, its alignment and that it does not write', () => {
    const target = openBlockTarget(source, { look });
    expect(target).toMatchObject({
      label: source,
      sizeBytes: content.length,
      isReadOnly: true,
      isExclusive: false,
    });
    expect(4096 % target.blockBytes).toBe(0);
    expect(target.backing.kind).toBe('file');
    return target.close();
  });

  it('refuses what is not whole blocks or not inside, without asking the kernel', async () => {
    const target = openBlockTarget(source, { look });
    const span = allocateHostMemory(8192);
    const { blockBytes, sizeBytes } = target;
    const wrong: readonly [number, number, number][] = [
      [1, 0, blockBytes],
      [0, 1, blockBytes],
      [0, 0, blockBytes - 1],
      [0, 0, 0],
      [0, 0, -blockBytes],
      [-blockBytes, 0, blockBytes],
      [sizeBytes, 0, blockBytes],
      [0, 8192, blockBytes],
      [0, 0, 16384],
      [Number.NaN, 0, blockBytes],
      [0, 0, Number.NaN],
    ];
    for (const [offset, at, length] of wrong) {
      expect(target.read(offset, span, at, length, 7)).toBe(STATUS.INVALID);
      expect(target.failure(7)).toMatchObject({ code: 'EINVAL' });
    }
    expect(target.write(0, span, 0, blockBytes, 8)).toBe(STATUS.INVALID);
    expect(target.failure(8)?.code).toBe('EROFS');
    expect(await settled(target, (token) => target.read(0, span, 0, 4096, token))).toBe(DONE);
    expect(target.failure(7)).toBeUndefined();
    await target.close();
    span.close();
  });

  it('reports a short transfer as a failure with what was moved', async () => {
    const path = join(folder, 'shrinks');
    writeFileSync(path, new Uint8Array(8192));
    const target = openBlockTarget(path, { look });
    truncateSync(path, 4096);
    const span = allocateHostMemory(8192);
    expect(await settled(target, (token) => target.read(0, span, 0, 8192, token))).toBe(STATUS.IO);
    expect(target.failure(7)).toMatchObject({
      code: 'SHORT',
      message: expect.stringContaining('4096 of 8192'),
    });
    await target.close();
    span.close();
  });

  it('refuses memory that was closed, and memory in use is not closed', async () => {
    const target = openBlockTarget(source, { look });
    const span = allocateHostMemory(MIB);
    const pending = settled(target, (token) => target.read(0, span, 0, MIB, token));
    expect(() => span.close()).toThrow(expect.objectContaining({ code: 'HOST_MEMORY_BUSY' }));
    expect(await pending).toBe(DONE);
    span.close();
    span.close();
    expect(target.read(0, span, 0, 4096, 7)).toBe(STATUS.INVALID);
    await target.close();
  });

  it('takes as many requests as it says, and FULL comes after', async () => {
    const target = openBlockTarget(source, { look, depth: 2 });
    const span = allocateHostMemory(3 * MIB);
    let done = 0;
    const drained = new Promise<void>((resolve) => {
      target.onDone = () => {
        done++;
        if (done === 2) {
          resolve();
        }
      };
    });
    expect(target.depthMax).toBe(2);
    expect(target.read(0, span, 0, MIB, 1)).toBe(PENDING);
    expect(target.read(0, span, MIB, MIB, 2)).toBe(PENDING);
    expect(target.read(0, span, 2 * MIB, MIB, 3)).toBe(STATUS.FULL);
    await drained;
    await target.close();
    span.close();
  });

  it('closes once, after what is in flight, and takes nothing afterwards', async () => {
    const target = openBlockTarget(source, { look });
    const span = allocateHostMemory(MIB);
    let status: Status | undefined;
    target.onDone = (_, result) => {
      status = result;
    };
    target.read(0, span, 0, MIB, 1);
    await target.close();
    expect(status).toBe(DONE);
    await target.close();
    expect(target.read(0, span, 0, 4096, 7)).toBe(STATUS.ABORTED);
    span.close();
  });

  it('leaves no descriptor behind when opening fails half-way', () => {
    const count = () =>
      readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith(folder)).length;
    const before = count();
    expect(codeOf(source, { depth: 0 })).toBe('USAGE_DEPTH');
    expect(codeOf(source, { depth: 1e9 })).toBe('USAGE_DEPTH');
    expect(codeOf(join(folder, 'new'), { write: true, createBytes: 2 ** 52 })).toBe('HOST_NO_SPACE');
    expect(count()).toBe(before);
    // Nor the file that was made for it.
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });
});

/** As a command looks at a path before it asks. */
function seen(path: string) {
  const stats = existsSync(path) ? statSync(path) : undefined;
  return { stats, backing: backingOf(look(), path, stats ?? statSync(folder)) };
}

describe.skipIf(!canRun)('a name that leads elsewhere after it was looked at', () => {
  const swap = (name: string, change: (path: string) => void): string => {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(4096));
    const expected = seen(path);
    expect(codeOf(path, { write: true, expected })).toBe('opened');
    change(path);
    return codeOf(path, { write: true, createBytes: 4096, expected });
  };

  it('is refused when another file has taken the name', () => {
    const other = join(folder, 'taker');
    writeFileSync(other, new Uint8Array(4096));
    expect(swap('taken', (path) => renameSync(other, path))).toBe('HOST_IN_USE');
    expect(
      swap('relinked', (path) => {
        rmSync(path);
        symlinkSync(join(folder, 'taken'), path);
      }),
    ).toBe('HOST_IN_USE');
    expect(statSync(join(folder, 'taken')).size).toBe(4096);
  });

  it('is refused when nothing is there any more, or something that was not', () => {
    expect(swap('vanished', (path) => rmSync(path))).toBe('HOST_IN_USE');
    expect(existsSync(join(folder, 'vanished'))).toBe(false);
    const path = join(folder, 'appeared');
    const expected = seen(path);
    writeFileSync(path, 'x');
    expect(codeOf(path, { write: true, createBytes: 4096, expected })).toBe('HOST_IN_USE');
    expect(readFileSync(path, 'utf8')).toBe('x');
  });
});

describe.skipIf(!canRun)('taking an opening back', () => {
  const open = (path: string) => openBlockTarget(path, { look, write: true, createBytes: MIB });

  it('removes a file that was made, once and only that one', async () => {
    const path = join(folder, 'made');
    const target = open(path);
    const other = join(folder, 'not-ours');
    writeFileSync(other, 'x');
    renameSync(other, path);
    target.undoOpening();
    expect(readFileSync(path, 'utf8')).toBe('x');
    await target.close();
    rmSync(path);
    const again = open(path);
    again.undoOpening();
    expect(existsSync(path)).toBe(false);
    await again.close();
    again.undoOpening();
  });

  it('gives a file that was there its length back, and leaves what it held', async () => {
    const path = join(folder, 'short');
    writeFileSync(path, 'content');
    const target = open(path);
    expect(statSync(path).size).toBe(MIB);
    target.undoOpening();
    await target.close();
    expect(readFileSync(path, 'utf8')).toBe('content');
  });

  it('is what a failed reservation does', () => {
    const path = join(folder, 'too-much');
    writeFileSync(path, 'content');
    expect(codeOf(path, { write: true, createBytes: 2 ** 52 })).toBe('HOST_NO_SPACE');
    expect(readFileSync(path, 'utf8')).toBe('content');
  });

  it('leaves a link alone that leads nowhere', () => {
    const path = join(folder, 'dangling');
    symlinkSync(join(folder, 'nowhere'), path);
    expect(codeOf(path, { write: true, createBytes: 4096 })).toBe('HOST_NO_SUCH_PATH');
    expect(linkOf(path)).toBe(join(folder, 'nowhere'));
  });
});

describe.skipIf(!canRun)('paths that cannot be block targets', () => {
  it.each([
    ['/nonexistent/file', {}, 'HOST_NO_SUCH_PATH'],
    ['/dev/nvme99n1', {}, 'HOST_NO_SUCH_PATH'],
    ['/dev/nvme99n1', { write: true, createBytes: 4096 }, 'HOST_NO_SUCH_PATH'],
    ['//dev/nvme99n1', { write: true, createBytes: 4096 }, 'HOST_NO_SUCH_PATH'],
    ['/tmp/../dev/nvme99n1', { write: true, createBytes: 4096 }, 'HOST_NO_SUCH_PATH'],
    ['/etc/passwd/x', {}, 'HOST_NO_SUCH_PATH'],
    ['/tmp', {}, 'HOST_NOT_BLOCK'],
    ['/dev/null', {}, 'HOST_NOT_BLOCK'],
    ['/proc/version', {}, 'HOST_NO_DIRECT_IO'],
  ] as const)('%s %j: %s', (path, options, code) => {
    expect(codeOf(path, options)).toBe(code);
  });
});

/** Attaches a loop device, or says why not. */
function attach(path: string, ...options: string[]): string | undefined {
  const result = spawnSync('losetup', ['--find', '--show', ...options, path], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

const loops: string[] = [];
function loopDevice(name: string, sizeBytes: number, ...options: string[]): string | undefined {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  const device = attach(path, ...options);
  if (device !== undefined) {
    loops.push(device);
  }
  return device;
}

const first = canRun ? loopDevice('loop-a', 4 * MIB) : undefined;
if (canRun && first === undefined) {
  console.log('skipped: no loop devices here (root and losetup make them)');
}
afterAll(() => {
  for (const device of loops) {
    spawnSync('losetup', ['--detach', device]);
  }
});

describe.skipIf(first === undefined)('a block device as a target', () => {
  it('is held: nobody else can open it exclusively, until it is closed', async () => {
    const target = openBlockTarget(first!, { look, write: true });
    expect(target).toMatchObject({
      isExclusive: true,
      sizeBytes: 4 * MIB,
      blockBytes: 512,
      isReadOnly: false,
    });
    expect(codeOf(first!, { write: true })).toBe('HOST_IN_USE');
    expect(codeOf(first!, { exclusive: true })).toBe('HOST_IN_USE');
    expect(codeOf(first!)).toBe('opened');
    await target.close();
    expect(codeOf(first!, { write: true })).toBe('opened');
  });

  it('is the same by another name', async () => {
    const link = join(folder, 'by-another-name');
    symlinkSync(first!, link);
    const [one, two] = [openBlockTarget(first!, { look }), openBlockTarget(link, { look })];
    expect(one.identity).toBe(two.identity);
    await one.close();
    await two.close();
  });

  it('says that it takes no peer memory, and that nobody is known to do its DMA', async () => {
    const target = openBlockTarget(first!, { look });
    expect(target.requesters).toEqual([]);
    expect(target.backing.peer).toMatchObject({ capable: false, why: expect.stringContaining('loop') });
    expect(target.backing.requesters.uncertain).toContain('loop');
    await target.close();
  });

  it('takes writes and a flush, and the file behind it has them', async () => {
    const target = openBlockTarget(first!, { look, write: true });
    const span = allocateHostMemory(4096);
    span.fill(0x3c);
    expect(await settled(target, (token) => target.write(8192, span, 0, 4096, token))).toBe(DONE);
    expect(await settled(target, (token) => target.flush(token))).toBe(DONE);
    await target.close();
    span.close();
    const bytes = readFileSync(join(folder, 'loop-a'));
    expect(new Set(bytes.subarray(8192, 12288))).toEqual(new Set([0x3c]));
    expect(bytes[8191]).toBe(0);
  });

  it('the file behind it is not written, by any of its names', () => {
    expect(codeOf(join(folder, 'loop-a'), { write: true })).toBe('HOST_IN_USE');
    linkSync(join(folder, 'loop-a'), join(folder, 'loop-a-again'));
    expect(codeOf(join(folder, 'loop-a-again'), { write: true })).toBe('HOST_IN_USE');
    expect(codeOf(join(folder, 'loop-a'))).toBe('opened');
  });

  it('behind another loop device is not written', () => {
    const above = attach(first!);
    expect(above).toBeDefined();
    expect(codeOf(first!, { write: true })).toBe('HOST_IN_USE');
    spawnSync('losetup', ['--detach', above!]);
    expect(codeOf(first!, { write: true })).toBe('opened');
  });

  it('that was attached anew since it was looked at is not written', () => {
    const device = loopDevice('loop-again', MIB)!;
    const expected = seen(device);
    expect(codeOf(device, { write: true, expected })).toBe('opened');
    spawnSync('losetup', ['--detach', device]);
    spawnSync('losetup', [device, join(folder, 'loop-again')]);
    if (existsSync('/sys/block/loop0/diskseq')) {
      expect(codeOf(device, { write: true, expected })).toBe('HOST_IN_USE');
    }
    expect(codeOf(device, { write: true })).toBe('opened');
  });

  it('that is read-only is not written', () => {
    const device = loopDevice('loop-ro', MIB, '--read-only');
    expect(codeOf(device!, { write: true })).toBe('HOST_READ_ONLY');
    expect(codeOf(device!)).toBe('opened');
  });

  it('of nothing is refused', () => {
    const path = join(folder, 'loop-empty');
    closeSync(openSync(path, 'w'));
    const device = attach(path);
    if (device !== undefined) {
      loops.push(device);
      expect(codeOf(device)).toBe('HOST_DEVICE_GONE');
    }
  });

  it('that is the disk of this machine’s root is refused with the mount', () => {
    const source = execFileSync('awk', ['$5 == "/" { print $3 }', '/proc/self/mountinfo'], {
      encoding: 'utf8',
    }).trim();
    const name = existsSync(`/sys/dev/block/${source}`)
      ? execFileSync('readlink', [`/sys/dev/block/${source}`], { encoding: 'utf8' })
          .trim()
          .split('/')
          .at(-1)
      : undefined;
    if (name === undefined || !existsSync(`/dev/${name}`)) {
      console.log('skipped: the root file system has no device node here');
      return;
    }
    expect(codeOf(`/dev/${name}`, { write: true })).toBe('HOST_IN_USE');
  });
});
