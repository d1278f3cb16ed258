/** A queue pair: its attributes and state; its two halves are `requester.ts` and `responder.ts`. IBA volume 1, 10.3. */
import {
  attributesFor,
  CMD_NUMBER,
  MODIFY_QP,
  QP_ATTR,
  QP_STATE,
  QP_TYPE,
  RNIC_EVENT_TYPE,
  RNIC_READS_LOG,
  RNIC_RESULT,
} from '../../spec/rdma/index.ts';
import type { RnicCore } from './core.ts';
import type { CompletionQueue } from './host-rings.ts';
import { Path } from './identity.ts';
import { Requester } from './requester.ts';
import { Responder } from './responder.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';

export interface QueuePairRings {
  readonly sendAddr: number;
  readonly sendLog: number;
  readonly receiveAddr: number;
  readonly receiveLog: number;
}

/** What a queue pair was told by changes of state. */
export class QueuePairAttributes {
  access = 0;
  qkey = 0;
  destQpn = 0;
  sqPsn = 0;
  rqPsn = 0;
  mtuCode = 5;
  timeout = 0;
  retryCount = 0;
  rnrRetry = 0;
  minRnrTimer = 0;
  readsOut = 0;
  readsIn = 0;
  readonly path = new Path();
}

export class QueuePair {
  readonly qpn: number;
  readonly type: number;
  readonly pd: number;
  readonly core: RnicCore;
  readonly sendCq: CompletionQueue;
  readonly receiveCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly isAllSignaled: boolean;
  state: number = QP_STATE.RESET;
  attributes = new QueuePairAttributes();
  requester: Requester;
  responder: Responder;
  /** It stands in the list of those with something to send. */
  isScheduled = false;
  isDestroyed = false;
  readonly #rings: QueuePairRings;

  constructor(
    core: RnicCore,
    qpn: number,
    type: number,
    pd: number,
    rings: QueuePairRings,
    queues: {
      readonly sendCq: CompletionQueue;
      readonly receiveCq: CompletionQueue;
      readonly srq: SharedReceiveQueue | null;
    },
    isAllSignaled: boolean,
  ) {
    this.core = core;
    this.qpn = qpn;
    this.type = type;
    this.pd = pd;
    this.sendCq = queues.sendCq;
    this.receiveCq = queues.receiveCq;
    this.srq = queues.srq;
    this.isAllSignaled = isAllSignaled;
    this.#rings = rings;
    this.requester = new Requester(this, rings.sendAddr, rings.sendLog);
    this.responder = new Responder(this, rings.receiveAddr, rings.receiveLog);
  }

  get isConnected(): boolean {
    return this.type === QP_TYPE.RC;
  }

  /** It takes requests from the wire. */
  get canReceive(): boolean {
    const { state } = this;
    return (
      state === QP_STATE.RTR || state === QP_STATE.RTS || state === QP_STATE.SQD || state === QP_STATE.SQE
    );
  }

  /** Sends one packet if it has one. @returns whether it may have more */
  emit(): boolean {
    return this.responder.emit() || this.requester.emit();
  }

  /** MODIFY_QP. @returns RNIC_RESULT */
  modify(command: DataView): number {
    const mask = MODIFY_QP.MASK.value(command);
    const target = mask & QP_ATTR.STATE ? MODIFY_QP.STATE.value(command) : this.state;
    const needed = attributesFor(this.type, this.state, target);
    if (needed === undefined || (mask & needed) !== needed || CMD_NUMBER.value(command) !== this.qpn) {
      return RNIC_RESULT.BAD_STATE;
    }
    const next = readAttributes(this.attributes, mask, command);
    const readsMax = 2 ** RNIC_READS_LOG;
    if (next.mtuCode < 1 || next.mtuCode > 5 || next.readsOut > readsMax || next.readsIn > readsMax) {
      return RNIC_RESULT.BAD_PARAMETER;
    }
    this.attributes = next;
    if ((mask & QP_ATTR.STATE) !== 0) {
      this.#enter(target, mask);
    }
    return RNIC_RESULT.DONE;
  }

  /** Ends every request. @param event  what the host is told; 0 for nothing */
  fail(event: number): void {
    if (this.state === QP_STATE.ERR || this.state === QP_STATE.RESET) {
      return;
    }
    this.state = QP_STATE.ERR;
    if (event !== 0) {
      this.core.events.push(event, this.qpn);
    }
    this.requester.stop();
    this.responder.stop();
    if (this.srq !== null) {
      this.core.events.push(RNIC_EVENT_TYPE.QP_LAST_WQE_REACHED, this.qpn);
    }
    this.core.schedule(this);
  }

  /** Nothing of it is used any more. */
  destroy(): void {
    this.isDestroyed = true;
    this.state = QP_STATE.RESET;
    this.requester.abandon();
    this.responder.abandon();
  }

  #enter(target: number, mask: number): void {
    const before = this.state;
    if (target === QP_STATE.ERR) {
      this.fail(0);
      return;
    }
    this.state = target;
    if (target === QP_STATE.RESET) {
      this.requester.abandon();
      this.responder.abandon();
      this.core.regions.unbindAll(this.qpn);
      this.attributes = new QueuePairAttributes();
      this.requester = new Requester(this, this.#rings.sendAddr, this.#rings.sendLog);
      this.responder = new Responder(this, this.#rings.receiveAddr, this.#rings.receiveLog);
      return;
    }
    if (target === QP_STATE.RTR && before === QP_STATE.INIT) {
      this.responder.begin(this.attributes.rqPsn);
    }
    if (target === QP_STATE.RTS && (mask & QP_ATTR.SQ_PSN) !== 0) {
      this.requester.begin(this.attributes.sqPsn);
    }
    if (target === QP_STATE.SQD) {
      this.requester.checkDrained();
    }
    this.core.schedule(this);
  }
}

function readAttributes(old: QueuePairAttributes, mask: number, command: DataView): QueuePairAttributes {
  const next = Object.assign(new QueuePairAttributes(), old);
  const has = (bit: number): boolean => (mask & bit) !== 0;
  const times = MODIFY_QP.TIMES.value(command);
  const limits = MODIFY_QP.LIMITS.value(command);
  if (has(QP_ATTR.ACCESS_FLAGS)) {
    next.access = MODIFY_QP.ACCESS_FLAGS.value(command);
  }
  if (has(QP_ATTR.QKEY)) {
    next.qkey = MODIFY_QP.QKEY.value(command);
  }
  if (has(QP_ATTR.DEST_QPN)) {
    next.destQpn = MODIFY_QP.DEST_QPN.value(command) & 0xff_ffff;
  }
  if (has(QP_ATTR.SQ_PSN)) {
    next.sqPsn = MODIFY_QP.SQ_PSN.value(command) & 0xff_ffff;
  }
  if (has(QP_ATTR.RQ_PSN)) {
    next.rqPsn = MODIFY_QP.RQ_PSN.value(command) & 0xff_ffff;
  }
  if (has(QP_ATTR.PATH_MTU)) {
    next.mtuCode = times & 0xff;
  }
  if (has(QP_ATTR.TIMEOUT)) {
    next.timeout = (times >>> 8) & 31;
  }
  if (has(QP_ATTR.RETRY_CNT)) {
    next.retryCount = (times >>> 16) & 7;
  }
  if (has(QP_ATTR.RNR_RETRY)) {
    next.rnrRetry = (times >>> 24) & 7;
  }
  if (has(QP_ATTR.MIN_RNR_TIMER)) {
    next.minRnrTimer = limits & 31;
  }
  if (has(QP_ATTR.MAX_QP_RD_ATOMIC)) {
    next.readsOut = (limits >>> 8) & 0xff;
  }
  if (has(QP_ATTR.MAX_DEST_RD_ATOMIC)) {
    next.readsIn = (limits >>> 16) & 0xff;
  }
  if (has(QP_ATTR.AV)) {
    const { path } = next;
    const flow = MODIFY_QP.FLOW.value(command);
    path.macHigh = MODIFY_QP.MAC_HIGH.value(command) & 0xffff;
    path.macLow = MODIFY_QP.MAC_LOW.value(command);
    path.gid = [
      MODIFY_QP.GID_0.value(command),
      MODIFY_QP.GID_1.value(command),
      MODIFY_QP.GID_2.value(command),
      MODIFY_QP.GID_3.value(command),
    ];
    path.hopLimit = limits >>> 24;
    path.sourcePort = flow & 0xffff;
    path.trafficClass = (flow >>> 16) & 0xff;
  }
  return next;
}
