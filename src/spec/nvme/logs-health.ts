/**
 * Log pages about errors and wear: Error Information, SMART / Health, Endurance Group, Device Self-test, Sanitize
 * Status.
 *
 * Counters of 128 bits are runs: read them with `unsignedOf`. Follows NVM Express Base 2.1, section 5.1.12.1.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { byteRun, entryRun } from './byte-run.ts';

export const LOG_BYTES = 512;

/** 1 for the first error of the controller's life; 0: no entry. */
export const ERROR_LOG_COUNT = plain('Error Count', 0, 64);
export const ERROR_LOG_SQID = plain('Submission Queue ID', 8, 16);
export const ERROR_LOG_CID = plain('Command ID', 10, 16);
/** The upper half of dword 3 of the completion; see CQE_STATUS. */
export const ERROR_LOG_STATUS = plain('Status Info', 12, 16);
/** FFFFh when no parameter is to blame. */
export const ERROR_LOG_PARAMETER = register('Parameter Error Location', 14, 16, {
  BYTLOC: bits(7, 0),
  BITLOC: bits(10, 8),
});
export const ERROR_LOG_LBA = plain('LBA', 16, 64);
export const ERROR_LOG_NSID = plain('Namespace', 24, 32);
export const ERROR_LOG_VENDOR = plain('Vendor Specific Information Available', 28, 8);
export const ERROR_LOG_TRTYPE = plain('Transport Type', 29, 8);
export const ERROR_LOG_CSI = plain('Command Set Indicator', 30, 8);
export const ERROR_LOG_OPCODE = plain('Opcode', 31, 8);
export const ERROR_LOG_COMMAND_SPECIFIC = plain('Command Specific Information', 32, 64);
export const ERROR_LOG_TRANSPORT = plain('Transport Type Specific Information', 40, 16);
export const ERROR_LOG_VERSION = plain('Log Page Version', 63, 8);

/** The newest error comes first; ELPE + 1 entries. */
export const ERROR_LOG_ENTRY = structure(
  'Error Information Log Entry',
  'NVM Express Base 2.1, 5.1.12.1.2',
  64,
  [
    ERROR_LOG_COUNT,
    ERROR_LOG_SQID,
    ERROR_LOG_CID,
    ERROR_LOG_STATUS,
    ERROR_LOG_PARAMETER,
    ERROR_LOG_LBA,
    ERROR_LOG_NSID,
    ERROR_LOG_VENDOR,
    ERROR_LOG_TRTYPE,
    ERROR_LOG_CSI,
    ERROR_LOG_OPCODE,
    ERROR_LOG_COMMAND_SPECIFIC,
    ERROR_LOG_TRANSPORT,
    reserved(42, 21),
    ERROR_LOG_VERSION,
  ],
);

export const SMART_CRITICAL_WARNING = register('Critical Warning', 0, 8, {
  /** Spare below its threshold. */
  ASCBT: bit(0),
  /** A temperature beyond a threshold. */
  TTC: bit(1),
  /** Reliability degraded. */
  NDR: bit(2),
  /** All media read only. */
  AMRO: bit(3),
  /** Backup of volatile memory failed. */
  VMBF: bit(4),
  /** The PMR is read only or unreliable. */
  PMRRO: bit(5),
});
/** Kelvin; at an odd offset. */
export const SMART_CTEMP = plain('CTEMP', 1, 16);
/** Percent. */
export const SMART_AVSP = plain('AVSP', 3, 8);
/** Percent. */
export const SMART_AVSPT = plain('AVSPT', 4, 8);
/** Percent of the rated life, 255 for more. */
export const SMART_PUSED = plain('PUSED', 5, 8);
export const SMART_EGCWS = plain('EGCWS', 6, 8);
/** Thousands of 512 bytes, rounded up; see `smartDataUnits`. */
export const SMART_DUR = byteRun('DUR', 32, 16);
export const SMART_DUW = byteRun('DUW', 48, 16);
/** Commands. */
export const SMART_HRC = byteRun('HRC', 64, 16);
export const SMART_HWC = byteRun('HWC', 80, 16);
/** Minutes. */
export const SMART_CBT = byteRun('CBT', 96, 16);
export const SMART_PWRC = byteRun('PWRC', 112, 16);
/** Hours. */
export const SMART_POH = byteRun('POH', 128, 16);
export const SMART_UPL = byteRun('UPL', 144, 16);
export const SMART_MDIE = byteRun('MDIE', 160, 16);
export const SMART_NEILE = byteRun('NEILE', 176, 16);
/** Minutes. */
export const SMART_WCTT = plain('WCTT', 192, 32);
/** Minutes. */
export const SMART_CCTT = plain('CCTT', 196, 32);
/** Kelvin, 0 for no sensor. */
export const SMART_TSEN = entryRun('TSEN', 200, 8, 2);
export const SMART_TMT1TC = plain('TMT1TC', 216, 32);
export const SMART_TMT2TC = plain('TMT2TC', 220, 32);
/** Seconds. */
export const SMART_TTTMT1 = plain('TTTMT1', 224, 32);
/** Seconds. */
export const SMART_TTTMT2 = plain('TTTMT2', 228, 32);

export const SMART_LOG = structure(
  'SMART / Health Information',
  'NVM Express Base 2.1, 5.1.12.1.3',
  LOG_BYTES,
  [
    SMART_CRITICAL_WARNING,
    SMART_CTEMP,
    SMART_AVSP,
    SMART_AVSPT,
    SMART_PUSED,
    SMART_EGCWS,
    reserved(7, 25),
    SMART_DUR,
    SMART_DUW,
    SMART_HRC,
    SMART_HWC,
    SMART_CBT,
    SMART_PWRC,
    SMART_POH,
    SMART_UPL,
    SMART_MDIE,
    SMART_NEILE,
    SMART_WCTT,
    SMART_CCTT,
    SMART_TSEN,
    SMART_TMT1TC,
    SMART_TMT2TC,
    SMART_TTTMT1,
    SMART_TTTMT2,
    reserved(232, 280),
  ],
);

/** Data units of SMART_DUR and SMART_DUW for that many bytes. */
export function smartDataUnits(bytes: number): number {
  return Math.ceil(bytes / 512_000);
}

export const ENDURANCE_CRITICAL_WARNING = register('Critical Warning', 0, 8, {
  EGASCBT: bit(0),
  EGR: bit(2),
  EGRO: bit(3),
});
export const ENDURANCE_GROUP_LOG = structure(
  'Endurance Group Information',
  'NVM Express Base 2.1, 5.1.12.1.10',
  LOG_BYTES,
  [
    ENDURANCE_CRITICAL_WARNING,
    register('EGFEAT', 1, 8, { EGRMEDIA: bit(0) }),
    reserved(2, 1),
    plain('AVSP', 3, 8),
    plain('AVSPT', 4, 8),
    plain('PUSED', 5, 8),
    plain('DID', 6, 16),
    reserved(8, 24),
    // The data counters are in thousands of millions of bytes, rounded up.
    byteRun('ENDEST', 32, 16),
    byteRun('DUR', 48, 16),
    byteRun('DUW', 64, 16),
    byteRun('MUW', 80, 16),
    byteRun('HRC', 96, 16),
    byteRun('HWC', 112, 16),
    byteRun('MDIE', 128, 16),
    byteRun('NEILE', 144, 16),
    byteRun('TEGCAP', 160, 16),
    byteRun('UEGCAP', 176, 16),
    reserved(192, 320),
  ],
);

/** Device Self-test: 564 bytes. NVM Express Base 2.1, 5.1.12.1.7. */
export const SELF_TEST_OPERATION = register('Current Device Self-Test Operation', 0, 8, {
  CDSTO: bits(3, 0),
});
export const SELF_TEST_COMPLETION = register('Current Device Self-Test Completion', 1, 8, {
  /** Percent. */
  CDSTC: bits(6, 0),
});
/** The newest comes first. */
export const SELF_TEST_RESULTS = entryRun('Self-test Results', 4, 20, 28);
export const SELF_TEST_LOG = structure('Device Self-test', 'NVM Express Base 2.1, 5.1.12.1.7', 564, [
  SELF_TEST_OPERATION,
  SELF_TEST_COMPLETION,
  reserved(2, 2),
  SELF_TEST_RESULTS,
]);
export const SELF_TEST_STATUS = register('Device Self-test Status', 0, 8, {
  /** 0: passed, Fh: entry not used. */
  DSTR: bits(3, 0),
  DSTC: bits(7, 4),
});
export const SELF_TEST_RESULT = structure('Self-test Result', 'NVM Express Base 2.1, 5.1.12.1.7', 28, [
  SELF_TEST_STATUS,
  plain('SEGN', 1, 8),
  register('VDI', 2, 8, { NSIDV: bit(0), FLBAV: bit(1), SCTV: bit(2), SCV: bit(3) }),
  reserved(3, 1),
  plain('POH', 4, 64),
  plain('NSID', 12, 32),
  plain('FLBA', 16, 64),
  plain('SCT', 24, 8),
  plain('SC', 25, 8),
  plain('VS', 26, 16),
]);

/** Progress in 65,536ths, FFFFh when nothing runs. */
export const SANITIZE_SPROG = plain('SPROG', 0, 16);
export const SANITIZE_SSTAT = register('SSTAT', 2, 16, {
  /** 0: never, 1: done, 2: running, 3: failed, 4: done with unexpected deallocation. */
  SOS: bits(2, 0),
  /** Overwrite passes completed. */
  OPC: bits(7, 3),
  /** Nothing was written since the last sanitize. */
  GDE: bit(8),
  MVCNCLD: bit(9),
});
/** CDW10 of the Sanitize command. */
export const SANITIZE_SCDW10 = plain('SCDW10', 4, 32);
export const SANITIZE_LOG = structure('Sanitize Status', 'NVM Express Base 2.1, 5.1.12.1.33', LOG_BYTES, [
  SANITIZE_SPROG,
  SANITIZE_SSTAT,
  SANITIZE_SCDW10,
  // Estimates in seconds, FFFFFFFFh for none.
  plain('ETO', 8, 32),
  plain('ETBE', 12, 32),
  plain('ETCE', 16, 32),
  plain('ETOND', 20, 32),
  plain('ETBEND', 24, 32),
  plain('ETCEND', 28, 32),
  plain('ETPVDS', 32, 32),
  register('SSI', 36, 8, { SANS: bits(3, 0), FAILS: bits(7, 4) }),
  reserved(37, 475),
]);
