/**
 * The order of the kernel's own list of PCI functions, from /proc/bus/pci/devices. Hot-added functions stand last there,
 * and the first function of a root bus is the one that speaks for its host bridge.
 *
 * Its lines have bus and function but no domain (Linux drivers/pci/proc.c, show_device), so on machines where two domains
 * have the same function at the same place the order stays unknown.
 */
import { type Bdf, bdfParts } from '../../base/index.ts';

/** The functions in the kernel's order, or undefined when the text does not settle it. */
export function inBusListOrder<
  T extends {
    readonly bdf: Bdf;
    readonly vendorId?: number | undefined;
    readonly deviceId?: number | undefined;
  },
>(functions: readonly T[], text: string): T[] | undefined {
  const places = new Map<string, number>();
  let place = 0;
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{4})\s+([0-9a-f]{8})(?:\s|$)/.exec(line);
    if (match === null) {
      if (line.trim() === '') {
        continue;
      }
      return undefined;
    }
    const key = `${match[1]} ${match[2]}`;
    if (places.has(key)) {
      return undefined;
    }
    places.set(key, place++);
  }
  const ranked: { readonly fn: T; readonly place: number }[] = [];
  const taken = new Set<number>();
  for (const fn of functions) {
    const parts = bdfParts(fn.bdf);
    const routingId = parts.bus * 256 + parts.device * 8 + parts.function;
    const at = places.get(`${hex(routingId, 4)} ${hex(fn.vendorId ?? 0, 4)}${hex(fn.deviceId ?? 0, 4)}`);
    if (at === undefined || taken.has(at)) {
      return undefined;
    }
    taken.add(at);
    ranked.push({ fn, place: at });
  }
  return ranked.sort((a, b) => a.place - b.place).map((entry) => entry.fn);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** The two columns that are used. */
export function reducedBusList(text: string): string {
  return text.replace(/^([0-9a-f]{4}\t[0-9a-f]{8})\t.*$/gm, '$1');
}
