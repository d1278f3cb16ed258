/** Peer to peer: the limits of writes and of reads, and how long one alone takes. */
import {
  completionOverheadBytes,
  directionGBs,
  dmaReadNs,
  isFlitLink,
  type PlatformTiming,
  packetCount,
  packetLatencyNs,
  paddedPayloadBytes,
  peerGoodputGBs,
  requestOverheadBytes,
  strictWriteGoodputGBs,
} from '../rates/index.ts';
import type { LinkRate } from '../topology/index.ts';
import { nameOf } from './pair-context.ts';
import type { LinkOnPath } from './path-links.ts';
import type { PredictedPair } from './predict-pair.ts';
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
import { ratesOf, type Way } from './predict-ways.ts';

const SMALL_BYTES = 64;
/** What one strictly ordered write is taken to be: it waits for the one before as a whole. */
const STRICT_BYTES = 4096;
/** What a root complex that forwards few reads at a time forwards at most of each. */
const GATED_READ_BYTES = 256;

/** What turning round in the root complex takes, in the place of one switch. */
function turnNs({ facts, isOtherSocket, index }: PredictedPair, way: Way, isTranslated: boolean): number {
  if (!way.isThroughRoot) {
    return 0;
  }
  const { latency, iommu } = facts.platform;
  const { mode } = index.machine.iommu;
  const isMapped = isTranslated && mode !== 'off' && mode !== 'passthrough';
  return (
    facts.platform.turnNs -
    latency.switchNs +
    (isOtherSocket ? latency.remoteSocketNs / 2 : 0) +
    (isMapped ? iommu.hitNs : 0)
  );
}

/** A write of 64 bytes until its last byte is there. */
export function smallWriteNs(pair: PredictedPair): number {
  return pair.clientTiming.startNs + wireNs(pair, SMALL_BYTES + requestOverheadBytes());
}

/** One packet of the client until its last byte is there. */
function wireNs(pair: PredictedPair, wireBytes: number): number {
  const { request } = pair.ways;
  const { latency } = pair.facts.platform;
  return packetLatencyNs(ratesOf(request), wireBytes, 'cut-through', latency) + turnNs(pair, request, true);
}

/** A read of 64 bytes from its start to its last byte. */
export function smallReadNs(pair: PredictedPair): number {
  const { clientTiming } = pair;
  const engineGBs = clientTiming.readGBs ?? Number.POSITIVE_INFINITY;
  return dmaReadNs(clientTiming, SMALL_BYTES, roundTripNs(pair, SMALL_BYTES), engineGBs);
}

function roundTripNs(pair: PredictedPair, bytes: number): number {
  const { completion } = pair.ways;
  const { latency } = pair.facts.platform;
  const chunkBytes = completion.isThroughRoot ? cutBytes(pair, chunkBytesOf(pair)) : chunkBytesOf(pair);
  const dataBytes = paddedPayloadBytes(bytes) + packetCount(bytes, chunkBytes) * completionOverheadBytes();
  return (
    wireNs(pair, requestOverheadBytes()) +
    pair.providerTiming.memoryLatencyNs +
    packetLatencyNs(ratesOf(completion), dataBytes, 'cut-through', latency) +
    turnNs(pair, completion, false)
  );
}

/** Of completions, as the provider makes them. */
function chunkBytesOf({ explanation, providerTiming, requestBytes }: PredictedPair): number {
  const { mpsBytes } = explanation.payload;
  return Math.min(mpsBytes, requestBytes, providerTiming.payloadBytes ?? mpsBytes);
}

/** What leaves a root complex again. */
function cutBytes({ facts }: PredictedPair, payloadBytes: number): number {
  return Math.min(payloadBytes, facts.platform.peers.splitBytes);
}

export function writeTerms(pair: PredictedPair): readonly PredictedTerm[] {
  const { facts, client, clientTiming, payloadBytes, ways } = pair;
  const who = nameOf(client);
  const media = facts.media(client);
  const passed = [
    ...linkTerms(pair, 'write', payloadBytes),
    ...present(rootTerm(pair, 'write', ways.request, payloadBytes)),
  ];
  return [
    ...(media === null ? [] : [mediaTerm(who, media.name, media.readGBs, 'reads')]),
    ...present(engineTerm(who, clientTiming, 'write', ownLink(pair), payloadBytes)),
    ...present(burstTerm(who, clientTiming, 'write', payloadBytes)),
    ...passed,
    ...present(strictTerm(pair, passed)),
  ];
}

export function readTerms(pair: PredictedPair): readonly PredictedTerm[] {
  const { facts, client, clientTiming, providerTiming, requestBytes, ways } = pair;
  const who = nameOf(client);
  const media = facts.media(client);
  const chunkBytes = chunkBytesOf(pair);
  const { memoryReadGBs } = providerTiming;
  return [
    tagsTerm(who, clientTiming.tags, requestBytes, roundTripNs(pair, requestBytes)),
    ...(memoryReadGBs === null
      ? []
      : [
          {
            what: `memory of ${nameOf(pair.provider)}`,
            kind: 'engine' as const,
            goodputGBs: memoryReadGBs,
            formula: `${providerTiming.name}: others read it at ${gbs(memoryReadGBs)} GB/s`,
          },
        ]),
    ...linkTerms(pair, 'read', chunkBytes),
    ...present(gateTerm(pair)),
    ...present(rootTerm(pair, 'read', ways.completion, chunkBytes)),
    ...present(engineTerm(who, clientTiming, 'read', ownLink(pair), chunkBytes)),
    ...present(burstTerm(who, clientTiming, 'read', requestBytes)),
    ...(media === null ? [] : [mediaTerm(who, media.name, media.writeGBs, 'writes')]),
  ].filter(({ goodputGBs }) => Number.isFinite(goodputGBs));
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function ownLink({ ways }: PredictedPair): LinkRate | undefined {
  return [...ways.request.up, ...ways.request.down][0]?.rate;
}

/**
 * Every link that data passes, in its order. Behind the root complex packets are cut to its size; read requests share links with
 * data where both go one way.
 */
function linkTerms(
  pair: PredictedPair,
  operation: 'write' | 'read',
  payloadBytes: number,
): readonly PredictedTerm[] {
  const { facts, explanation, ways, requestBytes } = pair;
  const isRead = operation === 'read';
  const data = isRead ? ways.completion : ways.request;
  const requests = isRead ? ways.request : null;
  const behindBytes = data.isThroughRoot ? cutBytes(pair, payloadBytes) : payloadBytes;
  const links = [...data.up, ...data.down.filter((link) => !data.up.some((other) => isSame(link, other)))];
  return links.flatMap((link) => {
    const use = (of: readonly LinkOnPath[], asked: readonly LinkOnPath[] | undefined, bytes: number) => ({
      carries: operation,
      payloadBytes: of.some((other) => isSame(link, other)) ? bytes : null,
      requestBytes: asked?.some((other) => isSame(link, other)) === true ? requestBytes : null,
    });
    return present(
      linkTerm(link, {
        up: use(data.up, requests?.up, payloadBytes),
        down: use(data.down, requests?.down, behindBytes),
        mpsBytes: explanation.payload.mpsBytes,
        dllp: facts.platform.dllpModel,
      }),
    );
  });
}

function isSame(a: LinkOnPath, b: LinkOnPath): boolean {
  return a.upper === b.upper && a.lower === b.lower;
}

/** The platform as somebody who knows has it: where its family would refuse and this one passes, nothing is lost. */
function passing({ facts, policy }: PredictedPair): PlatformTiming {
  const { platform } = facts;
  const open = (share: number): number => (share === 0 && policy !== null ? 1 : share);
  const { peers } = platform;
  return {
    ...platform,
    peers: {
      ...peers,
      writeShare: open(peers.writeShare),
      readShare: open(peers.readShare),
      otherSocketShare: open(peers.otherSocketShare),
    },
  };
}

/** The slower of the two links at the root ports; shares are of it. */
function portsGBs(
  { facts, explanation }: PredictedPair,
  data: Way,
  operation: 'write' | 'read',
  payloadBytes: number,
): number {
  const rates = [data.up.at(-1), data.down[0]].flatMap((link) =>
    link?.rate === undefined ? [] : [link.rate],
  );
  const each = rates.map((rate) => {
    const isFlit = isFlitLink(rate);
    const overhead =
      operation === 'write' ? requestOverheadBytes({ isFlit }) : completionOverheadBytes({ isFlit });
    const net = directionGBs(rate, explanation.payload.mpsBytes, facts.platform.dllpModel, false);
    return (net * payloadBytes) / (payloadBytes + overhead);
  });
  return Math.min(...each);
}

/** What the root complex does to data. @param payloadBytes of its packets where they come in */
function rootTerm(
  pair: PredictedPair,
  operation: 'write' | 'read',
  data: Way,
  payloadBytes: number,
): PredictedTerm | undefined {
  if (!data.isThroughRoot) {
    return undefined;
  }
  const { isOtherSocket } = pair;
  const platform = passing(pair);
  const { peers } = platform;
  const isWrite = operation === 'write';
  const share = isOtherSocket ? peers.otherSocketShare : isWrite ? peers.writeShare : peers.readShare;
  const linksGBs =
    share === 1 ? Number.POSITIVE_INFINITY : portsGBs(pair, data, operation, cutBytes(pair, payloadBytes));
  const answer = peerGoodputGBs(platform, { operation, linksGBs, isOtherSocket });
  const cap = isWrite ? peers.writeGBs : peers.readGBs;
  const limits = [
    Number.isFinite(peers.splitBytes) ? `packets of ${peers.splitBytes} B` : null,
    share < 1 ? `${(share * 100).toFixed(1)} % of the links at its ports` : null,
    Number.isFinite(cap) ? `cap ${gbs(cap)} GB/s` : null,
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

/** Reads that a root complex forwards a few at a time, wherever their completions go. */
function gateTerm(pair: PredictedPair): PredictedTerm | undefined {
  const { facts, ways, requestBytes } = pair;
  const { readsInFlight } = facts.platform.peers;
  if (!ways.request.isThroughRoot || !Number.isFinite(readsInFlight)) {
    return undefined;
  }
  const bytes = Math.min(requestBytes, GATED_READ_BYTES);
  const ns = roundTripNs(pair, bytes);
  return {
    what: `peer reads of the root complex (${facts.platform.name})`,
    kind: 'root-complex',
    goodputGBs: (readsInFlight * bytes) / ns,
    formula: `${readsInFlight} at a time x ${bytes} B / ${ns.toFixed(0)} ns round trip`,
  };
}

/** Strictly ordered writes where nobody pipelines them: each waits until the one before is seen. */
function strictTerm(pair: PredictedPair, passed: readonly PredictedTerm[]): PredictedTerm | undefined {
  const { facts, clientTiming, payloadBytes } = pair;
  if (!clientTiming.isStrict || facts.platform.peers.pipelinedPosted) {
    return undefined;
  }
  const passedGBs = leastTerm(passed)?.goodputGBs ?? Number.POSITIVE_INFINITY;
  const bytes = Math.max(STRICT_BYTES, payloadBytes);
  const ns = wireNs(pair, payloadBytes + requestOverheadBytes()) + (bytes - payloadBytes) / passedGBs;
  return {
    what: `order of posted writes of ${nameOf(pair.client)}`,
    kind: 'root-complex',
    goodputGBs: strictWriteGoodputGBs(bytes, ns),
    formula: `writes of ${bytes} B, each ${ns.toFixed(0)} ns until it is seen`,
  };
}
