/**
 * An RDMA NIC: queue pairs, completion queues and memory regions on one side, RoCE v2 on the other.
 *
 * Registers are Peerlane's own (`spec/rdma`), the rules those of the InfiniBand Architecture. Leaves out on purpose: congestion control,
 * automatic path migration, partitions beside the default one, multicast. Read `rnic.ts` first, then `queue-pair.ts`.
 */
export { RnicCounters } from './core.ts';
export type { Gid } from './identity.ts';
export { Rnic, type RnicOptions } from './rnic.ts';
export { EthernetWire, type WireOptions, type WireTap } from './wire.ts';
