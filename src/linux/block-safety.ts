/** What must not be written to: devices in use, and disks that hold partitions. Refusing is exit status 2. */
import { HostError } from '../base/index.ts';
import type { FileTree } from '../topology/index.ts';
import type { Backing } from './backing.ts';
import type { BlockDevice } from './block-device.ts';
import { usesOf } from './block-usage.ts';

/** @throws {HostError} HOST_IN_USE, HOST_HAS_PARTITIONS, HOST_READ_ONLY */
export function refuseUnsafeWrite(tree: FileTree, path: string, backing: Backing): void {
  const device = backing.device;
  if (device === undefined) {
    throw new HostError('HOST_IN_USE', {
      message: `${path} is not in sysfs, so nobody can say whether it is in use`,
      hint: 'mount /sys, or run outside the container',
      detail: { path },
    });
  }
  if (usesOf(tree, device).length > 0) {
    throw inUse(path, tree, device);
  }
  if (device.partitions.length > 0) {
    throw new HostError('HOST_HAS_PARTITIONS', {
      message: `${path} holds partitions: ${device.partitions.join(', ')}`,
      hint: `name the partition that is meant, or remove the table first (wipefs --all ${path})`,
      detail: { path, partitions: device.partitions },
    });
  }
  if (device.isReadOnly === true) {
    throw new HostError('HOST_READ_ONLY', {
      message: `${path} is read-only`,
      hint: `blockdev --setrw ${path} lifts a software switch`,
      detail: { path },
    });
  }
}

/** The story of a device that somebody else holds. */
export function inUse(path: string, tree: FileTree, device: BlockDevice | undefined): HostError {
  const uses = device === undefined ? [] : usesOf(tree, device);
  return new HostError('HOST_IN_USE', {
    message: `${path} is in use: ${uses.length > 0 ? uses.join('; ') : 'another program or the kernel holds it'}`,
    hint: 'unmount it, or take it out of its array, volume or swap; lsblk and fuser tell more',
    detail: { path, uses },
  });
}
