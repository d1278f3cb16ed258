/** Scatter lists: runs of host memory and of peer memory, in the order in which a device shall go through them. */
import type { Span } from '../../access/index.ts';
import type { PhysAddr } from '../../base/index.ts';

/** A run of a span, host or peer. */
export interface SpanEntry {
  readonly span: Span;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Peer memory by the address that `alloc` gave, or any inside. */
export interface PeerEntry {
  readonly address: PhysAddr;
  readonly lengthBytes: number;
}

export type ScatterEntry = SpanEntry | PeerEntry;
export type ScatterList = readonly ScatterEntry[];

/** A run of a span; by default all of it. */
export function entryOf(
  span: Span,
  offsetBytes = 0,
  lengthBytes = span.lengthBytes - offsetBytes,
): SpanEntry {
  return { span, offsetBytes, lengthBytes };
}

/** Longest entry: the kernel's length is 32 bits. */
export const ENTRY_BYTES_MAX = 0xffff_ffff;
