/**
 * Command dwords of the admin commands, at their offsets in a submission queue entry.
 *
 * Leaves out the dwords of single features (`features.ts`), NVMe-MI, migration and fabrics. Tables named `..._RESULT` are
 * dword 0 of the completion. Doorbell Buffer Config has no dwords: PRP1 is the page of shadow doorbells, PRP2 the page of
 * EventIdx, both laid out like the doorbells (section 5.2.5). Follows NVM Express Base 2.1, section 5; a table's section stands beside it.
 */
import { bit, bits, register } from '../../base/index.ts';
import { commandDword } from './command.ts';

/** Create I/O Completion Queue, Create I/O Submission Queue. NVM Express Base 2.1, 5.2.1 and 5.2.2. */
export const CREATE_QUEUE_CDW10 = commandDword('Create I/O Queue', 10, {
  QID: bits(15, 0),
  /** 0's based; see `queueSizeEntries`. */
  QSIZE: bits(31, 16),
});
/** NVM Express Base 2.1, 5.2.1. PRP1 is the queue, or a PRP list when PC is 0. */
export const CREATE_CQ_CDW11 = commandDword('Create I/O Completion Queue', 11, {
  PC: bit(0),
  IEN: bit(1),
  IV: bits(31, 16),
});
/** NVM Express Base 2.1, 5.2.2. */
export const CREATE_SQ_CDW11 = commandDword('Create I/O Submission Queue', 11, {
  PC: bit(0),
  /** See QUEUE_PRIORITY. */
  QPRIO: bits(2, 1),
  CQID: bits(31, 16),
});
export const CREATE_SQ_CDW12 = commandDword('Create I/O Submission Queue', 12, {
  NVMSETID: bits(15, 0),
});
export const QUEUE_PRIORITY = { URGENT: 0, HIGH: 1, MEDIUM: 2, LOW: 3 } as const;

/** Entries of a queue whose QSIZE was read. 1 is an error: a queue has at least 2. */
export function queueSizeEntries(qsize: number): number {
  return qsize + 1;
}

/** Delete I/O Completion Queue, Delete I/O Submission Queue. NVM Express Base 2.1, 5.2.3 and 5.2.4. */
export const DELETE_QUEUE_CDW10 = commandDword('Delete I/O Queue', 10, { QID: bits(15, 0) });

/** Abort. NVM Express Base 2.1, 5.1.1. */
export const ABORT_CDW10 = commandDword('Abort', 10, { SQID: bits(15, 0), CID: bits(31, 16) });
export const ABORT_RESULT = register('Abort DW0', 0, 32, {
  /** Immediate Abort Not Performed. */
  IANP: bit(0),
});

/** Asynchronous Event Request; values in `events.ts`. NVM Express Base 2.1, 5.1.2. */
export const ASYNC_EVENT_RESULT = register('Asynchronous Event Request DW0', 0, 32, {
  /** See ASYNC_EVENT_TYPE. */
  AET: bits(2, 0),
  AEI: bits(15, 8),
  /** Log page whose reading re-arms the event. */
  LID: bits(23, 16),
});

/** Capacity Management. NVM Express Base 2.1, 5.1.3. */
export const CAPACITY_MANAGEMENT_CDW10 = commandDword('Capacity Management', 10, {
  OPER: bits(3, 0),
  ELID: bits(31, 16),
});

/** Device Self-test. NVM Express Base 2.1, 5.1.5. */
export const DEVICE_SELF_TEST_CDW10 = commandDword('Device Self-test', 10, {
  /** 1: short, 2: extended, 3: host-initiated refresh, Eh: vendor's, Fh: abort. */
  STC: bits(3, 0),
});

/** Directive Receive and Send. NVM Express Base 2.1, 5.1.6 and 5.1.7. */
export const DIRECTIVE_CDW10 = commandDword('Directive', 10, {
  /** Dwords, 0's based. */
  NUMD: bits(31, 0),
});
export const DIRECTIVE_CDW11 = commandDword('Directive', 11, {
  /** See DIRECTIVE_OPERATION. */
  DOPER: bits(7, 0),
  /** See DIRECTIVE_TYPE. */
  DTYPE: bits(15, 8),
  DSPEC: bits(31, 16),
});
/** Identify directive, Enable Directive. NVM Express Base 2.1, 8.1.8.2. */
export const DIRECTIVE_ENABLE_CDW12 = commandDword('Enable Directive', 12, {
  ENDIR: bit(0),
  TDTYPE: bits(15, 8),
});
/** Streams directive, Allocate Resources. NVM Express Base 2.1, 8.1.8.3. */
export const STREAMS_ALLOCATE_CDW12 = commandDword('Allocate Resources', 12, { NSR: bits(15, 0) });
export const DIRECTIVE_TYPE = { IDENTIFY: 0, STREAMS: 1, DATA_PLACEMENT: 2 } as const;
/** `SEND_` and `RECEIVE_` are separate number spaces, each by directive type. NVM Express Base 2.1, 8.1.8. */
export const DIRECTIVE_OPERATION = {
  RECEIVE_IDENTIFY_PARAMETERS: 0x01,
  SEND_IDENTIFY_ENABLE: 0x01,
  RECEIVE_STREAMS_PARAMETERS: 0x01,
  RECEIVE_STREAMS_STATUS: 0x02,
  RECEIVE_STREAMS_ALLOCATE: 0x03,
  SEND_STREAMS_RELEASE_IDENTIFIER: 0x01,
  SEND_STREAMS_RELEASE_RESOURCES: 0x02,
} as const;

/** Firmware Commit. NVM Express Base 2.1, 5.1.8. */
export const FIRMWARE_COMMIT_CDW10 = commandDword('Firmware Commit', 10, {
  /** 0: the controller chooses. */
  FS: bits(2, 0),
  /** See FIRMWARE_COMMIT_ACTION. */
  CA: bits(5, 3),
  BPID: bit(31),
});
export const FIRMWARE_COMMIT_ACTION = {
  REPLACE: 0,
  REPLACE_AND_ACTIVATE_AT_RESET: 1,
  ACTIVATE_AT_RESET: 2,
  ACTIVATE_NOW: 3,
  REPLACE_BOOT_PARTITION: 6,
  ACTIVATE_BOOT_PARTITION: 7,
} as const;
export const FIRMWARE_COMMIT_RESULT = register('Firmware Commit DW0', 0, 32, {
  /** Bit 0: overlapping firmware updates; bit 1: overlapping boot partition updates. */
  MUD: bits(1, 0),
});

/** Firmware Image Download. NVM Express Base 2.1, 5.1.9. */
export const FIRMWARE_DOWNLOAD_CDW10 = commandDword('Firmware Image Download', 10, {
  /** Dwords, 0's based. */
  NUMD: bits(31, 0),
});
export const FIRMWARE_DOWNLOAD_CDW11 = commandDword('Firmware Image Download', 11, {
  /** Dwords from the start of the image. */
  OFST: bits(31, 0),
});

/** Format NVM. NVM Express Base 2.1, 5.1.10. */
export const FORMAT_NVM_CDW10 = commandDword('Format NVM', 10, {
  /** Bits 3:0 of the index of the format; see `formatIndex`. */
  LBAFL: bits(3, 0),
  /** 1: metadata behind the data of each block. */
  MSET: bit(4),
  /** Type of protection information, 0 for none. */
  PI: bits(7, 5),
  /** 1: protection information in the first bytes of the metadata. */
  PIL: bit(8),
  /** See SECURE_ERASE. */
  SES: bits(11, 9),
  /** Bits 5:4 of the index. */
  LBAFU: bits(13, 12),
});
export const SECURE_ERASE = { NONE: 0, USER_DATA: 1, CRYPTOGRAPHIC: 2 } as const;

/** Index of the format that CDW10 of Format NVM asks for. */
export function formatIndex(cdw10: number): number {
  return FORMAT_NVM_CDW10.LBAFU.of(cdw10) * 16 + FORMAT_NVM_CDW10.LBAFL.of(cdw10);
}

/** Get Features. NVM Express Base 2.1, 5.1.11. */
export const GET_FEATURES_CDW10 = commandDword('Get Features', 10, {
  FID: bits(7, 0),
  /** See FEATURE_SELECT. */
  SEL: bits(10, 8),
});
/** Set Features. NVM Express Base 2.1, 5.1.25. */
export const SET_FEATURES_CDW10 = commandDword('Set Features', 10, {
  FID: bits(7, 0),
  /** Save: the value survives resets and power cycles. */
  SV: bit(31),
});
/** Get Features, Set Features and Identify: which entry of the UUID list, 0 for none. */
export const UUID_CDW14 = commandDword('UUID Index', 14, { UIDX: bits(6, 0) });

/** Get Log Page. NVM Express Base 2.1, 5.1.12. */
export const GET_LOG_PAGE_CDW10 = commandDword('Get Log Page', 10, {
  LID: bits(7, 0),
  /** Bits 11:8 before revision 2.0. */
  LSP: bits(14, 8),
  /** Retain Asynchronous Event: reading does not re-arm it. */
  RAE: bit(15),
  NUMDL: bits(31, 16),
});
export const GET_LOG_PAGE_CDW11 = commandDword('Get Log Page', 11, {
  NUMDU: bits(15, 0),
  /** Log Specific Identifier, such as an endurance group. */
  LSI: bits(31, 16),
});
/** Lower and upper dword of the offset: bytes when OT is 0 (bits 1:0 are 0), otherwise an index. */
export const GET_LOG_PAGE_CDW12 = commandDword('Get Log Page', 12, { LPOL: bits(31, 0) });
export const GET_LOG_PAGE_CDW13 = commandDword('Get Log Page', 13, { LPOU: bits(31, 0) });
export const GET_LOG_PAGE_CDW14 = commandDword('Get Log Page', 14, {
  UIDX: bits(6, 0),
  OT: bit(23),
  CSI: bits(31, 24),
});

/** Bytes that a Get Log Page asks for: 4 to 16 GiB. */
export function logPageBytes(sqe: DataView, base = 0): number {
  const dwords =
    GET_LOG_PAGE_CDW11.NUMDU.read(sqe, base) * 0x1_0000 + GET_LOG_PAGE_CDW10.NUMDL.read(sqe, base);
  return (dwords + 1) * 4;
}

/** Offset that a Get Log Page asks for: exact below 2^53, never below 2^53 when the command's is not. */
export function logPageOffset(sqe: DataView, base = 0): number {
  return GET_LOG_PAGE_CDW13.LPOU.read(sqe, base) * 0x1_0000_0000 + GET_LOG_PAGE_CDW12.LPOL.read(sqe, base);
}

/** Identify; values of CNS in `identify.ts`. NVM Express Base 2.1, 5.1.13. */
export const IDENTIFY_CDW10 = commandDword('Identify', 10, {
  /** See CNS. */
  CNS: bits(7, 0),
  CNTID: bits(31, 16),
});
export const IDENTIFY_CDW11 = commandDword('Identify', 11, {
  /** What CNS says: an NVM set, a domain, an endurance group, an index of formats. */
  CNSSID: bits(15, 0),
  /** See COMMAND_SET. */
  CSI: bits(31, 24),
});

/** Lockdown. NVM Express Base 2.1, 5.1.15. */
export const LOCKDOWN_CDW10 = commandDword('Lockdown', 10, {
  SCP: bits(3, 0),
  PRHBT: bit(4),
  IFC: bits(6, 5),
  OFI: bits(15, 8),
});

/** Namespace Attachment. NVM Express Base 2.1, 5.1.20. */
export const NAMESPACE_ATTACHMENT_CDW10 = commandDword('Namespace Attachment', 10, {
  /** 0: attach, 1: detach. */
  SEL: bits(3, 0),
});
/** Namespace Management; a create answers with the new NSID in dword 0. NVM Express Base 2.1, 5.1.21. */
export const NAMESPACE_MANAGEMENT_CDW10 = commandDword('Namespace Management', 10, {
  /** 0: create, 1: delete. */
  SEL: bits(3, 0),
});
export const NAMESPACE_MANAGEMENT_CDW11 = commandDword('Namespace Management', 11, { CSI: bits(31, 24) });
export const NAMESPACE_ATTACHMENT_SELECT = { ATTACH: 0, DETACH: 1 } as const;
export const NAMESPACE_MANAGEMENT_SELECT = { CREATE: 0, DELETE: 1 } as const;

/** Sanitize. NVM Express Base 2.1, 5.1.22. */
export const SANITIZE_CDW10 = commandDword('Sanitize', 10, {
  /** See SANITIZE_ACTION. */
  SANACT: bits(2, 0),
  AUSE: bit(3),
  /** 0: 16 passes. */
  OWPASS: bits(7, 4),
  OIPBP: bit(8),
  NDAS: bit(9),
  /** Enter the media verification state. */
  EMVS: bit(10),
});
export const SANITIZE_CDW11 = commandDword('Sanitize', 11, { OVRPAT: bits(31, 0) });
export const SANITIZE_ACTION = {
  EXIT_FAILURE_MODE: 1,
  BLOCK_ERASE: 2,
  OVERWRITE: 3,
  CRYPTO_ERASE: 4,
  EXIT_MEDIA_VERIFICATION: 5,
} as const;

/** Security Receive and Security Send. NVM Express Base 2.1, 5.1.23 and 5.1.24. */
export const SECURITY_CDW10 = commandDword('Security', 10, {
  NSSF: bits(7, 0),
  SPSP0: bits(15, 8),
  SPSP1: bits(23, 16),
  SECP: bits(31, 24),
});
export const SECURITY_CDW11 = commandDword('Security', 11, {
  /** AL of Security Receive, TL of Security Send: bytes. */
  LENGTH: bits(31, 0),
});

/** Virtualization Management. NVM Express Base 2.1, 5.2.6. */
export const VIRTUALIZATION_CDW10 = commandDword('Virtualization Management', 10, {
  /** See VIRTUALIZATION_ACTION. */
  ACT: bits(3, 0),
  /** 0: VQ resources, 1: VI resources. */
  RT: bits(10, 8),
  CNTLID: bits(31, 16),
});
export const VIRTUALIZATION_CDW11 = commandDword('Virtualization Management', 11, { NR: bits(15, 0) });
export const VIRTUALIZATION_RESULT = register('Virtualization Management DW0', 0, 32, { NRM: bits(15, 0) });
export const VIRTUALIZATION_ACTION = {
  PRIMARY_FLEXIBLE: 0x1,
  SECONDARY_OFFLINE: 0x7,
  SECONDARY_ASSIGN: 0x8,
  SECONDARY_ONLINE: 0x9,
} as const;

/** Get LBA Status. NVM Command Set 1.1, 4.2.1. SLBA is CDW10 and 11, MNDW is CDW12. */
export const GET_LBA_STATUS_CDW12 = commandDword('Get LBA Status', 12, { MNDW: bits(31, 0) });
export const GET_LBA_STATUS_CDW13 = commandDword('Get LBA Status', 13, {
  RL: bits(15, 0),
  /** 2h: allocated LBAs; 10h: potentially unrecoverable ones after a scan; 11h: those already known. */
  ATYPE: bits(31, 24),
});
