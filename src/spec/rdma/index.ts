/**
 * RDMA: RoCE v2 on the wire, the numbers of the verbs, and the registers and queues of Peerlane's own NIC.
 *
 * Follows the InfiniBand Architecture Specification, volume 1, with annex A17 (RoCE v2), and libibverbs for names. Leaves out
 * on purpose: raw packets, XRC, RD and UC. Read `transport.ts` first, then `opcodes.ts`.
 */
export * from './device-commands.ts';
export * from './device-queues.ts';
export * from './device-registers.ts';
export * from './icrc.ts';
export * from './internet.ts';
export * from './network-layout.ts';
export * from './opcodes.ts';
export * from './transport.ts';
export * from './verbs.ts';
