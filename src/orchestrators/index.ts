/**
 * Those who decide and start transfers: copy with verification, the load generator behind `bench`, and the choice of the
 * memory that both go through.
 *
 * They see `BlockTarget` and `Span` and nothing of who implements them, and take clocks and verdicts as arguments, so that
 * the same code runs on a real machine and on a simulated one. Left out on purpose: opening targets, allocating memory and
 * printing (`linux`, `cli`). Read `transfer.ts` first: copy and load are both made of it.
 */
export * from './buffer.ts';
export * from './copy.ts';
export * from './fio/index.ts';
export { flushTarget } from './flush.ts';
export * from './latency.ts';
export * from './load.ts';
export * from './nvmet/index.ts';
export * from './p2pcopy.ts';
export {
  checkHostAccess,
  fillChunk,
  type HostAccessResult,
  type P2pCopyCheck,
} from './p2pcopy-check.ts';
export * from './route.ts';
export * from './transfer.ts';
export { Verifier, type VerifyOptions, type VerifyResult } from './verify.ts';
