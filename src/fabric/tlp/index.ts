/** Requests as packets: how they are cut, and a view of each packet for who listens. Read `split.ts` first. */
export { TraceDigest } from './digest.ts';
export {
  largestPacketBytes,
  packetCount,
  splitCompletions,
  splitRequest,
  type TlpPiece,
} from './split.ts';
export type { TlpEvent, TlpKind, TlpListener } from './trace.ts';
