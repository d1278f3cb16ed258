/**
 * The verdicts of all ordered pairs, in typed arrays: what `judge` says, without reasons.
 *
 * For one provider every function's answer follows from its bridge's, so one pass down the tree a provider is enough, and
 * nothing is allocated for a pair. `bench/p2pdma` owns the figures.
 */
import type { MachineIndex } from '../topology/index.ts';
import {
  distanceOf,
  MAY_REDIRECT,
  mapTypeOf,
  REDIRECTS,
  type RuledMachine,
  rowOf,
  ruledMachine,
  SHAPE,
  usableOf,
} from './outcomes.ts';
import { ROOT_COMPLEX_PENALTY } from './rule-intervals.ts';
import type { RuleSet } from './rules.ts';
import type { MapType } from './verdict.ts';
import { ROOT } from './walk-tree.ts';

/** Codes of `PairTable.mapType`. */
export const MAP_TYPES: readonly MapType[] = ['unknown', 'not-supported', 'bus-addr', 'thru-host-bridge'];
/** Code of an unknown distance; -1 is the kernel's own for a pair that it rejects. */
export const DISTANCE_UNKNOWN = -2;
/** Codes of `PairTable.usable`. */
export const USABLE = { NO: 0, YES: 1, UNKNOWN: 2 } as const;

export interface PairAnswer {
  readonly distance: number | null;
  readonly mapType: MapType;
  readonly usable: boolean | null;
}

/** Entry `provider * count + client`; provider and client are positions in `machine.functions`. */
export class PairTable {
  readonly count: number;
  /** Hops, -1 rejected, DISTANCE_UNKNOWN. */
  readonly distance: Int16Array;
  /** Index into MAP_TYPES. */
  readonly mapType: Uint8Array;
  /** One of USABLE. */
  readonly usable: Uint8Array;

  constructor(count: number) {
    this.count = count;
    this.distance = new Int16Array(count * count);
    this.mapType = new Uint8Array(count * count);
    this.usable = new Uint8Array(count * count);
  }

  /** One pair, decoded as `judge` gives it. */
  at(provider: number, client: number): PairAnswer {
    const place = provider * this.count + client;
    const distance = this.distance[place]!;
    const usable = this.usable[place]!;
    return {
      distance: distance === DISTANCE_UNKNOWN ? null : distance,
      mapType: MAP_TYPES[this.mapType[place]!]!,
      usable: usable === USABLE.UNKNOWN ? null : usable === USABLE.YES,
    };
  }
}

// What a set of answers means, one entry a set.
const SETS = 16;
const HOPS_COUNT = 0;
const HOPS_PENALTY = 1;
const IS_REJECTED = 2;
const IS_UNKNOWN = 3;
const setMapType = Uint8Array.from({ length: SETS }, (_, set) => MAP_TYPES.indexOf(mapTypeOf(set)));
const setUsable = Uint8Array.from({ length: SETS }, (_, set) => {
  const usable = usableOf(set);
  return usable === null ? USABLE.UNKNOWN : usable ? USABLE.YES : USABLE.NO;
});
const setDistance = Uint8Array.from({ length: SETS }, (_, set) => {
  const distance = distanceOf(set, 0);
  if (distance === null) {
    return IS_UNKNOWN;
  }
  return distance === -1 ? IS_REJECTED : distance === ROOT_COMPLEX_PENALTY ? HOPS_PENALTY : HOPS_COUNT;
});

/** Redirect class by ORed flags. */
const CLASS_OF_FLAGS = Uint8Array.of(0, 1, 2, 1);

/**
 * Judges every ordered pair of a machine's functions, each with itself included. Equal to `judge` entry by entry.
 * Time and memory grow with the square of the number of functions; 4 bytes a pair.
 */
export function judgeAll(index: MachineIndex, rules: RuleSet): PairTable {
  const machine = ruledMachine(index, rules);
  const count = machine.tree.functions.length;
  const table = new PairTable(count);
  const scratch = makeScratch(machine);
  for (let provider = 0; provider < count; provider++) {
    fillRow(machine, scratch, provider, table);
  }
  return table;
}

/** What a walk has passed, as bits: redirect flags in the low two, then what the input leaves out. */
const PASSED_REDIRECT = REDIRECTS | MAY_REDIRECT;
/** Bridges are left out somewhere on it. */
const PASSED_HIDDEN = 4;
/** Bridges are left out between its last function and the one where it meets the other walk. */
const HIDDEN_AT_MEETING = 8;

/** Reused for every provider. */
interface Scratch {
  /** By position, on the provider's walk: steps from the provider; elsewhere -1. */
  readonly step: Int32Array;
  /** By step of the provider's walk: what was passed before it. */
  readonly providerPassed: Uint8Array;
  /** By step: redirect flags of the function there. */
  readonly commonFlags: Uint8Array;
  /** By position: step at which the client's walk meets the provider's, or -1. */
  readonly meet: Int32Array;
  /** By position: the client's own steps up to there, and what they passed. */
  readonly clientSteps: Int32Array;
  readonly clientPassed: Uint8Array;
  /** By position: 1 when the walk is known to end on a root bus. */
  readonly endsAtRoot: Uint8Array;
  /** By position: 1 when bridges are left out above the last function of the walk. */
  readonly hiddenTop: Uint8Array;
  /** By host bridge. */
  readonly isHostBridgeKnown: Uint8Array;
}

function makeScratch(machine: RuledMachine): Scratch {
  const { tree } = machine;
  const count = tree.functions.length;
  return {
    step: new Int32Array(count).fill(-1),
    providerPassed: new Uint8Array(count),
    commonFlags: new Uint8Array(count),
    meet: new Int32Array(count),
    clientSteps: new Int32Array(count),
    clientPassed: new Uint8Array(count),
    endsAtRoot: Uint8Array.from(tree.top, (top) => (tree.up[top] === ROOT ? 1 : 0)),
    hiddenTop: Uint8Array.from(tree.top, (top) => tree.hidden[top]!),
    isHostBridgeKnown: Uint8Array.from(tree.isHostBridgeKnown, (isKnown) => (isKnown ? 1 : 0)),
  };
}

/** Walks the provider's side once and then the whole tree downwards. One long function: it is the hot one. */
function fillRow(machine: RuledMachine, scratch: Scratch, provider: number, table: PairTable): void {
  const { tree, answers, hostBridgeKind, kindCount, redirects } = machine;
  const { up, hidden, topDown, hostBridge, chainLength, hiddenAny } = tree;
  const { step, providerPassed, commonFlags, meet, clientSteps, clientPassed } = scratch;
  const { endsAtRoot, hiddenTop, isHostBridgeKnown } = scratch;
  const { distance, mapType, usable } = table;

  let length = 0;
  let passed = 0;
  for (let at = provider; at >= 0; at = up[at]!) {
    step[at] = length;
    providerPassed[length] = passed;
    commonFlags[length] = redirects[at]!;
    passed = (passed & ~HIDDEN_AT_MEETING) | redirects[at]! | passedAbove(hidden[at]!);
    length++;
  }

  const bridge = hostBridge[provider]!;
  const kindRow = hostBridgeKind[bridge]! * kindCount;
  const base = provider * table.count;
  for (let i = 0; i < topDown.length; i++) {
    const client = topDown[i]!;
    const above = up[client]!;
    const clientBridge = hostBridge[client]!;
    const row = rowOf(kindRow + hostBridgeKind[clientBridge]!, clientBridge === bridge);
    let met = step[client]!;
    let steps = 0;
    let clientSide = 0;
    if (met < 0 && above >= 0) {
      met = meet[above]!;
      steps = clientSteps[above]! + 1;
      const isLast = step[above]! >= 0;
      clientSide =
        clientPassed[above]! |
        redirects[client]! |
        (isLast ? passedAbove(hidden[client]!) : passedAbove(hidden[client]!) & ~HIDDEN_AT_MEETING);
    }
    meet[client] = met;
    clientSteps[client] = steps;
    clientPassed[client] = clientSide;

    let set: number;
    let hops = -1;
    if (met >= 0) {
      const providerSide = providerPassed[met]!;
      const atCommon = commonFlags[met]!;
      const both = providerSide | clientSide;
      const isCommonOpen = (providerSide & clientSide & HIDDEN_AT_MEETING) !== 0;
      const flags = (both & PASSED_REDIRECT) | (isCommonOpen && atCommon !== 0 ? MAY_REDIRECT : atCommon);
      set = answers[row + CLASS_OF_FLAGS[flags]! * 3 + SHAPE.COMMON]!;
      if ((both & PASSED_HIDDEN) === 0) {
        hops = met + steps;
      }
    } else {
      const areRootsKnown = (endsAtRoot[provider]! & endsAtRoot[client]!) === 1;
      const areBridgesKnown = (isHostBridgeKnown[bridge]! & isHostBridgeKnown[clientBridge]!) === 1;
      if (
        (clientBridge !== bridge && areBridgesKnown) ||
        (areRootsKnown && (hiddenTop[provider]! & hiddenTop[client]!) === 0)
      ) {
        set = answers[row + SHAPE.NO_COMMON]!;
        if (areRootsKnown && (hiddenAny[provider]! | hiddenAny[client]!) === 0) {
          hops = chainLength[provider]! + chainLength[client]!;
        }
      } else {
        const flags = MAY_REDIRECT | redirects[provider]! | redirects[client]!;
        set = answers[row + CLASS_OF_FLAGS[flags]! * 3 + SHAPE.EITHER]!;
      }
    }

    const place = base + client;
    mapType[place] = setMapType[set]!;
    usable[place] = setUsable[set]!;
    const kind = setDistance[set]!;
    distance[place] =
      kind === IS_REJECTED
        ? -1
        : kind === IS_UNKNOWN || hops < 0
          ? DISTANCE_UNKNOWN
          : kind === HOPS_PENALTY
            ? hops + ROOT_COMPLEX_PENALTY
            : hops;
  }

  for (let at = provider; at >= 0; at = up[at]!) {
    step[at] = -1;
  }
}

/** What leaving out bridges just above a function adds to what its walk has passed. */
function passedAbove(isHidden: number): number {
  return isHidden === 1 ? MAY_REDIRECT | PASSED_HIDDEN | HIDDEN_AT_MEETING : 0;
}
