/**
 * The Controller Memory Buffer and the Persistent Memory Region: switched on, measured, and described for whoever wants to
 * offer them to peers.
 *
 * Order for a CMB with CMBMSC (CAP.CMBS): CRE, then the sizes can be read, then CMSE with the bus address, high dword first
 * because a controller may act on the low one; then CMBSTS.CBAI tells whether it was taken. A reset may forget all of it,
 * so it is done again after each. Follows NVM Express Base 2.1, sections 3.1.4.11 to 3.1.4.28 and 8.2.1. Leaves out what
 * Linux demands of a CMB (2 MiB alignment): that is `p2pdma`'s to say.
 */
import {
  type BarWindow,
  type Executor,
  PS_PER_MS,
  PS_PER_US,
  read32,
  sleep,
  type Task,
} from '../../access/index.ts';
import {
  CMBLOC,
  CMBMSC,
  CMBSTS,
  CMBSZ,
  CMBSZ_SZU_MAX,
  cmbOffsetBytes,
  cmbSizeBytes,
  PMRCAP,
  PMRCTL,
  PMRMSCL,
  PMRMSCU,
  PMRSTS,
  pmrTimeoutMs,
} from '../../spec/nvme/index.ts';
import type { AnomalyLog } from './anomalies.ts';

/** Memory of a controller that may be offered to peers. */
export interface ControllerMemory {
  readonly kind: 'cmb' | 'pmr';
  /** Index of the BAR, and the range in it that is free for data: what queues took is left out. */
  readonly bar: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The whole region, queues included. */
  readonly regionOffsetBytes: number;
  readonly regionSizeBytes: number;
  /** RDS: commands that read may put their data here. */
  readonly takesReads: boolean;
  /** WDS: commands that write may take their data from here. */
  readonly takesWrites: boolean;
  /** Both: memory that may be published to peers. */
  readonly canPublish: boolean;
  /** SQS: submission queues may live here. */
  readonly takesQueues: boolean;
}

/** BIR values that name a BAR. NVM Express Base 2.1, 3.1.4.11. */
const BIRS: ReadonlySet<number> = new Set([0, 2, 3, 4, 5]);
const CRE = 1;
const CMSE = 2;

export interface MemoryPlace {
  readonly registers: BarWindow;
  readonly bar: (index: number) => BarWindow | undefined;
  readonly label: string;
  readonly anomalies: AnomalyLog;
}

/**
 * Switches the CMB on.
 * @param hasControl CAP.CMBS
 * @returns null when there is none, or none that can be used (an anomaly tells why)
 */
export function* enableCmb(place: MemoryPlace, hasControl: boolean): Task<ControllerMemory | null> {
  const { registers, label, anomalies } = place;
  if (hasControl) {
    writeMemorySpaceControl(registers, 0, CRE);
  }
  const view = new DataView(new ArrayBuffer(0x60));
  view.setUint32(CMBLOC.offset, yield* read32(registers, CMBLOC.offset), true);
  view.setUint32(CMBSZ.offset, yield* read32(registers, CMBSZ.offset), true);
  const giveUp = (why: string | null): null => {
    if (why !== null) {
      anomalies.record('controller-memory', `${label}: the CMB is not used: ${why}`);
    }
    if (hasControl) {
      writeMemorySpaceControl(registers, 0, 0);
    }
    return null;
  };
  if (CMBSZ.SZ.read(view) === 0) {
    return giveUp(null);
  }
  const unit = CMBSZ.SZU.read(view);
  if (unit > CMBSZ_SZU_MAX) {
    return giveUp(`CMBSZ.SZU is ${unit}`);
  }
  const bir = CMBLOC.BIR.read(view);
  const window = BIRS.has(bir) ? place.bar(bir) : undefined;
  if (window === undefined) {
    return giveUp(`CMBLOC.BIR is ${bir}, and there is no such BAR`);
  }
  const offsetBytes = cmbOffsetBytes(view);
  if (offsetBytes >= window.lengthBytes) {
    return giveUp(`it starts at ${offsetBytes} of BAR ${bir}, which has ${window.lengthBytes} bytes`);
  }
  const claimed = cmbSizeBytes(view);
  const sizeBytes = Math.min(claimed, window.lengthBytes - offsetBytes);
  if (sizeBytes < claimed) {
    anomalies.record(
      'controller-memory',
      `${label}: the CMB says ${claimed} bytes, and ${sizeBytes} of them lie in BAR ${bir}`,
    );
  }
  if (hasControl) {
    const address = window.busAddr + offsetBytes;
    writeMemorySpaceControl(registers, address, CRE | CMSE);
    const status = yield* read32(registers, CMBSTS.offset);
    if (CMBSTS.CBAI.of(status) === 1) {
      return giveUp(`the controller refuses the address 0x${address.toString(16)} (CMBSTS.CBAI)`);
    }
  }
  const takesReads = CMBSZ.RDS.read(view) === 1;
  const takesWrites = CMBSZ.WDS.read(view) === 1;
  return {
    kind: 'cmb',
    bar: bir,
    offsetBytes,
    sizeBytes,
    regionOffsetBytes: offsetBytes,
    regionSizeBytes: sizeBytes,
    takesReads,
    takesWrites,
    canPublish: takesReads && takesWrites,
    takesQueues: CMBSZ.SQS.read(view) === 1,
  };
}

/**
 * Switches the PMR on and waits for it.
 * @returns null when it does not come up (an anomaly tells why)
 */
export function* enablePmr(place: MemoryPlace, executor: Executor): Task<ControllerMemory | null> {
  const { registers, label, anomalies } = place;
  const giveUp = (why: string): null => {
    anomalies.record('controller-memory', `${label}: the PMR is not used: ${why}`);
    registers.write32(PMRCTL.offset, 0);
    return null;
  };
  const view = new DataView(new ArrayBuffer(0x1000));
  view.setUint32(PMRCAP.offset, yield* read32(registers, PMRCAP.offset), true);
  const bir = PMRCAP.BIR.read(view);
  const window = bir >= 2 && bir <= 5 ? place.bar(bir) : undefined;
  if (window === undefined) {
    return giveUp(`PMRCAP.BIR is ${bir}, and there is no such BAR`);
  }
  registers.write32(PMRCTL.offset, 1);
  const endPs = executor.nowPs + pmrTimeoutMs(view) * PS_PER_MS;
  let pausePs = 100 * PS_PER_US;
  let status = yield* read32(registers, PMRSTS.offset);
  while (PMRSTS.NRDY.of(status) === 1) {
    if (executor.nowPs >= endPs) {
      return giveUp('it does not become ready');
    }
    yield* sleep(executor, pausePs);
    pausePs = Math.min(2 * pausePs, 100 * PS_PER_MS);
    status = yield* read32(registers, PMRSTS.offset);
  }
  if (status === 0xffff_ffff) {
    return giveUp('nothing answers');
  }
  if (PMRSTS.ERR.of(status) !== 0) {
    return giveUp(`it is in error ${PMRSTS.ERR.of(status)}`);
  }
  if (PMRCAP.CMSS.read(view) === 1) {
    const address = window.busAddr;
    registers.write32(PMRMSCU.offset, Math.floor(address / 0x1_0000_0000));
    registers.write32(PMRMSCL.offset, ((address >>> 0) & 0xffff_f000) | CMSE);
    if (PMRSTS.CBAI.of(yield* read32(registers, PMRSTS.offset)) === 1) {
      return giveUp(`the controller refuses the address 0x${address.toString(16)} (PMRSTS.CBAI)`);
    }
  }
  const takesReads = PMRCAP.RDS.read(view) === 1;
  const takesWrites = PMRCAP.WDS.read(view) === 1;
  return {
    kind: 'pmr',
    bar: bir,
    offsetBytes: 0,
    sizeBytes: window.lengthBytes,
    regionOffsetBytes: 0,
    regionSizeBytes: window.lengthBytes,
    takesReads,
    takesWrites,
    canPublish: takesReads && takesWrites,
    takesQueues: false,
  };
}

/** CMBMSC as two dwords, the high one first. `address` is a multiple of 4 KiB. */
function writeMemorySpaceControl(registers: BarWindow, address: number, flags: number): void {
  registers.write32(CMBMSC.offset + 4, Math.floor(address / 0x1_0000_0000));
  registers.write32(CMBMSC.offset, (((address >>> 0) & ~0xfff) | flags) >>> 0);
}

/** How submission queues are laid into the CMB. */
export interface QueuePlacement {
  /** Entries of each queue. */
  readonly entries: number;
  readonly strideBytes: number;
  readonly totalBytes: number;
}

/** Below this a queue in the CMB is not worth it, as in Linux (`nvme_cmb_qdepth`). */
const CMB_ENTRIES_MIN = 64;
const PAGE_BYTES = 4096;

/**
 * @returns null when the CMB has no room for queues of at least 64 entries
 */
export function placeQueues(
  sizeBytes: number,
  queueCount: number,
  entries: number,
  entryBytes: number,
  alignBytes: number = PAGE_BYTES,
): QueuePlacement | null {
  const stride = Math.ceil((entries * entryBytes) / alignBytes) * alignBytes;
  if (stride * queueCount <= sizeBytes) {
    return { entries, strideBytes: stride, totalBytes: stride * queueCount };
  }
  const share = Math.floor(sizeBytes / queueCount / alignBytes) * alignBytes;
  const fitting = Math.floor(share / entryBytes);
  return fitting < CMB_ENTRIES_MIN
    ? null
    : { entries: fitting, strideBytes: share, totalBytes: share * queueCount };
}
