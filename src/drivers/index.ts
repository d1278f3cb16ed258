/**
 * Drivers: what makes a PCI function do its work, on a simulated function or a real one alike.
 *
 * A driver sees `access.PciFunction` and nothing of who implements it; what it offers to orchestrators is
 * `access.BlockTarget`. Leaves out on purpose: finding devices, and which memory may be reached by whom (`p2pdma`; its
 * answer comes in as a mapper). Read `nvme/index.ts` first.
 */
export * from './accelerator/index.ts';
export * from './dma-engine/index.ts';
export * from './iopmem/index.ts';
export * from './nvme/index.ts';
export * from './rdma/index.ts';
