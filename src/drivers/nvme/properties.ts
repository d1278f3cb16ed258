/**
 * Controller properties as a driver reads, writes and awaits them.
 *
 * Every wait has a deadline, and every read that gives all ones from CSTS means that nobody is there any more. Follows NVM
 * Express Base 2.1, sections 3.1.4 and 3.5 (initialisation), and the NVMe over PCIe Transport 1.1.
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
import { NvmeError } from '../../base/index.ts';
import {
  CAP,
  CC,
  COMMAND_SET_SELECTED,
  CRTO,
  CSTS,
  DOORBELLS_OFFSET,
  doorbellBytes,
  memoryPageBytes,
  queueEntriesMax,
  readyTimeoutMs,
  VS,
} from '../../spec/nvme/index.ts';
import type { AnomalyLog } from './anomalies.ts';
import { lossError } from './command-result.ts';

const ALL_ONES = 0xffff_ffff;
/** First and longest pause between two looks at a property. */
const POLL_FIRST_PS = 10 * PS_PER_US;
const POLL_MAX_PS = 10 * PS_PER_MS;
/** CRTO can say nine hours, and a controller that needs more than this is taken for broken. */
const READY_MAX_MS = 300_000;
/** Revision 2.0, from which on CRTO means something. */
const VERSION_2_0 = 0x2_0000;

export interface Capabilities {
  /** Of an I/O queue. */
  readonly queueEntriesMax: number;
  readonly dstrd: number;
  /** Pairs of queues whose doorbells lie in the BAR, the admin pair included. */
  readonly queuePairsMax: number;
  readonly readyTimeoutMs: number;
  readonly mpsmin: number;
  readonly mpsmax: number;
  readonly canWeigh: boolean;
  /** What to write to CC.CSS. */
  readonly commandSet: number;
  /** CAP.CMBS. */
  readonly hasCmbControl: boolean;
  readonly hasPmr: boolean;
  readonly version: number;
}

/**
 * Reads CAP, VS and CRTO.
 * @throws {NvmeError} NVME_GONE when nothing answers; NVME_UNSUPPORTED when the controller cannot be driven as it is
 */
export function* readCapabilities(
  registers: BarWindow,
  label: string,
  anomalies: AnomalyLog,
): Task<Capabilities> {
  const view = new DataView(new ArrayBuffer(DOORBELLS_OFFSET));
  for (const offset of [CAP.offset, CAP.offset + 4, VS.offset]) {
    view.setUint32(offset, yield* read32(registers, offset), true);
  }
  // No revision reads so; CAP may have been read just before the function went.
  if (view.getUint32(VS.offset, true) === ALL_ONES) {
    throw lossError(label, 'reading its capabilities', 'gone');
  }
  const version = VS.value(view);
  if (version >= VERSION_2_0) {
    view.setUint32(CRTO.offset, yield* read32(registers, CRTO.offset), true);
  }
  const refuse = (why: string): NvmeError =>
    new NvmeError('NVME_UNSUPPORTED', {
      message: `${label} cannot be driven: ${why}`,
      hint: 'is it an NVMe controller, and is its firmware well?',
      detail: { capLow: view.getUint32(0, true), capHigh: view.getUint32(4, true), version },
      exitStatus: 3,
    });
  const entriesMax = queueEntriesMax(view);
  if (entriesMax < 2) {
    throw refuse('CAP.MQES is 0, and a queue has at least 2 entries');
  }
  const css = CAP.CSS.read(view);
  if ((css & 0x41) === 0) {
    throw refuse('it does not know the NVM command set (CAP.CSS)');
  }
  const mpsmin = CAP.MPSMIN.read(view);
  const mpsmax = CAP.MPSMAX.read(view);
  if (mpsmax < mpsmin) {
    anomalies.record('capability', `${label}: CAP.MPSMAX ${mpsmax} is below CAP.MPSMIN ${mpsmin}`);
  }
  // Host memory is handed out in such pages; the largest that can be named is 128 MiB, which no host gives.
  if (memoryPageBytes(mpsmin) > 1 << 20) {
    throw refuse(`its smallest memory page has ${memoryPageBytes(mpsmin)} bytes`);
  }
  const dstrd = CAP.DSTRD.read(view);
  const queuePairsMax = Math.floor((registers.lengthBytes - DOORBELLS_OFFSET) / doorbellBytes(1, dstrd));
  if (queuePairsMax < 1) {
    throw refuse(`BAR 0 has ${registers.lengthBytes} bytes, too few for doorbells with CAP.DSTRD ${dstrd}`);
  }
  const byCap = readyTimeoutMs(view);
  if (byCap === 0) {
    anomalies.record('capability', `${label}: CAP.TO is 0; taken as 500 ms`);
  }
  const byCrto = version >= VERSION_2_0 ? CRTO.CRWMT.read(view) * 500 : 0;
  return {
    queueEntriesMax: entriesMax,
    dstrd,
    queuePairsMax,
    readyTimeoutMs: Math.min(READY_MAX_MS, Math.max(500, byCap, byCrto)),
    mpsmin,
    mpsmax: Math.max(mpsmin, mpsmax),
    canWeigh: (CAP.AMS.read(view) & 1) === 1,
    commandSet: (css & 0x40) !== 0 ? COMMAND_SET_SELECTED.ALL : COMMAND_SET_SELECTED.NVM,
    hasCmbControl: CAP.CMBS.read(view) === 1,
    hasPmr: CAP.PMRS.read(view) === 1,
    version,
  };
}

/** @throws {NvmeError} NVME_GONE when CSTS reads all ones */
export function* readStatus(registers: BarWindow, label: string): Task<number> {
  const status = yield* read32(registers, CSTS.offset);
  if (status === ALL_ONES) {
    throw lossError(label, 'reading its status', 'gone');
  }
  return status;
}

/**
 * Looks at CSTS until `isThere` says so.
 * @returns false when the time is over
 * @throws {NvmeError} NVME_GONE
 */
export function* awaitStatus(
  registers: BarWindow,
  executor: Executor,
  label: string,
  timeoutMs: number,
  isThere: (status: number) => boolean,
): Task<boolean> {
  const endPs = executor.nowPs + timeoutMs * PS_PER_MS;
  let pausePs = POLL_FIRST_PS;
  for (;;) {
    if (isThere(yield* readStatus(registers, label))) {
      return true;
    }
    const leftPs = endPs - executor.nowPs;
    if (leftPs <= 0) {
      return false;
    }
    yield* sleep(executor, Math.min(pausePs, leftPs));
    pausePs = Math.min(2 * pausePs, POLL_MAX_PS);
  }
}

/**
 * Clears CC.EN and waits until the controller has stopped: afterwards it does no DMA and has forgotten its queues.
 * @returns false when it does not stop
 * @throws {NvmeError} NVME_GONE
 */
export function* disableController(
  registers: BarWindow,
  executor: Executor,
  label: string,
  timeoutMs: number,
): Task<boolean> {
  const cc = yield* read32(registers, CC.offset);
  if (CC.EN.of(cc) === 1) {
    const without = (cc & ~1) >>> 0;
    // Shutdown notification goes with it: a controller that was shut down starts afresh.
    registers.write32(CC.offset, (without & ~0xc000) >>> 0);
  }
  return yield* awaitStatus(registers, executor, label, timeoutMs, (status) => CSTS.RDY.of(status) === 0);
}

/** Writes a 64-bit property that takes effect as a whole later: its order does not matter. */
export function writeAddress(registers: BarWindow, offset: number, address: number): void {
  registers.write32(offset, address >>> 0);
  registers.write32(offset + 4, Math.floor(address / 0x1_0000_0000));
}
