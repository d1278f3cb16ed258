/**
 * The LBA formats that a namespace can be formatted with.
 *
 * Those with wide guards come last: they need the host's leave (Host Behavior Support, LBAFEE) and blocks of at least 4096
 * bytes. Follows NVM Command Set 1.1, sections 4.1.5.1, 4.1.5.3 and 5.3.1.
 */
import { GUARD_FORMAT } from '../../../spec/nvme/index.ts';

export interface LbaFormat {
  readonly blockBytes: number;
  readonly metadataBytes: number;
  /** ELBAF.PIF; see GUARD_FORMAT. */
  readonly guardFormat: number;
  /** ELBAF.STS. */
  readonly storageTagBits: number;
}

function lbaFormat(
  blockBytes: number,
  metadataBytes: number,
  guardFormat: number = GUARD_FORMAT.GUARD_16B,
  storageTagBits = 0,
): LbaFormat {
  return { blockBytes, metadataBytes, guardFormat, storageTagBits };
}

/** Formats that every host may use. */
export const LBA_FORMATS: readonly LbaFormat[] = [
  lbaFormat(512, 0),
  lbaFormat(512, 8),
  lbaFormat(512, 16),
  lbaFormat(512, 64),
  lbaFormat(4096, 0),
  lbaFormat(4096, 8),
  lbaFormat(4096, 16),
  lbaFormat(4096, 64),
];

/** Formats behind those, counted in NULBAF. */
export const LBA_FORMATS_WIDE: readonly LbaFormat[] = [
  lbaFormat(4096, 16, GUARD_FORMAT.GUARD_32B, 16),
  lbaFormat(4096, 16, GUARD_FORMAT.GUARD_64B),
  lbaFormat(4096, 64, GUARD_FORMAT.GUARD_32B, 16),
  lbaFormat(4096, 64, GUARD_FORMAT.GUARD_64B),
];

export interface LbaFormatList {
  /** As Identify Namespace numbers them. */
  readonly formats: readonly LbaFormat[];
  /** How many of them, from 0 on, every host may use (NLBAF + 1). */
  readonly commonCount: number;
  /** Which one was asked for. */
  readonly index: number;
}

/** The list of a namespace that is made in `wanted`; a format that no list has is put at the end of its part. */
export function lbaFormatsWith(wanted: LbaFormat): LbaFormatList {
  const isWide = wanted.guardFormat !== GUARD_FORMAT.GUARD_16B || wanted.storageTagBits !== 0;
  const common = isWide ? LBA_FORMATS : withFormat(LBA_FORMATS, wanted);
  const wide = isWide ? withFormat(LBA_FORMATS_WIDE, wanted) : LBA_FORMATS_WIDE;
  const formats = [...common, ...wide];
  return { formats, commonCount: common.length, index: formats.findIndex((one) => isSame(one, wanted)) };
}

function withFormat(list: readonly LbaFormat[], wanted: LbaFormat): readonly LbaFormat[] {
  return list.some((one) => isSame(one, wanted)) ? list : [...list, wanted];
}

function isSame(a: LbaFormat, b: LbaFormat): boolean {
  return (
    a.blockBytes === b.blockBytes &&
    a.metadataBytes === b.metadataBytes &&
    a.guardFormat === b.guardFormat &&
    a.storageTagBits === b.storageTagBits
  );
}
