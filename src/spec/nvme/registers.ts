/**
 * The controller properties of a memory-based (PCIe) controller, and where its doorbells are.
 *
 * Leaves out behaviour, reset values, and the properties of message-based (fabrics) controllers. The two regions of
 * controller memory have a file of their own. Follows NVM Express Base 2.1, section 3.1.4, and the NVMe over PCIe
 * Transport 1.1, section 3.1.2 (doorbells). Offsets count from BAR 0.
 *
 * Access types: properties that the specification calls RW1S (a written 1 sets, a 0 does nothing) have no word in
 * `Access` and stand here as plain registers.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import {
  CMBEBS,
  CMBLOC,
  CMBMSC,
  CMBSTS,
  CMBSWTP,
  CMBSZ,
  PMRCAP,
  PMRCTL,
  PMREBS,
  PMRMSCL,
  PMRMSCU,
  PMRSTS,
  PMRSWTP,
} from './controller-memory.ts';

/** Controller Capabilities. NVM Express Base 2.1, 3.1.4.1. */
export const CAP = register('CAP', 0x00, 64, {
  /** 0's based; see `queueEntriesMax`. */
  MQES: bits(15, 0, 'RO'),
  CQR: bit(16, 'RO'),
  /** Bit 0: weighted round robin with urgent class; bit 1: vendor's own. */
  AMS: bits(18, 17, 'RO'),
  /** Unit 500 ms. */
  TO: bits(31, 24, 'RO'),
  /** Doorbells are 4 << DSTRD bytes apart. */
  DSTRD: bits(35, 32, 'RO'),
  NSSRS: bit(36, 'RO'),
  /** Bit 0: NVM; bit 6: others, chosen by Identify; bit 7: no I/O command set. */
  CSS: bits(44, 37, 'RO'),
  BPS: bit(45, 'RO'),
  CPS: bits(47, 46, 'RO'),
  /** Page of 4096 << MPSMIN bytes. */
  MPSMIN: bits(51, 48, 'RO'),
  MPSMAX: bits(55, 52, 'RO'),
  PMRS: bit(56, 'RO'),
  /** A CMB whose properties wait for CMBMSC.CRE. Before revision 1.4 a CMB shows itself in CMBSZ alone. */
  CMBS: bit(57, 'RO'),
  NSSS: bit(58, 'RO'),
  /** Bit 0: with media; bit 1: independent of media. */
  CRMS: bits(60, 59, 'RO'),
  NSSES: bit(61, 'RO'),
});

/** Version: 1.4 is 1.4.0. NVM Express Base 2.1, 3.1.4.2. */
export const VS = register('VS', 0x08, 32, {
  TER: bits(7, 0, 'RO'),
  MNR: bits(15, 8, 'RO'),
  MJR: bits(31, 16, 'RO'),
});

/** Interrupt Mask Set: RW1S, one bit a vector, not for MSI-X. Reads the mask. NVM Express Base 2.1, 3.1.4.3. */
export const INTMS = plain('INTMS', 0x0c, 32);

/** Interrupt Mask Clear; reads the mask. NVM Express Base 2.1, 3.1.4.4. */
export const INTMC = register('INTMC', 0x10, 32, {
  IVMC: bits(31, 0, 'RW1C'),
});

/** Controller Configuration. NVM Express Base 2.1, 3.1.4.5. */
export const CC = register('CC', 0x14, 32, {
  EN: bit(0, 'RW'),
  /** See COMMAND_SET_SELECTED. */
  CSS: bits(6, 4, 'RW'),
  /** Page of 4096 << MPS bytes. */
  MPS: bits(10, 7, 'RW'),
  /** See ARBITRATION. */
  AMS: bits(13, 11, 'RW'),
  /** See SHUTDOWN_NOTIFICATION. */
  SHN: bits(15, 14, 'RW'),
  /** Entry of 1 << IOSQES bytes: 6 for the NVM command set. */
  IOSQES: bits(19, 16, 'RW'),
  /** Entry of 1 << IOCQES bytes: 4 for the NVM command set. */
  IOCQES: bits(23, 20, 'RW'),
  CRIME: bit(24, 'RW'),
});

/** Controller Status. NVM Express Base 2.1, 3.1.4.6. */
export const CSTS = register('CSTS', 0x1c, 32, {
  RDY: bit(0, 'RO'),
  CFS: bit(1, 'RO'),
  /** See SHUTDOWN_STATUS. */
  SHST: bits(3, 2, 'RO'),
  NSSRO: bit(4, 'RW1C'),
  PP: bit(5, 'RO'),
  /** 1: SHST is about a shutdown of the NVM subsystem. */
  ST: bit(6, 'RO'),
});

/** NVM Subsystem Reset; reads 0. NVM Express Base 2.1, 3.1.4.7. */
export const NSSR = register('NSSR', 0x20, 32, {
  /** NSSR_RESET resets, other values do nothing. */
  NSSRC: bits(31, 0, 'RW'),
});

/** Admin Queue Attributes. NVM Express Base 2.1, 3.1.4.8. */
export const AQA = register('AQA', 0x24, 32, {
  /** 0's based; see `adminQueueEntries`. */
  ASQS: bits(11, 0, 'RW'),
  /** 0's based. */
  ACQS: bits(27, 16, 'RW'),
});

/** Admin Submission Queue Base Address. NVM Express Base 2.1, 3.1.4.9. */
export const ASQ = register('ASQ', 0x28, 64, {
  /** Bits 63:12 of the address; see `adminQueueAddress`. */
  ASQB: bits(63, 12, 'RW'),
});

/** Admin Completion Queue Base Address. NVM Express Base 2.1, 3.1.4.10. */
export const ACQ = register('ACQ', 0x30, 64, {
  /** Bits 63:12 of the address. */
  ACQB: bits(63, 12, 'RW'),
});

/** Boot Partition Information. NVM Express Base 2.1, 3.1.4.13. */
export const BPINFO = register('BPINFO', 0x40, 32, {
  /** Unit 128 KiB. */
  BPSZ: bits(14, 0, 'RO'),
  /** 0: never read, 1: reading, 2: done, 3: failed. */
  BRS: bits(25, 24, 'RO'),
  ABPID: bit(31, 'RO'),
});

/** Boot Partition Read Select. NVM Express Base 2.1, 3.1.4.14. */
export const BPRSEL = register('BPRSEL', 0x44, 32, {
  /** Unit 4 KiB. */
  BPRSZ: bits(9, 0, 'RW'),
  /** Unit 4 KiB. */
  BPROF: bits(29, 10, 'RW'),
  BPID: bit(31, 'RW'),
});

/** Boot Partition Memory Buffer Location. NVM Express Base 2.1, 3.1.4.15. */
export const BPMBL = register('BPMBL', 0x48, 64, {
  /** Bits 63:12 of the address. */
  BMBBA: bits(63, 12, 'RW'),
});

/** NVM Subsystem Shutdown. NVM Express Base 2.1, 3.1.4.20. */
export const NSSD = register('NSSD', 0x64, 32, {
  /** NSSD_NORMAL or NSSD_ABRUPT. */
  NSSC: bits(31, 0, 'RW'),
});

/** Controller Ready Timeouts; 0 before revision 2.0. NVM Express Base 2.1, 3.1.4.21. */
export const CRTO = register('CRTO', 0x68, 32, {
  /** With media; unit 500 ms. */
  CRWMT: bits(15, 0, 'RO'),
  /** Independent of media; unit 500 ms. */
  CRIMT: bits(31, 16, 'RO'),
});

export const CONTROLLER_PROPERTIES = structure(
  'NVMe Controller Properties',
  'NVM Express Base 2.1, 3.1.4',
  0x1000,
  [
    CAP,
    VS,
    INTMS,
    INTMC,
    CC,
    reserved(0x18, 4),
    CSTS,
    NSSR,
    AQA,
    ASQ,
    ACQ,
    CMBLOC,
    CMBSZ,
    BPINFO,
    BPRSEL,
    BPMBL,
    CMBMSC,
    CMBSTS,
    CMBEBS,
    CMBSWTP,
    NSSD,
    CRTO,
    reserved(0x6c, 0xe00 - 0x6c),
    PMRCAP,
    PMRCTL,
    PMRSTS,
    PMREBS,
    PMRSWTP,
    PMRMSCL,
    PMRMSCU,
    reserved(0xe1c, 0x1000 - 0xe1c),
  ],
);

/** CC.CSS. NVM Express Base 2.1, 3.1.4.5. */
export const COMMAND_SET_SELECTED = {
  NVM: 0,
  /** All that Identify lists for this controller. */
  ALL: 6,
  ADMIN_ONLY: 7,
} as const;

/** CC.AMS. NVM Express Base 2.1, 3.1.4.5. */
export const ARBITRATION = {
  ROUND_ROBIN: 0,
  WEIGHTED_ROUND_ROBIN_URGENT: 1,
  VENDOR: 7,
} as const;

/** CC.SHN. NVM Express Base 2.1, 3.1.4.5. */
export const SHUTDOWN_NOTIFICATION = { NONE: 0, NORMAL: 1, ABRUPT: 2 } as const;

/** CSTS.SHST. NVM Express Base 2.1, 3.1.4.6. */
export const SHUTDOWN_STATUS = { NONE: 0, OCCURRING: 1, COMPLETE: 2 } as const;

/** "NVMe" for NSSR. NVM Express Base 2.1, 3.1.4.7. */
export const NSSR_RESET = 0x4e56_4d65;
/** "Nrml" for NSSD. NVM Express Base 2.1, 3.1.4.20. */
export const NSSD_NORMAL = 0x4e72_6d6c;
/** "Abpt" for NSSD. NVM Express Base 2.1, 3.1.4.20. */
export const NSSD_ABRUPT = 0x4162_7074;

/** Entries that an I/O queue may have. */
export function queueEntriesMax(regs: DataView, base = 0): number {
  return CAP.MQES.read(regs, base) + 1;
}

/** Entries of the admin queues. */
export function adminQueueEntries(kind: QueueKind, regs: DataView, base = 0): number {
  return (kind === 'sq' ? AQA.ASQS : AQA.ACQS).read(regs, base) + 1;
}

/** Where an admin queue starts: exact below 2^53, never below 2^53 when the register is not. */
export function adminQueueAddress(kind: QueueKind, regs: DataView, base = 0): number {
  return (kind === 'sq' ? ASQ.ASQB : ACQ.ACQB).read(regs, base) * 4096;
}

/** Bytes of a memory page with this value of CC.MPS, CAP.MPSMIN or CAP.MPSMAX. */
export function memoryPageBytes(encoding: number): number {
  return 4096 * 2 ** encoding;
}

/** Longest time to become ready, and to leave that state, by CAP.TO alone. */
export function readyTimeoutMs(regs: DataView, base = 0): number {
  return CAP.TO.read(regs, base) * 500;
}

export type QueueKind = 'sq' | 'cq';

/** Where the doorbells start. NVMe over PCIe Transport 1.1, 3.1.2. */
export const DOORBELLS_OFFSET = 0x1000;

/** A doorbell: the tail of a submission queue or the head of a completion queue. Write only for the host. */
export const DOORBELL = register('Doorbell', 0x00, 32, {
  /** SQT or CQH. */
  VALUE: bits(15, 0, 'RW'),
});

/** Where the doorbell of a queue is; a shadow doorbell stands at the same place less DOORBELLS_OFFSET. `dstrd` is CAP.DSTRD. */
export function doorbellOffset(queueId: number, kind: QueueKind, dstrd: number): number {
  return DOORBELLS_OFFSET + (2 * queueId + (kind === 'sq' ? 0 : 1)) * (4 << dstrd);
}

/**
 * The number of the doorbell at an offset of BAR 0: twice the queue's id, plus 1 for a completion queue.
 * -1 when no doorbell starts there.
 */
export function doorbellIndex(offset: number, dstrd: number): number {
  const index = (offset - DOORBELLS_OFFSET) / (4 << dstrd);
  return index >= 0 && Number.isInteger(index) ? index : -1;
}

/** Bytes that doorbells of `queueCount` pairs take, the admin pair included. */
export function doorbellBytes(queueCount: number, dstrd: number): number {
  return 2 * queueCount * (4 << dstrd);
}
