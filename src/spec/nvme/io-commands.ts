/**
 * Command dwords of the NVM command set, at their offsets in a submission queue entry, and the range lists of Dataset
 * Management and Copy.
 *
 * Leaves out reservations and I/O management beyond their opcodes. Flush has no dwords. Follows NVM Command Set 1.1,
 * section 3.3; a table's section stands beside it.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun } from './byte-run.ts';
import { commandDword } from './command.ts';

/**
 * Starting LBA: CDW10 and CDW11. Also SDLBA of Copy. Exact below 2^53, never below 2^53 when the command's is not.
 * NVM Command Set 1.1, 3.3.
 */
export const SLBA = plain('SLBA', 0x28, 64);

/**
 * Initial (LBT, for writes) or expected (ELBT, for reads) logical block tags: storage tag and reference tag together.
 * CDW14 has bits 31:0, CDW3 bits 63:32, CDW2 bits 79:64; how many count follows from the format of the guard. With
 * a 16-bit guard and no storage tag, CDW14 is ILBRT or EILBRT. NVM Command Set 1.1, 3.3 and 5.3.1.
 */
export const LBT_CDW14 = commandDword('Logical Block Tags', 14, { LBTL: bits(31, 0) });
export const LBT_CDW3 = commandDword('Logical Block Tags', 3, { LBTU: bits(31, 0) });
export const LBT_CDW2 = commandDword('Logical Block Tags', 2, { LBTU: bits(15, 0) });

/** Application tag of commands that write, and its mask. NVM Command Set 1.1, 3.3.6. */
export const LBAT_CDW15 = commandDword('Logical Block Application Tag', 15, {
  LBAT: bits(15, 0),
  LBATM: bits(31, 16),
});
/** Expected application tag of commands that read, and its mask. NVM Command Set 1.1, 3.3.4. */
export const ELBAT_CDW15 = commandDword('Expected Logical Block Application Tag', 15, {
  ELBAT: bits(15, 0),
  ELBATM: bits(31, 16),
});

/**
 * Compare, Read, Verify, Write, Write Zeroes and Write Uncorrectable share this dword; the fields from STC on are
 * reserved in Write Uncorrectable. NVM Command Set 1.1, 3.3.1 and 3.3.4 to 3.3.8.
 */
export const IO_CDW12 = commandDword('I/O', 12, {
  /** 0's based; see `blockCount`. */
  NLB: bits(15, 0),
  CETYPE: bits(19, 16),
  /** Directive of commands that write; for Write Zeroes see WRITE_ZEROES_CDW12. */
  DTYPE: bits(23, 20),
  /** Check the storage tag. */
  STC: bit(24),
  /** See PRINFO in `protection.ts`. */
  PRINFO: bits(29, 26),
  /** Force Unit Access. */
  FUA: bit(30),
  /** Limited Retry. */
  LR: bit(31),
});
/** NVM Command Set 1.1, 3.3.8. */
export const WRITE_ZEROES_CDW12 = commandDword('Write Zeroes', 12, {
  NLB: bits(15, 0),
  CETYPE: bits(19, 16),
  DTYPE: bits(22, 20),
  /** All of the namespace, when ONCS says so. */
  NSZ: bit(23),
  STC: bit(24),
  /** The blocks may be deallocated. */
  DEAC: bit(25),
  PRINFO: bits(29, 26),
  FUA: bit(30),
  LR: bit(31),
});
/** Read and Write. NVM Command Set 1.1, 3.3.4 and 3.3.6. */
export const IO_CDW13 = commandDword('I/O', 13, {
  /** Dataset hints: see DSM_ACCESS_FREQUENCY. */
  DSM_AF: bits(3, 0),
  /** 0: none, 1: idle (longer is fine), 2: normal, 3: low. */
  DSM_AL: bits(5, 4),
  DSM_SR: bit(6),
  DSM_IC: bit(7),
  /** Directive specific, in commands that write. */
  DSPEC: bits(31, 16),
});
export const DSM_ACCESS_FREQUENCY = {
  NONE: 0,
  TYPICAL: 1,
  INFREQUENT: 2,
  READ_MORE: 3,
  WRITE_MORE: 4,
  BOTH: 5,
  ONE_TIME_READ: 6,
  SPECULATIVE_READ: 7,
  OVERWRITE_SOON: 8,
} as const;

/** Blocks of a command whose CDW12 was read: 1 to 65,536. */
export function blockCount(cdw12: number): number {
  return IO_CDW12.NLB.of(cdw12) + 1;
}

/** Dataset Management. NVM Command Set 1.1, 3.3.3. */
export const DSM_CDW10 = commandDword('Dataset Management', 10, {
  /** Ranges, 0's based; see `rangeCount`. */
  NR: bits(7, 0),
});
export const DSM_CDW11 = commandDword('Dataset Management', 11, {
  IDR: bit(0),
  IDW: bit(1),
  /** Deallocate. */
  AD: bit(2),
});
export const DSM_RANGE_BYTES = 16;
export const DSM_RANGES_MAX = 256;
/** Context Attributes. */
export const DSM_RANGE_CATTR = register('CATTR', 0x00, 32, {
  AF: bits(3, 0),
  AL: bits(5, 4),
  SR: bit(8),
  SW: bit(9),
  WP: bit(10),
  /** Blocks of one access, 0 for unknown. */
  CDSACCSZ: bits(31, 24),
});
/** Blocks; a true count, so 0 is an empty range. */
export const DSM_RANGE_LLB = plain('LLB', 0x04, 32);
export const DSM_RANGE_SLBA = plain('SLBA', 0x08, 64);
export const DSM_RANGE = structure(
  'Dataset Management Range',
  'NVM Command Set 1.1, 3.3.3',
  DSM_RANGE_BYTES,
  [DSM_RANGE_CATTR, DSM_RANGE_LLB, DSM_RANGE_SLBA],
);

/** Ranges of Dataset Management (CDW10) or Copy (CDW12): 1 to 256. */
export function rangeCount(dword: number): number {
  return (dword & 0xff) + 1;
}

/** Copy. CDW10 and 11 are SDLBA, the first block of the destination. NVM Command Set 1.1, 3.3.2. */
export const COPY_CDW12 = commandDword('Copy', 12, {
  /** Ranges, 0's based. */
  NR: bits(7, 0),
  /** Descriptor format; see COPY_FORMATS. */
  CDF: bits(11, 8),
  /** PRINFO of the reading half. */
  PRINFOR: bits(15, 12),
  DTYPE: bits(23, 20),
  /** Check the storage tag in the writing half. */
  STCW: bit(24),
  /** Check the storage tag in the reading half. */
  STCR: bit(25),
  /** PRINFO of the writing half. */
  PRINFOW: bits(29, 26),
  FUA: bit(30),
  LR: bit(31),
});
export const COPY_CDW13 = commandDword('Copy', 13, { DSPEC: bits(31, 16) });
export const COPY_RANGES_MAX = 256;

/** Source namespace, in formats 2 and 3. */
export const COPY_RANGE_SNSID = plain('SNSID', 0x00, 32);
export const COPY_RANGE_SLBA = plain('SLBA', 0x08, 64);
/** 0's based. */
export const COPY_RANGE_NLB = plain('NLB', 0x10, 16);
/** Source options, in formats 2 and 3. */
export const COPY_RANGE_SOPT = register('SOPT', 0x16, 16, {
  /** Fast Copy Only: fail with Fast Copy Not Possible instead of moving the data piece by piece. */
  FCO: bit(15),
});

/** Expected tags of formats 0 and 2: EILBRT, or ELBT with a storage tag. */
export const COPY_RANGE_ELBT_16B = plain('ELBT', 0x18, 32);
export const COPY_RANGE_ELBAT_16B = plain('ELBAT', 0x1c, 16);
export const COPY_RANGE_ELBATM_16B = plain('ELBATM', 0x1e, 16);
/** Expected tags of formats 1 and 3: 80 bits; the byte order of a field that is stored, see `protection.ts`. */
export const COPY_RANGE_ELBT_WIDE = byteRun('ELBT', 0x1a, 10);
export const COPY_RANGE_ELBAT_WIDE = plain('ELBAT', 0x24, 16);
export const COPY_RANGE_ELBATM_WIDE = plain('ELBATM', 0x26, 16);

export const COPY_RANGE_0 = structure('Copy Range Format 0', 'NVM Command Set 1.1, 3.3.2', 32, [
  reserved(0x00, 8),
  COPY_RANGE_SLBA,
  COPY_RANGE_NLB,
  reserved(0x12, 6),
  COPY_RANGE_ELBT_16B,
  COPY_RANGE_ELBAT_16B,
  COPY_RANGE_ELBATM_16B,
]);
export const COPY_RANGE_1 = structure('Copy Range Format 1', 'NVM Command Set 1.1, 3.3.2', 40, [
  reserved(0x00, 8),
  COPY_RANGE_SLBA,
  COPY_RANGE_NLB,
  reserved(0x12, 8),
  COPY_RANGE_ELBT_WIDE,
  COPY_RANGE_ELBAT_WIDE,
  COPY_RANGE_ELBATM_WIDE,
]);
export const COPY_RANGE_2 = structure('Copy Range Format 2', 'NVM Command Set 1.1, 3.3.2', 32, [
  COPY_RANGE_SNSID,
  reserved(0x04, 4),
  COPY_RANGE_SLBA,
  COPY_RANGE_NLB,
  reserved(0x12, 4),
  COPY_RANGE_SOPT,
  COPY_RANGE_ELBT_16B,
  COPY_RANGE_ELBAT_16B,
  COPY_RANGE_ELBATM_16B,
]);
export const COPY_RANGE_3 = structure('Copy Range Format 3', 'NVM Command Set 1.1, 3.3.2', 40, [
  COPY_RANGE_SNSID,
  reserved(0x04, 4),
  COPY_RANGE_SLBA,
  COPY_RANGE_NLB,
  reserved(0x12, 4),
  COPY_RANGE_SOPT,
  reserved(0x18, 2),
  COPY_RANGE_ELBT_WIDE,
  COPY_RANGE_ELBAT_WIDE,
  COPY_RANGE_ELBATM_WIDE,
]);

/** What a Copy descriptor format means; the index is CDF, which is also the bit in OCFS. */
export interface CopyFormat {
  readonly rangeBytes: 32 | 40;
  /** Ranges name their namespace; needs the host's leave in Host Behavior Support. */
  readonly crossNamespace: boolean;
  /** For namespaces with a 32-bit or 64-bit guard; otherwise for a 16-bit guard. */
  readonly wideTags: boolean;
}

export const COPY_FORMATS: readonly CopyFormat[] = [
  { rangeBytes: 32, crossNamespace: false, wideTags: false },
  { rangeBytes: 40, crossNamespace: false, wideTags: true },
  { rangeBytes: 32, crossNamespace: true, wideTags: false },
  { rangeBytes: 40, crossNamespace: true, wideTags: true },
];
