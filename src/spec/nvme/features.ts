/**
 * Features: identifiers, the dwords of Set Features that carry their values, and their data structures.
 *
 * The registers stand where Set Features has them in the submission queue entry (CDW11 and up). Get Features answers with the
 * same layout in dword 0 of the completion: use `Field.of` there. Leaves out fabrics, data placement, predictable
 * latency and migration beyond their identifiers. Follows NVM Express Base 2.1, section 5.1.25, and NVM Command Set 1.1,
 * section 4.1.3.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';
import { commandDword } from './command.ts';

/** NVM Express Base 2.1, 5.1.25.1. */
export const FEATURE = {
  ARBITRATION: 0x01,
  POWER_MANAGEMENT: 0x02,
  LBA_RANGE_TYPE: 0x03,
  TEMPERATURE_THRESHOLD: 0x04,
  ERROR_RECOVERY: 0x05,
  VOLATILE_WRITE_CACHE: 0x06,
  NUMBER_OF_QUEUES: 0x07,
  INTERRUPT_COALESCING: 0x08,
  INTERRUPT_VECTOR_CONFIGURATION: 0x09,
  WRITE_ATOMICITY_NORMAL: 0x0a,
  ASYNC_EVENT_CONFIGURATION: 0x0b,
  AUTONOMOUS_POWER_STATE_TRANSITION: 0x0c,
  HOST_MEMORY_BUFFER: 0x0d,
  TIMESTAMP: 0x0e,
  KEEP_ALIVE_TIMER: 0x0f,
  HOST_CONTROLLED_THERMAL_MANAGEMENT: 0x10,
  NON_OPERATIONAL_POWER_STATE: 0x11,
  READ_RECOVERY_LEVEL: 0x12,
  PREDICTABLE_LATENCY_CONFIG: 0x13,
  PREDICTABLE_LATENCY_WINDOW: 0x14,
  LBA_STATUS_INTERVAL: 0x15,
  HOST_BEHAVIOR_SUPPORT: 0x16,
  SANITIZE_CONFIG: 0x17,
  ENDURANCE_GROUP_EVENT_CONFIGURATION: 0x18,
  COMMAND_SET_PROFILE: 0x19,
  SPINUP_CONTROL: 0x1a,
  POWER_LOSS_SIGNALING: 0x1b,
  PERFORMANCE_CHARACTERISTICS: 0x1c,
  FLEXIBLE_DATA_PLACEMENT: 0x1d,
  FLEXIBLE_DATA_PLACEMENT_EVENTS: 0x1e,
  NAMESPACE_ADMIN_LABEL: 0x1f,
  KEY_VALUE_CONFIGURATION: 0x20,
  CONTROLLER_DATA_QUEUE: 0x21,
  EMBEDDED_MANAGEMENT_ADDRESS: 0x78,
  HOST_MANAGEMENT_AGENT_ADDRESS: 0x79,
  ENHANCED_CONTROLLER_METADATA: 0x7d,
  CONTROLLER_METADATA: 0x7e,
  NAMESPACE_METADATA: 0x7f,
  SOFTWARE_PROGRESS_MARKER: 0x80,
  HOST_IDENTIFIER: 0x81,
  RESERVATION_NOTIFICATION_MASK: 0x82,
  RESERVATION_PERSISTENCE: 0x83,
  NAMESPACE_WRITE_PROTECTION: 0x84,
  BOOT_PARTITION_WRITE_PROTECTION: 0x85,
} as const;

/** From here on a feature is the vendor's. */
export const FEATURE_VENDOR = 0xc0;

/** SEL of Get Features. NVM Express Base 2.1, 5.1.11. */
export const FEATURE_SELECT = { CURRENT: 0, DEFAULT: 1, SAVED: 2, SUPPORTED_CAPABILITIES: 3 } as const;

/** What Get Features answers to SUPPORTED_CAPABILITIES. NVM Express Base 2.1, 5.1.11. */
export const FEATURE_CAPABILITIES = register('Feature Capabilities DW0', 0, 32, {
  /** Saveable. */
  SAVE: bit(0),
  /** Has a value for each namespace. */
  NSSPEC: bit(1),
  /** Changeable. */
  CHANG: bit(2),
});

/** NVM Express Base 2.1, 5.1.25.1.1. */
export const ARBITRATION_FEATURE = commandDword('Arbitration', 11, {
  /** Commands at a time as a power of two; 7 is no limit. */
  AB: bits(2, 0),
  /** Weights, 0's based. */
  LPW: bits(15, 8),
  MPW: bits(23, 16),
  HPW: bits(31, 24),
});
/** NVM Express Base 2.1, 5.1.25.1.2. */
export const POWER_MANAGEMENT_FEATURE = commandDword('Power Management', 11, {
  PS: bits(4, 0),
  WH: bits(7, 5),
});
/** NVM Command Set 1.1, 4.1.3.1. Data: LBA_RANGE_TYPE_ENTRY, up to 64. */
export const LBA_RANGE_TYPE_FEATURE = commandDword('LBA Range Type', 11, {
  /** 0's based. */
  NUM: bits(5, 0),
});
/** NVM Express Base 2.1, 5.1.25.1.3. */
export const TEMPERATURE_THRESHOLD_FEATURE = commandDword('Temperature Threshold', 11, {
  /** Kelvin. */
  TMPTH: bits(15, 0),
  /** 0: composite, 1 to 8: a sensor, Fh: all (set only). */
  TMPSEL: bits(19, 16),
  /** 0: over, 1: under. */
  THSEL: bits(21, 20),
  /** Hysteresis, Kelvin. */
  TMPTHH: bits(24, 22),
});
/** NVM Command Set 1.1, 4.1.3.2. */
export const ERROR_RECOVERY_FEATURE = commandDword('Error Recovery', 11, {
  /** Units of 100 ms, 0 for no limit. */
  TLER: bits(15, 0),
  /** Reading deallocated or unwritten blocks is an error. */
  DULBE: bit(16),
});
/** NVM Express Base 2.1, 5.1.25.1.4. */
export const VOLATILE_WRITE_CACHE_FEATURE = commandDword('Volatile Write Cache', 11, { WCE: bit(0) });
/** NVM Express Base 2.1, 5.1.25.2.1. */
export const NUMBER_OF_QUEUES_FEATURE = commandDword('Number of Queues', 11, {
  /** Submission queues without the admin queue, 0's based; FFFFh is an error. NSQA in the answer. */
  NSQR: bits(15, 0),
  /** Completion queues likewise. NCQA in the answer. */
  NCQR: bits(31, 16),
});
/** NVM Express Base 2.1, 5.1.25.2.2. */
export const INTERRUPT_COALESCING_FEATURE = commandDword('Interrupt Coalescing', 11, {
  /** Completions, 0's based. */
  THR: bits(7, 0),
  /** Units of 100 us; 0 is no delay. */
  TIME: bits(15, 8),
});
/** NVM Express Base 2.1, 5.1.25.2.3. */
export const INTERRUPT_VECTOR_FEATURE = commandDword('Interrupt Vector Configuration', 11, {
  IV: bits(15, 0),
  /** Coalescing Disable. */
  CD: bit(16),
});
/** NVM Command Set 1.1, 4.1.3.3. */
export const WRITE_ATOMICITY_FEATURE = commandDword('Write Atomicity Normal', 11, {
  /** AWUN and NAWUN need not be honoured. */
  DN: bit(0),
});
/** What the controller may report; see `events.ts`. NVM Express Base 2.1, 5.1.25.1.5. */
export const ASYNC_EVENT_CONFIG = commandDword('Asynchronous Event Configuration', 11, {
  /** Bits as in SMART_CRITICAL_WARNING. */
  SHCW: bits(7, 0),
  NAN: bit(8),
  FAN: bit(9),
  TLN: bit(10),
  ANACN: bit(11),
  PLEAN: bit(12),
  LSIN: bit(13),
  EGEAN: bit(14),
  NNSSHDN: bit(15),
  TTHRY: bit(16),
  RGRP0: bit(17),
  ANSAN: bit(19),
  ZDCN: bit(27),
  DLPCN: bit(31),
});
/** NVM Express Base 2.1, 5.1.25.1.6. Data: 32 times APST_ENTRY. */
export const APST_FEATURE = commandDword('Autonomous Power State Transition', 11, { APSTE: bit(0) });
export const APST_ENTRIES = entryRun('APST Entries', 0, 32, 8);
export const APST_ENTRY = register('APST Entry', 0, 64, {
  ITPS: bits(7, 3),
  /** Milliseconds; 0 for no transition. */
  ITPT: bits(31, 8),
});
/** NVM Express Base 2.1, 5.1.25.2.4. */
export const HMB_FEATURE = commandDword('Host Memory Buffer', 11, {
  EHM: bit(0),
  /** The host gives back the memory with the contents it had. */
  MR: bit(1),
  HMNARE: bit(2),
});
/** Units of memory pages (CC.MPS). */
export const HMB_CDW12 = commandDword('Host Memory Buffer', 12, { HSIZE: bits(31, 0) });
/** Address of the descriptor list, 16-byte aligned. */
export const HMB_CDW13 = commandDword('Host Memory Buffer', 13, { HMDLLA: bits(31, 4) });
export const HMB_CDW14 = commandDword('Host Memory Buffer', 14, { HMDLUA: bits(31, 0) });
export const HMB_CDW15 = commandDword('Host Memory Buffer', 15, { HMDLEC: bits(31, 0) });
export const HMB_BADD = plain('BADD', 0, 64);
/** Units of memory pages (CC.MPS). */
export const HMB_BSIZE = plain('BSIZE', 8, 32);
export const HMB_DESCRIPTOR = structure(
  'Host Memory Buffer Descriptor Entry',
  'NVM Express Base 2.1, 5.1.25.2.4',
  16,
  [HMB_BADD, HMB_BSIZE, reserved(12, 4)],
);
/** What Get Features writes into its buffer. NVM Express Base 2.1, 5.1.25.2.4. */
export const HMB_ATTRIBUTES = structure(
  'Host Memory Buffer Attributes',
  'NVM Express Base 2.1, 5.1.25.2.4',
  4096,
  [
    plain('HSIZE', 0, 32),
    plain('HMDLAL', 4, 32),
    plain('HMDLAU', 8, 32),
    plain('HMDLEC', 12, 32),
    reserved(16, 4080),
  ],
);
/** Milliseconds since 1970. NVM Express Base 2.1, 5.1.25.1.7. */
export const TIMESTAMP_VALUE = byteRun('Timestamp', 0, 6);
export const TIMESTAMP_ATTRIBUTES = register('Timestamp Attributes', 6, 8, {
  /** The clock may have stood still. */
  SYNCH: bit(0),
  /** 0: since a reset, 1: since a Set Features. */
  TSO: bits(3, 1),
});
export const TIMESTAMP = structure('Timestamp', 'NVM Express Base 2.1, 5.1.25.1.7', 8, [
  TIMESTAMP_VALUE,
  TIMESTAMP_ATTRIBUTES,
  reserved(7, 1),
]);
/** NVM Express Base 2.1, 5.1.25.1.8. */
export const KEEP_ALIVE_FEATURE = commandDword('Keep Alive Timer', 11, {
  /** Milliseconds, 0 for none. */
  KATO: bits(31, 0),
});
/** NVM Express Base 2.1, 5.1.25.1.9. */
export const HCTM_FEATURE = commandDword('Host Controlled Thermal Management', 11, {
  /** Kelvin, 0 for off; TMT1 is below TMT2. */
  TMT2: bits(15, 0),
  TMT1: bits(31, 16),
});
/** NVM Express Base 2.1, 5.1.25.1.10. */
export const NON_OPERATIONAL_POWER_FEATURE = commandDword('Non-Operational Power State Config', 11, {
  NOPPME: bit(0),
});
/** NVM Express Base 2.1, 5.1.25.1.11. */
export const READ_RECOVERY_CDW11 = commandDword('Read Recovery Level Config', 11, { NVMSETID: bits(15, 0) });
export const READ_RECOVERY_CDW12 = commandDword('Read Recovery Level Config', 12, { RRL: bits(3, 0) });
/** NVM Command Set 1.1, 4.1.3.4. */
export const LBA_STATUS_INTERVAL_FEATURE = commandDword('LBA Status Information Report Interval', 11, {
  /** Units of 100 ms. */
  LSIRI: bits(15, 0),
  /** Units of 100 ms. */
  LSIPI: bits(31, 16),
});

/** Host Behavior Support: data of 512 bytes. NVM Express Base 2.1, 5.1.25.1.14. */
export const HBS_ACRE = register('ACRE', 0, 8, {
  /** The host honours CRD and takes Command Interrupted. */
  ACRE: bit(0),
});
export const HBS_ETDAS = register('ETDAS', 1, 8, { ETDAS: bit(0) });
export const HBS_LBAFEE = register('LBAFEE', 2, 8, {
  /** The host knows formats with extended protection information. */
  LBAFEE: bit(0),
});
export const HBS_HDISNS = register('HDISNS', 3, 8, { HDISNS: bit(0) });
/** Copy descriptor formats that the controller may take. */
export const HBS_CDFE = register('CDFE', 4, 16, { CDF2E: bit(2), CDF3E: bit(3), CDF4E: bit(4) });
export const HOST_BEHAVIOR_SUPPORT = structure(
  'Host Behavior Support',
  'NVM Express Base 2.1, 5.1.25.1.14',
  512,
  [HBS_ACRE, HBS_ETDAS, HBS_LBAFEE, HBS_HDISNS, HBS_CDFE, reserved(6, 506)],
);

/** NVM Express Base 2.1, 5.1.25.1.15. */
export const SANITIZE_CONFIG_FEATURE = commandDword('Sanitize Config', 11, { NODRM: bit(0) });
/** NVM Express Base 2.1, 5.1.25.1.16. */
export const ENDURANCE_GROUP_EVENT_FEATURE = commandDword('Endurance Group Event Configuration', 11, {
  ENDGID: bits(15, 0),
  EGCW: bits(23, 16),
});
/** NVM Express Base 2.1, 5.1.25.1.17. */
export const COMMAND_SET_PROFILE_FEATURE = commandDword('I/O Command Set Profile', 11, {
  /** Index into the vectors of Identify. */
  IOCSCI: bits(8, 0),
});
/** NVM Express Base 2.1, 5.1.25.1.18. */
export const SPINUP_CONTROL_FEATURE = commandDword('Spinup Control', 11, { SUCE: bit(0) });
/** NVM Express Base 2.1, 5.1.25.1. */
export const SOFTWARE_PROGRESS_FEATURE = commandDword('Software Progress Marker', 11, { PBSLC: bits(7, 0) });
/** Data: 8 bytes, or 16 with EXHID. NVM Express Base 2.1, 5.1.25.1. */
export const HOST_IDENTIFIER_FEATURE = commandDword('Host Identifier', 11, { EXHID: bit(0) });
/** NVM Express Base 2.1, 5.1.25.1. */
export const RESERVATION_MASK_FEATURE = commandDword('Reservation Notification Mask', 11, {
  REGPRE: bit(1),
  RESREL: bit(2),
  RESPRE: bit(3),
});
export const RESERVATION_PERSISTENCE_FEATURE = commandDword('Reservation Persistence', 11, { PTPL: bit(0) });
/** NVM Express Base 2.1, 5.1.25.1. */
export const WRITE_PROTECTION_FEATURE = commandDword('Namespace Write Protection Config', 11, {
  /** See WRITE_PROTECTION_STATE. */
  WPS: bits(2, 0),
});
export const WRITE_PROTECTION_STATE = { NONE: 0, PROTECT: 1, UNTIL_POWER_CYCLE: 2, PERMANENT: 3 } as const;

/** Entry of LBA Range Type. NVM Command Set 1.1, 4.1.3.1. */
export const LBA_RANGE_TYPE_ENTRY = structure('LBA Range Type Entry', 'NVM Command Set 1.1, 4.1.3.1', 64, [
  plain('TYPE', 0, 8),
  register('ATTRB', 1, 8, {
    /** May be overwritten. */
    OWA: bit(0),
    HIDDEN: bit(1),
  }),
  reserved(2, 14),
  plain('SLBA', 16, 64),
  /** 0's based, blocks. */
  plain('NLB', 24, 64),
  byteRun('GUID', 32, 16),
  reserved(48, 16),
]);
