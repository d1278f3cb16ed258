/**
 * The six kinds of address. They are all numbers and must never be mixed, so each has a type of its own.
 *
 * 52 physical bits fit a float64 exactly. A 64-bit value from 2^53 on cannot be an address that anything decodes; it
 * becomes ADDR_NOWHERE.
 */

/** What a requester is programmed with. */
export type DmaAddr = number & { readonly __brand: 'DmaAddr' };
/** Before the IOMMU. */
export type Iova = number & { readonly __brand: 'Iova' };
/** On the bus. */
export type BusAddr = number & { readonly __brand: 'BusAddr' };
/** The CPU's view. */
export type PhysAddr = number & { readonly __brand: 'PhysAddr' };
/** In a process. */
export type VirtAddr = bigint & { readonly __brand: 'VirtAddr' };
/** Inside one device. */
export type LocalAddr = number & { readonly __brand: 'LocalAddr' };

/** Stands for every 64-bit value that is not exactly representable; no range contains it. */
export const ADDR_NOWHERE = Number.POSITIVE_INFINITY;

/** Joins two dwords. Values from 2^53 on become ADDR_NOWHERE. */
export function addressFromDwords(low: number, high: number): number {
  return high >>> 0 >= 0x20_0000 ? ADDR_NOWHERE : (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
}

/** Last address of a range, saturating at ADDR_NOWHERE. */
export function lastAddress(start: number, sizeBytes: number): number {
  const last = start + sizeBytes - 1;
  return last >= Number.MAX_SAFE_INTEGER ? ADDR_NOWHERE : last;
}

/** Reads `0x…` hexadecimal text; undefined when it is none. */
export function parseHexAddress(text: string): number | undefined {
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text.trim());
  if (match === null) {
    return undefined;
  }
  const digits = match[1]!.padStart(16, '0');
  return addressFromDwords(Number.parseInt(digits.slice(8), 16), Number.parseInt(digits.slice(0, 8), 16));
}
