/**
 * Closed forms of PCI Express: link rates, bytes of a packet on the wire, goodput of writes and reads, what tags and
 * credits allow, latency of an idle path. `advice` shows them and the simulator is held against them.
 *
 * Leaves out on purpose: contention, queues, memory, software (that is what the simulator is for), and every device
 * limit. Only + - * / and Math.floor/ceil/min/max, so that results are the same bit for bit everywhere.
 *
 * GB/s are 10^9 bytes per second, that is bytes per nanosecond. Follows PCIe Base 6.0; sections are named in the files.
 * Read `link-rate.ts` first, then `goodput.ts`.
 */
export * from './dllp.ts';
export * from './goodput.ts';
export * from './latency.ts';
export * from './link-rate.ts';
export * from './outstanding.ts';
export * from './path.ts';
export * from './tlp-size.ts';
