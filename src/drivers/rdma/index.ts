/**
 * Verbs: the driver of the RDMA NIC, with the names of libibverbs.
 *
 * It sees `access.PciFunction` and the tables of `spec/rdma`. Verbs that make and change things are tasks on `RdmaContext`; posting and
 * polling are calls on the queues that allocate nothing. Leaves out on purpose: which peer memory may be reached (a mapper comes in), and
 * finding the address of a port. Read `context.ts` first, then `connect.ts`.
 */
export type { CompletionQueue } from './completion-queue.ts';
export { activateUd, type ConnectOptions, connectQp, type RemoteEnd } from './connect.ts';
export { RdmaContext, type RdmaOptions } from './context.ts';
export type { MemoryRegion, MemoryWindow, ProtectionDomain } from './memory.ts';
export type { QueuePair } from './queue-pair.ts';
export { RdmaError } from './rdma-error.ts';
export type { SharedReceiveQueue } from './shared-receive-queue.ts';
export {
  type AccessFlags,
  type AddressVector,
  type AsyncEvent,
  type DeviceAttributes,
  type Dwords,
  type PortAddress,
  type QpAttr,
  type QpInitAttr,
  type RecvWr,
  type SendWr,
  type Sge,
  WorkCompletion,
} from './types.ts';
