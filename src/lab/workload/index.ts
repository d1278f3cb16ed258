/**
 * Workloads of a lab in virtual time: any number of streams at once, what they reached, and what limited them.
 *
 * A run takes a machine that was booted with time and the plain description of a workload; nothing here reads files or clocks
 * of the host. Read `run.ts` first, then `stream.ts`.
 */
export { checkRoutes, hasPeerLegs } from './check-routes.ts';
export { BULK_BYTES, blockSizes, type EngineChoice, engineFor } from './engine.ts';
export type { DriverReaction, FaultsReport } from './fault-report.ts';
export { type Candidate, type Limiter, percent } from './limiter.ts';
export * from './report.ts';
export { WorkloadRun } from './run.ts';
export { type RunWorkloadOptions, runWorkload, workloadOf } from './run-workload.ts';
export type { Stream, StreamListener, StreamRoute } from './stream.ts';
