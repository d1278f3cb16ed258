/**
 * Job files of fio: the subset that matters here, read (`jobs.ts`), placed on targets (`plan.ts`) and run (`run.ts`).
 * docs/fio-jobs.md is the reference for people. Read `jobs.ts` first.
 */
export { BlockOrder } from './block-order.ts';
export type { FioJob, FioVerify } from './job-options.ts';
export { FioError } from './job-text.ts';
export { type JobPlan, JobWork } from './job-work.ts';
export { type FioIgnored, type FioJobFile, parseFioJobs } from './jobs.ts';
export { FIO_OPTIONS, type FioOption, type FioOptionUse } from './options.ts';
export { neededBytes, planJob, wavesOf } from './plan.ts';
export * from './report.ts';
export {
  type FioDirection,
  FioRun,
  type FioRunOptions,
  type FioRunResult,
  type FioThread,
  type FioTrouble,
} from './run.ts';
export { SharedTarget } from './shared-target.ts';
export { type BadBlock, blockProblem, makeBlock } from './verified-blocks.ts';
