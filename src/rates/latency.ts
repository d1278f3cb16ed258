/** Sums of the idle path: when the last byte arrives. */
import { flitNs, type LinkSpeed, serialiseNs } from './link-rate.ts';
import {
  completionOverheadBytes,
  packetCount,
  paddedPayloadBytes,
  requestOverheadBytes,
} from './tlp-size.ts';

/** Nanoseconds. Defaults fitted to published measurements of Gen3 servers; all can be replaced. */
export interface LatencyModel {
  /** Endpoint or root core to its pins, either way. */
  readonly pinNs: number;
  /** Flight time of one link. */
  readonly propagationNs: number;
  /** Switch, pin to pin. */
  readonly switchNs: number;
  /** Root complex, to the last level cache. */
  readonly cacheNs: number;
  /** On top of the cache: DRAM. */
  readonly dramNs: number;
  /** On top, when the memory belongs to another socket. */
  readonly remoteSocketNs: number;
  /** Memory behind a BAR. */
  readonly barMemoryNs: number;
}

export const DEFAULT_LATENCY: LatencyModel = {
  pinNs: 60,
  propagationNs: 1,
  switchNs: 110,
  cacheNs: 160,
  dramNs: 70,
  remoteSocketNs: 105,
  barMemoryNs: 150,
};

/** Fixed part of one way over `linkCount` links with a switch between each two. */
function wayNs(linkCount: number, model: LatencyModel): number {
  return 2 * model.pinNs + linkCount * model.propagationNs + (linkCount - 1) * model.switchNs;
}

/**
 * One packet of `wireBytes`, last byte at the far end.
 *
 * Cut-through pays the slowest serialisation once: an egress faster than its ingress waits so that it never runs dry,
 * a slower one governs. Store-and-forward pays each. Links with flits add what these cost.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function packetLatencyNs(
  links: readonly LinkSpeed[],
  wireBytes: number,
  forwarding: 'cut-through' | 'store-and-forward' = 'cut-through',
  model: LatencyModel = DEFAULT_LATENCY,
): number {
  let slowestNs = 0;
  let sumNs = 0;
  let flitsNs = 0;
  for (const link of links) {
    const ns = serialiseNs(link, wireBytes);
    slowestNs = Math.max(slowestNs, ns);
    sumNs += ns;
    flitsNs += flitNs(link);
  }
  return wayNs(links.length, model) + flitsNs + (forwarding === 'cut-through' ? slowestNs : sumNs);
}

/**
 * A read over `links`, requester first: the request there, the memory, all completions back.
 * @param memoryNs  what the completer takes: cacheNs, cacheNs + dramNs, barMemoryNs
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function readRoundTripNs(
  links: readonly LinkSpeed[],
  transferBytes: number,
  chunkBytes: number,
  memoryNs: number,
  model: LatencyModel = DEFAULT_LATENCY,
): number {
  const dataBytes =
    paddedPayloadBytes(transferBytes) + packetCount(transferBytes, chunkBytes) * completionOverheadBytes();
  return (
    packetLatencyNs(links, requestOverheadBytes(), 'cut-through', model) +
    memoryNs +
    packetLatencyNs(links, dataBytes, 'cut-through', model)
  );
}
