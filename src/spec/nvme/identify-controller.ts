/**
 * Identify Controller (CNS 01h) and its additions by the NVM command set (CNS 06h).
 *
 * Leaves out the meaning of attributes of fabrics. Registers and runs bear the specification's names with `ID_` in front.
 * Follows NVM Express Base 2.1, section 5.1.13.2.1, and NVM Command Set 1.1, section 4.1.5.2. Fields that came after
 * revision 1.4 are 0 in older controllers.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';

export const IDENTIFY_BYTES = 4096;

export const ID_VID = plain('VID', 0, 16);
export const ID_SSVID = plain('SSVID', 2, 16);
/** ASCII. */
export const ID_SN = byteRun('SN', 4, 20);
/** ASCII. */
export const ID_MN = byteRun('MN', 24, 40);
/** ASCII. */
export const ID_FR = byteRun('FR', 64, 8);
/** Commands of a burst, as a power of two. */
export const ID_RAB = plain('RAB', 72, 8);
export const ID_IEEE = plain('IEEE', 73, 24);
export const ID_CMIC = register('CMIC', 76, 8, {
  /** More than one port. */
  MPORTS: bit(0),
  /** More than one controller. */
  MCTRS: bit(1),
  /** SR-IOV virtual function. */
  FUNC: bit(2),
  ANAR: bit(3),
});
/** Longest transfer in units of the smallest page (CAP.MPSMIN), as a power of two; see `mdtsBytes`. */
export const ID_MDTS = plain('MDTS', 77, 8);
export const ID_CNTLID = plain('CNTLID', 78, 16);
/** As the property VS. */
export const ID_VER = plain('VER', 80, 32);
/** Microseconds. */
export const ID_RTD3R = plain('RTD3R', 84, 32);
/** Microseconds. */
export const ID_RTD3E = plain('RTD3E', 88, 32);
/** Optional asynchronous events; the bits are those of ASYNC_EVENT_CONFIG from bit 8 on. */
export const ID_OAES = register('OAES', 92, 32, {
  NSAN: bit(8),
  FAN: bit(9),
  ANACN: bit(11),
  PLEACN: bit(12),
  LSIAN: bit(13),
  EGEACN: bit(14),
  NNSS: bit(15),
  TTHR: bit(16),
  RGCNS: bit(17),
  ANSAN: bit(19),
  ZDCN: bit(27),
  DLPCN: bit(31),
});
export const ID_CTRATT = register('CTRATT', 96, 32, {
  /** Host identifiers of 128 bits. */
  HIDS: bit(0),
  NOPSPM: bit(1),
  NVMSETS: bit(2),
  RRLVLS: bit(3),
  EGS: bit(4),
  PLM: bit(5),
  TBKAS: bit(6),
  NG: bit(7),
  SQA: bit(8),
  UUIDL: bit(9),
  MDS: bit(10),
  FCM: bit(11),
  VCM: bit(12),
  DEG: bit(13),
  DNVMS: bit(14),
  /** Formats with extended protection information are supported. */
  ELBAS: bit(15),
  MEM: bit(16),
  HMBR: bit(17),
  RHII: bit(18),
  FDPS: bit(19),
});
export const ID_RRLS = plain('RRLS', 100, 16);
export const ID_BPCAP = plain('BPCAP', 102, 8);
export const ID_NSSL = plain('NSSL', 104, 32);
export const ID_PLSI = plain('PLSI', 110, 8);
/** See CONTROLLER_TYPE. */
export const ID_CNTRLTYPE = plain('CNTRLTYPE', 111, 8);
export const ID_FGUID = byteRun('FGUID', 112, 16);
/** Units of 100 ms. */
export const ID_CRDT1 = plain('CRDT1', 128, 16);
export const ID_CRDT2 = plain('CRDT2', 130, 16);
export const ID_CRDT3 = plain('CRDT3', 132, 16);
export const ID_CRCAP = plain('CRCAP', 134, 8);
export const ID_NVMSR = register('NVMSR', 253, 8, { NVMESD: bit(0), NVMEE: bit(1) });
export const ID_VWCI = register('VWCI', 254, 8, { VWCR: bits(6, 0), VWCRV: bit(7) });
export const ID_MEC = register('MEC', 255, 8, { TWPME: bit(0), PCIEME: bit(1) });

/** Optional admin commands. */
export const ID_OACS = register('OACS', 256, 16, {
  SSRS: bit(0),
  /** Format NVM. */
  FNVMS: bit(1),
  FWDS: bit(2),
  /** Namespace Management and Attachment. */
  NMS: bit(3),
  /** Device Self-test. */
  DSTS: bit(4),
  DIRS: bit(5),
  NSRS: bit(6),
  /** Virtualization Management. */
  VMS: bit(7),
  /** Doorbell Buffer Config. */
  DBCS: bit(8),
  GLSS: bit(9),
  CFLS: bit(10),
  HMLMS: bit(11),
});
/** 0's based. */
export const ID_ACL = plain('ACL', 258, 8);
/** 0's based. */
export const ID_AERL = plain('AERL', 259, 8);
export const ID_FRMW = register('FRMW', 260, 8, {
  /** The first slot is read only. */
  FFSRO: bit(0),
  /** Slots: 1 to 7, a true count. */
  NOFS: bits(3, 1),
  /** Activation without a reset. */
  FAWR: bit(4),
  SMUD: bit(5),
});
export const ID_LPA = register('LPA', 261, 8, {
  /** SMART per namespace. */
  SMARTS: bit(0),
  /** Commands Supported and Effects. */
  CSES: bit(1),
  /** Offsets and 32-bit lengths in Get Log Page. */
  LPEDS: bit(2),
  TS: bit(3),
  PES: bit(4),
  /** Supported Log Pages and the logs about features and management commands. */
  MLPS: bit(5),
  DA4S: bit(6),
});
/** 0's based. */
export const ID_ELPE = plain('ELPE', 262, 8);
/** 0's based: power states. */
export const ID_NPSS = plain('NPSS', 263, 8);
export const ID_AVSCC = plain('AVSCC', 264, 8);
export const ID_APSTA = plain('APSTA', 265, 8);
/** Kelvin. */
export const ID_WCTEMP = plain('WCTEMP', 266, 16);
/** Kelvin. */
export const ID_CCTEMP = plain('CCTEMP', 268, 16);
/** Units of 100 ms. */
export const ID_MTFA = plain('MTFA', 270, 16);
/** Host memory buffer, preferred; units of 4 KiB. */
export const ID_HMPRE = plain('HMPRE', 272, 32);
/** Units of 4 KiB. */
export const ID_HMMIN = plain('HMMIN', 276, 32);
/** Bytes. */
export const ID_TNVMCAP = byteRun('TNVMCAP', 280, 16);
/** Bytes. */
export const ID_UNVMCAP = byteRun('UNVMCAP', 296, 16);
export const ID_RPMBS = register('RPMBS', 312, 32, {
  NRPMBU: bits(2, 0),
  AUTHM: bits(5, 3),
  /** 0's based, units of 128 KiB. */
  TSZ: bits(23, 16),
  /** 0's based, units of 512 bytes. */
  ASZ: bits(31, 24),
});
/** Minutes. */
export const ID_EDSTT = plain('EDSTT', 316, 16);
export const ID_DSTO = register('DSTO', 318, 8, { SDSO: bit(0), HIRS: bit(1) });
/** Units of 4 KiB; 0: unknown, FFh: none. */
export const ID_FWUG = plain('FWUG', 319, 8);
/** Units of 100 ms; 0: no keep alive. */
export const ID_KAS = plain('KAS', 320, 16);
export const ID_HCTMA = register('HCTMA', 322, 16, { HCTMS: bit(0) });
/** Kelvin. */
export const ID_MNTMT = plain('MNTMT', 324, 16);
/** Kelvin. */
export const ID_MXTMT = plain('MXTMT', 326, 16);
export const ID_SANICAP = register('SANICAP', 328, 32, {
  /** Crypto erase. */
  CES: bit(0),
  /** Block erase. */
  BES: bit(1),
  /** Overwrite. */
  OWS: bit(2),
  VERS: bit(3),
  NDI: bit(29),
  NODMMAS: bits(31, 30),
});
/** Units of 4 KiB. */
export const ID_HMMINDS = plain('HMMINDS', 332, 32);
export const ID_HMMAXD = plain('HMMAXD', 336, 16);
export const ID_NSETIDMAX = plain('NSETIDMAX', 338, 16);
export const ID_ENDGIDMAX = plain('ENDGIDMAX', 340, 16);
/** Seconds. */
export const ID_ANATT = plain('ANATT', 342, 8);
export const ID_ANACAP = register('ANACAP', 343, 8, {
  OPTST: bit(0),
  NOPTST: bit(1),
  INACST: bit(2),
  PLSST: bit(3),
  CHNGST: bit(4),
  /** ANAGRPID does not change while attached. */
  GRPIDNC: bit(6),
  /** ANAGRPID is not 0 and is settable. */
  GRPIDNZ: bit(7),
});
export const ID_ANAGRPMAX = plain('ANAGRPMAX', 344, 32);
export const ID_NANAGRPID = plain('NANAGRPID', 348, 32);
/** Units of 64 KiB. */
export const ID_PELS = plain('PELS', 352, 32);
export const ID_DID = plain('DID', 356, 16);
export const ID_KPIOC = register('KPIOC', 358, 8, { KPIOS: bit(0), KPIOSC: bit(1) });
export const ID_MPTFAWR = plain('MPTFAWR', 360, 16);
/** Bytes. */
export const ID_MEGCAP = byteRun('MEGCAP', 368, 16);
export const ID_TMPTHHA = register('TMPTHHA', 384, 8, { TMPTHMH: bits(2, 0) });
export const ID_CQT = plain('CQT', 386, 16);

/** Powers of two of bytes, smallest and largest. 66h for entries of 64 bytes. */
export const ID_SQES = register('SQES', 512, 8, { MINQES: bits(3, 0), MAXQES: bits(7, 4) });
/** 44h for entries of 16 bytes. */
export const ID_CQES = register('CQES', 513, 8, { MINQES: bits(3, 0), MAXQES: bits(7, 4) });
export const ID_MAXCMD = plain('MAXCMD', 514, 16);
/** The largest NSID. */
export const ID_NN = plain('NN', 516, 32);
/** Optional I/O commands. */
export const ID_ONCS = register('ONCS', 520, 16, {
  /** Compare. */
  NVMCMPS: bit(0),
  /** Write Uncorrectable. */
  NVMWUSV: bit(1),
  /** Dataset Management. */
  NVMDSMSV: bit(2),
  /** Write Zeroes. */
  NVMWZSV: bit(3),
  /** Save and Select in features. */
  SSFS: bit(4),
  RESERVS: bit(5),
  TSS: bit(6),
  /** Verify. */
  NVMVFYS: bit(7),
  /** Copy. */
  NVMCPYS: bit(8),
  NVMCSA: bit(9),
  NVMAFC: bit(10),
  MAXWZD: bit(11),
  /** Write Zeroes of a whole namespace. */
  NSZS: bit(12),
});
export const ID_FUSES = register('FUSES', 522, 16, {
  /** Compare and Write. */
  FCWS: bit(0),
});
export const ID_FNA = register('FNA', 524, 8, {
  /** A format touches all namespaces. */
  FNS: bit(0),
  /** So does an erase. */
  SENS: bit(1),
  CRYES: bit(2),
  /** NSID FFFFFFFFh is not supported in Format NVM. */
  BCNSID: bit(3),
});
export const ID_VWC = register('VWC', 525, 8, {
  VWCP: bit(0),
  /** Flush with NSID FFFFFFFFh. 2: fails, 3: flushes all, 0: not said. */
  FB: bits(2, 1),
});
/** 0's based, blocks. */
export const ID_AWUN = plain('AWUN', 526, 16);
/** 0's based, blocks. */
export const ID_AWUPF = plain('AWUPF', 528, 16);
export const ID_ICSVSCC = plain('ICSVSCC', 530, 8);
export const ID_NWPC = register('NWPC', 531, 8, { NWPWPS: bit(0), WPUPCS: bit(1), PWPS: bit(2) });
/** 0's based, blocks. */
export const ID_ACWU = plain('ACWU', 532, 16);
/** Bit n: Copy descriptor format n; see COPY_FORMATS. */
export const ID_OCFS = plain('OCFS', 534, 16);
export const ID_SGLS = register('SGLS', 536, 32, {
  /** 0: no SGLs; 1: any alignment; 2: dwords. */
  SGLS: bits(1, 0),
  KSDBDS: bit(2),
  /** Recommended most descriptors, 0 for none. */
  SDT: bits(15, 8),
  /** Bit bucket. */
  BBS: bit(16),
  /** A contiguous metadata buffer may start at any byte. */
  MBA: bit(17),
  /** Data longer than asked for is allowed. */
  SGLLAS: bit(18),
  /** MPTR may be an SGL. */
  MPTRSGLS: bit(19),
  /** Offsets in place of addresses. */
  OAS: bit(20),
  TSDBDS: bit(21),
});
export const ID_MNAN = plain('MNAN', 540, 32);
export const ID_MAXDNA = byteRun('MAXDNA', 544, 16);
export const ID_MAXCNA = plain('MAXCNA', 560, 32);
export const ID_OAQD = plain('OAQD', 564, 32);
/** UTF-8, ends with a null byte. */
export const ID_SUBNQN = byteRun('SUBNQN', 768, 256);

/** Bytes 1792 to 2047: fabrics only, 0 otherwise. */
export const ID_IOCCSZ = plain('IOCCSZ', 1792, 32);
export const ID_IORCSZ = plain('IORCSZ', 1796, 32);
export const ID_ICDOFF = plain('ICDOFF', 1800, 16);
export const ID_FCATT = plain('FCATT', 1802, 8);
export const ID_MSDBD = plain('MSDBD', 1803, 8);
export const ID_OFCS = plain('OFCS', 1804, 16);
export const ID_DCTYPE = plain('DCTYPE', 1806, 8);

/** Power state descriptors, ID_NPSS + 1 of them valid; see POWER_STATE_DESCRIPTOR. */
export const ID_PSD = entryRun('PSD', 2048, 32, 32);
export const ID_VENDOR = byteRun('VS', 3072, 1024);

export const IDENTIFY_CONTROLLER = structure(
  'Identify Controller',
  'NVM Express Base 2.1, 5.1.13.2.1',
  IDENTIFY_BYTES,
  [
    ID_VID,
    ID_SSVID,
    ID_SN,
    ID_MN,
    ID_FR,
    ID_RAB,
    ID_IEEE,
    ID_CMIC,
    ID_MDTS,
    ID_CNTLID,
    ID_VER,
    ID_RTD3R,
    ID_RTD3E,
    ID_OAES,
    ID_CTRATT,
    ID_RRLS,
    ID_BPCAP,
    reserved(103, 1),
    ID_NSSL,
    reserved(108, 2),
    ID_PLSI,
    ID_CNTRLTYPE,
    ID_FGUID,
    ID_CRDT1,
    ID_CRDT2,
    ID_CRDT3,
    ID_CRCAP,
    reserved(135, 118),
    ID_NVMSR,
    ID_VWCI,
    ID_MEC,
    ID_OACS,
    ID_ACL,
    ID_AERL,
    ID_FRMW,
    ID_LPA,
    ID_ELPE,
    ID_NPSS,
    ID_AVSCC,
    ID_APSTA,
    ID_WCTEMP,
    ID_CCTEMP,
    ID_MTFA,
    ID_HMPRE,
    ID_HMMIN,
    ID_TNVMCAP,
    ID_UNVMCAP,
    ID_RPMBS,
    ID_EDSTT,
    ID_DSTO,
    ID_FWUG,
    ID_KAS,
    ID_HCTMA,
    ID_MNTMT,
    ID_MXTMT,
    ID_SANICAP,
    ID_HMMINDS,
    ID_HMMAXD,
    ID_NSETIDMAX,
    ID_ENDGIDMAX,
    ID_ANATT,
    ID_ANACAP,
    ID_ANAGRPMAX,
    ID_NANAGRPID,
    ID_PELS,
    ID_DID,
    ID_KPIOC,
    reserved(359, 1),
    ID_MPTFAWR,
    reserved(362, 6),
    ID_MEGCAP,
    ID_TMPTHHA,
    reserved(385, 1),
    ID_CQT,
    reserved(388, 124),
    ID_SQES,
    ID_CQES,
    ID_MAXCMD,
    ID_NN,
    ID_ONCS,
    ID_FUSES,
    ID_FNA,
    ID_VWC,
    ID_AWUN,
    ID_AWUPF,
    ID_ICSVSCC,
    ID_NWPC,
    ID_ACWU,
    ID_OCFS,
    ID_SGLS,
    ID_MNAN,
    ID_MAXDNA,
    ID_MAXCNA,
    ID_OAQD,
    // Host identity, reachability, migration and data queue limits of revision 2.1, which nothing here uses.
    reserved(568, 200),
    ID_SUBNQN,
    reserved(1024, 768),
    ID_IOCCSZ,
    ID_IORCSZ,
    ID_ICDOFF,
    ID_FCATT,
    ID_MSDBD,
    ID_OFCS,
    ID_DCTYPE,
    reserved(1807, 241),
    ID_PSD,
    ID_VENDOR,
  ],
);

/** CNTRLTYPE; 0 before revision 1.4. NVM Express Base 2.1, 5.1.13.2.1. */
export const CONTROLLER_TYPE = { NOT_REPORTED: 0, IO: 1, DISCOVERY: 2, ADMINISTRATIVE: 3 } as const;

/** Longest transfer of a command in bytes; null when the controller sets no limit. `mpsmin` is CAP.MPSMIN. */
export function mdtsBytes(mdts: number, mpsmin: number): number | null {
  return mdts === 0 ? null : 2 ** (12 + mpsmin + mdts);
}

/** Power State Descriptor. NVM Express Base 2.1, 5.1.13.2.1. */
export const PSD_MP = plain('MP', 0, 16);
export const PSD_FLAGS = register('PSD Flags', 3, 8, {
  /** MP in units of 0.1 mW instead of 10 mW. */
  MXPS: bit(0),
  NOPS: bit(1),
});
/** Microseconds. */
export const PSD_ENLAT = plain('ENLAT', 4, 32);
/** Microseconds. */
export const PSD_EXLAT = plain('EXLAT', 8, 32);
export const PSD_RRT = plain('RRT', 12, 8);
export const PSD_RRL = plain('RRL', 13, 8);
export const PSD_RWT = plain('RWT', 14, 8);
export const PSD_RWL = plain('RWL', 15, 8);
export const PSD_IDLP = plain('IDLP', 16, 16);
/** Bits 7:6: 1 is 0.1 mW, 2 is 10 mW. */
export const PSD_IPS = register('IPS', 18, 8, { IPS: bits(7, 6) });
export const PSD_ACTP = plain('ACTP', 20, 16);
export const PSD_APWS = register('APWS', 22, 8, { APW: bits(2, 0), APS: bits(7, 6) });

export const POWER_STATE_DESCRIPTOR = structure(
  'Power State Descriptor',
  'NVM Express Base 2.1, 5.1.13.2.1',
  32,
  [
    PSD_MP,
    reserved(2, 1),
    PSD_FLAGS,
    PSD_ENLAT,
    PSD_EXLAT,
    PSD_RRT,
    PSD_RRL,
    PSD_RWT,
    PSD_RWL,
    PSD_IDLP,
    PSD_IPS,
    reserved(19, 1),
    PSD_ACTP,
    PSD_APWS,
    // Emergency power fail times of revision 2.1, then reserved.
    reserved(23, 9),
  ],
);

/** Largest Verify, as a power of two of the smallest page; 0 for no limit. */
export const NVM_ID_VSL = plain('VSL', 0, 8);
export const NVM_ID_WZSL = plain('WZSL', 1, 8);
export const NVM_ID_WUSL = plain('WUSL', 2, 8);
/** Ranges of a Dataset Management; 0 for no limit. */
export const NVM_ID_DMRL = plain('DMRL', 3, 8);
/** Blocks of a range. */
export const NVM_ID_DMRSL = plain('DMRSL', 4, 32);
/** Blocks of all ranges. */
export const NVM_ID_DMSL = plain('DMSL', 8, 64);
export const NVM_ID_KPIOCAP = plain('KPIOCAP', 16, 8);
export const NVM_ID_WZDSL = plain('WZDSL', 17, 8);
export const NVM_ID_AOCS = plain('AOCS', 18, 16);
export const NVM_ID_VER = plain('VER', 20, 32);
export const NVM_ID_LBAMQF = plain('LBAMQF', 24, 8);

/** What a controller with the NVM command set adds (CNS 06h, CSI 0). */
export const IDENTIFY_CONTROLLER_NVM = structure(
  'Identify Controller, NVM Command Set',
  'NVM Command Set 1.1, 4.1.5.2',
  IDENTIFY_BYTES,
  [
    NVM_ID_VSL,
    NVM_ID_WZSL,
    NVM_ID_WUSL,
    NVM_ID_DMRL,
    NVM_ID_DMRSL,
    NVM_ID_DMSL,
    NVM_ID_KPIOCAP,
    NVM_ID_WZDSL,
    NVM_ID_AOCS,
    NVM_ID_VER,
    NVM_ID_LBAMQF,
    reserved(25, IDENTIFY_BYTES - 25),
  ],
);
