/** Who uses a block device: mounts, swap, and devices built on it. O_EXCL is the authority; this tells the story. */
import { attributeOrUndefined, type FileTree, isAbsence } from '../topology/index.ts';
import type { BlockDevice } from './block-device.ts';

/** Machines with thousands of containers have megabytes of mounts. */
const MOUNTS_LIMIT_BYTES = 16 * 1024 * 1024;
const SWAPS_LIMIT_BYTES = 64 * 1024;

export interface Mount {
  /** `259:1`; of some file systems (btrfs, overlay) a number without a device. */
  readonly number: string;
  readonly at: string;
  readonly type: string;
  /** `/dev/nvme0n1p1`, or whatever the file system calls its source. */
  readonly source: string;
}

/** /proc/self/mountinfo. */
export function readMounts(tree: FileTree): readonly Mount[] {
  return parseMounts(textOf(tree, 'proc/self/mountinfo', MOUNTS_LIMIT_BYTES));
}

/** The text of a mountinfo, proc(5). Lines that are not understood are left out. */
export function parseMounts(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const dash = line.indexOf(' - ');
    const before = line.slice(0, dash).split(' ');
    const after = line.slice(dash + 3).split(' ');
    if (dash < 0 || before.length < 6 || after.length < 2) {
      continue;
    }
    mounts.push({
      number: before[2]!,
      at: unescapeOctal(before[4]!),
      type: after[0]!,
      source: unescapeOctal(after[1]!),
    });
  }
  return mounts;
}

/** One line for each use of the device or of its partitions; empty when none is known. */
export function usesOf(tree: FileTree, device: BlockDevice): readonly string[] {
  const names = [device.name, ...device.partitions];
  const numbers = names.map((name) =>
    name === device.name ? device.number : attributeOrUndefined(tree, `${device.path}/${name}/dev`),
  );
  const uses: string[] = [];
  const seen = new Set<string>();
  for (const mount of readMounts(tree)) {
    const source = deviceNameOf(tree, mount.source);
    const which = names.find((name, i) => mount.number === numbers[i] || source === name);
    // A device mounted at many places (containers) is said once.
    if (which !== undefined && !seen.has(which)) {
      seen.add(which);
      uses.push(`${which} is mounted at ${mount.at}`);
    }
  }
  for (const path of readSwaps(tree)) {
    const which = names.find((name) => deviceNameOf(tree, path) === name);
    if (which !== undefined) {
      uses.push(`${which} is swap space`);
    }
  }
  for (const user of readBackings(tree)) {
    const backing = deviceNameOf(tree, user.path);
    // A loop on the whole disk reaches each partition, too.
    const which = [...names, device.disk].find((name) => name === backing);
    if (which !== undefined) {
      uses.push(`${which} is behind ${user.by}`);
    }
  }
  for (const holder of device.holders) {
    const label = attributeOrUndefined(tree, `sys/class/block/${holder}/dm/name`);
    uses.push(`${device.name} is part of ${holder}${label === undefined ? '' : ` (${label})`}`);
  }
  return uses;
}

/** A file or device that the kernel serves to somebody without claiming it, so that O_EXCL does not see it. */
export interface KernelBacking {
  /** `/dev/loop0`. */
  readonly by: string;
  /** As the kernel or the administrator wrote it. */
  readonly path: string;
}

/** Loop devices (Documentation/ABI/testing/sysfs-block-loop), NVMe-oF exports (nvmet in configfs). */
export function readBackings(tree: FileTree): readonly KernelBacking[] {
  const found: KernelBacking[] = [];
  const add = (by: string, attribute: string): void => {
    const path = attributeOrUndefined(tree, attribute);
    if (path?.startsWith('/')) {
      found.push({ by, path });
    }
  };
  for (const name of listed(tree, 'sys/class/block').filter((entry) => /^loop\d+$/.test(entry))) {
    add(`/dev/${name}`, `sys/class/block/${name}/loop/backing_file`);
  }
  const subsystems = 'sys/kernel/config/nvmet/subsystems';
  for (const subsystem of listed(tree, subsystems)) {
    const folder = `${subsystems}/${subsystem}/namespaces`;
    for (const namespace of listed(tree, folder)) {
      if (attributeOrUndefined(tree, `${folder}/${namespace}/enable`) === '1') {
        add(`namespace ${namespace} of the NVMe target ${subsystem}`, `${folder}/${namespace}/device_path`);
      }
    }
  }
  return found;
}

/** Paths of swap space: devices and files. proc(5). */
export function readSwaps(tree: FileTree): readonly string[] {
  return textOf(tree, 'proc/swaps', SWAPS_LIMIT_BYTES)
    .split('\n')
    .slice(1)
    .map((line) => unescapeOctal(line.split(/\s/, 1)[0]!))
    .filter((path) => path !== '');
}

function listed(tree: FileTree, path: string): readonly string[] {
  const found = tree.list(path);
  return typeof found === 'string' ? [] : found;
}

/** `/dev/mapper/root` and `/dev/disk/by-id/...` are links; the kernel name is the last part of where they lead. */
function deviceNameOf(tree: FileTree, path: string): string | undefined {
  if (!path.startsWith('/dev/')) {
    return undefined;
  }
  const resolved = tree.resolve(path.slice(1));
  const place = isAbsence(resolved) ? path : resolved;
  return place.slice(place.lastIndexOf('/') + 1);
}

function textOf(tree: FileTree, path: string, limitBytes: number): string {
  const bytes = tree.read(path, limitBytes);
  return typeof bytes === 'string' ? '' : new TextDecoder().decode(bytes);
}

/** Spaces, tabs, newlines and backslashes are octal in mountinfo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
