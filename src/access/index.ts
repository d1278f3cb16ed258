/**
 * The narrow waists between those who decide and those who carry: `BlockTarget` with `Span` today; `PciFunction` (config
 * space, BAR windows, interrupts and the DMA view of one requester) comes with the simulated machine.
 *
 * Leaves out on purpose: who implements them. Orchestrators and drivers import this and nothing of `linux` or `fabric`.
 */
export * from './block-target.ts';
