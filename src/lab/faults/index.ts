/**
 * Faults of a lab at work: rules of the file, or added while the machine runs, reach the models, the fabric and the DMA of the
 * devices that they name. The same for a simulated machine and for devices that a guest uses.
 *
 * Leaves out on purpose: what drivers make of it. Read `fault-injector.ts`.
 */
export { type FaultEndpoint, type FaultEntry, FaultInjector, type FaultTarget } from './fault-injector.ts';
