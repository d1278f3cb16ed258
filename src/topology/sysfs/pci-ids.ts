/**
 * Names of vendors and devices from the system's `pci.ids`, where it has one.
 * Format: pci.ids(5): `vvvv  Vendor`, tab `dddd  Device`, two tabs for subsystems; classes follow and are not read.
 */
import type { FileTree } from '../file-tree.ts';
import { PCI_IDS_FILES, TEXT_BYTES_MAX } from './names.ts';
import { textOf } from './text.ts';

export interface PciId {
  readonly vendor: number;
  readonly device: number;
}

export interface PciNames {
  vendor(vendor: number | undefined): string | undefined;
  device(vendor: number | undefined, device: number | undefined): string | undefined;
}

/** Names for the ids that occur; without a file every name is undefined. */
export function readPciNames(tree: FileTree, wanted: Iterable<PciId>): PciNames {
  const devices = new Map<number, Map<number, string | undefined>>();
  for (const id of wanted) {
    const known = devices.get(id.vendor) ?? new Map<number, string | undefined>();
    devices.set(id.vendor, known.set(id.device, undefined));
  }
  const vendors = new Map<number, string>();
  const text = devices.size === 0 ? undefined : pciIdsText(tree);
  if (text !== undefined) {
    scan(text, devices, vendors);
  }
  return {
    vendor: (vendor) => (vendor === undefined ? undefined : vendors.get(vendor)),
    device: (vendor, device) =>
      vendor === undefined || device === undefined ? undefined : devices.get(vendor)?.get(device),
  };
}

/** The same file with only the ids that occur. */
export function reducedPciIds(tree: FileTree, wanted: readonly PciId[]): string | undefined {
  const names = readPciNames(tree, wanted);
  const lines: string[] = [];
  const vendors = [...new Set(wanted.map((id) => id.vendor))].sort((a, b) => a - b);
  for (const vendor of vendors) {
    const name = names.vendor(vendor);
    if (name === undefined) {
      continue;
    }
    lines.push(`${hex4(vendor)}  ${name}`);
    const ids = wanted.filter((id) => id.vendor === vendor).map((id) => id.device);
    for (const device of [...new Set(ids)].sort((a, b) => a - b)) {
      const deviceName = names.device(vendor, device);
      if (deviceName !== undefined) {
        lines.push(`\t${hex4(device)}  ${deviceName}`);
      }
    }
  }
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

/** The file as far as the system has one, in any of the places where distributions put it. */
export function pciIdsText(tree: FileTree): string | undefined {
  for (const file of PCI_IDS_FILES) {
    const text = textOf(tree, file, TEXT_BYTES_MAX.pciIds);
    if (text !== undefined && text !== '') {
      return text;
    }
  }
  return undefined;
}

function scan(
  text: string,
  devices: ReadonlyMap<number, Map<number, string | undefined>>,
  vendors: Map<number, string>,
): void {
  let current: Map<number, string | undefined> | undefined;
  forEachPciId(text, {
    vendor(id, name) {
      current = devices.get(id);
      if (current !== undefined) {
        vendors.set(id, name);
      }
    },
    device(id, name) {
      if (current?.has(id) === true) {
        current.set(id, name);
      }
    },
  });
}

/** Called in the order of the file; the devices of a vendor follow it. */
export interface PciIdVisitor {
  vendor(id: number, name: string): void;
  device(id: number, name: string): void;
}

/** One pass over the vendors and devices of a pci.ids file. Lines of any other form are passed over. */
export function forEachPciId(text: string, visitor: PciIdVisitor): void {
  let isInVendor = false;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline;
    const first = text[at];
    if (first === '\t') {
      const device = isInVendor && text[at + 1] !== '\t' ? idAt(text, at + 1) : undefined;
      if (device !== undefined) {
        visitor.device(device, text.slice(at + 7, end).trim());
      }
    } else if (first !== '#' && end - at > 6) {
      // `C 00  Unclassified` starts the classes; its first four characters are no number.
      const vendor = idAt(text, at);
      isInVendor = vendor !== undefined;
      if (vendor !== undefined) {
        visitor.vendor(vendor, text.slice(at + 6, end).trim());
      }
    }
    at = end + 1;
  }
}

function idAt(text: string, at: number): number | undefined {
  const digits = text.slice(at, at + 4);
  return /^[0-9a-f]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}

function hex4(id: number): string {
  return id.toString(16).padStart(4, '0');
}
