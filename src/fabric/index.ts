/**
 * The simulated PCI Express machine: root complexes, switches, bridges and endpoints that carry real bytes.
 *
 * It routes by what stands in config space, with its own code: it knows nothing of `p2pdma`, which predicts what happens
 * here. Device models plug in through `model.ts`; drivers see it through `access.PciFunction`. Read `model.ts` first, then
 * `tree/fabric.ts`; time is in `timing/`.
 *
 * Follows the PCI Express Base Specification 6.0. Leaves out on purpose: link training, power states, electrical matters.
 */
export {
  DONE,
  type EventHandler,
  type Executor,
  PENDING,
  type Status,
  type TimerId,
} from '../access/index.ts';
export * from './config/index.ts';
export * from './counters.ts';
export { Dram, type DramNode, type DramRegion } from './dram.ts';
export * from './event-queue.ts';
export * from './firmware/index.ts';
export * from './iommu/index.ts';
export { type Background, Memory, PAGE_BYTES } from './memory/memory.ts';
export { patternBytes, patternSeed } from './memory/pattern.ts';
export * from './model.ts';
export * from './outside.ts';
export * from './platform/index.ts';
export * from './routing/index.ts';
export * from './timing/index.ts';
export * from './tlp/index.ts';
export * from './tree/index.ts';
