/**
 * Memory of the controller: the Controller Memory Buffer and the Persistent Memory Region, as properties.
 *
 * Leaves out what a controller does with them. Follows NVM Express Base 2.1, sections 3.1.4.11 to 3.1.4.28; sizes come
 * out in bytes. Nothing here is limited to the length of a BAR.
 */
import { bit, bits, register } from '../../base/index.ts';

/** Controller Memory Buffer Location. Reads 0 while CMBMSC.CRE is 0 (CAP.CMBS set). NVM Express Base 2.1, 3.1.4.11. */
export const CMBLOC = register('CMBLOC', 0x38, 32, {
  /** 0, 2, 3, 4 or 5: the BAR at 10h + 4 * BIR. */
  BIR: bits(2, 0, 'RO'),
  /** One queue may lie partly in and partly outside the CMB. */
  CQMMS: bit(3, 'RO'),
  /** A queue may be physically discontiguous. */
  CQPDS: bit(4, 'RO'),
  /** Pointers to data and metadata of a command may mix lists in the CMB with data outside. */
  CDPMLS: bit(5, 'RO'),
  /** PRP and SGL lists in the CMB need no contiguity with their command. */
  CDPCILS: bit(6, 'RO'),
  /** Data and metadata of one command may lie partly in and partly outside the CMB. */
  CDMMMS: bit(7, 'RO'),
  /** 1: addresses of queues in the CMB are aligned to a dword instead of a memory page. */
  CQDA: bit(8, 'RO'),
  /** In units of `cmbUnitBytes`, from the start of the BAR. */
  OFST: bits(31, 12, 'RO'),
});

/** Controller Memory Buffer Size. Reads 0 while CMBMSC.CRE is 0 (CAP.CMBS set). NVM Express Base 2.1, 3.1.4.12. */
export const CMBSZ = register('CMBSZ', 0x3c, 32, {
  /** Submission queues may live here. */
  SQS: bit(0, 'RO'),
  /** Completion queues may live here. */
  CQS: bit(1, 'RO'),
  /** PRP and SGL lists may live here. */
  LISTS: bit(2, 'RO'),
  /** Commands that move data from the controller may put it here. */
  RDS: bit(3, 'RO'),
  /** Commands that move data to the controller may take it from here. */
  WDS: bit(4, 'RO'),
  /** The unit is 4 KiB * 16 ^ SZU; 7h and above are reserved. */
  SZU: bits(11, 8, 'RO'),
  SZ: bits(31, 12, 'RO'),
});

/** The highest SZU with a meaning: 64 GiB. */
export const CMBSZ_SZU_MAX = 6;

/** Controller Memory Buffer Memory Space Control. NVM Express Base 2.1, 3.1.4.16. */
export const CMBMSC = register('CMBMSC', 0x50, 64, {
  /** Capabilities registers enabled: CMBLOC and CMBSZ show their values. */
  CRE: bit(0, 'RW'),
  /** Memory space enabled: requests from CBA on address the CMB. */
  CMSE: bit(1, 'RW'),
  /** Bits 63:12 of the address at which the controller recognises its own CMB; see `cmbBaseAddress`. */
  CBA: bits(63, 12, 'RW'),
});

/** Controller Memory Buffer Status. NVM Express Base 2.1, 3.1.4.17. */
export const CMBSTS = register('CMBSTS', 0x58, 32, {
  /** CBA plus the size of the CMB passes 2^64 - 1. */
  CBAI: bit(0, 'RO'),
});

/** Controller Memory Buffer Elasticity Buffer Size. NVM Express Base 2.1, 3.1.4.18. */
export const CMBEBS = register('CMBEBS', 0x5c, 32, {
  /** Unit: 0 is bytes, 1 KiB, 2 MiB, 3 GiB. */
  CMBSZU: bits(3, 0, 'RO'),
  /** Reads may bypass earlier writes that wait in the elasticity buffer. */
  RBB: bit(4, 'RO'),
  CMBWBZ: bits(31, 8, 'RO'),
});

/** Controller Memory Buffer Sustained Write Throughput. NVM Express Base 2.1, 3.1.4.19. */
export const CMBSWTP = register('CMBSWTP', 0x60, 32, {
  /** Unit, per second: 0 is bytes, 1 KiB, 2 MiB, 3 GiB. */
  CMBSWTU: bits(3, 0, 'RO'),
  CMBSWTV: bits(31, 8, 'RO'),
});

/** Persistent Memory Region Capabilities. NVM Express Base 2.1, 3.1.4.22. */
export const PMRCAP = register('PMRCAP', 0xe00, 32, {
  RDS: bit(3, 'RO'),
  WDS: bit(4, 'RO'),
  /** The PMR is the whole of this BAR: 2, 3, 4 or 5. */
  BIR: bits(7, 5, 'RO'),
  /** Unit of PMRTO: 0 is 500 ms, 1 is minutes. */
  PMRTU: bits(9, 8, 'RO'),
  /** What makes earlier writes persistent: bit 0 a read of the PMR, bit 1 a read of PMRSTS. */
  PMRWBM: bits(13, 10, 'RO'),
  PMRTO: bits(23, 16, 'RO'),
  /** PMRMSC is supported. */
  CMSS: bit(24, 'RO'),
});

/** Persistent Memory Region Control. NVM Express Base 2.1, 3.1.4.23. */
export const PMRCTL = register('PMRCTL', 0xe04, 32, {
  EN: bit(0, 'RW'),
});

/** Persistent Memory Region Status. NVM Express Base 2.1, 3.1.4.24. */
export const PMRSTS = register('PMRSTS', 0xe08, 32, {
  ERR: bits(7, 0, 'RO'),
  /** Not ready, whether or not it was enabled. */
  NRDY: bit(8, 'RO'),
  /** See PMR_HEALTH. */
  HSTS: bits(11, 9, 'RO'),
  CBAI: bit(12, 'RO'),
});

/** Persistent Memory Region Elasticity Buffer Size. NVM Express Base 2.1, 3.1.4.25. */
export const PMREBS = register('PMREBS', 0xe0c, 32, {
  PMRSZU: bits(3, 0, 'RO'),
  RBB: bit(4, 'RO'),
  PMRWBZ: bits(31, 8, 'RO'),
});

/** Persistent Memory Region Sustained Write Throughput. NVM Express Base 2.1, 3.1.4.26. */
export const PMRSWTP = register('PMRSWTP', 0xe10, 32, {
  PMRSWTU: bits(3, 0, 'RO'),
  PMRSWTV: bits(31, 8, 'RO'),
});

/** Persistent Memory Region Memory Space Control, lower dword. NVM Express Base 2.1, 3.1.4.27. */
export const PMRMSCL = register('PMRMSCL', 0xe14, 32, {
  CMSE: bit(1, 'RW'),
  /** Bits 31:12 of the address. */
  CBA: bits(31, 12, 'RW'),
});

/** Persistent Memory Region Memory Space Control, upper dword. NVM Express Base 2.1, 3.1.4.28. */
export const PMRMSCU = register('PMRMSCU', 0xe18, 32, {
  /** Bits 63:32 of the address. */
  CBA: bits(31, 0, 'RW'),
});

/** PMRSTS.HSTS. NVM Express Base 2.1, 3.1.4.24. */
export const PMR_HEALTH = {
  NORMAL: 0,
  RESTORE_ERROR: 1,
  READ_ONLY: 2,
  UNRELIABLE: 3,
} as const;

/** Unit of CMBSZ.SZ and CMBLOC.OFST in bytes. The reserved encodings follow the same formula, as in Linux. */
export function cmbUnitBytes(regs: DataView, base = 0): number {
  return 4096 * 16 ** CMBSZ.SZU.read(regs, base);
}

/** Bytes of controller memory on offer, 0 when there is none. May pass 2^53 with a reserved SZU. */
export function cmbSizeBytes(regs: DataView, base = 0): number {
  return CMBSZ.SZ.read(regs, base) * cmbUnitBytes(regs, base);
}

/** Where the CMB starts in its BAR. */
export function cmbOffsetBytes(regs: DataView, base = 0): number {
  return CMBLOC.OFST.read(regs, base) * cmbUnitBytes(regs, base);
}

/** The address in CMBMSC, exact below 2^53 and never below 2^53 when the register is not. */
export function cmbBaseAddress(regs: DataView, base = 0): number {
  return CMBMSC.CBA.read(regs, base) * 4096;
}

/** The address in PMRMSCU and PMRMSCL, exact below 2^53 and never below 2^53 when the registers are not. */
export function pmrBaseAddress(regs: DataView, base = 0): number {
  return PMRMSCU.CBA.read(regs, base) * 0x1_0000_0000 + PMRMSCL.CBA.read(regs, base) * 4096;
}

/** Longest time that a change of PMRCTL.EN takes. */
export function pmrTimeoutMs(regs: DataView, base = 0): number {
  return PMRCAP.PMRTO.read(regs, base) * (PMRCAP.PMRTU.read(regs, base) === 1 ? 60_000 : 500);
}

/** Bytes that writes may be ahead of the medium, 0 when the controller does not say or the unit is reserved. */
export function cmbElasticityBytes(regs: DataView, base = 0): number {
  return CMBEBS.CMBWBZ.read(regs, base) * unitBytes(CMBEBS.CMBSZU.read(regs, base));
}

/** See `cmbElasticityBytes`. */
export function pmrElasticityBytes(regs: DataView, base = 0): number {
  return PMREBS.PMRWBZ.read(regs, base) * unitBytes(PMREBS.PMRSZU.read(regs, base));
}

/** Sustained rate of writes in bytes per second, 0 when the controller does not say. */
export function cmbWriteBytesPerSecond(regs: DataView, base = 0): number {
  return CMBSWTP.CMBSWTV.read(regs, base) * unitBytes(CMBSWTP.CMBSWTU.read(regs, base));
}

/** See `cmbWriteBytesPerSecond`. */
export function pmrWriteBytesPerSecond(regs: DataView, base = 0): number {
  return PMRSWTP.PMRSWTV.read(regs, base) * unitBytes(PMRSWTP.PMRSWTU.read(regs, base));
}

function unitBytes(encoding: number): number {
  return encoding <= 3 ? 1024 ** encoding : 0;
}
