/** Address ranges as lspci prints them: BARs, expansion ROM, bridge windows, BARs of virtual functions. */
import { ADDR_NOWHERE, parseHexAddress } from '../../base/index.ts';
import type { Bar, BridgeWindow } from '../machine.ts';

const REGION =
  /^(?:Region (\d): )?(?:\[virtual\] )?(Memory at|I\/O ports at|Expansion ROM at) (<[^>]*>|[0-9a-f]+)(.*)$/i;

/** First SR-IOV BAR in `Bar.index`. */
const VF_BAR_INDEX = 7;
const ROM_INDEX = 6;

/** A BAR as printed; `index` is undefined with a single `-v`, which leaves the number out. */
export type RegionText = Omit<Bar, 'index'> & { readonly index: number | undefined };

/** Undefined when the line is about something else. */
export function parseRegion(text: string): RegionText | undefined {
  const match = REGION.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, index, what, where, rest] = match;
  const isRom = /^Expansion/i.test(what!);
  return {
    index: isRom ? ROM_INDEX : index === undefined || Number(index) > 5 ? undefined : Number(index),
    kind: /^I/i.test(what!) ? 'io' : 'memory',
    is64Bit: /\(64-bit/i.test(rest!),
    // Reading a ROM has no side effects; Linux marks it prefetchable too (drivers/pci/probe.c, __pci_read_base).
    isPrefetchable: isRom || /[ (]prefetchable/i.test(rest!),
    start: startOf(where!, /\[disabled\]/i.test(rest!)),
    sizeBytes: sizeOf(rest!),
  };
}

/** The same inside the SR-IOV capability, where lspci prints the register alone. */
export function parseVfRegion(text: string): Bar | undefined {
  const region = parseRegion(text);
  return region?.index === undefined || region.index >= ROM_INDEX
    ? undefined
    : { ...region, index: region.index + VF_BAR_INDEX };
}

/**
 * `<unassigned>` and `<ignored>`: the kernel gave it no address; other words in angle brackets: lspci could not tell. A plain
 * 0 is the register of a BAR without an address, unless the device decodes it.
 */
function startOf(where: string, isDisabled: boolean): number | null | undefined {
  if (!where.startsWith('<')) {
    const start = parseHexAddress(where);
    return start !== 0 ? start : isDisabled ? null : undefined;
  }
  return where === '<unassigned>' || where === '<ignored>' ? null : undefined;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
};

/** `[size=16M]`, in bytes. lspci takes the largest unit that leaves no remainder, so the value is exact. */
function sizeOf(text: string): number | undefined {
  const match = /\[size=(\d{1,15})([KMGTP]?)\]/.exec(text);
  const size = match === null ? 0 : Number(match[1]) * UNITS[match[2]!]!;
  return size > 0 && size <= Number.MAX_SAFE_INTEGER ? size : undefined;
}

export interface WindowText {
  readonly kind: BridgeWindow['kind'];
  /** Null: closed. */
  readonly window: BridgeWindow | null;
}

const IO_GRANULE = 0x1000;
const MEMORY_GRANULE = 0x10_0000;

const WINDOW = /^(I\/O|Memory|Prefetchable memory) behind bridge: ?(.*)$/i;

/**
 * `Memory behind bridge: 92c00000-92dfffff [size=2M]`; closed windows are printed with the base above the limit, as
 * `[disabled]`, as `None`, or not at all, depending on version and verbosity.
 */
export function parseWindow(text: string): WindowText | undefined {
  const match = WINDOW.exec(text);
  if (match === null) {
    return undefined;
  }
  const name = match[1]!.toLowerCase();
  const kind = name === 'i/o' ? 'io' : name === 'memory' ? 'memory' : 'prefetchable';
  const range = /^([0-9a-f]+)-([0-9a-f]+)/i.exec(match[2]!);
  const first = range === null ? undefined : parseHexAddress(range[1]!);
  const last = range === null ? undefined : parseHexAddress(range[2]!);
  // A window that was never set reads 0 to one granule; so does one that is not implemented.
  const isUnset = first === 0 && last === (kind === 'io' ? IO_GRANULE : MEMORY_GRANULE) - 1;
  if (first === undefined || last === undefined || first === ADDR_NOWHERE || first > last || isUnset) {
    return { kind, window: null };
  }
  return { kind, window: { kind, first, last } };
}
