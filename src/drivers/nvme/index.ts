/**
 * The NVMe host driver: a controller behind a `PciFunction`, its namespaces as `BlockTarget`s.
 *
 * It knows registers and queues from the tables of `spec/nvme` and shares nothing else with the controller model that it may
 * be tried on. Leaves out on purpose: which peer memory may be reached (a `SpanMapper` comes in), multipath, power states,
 * firmware update, metadata that the controller does not insert and strip itself. Follows NVM Express Base 2.1, NVM Command
 * Set 1.1 and NVMe over PCIe Transport 1.1.
 *
 * Read `controller.ts` first, then `engine.ts` (how it is brought up), `queue-pair.ts` and `namespace.ts` (the hot path).
 */
export * from './admin-commands.ts';
export * from './anomalies.ts';
export * from './command-result.ts';
export { Command } from './command-runner.ts';
export * from './controller.ts';
export type { ControllerMemory } from './controller-memory.ts';
export type { NvmeEvent } from './events.ts';
export type { CommandLimits, ControllerIdentity, NamespaceIdentity, Protection } from './identify.ts';
export { type NamespaceOptions, NvmeNamespace } from './namespace.ts';
export {
  type BlockRange,
  type CopySource,
  NamespaceCommands,
  type SpanRange,
} from './namespace-commands.ts';
export type { NvmeOptions, SpanMapper } from './options.ts';
export type { NvmeFailure } from './request-table.ts';
