/**
 * What sysfs knows of a block device: what it is, what stands behind it, who uses it, and whether its queue takes peer
 * memory.
 *
 * Works on a `FileTree`, so it can be tried on the sysfs of another machine. Sources: Linux Documentation/ABI/stable/sysfs-block,
 * proc(5) for mountinfo and swaps.
 */
import { type Bdf, toBdf } from '../base/index.ts';
import { attributeOrUndefined, type FileTree, isAbsence } from '../topology/index.ts';

/** `259:0`. */
export type DeviceNumber = string & { readonly __brand: 'DeviceNumber' };

export type BlockKind =
  | 'nvme'
  | 'nvme-multipath'
  | 'nvme-fabrics'
  | 'md'
  | 'dm'
  | 'loop'
  | 'virtio'
  | 'scsi'
  | 'other';

export interface BlockDevice {
  readonly number: DeviceNumber;
  /** Kernel name: `nvme0n1p2`. */
  readonly name: string;
  /** The whole disk: `nvme0n1`; the same as `name` unless this is a partition. */
  readonly disk: string;
  readonly isPartition: boolean;
  readonly kind: BlockKind;
  /** Directory of the device and of its disk in sysfs. */
  readonly path: string;
  readonly diskPath: string;
  readonly isReadOnly: boolean | undefined;
  /** Partitions of the disk; of a partition always empty. */
  readonly partitions: readonly string[];
  /** Devices built on this one or on its partitions: `md0`, `dm-3`. */
  readonly holders: readonly string[];
  /** Devices that this one is built on. */
  readonly slaves: readonly string[];
  /** Number of the disk among all that were ever attached (Linux 5.15): tells a device from its successor of the same name. */
  readonly sequence: string | undefined;
  /** What an NVMe namespace calls itself; the same for all controllers that lead to it. Undefined for other devices. */
  readonly wwid: string | undefined;
  /** RAID level of an md device: `raid1`. */
  readonly level: string | undefined;
  readonly maxTransferBytes: number | undefined;
}

/** @returns undefined when sysfs has no such device */
export function readBlockDevice(tree: FileTree, number: DeviceNumber): BlockDevice | undefined {
  const path = tree.resolve(`sys/dev/block/${number}`);
  if (isAbsence(path)) {
    return undefined;
  }
  const isPartition = tree.kind(`${path}/partition`) === 'file';
  const diskPath = isPartition ? parentOf(path) : path;
  const disk = nameOf(diskPath);
  const partitions = isPartition
    ? []
    : names(tree, path).filter((entry) => tree.kind(`${path}/${entry}/partition`) === 'file');
  const holders = [
    ...names(tree, `${path}/holders`),
    ...partitions.flatMap((partition) => names(tree, `${path}/${partition}/holders`)),
  ];
  const readOnly = attributeOrUndefined(tree, `${path}/ro`);
  const kind = kindOf(tree, disk, diskPath);
  const maxSectorsKib = Number(attributeOrUndefined(tree, `${diskPath}/queue/max_sectors_kb`) ?? Number.NaN);
  return {
    number,
    name: nameOf(path),
    disk,
    isPartition,
    kind,
    path,
    diskPath,
    isReadOnly: readOnly === undefined ? undefined : readOnly !== '0',
    partitions,
    holders: [...new Set(holders)],
    slaves: names(tree, `${diskPath}/slaves`),
    sequence: attributeOrUndefined(tree, `${diskPath}/diskseq`),
    // Only of NVMe: the kernel refuses a second namespace with a name that is taken, while SCSI bridges share theirs.
    wwid: kind.startsWith('nvme') ? attributeOrUndefined(tree, `${diskPath}/wwid`) || undefined : undefined,
    level: attributeOrUndefined(tree, `${diskPath}/md/level`),
    maxTransferBytes: Number.isFinite(maxSectorsKib) && maxSectorsKib > 0 ? maxSectorsKib * 1024 : undefined,
  };
}

/** The device with a kernel name, as `slaves` and mount sources give it. */
export function readBlockDeviceByName(tree: FileTree, name: string): BlockDevice | undefined {
  const number = attributeOrUndefined(tree, `sys/class/block/${name}/dev`);
  return number === undefined ? undefined : readBlockDevice(tree, number as DeviceNumber);
}

/**
 * The other names of an NVMe namespace: without native multipathing each controller that leads to it has its own device, and
 * the kernel does not know that a claim on one is a claim on all.
 */
export function twinsOf(tree: FileTree, device: BlockDevice): readonly BlockDevice[] {
  if (device.wwid === undefined) {
    return [];
  }
  return names(tree, 'sys/class/block')
    .filter((name) => /^nvme\d+n\d+$/.test(name) && name !== device.disk)
    .flatMap((name) => readBlockDeviceByName(tree, name) ?? [])
    .filter((other) => other.wwid === device.wwid);
}

/** Same for all names of one disk: its partitions, and other controllers that lead to it. */
export function diskIdentity(device: BlockDevice | undefined, number: DeviceNumber): string {
  return `disk ${device?.wwid ?? device?.diskPath ?? number}`;
}

/** The PCI functions that do the DMA of a device, or why they are not known. */
export interface Requesters {
  readonly functions: readonly Bdf[];
  /** Why the list may be empty or not all; undefined when it is certain. */
  readonly uncertain: string | undefined;
}

/** Devices on devices: more levels than anybody stacks, and an end where sysfs is a loop. */
const STACK_LIMIT = 16;

export function requestersOf(tree: FileTree, device: BlockDevice, depth = 0): Requesters {
  switch (device.kind) {
    case 'nvme-multipath':
      return multipathRequesters(tree, device);
    case 'loop':
      return nobody(`${device.disk} is a loop device: its file is read by other requests than ours`);
    case 'nvme-fabrics':
      return nobody(
        `${device.disk} is on the network (NVMe over Fabrics): the adapter that does the DMA is not known`,
      );
    case 'md':
    case 'dm': {
      if (device.slaves.length === 0 || depth >= STACK_LIMIT) {
        return nobody(`the devices below ${device.disk} are not known`);
      }
      const below = device.slaves.map((name) => {
        const slave = readBlockDeviceByName(tree, name);
        return slave === undefined
          ? nobody(`${name} below ${device.disk} is not in sysfs`)
          : requestersOf(tree, slave, depth + 1);
      });
      return {
        functions: [...new Set(below.flatMap((entry) => entry.functions))],
        uncertain: below.find((entry) => entry.uncertain !== undefined)?.uncertain,
      };
    }
    default: {
      const own = functionInPath(device.diskPath);
      return own === undefined
        ? nobody(`${device.disk} has no PCI function above it in sysfs`)
        : { functions: [own], uncertain: undefined };
    }
  }
}

function nobody(reason: string): Requesters {
  return { functions: [], uncertain: reason };
}

/** A head stands for every controller that has a path to the namespace: nvme0c1n1 is the path of nvme0n1 over nvme1. */
function multipathRequesters(tree: FileTree, device: BlockDevice): Requesters {
  const subsystem = parentOf(device.diskPath);
  const head = /^nvme(\d+)n(\d+)$/.exec(device.disk);
  const functions = new Set<Bdf>();
  let unknown = 0;
  for (const controller of names(tree, subsystem).filter((name) => /^nvme\d+$/.test(name))) {
    const path = tree.resolve(`${subsystem}/${controller}`);
    const paths = names(tree, path).filter((name) => /^nvme\d+c\d+n\d+$/.test(name));
    if (
      head !== null &&
      !paths.some((name) => name.startsWith(`nvme${head[1]}c`) && name.endsWith(`n${head[2]}`))
    ) {
      continue;
    }
    const own = functionInPath(path);
    if (own === undefined) {
      unknown++;
    } else {
      functions.add(own);
    }
  }
  if (functions.size === 0) {
    return nobody(`the paths of the multipath device ${device.disk} are not known`);
  }
  return {
    functions: [...functions],
    uncertain: unknown === 0 ? undefined : `${unknown} paths of ${device.disk} are not over PCI`,
  };
}

/** The deepest PCI function in a sysfs path: below a VMD or a bridge the last one is the device. */
function functionInPath(path: string): Bdf | undefined {
  const parts = path.split('/');
  for (let i = parts.length - 1; i >= 0; i--) {
    const bdf = /^[0-9a-f]{4,8}:/.test(parts[i]!) ? toBdf(parts[i]!) : undefined;
    if (bdf !== undefined) {
      return bdf;
    }
  }
  return undefined;
}

function kindOf(tree: FileTree, disk: string, diskPath: string): BlockKind {
  if (/^nvme\d+(c\d+)?n\d+$/.test(disk)) {
    if (/\/nvme-subsystem\//.test(diskPath)) {
      return 'nvme-multipath';
    }
    const transport = attributeOrUndefined(tree, `${parentOf(diskPath)}/transport`);
    return (transport === undefined || transport === 'pcie') && functionInPath(diskPath) !== undefined
      ? 'nvme'
      : 'nvme-fabrics';
  }
  if (/^md/.test(disk)) return 'md';
  if (/^dm-/.test(disk)) return 'dm';
  if (/^loop/.test(disk)) return 'loop';
  if (/^vd[a-z]/.test(disk)) return 'virtio';
  if (/^s[dr][a-z0-9]/.test(disk)) return 'scsi';
  return 'other';
}

function names(tree: FileTree, path: string): readonly string[] {
  const found = tree.list(path);
  return typeof found === 'string' ? [] : found;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
