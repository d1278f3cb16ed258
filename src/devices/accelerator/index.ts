/** An NVMe-attached compute device. The command is `spec/accelerator`. Read `accelerator.ts` first. */
export * from './accelerator.ts';
export type { Codec } from './compute-unit.ts';
