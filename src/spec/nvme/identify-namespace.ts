/**
 * Identify Namespace: the NVM command set's (CNS 00h), what all command sets share (CNS 08h), what the NVM command set adds
 * (CNS 05h), LBA formats, and what a host fills in to create a namespace.
 *
 * Leaves out zoned and key-value namespaces. Registers and runs bear the specification's names with `NS_` in front. Follows
 * NVM Command Set 1.1, section 4.1.5, and NVM Express Base 2.1, section 5.1.13.2.8.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';
import { IDENTIFY_BYTES } from './identify-controller.ts';

/** Blocks. */
export const NS_NSZE = plain('NSZE', 0, 64);
/** Blocks. */
export const NS_NCAP = plain('NCAP', 8, 64);
/** Blocks. */
export const NS_NUSE = plain('NUSE', 16, 64);
export const NS_NSFEAT = register('NSFEAT', 24, 8, {
  THINP: bit(0),
  /** NAWUN, NAWUPF and NACWU hold. */
  NSABP: bit(1),
  /** Reading deallocated blocks can be an error. */
  DAE: bit(2),
  /** NGUID and EUI64 are never used again. */
  UIDREUSE: bit(3),
  /** Which of NPWG to NOWS hold. */
  OPTPERF: bits(5, 4),
  MAM: bit(6),
  OPTRPERF: bit(7),
});
/** 0's based: formats that every host may use; see `lbaFormatCount`. */
export const NS_NLBAF = plain('NLBAF', 25, 8);
export const NS_FLBAS = register('FLBAS', 26, 8, {
  /** Bits 3:0 of the format in use; see `lbaFormatIndex`. */
  FIDXL: bits(3, 0),
  /** 1: metadata behind the data of each block; 0: in a buffer of its own. */
  DBM: bit(4),
  /** Bits 5:4. */
  FIDXU: bits(6, 5),
});
/** Metadata capabilities. */
export const NS_MC = register('MC', 27, 8, {
  /** Behind the data of each block. */
  MTELBA: bit(0),
  /** In a buffer of its own. */
  MTSPTR: bit(1),
});
/** Protection capabilities. */
export const NS_DPC = register('DPC', 28, 8, {
  PIT1S: bit(0),
  PIT2S: bit(1),
  PIT3S: bit(2),
  /** Protection information may be the first bytes of the metadata. */
  PIIFB: bit(3),
  /** It may be the last. */
  PIILB: bit(4),
});
/** Protection in use. */
export const NS_DPS = register('DPS', 29, 8, {
  /** Type 1 to 3, 0 for none. */
  PIT: bits(2, 0),
  /** 1: the first bytes of the metadata, 0: the last. */
  PIP: bit(3),
});
export const NS_NMIC = register('NMIC', 30, 8, {
  /** May be attached to several controllers. */
  SHRNS: bit(0),
  DISNS: bit(1),
});
export const NS_RESCAP = register('RESCAP', 31, 8, {
  PTPLS: bit(0),
  WES: bit(1),
  EAS: bit(2),
  WEROS: bit(3),
  EAROS: bit(4),
  WEARS: bit(5),
  EAARS: bit(6),
  IEKEY: bit(7),
});
export const NS_FPI = register('FPI', 32, 8, { FPR: bits(6, 0), FPIS: bit(7) });
export const NS_DLFEAT = register('DLFEAT', 33, 8, {
  /** What a deallocated block reads as. 0: not said, 1: 00h, 2: FFh. */
  DRB: bits(2, 0),
  /** Write Zeroes with DEAC is supported. */
  WZDS: bit(3),
  /** The guard of a deallocated block is right for what it reads as. */
  GDS: bit(4),
});
/** 0's based, blocks. */
export const NS_NAWUN = plain('NAWUN', 34, 16);
/** 0's based, blocks. */
export const NS_NAWUPF = plain('NAWUPF', 36, 16);
/** 0's based, blocks. */
export const NS_NACWU = plain('NACWU', 38, 16);
/** 0's based, blocks. */
export const NS_NABSN = plain('NABSN', 40, 16);
export const NS_NABO = plain('NABO', 42, 16);
/** 0's based, blocks. */
export const NS_NABSPF = plain('NABSPF', 44, 16);
/** Blocks. */
export const NS_NOIOB = plain('NOIOB', 46, 16);
/** Bytes. */
export const NS_NVMCAP = byteRun('NVMCAP', 48, 16);
/** 0's based, blocks; also the next four. */
export const NS_NPWG = plain('NPWG', 64, 16);
export const NS_NPWA = plain('NPWA', 66, 16);
export const NS_NPDG = plain('NPDG', 68, 16);
export const NS_NPDA = plain('NPDA', 70, 16);
export const NS_NOWS = plain('NOWS', 72, 16);
/** Copy: blocks of one range. */
export const NS_MSSRL = plain('MSSRL', 74, 16);
/** Copy: blocks of all ranges. */
export const NS_MCL = plain('MCL', 76, 32);
/** Copy: ranges, 0's based. */
export const NS_MSRC = plain('MSRC', 80, 8);
export const NS_KPIOS = plain('KPIOS', 81, 8);
/** Formats that need the host's leave (LBAFEE), a true count. */
export const NS_NULBAF = plain('NULBAF', 82, 8);
export const NS_KPIODAAG = plain('KPIODAAG', 84, 32);
export const NS_ANAGRPID = plain('ANAGRPID', 92, 32);
export const NS_NSATTR = register('NSATTR', 99, 8, {
  /** Currently write protected. */
  WP: bit(0),
});
export const NS_NVMSETID = plain('NVMSETID', 100, 16);
export const NS_ENDGID = plain('ENDGID', 102, 16);
/** Big-endian, unlike numbers. */
export const NS_NGUID = byteRun('NGUID', 104, 16);
/** Big-endian. */
export const NS_EUI64 = byteRun('EUI64', 120, 8);
/** See LBAF. */
export const NS_LBAF = entryRun('LBAF', 128, 64, 4);
export const NS_VENDOR = byteRun('VS', 384, 3712);

export const IDENTIFY_NAMESPACE = structure(
  'Identify Namespace',
  'NVM Command Set 1.1, 4.1.5.1',
  IDENTIFY_BYTES,
  [
    NS_NSZE,
    NS_NCAP,
    NS_NUSE,
    NS_NSFEAT,
    NS_NLBAF,
    NS_FLBAS,
    NS_MC,
    NS_DPC,
    NS_DPS,
    NS_NMIC,
    NS_RESCAP,
    NS_FPI,
    NS_DLFEAT,
    NS_NAWUN,
    NS_NAWUPF,
    NS_NACWU,
    NS_NABSN,
    NS_NABO,
    NS_NABSPF,
    NS_NOIOB,
    NS_NVMCAP,
    NS_NPWG,
    NS_NPWA,
    NS_NPDG,
    NS_NPDA,
    NS_NOWS,
    NS_MSSRL,
    NS_MCL,
    NS_MSRC,
    NS_KPIOS,
    NS_NULBAF,
    reserved(83, 1),
    NS_KPIODAAG,
    reserved(88, 4),
    NS_ANAGRPID,
    reserved(96, 3),
    NS_NSATTR,
    NS_NVMSETID,
    NS_ENDGID,
    NS_NGUID,
    NS_EUI64,
    NS_LBAF,
    NS_VENDOR,
  ],
);

/** LBA Format, relative to its entry. NVM Command Set 1.1, 4.1.5.1. */
export const LBAF = register('LBAF', 0, 32, {
  /** Bytes of metadata of a block. */
  MS: bits(15, 0),
  /** Bytes of data as a power of two, at least 9; 0 when the format is not available. */
  LBADS: bits(23, 16),
  /** 0: best, 3: worst. */
  RP: bits(25, 24),
});

export const LBA_FORMATS_MAX = 64;

/** Formats that Identify Namespace lists, those that need the host's leave included. */
export function lbaFormatCount(identify: DataView, base = 0): number {
  return NS_NLBAF.value(identify, base) + 1 + NS_NULBAF.value(identify, base);
}

/** Which format a namespace with this value of FLBAS uses. */
export function lbaFormatIndex(flbas: number): number {
  return NS_FLBAS.FIDXU.of(flbas) * 16 + NS_FLBAS.FIDXL.of(flbas);
}

/** Bytes of data of a block, without metadata; null for a format that is not available. `lbaf` is the whole entry. */
export function lbaDataBytes(lbaf: number): number | null {
  const power = LBAF.LBADS.of(lbaf);
  return power >= 9 ? 2 ** power : null;
}

/** I/O Command Set Independent Identify Namespace (CNS 08h). */
export const CSI_NS_NSFEAT = register('NSFEAT', 0, 8, {
  UIDREUSE: bit(3),
  /** Rotational media. */
  RMEDIA: bit(4),
  VWCNP: bit(5),
});
export const CSI_NS_NMIC = register('NMIC', 1, 8, { SHRNS: bit(0), DISNS: bit(1) });
export const CSI_NS_RESCAP = plain('RESCAP', 2, 8);
export const CSI_NS_FPI = plain('FPI', 3, 8);
export const CSI_NS_ANAGRPID = plain('ANAGRPID', 4, 32);
export const CSI_NS_NSATTR = register('NSATTR', 8, 8, { WP: bit(0) });
export const CSI_NS_NVMSETID = plain('NVMSETID', 10, 16);
export const CSI_NS_ENDGID = plain('ENDGID', 12, 16);
export const CSI_NS_NSTAT = register('NSTAT', 14, 8, {
  /** Namespace ready. */
  NRDY: bit(0),
});
export const CSI_NS_KPIOS = plain('KPIOS', 15, 8);
export const CSI_NS_MAXKT = plain('MAXKT', 16, 16);
export const CSI_NS_RGRPID = plain('RGRPID', 20, 32);

export const IDENTIFY_NAMESPACE_INDEPENDENT = structure(
  'I/O Command Set Independent Identify Namespace',
  'NVM Express Base 2.1, 5.1.13.2.8',
  IDENTIFY_BYTES,
  [
    CSI_NS_NSFEAT,
    CSI_NS_NMIC,
    CSI_NS_RESCAP,
    CSI_NS_FPI,
    CSI_NS_ANAGRPID,
    CSI_NS_NSATTR,
    reserved(9, 1),
    CSI_NS_NVMSETID,
    CSI_NS_ENDGID,
    CSI_NS_NSTAT,
    CSI_NS_KPIOS,
    CSI_NS_MAXKT,
    reserved(18, 2),
    CSI_NS_RGRPID,
    reserved(24, IDENTIFY_BYTES - 24),
  ],
);

/** Which bits of the storage tag are checked. */
export const NVM_NS_LBSTM = plain('LBSTM', 0, 64);
export const NVM_NS_PIC = register('PIC', 8, 8, {
  /** 16-bit guard with a storage tag. */
  '16BPISTS': bit(0),
  '16BPISTM': bit(1),
  STCRS: bit(2),
  QPIFS: bit(3),
});
export const NVM_NS_PIFA = plain('PIFA', 9, 8);
/** One for each LBA format; see ELBAF. */
export const NVM_NS_ELBAF = entryRun('ELBAF', 12, 64, 4);
export const NVM_NS_NPDGL = plain('NPDGL', 268, 32);
export const NVM_NS_NPRG = plain('NPRG', 272, 32);
export const NVM_NS_NPRA = plain('NPRA', 276, 32);
export const NVM_NS_NORS = plain('NORS', 280, 32);
export const NVM_NS_NPDAL = plain('NPDAL', 284, 32);
export const NVM_NS_LBAPSS = plain('LBAPSS', 288, 32);
export const NVM_NS_TLBAAG = plain('TLBAAG', 292, 32);

/** What a namespace of the NVM command set adds (CNS 05h, CSI 0). */
export const IDENTIFY_NAMESPACE_NVM = structure(
  'Identify Namespace, NVM Command Set',
  'NVM Command Set 1.1, 4.1.5.3',
  IDENTIFY_BYTES,
  [
    NVM_NS_LBSTM,
    NVM_NS_PIC,
    NVM_NS_PIFA,
    reserved(10, 2),
    NVM_NS_ELBAF,
    NVM_NS_NPDGL,
    NVM_NS_NPRG,
    NVM_NS_NPRA,
    NVM_NS_NORS,
    NVM_NS_NPDAL,
    NVM_NS_LBAPSS,
    NVM_NS_TLBAAG,
    reserved(296, IDENTIFY_BYTES - 296),
  ],
);

/** Extended LBA Format, relative to its entry. NVM Command Set 1.1, 4.1.5.3. */
export const ELBAF = register('ELBAF', 0, 32, {
  /** Bits of the storage tag. */
  STS: bits(6, 0),
  /** See GUARD_FORMAT in `protection.ts`. */
  PIF: bits(8, 7),
  /** Format when PIF is 3. */
  QPIF: bits(12, 9),
});

/** What the host fills in of Identify Namespace to create one; the rest is 0. NVM Command Set 1.1, 4.1.6. */
export const CREATE_NS_LBSTM = plain('LBSTM', 384, 64);
export const NAMESPACE_CREATE = structure(
  'Namespace Management Host Software Specified Fields',
  'NVM Command Set 1.1, 4.1.6',
  IDENTIFY_BYTES,
  [
    NS_NSZE,
    NS_NCAP,
    reserved(16, 10),
    NS_FLBAS,
    reserved(27, 2),
    NS_DPS,
    NS_NMIC,
    reserved(31, 61),
    NS_ANAGRPID,
    reserved(96, 4),
    NS_NVMSETID,
    NS_ENDGID,
    reserved(104, 280),
    CREATE_NS_LBSTM,
    // Placement handles and the fields of other command sets.
    reserved(392, IDENTIFY_BYTES - 392),
  ],
);
