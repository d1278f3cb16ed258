/** The command queue: entries are taken one after the other, done, marked, and told with an event. */
import { addressFromDwords } from '../../base/index.ts';
import { DONE, Memory, PENDING, type Status, TRAFFIC } from '../../fabric/index.ts';
import {
  CMD_ADDR_HIGH,
  CMD_ADDR_LOW,
  CMD_NUMBER,
  CMD_OPCODE,
  CMD_PD,
  CMD_RESULT,
  CMD_RESULTS_AT,
  CMD_RESULTS_BYTES,
  CMD_SIZES,
  CREATE_MR,
  CREATE_QP,
  QP_TYPE,
  QUERY_QP,
  RNIC_COMMAND,
  RNIC_COMMAND_BYTES,
  RNIC_CQS_LOG,
  RNIC_ENTRIES_LOG,
  RNIC_EVENT_TYPE,
  RNIC_QPS_LOG,
  RNIC_RESULT,
  RNIC_SRQS_LOG,
  RNIC_TABLE_ENTRIES_MAX,
  RNIC_TABLE_ENTRY_BYTES,
  SRQ_LIMIT,
} from '../../spec/rdma/index.ts';
import type { RnicCore } from './core.ts';
import type { DmaClient } from './dma-table.ts';
import { CompletionQueue } from './host-rings.ts';
import { Region } from './memory-table.ts';
import { QueuePair } from './queue-pair.ts';
import { SharedReceiveQueue } from './shared-receive-queue.ts';

const STEP = { FETCH: 0, TABLE: 1, RESULT: 2 } as const;

/** Everything that has a number. */
export class RnicObjects {
  readonly qps = new Map<number, QueuePair>();
  readonly cqs = new Map<number, CompletionQueue>();
  readonly srqs = new Map<number, SharedReceiveQueue>();
}

export class CommandUnit implements DmaClient {
  /** Commands ever posted and done. */
  posted = 0;
  done = 0;
  readonly #core: RnicCore;
  readonly #objects: RnicObjects;
  readonly #addr: number;
  readonly #entries: number;
  readonly #onFailed: () => void;
  readonly #entry = Memory.flat(RNIC_COMMAND_BYTES);
  readonly #view: DataView;
  #table: Memory | null = null;
  #isBusy = false;

  constructor(core: RnicCore, objects: RnicObjects, addr: number, sizeLog: number, onFailed: () => void) {
    this.#core = core;
    this.#objects = objects;
    this.#addr = addr;
    this.#entries = 2 ** sizeLog;
    this.#onFailed = onFailed;
    const bytes = this.#entry.flat!;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The doorbell was rung with a count modulo 2^16. */
  doorbell(value: number): void {
    const fresh = (value - this.posted) & 0xffff;
    if (this.posted + fresh - this.done <= this.#entries) {
      this.posted += fresh;
      this.#serve();
    }
  }

  onDmaDone(code: number, status: Status): void {
    if (code === STEP.FETCH) {
      this.#fetched(status);
    } else if (code === STEP.TABLE) {
      this.#answer(this.#makeRegion(status));
    } else {
      this.#marked();
    }
    this.#serve();
  }

  #serve(): void {
    while (!this.#isBusy && this.done < this.posted) {
      this.#isBusy = true;
      const status = this.#core.dma.read(
        this,
        STEP.FETCH,
        this.#place,
        this.#entry,
        0,
        RNIC_COMMAND_BYTES,
        TRAFFIC.CONTROL,
      );
      if (status !== PENDING) {
        this.#fetched(status);
      }
    }
  }

  get #place(): number {
    return this.#addr + (this.done % this.#entries) * RNIC_COMMAND_BYTES;
  }

  #fetched(status: Status): void {
    if (status !== DONE) {
      this.#onFailed();
      return;
    }
    const result = this.#execute();
    if (result !== RNIC_RESULT.NONE) {
      this.#answer(result);
    }
  }

  #answer(result: number): void {
    CMD_RESULT.setValue(this.#view, result);
    const status = this.#core.dma.write(
      this,
      STEP.RESULT,
      this.#place + CMD_RESULTS_AT,
      this.#entry,
      CMD_RESULTS_AT,
      CMD_RESULTS_BYTES,
      TRAFFIC.CONTROL,
    );
    if (status !== PENDING) {
      this.#marked();
    }
  }

  #marked(): void {
    this.done++;
    this.#isBusy = false;
    this.#core.events.push(RNIC_EVENT_TYPE.COMMAND_DONE, this.done % 0x1_0000);
  }

  /** @returns NONE: it goes on when the table is there */
  #execute(): number {
    const view = this.#view;
    const number = CMD_NUMBER.value(view);
    const { qps, cqs, srqs } = this.#objects;
    const { regions } = this.#core;
    switch (CMD_OPCODE.OPCODE.read(view)) {
      case RNIC_COMMAND.CREATE_CQ:
        return this.#createCq(number);
      case RNIC_COMMAND.DESTROY_CQ:
        return destroy(cqs, number);
      case RNIC_COMMAND.CREATE_SRQ:
        return this.#createSrq(number);
      case RNIC_COMMAND.MODIFY_SRQ: {
        const srq = srqs.get(number);
        if (srq === undefined) {
          return RNIC_RESULT.BAD_NUMBER;
        }
        srq.limit = SRQ_LIMIT.value(view);
        return RNIC_RESULT.DONE;
      }
      case RNIC_COMMAND.DESTROY_SRQ:
        return destroy(srqs, number);
      case RNIC_COMMAND.CREATE_QP:
        return this.#createQp(number);
      case RNIC_COMMAND.MODIFY_QP:
        return qps.get(number)?.modify(view) ?? RNIC_RESULT.BAD_NUMBER;
      case RNIC_COMMAND.QUERY_QP:
        return this.#queryQp(number);
      case RNIC_COMMAND.DESTROY_QP:
        return this.#destroyQp(number);
      case RNIC_COMMAND.CREATE_MR:
        return this.#readTable(number);
      case RNIC_COMMAND.CREATE_MW:
        if (regions.hasIndex(number)) {
          return RNIC_RESULT.BAD_NUMBER;
        }
        regions.add(new Region(number, CMD_PD.value(view), 0, 0, 0, null));
        return RNIC_RESULT.DONE;
      case RNIC_COMMAND.DESTROY_MR:
      case RNIC_COMMAND.DESTROY_MW: {
        const region = regions.atIndex(number);
        const isWindow = CMD_OPCODE.OPCODE.read(view) === RNIC_COMMAND.DESTROY_MW;
        if (region === undefined || region.isWindow !== isWindow) {
          return RNIC_RESULT.BAD_NUMBER;
        }
        if (region.windowCount > 0) {
          return RNIC_RESULT.BUSY;
        }
        regions.remove(region);
        return RNIC_RESULT.DONE;
      }
      default:
        return RNIC_RESULT.BAD_COMMAND;
    }
  }

  get #ringAddr(): number {
    return addressFromDwords(CMD_ADDR_LOW.value(this.#view), CMD_ADDR_HIGH.value(this.#view));
  }

  #createCq(number: number): number {
    const log = CMD_SIZES.FIRST.read(this.#view);
    if (number >= 2 ** RNIC_CQS_LOG || this.#objects.cqs.has(number)) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    if (log > RNIC_ENTRIES_LOG) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    const { dma, events } = this.#core;
    this.#objects.cqs.set(number, new CompletionQueue(number, this.#ringAddr, log, dma, events));
    return RNIC_RESULT.DONE;
  }

  #createSrq(number: number): number {
    const log = CMD_SIZES.FIRST.read(this.#view);
    if (number >= 2 ** RNIC_SRQS_LOG || this.#objects.srqs.has(number)) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    if (log > RNIC_ENTRIES_LOG) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    const srq = new SharedReceiveQueue(this.#core, number, CMD_PD.value(this.#view), this.#ringAddr, log);
    srq.limit = SRQ_LIMIT.value(this.#view);
    this.#objects.srqs.set(number, srq);
    return RNIC_RESULT.DONE;
  }

  #createQp(number: number): number {
    const view = this.#view;
    const { qps, cqs, srqs } = this.#objects;
    const sendLog = CMD_SIZES.FIRST.read(view);
    const receiveLog = CMD_SIZES.SECOND.read(view);
    const type = CREATE_QP.TYPE.value(view);
    const sendCq = cqs.get(CREATE_QP.SEND_CQ.value(view));
    const receiveCq = cqs.get(CREATE_QP.RECEIVE_CQ.value(view));
    const srqn = CREATE_QP.SRQ.value(view);
    const srq = srqn === 0xffff_ffff ? null : srqs.get(srqn);
    if (number >= 2 ** RNIC_QPS_LOG || qps.has(number)) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    const pd = CMD_PD.value(view);
    const isKnownType = type === QP_TYPE.RC || type === QP_TYPE.UD;
    if (
      sendCq === undefined ||
      receiveCq === undefined ||
      srq === undefined ||
      (srq !== null && srq.pd !== pd) ||
      !isKnownType ||
      sendLog > RNIC_ENTRIES_LOG ||
      receiveLog > RNIC_ENTRIES_LOG
    ) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    const receiveAddr = addressFromDwords(
      CREATE_QP.RECEIVE_LOW.value(view),
      CREATE_QP.RECEIVE_HIGH.value(view),
    );
    const qp = new QueuePair(
      this.#core,
      number,
      type,
      pd,
      { sendAddr: this.#ringAddr, sendLog, receiveAddr, receiveLog },
      { sendCq, receiveCq, srq },
      CREATE_QP.ALL_SIGNALED.value(view) === 1,
    );
    qps.set(number, qp);
    sendCq.users++;
    receiveCq.users++;
    if (srq !== null) {
      srq.users++;
    }
    return RNIC_RESULT.DONE;
  }

  #queryQp(number: number): number {
    const qp = this.#objects.qps.get(number);
    if (qp === undefined) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    QUERY_QP.STATE.setValue(this.#view, qp.state);
    QUERY_QP.SQ_PSN.setValue(this.#view, qp.requester.sqPsn);
    QUERY_QP.RQ_PSN.setValue(this.#view, qp.responder.ePsn);
    return RNIC_RESULT.DONE;
  }

  #destroyQp(number: number): number {
    const qp = this.#objects.qps.get(number);
    if (qp === undefined) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    qp.destroy();
    this.#core.regions.unbindAll(number);
    qp.sendCq.users--;
    qp.receiveCq.users--;
    if (qp.srq !== null) {
      qp.srq.users--;
    }
    this.#objects.qps.delete(number);
    return RNIC_RESULT.DONE;
  }

  #readTable(number: number): number {
    const count = CREATE_MR.COUNT.value(this.#view);
    if (this.#core.regions.hasIndex(number)) {
      return RNIC_RESULT.BAD_NUMBER;
    }
    if (count < 1 || count > RNIC_TABLE_ENTRIES_MAX) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    const lengthBytes = count * RNIC_TABLE_ENTRY_BYTES;
    this.#table = Memory.flat(lengthBytes);
    const status = this.#core.dma.read(
      this,
      STEP.TABLE,
      this.#ringAddr,
      this.#table,
      0,
      lengthBytes,
      TRAFFIC.CONTROL,
    );
    return status === PENDING ? RNIC_RESULT.NONE : this.#makeRegion(status);
  }

  /** The runs must cover the region exactly, with addresses that are addresses. */
  #makeRegion(status: Status): number {
    const view = this.#view;
    const bytes = this.#table!.flat!;
    this.#table = null;
    if (status !== DONE) {
      return RNIC_RESULT.TABLE_FAILED;
    }
    const table = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = CREATE_MR.COUNT.value(view);
    const addresses = new Float64Array(count);
    const lengths = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const at = i * RNIC_TABLE_ENTRY_BYTES;
      addresses[i] = addressFromDwords(table.getUint32(at, true), table.getUint32(at + 4, true));
      lengths[i] = addressFromDwords(table.getUint32(at + 8, true), table.getUint32(at + 12, true));
      sum += lengths[i]!;
      if (!(lengths[i]! > 0 && addresses[i]! + lengths[i]! <= Number.MAX_SAFE_INTEGER)) {
        return RNIC_RESULT.BAD_PARAMETER;
      }
    }
    const start = addressFromDwords(CREATE_MR.VA_LOW.value(view), CREATE_MR.VA_HIGH.value(view));
    const lengthBytes = addressFromDwords(
      CREATE_MR.LENGTH_LOW.value(view),
      CREATE_MR.LENGTH_HIGH.value(view),
    );
    if (lengthBytes !== sum || !(start + lengthBytes <= Number.MAX_SAFE_INTEGER)) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    const { regions } = this.#core;
    const access = CREATE_MR.ACCESS.value(view);
    regions.add(
      new Region(CMD_NUMBER.value(view), CMD_PD.value(view), access, start, lengthBytes, {
        addresses,
        lengths,
      }),
    );
    return RNIC_RESULT.DONE;
  }
}

function destroy(objects: Map<number, { readonly users: number }>, number: number): number {
  const one = objects.get(number);
  if (one === undefined) {
    return RNIC_RESULT.BAD_NUMBER;
  }
  if (one.users > 0) {
    return RNIC_RESULT.BUSY;
  }
  objects.delete(number);
  return RNIC_RESULT.DONE;
}
