/** The same transfer through system memory: one device writes there, the other reads. */
import {
  dramLoadGBs,
  dramUsableGBs,
  GPU_STAGING,
  isAbsorbedByCache,
  overlappedStagingGBs,
  packetLatencyNs,
  readRoundTripNs,
  requestOverheadBytes,
  stagedDramCost,
} from '../rates/index.ts';
import type { LinkRate, MachineFunction } from '../topology/index.ts';
import { wayUp } from './explain-pair.ts';
import { nameOf } from './pair-context.ts';
import { type LinkOnPath, pathLinks, payloadSizes } from './path-links.ts';
import { nodesPerSocket, type PredictedPair } from './predict-pair.ts';
import {
  burstTerm,
  engineTerm,
  gbs,
  leastTerm,
  linkTerm,
  mediaTerm,
  type PredictedTerm,
  tagsTerm,
} from './predict-terms.ts';

export interface BouncedPrediction {
  readonly terms: readonly PredictedTerm[];
  /** Null where the rate of a link is not known. */
  readonly goodputGBs: number | null;
  readonly limit: string | null;
  /** Of 64 bytes, software between the two halves included. */
  readonly smallNs: number | null;
  /** What it costs the memory, in GB/s, and the share of what that delivers. Peer to peer it is 0. */
  readonly dramGBs: number | null;
  readonly dramShare: number | null;
  /** The write and the read of memory are saved: what is staged stays in the cache. */
  readonly isAbsorbed: boolean;
}

const SMALL_BYTES = 64;
/** Where no runtime says how much is staged at a time. */
const CHUNK_BYTES = 2 ** 20;

/**
 * @param operation of the client: a write goes from it to the provider
 *
 * Whoever the data comes from writes it into memory of its own socket, and who it goes to reads it there. Between two functions
 * that are no drives the runtime of a GPU does that in chunks; requests of a drive are many at once, and hide what is between.
 */
export function predictBounced(pair: PredictedPair, operation: 'write' | 'read'): BouncedPrediction {
  const { facts, client, provider, index } = pair;
  const { platform } = facts;
  const [from, to] = operation === 'write' ? [client, provider] : [provider, client];
  const into = linksUp(pair, from);
  const outOf = linksUp(pair, to);
  if ([...into, ...outOf].some(({ rate }) => rate === undefined) || into.length === 0 || outOf.length === 0) {
    return {
      terms: [],
      goodputGBs: null,
      limit: null,
      smallNs: null,
      dramGBs: null,
      dramShare: null,
      isAbsorbed: false,
    };
  }
  const ins = inTerms(pair, from, into, outOf);
  const outs = outTerms(pair, to, outOf, into);
  const isStaged = facts.media(client) === null && facts.media(provider) === null;
  const { chunkBytes } = isStaged ? GPU_STAGING : { chunkBytes: CHUNK_BYTES };
  const syncNs = platform.cpu.stagingSyncNs;
  const isAbsorbed = isAbsorbedByCache(platform.memory, 2 * chunkBytes);
  // A node of a socket that is split has its part of the channels.
  const usable =
    dramUsableGBs(platform.memory, 0.5) / Math.max(facts.nodesPerSocket ?? 1, nodesPerSocket(index));
  const cost = stagedDramCost({ isAbsorbed });
  const memory: PredictedTerm[] =
    cost === 0
      ? []
      : [
          {
            what: 'system memory',
            kind: 'memory',
            goodputGBs: usable / cost,
            formula: `${gbs(usable)} GB/s usable / ${cost} bytes of memory traffic for each byte`,
          },
        ];
  const sockets: PredictedTerm[] = pair.isOtherSocket
    ? [
        {
          what: 'link between the sockets',
          kind: 'socket',
          goodputGBs: platform.socket.linkGBs,
          formula: `${gbs(platform.socket.linkGBs)} GB/s each direction; the memory is of the socket of ${nameOf(from)}`,
        },
      ]
    : [];
  const terms = [...ins, ...memory, ...sockets, ...outs];
  const hops = leastTerm(terms)!;
  if (isStaged) {
    const pipe = { chunkBytes, inGBs: hops.goodputGBs, outGBs: hops.goodputGBs, syncNs };
    terms.push({
      what: `staging in chunks, through ${hops.what}`,
      kind: 'software',
      goodputGBs: overlappedStagingGBs(pipe),
      formula: `${chunkBytes} B / (${chunkBytes} B / ${gbs(hops.goodputGBs)} GB/s + ${syncNs} ns to synchronise)`,
    });
  }
  const least = leastTerm(terms)!;
  const dramGBs = dramLoadGBs(least.goodputGBs, 'staged', { isAbsorbed });
  const staging = pair.clientTiming.staging ?? pair.providerTiming.staging;
  return {
    terms,
    goodputGBs: least.goodputGBs,
    limit: least.what,
    smallNs:
      staging?.smallCopyNs ?? smallInNs(pair, into) + platform.cpu.kernelRequestNs + smallOutNs(pair, outOf),
    dramGBs,
    dramShare: dramGBs / usable,
    isAbsorbed,
  };
}

/** From a function up to its root port, its own link first. */
function linksUp({ index, explanation }: PredictedPair, fn: MachineFunction): readonly LinkOnPath[] {
  return pathLinks(index, wayUp(index, fn), explanation.payload);
}

function isCommon(link: LinkOnPath, others: readonly LinkOnPath[]): boolean {
  return others.some(({ upper, lower }) => upper === link.upper && lower === link.lower);
}

/** Media of the client alone, as peer to peer: of the provider its memory is meant. */
function mediaOf(
  { facts, client }: PredictedPair,
  fn: MachineFunction,
  does: 'reads' | 'writes',
): readonly PredictedTerm[] {
  const media = fn.bdf === client.bdf ? facts.media(fn) : null;
  return media === null
    ? []
    : [mediaTerm(nameOf(fn), media.name, does === 'reads' ? media.readGBs : media.writeGBs, does)];
}

function inTerms(
  pair: PredictedPair,
  fn: MachineFunction,
  links: readonly LinkOnPath[],
  others: readonly LinkOnPath[],
): readonly PredictedTerm[] {
  const { facts } = pair;
  const device = facts.device(fn);
  const payloadBytes = sentBytes(pair, fn);
  const who = nameOf(fn);
  const engine = engineTerm(who, device, 'write', links[0]?.rate, payloadBytes);
  const bursts = burstTerm(who, device, 'write', payloadBytes);
  return [
    ...mediaOf(pair, fn, 'reads'),
    ...(engine === undefined ? [] : [engine]),
    ...(bursts === undefined ? [] : [bursts]),
    ...links
      .filter((link) => !isCommon(link, others))
      .flatMap((link) => hostLinkTerm(pair, link, { writtenBytes: payloadBytes, reader: null }, 'up')),
  ];
}

function outTerms(
  pair: PredictedPair,
  fn: MachineFunction,
  links: readonly LinkOnPath[],
  others: readonly LinkOnPath[],
): readonly PredictedTerm[] {
  const { facts, explanation, provider, client } = pair;
  const { latency } = facts.platform;
  const device = facts.device(fn);
  const { mpsBytes } = explanation.payload;
  const requestBytes = askedBytes(pair, fn);
  const who = nameOf(fn);
  const roundTripNs =
    readRoundTripNs(
      ratesUp(links),
      requestBytes,
      Math.min(mpsBytes, requestBytes),
      latency.cacheNs + latency.dramNs,
      latency,
    ) + (pair.isOtherSocket ? latency.remoteSocketNs : 0);
  const engine = engineTerm(who, device, 'read', links[0]?.rate, Math.min(mpsBytes, requestBytes));
  const bursts = burstTerm(who, device, 'read', requestBytes);
  const other = fn.bdf === client.bdf ? provider : client;
  return [
    ...[...links].reverse().flatMap((link) => {
      const isBoth = isCommon(link, others);
      const writtenBytes = isBoth ? sentBytes(pair, other) : null;
      return hostLinkTerm(pair, link, { writtenBytes, reader: requestBytes }, isBoth ? 'both' : 'down');
    }),
    tagsTerm(who, device.tags, requestBytes, roundTripNs),
    ...(engine === undefined ? [] : [engine]),
    ...(bursts === undefined ? [] : [bursts]),
    ...mediaOf(pair, fn, 'writes'),
  ];
}

/** Payload of the packets that a function writes. */
function sentBytes({ facts, explanation }: PredictedPair, fn: MachineFunction): number {
  const { mpsBytes } = explanation.payload;
  return Math.min(mpsBytes, facts.device(fn).payloadBytes ?? mpsBytes);
}

/** What a function asks for in one read request. Whoever reads has a register of its own. */
function askedBytes({ index, facts }: PredictedPair, fn: MachineFunction): number {
  const { mrrsBytes } = payloadSizes(index, fn, fn);
  return Math.min(mrrsBytes, facts.device(fn).readRequestBytes ?? mrrsBytes);
}

/** A link on the way to memory and from it: written data and read requests go up, completions down. */
function hostLinkTerm(
  { facts, explanation }: PredictedPair,
  link: LinkOnPath,
  { writtenBytes, reader }: { readonly writtenBytes: number | null; readonly reader: number | null },
  way: 'up' | 'down' | 'both',
): readonly PredictedTerm[] {
  const { mpsBytes } = explanation.payload;
  const term = linkTerm(link, {
    up: { carries: 'write', payloadBytes: writtenBytes, requestBytes: reader },
    down: {
      carries: 'read',
      payloadBytes: reader === null ? null : Math.min(mpsBytes, reader),
      requestBytes: null,
    },
    mpsBytes,
    dllp: facts.platform.dllpModel,
  });
  return term === undefined ? [] : [{ ...term, what: way === 'both' ? term.what : `${term.what}, ${way}` }];
}

function ratesUp(links: readonly LinkOnPath[]): readonly LinkRate[] {
  return links.map(({ rate }) => rate!);
}

function smallInNs({ facts }: PredictedPair, links: readonly LinkOnPath[]): number {
  const wireBytes = SMALL_BYTES + requestOverheadBytes();
  return packetLatencyNs(ratesUp(links), wireBytes, 'cut-through', facts.platform.latency);
}

function smallOutNs({ facts }: PredictedPair, links: readonly LinkOnPath[]): number {
  const { latency } = facts.platform;
  return readRoundTripNs(ratesUp(links), SMALL_BYTES, SMALL_BYTES, latency.cacheNs, latency);
}
