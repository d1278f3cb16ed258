/**
 * The narrow waists between those who decide and those who carry: `PciFunction` (config space, BAR windows, interrupts and
 * the DMA view of one requester) for drivers, `BlockTarget` with `Span` for orchestrators, and the model of work they
 * share: `Executor`, `Task`, and the statuses DONE and PENDING.
 *
 * Leaves out on purpose: who implements them. Orchestrators and drivers import this and nothing of `linux` or `fabric`.
 * Read `block-target.ts` first, then `executor.ts`.
 */
export * from './bar-window.ts';
export * from './block-target.ts';
export * from './executor.ts';
export * from './pci-function.ts';
export * from './task.ts';
