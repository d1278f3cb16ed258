/**
 * Config space made readable: the capability chains, the facts that a `Machine` is built from, and the full decoding
 * behind `peerlane show`.
 *
 * Leaves out on purpose: reading from a host (bytes come in), joining with what sysfs says, and rendering. Follows
 * PCI Local Bus 3.0 and PCIe Base 6.0 through the tables in `spec`. Read `walk.ts` first.
 */
export { egressVectorBits } from './acs-facts.ts';
export * from './decode.ts';
export * from './device-control.ts';
export * from './error-state.ts';
export { pcieTypeOf } from './express-facts.ts';
export * from './facts.ts';
export * from './finding.ts';
export * from './identity.ts';
export * from './resizable-bars.ts';
export { type SriovState, vfRoutingIds } from './sriov-facts.ts';
export * from './translation-state.ts';
export * from './walk.ts';
