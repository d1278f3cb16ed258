/**
 * Log pages about the controller and its namespaces: what is supported, firmware, changes, telemetry, asymmetric access,
 * reservations.
 *
 * Leaves out predictable latency, persistent events, data placement, discovery. Follows NVM Express Base 2.1, section
 * 5.1.12.1; identifiers are in `log-pages.ts`.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';

/** 256 entries, by LID. */
export const SUPPORTED_LOG_PAGES = entryRun('Supported Log Pages', 0, 256, 4);
/** NVM Express Base 2.1, 5.1.12.1.1. */
export const SUPPORTED_LOG_PAGE = register('LID Supported and Effects', 0, 32, {
  LSUPP: bit(0),
  /** Index offsets are supported. */
  IOS: bit(1),
  LIDSP: bits(31, 16),
});

/** NVM Express Base 2.1, 5.1.12.1.4. */
export const FIRMWARE_AFI = register('AFI', 0, 8, {
  /** Slot of the running image. */
  CAFS: bits(2, 0),
  /** Slot of the next image, 0 for none. */
  NAFS: bits(6, 4),
});
/** ASCII; all zero for an empty slot. Entry 0 is slot 1. */
export const FIRMWARE_FRS = entryRun('FRS', 8, 7, 8);
export const FIRMWARE_SLOT_LOG = structure(
  'Firmware Slot Information',
  'NVM Express Base 2.1, 5.1.12.1.4',
  512,
  [FIRMWARE_AFI, reserved(1, 7), FIRMWARE_FRS, reserved(64, 448)],
);

/** Ascending NSIDs; the first is FFFFFFFFh when there are more than 1024. NVM Express Base 2.1, 5.1.12.1.5. */
export const CHANGED_NAMESPACE_LIST = entryRun('Changed Attached Namespace List', 0, 1024, 4);

/** By admin opcode; see COMMAND_EFFECTS. */
export const EFFECTS_ACS = entryRun('ACS', 0, 256, 4);
/** By I/O opcode. */
export const EFFECTS_IOCS = entryRun('IOCS', 1024, 256, 4);
export const COMMAND_EFFECTS_LOG = structure(
  'Commands Supported and Effects',
  'NVM Express Base 2.1, 5.1.12.1.6',
  4096,
  [EFFECTS_ACS, EFFECTS_IOCS, reserved(2048, 2048)],
);
/** NVM Express Base 2.1, 5.1.12.1.6. */
export const COMMAND_EFFECTS = register('Commands Supported and Effects', 0, 32, {
  CSUPP: bit(0),
  /** Logical Block Content Change. */
  LBCC: bit(1),
  /** Namespace Capability Change. */
  NCC: bit(2),
  /** Namespace Inventory Change. */
  NIC: bit(3),
  /** Controller Capability Change. */
  CCC: bit(4),
  CSER: bits(15, 14),
  /** 0: none, 1: alone in its namespace, 2: alone in the controller. */
  CSE: bits(18, 16),
  USS: bit(19),
  CSP: bits(31, 20),
});

/** By FID. NVM Express Base 2.1, 5.1.12.1.19. */
export const FEATURE_EFFECTS_LOG = entryRun('FID Supported and Effects', 0, 256, 4);
export const FEATURE_EFFECTS = register('FID Supported and Effects', 0, 32, {
  FSUPP: bit(0),
  UDCC: bit(1),
  NCC: bit(2),
  NIC: bit(3),
  CCC: bit(4),
  USS: bit(19),
  FSP: bits(31, 20),
});

/** Data Area n ends at this block of 512 bytes, block 0 being the header. */
export const TELEMETRY_DALB1 = plain('DALB1', 8, 16);
export const TELEMETRY_DALB2 = plain('DALB2', 10, 16);
export const TELEMETRY_DALB3 = plain('DALB3', 12, 16);
export const TELEMETRY_DALB4 = plain('DALB4', 16, 32);
/** Header of both telemetry logs. NVM Express Base 2.1, 5.1.12.1.8 and 5.1.12.1.9. */
export const TELEMETRY_HEADER = structure('Telemetry Header', 'NVM Express Base 2.1, 5.1.12.1.8', 512, [
  plain('LID', 0, 8),
  reserved(1, 4),
  plain('IEEE', 5, 24),
  TELEMETRY_DALB1,
  TELEMETRY_DALB2,
  TELEMETRY_DALB3,
  reserved(14, 2),
  TELEMETRY_DALB4,
  reserved(20, 360),
  // 380 is the scope and 381 the host's generation number; the controller's own log has its scope at 381.
  plain('THS', 380, 8),
  plain('THIDGN', 381, 8),
  plain('TCIDA', 382, 8),
  plain('TCIDGN', 383, 8),
  byteRun('RID', 384, 128),
]);

/** Asymmetric Namespace Access: this header, then NAGD group descriptors. NVM Express Base 2.1, 5.1.12.1.13. */
export const ANA_CHGCNT = plain('CHGCNT', 0, 64);
export const ANA_NAGD = plain('NAGD', 8, 16);
export const ANA_HEADER = structure('ANA Header', 'NVM Express Base 2.1, 5.1.12.1.13', 16, [
  ANA_CHGCNT,
  ANA_NAGD,
  reserved(10, 6),
]);
export const ANA_GROUP_AGID = plain('AGID', 0, 32);
export const ANA_GROUP_NNV = plain('NNV', 4, 32);
export const ANA_GROUP_CHGCNT = plain('CHGCNT', 8, 64);
export const ANA_GROUP_STATE = register('ANA State', 16, 8, {
  /** See ANA_STATE. */
  ANAS: bits(3, 0),
});
/** NNV NSIDs of 4 bytes follow. */
export const ANA_GROUP = structure('ANA Group Descriptor', 'NVM Express Base 2.1, 5.1.12.1.13', 32, [
  ANA_GROUP_AGID,
  ANA_GROUP_NNV,
  ANA_GROUP_CHGCNT,
  ANA_GROUP_STATE,
  reserved(17, 15),
]);
export const ANA_STATE = {
  OPTIMIZED: 0x1,
  NON_OPTIMIZED: 0x2,
  INACCESSIBLE: 0x3,
  PERSISTENT_LOSS: 0x4,
  CHANGE: 0xf,
} as const;

/** NVM Express Base 2.1, 5.1.12.1.32. */
export const RESERVATION_NOTIFICATION_LOG = structure(
  'Reservation Notification',
  'NVM Express Base 2.1, 5.1.12.1.32',
  64,
  [
    plain('LPC', 0, 64),
    // 0: empty, 1: registration preempted, 2: reservation released, 3: reservation preempted.
    plain('RNLPT', 8, 8),
    plain('NALP', 9, 8),
    reserved(10, 2),
    plain('NSID', 12, 32),
    reserved(16, 48),
  ],
);
