/** What the kernel says of an open file: size and block size of a block device, alignment of direct requests, space. */
import { callFailed, errnoName } from './errno.ts';
import { libc } from './ffi.ts';
import { BLKGETSIZE64, BLKROGET, BLKSSZGET } from './system-calls.ts';

export interface BlockGeometry {
  readonly sizeBytes: number;
  /** Logical block size: direct requests start and end at multiples of it. */
  readonly blockBytes: number;
  readonly isReadOnly: boolean;
}

/** @throws {HostError} HOST_CALL_FAILED, for example when the device has gone between open and here */
export function blockGeometry(fd: number, about: string): BlockGeometry {
  const size = ask(fd, BLKGETSIZE64, about);
  return {
    sizeBytes: size.getUint32(4, true) * 0x1_0000_0000 + size.getUint32(0, true),
    blockBytes: ask(fd, BLKSSZGET, about).getUint32(0, true),
    isReadOnly: ask(fd, BLKROGET, about).getUint32(0, true) !== 0,
  };
}

function ask(fd: number, request: number, about: string): DataView {
  const answer = new Uint8Array(new ArrayBuffer(8));
  if (libc().ioctl(fd, request, answer) < 0) {
    throw callFailed('ioctl', libc().errno(), about);
  }
  return new DataView(answer.buffer);
}

// include/uapi/linux/stat.h
const AT_EMPTY_PATH = 0x1000;
const STATX_DIOALIGN = 0x2000;
const STATX_BYTES = 256;
const STX_MASK = 0;
const STX_DIO_OFFSET_ALIGN = 156;

/**
 * What offsets and lengths of direct requests to a file must be multiples of (statx, Linux 6.1).
 * @returns undefined when the kernel or the file system does not say; 0 when the file takes no direct requests
 */
export function directAlignment(fd: number): number | undefined {
  const answer = new Uint8Array(new ArrayBuffer(STATX_BYTES));
  if (libc().statx(fd, '', AT_EMPTY_PATH, STATX_DIOALIGN, answer) < 0) {
    return undefined;
  }
  const view = new DataView(answer.buffer);
  const isSaid = (view.getUint32(STX_MASK, true) & STATX_DIOALIGN) !== 0;
  return isSaid ? view.getUint32(STX_DIO_OFFSET_ALIGN, true) : undefined;
}

/**
 * Gives a file real blocks, so that a copy neither runs out of space half-way nor waits for allocation.
 * @returns undefined when done, or the name of the error: `ENOSPC`, or `EOPNOTSUPP` of a file system that cannot
 */
export function reserveSpace(fd: number, lengthBytes: number): string | undefined {
  return libc().fallocate(fd, 0, 0, lengthBytes) === 0 ? undefined : errnoName(libc().errno());
}
