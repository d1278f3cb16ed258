/**
 * What a pair delivers, by closed forms and without running anything: peer to peer, and bounced through system memory beside it.
 *
 * The client writes into the provider's memory, and reads from it. Each limit on the way is a term with its formula; the least is
 * the goodput of one stream with enough requests in flight on an idle machine. Registers of the machine give links, payload and
 * request sizes; `PredictFacts` the platform, DMA engines and media, which are presets unless somebody says better. Media of the
 * client count, as it has to have what it writes; those of a provider do not, peer to peer and bounced alike: its memory is meant.
 *
 * Leaves out on purpose: other traffic, queues of devices, what software costs except between the two halves of a bounce. What
 * is known to be there and not counted stands in `leftOut`.
 */
import type { Bdf } from '../base/index.ts';
import { isAtsEnabled, type PhysicalRoute, type RuleSet } from '../p2pdma/index.ts';
import type { PlatformTiming } from '../rates/index.ts';
import type { MachineIndex } from '../topology/index.ts';
import { explainPair, type PairExplanation, wayUp } from './explain-pair.ts';
import { type BouncedPrediction, predictBounced } from './predict-bounced.ts';
import type { PredictFacts } from './predict-facts.ts';
import { meetsRoot, type PredictedPair, pairOf } from './predict-pair.ts';
import { readTerms, smallReadNs, smallWriteNs, writeTerms } from './predict-peer.ts';
import { leastTerm, type PredictedTerm } from './predict-terms.ts';
import type { ReasonCode } from './reason-codes.ts';

/** One way of data between the two. */
export interface PredictedDirection {
  /** Of the client. */
  readonly operation: 'write' | 'read';
  /** Whether requests arrive; null where that is not known. */
  readonly isPossible: boolean | null;
  /** Why not, or what is not known; null where there are figures. */
  readonly why: string | null;
  /** In the order of the way. */
  readonly terms: readonly PredictedTerm[];
  readonly goodputGBs: number | null;
  /** The term that decides. */
  readonly limit: string | null;
  /** What is on the way and not in the figures, as sentence parts. */
  readonly leftOut: readonly string[];
  /** Of 64 bytes on the idle path: a write until its last byte is there, a read until its last byte is back. */
  readonly smallNs: number | null;
  readonly bounced: BouncedPrediction;
}

export interface Prediction {
  readonly explanation: PairExplanation;
  readonly provider: Bdf;
  readonly client: Bdf;
  readonly platform: string;
  readonly platformBasis: PlatformTiming['basis'];
  readonly platformNote: string;
  readonly isThroughRoot: boolean;
  readonly isOtherSocket: boolean;
  /** The kernel's word: true, false, or null where it is not known. */
  readonly usable: boolean | null;
  /** False: a register could not be read, and 128 bytes stand in for the sizes. */
  readonly arePayloadsKnown: boolean;
  readonly write: PredictedDirection;
  readonly read: PredictedDirection;
}

/** @throws {TopologyError} TOPO_UNKNOWN_BDF when either function is not in the machine */
export function predictPair(
  index: MachineIndex,
  rules: RuleSet,
  provider: Bdf,
  client: Bdf,
  facts: PredictFacts,
): Prediction {
  return predictExplained(index, explainPair(index, rules, provider, client), facts);
}

/** The same for a pair that is explained already. */
export function predictExplained(
  index: MachineIndex,
  explanation: PairExplanation,
  facts: PredictFacts,
): Prediction {
  const { verdict, payload } = explanation;
  const pair = pairOf(index, explanation, facts);
  return {
    explanation,
    provider: verdict.provider,
    client: verdict.client,
    platform: facts.platform.name,
    platformBasis: facts.platform.basis,
    platformNote: facts.platformNote,
    isThroughRoot: pair.isThroughRoot,
    isOtherSocket: pair.isOtherSocket,
    usable: verdict.usable,
    arePayloadsKnown: payload.isKnown,
    write: direction(pair, 'write'),
    read: direction(pair, 'read'),
  };
}

/** Whether requests arrive, and what a person should know of that. */
interface Passage {
  readonly isPossible: boolean | null;
  readonly why: string | null;
}

function direction(pair: PredictedPair, operation: 'write' | 'read'): PredictedDirection {
  const { ways, explanation } = pair;
  const bounced = predictBounced(pair, operation);
  const none = { operation, terms: [], goodputGBs: null, limit: null, leftOut: [], smallNs: null, bounced };
  const { links, verdict } = explanation;
  const passage = passageOf(pair, operation);
  if (passage.isPossible === false) {
    return { ...none, ...passage };
  }
  if (links.length === 0) {
    const why =
      verdict.provider === verdict.client ? 'one function: no link is passed' : 'no link is known on the way';
    return { ...none, ...passage, why };
  }
  const { request, completion } = ways;
  const all = [...request.up, ...request.down, ...completion.up, ...completion.down];
  const unrated = all.find(({ rate }) => rate === undefined);
  if (unrated !== undefined) {
    return {
      ...none,
      ...passage,
      why: `the rate of the link ${unrated.upper} - ${unrated.lower} is not known`,
    };
  }
  const terms = operation === 'write' ? writeTerms(pair) : readTerms(pair);
  const least = leastTerm(terms)!;
  if (least.goodputGBs === 0) {
    return { ...none, terms, isPossible: false, why: least.formula };
  }
  return {
    operation,
    ...passage,
    terms,
    goodputGBs: least.goodputGBs,
    limit: least.what,
    leftOut: leftOutOf(pair, operation),
    smallNs: operation === 'write' ? smallWriteNs(pair) : smallReadNs(pair),
    bounced,
  };
}

function passageOf(pair: PredictedPair, operation: 'write' | 'read'): Passage {
  const { explanation, policy, isThroughRoot } = pair;
  const route = routeOf(pair, operation);
  const isAsleep = route.outcome === 'blocked' && onlyNeedsDrivers(explanation);
  const asleep = `${route.detail}; the figures are for when its driver has switched it on`;
  const isOfRoot =
    isThroughRoot && (isAsleep || route.outcome === 'direct' || meetsRoot(route.hops, pair.provider));
  if (policy === null || !isOfRoot) {
    const isOpen = route.outcome !== 'blocked' && route.outcome !== 'unknown';
    return {
      isPossible: isAsleep || route.outcome === 'unknown' ? null : isOpen,
      why: isAsleep ? asleep : isOpen ? null : route.detail,
    };
  }
  if (!(operation === 'write' ? policy.writes : policy.reads)) {
    return { isPossible: false, why: `the root complex passes no peer ${operation}s: ${policy.because}` };
  }
  const passes = `the root complex passes peer ${operation}s: ${policy.because}`;
  if (isAsleep) {
    return { isPossible: null, why: `${asleep}; ${passes}` };
  }
  const isSaidOtherwise = route.outcome === 'blocked' || route.outcome === 'unknown';
  return { isPossible: true, why: isSaidOtherwise ? `${passes}; otherwise: ${route.detail}` : null };
}

/** By the rules of PCI Express; of a read whose completions are known to go straight that of its request. */
function routeOf({ explanation, ways }: PredictedPair, operation: 'write' | 'read'): PhysicalRoute {
  const { write, read } = explanation.physical;
  return operation === 'read' && write.outcome === 'direct' && !ways.completion.isThroughRoot
    ? write
    : operation === 'read'
      ? read
      : write;
}

function leftOutOf(pair: PredictedPair, operation: 'write' | 'read'): readonly string[] {
  const { index, facts, provider, client, ways } = pair;
  const on = new Set<string>();
  for (const way of operation === 'write' ? [ways.request] : [ways.request, ways.completion]) {
    for (const { upper, lower } of [...way.up, ...way.down]) {
      on.add(upper).add(lower);
    }
  }
  const chain = new Set([...wayUp(index, client), ...wayUp(index, provider)]);
  const passed = [...chain].flatMap((bdf) => index.find(bdf) ?? []);
  const buses = passed.filter(
    ({ pcieType, headerType }) =>
      headerType === 1 && (pcieType === null || pcieType === 'pcie-to-pci-bridge'),
  );
  const hasAts = isAtsEnabled(client) === true && index.machine.iommu.mode !== 'off';
  const all = [
    ...(hasAts ? [`translations that ${client.bdf} asks for (ATS)`] : []),
    ...(operation === 'read' && ways.doubt !== null ? [ways.doubt] : []),
    ...buses.map(({ bdf }) => `the conventional bus below ${bdf}`),
    ...passed.filter(({ bdf }) => on.has(bdf)).flatMap((fn) => facts.leftOut?.(fn) ?? []),
  ];
  return [...new Set(all)];
}

/** What a driver switches on when it is bound, and nothing else, is in the way. */
const ASLEEP: ReadonlySet<ReasonCode> = new Set(['MEM_DECODE_OFF', 'BUS_MASTER_OFF']);

function onlyNeedsDrivers({ reasons }: PairExplanation): boolean {
  const blocking = reasons.filter(({ blocks }) => blocks);
  return blocking.length > 0 && blocking.every(({ code }) => ASLEEP.has(code));
}
