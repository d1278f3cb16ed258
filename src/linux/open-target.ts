/** Opens a block device or a file as a `BlockTarget`: with O_DIRECT, held until closed, and refused where writing is unsafe. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, type Stats, unlinkSync } from 'node:fs';
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
import { backingOf, deviceNumber, pathError, statTarget } from './backing.ts';
import { inUse, refuseUnsafeWrite } from './block-safety.ts';
import { DirectTarget, type LinuxBlockTarget } from './direct-target.ts';

export interface OpenBlockOptions {
  /** A new look at sysfs and proc of the live machine: `liveTree`. Trees remember what they have listed. */
  readonly look: () => FileTree;
  /** Default false. A block device is then refused when it is mounted, in use, partitioned or read-only. */
  readonly write?: boolean;
  /** Holds a block device against mounts and other exclusive openers. Default: as `write`. */
  readonly exclusive?: boolean;
  /** Of a file that is written: make it if it is not there, and give it at least this many bytes. */
  readonly createBytes?: number;
  /** Requests at once. Default 64. */
  readonly depth?: number;
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
  if (stats !== undefined && isBlock && isWrite) {
    refuseUnsafeWrite(tree, path, backingOf(tree, path, stats));
  }
  const isExclusive = isBlock && (options.exclusive ?? isWrite);
  const fd = open(path, tree, stats, isWrite, isExclusive);
  try {
    const opened = fstatSync(fd);
    if (
      stats !== undefined &&
      (opened.rdev !== stats.rdev || opened.ino !== stats.ino || opened.dev !== stats.dev)
    ) {
      throw new HostError('HOST_IN_USE', {
        message: `${path} was replaced while it was opened`,
        hint: 'try again',
        detail: { path },
      });
    }
    const backing = backingOf(tree, path, opened);
    const shape = isBlock
      ? deviceShape(fd, path, isWrite)
      : fileShape(fd, path, isWrite, options.createBytes);
    const identity = isBlock
      ? `disk ${backing.device?.diskPath ?? deviceNumber(opened.rdev)}`
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
      ...shape,
    });
  } catch (error) {
    closeSync(fd);
    if (stats === undefined) {
      // Made just now, for nothing.
      unlinkSync(path);
    }
    throw error;
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
    if (
      mayBeMade &&
      !path.startsWith('/dev/') &&
      error instanceof HostError &&
      error.code === 'HOST_NO_SUCH_PATH'
    ) {
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
  ftruncateSync(fd, sizeBytes);
}
