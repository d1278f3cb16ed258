/**
 * Who stands for a host bridge, and whether that id is on the list (Linux drivers/pci/p2pdma.c, pci_host_bridge_dev and
 * __host_bridge_whitelist; the CPU rule is cpu_supports_p2pdma).
 */
import { type Bdf, bdfParts } from '../base/index.ts';
import { type Cpu, familiesOf, type Machine, type MachineFunction } from '../topology/index.ts';
import type { HostBridgeEntry, RuleInterval } from './rule-intervals.ts';
import type { WalkTree } from './walk-tree.ts';

/** The function that stands for a host bridge; null when there is none; undefined when the input does not tell. */
export type Representative = MachineFunction | null | undefined;

/** What the list says of one host bridge. */
export const LISTING = {
  NOT_LISTED: 0,
  LISTED: 1,
  LISTED_SAME_ONLY: 2,
  UNKNOWN: 3,
} as const;
export type Listing = (typeof LISTING)[keyof typeof LISTING];

/** Accepts, refuses, or may do either. */
export const RULING = { ACCEPTED: 1, REFUSED: 2, OPEN: 3 } as const;
export type Ruling = (typeof RULING)[keyof typeof RULING];

/** By host bridge of the tree: the functions on its root bus, in bus-list order. */
export function rootFunctionsOf(tree: WalkTree): readonly (readonly MachineFunction[])[] {
  const lists: MachineFunction[][] = tree.hostBridgeKeys.map(() => []);
  tree.functions.forEach((fn, position) => {
    // VFs join the list after every function that was enumerated, so none is ever first.
    if (fn.parent === null && !fn.hiddenAbove && fn.physicalFunction == null) {
      lists[tree.hostBridge[position]!]!.push(fn);
    }
  });
  return lists;
}

/** True for the host bridges of whose root bus the input may leave functions out, the first one included. */
export function incompleteRootBuses(machine: Machine, tree: WalkTree): readonly boolean[] {
  const isOpen = tree.isHostBridgeKnown.map((isKnown) => !isKnown);
  for (const gap of machine.gaps) {
    if (gap.what !== 'root-bus-devices') {
      continue;
    }
    tree.functions.forEach((fn, position) => {
      if (gap.at === null || gap.at === fn.bdf) {
        isOpen[tree.hostBridge[position]!] = true;
      }
    });
  }
  tree.functions.forEach((fn, position) => {
    // A function with no known parent may be on the root bus; a top with hidden bridges above means those are.
    if (fn.parent === undefined || (fn.parent === null && fn.hiddenAbove)) {
      isOpen[tree.hostBridge[position]!] = true;
    }
  });
  return isOpen;
}

/**
 * @param isIncomplete  functions may be missing from `rootFunctions`. A 00.0 that heads the list is still taken for the first:
 *        only one that was added while the machine ran would not be, and inputs that leave functions out cannot show that.
 */
export function representativeOf(
  interval: RuleInterval,
  rootFunctions: readonly MachineFunction[],
  isIncomplete: boolean,
): Representative {
  const none = isIncomplete ? undefined : null;
  if (interval.representative === 'slot-00.0') {
    return rootFunctions.find((fn) => isSlotZero(fn.bdf)) ?? none;
  }
  const first = rootFunctions[0];
  if (first === undefined) {
    return none;
  }
  if (isSlotZero(first.bdf)) {
    return first;
  }
  // Anything that is missing might come before what is there.
  if (isIncomplete) {
    return undefined;
  }
  if (interval.representative === 'first-if-00.0') {
    return null;
  }
  return first.pcieType === undefined ? undefined : first.pcieType === 'root-port' ? first : null;
}

function isSlotZero(bdf: Bdf): boolean {
  const parts = bdfParts(bdf);
  return parts.device === 0 && parts.function === 0;
}

export function entryFor(interval: RuleInterval, fn: MachineFunction): HostBridgeEntry | null | undefined {
  const { vendorId, deviceId } = fn;
  if (vendorId === undefined) {
    return undefined;
  }
  let mayMatch = false;
  for (const entry of interval.hostBridges) {
    if (entry.vendorId !== vendorId) {
      continue;
    }
    if (entry.deviceId === null || entry.deviceId === deviceId) {
      return entry;
    }
    mayMatch ||= deviceId === undefined;
  }
  return mayMatch ? undefined : null;
}

export function listingOf(interval: RuleInterval, representative: Representative): Listing {
  if (representative === undefined) {
    return LISTING.UNKNOWN;
  }
  if (representative === null) {
    return LISTING.NOT_LISTED;
  }
  const entry = entryFor(interval, representative);
  if (entry === undefined) {
    return LISTING.UNKNOWN;
  }
  if (entry === null) {
    return LISTING.NOT_LISTED;
  }
  return entry.needsSameHostBridge ? LISTING.LISTED_SAME_ONLY : LISTING.LISTED;
}

/** What the list alone says of a pair. The same host bridge object is looked up once, different ones must both pass. */
export function listRuling(provider: Listing, client: Listing, isSame: boolean): Ruling {
  if (isSame) {
    if (provider === LISTING.UNKNOWN) {
      return RULING.OPEN;
    }
    return provider === LISTING.NOT_LISTED ? RULING.REFUSED : RULING.ACCEPTED;
  }
  if (refusesApart(provider) || refusesApart(client)) {
    return RULING.REFUSED;
  }
  return provider === LISTING.LISTED && client === LISTING.LISTED ? RULING.ACCEPTED : RULING.OPEN;
}

function refusesApart(listing: Listing): boolean {
  return listing === LISTING.NOT_LISTED || listing === LISTING.LISTED_SAME_ONLY;
}

/** The CPU rule: x86, vendor AMD (not Hygon), family 17h or later. Undefined: cannot be told. */
export function isAmdZen(cpu: Cpu): boolean | undefined {
  if (cpu.architecture !== undefined && !cpu.architecture.startsWith('x86')) {
    return false;
  }
  if (cpu.vendor === undefined) {
    return undefined;
  }
  if (cpu.vendor !== 'amd') {
    return false;
  }
  const isZen = familiesOf(cpu).map((family) => family >= 0x17);
  return isZen.length > 0 && isZen.every((one) => one === isZen[0]) ? isZen[0] : undefined;
}
