/** Reads both ends of a block device for what they say about its content, and refuses partition tables. Never writes. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { HostError } from '../base/index.ts';
import { blockGeometry, codeOf } from '../host/index.ts';
import { pathError } from './backing.ts';
import { SIGNATURE_BYTES, type Signature, signaturesIn } from './signatures.ts';

/**
 * What a block device holds that is not a partition table.
 *
 * @param path  for messages, and opened unless `openAs` is given
 * @param stats  what was looked at; anything else by the same name is refused
 * @param openAs  another way to the same device: `/proc/self/fd/N`
 * @throws {HostError} HOST_HAS_PARTITIONS, HOST_IN_USE, HOST_CALL_FAILED, and as `pathError`
 */
export function refuseTables(path: string, stats: Stats, openAs: string = path): readonly Signature[] {
  const signatures = readSignatures(path, stats, openAs);
  const tables = signatures.filter(({ kind }) => kind === 'partition-table').map(({ name }) => name);
  if (tables.length > 0) {
    throw new HostError('HOST_HAS_PARTITIONS', {
      message: `${path} holds ${tables.join(' and ')}, although the kernel shows no partitions`,
      hint: `look with fdisk --list ${path}; if nothing there is needed, remove the table first (wipefs --all ${path})`,
      detail: { path, partitions: [], tables },
    });
  }
  return signatures;
}

function readSignatures(path: string, stats: Stats, openAs: string): readonly Signature[] {
  let fd: number;
  try {
    // Through the page cache, which holds nothing old: it is dropped when the last program closes a device, and direct
    // writes of this one drop what they replace.
    fd = openSync(openAs, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw pathError(path, cause);
  }
  try {
    const { rdev } = fstatSync(fd);
    if (!fstatSync(fd).isBlockDevice() || rdev !== stats.rdev) {
      throw new HostError('HOST_IN_USE', {
        message: `${path} is not what it was a moment ago; nothing was written`,
        hint: 'look what the name leads to now, and try again',
        detail: { path },
      });
    }
    const { sizeBytes } = blockGeometry(fd, path);
    const length = Math.min(SIGNATURE_BYTES, sizeBytes);
    const head = readAt(fd, path, 0, length);
    return signaturesIn(head, readAt(fd, path, sizeBytes - length, length), sizeBytes);
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  try {
    for (let done = 0; done < length; ) {
      const got = readSync(fd, bytes, done, length - done, offset + done);
      if (got === 0) {
        break;
      }
      done += got;
    }
  } catch (cause) {
    throw new HostError('HOST_CALL_FAILED', {
      message: `${path} cannot be read at byte ${offset}, so nobody can say what it holds: ${codeOf(cause) ?? String(cause)}`,
      hint: 'look at the kernel log (dmesg)',
      detail: { path, offset },
      cause,
    });
  }
  return bytes;
}
