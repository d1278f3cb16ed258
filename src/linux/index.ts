/**
 * The real machine: its files, its block devices, its peer memory, and copies through them.
 *
 * Leaves out on purpose: reading and judging PCI functions, which works on any tree of files (`topology`, `p2pdma`).
 * Follows the Linux ABI documentation (Documentation/ABI). Read `directory-tree.ts` first.
 */

export { type Backing, backingOf, deviceNumber, isBelowDev, kernelRelease, statTarget } from './backing.ts';
export * from './block-device.ts';
export * from './block-safety.ts';
export * from './block-usage.ts';
export { boundedGunzip } from './bounded-gunzip.ts';
export type { LinuxBlockTarget } from './direct-target.ts';
export { directoryTree } from './directory-tree.ts';
export { refuseTables } from './disk-content.ts';
export { liveTree } from './live-tree.ts';
export { type Opener, type OpenFilesOptions, openersOf } from './open-files.ts';
export { type OpenBlockOptions, openBlockTarget } from './open-target.ts';
export * from './peer-capability.ts';
export * from './peer-memory.ts';
export { SIGNATURE_BYTES, type Signature, signaturesIn } from './signatures.ts';
export { allocateHostMemory } from './span.ts';
