/**
 * Which answers remain when something is unknown. An answer is one of four, a set of them is four bits, and a pair's
 * answer is known when everything that is unknown leads to the same one.
 *
 * The tables made here are what `judge` and `judgeAll` share: by (redirect, host bridges, how the walk ended) they give the
 * set, over all rule intervals that may apply.
 */
import type { Machine, MachineFunction, MachineIndex } from '../topology/index.ts';
import { KERNEL_REDIRECT_BITS } from './acs-control.ts';
import {
  incompleteRootBuses,
  isAmdZen,
  LISTING,
  type Listing,
  listingOf,
  listRuling,
  type Representative,
  RULING,
  type Ruling,
  representativeOf,
  rootFunctionsOf,
} from './host-bridge.ts';
import { ROOT_COMPLEX_PENALTY, type RuleInterval } from './rule-intervals.ts';
import { lacksOption, type RuleSet } from './rules.ts';
import type { MapType } from './verdict.ts';
import { type WalkTree, walkTreeOf } from './walk-tree.ts';

/** Answers, as bits of a set. */
export const BUS_ADDR = 1;
export const THRU = 2;
export const REJECTED = 4;
/** Accepted through the root complex with 0x1000 added to the distance (5.2 and 5.3). */
export const THRU_FAR = 8;

/** A function's redirect bits, as flags that can be ORed along a walk. */
export const REDIRECTS = 1;
export const MAY_REDIRECT = 2;

/** How a walk ended. */
export const SHAPE = { COMMON: 0, NO_COMMON: 1, EITHER: 2 } as const;
export type Shape = (typeof SHAPE)[keyof typeof SHAPE];

/** Redirect classes of a whole walk: none, certain, possible. */
const CLASSES = 3;
const SHAPES = 3;
const ROW = CLASSES * SHAPES;

/** What a set of rules makes of one machine. */
export interface RuledMachine {
  readonly tree: WalkTree;
  readonly rules: RuleSet;
  readonly cpuRule: boolean | undefined;
  readonly iommuPresent: boolean | undefined;
  /** By position: 0, REDIRECTS or MAY_REDIRECT. */
  readonly redirects: Uint8Array;
  /** By interval, then by host bridge of the tree. */
  readonly representatives: readonly (readonly Representative[])[];
  readonly listings: readonly (readonly Listing[])[];
  /** By host bridge: host bridges that the rules cannot tell apart have the same kind. */
  readonly hostBridgeKind: Int32Array;
  readonly kindCount: number;
  /** Sets of answers; see `rowOf`. */
  readonly answers: Uint8Array;
}

const ruled = new WeakMap<MachineIndex, WeakMap<RuleSet, RuledMachine>>();

/** Works out everything that pairs share; kept as long as the index and the rules. */
export function ruledMachine(index: MachineIndex, rules: RuleSet): RuledMachine {
  let byRules = ruled.get(index);
  if (byRules === undefined) {
    byRules = new WeakMap();
    ruled.set(index, byRules);
  }
  let machine = byRules.get(rules);
  if (machine === undefined) {
    machine = build(index, rules);
    byRules.set(rules, machine);
  }
  return machine;
}

/**
 * Place of a pair's answers in `answers`; add `redirectClass * 3 + shape`.
 * @param kinds  kind of the provider's host bridge x kindCount + kind of the client's
 */
export function rowOf(kinds: number, isSame: boolean): number {
  return (kinds * 2 + (isSame ? 1 : 0)) * ROW;
}

/** 0 none, 1 certain, 2 possible, from ORed flags. */
export function redirectClass(flags: number): number {
  return (flags & REDIRECTS) !== 0 ? 1 : flags === 0 ? 0 : 2;
}

/** What a set says as a map type: known when it holds one. */
export function mapTypeOf(set: number): MapType {
  if (set === BUS_ADDR) {
    return 'bus-addr';
  }
  if (set === REJECTED) {
    return 'not-supported';
  }
  return set !== 0 && (set & (BUS_ADDR | REJECTED)) === 0 ? 'thru-host-bridge' : 'unknown';
}

export function usableOf(set: number): boolean | null {
  if (set === REJECTED) {
    return false;
  }
  return (set & REJECTED) === 0 ? true : null;
}

/** @param hops of the walk, null when they cannot be counted */
export function distanceOf(set: number, hops: number | null): number | null {
  if (set === REJECTED) {
    return -1;
  }
  if (hops === null || (set & REJECTED) !== 0) {
    return null;
  }
  if (set === THRU_FAR) {
    return hops + ROOT_COMPLEX_PENALTY;
  }
  return (set & THRU_FAR) === 0 ? hops : null;
}

function build(index: MachineIndex, rules: RuleSet): RuledMachine {
  const tree = walkTreeOf(index);
  const { machine } = index;
  const rootFunctions = rootFunctionsOf(tree);
  const isIncomplete = incompleteRootBuses(machine, tree);
  const iommuPresent = machine.iommu.mode === undefined ? undefined : machine.iommu.mode !== 'off';
  const representatives = rules.intervals.map((interval) =>
    rootFunctions.map((functions, bridge) => representativeOf(interval, functions, isIncomplete[bridge]!)),
  );
  const listings = rules.intervals.map((interval, i) =>
    representatives[i]!.map((representative) =>
      withIommu(interval, listingOf(interval, representative), iommuPresent),
    ),
  );
  const kinds = new Map<string, number>();
  const kindListings: Listing[][] = [];
  const hostBridgeKind = Int32Array.from(tree.hostBridgeKeys, (_, bridge) => {
    const signature = listings.map((row) => row[bridge]!);
    const key = signature.join();
    let kind = kinds.get(key);
    if (kind === undefined) {
      kind = kinds.size;
      kinds.set(key, kind);
      kindListings.push(signature);
    }
    return kind;
  });
  const cpuRule = isAmdZen(machine.cpu);
  return {
    tree,
    rules,
    cpuRule,
    iommuPresent,
    redirects: redirectsOf(machine, rules),
    representatives,
    listings,
    hostBridgeKind,
    kindCount: kinds.size,
    answers: answerTable(rules, kindListings, cpuRule, lacksOption(machine, rules) === true),
  };
}

/** 5.2 and 5.3 accept no root complex where an IOMMU is present. */
function withIommu(interval: RuleInterval, listing: Listing, iommuPresent: boolean | undefined): Listing {
  if (interval.onNoCommon !== 'zen-without-iommu' || iommuPresent === false) {
    return listing;
  }
  if (iommuPresent === true || listing === LISTING.NOT_LISTED) {
    return LISTING.NOT_LISTED;
  }
  return LISTING.UNKNOWN;
}

function redirectsOf(machine: Machine, rules: RuleSet): Uint8Array {
  const flags = Uint8Array.from(machine.functions, () => 0);
  machine.functions.forEach((fn, position) => {
    const answers = new Set(rules.intervals.map((interval) => redirectOf(fn, interval)));
    flags[position] = answers.size === 1 ? [...answers][0]! : MAY_REDIRECT;
  });
  return flags;
}

/**
 * The test of one function (Linux pci_bridge_has_acs_redir). The value of a failed read is used: a function that is gone
 * has every bit set, if the kernel still knows that it had the capability; up to 5.8 it looks for it again and finds none.
 */
export function redirectOf(fn: MachineFunction, interval: RuleInterval): number {
  if (fn.acs === null) {
    return 0;
  }
  if (fn.isGone) {
    if (!interval.keepsAcsOffset) {
      return 0;
    }
    return fn.acs === undefined ? MAY_REDIRECT : REDIRECTS;
  }
  if (fn.acs === undefined) {
    return MAY_REDIRECT;
  }
  return (fn.acs.control & KERNEL_REDIRECT_BITS) === 0 ? 0 : REDIRECTS;
}

function answerTable(
  rules: RuleSet,
  kindListings: readonly (readonly Listing[])[],
  cpuRule: boolean | undefined,
  isStub: boolean,
): Uint8Array {
  const count = kindListings.length;
  const table = new Uint8Array(count * count * 2 * ROW);
  let at = 0;
  for (const provider of kindListings) {
    for (const client of kindListings) {
      for (const isSame of [false, true]) {
        for (let redirect = 0; redirect < CLASSES; redirect++) {
          for (const shape of [SHAPE.COMMON, SHAPE.NO_COMMON, SHAPE.EITHER]) {
            let set = 0;
            rules.intervals.forEach((interval, i) => {
              const ruling = bridgeRuling(interval, provider[i]!, client[i]!, isSame, cpuRule);
              set |= isStub ? REJECTED : answersOf(interval, redirect, shape, ruling);
            });
            table[at++] = set;
          }
        }
      }
    }
  }
  return table;
}

/** The ruling of CPU and list together. */
export function bridgeRuling(
  interval: RuleInterval,
  provider: Listing,
  client: Listing,
  isSame: boolean,
  cpuRule: boolean | undefined,
): Ruling {
  const byList = listRuling(provider, client, isSame);
  if (!interval.acceptsAmdZen || cpuRule === false) {
    return byList;
  }
  return cpuRule === true || byList === RULING.ACCEPTED ? RULING.ACCEPTED : RULING.OPEN;
}

/** The answers that one interval's rules leave possible. */
export function answersOf(interval: RuleInterval, redirect: number, shape: Shape, ruling: Ruling): number {
  if (!interval.hasP2pdma) {
    return REJECTED;
  }
  let set = 0;
  if (shape !== SHAPE.NO_COMMON) {
    set |= redirect === 1 ? 0 : BUS_ADDR;
    set |= redirect === 0 ? 0 : throughHostBridge(interval.onRedirect, ruling);
  }
  if (shape !== SHAPE.COMMON) {
    set |= throughHostBridge(interval.onNoCommon, ruling);
  }
  return set;
}

function throughHostBridge(rule: RuleInterval['onNoCommon'], ruling: Ruling): number {
  if (rule === 'refused') {
    return REJECTED;
  }
  const accepted = rule === 'host-bridge' ? THRU : THRU_FAR;
  return ((ruling & RULING.ACCEPTED) !== 0 ? accepted : 0) | ((ruling & RULING.REFUSED) !== 0 ? REJECTED : 0);
}
