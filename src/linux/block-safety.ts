/** What must not be written to: devices and files in use, and disks that hold partitions. Refusing is exit status 2. */
import { type Stats, statSync } from 'node:fs';
import { HostError } from '../base/index.ts';
import { attributeOrUndefined, type FileTree } from '../topology/index.ts';
import type { Backing } from './backing.ts';
import { type BlockDevice, type DeviceNumber, readBlockDeviceByName, twinsOf } from './block-device.ts';
import { readBackings, readSwaps, usesOf } from './block-usage.ts';
import { type Opener, openersOf } from './open-files.ts';

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
  if (allUsesOf(tree, device).length > 0) {
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

/** udev and its like look into a device that was just written, read-only and for a moment. */
const LOOKS = 10;
const PAUSE_MS = 50;
const OPENERS_SHOWN = 4;

/**
 * Programs that hold the device, its disk, its partitions or another name of them open, claimed or not.
 * @param look  who holds one of the devices now; for tests
 * @throws {HostError} HOST_IN_USE
 */
export function refuseOpenElsewhere(
  tree: FileTree,
  path: string,
  device: BlockDevice,
  look: (numbers: ReadonlySet<DeviceNumber>) => readonly Opener[] = openersOf,
): void {
  const numbers = numbersOf(tree, device);
  let openers = look(numbers);
  for (let i = 1; i < LOOKS && openers.length > 0 && !openers.some((opener) => opener.canWrite); i++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    openers = look(numbers);
  }
  if (openers.length === 0) {
    return;
  }
  const stories = openers.map(({ pid, command }) => `process ${pid}${command === '' ? '' : ` (${command})`}`);
  const more = stories.length > OPENERS_SHOWN ? `, and ${stories.length - OPENERS_SHOWN} more` : '';
  throw new HostError('HOST_IN_USE', {
    message: `${path} is in use: held open by ${stories.slice(0, OPENERS_SHOWN).join(', ')}${more}`,
    hint: openers.length === 1 ? 'stop that program first' : 'stop these programs first',
    detail: { path, openers },
  });
}

/** All names under which the bytes of a device can be reached. */
function numbersOf(tree: FileTree, device: BlockDevice): ReadonlySet<DeviceNumber> {
  const numbers = new Set([device.number]);
  for (const one of [device, ...twinsOf(tree, device)]) {
    const disk = readBlockDeviceByName(tree, one.disk);
    numbers.add(disk?.number ?? one.number);
    for (const partition of one.partitions) {
      const number = attributeOrUndefined(tree, `${one.path}/${partition}/dev`);
      if (number !== undefined) {
        numbers.add(number as DeviceNumber);
      }
    }
  }
  return numbers;
}

/**
 * Files that the kernel uses as a device: writing below it would change what is mounted from it.
 * @param sameFile  whether a path is the file; for tests
 * @throws {HostError} HOST_IN_USE
 */
export function refuseUnsafeFile(
  tree: FileTree,
  path: string,
  stats: Stats,
  sameFile: (path: string) => boolean = (other) => isSameFile(other, stats),
): void {
  const uses = [
    ...readBackings(tree).map((backing) => [backing.path, `is behind ${backing.by}`] as const),
    ...readSwaps(tree).map((swap) => [swap, 'is swap space'] as const),
  ]
    .filter(([other]) => sameFile(other))
    .map(([, use]) => `${path} ${use}`);
  if (uses.length > 0) {
    throw new HostError('HOST_IN_USE', {
      message: `${path} is in use: ${uses.join('; ')}`,
      hint: 'detach the loop device (losetup --detach), switch the swap off, or name another file',
      detail: { path, uses },
    });
  }
}

function isSameFile(path: string, stats: Stats): boolean {
  try {
    const other = statSync(path);
    return other.dev === stats.dev && other.ino === stats.ino;
  } catch {
    // Of another mount namespace, or deleted.
    return false;
  }
}

/** Of the device, and of the same namespace by its other controllers. */
function allUsesOf(tree: FileTree, device: BlockDevice): readonly string[] {
  const ofTwins = twinsOf(tree, device).flatMap((twin) =>
    usesOf(tree, twin).map((use) => `${use}, and ${twin.name} is the same namespace`),
  );
  return [...usesOf(tree, device), ...ofTwins];
}

/** The story of a device that somebody else holds. */
export function inUse(path: string, tree: FileTree, device: BlockDevice | undefined): HostError {
  const uses = device === undefined ? [] : allUsesOf(tree, device);
  return new HostError('HOST_IN_USE', {
    message: `${path} is in use: ${uses.length > 0 ? uses.join('; ') : 'another program or the kernel holds it'}`,
    hint: 'unmount it, or take it out of its array, volume or swap; lsblk and fuser tell more',
    detail: { path, uses },
  });
}
