/**
 * An NVMe controller as a device model: `new NvmeController(options)` is plugged into the fabric like any other function.
 *
 * Behaves as NVM Express 1.3 to 2.1 with the NVM command set: queues in host memory or CMB, PRP and SGL, MSI-X, MSI and the pin,
 * shadow doorbells, CMB and PMR, namespaces with metadata and protection information, and errors on purpose (`FaultPlan`).
 * Leaves out SR-IOV, boot partitions, reservations, other command sets; security commands answer Invalid Opcode.
 *
 * It shares spec tables with the host driver and nothing else. Read `controller.ts` first (state machine, who is what), then
 * `queues/queue-engine.ts` (the hot path), `admin/admin-commands.ts`, `data/data-engine.ts`, `io/`;
 * `timing/` is what media and controller cost in a machine with time.
 */

export type { Command } from './command.ts';
export {
  NvmeController,
  type NvmeParts,
} from './controller.ts';
export { type FaultAction, FaultPlan, type FaultRule, type MediaFault } from './fault-plan.ts';
export { Health } from './health.ts';
export type { ControllerPhase } from './life-cycle.ts';
export type { Backing, BackingFile } from './media/index.ts';
export { Namespace } from './media/index.ts';
export {
  type CmbOptions,
  type CmbSupport,
  DeviceError,
  type NamespaceOptions,
  type NvmeOptions,
  type NvmeVersion,
  type PmrOptions,
} from './options.ts';
export type { CommandListener } from './queues/command-listener.ts';
export type { IoExecutor } from './queues/dispatcher.ts';
export { IoCounters } from './services.ts';
export { type NamespaceEntry, NvmSubsystem, type SubsystemOptions } from './subsystem.ts';
export {
  MEDIA_PARTS,
  type MediaPart,
  type MediaTimingOptions,
  type MediaUtilisation,
} from './timing/index.ts';
