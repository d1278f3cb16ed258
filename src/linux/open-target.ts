/** Opens a block device or a file as a `BlockTarget`: with O_DIRECT, held until closed, and refused where writing is unsafe. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { HostError, UsageError } from '../base/index.ts';
import {
  AsyncQueue,
  blockGeometry,
  codeOf,
  directAlignment,
  QUEUE_DEPTH_MAX,
  reserveSpace,
} from '../host/index.ts';
import type { FileTree } from '../topology/index.ts';
import { type Backing, backingOf, deviceNumber, isBelowDev, pathError, statTarget } from './backing.ts';
import { diskIdentity } from './block-device.ts';
import { inUse, refuseOpenElsewhere, refuseUnsafeFile, refuseUnsafeWrite } from './block-safety.ts';
import { DirectTarget, type LinuxBlockTarget } from './direct-target.ts';
import { refuseTables } from './disk-content.ts';

export interface OpenBlockOptions {
  /** A new look at sysfs and proc of the live machine: `liveTree`. Trees remember what they have listed. */
  readonly look: () => FileTree;
  /** Default false. A block device is then refused when it is mounted, in use, partitioned or read-only. */
  readonly write?: boolean;
  /** Holds a block device against mounts and other exclusive openers. Default: as `write`. */
  readonly exclusive?: boolean;
  /** Of a file that is written: make it if it is not there, and give it at least this many bytes. */
  readonly createBytes?: number;
  /** What a person looked at and agreed to. Anything else by the same name is refused. Default: whatever is there. */
  readonly expected?: SeenPath;
  /** Requests at once. Default 64. */
  readonly depth?: number;
}

/** A path as it was looked at before. */
export interface SeenPath {
  /** Undefined: there was nothing. */
  readonly stats: Stats | undefined;
  readonly backing: Backing;
}

const DEFAULT_DEPTH = 64;
/** For files where neither kernel nor device say better; every logical block size in use divides it. */
const SAFE_ALIGNMENT_BYTES = 4096;

/**
 * Opens a block device or a file for direct requests. The caller closes it.
 *
 * @throws {HostError} HOST_NO_SUCH_PATH, HOST_NO_PERMISSION, HOST_NOT_BLOCK, HOST_READ_ONLY, HOST_IN_USE, HOST_HAS_PARTITIONS,
 *         HOST_NO_DIRECT_IO, HOST_NO_SPACE, HOST_DEVICE_GONE, HOST_NO_FFI, HOST_NO_ASYNC_IO; {UsageError} USAGE_DEPTH
 */
export function openBlockTarget(path: string, options: OpenBlockOptions): LinuxBlockTarget {
  const depth = options.depth ?? DEFAULT_DEPTH;
  if (!Number.isInteger(depth) || depth < 1 || depth > QUEUE_DEPTH_MAX) {
    throw new UsageError('USAGE_DEPTH', {
      message: `a depth of ${depth} requests was asked for`,
      hint: `use 1 to ${QUEUE_DEPTH_MAX}`,
    });
  }
  const tree = options.look();
  const isWrite = options.write === true;
  const stats = existing(path, isWrite && options.createBytes !== undefined);
  const isBlock = stats?.isBlockDevice() === true;
  if (options.expected !== undefined && !isSame(options.expected.stats, stats)) {
    throw replaced(path);
  }
  const before = stats === undefined ? undefined : backingOf(tree, path, stats);
  if (isWrite && stats !== undefined && before !== undefined) {
    refuseUnsafe(tree, path, stats, before);
  }
  const isExclusive = isBlock && (options.exclusive ?? isWrite);
  const fd = open(path, tree, stats, isWrite, isExclusive);
  // Nothing to take back until the file is known to be the one that was looked at.
  let change: FileChange | undefined = stats === undefined ? { kind: 'made' } : undefined;
  try {
    const opened = fstatSync(fd);
    // A new look: what was true before the open may not be any more, and what is held now stays so.
    const now = options.look();
    const backing = backingOf(now, path, opened);
    const promised = stats === undefined ? undefined : (options.expected?.backing ?? before);
    if (
      (stats !== undefined && !isSame(stats, opened)) ||
      (isBlock && promised?.device?.sequence !== backing.device?.sequence)
    ) {
      throw replaced(path);
    }
    if (isWrite && stats !== undefined) {
      refuseUnsafe(now, path, opened, backing);
      if (backing.kind === 'block' && backing.device !== undefined) {
        refuseOpenElsewhere(now, path, backing.device);
        refuseTables(path, opened, `/proc/self/fd/${fd}`);
      }
    }
    if (!isBlock && isWrite && stats !== undefined && options.createBytes !== undefined) {
      change = { kind: 'lengthened', fromBytes: opened.size, toBytes: options.createBytes };
    }
    const shape = isBlock
      ? deviceShape(fd, path, isWrite)
      : fileShape(fd, path, isWrite, options.createBytes);
    const identity = isBlock
      ? diskIdentity(backing.device, deviceNumber(opened.rdev))
      : `file ${deviceNumber(opened.dev)} ${opened.ino}`;
    const queue = new AsyncQueue(depth);
    return new DirectTarget({
      path,
      fd,
      look: options.look,
      backing,
      identity,
      isExclusive,
      isReadOnly: !isWrite,
      queue,
      undoOpening: () => undo(fd, path, change),
      ...shape,
    });
  } catch (error) {
    undo(fd, path, change);
    closeSync(fd);
    throw error;
  }
}

function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  return (
    one?.dev === other?.dev &&
    one?.ino === other?.ino &&
    one?.rdev === other?.rdev &&
    one?.isBlockDevice() === other?.isBlockDevice()
  );
}

function replaced(path: string): HostError {
  return new HostError('HOST_IN_USE', {
    message: `${path} is not what it was a moment ago; nothing was written`,
    hint: 'look what the name leads to now, and try again',
    detail: { path },
  });
}

function refuseUnsafe(tree: FileTree, path: string, stats: Stats, backing: Backing): void {
  if (stats.isBlockDevice()) {
    refuseUnsafeWrite(tree, path, backing);
  } else {
    refuseUnsafeFile(tree, path, stats);
  }
}

/** What opening did to a file. */
type FileChange =
  | { readonly kind: 'made' }
  | { readonly kind: 'lengthened'; readonly fromBytes: number; readonly toBytes: number };

/** Removes a file that was made for nothing, and takes length from one that got it for nothing. */
function undo(fd: number, path: string, change: FileChange | undefined): void {
  if (change === undefined) {
    return;
  }
  try {
    const now = fstatSync(fd);
    if (change.kind === 'made') {
      // Only the file that was made: the name may lead elsewhere by now.
      if (isSame(statSync(path), now)) {
        unlinkSync(path);
      }
    } else if (now.size > change.fromBytes && now.size <= change.toBytes) {
      // What is longer than that was written by somebody else.
      ftruncateSync(fd, change.fromBytes);
    }
  } catch {
    // The trouble that led here is told; there is nothing to add to it.
  }
}

interface Shape {
  readonly sizeBytes: number;
  readonly blockBytes: number;
}

function existing(path: string, mayBeMade: boolean): Stats | undefined {
  try {
    return statTarget(path);
  } catch (error) {
    // A name below /dev that is not there is a mistyped device; a file made in its place would fill the memory.
    if (mayBeMade && !isBelowDev(path) && error instanceof HostError && error.code === 'HOST_NO_SUCH_PATH') {
      return undefined;
    }
    throw error;
  }
}

function open(
  path: string,
  tree: FileTree,
  stats: Stats | undefined,
  isWrite: boolean,
  isExclusive: boolean,
): number {
  const flags =
    (isWrite ? constants.O_RDWR : constants.O_RDONLY) |
    constants.O_DIRECT |
    // Without O_CREAT, and on block devices only, O_EXCL means: nobody else may hold it.
    (isExclusive ? constants.O_EXCL : 0) |
    (stats === undefined ? constants.O_CREAT | constants.O_EXCL : 0);
  try {
    return openSync(path, flags, 0o644);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'EBUSY') {
      const device = stats === undefined ? undefined : backingOf(tree, path, stats).device;
      throw inUse(path, tree, device);
    }
    if (code === 'EEXIST') {
      throw new HostError('HOST_NO_SUCH_PATH', {
        message: `${path} is a link that leads nowhere, or was made by somebody else just now`,
        hint: 'name the file itself',
        detail: { path },
        cause,
      });
    }
    if (code === 'EINVAL') {
      throw new HostError('HOST_NO_DIRECT_IO', {
        message: `${path} is on a file system without direct I/O (O_DIRECT)`,
        hint: 'use a block device, or a file on ext4, xfs or another file system on a disk',
        detail: { path },
        cause,
      });
    }
    throw pathError(path, cause);
  }
}

function deviceShape(fd: number, path: string, isWrite: boolean): Shape {
  const geometry = blockGeometry(fd, path);
  if (isWrite && geometry.isReadOnly) {
    throw new HostError('HOST_READ_ONLY', {
      message: `${path} is read-only`,
      hint: `blockdev --setrw ${path} lifts a software switch`,
      detail: { path },
    });
  }
  if (geometry.sizeBytes === 0) {
    throw new HostError('HOST_DEVICE_GONE', {
      message: `${path} has a size of 0 bytes`,
      hint: 'the device has no medium, or was removed',
      detail: { path },
    });
  }
  return geometry;
}

function fileShape(fd: number, path: string, isWrite: boolean, createBytes: number | undefined): Shape {
  const alignment = directAlignment(fd);
  if (alignment === 0) {
    throw new HostError('HOST_NO_DIRECT_IO', {
      message: `${path} does not take direct I/O (O_DIRECT)`,
      hint: 'its file system reads and writes through memory (encryption, compression, verity)',
      detail: { path },
    });
  }
  if (isWrite && createBytes !== undefined && fstatSync(fd).size < createBytes) {
    grow(fd, path, createBytes);
  }
  return { sizeBytes: fstatSync(fd).size, blockBytes: alignment ?? SAFE_ALIGNMENT_BYTES };
}

function grow(fd: number, path: string, sizeBytes: number): void {
  const problem = reserveSpace(fd, sizeBytes);
  if (problem === undefined) {
    return;
  }
  if (problem === 'ENOSPC' || problem === 'EDQUOT' || problem === 'EFBIG') {
    throw new HostError('HOST_NO_SPACE', {
      message: `${path} cannot be given ${sizeBytes} bytes: ${problem}`,
      hint: 'make room, or copy less with --size',
      detail: { path, errno: problem },
    });
  }
  // The file system cannot reserve: a sparse file of the right size has to do, and may run out of space later.
  try {
    ftruncateSync(fd, sizeBytes);
  } catch (cause) {
    throw pathError(path, cause);
  }
}
