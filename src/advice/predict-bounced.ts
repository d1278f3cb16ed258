/** The same transfer through system memory: one device writes there, the other reads. */
import {
  dramLoadGBs,
  dramUsableGBs,
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
import type { PredictedPair } from './predict.ts';
import {
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

/** @param operation of the client: a write goes from it to the provider */
export function predictBounced(pair: PredictedPair, operation: 'write' | 'read'): BouncedPrediction {
  const { facts, client, provider } = pair;
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
  const staging = pair.clientTiming.staging ?? pair.providerTiming.staging;
  const chunkBytes = staging?.chunkBytes ?? CHUNK_BYTES;
  const isAbsorbed = isAbsorbedByCache(platform.memory, 2 * chunkBytes);
  const usable = dramUsableGBs(platform.memory, 0.5);
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
  const hops = leastTerm([...ins, ...outs, ...memory])!;
  const terms = [...ins, ...memory, ...outs];
  if (staging !== null) {
    const staged = overlappedStagingGBs({
      chunkBytes,
      inGBs: leastTerm(ins)!.goodputGBs,
      outGBs: Math.min(leastTerm(outs)!.goodputGBs, hops.goodputGBs),
      syncNs: staging.syncNs,
    });
    terms.push({
      what: `staging in chunks, through ${hops.what}`,
      kind: 'software',
      goodputGBs: staged,
      formula: `${chunkBytes} B / (${chunkBytes} B / ${gbs(hops.goodputGBs)} GB/s + ${staging.syncNs} ns)`,
    });
  }
  const least = leastTerm(terms)!;
  const dramGBs = dramLoadGBs(least.goodputGBs, 'staged', { isAbsorbed });
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

function inTerms(
  pair: PredictedPair,
  fn: MachineFunction,
  links: readonly LinkOnPath[],
  others: readonly LinkOnPath[],
): readonly PredictedTerm[] {
  const { facts, explanation } = pair;
  const device = facts.device(fn);
  const media = facts.media(fn);
  const { mpsBytes } = explanation.payload;
  const payloadBytes = Math.min(mpsBytes, device.payloadBytes ?? mpsBytes);
  const who = nameOf(fn);
  const engine = engineTerm(who, device, 'write', links[0]?.rate, payloadBytes);
  return [
    ...(media === null ? [] : [mediaTerm(who, media.name, media.readGBs, 'reads')]),
    ...(engine === undefined ? [] : [engine]),
    ...links.flatMap((link) => {
      const term = linkTerm(link, {
        operation: 'write',
        payloadBytes,
        downBytes: payloadBytes,
        requestBytes: pair.requestBytes,
        isTwice: false,
        isOtherBusy: isCommon(link, others),
        dllp: facts.platform.dllpModel,
      });
      return term === undefined ? [] : [{ ...term, what: `${term.what}, up` }];
    }),
  ];
}

function outTerms(
  pair: PredictedPair,
  fn: MachineFunction,
  links: readonly LinkOnPath[],
  others: readonly LinkOnPath[],
): readonly PredictedTerm[] {
  const { facts, explanation } = pair;
  const { latency } = facts.platform;
  const device = facts.device(fn);
  const media = facts.media(fn);
  const { mpsBytes } = explanation.payload;
  // Whoever reads has a register of its own.
  const { mrrsBytes } = payloadSizes(pair.index, fn, fn);
  const requestBytes = Math.min(mrrsBytes, device.readRequestBytes ?? mrrsBytes);
  const who = nameOf(fn);
  const roundTripNs = readRoundTripNs(
    ratesOf(links),
    requestBytes,
    mpsBytes,
    latency.cacheNs + latency.dramNs,
    latency,
  );
  const engine = engineTerm(who, device, 'read', links[0]?.rate, mpsBytes);
  return [
    ...[...links].reverse().flatMap((link) => {
      const term = linkTerm(link, {
        operation: 'read',
        payloadBytes: mpsBytes,
        downBytes: mpsBytes,
        requestBytes,
        isTwice: false,
        isOtherBusy: isCommon(link, others),
        dllp: facts.platform.dllpModel,
      });
      return term === undefined ? [] : [{ ...term, what: `${term.what}, down` }];
    }),
    tagsTerm(who, device.tags, requestBytes, roundTripNs),
    ...(engine === undefined ? [] : [engine]),
    ...(media === null ? [] : [mediaTerm(who, media.name, media.writeGBs, 'writes')]),
  ];
}

function ratesOf(links: readonly LinkOnPath[]): readonly LinkRate[] {
  return links.map(({ rate }) => rate!);
}

function smallInNs({ facts }: PredictedPair, links: readonly LinkOnPath[]): number {
  const wireBytes = SMALL_BYTES + requestOverheadBytes();
  return packetLatencyNs(ratesOf(links), wireBytes, 'cut-through', facts.platform.latency);
}

function smallOutNs({ facts }: PredictedPair, links: readonly LinkOnPath[]): number {
  const { latency } = facts.platform;
  return readRoundTripNs(ratesOf(links), SMALL_BYTES, SMALL_BYTES, latency.cacheNs, latency);
}
