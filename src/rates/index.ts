/**
 * Closed forms of PCI Express and of what stands around it: link rates, bytes of a packet on the wire, goodput of writes and
 * reads, what tags and credits allow, latency of an idle path, translation, memory, bounce buffers, drives, sharing; and the
 * constants of platforms, devices and media as presets. `advice` shows them and the simulator is held against them.
 *
 * Leaves out on purpose: queues, order and everything that happens in time (that is what the simulator is for). Only + - * / and
 * Math.floor/ceil/min/max, so that results are the same bit for bit everywhere.
 *
 * GB/s are 10^9 bytes per second, that is bytes per nanosecond. Follows PCIe Base 6.0; sections are named in the files. Each
 * constant has its source in docs/timing.md. Read `link-rate.ts` first, then `goodput.ts`, then `platform-timing.ts`.
 */
export * from './device-timing.ts';
export * from './devices.ts';
export * from './dllp.ts';
export * from './dram.ts';
export * from './goodput.ts';
export * from './iommu.ts';
export * from './latency.ts';
export * from './link-rate.ts';
export * from './media.ts';
export * from './mmio.ts';
export * from './nvme-media.ts';
export * from './outstanding.ts';
export * from './path.ts';
export * from './peers.ts';
export * from './platform-for.ts';
export * from './platform-timing.ts';
export * from './platforms.ts';
export * from './sharing.ts';
export * from './staging.ts';
export * from './tlp-size.ts';
export * from './wire.ts';
