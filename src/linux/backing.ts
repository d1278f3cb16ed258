/** From a path to the block device behind it: of a device node itself, of a file the device of its file system. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { HostError } from '../base/index.ts';
import { codeOf } from '../host/index.ts';
import { type FileTree, isAbsence } from '../topology/index.ts';
import {
  type BlockDevice,
  type DeviceNumber,
  type Requesters,
  readBlockDevice,
  readBlockDeviceByName,
  requestersOf,
} from './block-device.ts';
import { readMounts } from './block-usage.ts';
import { type PeerCapability, peerCapabilityOf } from './peer-capability.ts';

/** What stands behind a path, before anything is opened. */
export interface Backing {
  readonly kind: 'block' | 'file';
  /** The device, or of a file one of the devices of its file system; undefined when not known (network, memory). */
  readonly device: BlockDevice | undefined;
  readonly requesters: Requesters;
  readonly peer: PeerCapability;
}

/** `dev_t` as Linux' C library hands it out: twelve bits of major in the low half, the rest spread. */
export function deviceNumber(dev: number): DeviceNumber {
  const value = BigInt(dev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}` as DeviceNumber;
}

/**
 * The kind of a path that exists.
 * @throws {HostError} HOST_NO_SUCH_PATH, HOST_NO_PERMISSION, HOST_NOT_BLOCK for directories, terminals, sockets
 */
export function statTarget(path: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (cause) {
    throw pathError(path, cause);
  }
  if (!stats.isBlockDevice() && !stats.isFile()) {
    const what = stats.isDirectory()
      ? 'a directory'
      : stats.isCharacterDevice()
        ? 'a character device'
        : 'a pipe or socket';
    const nvme = /^(\/dev\/nvme\d+)$/.exec(path);
    const generic = /^\/dev\/ng(\d+n\d+)$/.exec(path);
    throw new HostError('HOST_NOT_BLOCK', {
      message: `${path} is ${what}, not a block device or file`,
      hint:
        nvme !== null
          ? `a namespace of this controller is ${nvme[1]}n1`
          : generic !== null
            ? `the block device of this namespace is /dev/nvme${generic[1]}`
            : 'lsblk lists the block devices',
      detail: { path },
    });
  }
  return stats;
}

export function backingOf(tree: FileTree, path: string, stats: Stats): Backing {
  const release = kernelRelease(tree);
  if (stats.isBlockDevice()) {
    const device = readBlockDevice(tree, deviceNumber(stats.rdev));
    return {
      kind: 'block',
      device,
      requesters:
        device === undefined
          ? { functions: [], uncertain: `${path} is not in sysfs` }
          : requestersOf(tree, device),
      peer:
        device === undefined
          ? { capable: undefined, why: `${path} is not in sysfs` }
          : peerCapabilityOf(tree, device, release),
    };
  }
  return fileBacking(tree, path, deviceNumber(stats.dev), release);
}

function fileBacking(
  tree: FileTree,
  path: string,
  number: DeviceNumber,
  release: string | undefined,
): Backing {
  const { devices, type } = fileSystemDevices(tree, number);
  if (devices.length === 0) {
    const why = `${path} is on a file system without a block device${type === undefined ? '' : ` (${type})`}`;
    return {
      kind: 'file',
      device: undefined,
      requesters: { functions: [], uncertain: why },
      peer: { capable: false, why },
    };
  }
  const requesters = devices.map((device) => requestersOf(tree, device));
  const answers = devices.map((device) => peerCapabilityOf(tree, device, release));
  return {
    kind: 'file',
    device: devices[0],
    requesters: {
      functions: [...new Set(requesters.flatMap((entry) => entry.functions))],
      uncertain: requesters.find((entry) => entry.uncertain !== undefined)?.uncertain,
    },
    peer:
      answers.find((answer) => answer.capable === false) ??
      answers.find((answer) => answer.capable === undefined) ??
      answers[0]!,
  };
}

/** All devices of the file system with a number: its own, or where that is none (btrfs) those that the mount and sysfs name. */
function fileSystemDevices(
  tree: FileTree,
  number: DeviceNumber,
): { readonly devices: readonly BlockDevice[]; readonly type: string | undefined } {
  const own = readBlockDevice(tree, number);
  if (own !== undefined) {
    return { devices: [own], type: undefined };
  }
  const mount = readMounts(tree).find((entry) => entry.number === number);
  if (mount === undefined || !mount.source.startsWith('/dev/')) {
    return { devices: [], type: mount?.type };
  }
  const resolved = tree.resolve(mount.source.slice(1));
  const place = isAbsence(resolved) ? mount.source : resolved;
  const name = place.slice(place.lastIndexOf('/') + 1);
  const together = mount.type === 'btrfs' ? btrfsMembers(tree, name) : [name];
  const devices = together.flatMap((member) => readBlockDeviceByName(tree, member) ?? []);
  return { devices, type: mount.type };
}

/** Names of all devices of the btrfs that `name` belongs to: /sys/fs/btrfs/UUID/devices. */
function btrfsMembers(tree: FileTree, name: string): readonly string[] {
  const all = tree.list('sys/fs/btrfs');
  for (const uuid of typeof all === 'string' ? [] : all) {
    const members = tree.list(`sys/fs/btrfs/${uuid}/devices`);
    if (typeof members !== 'string' && members.includes(name)) {
      return members;
    }
  }
  return [name];
}

export function kernelRelease(tree: FileTree): string | undefined {
  const bytes = tree.read('proc/sys/kernel/osrelease', 256);
  return typeof bytes === 'string' ? undefined : new TextDecoder().decode(bytes).trim();
}

/** Whether a name lies below /dev, by whatever way it was written: what is not there is a mistyped device, not a new file. */
export function isBelowDev(path: string): boolean {
  let folder = dirname(path);
  try {
    folder = realpathSync(folder);
  } catch {
    // The folder is not there: the name as it was written has to do.
  }
  return folder === '/dev' || folder.startsWith('/dev/');
}

/** The story of a path that cannot be looked at or opened. */
export function pathError(path: string, cause: unknown): HostError {
  const code = codeOf(cause);
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new HostError('HOST_NO_SUCH_PATH', {
        message: `${path} does not exist`,
        hint: path.startsWith('/dev/') ? 'lsblk lists the block devices' : 'check the spelling of the path',
        detail: { path },
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new HostError('HOST_NO_PERMISSION', {
        message: `${path} may not be opened: permission denied`,
        hint: 'run as root',
        detail: { path },
        cause,
      });
    case 'EROFS':
      return new HostError('HOST_READ_ONLY', {
        message: `${path} is read-only`,
        hint: 'choose a target that can be written (blockdev --getro tells)',
        detail: { path },
        cause,
      });
    case 'ENXIO':
    case 'ENODEV':
    case 'ENOMEDIUM':
      return new HostError('HOST_DEVICE_GONE', {
        message: `${path} has no device behind it (${code})`,
        hint: 'the device was removed or has no medium',
        detail: { path },
        cause,
      });
    default:
      return new HostError('HOST_OPEN_FAILED', {
        message: `${path} cannot be opened: ${code ?? (cause instanceof Error ? cause.message : String(cause))}`,
        detail: { path, errno: code ?? null },
        cause,
      });
  }
}
