/** A path of several links: which one is the narrowest, and what it delivers. */
import { dllpShare } from './dllp.ts';
import { readLoad, type WireLoad, writeLoad } from './goodput.ts';
import { type LinkSpeed, netGBs, rawGBs } from './link-rate.ts';

export interface RatedLink extends LinkSpeed {
  /** The transfer goes up and down this link: a request that is sent up and comes back. */
  readonly isTwice?: boolean;
  /** Largest payload of a write's packets where they come down this link; without it the path's. */
  readonly writeBytesMax?: number;
}

export type Operation = 'write' | 'read';

export interface PathQuestion<L extends RatedLink> {
  /** Any order. Empty: no link limits the path. */
  readonly links: readonly L[];
  /** Payload of a packet: of the writer, or of the completer that answers a read. */
  readonly mpsBytes: number;
  /** Largest read request; only reads use it. */
  readonly mrrsBytes: number;
  readonly operation: Operation;
}

export interface PathAnswer<L extends RatedLink> {
  /** The link that limits; the first of equals. Null when there is no link. */
  readonly narrowest: L | null;
  readonly goodputGBs: number | null;
}

/** The link with the least net rate; the first of equals. Undefined for no links. @throws {InputError} INPUT_LINK_SPEED */
export function narrowest<L extends LinkSpeed>(links: readonly L[]): L | undefined {
  let found: L | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const link of links) {
    const rate = netGBs(link);
    if (rate < least) {
      least = rate;
      found = link;
    }
  }
  return found;
}

/**
 * Payload in GB/s that one link carries for one stream. A link that the stream passes up and down carries the data in
 * both directions, and then each direction also returns the other's acknowledgements; the slower direction counts.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function linkGoodputGBs(
  link: RatedLink,
  operation: Operation,
  mpsBytes: number,
  mrrsBytes: number,
): number {
  const payloadBytes = operation === 'write' ? Math.min(mpsBytes, link.writeBytesMax ?? mpsBytes) : mpsBytes;
  const load: WireLoad =
    operation === 'write' ? writeLoad(link, payloadBytes) : readLoad(link, mpsBytes, mrrsBytes);
  if (link.isTwice !== true) {
    return netGBs(link) / Math.max(load.dataDirection, load.otherDirection);
  }
  // Each direction also carries the acknowledgements of the other one's packets, which are of the other one's size.
  const capacity = (otherBytes: number): number => netGBs(link) - rawGBs(link) * dllpShare(link, otherBytes);
  const down = capacity(mpsBytes) / (load.dataDirection + load.otherDirection);
  return operation === 'read'
    ? down
    : Math.min(down, capacity(payloadBytes) / writeLoad(link, mpsBytes).dataDirection);
}

/** Goodput of a path: that of the link which delivers least. @throws {InputError} INPUT_LINK_SPEED */
export function pathGoodput<L extends RatedLink>(question: PathQuestion<L>): PathAnswer<L> {
  let found: L | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const link of question.links) {
    const goodput = linkGoodputGBs(link, question.operation, question.mpsBytes, question.mrrsBytes);
    if (goodput < least) {
      least = goodput;
      found = link;
    }
  }
  return { narrowest: found, goodputGBs: found === null ? null : least };
}
