/**
 * The device tree of a machine: the model, and the readers that make it from sysfs, archives, lspci text, hwloc and
 * NCCL XML and udev exports.
 *
 * Leaves out on purpose: any judgement (that is `p2pdma` and `advice`) and any access to the host: files come in as a
 * `FileTree`, text as strings, bytes as arrays. Read `machine.ts` first.
 */

export { type ArchiveOptions, archiveTree, type Gunzip, isGzip } from './archive/archive-tree.ts';
export { isAbsence, LinkWalk, type RawEntries } from './archive/link-walk.ts';
export {
  readTar,
  TAR_BYTES_MAX,
  TAR_ENTRIES_MAX,
  type TarEntry,
  type TarKind,
  type TarLimits,
} from './archive/tar.ts';
export { type NewTarEntry, writeTar } from './archive/tar-writer.ts';
export * from './assemble/index.ts';
export * from './config/index.ts';
export { type CpuEvidence, cpuFromFunctions } from './cpu/cpu-evidence.ts';
export { familiesOf, familyText } from './cpu/cpu-family.ts';
export { withGivenCpu } from './cpu/given-cpu.ts';
export * from './file-tree.ts';
export * from './find.ts';
export { readHwloc } from './hwloc/index.ts';
export { type DumpedFunction, lspciHexDump } from './lspci/hex-dump.ts';
export { type LspciOptions, readLspci } from './lspci/index.ts';
export * from './machine.ts';
export { readNccl } from './nccl/index.ts';
export {
  RECOGNISE_BYTES,
  type Recognised,
  readText,
  readTextBytes,
  recognise,
  recogniseText,
  unknownInput,
} from './recognise.ts';
export { BLANKED, blankedCommandLine, withoutSerialNumber } from './snapshot/blank.ts';
export { collectSnapshot, type Snapshot, type SnapshotOptions } from './snapshot/collect.ts';
export { MANIFEST_FILE, MANIFEST_SCHEMA, type Manifest } from './sysfs/manifest.ts';
export { CLASS_FOLDERS } from './sysfs/names.ts';
export { pciIdsText } from './sysfs/pci-ids.ts';
export { readSysfs, type SysfsOptions } from './sysfs/read-sysfs.ts';
export { decodeText, TEXT_LIMIT_BYTES, type TextEncoding } from './text/index.ts';
export { readUdev } from './udev/index.ts';
