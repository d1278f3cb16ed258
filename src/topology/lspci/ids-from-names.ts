/**
 * Ids of PCI functions from their names, for text that prints nothing else: lspci without `-n` takes each name from
 * `pci.ids`, so where that file has the name once, it leads back to the id.
 *
 * A name counts only as a whole. Files of different years name some devices differently: such a name is not found, and
 * the id stays unknown.
 */
import { forEachPciId } from '../sysfs/pci-ids.ts';

/** A name as lspci prints it: `Vendor Device`, or `Vendor Device 14ad` where the list has no name for the device. */
export interface NamedIds {
  readonly vendorId: number;
  /** Undefined where several devices of the vendor have the name. */
  readonly deviceId: number | undefined;
}

/** What lspci prints for a device without a name; before 2.2.5 with a colon and the word `Unknown`. */
const UNNAMED = /^(.+?):? (?:Unknown device|Device) ([0-9a-f]{4})$/;

/**
 * The ids behind `names`, as far as exactly one vendor fits. Names that fit nothing, or several vendors, are left out.
 *
 * @param pciIds text of a pci.ids file; one pass is made over it, whatever the number of names
 */
export function idsFromNames(pciIds: string, names: Iterable<string>): ReadonlyMap<string, NamedIds> {
  const unnamed = new Map<string, { readonly vendor: string; readonly deviceId: number }>();
  const wanted = new Set<string>();
  for (const name of names) {
    const match = UNNAMED.exec(name);
    if (match === null) {
      wanted.add(name);
    } else {
      unnamed.set(name, { vendor: match[1]!, deviceId: Number.parseInt(match[2]!, 16) });
    }
  }
  const wantedVendors = new Set([...unnamed.values()].map(({ vendor }) => vendor));
  const vendors = new Map<string, number[]>();
  const devices = new Map<string, NamedIds[]>();
  let vendorId = 0;
  let vendorName = '';
  forEachPciId(pciIds, {
    vendor(id, name) {
      vendorId = id;
      vendorName = name;
      if (wantedVendors.has(name)) {
        append(vendors, name, id);
      }
    },
    device(deviceId, name) {
      const full = `${vendorName} ${name}`;
      if (wanted.has(full)) {
        append(devices, full, { vendorId, deviceId });
      }
    },
  });
  const found = new Map<string, NamedIds>();
  for (const [name, entries] of devices) {
    const ids = onlyOne(entries);
    if (ids !== undefined) {
      found.set(name, ids);
    }
  }
  for (const [name, { vendor, deviceId }] of unnamed) {
    const ids = vendors.get(vendor) ?? [];
    if (ids.length === 1) {
      found.set(name, { vendorId: ids[0]!, deviceId });
    }
  }
  return found;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) {
    lists.set(key, [value]);
  } else {
    list.push(value);
  }
}

function onlyOne(entries: readonly NamedIds[]): NamedIds | undefined {
  const [first, ...rest] = entries;
  if (first === undefined || rest.some(({ vendorId }) => vendorId !== first.vendorId)) {
    return undefined;
  }
  return rest.length === 0 ? first : { vendorId: first.vendorId, deviceId: undefined };
}
