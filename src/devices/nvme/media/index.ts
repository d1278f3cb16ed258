/**
 * What a drive remembers: namespaces with their blocks, metadata and protection information, what became of each block,
 * and what a loss of power undoes.
 *
 * Leaves out commands. Follows NVM Command Set 1.1, sections 2.1 and 5.3. Read `namespace.ts` first.
 */
export type { Backing, BackingFile } from './backing.ts';
export { BlockSet } from './block-set.ts';
export { crc16T10Dif, crc32c, crc64Nvme, crc64State } from './guard.ts';
export {
  LBA_FORMATS,
  LBA_FORMATS_WIDE,
  type LbaFormat,
  type LbaFormatList,
  lbaFormatsWith,
} from './lba-formats.ts';
export { type CopyLimits, type FormatRequest, Namespace, type NamespaceSetup } from './namespace.ts';
export { Protection, Tags } from './protection.ts';
export { type GateEntry, RangeGate } from './range-gate.ts';
