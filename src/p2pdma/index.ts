/**
 * Two halves. The verdict: may this client reach that provider's memory, by the rules of a kernel version and by the rules
 * of PCI Express. The framework (`framework/`): memory that functions register, others find, allocate and map.
 *
 * The verdict is two answers that share nothing but spec tables: `judge` (and `judgeMany`, `findMany`, `judgeAll`) is Linux's
 * drivers/pci/p2pdma.c from 4.20 on, by intervals of versions; `physicalRoutes` follows a write and a read through ports,
 * ACS and the root complex as the PCI Express Base Specification 6.0 has it. `knobs.ts` tells what the kernel parameters
 * for ACS really do in a version. The framework is Linux's pci-p2pdma.h over `access.PciFunction`; it asks the kernel's
 * verdict before it hands out an address, and knows nothing of the physical route.
 *
 * Leaves out on purpose: reasons, fixes and advice (in `advice`), and speed (in `rates`). Read `verdict.ts` first, then
 * `rule-intervals.ts` and `walk.ts`.
 */
export * from './acs-control.ts';
export { isAtsEnabled } from './config-facts.ts';
export * from './find-many.ts';
export * from './framework/index.ts';
export * from './judge.ts';
export * from './judge-many.ts';
export * from './kernel-version.ts';
export * from './knobs.ts';
export * from './pair-table.ts';
export * from './physical-route.ts';
export * from './root-complex.ts';
export * from './rule-intervals.ts';
export * from './rules.ts';
export * from './verdict.ts';
