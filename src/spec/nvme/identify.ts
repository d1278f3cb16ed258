/**
 * Identify: what can be asked for, and the lists among the answers.
 *
 * Leaves out the large structures (`identify-controller.ts`, `identify-namespace.ts`), NVM sets, domains and endurance
 * groups beyond their CNS. Follows NVM Express Base 2.1, section 5.1.13.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';
import { IDENTIFY_BYTES } from './identify-controller.ts';

/** Controller or Namespace Structure. NVM Express Base 2.1, 5.1.13.1. */
export const CNS = {
  NAMESPACE: 0x00,
  CONTROLLER: 0x01,
  ACTIVE_NAMESPACE_LIST: 0x02,
  NAMESPACE_DESCRIPTORS: 0x03,
  NVM_SET_LIST: 0x04,
  /** By CSI. */
  COMMAND_SET_NAMESPACE: 0x05,
  /** By CSI. */
  COMMAND_SET_CONTROLLER: 0x06,
  /** By CSI. */
  COMMAND_SET_ACTIVE_NAMESPACE_LIST: 0x07,
  INDEPENDENT_NAMESPACE: 0x08,
  /** Capabilities of the format in CNSSID. */
  FORMAT_NAMESPACE: 0x09,
  COMMAND_SET_FORMAT_NAMESPACE: 0x0a,
  ALLOCATED_NAMESPACE_LIST: 0x10,
  ALLOCATED_NAMESPACE: 0x11,
  /** Controllers that the namespace is attached to. */
  NAMESPACE_CONTROLLER_LIST: 0x12,
  CONTROLLER_LIST: 0x13,
  PRIMARY_CONTROLLER_CAPABILITIES: 0x14,
  SECONDARY_CONTROLLER_LIST: 0x15,
  NAMESPACE_GRANULARITY_LIST: 0x16,
  UUID_LIST: 0x17,
  DOMAIN_LIST: 0x18,
  ENDURANCE_GROUP_LIST: 0x19,
  COMMAND_SET_ALLOCATED_NAMESPACE_LIST: 0x1a,
  COMMAND_SET_ALLOCATED_NAMESPACE: 0x1b,
  COMMAND_SETS: 0x1c,
  UNDERLYING_NAMESPACE_LIST: 0x1d,
  PORTS_LIST: 0x1e,
  INDEPENDENT_ALLOCATED_NAMESPACE: 0x1f,
  CONTROLLER_STATE_FORMATS: 0x20,
} as const;

/** Command Set Identifier (CSI). NVM Express Base 2.1, 5.1.13.1. */
export const COMMAND_SET = { NVM: 0x00, KEY_VALUE: 0x01, ZONED: 0x02, SUBSYSTEM_LOCAL_MEMORY: 0x03 } as const;

/** Ascending NSIDs of 4 bytes above the NSID of the command; unused entries are 0. NVM Express Base 2.1, 5.1.13.2.2. */
export const NAMESPACE_LIST = entryRun('Namespace List', 0, 1024, 4);

/** Controller List: a count, then ascending CNTLIDs of 2 bytes. NVM Express Base 2.1, 4.6.1. */
export const CONTROLLER_LIST_NUMID = plain('NUMID', 0, 16);
export const CONTROLLER_LIST_IDS = entryRun('Controller Identifiers', 2, 2047, 2);
export const CONTROLLER_LIST = structure('Controller List', 'NVM Express Base 2.1, 4.6.1', IDENTIFY_BYTES, [
  CONTROLLER_LIST_NUMID,
  CONTROLLER_LIST_IDS,
]);

/**
 * Head of a Namespace Identification Descriptor; NIDL bytes of identifier follow, then the next head. A NIDT of 0 ends the
 * list. NVM Express Base 2.1, 5.1.13.2.3.
 */
export const NID_NIDT = plain('NIDT', 0, 8);
export const NID_NIDL = plain('NIDL', 1, 8);
export const NAMESPACE_DESCRIPTOR = structure(
  'Namespace Identification Descriptor',
  'NVM Express Base 2.1, 5.1.13.2.3',
  4,
  [NID_NIDT, NID_NIDL, reserved(2, 2)],
);
export const NAMESPACE_ID_TYPE = { EUI64: 1, NGUID: 2, UUID: 3, CSI: 4 } as const;
/** NIDL by NIDT. */
export const NAMESPACE_ID_BYTES: readonly (number | undefined)[] = [undefined, 8, 16, 16, 1];

/** Primary Controller Capabilities: VQ are queue, VI interrupt resources. NVM Express Base 2.1, 5.1.13.3.1. */
export const PCC_CNTLID = plain('CNTLID', 0, 16);
export const PCC_PORTID = plain('PORTID', 2, 16);
export const PCC_CRT = register('CRT', 4, 8, { VQRT: bit(0), VIRT: bit(1) });
export const PCC_VQFRT = plain('VQFRT', 32, 32);
export const PCC_VQRFA = plain('VQRFA', 36, 32);
export const PCC_VQRFAP = plain('VQRFAP', 40, 16);
export const PCC_VQPRT = plain('VQPRT', 42, 16);
export const PCC_VQFRSM = plain('VQFRSM', 44, 16);
export const PCC_VQGRAN = plain('VQGRAN', 46, 16);
export const PCC_VIFRT = plain('VIFRT', 64, 32);
export const PCC_VIRFA = plain('VIRFA', 68, 32);
export const PCC_VIRFAP = plain('VIRFAP', 72, 16);
export const PCC_VIPRT = plain('VIPRT', 74, 16);
export const PCC_VIFRSM = plain('VIFRSM', 76, 16);
export const PCC_VIGRAN = plain('VIGRAN', 78, 16);
export const PRIMARY_CONTROLLER_CAPABILITIES = structure(
  'Primary Controller Capabilities',
  'NVM Express Base 2.1, 5.1.13.3.1',
  IDENTIFY_BYTES,
  [
    PCC_CNTLID,
    PCC_PORTID,
    PCC_CRT,
    reserved(5, 27),
    PCC_VQFRT,
    PCC_VQRFA,
    PCC_VQRFAP,
    PCC_VQPRT,
    PCC_VQFRSM,
    PCC_VQGRAN,
    reserved(48, 16),
    PCC_VIFRT,
    PCC_VIRFA,
    PCC_VIRFAP,
    PCC_VIPRT,
    PCC_VIFRSM,
    PCC_VIGRAN,
    reserved(80, IDENTIFY_BYTES - 80),
  ],
);

/** Secondary Controller List. NVM Express Base 2.1, 5.1.13.3.2. */
export const SECONDARY_LIST_NUMID = plain('NUMID', 0, 8);
export const SECONDARY_LIST_ENTRIES = entryRun('Secondary Controller Entries', 32, 127, 32);
export const SECONDARY_CONTROLLER_LIST = structure(
  'Secondary Controller List',
  'NVM Express Base 2.1, 5.1.13.3.2',
  IDENTIFY_BYTES,
  [SECONDARY_LIST_NUMID, reserved(1, 31), SECONDARY_LIST_ENTRIES],
);
export const SECONDARY_SCID = plain('SCID', 0, 16);
export const SECONDARY_PCID = plain('PCID', 2, 16);
export const SECONDARY_SCS = register('SCS', 4, 8, {
  /** 1: online. */
  SCS: bit(0),
});
/** SR-IOV virtual function, 0 for none. */
export const SECONDARY_VFN = plain('VFN', 8, 16);
export const SECONDARY_NVQ = plain('NVQ', 10, 16);
export const SECONDARY_NVI = plain('NVI', 12, 16);
export const SECONDARY_CONTROLLER_ENTRY = structure(
  'Secondary Controller Entry',
  'NVM Express Base 2.1, 5.1.13.3.2',
  32,
  [
    SECONDARY_SCID,
    SECONDARY_PCID,
    SECONDARY_SCS,
    reserved(5, 3),
    SECONDARY_VFN,
    SECONDARY_NVQ,
    SECONDARY_NVI,
    reserved(14, 18),
  ],
);

/** UUID List: entry 0 is reserved, UUID Index n is entry n. NVM Express Base 2.1, 5.1.13.2. */
export const UUID_LIST = entryRun('UUID List', 0, 128, 32);
export const UUID_ENTRY_HEADER = register('UUID Lists Entry Header', 0, 8, {
  /** 0: none, 1: vendor, 2: subsystem vendor. */
  IDAS: bits(1, 0),
});
export const UUID_ENTRY_UUID = byteRun('UUID', 16, 16);
export const UUID_ENTRY = structure('UUID List Entry', 'NVM Express Base 2.1, 5.1.13.2', 32, [
  UUID_ENTRY_HEADER,
  reserved(1, 15),
  UUID_ENTRY_UUID,
]);

/**
 * Identify I/O Command Set: 512 combinations of 8 bytes, bit n of one standing for CSI n; the feature I/O Command Set
 * Profile chooses among them. NVM Express Base 2.1, 5.1.13.2.
 */
export const COMMAND_SET_VECTORS = entryRun('I/O Command Set Vectors', 0, 512, 8);
export const COMMAND_SET_VECTOR = register('I/O Command Set Vector', 0, 64, {
  NVM: bit(0),
  KV: bit(1),
  ZNS: bit(2),
  SLM: bit(3),
  CP: bit(4),
});

/** Namespace Granularity List. NVM Command Set 1.1, 4.1.5.6. */
export const NAMESPACE_GRANULARITY_HEADER = register('Namespace Granularity Attributes', 0, 32, {
  /** 1: descriptor n is for LBA format n; 0: descriptor 0 is for all. */
  GDM: bit(0),
});
/** 0's based. */
export const NAMESPACE_GRANULARITY_COUNT = plain('NDG', 4, 8);
/** Entries of two 64-bit numbers: NSG and NCG, bytes. */
export const NAMESPACE_GRANULARITY_ENTRIES = entryRun('Namespace Granularity Descriptors', 32, 64, 16);
