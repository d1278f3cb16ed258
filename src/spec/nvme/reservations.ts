/**
 * Persistent reservations: the dwords and data of the four commands, the types, the report, and the notification log.
 *
 * Leaves out behaviour. Follows NVM Express Base 2.1, sections 7.4 (Reservation Register) to 7.7 and 5.1.12.1.32.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun } from './byte-run.ts';
import { commandDword } from './command.ts';

/** RTYPE; 0 is none. NVM Express Base 2.1, 7.4. */
export const RESERVATION_TYPE = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 2,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 3,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 4,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 5,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 6,
} as const;

/** Reservation Register. NVM Express Base 2.1, 7.6. */
export const REGISTER_CDW10 = commandDword('Reservation Register', 10, {
  /** See REGISTER_ACTION. */
  RREGA: bits(2, 0),
  /** Ignore Existing Key. */
  IEKEY: bit(3),
  /** See PERSISTENCE_CHANGE. */
  CPTPL: bits(31, 30),
});
export const REGISTER_ACTION = { REGISTER: 0, UNREGISTER: 1, REPLACE: 2 } as const;
export const PERSISTENCE_CHANGE = { NONE: 0, CLEAR: 2, SET: 3 } as const;

/** Reservation Acquire. NVM Express Base 2.1, 7.5. */
export const ACQUIRE_CDW10 = commandDword('Reservation Acquire', 10, {
  /** See ACQUIRE_ACTION. */
  RACQA: bits(2, 0),
  IEKEY: bit(3),
  RTYPE: bits(15, 8),
});
export const ACQUIRE_ACTION = { ACQUIRE: 0, PREEMPT: 1, PREEMPT_AND_ABORT: 2 } as const;

/** Reservation Release. NVM Express Base 2.1, 7.7. */
export const RELEASE_CDW10 = commandDword('Reservation Release', 10, {
  /** See RELEASE_ACTION. */
  RRELA: bits(2, 0),
  IEKEY: bit(3),
  RTYPE: bits(15, 8),
});
export const RELEASE_ACTION = { RELEASE: 0, CLEAR: 1 } as const;

/** Reservation Report: CDW10 is the number of dwords, 0's based. NVM Express Base 2.1, 7.8. */
export const REPORT_CDW11 = commandDword('Reservation Report', 11, {
  /** Extended Data Structure: host identifiers of 16 bytes. */
  EDS: bit(0),
});

/** Data of Register and Acquire: two keys. Data of Release: the first. */
export const RESERVATION_CRKEY = byteRun('CRKEY', 0, 8);
/** NRKEY of Register, PRKEY of Acquire. */
export const RESERVATION_OTHER_KEY = byteRun('NRKEY or PRKEY', 8, 8);
export const RESERVATION_KEYS_BYTES = 16;
export const RESERVATION_RELEASE_BYTES = 8;

/** Reservation Status with extended host identifiers; registrants of 64 bytes follow. NVM Express Base 2.1, 7.8. */
export const REPORT_GEN = plain('GEN', 0, 32);
export const REPORT_RTYPE = plain('RTYPE', 4, 8);
export const REPORT_REGSTRNT = plain('REGSTRNT', 5, 16);
export const REPORT_PTPLS = plain('PTPLS', 9, 8);
export const REPORT_HEADER_BYTES = 64;
export const RESERVATION_STATUS = structure(
  'Reservation Status Extended',
  'NVM Express Base 2.1, 7.8',
  REPORT_HEADER_BYTES,
  [REPORT_GEN, REPORT_RTYPE, REPORT_REGSTRNT, reserved(7, 2), REPORT_PTPLS, reserved(10, 54)],
);
export const REGISTRANT_BYTES = 64;
/** FFFFh: a controller of the dynamic model. */
export const REGISTRANT_CNTLID = plain('CNTLID', 0, 16);
export const REGISTRANT_RCSTS = register('RCSTS', 2, 8, {
  /** It holds the reservation. */
  HOLDER: bit(0),
});
export const REGISTRANT_RKEY = byteRun('RKEY', 8, 8);
export const REGISTRANT_HOSTID = byteRun('HOSTID', 16, 16);
export const REGISTRANT = structure('Registrant Extended', 'NVM Express Base 2.1, 7.8', REGISTRANT_BYTES, [
  REGISTRANT_CNTLID,
  REGISTRANT_RCSTS,
  reserved(3, 5),
  REGISTRANT_RKEY,
  REGISTRANT_HOSTID,
  reserved(32, 32),
]);

/** RNLPT of RESERVATION_NOTIFICATION_LOG. NVM Express Base 2.1, 5.1.12.1.32. */
export const RESERVATION_NOTIFICATION = {
  EMPTY: 0,
  REGISTRATION_PREEMPTED: 1,
  RESERVATION_RELEASED: 2,
  RESERVATION_PREEMPTED: 3,
} as const;
