/** Trees of sysfs and proc for tests, from a table of paths. */
import { archiveTree, type FileTree, type NewTarEntry, writeTar } from '../../src/topology/index.ts';

/** Values: text of a file, `-> target` for a link, `/` for an empty directory. */
export function sysfsTree(entries: Readonly<Record<string, string>>): FileTree {
  const encoder = new TextEncoder();
  const list: NewTarEntry[] = Object.entries(entries).map(([path, value]) => ({
    path,
    content: value.startsWith('-> ')
      ? { linkTo: value.slice(3) }
      : value === '/'
        ? ('directory' as const)
        : encoder.encode(`${value}\n`),
  }));
  return archiveTree(writeTar(list), 'test');
}

/** The links by which a device is found, from the root of sysfs. */
function links(number: string, name: string, path: string): Record<string, string> {
  return {
    [`sys/dev/block/${number}`]: `-> ../../${path}`,
    [`sys/class/block/${name}`]: `-> ../../${path}`,
    [`sys/${path}/dev`]: number,
    [`sys/${path}/ro`]: '0',
  };
}

/** A whole disk at a place in the device tree. */
export function disk(
  number: string,
  name: string,
  parent: string,
  more: Readonly<Record<string, string>> = {},
) {
  const path = `devices/${parent}/${name}`;
  const own = Object.fromEntries(Object.entries(more).map(([key, value]) => [`sys/${path}/${key}`, value]));
  return { ...links(number, name, path), [`sys/${path}/queue/max_sectors_kb`]: '512', ...own };
}

/** A partition of a disk. */
export function partition(number: string, name: string, parent: string, ofDisk: string) {
  const path = `devices/${parent}/${ofDisk}/${name}`;
  return { ...links(number, name, path), [`sys/${path}/partition`]: '1' };
}

export const NVME_A = 'pci0000:00/0000:00:01.0/0000:03:00.0/nvme/nvme0';
export const NVME_B = 'pci0000:00/0000:00:02.0/0000:04:00.0/nvme/nvme1';
