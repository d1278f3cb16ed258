/**
 * What a pair delivers, by closed forms and without running anything: peer to peer, and bounced through system memory beside it.
 *
 * The client writes into the provider's memory, and reads from it. Each limit on the way is a term with its formula; the least is
 * the goodput of one stream with enough requests in flight on an idle machine. Registers of the machine give links, payload and
 * request sizes; `PredictFacts` the platform, DMA engines and media, which are presets unless somebody says better.
 *
 * Leaves out on purpose: other traffic, queues of devices, what software costs except between the two halves of a bounce.
 */
import type { Bdf } from '../base/index.ts';
import type { RuleSet } from '../p2pdma/index.ts';
import {
  type DeviceTiming,
  dmaReadNs,
  type PlatformTiming,
  packetLatencyNs,
  peerGoodputGBs,
  readRoundTripNs,
  requestOverheadBytes,
} from '../rates/index.ts';
import type { LinkRate, MachineFunction, MachineIndex } from '../topology/index.ts';
import { explainPair, type PairExplanation, wayUp } from './explain-pair.ts';
import { functionOf, nameOf } from './pair-context.ts';
import type { LinkOnPath } from './path-links.ts';
import { type BouncedPrediction, predictBounced } from './predict-bounced.ts';
import type { PredictFacts } from './predict-facts.ts';
import {
  engineTerm,
  gbs,
  leastTerm,
  linkTerm,
  mediaTerm,
  type PredictedTerm,
  tagsTerm,
} from './predict-terms.ts';
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

const SMALL_BYTES = 64;

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
  const { verdict, physical, payload } = explanation;
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
    write: direction(pair, 'write', physical.write.outcome, physical.write.detail),
    read: direction(pair, 'read', physical.read.outcome, physical.read.detail),
  };
}

/** A pair with everything that both directions need. */
export interface PredictedPair {
  readonly index: MachineIndex;
  readonly facts: PredictFacts;
  readonly explanation: PairExplanation;
  readonly provider: MachineFunction;
  readonly client: MachineFunction;
  readonly isThroughRoot: boolean;
  readonly isOtherSocket: boolean;
  /** Of the client's own packets. */
  readonly payloadBytes: number;
  readonly requestBytes: number;
  readonly clientTiming: DeviceTiming;
  readonly providerTiming: DeviceTiming;
}

function pairOf(index: MachineIndex, explanation: PairExplanation, facts: PredictFacts): PredictedPair {
  const { verdict, physical, payload } = explanation;
  const provider = functionOf(index, verdict.provider);
  const client = functionOf(index, verdict.client);
  const clientTiming = facts.device(client);
  const { outcome } = physical.write;
  return {
    index,
    facts,
    explanation,
    provider,
    client,
    isThroughRoot:
      outcome === 'redirected' || outcome === 'root-complex' || verdict.mapType === 'thru-host-bridge',
    isOtherSocket: socketOf(index, provider) !== socketOf(index, client),
    payloadBytes: Math.min(payload.mpsBytes, clientTiming.payloadBytes ?? payload.mpsBytes),
    requestBytes: Math.min(payload.mrrsBytes, clientTiming.readRequestBytes ?? payload.mrrsBytes),
    clientTiming,
    providerTiming: facts.device(provider),
  };
}

/** NUMA nodes are spread evenly over sockets. A node that is not known is taken for the first. */
function socketOf(index: MachineIndex, fn: MachineFunction): number {
  const { cpu, functions } = index.machine;
  const sockets = cpu?.sockets ?? 1;
  const nodes = Math.max(sockets, 1 + Math.max(0, ...functions.map(({ numaNode }) => numaNode ?? 0)));
  return Math.floor((fn.numaNode ?? 0) / Math.ceil(nodes / sockets));
}

function direction(
  pair: PredictedPair,
  operation: 'write' | 'read',
  outcome: string,
  detail: string,
): PredictedDirection {
  const bounced = predictBounced(pair, operation);
  const none = { operation, terms: [], goodputGBs: null, limit: null, smallNs: null, bounced };
  const { links, verdict } = pair.explanation;
  const isAsleep = outcome === 'blocked' && onlyNeedsDrivers(pair.explanation);
  if (outcome === 'blocked' && !isAsleep) {
    return { ...none, isPossible: false, why: detail };
  }
  const isPossible = outcome === 'unknown' || isAsleep ? null : true;
  if (links.length === 0) {
    const why =
      verdict.provider === verdict.client ? 'one function: no link is passed' : 'no link is known on the way';
    return { ...none, isPossible, why };
  }
  const unrated = links.find(({ rate }) => rate === undefined);
  if (unrated !== undefined) {
    return {
      ...none,
      isPossible,
      why: `the rate of the link ${unrated.upper} - ${unrated.lower} is not known`,
    };
  }
  const terms = operation === 'write' ? writeTerms(pair) : readTerms(pair);
  const least = leastTerm(terms)!;
  const isRefused = least.goodputGBs === 0;
  return {
    operation,
    isPossible: isRefused ? false : isPossible,
    why: isRefused
      ? least.formula
      : isAsleep
        ? `${detail}; the figures are for when its driver has switched it on`
        : outcome === 'unknown'
          ? detail
          : null,
    terms,
    goodputGBs: isRefused ? null : least.goodputGBs,
    limit: isRefused ? null : least.what,
    smallNs: isRefused ? null : operation === 'write' ? smallWriteNs(pair) : readNs(pair, SMALL_BYTES),
    bounced,
  };
}

/** What a driver switches on when it is bound, and nothing else, is in the way. */
const ASLEEP: ReadonlySet<ReasonCode> = new Set(['MEM_DECODE_OFF', 'BUS_MASTER_OFF']);

function onlyNeedsDrivers({ reasons }: PairExplanation): boolean {
  const blocking = reasons.filter(({ blocks }) => blocks);
  return blocking.length > 0 && blocking.every(({ code }) => ASLEEP.has(code));
}

/** Links in the order in which a request of the client passes them; one that is passed up and down stands there twice. */
function linksOfRequest({ explanation }: PredictedPair): readonly LinkRate[] {
  const links = [...explanation.links].reverse();
  const shared = links.filter(({ isShared }) => isShared);
  return [...links, ...shared].map(({ rate }) => rate!);
}

/** Where it turns round in the root complex, that takes the place of one switch. */
function turnNs({ facts, isThroughRoot, isOtherSocket, index }: PredictedPair): number {
  if (!isThroughRoot) {
    return 0;
  }
  const { latency, iommu } = facts.platform;
  const { mode } = index.machine.iommu;
  const translated = mode === 'off' || mode === 'passthrough' ? 0 : iommu.hitNs;
  return (
    facts.platform.turnNs - latency.switchNs + (isOtherSocket ? latency.remoteSocketNs / 2 : 0) + translated
  );
}

function smallWriteNs(pair: PredictedPair): number {
  const { latency } = pair.facts.platform;
  const wireBytes = SMALL_BYTES + requestOverheadBytes();
  return (
    pair.clientTiming.startNs +
    packetLatencyNs(linksOfRequest(pair), wireBytes, 'cut-through', latency) +
    turnNs(pair)
  );
}

/** A read from its start to its last byte. */
function readNs(pair: PredictedPair, bytes: number): number {
  const roundTrip = roundTripNs(pair, bytes);
  return dmaReadNs(
    pair.clientTiming,
    bytes,
    roundTrip,
    pair.clientTiming.readGBs ?? Number.POSITIVE_INFINITY,
  );
}

function roundTripNs(pair: PredictedPair, bytes: number): number {
  const { latency } = pair.facts.platform;
  return (
    readRoundTripNs(
      linksOfRequest(pair),
      bytes,
      chunkBytesOf(pair),
      pair.providerTiming.memoryLatencyNs,
      latency,
    ) +
    2 * turnNs(pair)
  );
}

/** Of completions, as the provider makes them. */
function chunkBytesOf({ explanation, providerTiming }: PredictedPair): number {
  const { mpsBytes } = explanation.payload;
  return Math.min(mpsBytes, providerTiming.payloadBytes ?? mpsBytes);
}

function writeTerms(pair: PredictedPair): readonly PredictedTerm[] {
  const { facts, explanation, client, clientTiming, payloadBytes } = pair;
  const who = nameOf(client);
  const media = facts.media(client);
  return [
    ...(media === null ? [] : [mediaTerm(who, media.name, media.readGBs, 'reads')]),
    ...present(engineTerm(who, clientTiming, 'write', ownLink(pair), payloadBytes)),
    ...linkTerms(pair, 'write', payloadBytes),
    ...present(rootTerm(pair, 'write', linkTerms(pair, 'write', payloadBytes))),
    ...present(strictTerm(pair, explanation)),
  ];
}

function readTerms(pair: PredictedPair): readonly PredictedTerm[] {
  const { facts, client, clientTiming, requestBytes } = pair;
  const who = nameOf(client);
  const media = facts.media(client);
  const chunkBytes = chunkBytesOf(pair);
  const links = linkTerms(pair, 'read', chunkBytes);
  return [
    tagsTerm(who, clientTiming.tags, requestBytes, roundTripNs(pair, requestBytes)),
    ...links,
    ...present(rootTerm(pair, 'read', links)),
    ...present(engineTerm(who, clientTiming, 'read', ownLink(pair), chunkBytes)),
    ...(media === null ? [] : [mediaTerm(who, media.name, media.writeGBs, 'writes')]),
  ].filter(({ goodputGBs }) => Number.isFinite(goodputGBs));
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function ownLink(pair: PredictedPair): LinkRate | undefined {
  return [...pair.explanation.links].reverse()[0]?.rate;
}

/** Every link, the client's first. Behind the root complex packets are cut to its size. */
function linkTerms(
  pair: PredictedPair,
  operation: 'write' | 'read',
  payloadBytes: number,
): readonly PredictedTerm[] {
  const { facts, explanation, isThroughRoot, index, requestBytes } = pair;
  const { splitBytes } = facts.platform.peers;
  // Of the data: a write comes from the client, what a read brings from the provider.
  const behind = new Set<string>(wayUp(index, operation === 'write' ? pair.provider : pair.client));
  const cut = Math.min(payloadBytes, splitBytes);
  return [...explanation.links].reverse().flatMap((link: LinkOnPath) => {
    const isBehind = isThroughRoot && behind.has(link.lower);
    return present(
      linkTerm(link, {
        operation,
        payloadBytes: isBehind && !link.isShared ? cut : payloadBytes,
        downBytes: isBehind ? cut : payloadBytes,
        requestBytes,
        isTwice: link.isShared,
        isOtherBusy: false,
        dllp: facts.platform.dllpModel,
      }),
    );
  });
}

function rootTerm(
  pair: PredictedPair,
  operation: 'write' | 'read',
  links: readonly PredictedTerm[],
): PredictedTerm | undefined {
  const { facts, isThroughRoot, isOtherSocket, requestBytes } = pair;
  if (!isThroughRoot) {
    return undefined;
  }
  const { platform } = facts;
  const { peers } = platform;
  const linksGBs = leastTerm(links)?.goodputGBs ?? Number.POSITIVE_INFINITY;
  const answer = peerGoodputGBs(platform, {
    operation,
    linksGBs,
    isOtherSocket,
    requestBytes,
    roundTripNs: roundTripNs(pair, requestBytes),
  });
  const isWrite = operation === 'write';
  const share = isOtherSocket ? peers.otherSocketShare : isWrite ? peers.writeShare : peers.readShare;
  const cap = isWrite ? peers.writeGBs : peers.readGBs;
  const limits = [
    Number.isFinite(peers.splitBytes) ? `packets of ${peers.splitBytes} B` : null,
    share < 1 ? `${(share * 100).toFixed(1)} % of the links` : null,
    Number.isFinite(cap) ? `cap ${gbs(cap)} GB/s` : null,
    !isWrite && Number.isFinite(peers.readsInFlight) ? `${peers.readsInFlight} reads at a time` : null,
    isOtherSocket ? `socket link ${gbs(platform.socket.peerGBs)} GB/s` : null,
  ].filter((text) => text !== null);
  return {
    what: `root complex (${platform.name})`,
    kind: answer.limit === 'socket' ? 'socket' : 'root-complex',
    goodputGBs: answer.goodputGBs,
    formula:
      answer.limit === 'refused'
        ? `a root complex of ${platform.name} passes no ${operation}s between its ports`
        : `${limits.length === 0 ? 'no limit of its own' : limits.join(', ')}`,
  };
}

/** Strictly ordered writes where the root complex does not pipeline them: each waits until the one before is seen. */
function strictTerm(pair: PredictedPair, { payload }: PairExplanation): PredictedTerm | undefined {
  const { facts, clientTiming, isThroughRoot, payloadBytes } = pair;
  if (!clientTiming.isStrict || !isThroughRoot || facts.platform.peers.pipelinedPosted) {
    return undefined;
  }
  const bytes = Math.min(payloadBytes, payload.mpsBytes);
  const visibleNs = smallWriteNs(pair);
  return {
    what: `order of posted writes of ${nameOf(pair.client)}`,
    kind: 'root-complex',
    goodputGBs: bytes / visibleNs,
    formula: `${bytes} B / ${visibleNs.toFixed(0)} ns until each is seen`,
  };
}
