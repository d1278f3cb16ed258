/**
 * The sending half of a queue pair: requests become packets, answers become completions.
 *
 * Requests are counted from the first that was ever posted. `first` is the oldest that is not complete, `next` the one whose packets are
 * being sent, `started` the first that has no packet numbers yet. Loss is repaired by going back to the oldest packet that was not
 * acknowledged. IBA volume 1, 9.7.5 and 9.7.6.
 */
import { addressFromDwords } from '../../base/index.ts';
import type { EventHandler, TimerId } from '../../fabric/index.ts';
import {
  ACCESS,
  AETH,
  AETH_KIND,
  ATOMIC_ACK_ETH,
  ackTimeoutPs,
  aethKind,
  aethValue,
  mtuBytes,
  NAK_CODE,
  PACKET,
  psnAdd,
  psnDelta,
  QP_STATE,
  RNIC_EVENT_TYPE,
  rnrDelayPs,
  SEND_ENTRY_BYTES,
  SEND_FLAG,
  SEND_OPCODE,
  SQ_BIND_ACCESS,
  SQ_BIND_L_KEY,
  SQ_BIND_LENGTH_HIGH,
  SQ_BIND_LENGTH_LOW,
  SQ_DATA_AT,
  SQ_HEAD,
  SQ_IMM,
  SQ_R_KEY,
  SQ_VA_HIGH,
  SQ_VA_LOW,
  WC_OPCODE,
  WC_STATUS,
} from '../../spec/rdma/index.ts';
import type { Frame } from './frame.ts';
import { isFrom } from './packet.ts';
import type { QueuePair } from './queue-pair.ts';
import { buildDatagram, buildRequest } from './request-packet.ts';
import { Scatter } from './scatter.ts';
import type { TxOwner } from './transmitter.ts';
import { ENTRY, Pieces, type RingOwner, WorkRing } from './work-ring.ts';

/** Packets on their way that were not acknowledged. */
const WINDOW = 512;
/** IBA 9.7.2: a message has at most 2^31 bytes; here half of it, so that the smallest packets can be numbered. */
const MESSAGE_BYTES_MAX = 2 ** 30;
const RETRY_FOR_EVER = 7;

const EVENT = { ACK_TIMEOUT: 0, RNR: 1 } as const;
const KIND = { MESSAGE: 0, READ: 1, ATOMIC: 2, LOCAL: 3 } as const;

const WC_OPCODE_OF: Readonly<Record<number, number>> = {
  [SEND_OPCODE.RDMA_WRITE]: WC_OPCODE.RDMA_WRITE,
  [SEND_OPCODE.RDMA_WRITE_WITH_IMM]: WC_OPCODE.RDMA_WRITE,
  [SEND_OPCODE.SEND]: WC_OPCODE.SEND,
  [SEND_OPCODE.SEND_WITH_IMM]: WC_OPCODE.SEND,
  [SEND_OPCODE.SEND_WITH_INV]: WC_OPCODE.SEND,
  [SEND_OPCODE.RDMA_READ]: WC_OPCODE.RDMA_READ,
  [SEND_OPCODE.ATOMIC_CMP_AND_SWP]: WC_OPCODE.COMP_SWAP,
  [SEND_OPCODE.ATOMIC_FETCH_AND_ADD]: WC_OPCODE.FETCH_ADD,
  [SEND_OPCODE.LOCAL_INV]: WC_OPCODE.LOCAL_INV,
  [SEND_OPCODE.BIND_MW]: WC_OPCODE.BIND_MW,
};

export class Requester implements TxOwner, RingOwner, EventHandler {
  readonly ring: WorkRing;
  txEpoch = 0;
  first = 0;
  #next = 0;
  #packet = 0;
  #started = 0;
  #nextPsn = 0;
  /** The oldest packet that was not acknowledged, and the one behind the last that was ever sent. */
  #unackedPsn = 0;
  #sentEnd = 0;
  #readsOut = 0;
  #retriesLeft = 0;
  #rnrLeft = 0;
  #timer: TimerId = 0;
  #isRnrWaiting = false;
  /** Where it last went back to, and no progress since. */
  #wentBackTo = -1;
  #isAbandoned = false;
  // By place of the request in the ring.
  readonly #firstPsns: Int32Array;
  readonly #packets: Int32Array;
  readonly #lengths: Float64Array;
  readonly #kinds: Uint8Array;
  readonly #statuses: Uint8Array;
  readonly #isDone: Uint8Array;
  readonly #pieces = new Pieces();
  readonly #qp: QueuePair;
  readonly #scatter: Scatter;

  constructor(qp: QueuePair, addr: number, sizeLog: number) {
    this.#qp = qp;
    this.ring = new WorkRing(addr, sizeLog, SEND_ENTRY_BYTES, qp.core.dma, this);
    const { entries } = this.ring;
    this.#firstPsns = new Int32Array(entries);
    this.#packets = new Int32Array(entries);
    this.#lengths = new Float64Array(entries);
    this.#kinds = new Uint8Array(entries);
    this.#statuses = new Uint8Array(entries);
    this.#isDone = new Uint8Array(entries);
    this.#scatter = new Scatter(qp.core);
  }

  get sqPsn(): number {
    return this.#nextPsn;
  }

  begin(psn: number): void {
    this.#nextPsn = psn;
    this.#unackedPsn = psn;
    this.#sentEnd = psn;
    this.#resetRetries();
  }

  doorbell(value: number): void {
    if (!this.ring.ring(value, this.first)) {
      this.#qp.fail(RNIC_EVENT_TYPE.QP_FATAL);
      return;
    }
    if (this.#qp.state === QP_STATE.ERR) {
      this.#flush();
    } else {
      this.#qp.core.schedule(this.#qp);
    }
  }

  onFetched(): void {
    if (!this.#isAbandoned) {
      this.#qp.core.schedule(this.#qp);
    }
  }

  /** Sends one packet if it has one. @returns whether it may have more */
  emit(): boolean {
    const { state } = this.#qp;
    if ((state !== QP_STATE.RTS && state !== QP_STATE.SQD) || this.#isRnrWaiting) {
      return false;
    }
    for (;;) {
      // A queue that is being drained finishes what it began.
      if (state === QP_STATE.SQD && this.#packet === 0 && this.#next >= this.#started) {
        return false;
      }
      const found = this.ring.need(this.#next);
      if (found === ENTRY.FAILED) {
        this.#qp.fail(RNIC_EVENT_TYPE.QP_FATAL);
      }
      if (found !== ENTRY.READY || (this.#next === this.#started && !this.#start())) {
        return false;
      }
      const slot = this.#next % this.ring.entries;
      if (this.#statuses[slot] !== WC_STATUS.SUCCESS) {
        this.#retire();
        return false;
      }
      if (this.#kinds[slot] !== KIND.LOCAL) {
        return this.#emitPacket(slot);
      }
      this.#next++;
      this.#retire();
    }
  }

  /** An answer from the other end. */
  onResponse(frame: Frame): void {
    const qp = this.#qp;
    const { counters } = qp.core;
    if ((qp.state !== QP_STATE.RTS && qp.state !== QP_STATE.SQD) || !isFrom(frame, qp.attributes.path)) {
      counters.noQueuePair++;
      return;
    }
    const { psn } = frame;
    if (psnDelta(psn, this.#unackedPsn) < 0 || psnDelta(psn, this.#sentEnd) >= 0) {
      counters.duplicates++;
      return;
    }
    if ((frame.flags & PACKET.READ) !== 0) {
      this.#onReadResponse(frame);
    } else if ((frame.flags & PACKET.ATOMIC_ACK) !== 0) {
      this.#onAtomicAck(frame);
    } else {
      this.#onAcknowledge(psn, AETH.SYNDROME.read(frame.view, frame.headersAt));
    }
    this.#retire();
    qp.core.schedule(qp);
  }

  onGatherFailed(tag: number): void {
    this.#failAt(tag, WC_STATUS.LOC_PROT_ERR);
  }

  /** A datagram is over when it is on the wire. */
  onSent(tag: number): void {
    if (!this.#qp.isConnected) {
      this.#isDone[tag % this.ring.entries] = 1;
      this.#retire();
    }
  }

  onEvent(code: number, epoch: number): void {
    if (this.#isAbandoned || this.#qp.state === QP_STATE.ERR) {
      return;
    }
    this.#timer = 0;
    if (code === EVENT.RNR) {
      this.#isRnrWaiting = false;
      this.#goBack(this.#unackedPsn, true);
      return;
    }
    if (epoch !== this.#unackedPsn || !this.#isOutstanding) {
      this.#armTimer();
      return;
    }
    this.#qp.core.counters.timeouts++;
    if (this.#retriesLeft === 0) {
      this.#failAt(this.first, WC_STATUS.RETRY_EXC_ERR);
      return;
    }
    this.#retriesLeft--;
    this.#goBack(this.#unackedPsn, true);
  }

  checkDrained(): void {
    if (this.#qp.state === QP_STATE.SQD && this.first === this.#started) {
      this.#qp.core.events.push(RNIC_EVENT_TYPE.SQ_DRAINED, this.#qp.qpn);
    }
  }

  /** The queue pair is in error: everything that was posted is flushed. */
  stop(): void {
    this.txEpoch++;
    this.#cancelTimer();
    this.#flush();
  }

  /** Nobody wants to hear of it any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.txEpoch++;
    this.#cancelTimer();
  }

  get #isOutstanding(): boolean {
    return psnDelta(this.#sentEnd, this.#unackedPsn) > 0;
  }

  /** Looks at the next request for the first time. @returns false when it has to wait */
  #start(): boolean {
    const slot = this.#next % this.ring.entries;
    const place = this.ring.placeOf(this.#next);
    const { view } = this.ring;
    const opcode = SQ_HEAD.OPCODE.read(view, place);
    if ((SQ_HEAD.FLAGS.read(view, place) & SEND_FLAG.FENCE) !== 0 && this.#readsOut > 0) {
      return false;
    }
    const kind = kindOf(opcode);
    this.#kinds[slot] = kind;
    this.#isDone[slot] = 0;
    this.#statuses[slot] = WC_STATUS.SUCCESS;
    this.#packets[slot] = 0;
    this.#lengths[slot] = 0;
    this.#firstPsns[slot] = this.#nextPsn;
    this.#started++;
    const status = kind === KIND.LOCAL ? this.#doLocal(opcode, place) : this.#measure(opcode, slot, place);
    if (status !== WC_STATUS.SUCCESS) {
      this.#statuses[slot] = status;
      return true;
    }
    this.#isDone[slot] = kind === KIND.LOCAL ? 1 : 0;
    this.#nextPsn = psnAdd(this.#nextPsn, this.#packets[slot]!);
    return true;
  }

  #measure(opcode: number, slot: number, place: number): number {
    const { view } = this.ring;
    const qp = this.#qp;
    const inlineBytes = SQ_HEAD.INLINE.read(view, place);
    const isInline = (SQ_HEAD.FLAGS.read(view, place) & SEND_FLAG.INLINE) !== 0;
    const kind = this.#kinds[slot]!;
    this.#pieces.read(view, place + SQ_DATA_AT);
    const length = isInline ? inlineBytes : this.#pieces.lengthBytes;
    const mtu = mtuBytes(qp.attributes.mtuCode);
    const isSend = opcode === SEND_OPCODE.SEND || opcode === SEND_OPCODE.SEND_WITH_IMM;
    if (
      opcode > SEND_OPCODE.SEND_WITH_INV ||
      (!qp.isConnected && !isSend) ||
      (isInline && kind !== KIND.MESSAGE)
    ) {
      return WC_STATUS.LOC_QP_OP_ERR;
    }
    if (kind !== KIND.MESSAGE && qp.attributes.readsOut === 0) {
      return WC_STATUS.LOC_QP_OP_ERR;
    }
    if (length > MESSAGE_BYTES_MAX || (kind === KIND.ATOMIC && length !== 8)) {
      return WC_STATUS.LOC_LEN_ERR;
    }
    if (!qp.isConnected && length > mtu) {
      return WC_STATUS.LOC_LEN_ERR;
    }
    if (!isInline) {
      const access = kind === KIND.MESSAGE ? 0 : ACCESS.LOCAL_WRITE;
      const pieces = this.#pieces;
      for (let i = 0; i < pieces.count; i++) {
        const isAllowed = qp.core.regions.check(
          pieces.keys[i]!,
          qp.pd,
          pieces.addresses[i]!,
          pieces.lengths[i]!,
          access,
          qp.qpn,
        );
        if (isAllowed === null) {
          return WC_STATUS.LOC_PROT_ERR;
        }
      }
    }
    this.#lengths[slot] = length;
    this.#packets[slot] = kind === KIND.ATOMIC ? 1 : Math.max(1, Math.ceil(length / mtu));
    return WC_STATUS.SUCCESS;
  }

  #doLocal(opcode: number, place: number): number {
    const { view } = this.ring;
    const qp = this.#qp;
    const { regions } = qp.core;
    if (!qp.isConnected) {
      return WC_STATUS.LOC_QP_OP_ERR;
    }
    if (opcode === SEND_OPCODE.LOCAL_INV) {
      return regions.invalidate(SQ_IMM.value(view, place), qp.pd, qp.qpn)
        ? WC_STATUS.SUCCESS
        : WC_STATUS.LOC_QP_OP_ERR;
    }
    const isBound = regions.bind(
      SQ_R_KEY.value(view, place),
      qp.pd,
      qp.qpn,
      SQ_BIND_L_KEY.value(view, place),
      SQ_BIND_ACCESS.value(view, place),
      addressFromDwords(SQ_VA_LOW.value(view, place), SQ_VA_HIGH.value(view, place)),
      addressFromDwords(SQ_BIND_LENGTH_LOW.value(view, place), SQ_BIND_LENGTH_HIGH.value(view, place)),
    );
    return isBound ? WC_STATUS.SUCCESS : WC_STATUS.MW_BIND_ERR;
  }

  #emitPacket(slot: number): boolean {
    const qp = this.#qp;
    const { core, attributes } = qp;
    const kind = this.#kinds[slot]!;
    const packets = this.#packets[slot]!;
    const psn = psnAdd(this.#firstPsns[slot]!, this.#packet);
    const end = kind === KIND.MESSAGE ? psnAdd(psn, 1) : psnAdd(this.#firstPsns[slot]!, packets);
    if (qp.isConnected) {
      const ahead = psnDelta(psn, this.#unackedPsn);
      const isTooFar = ahead >= WINDOW || (ahead > 0 && psnDelta(end, this.#unackedPsn) < ahead);
      if (isTooFar || (kind !== KIND.MESSAGE && this.#readsOut >= attributes.readsOut)) {
        return false;
      }
    }
    const tx = core.tx.open(this, this.#next);
    const place = this.ring.placeOf(this.#next);
    const mtu = mtuBytes(attributes.mtuCode);
    const isBuilt = qp.isConnected
      ? buildRequest(qp, tx, this.ring, place, this.#packet, packets, this.#lengths[slot]!, mtu, psn)
      : buildDatagram(qp, tx, this.ring, place, this.#lengths[slot]!, psn);
    if (!isBuilt) {
      // The region went away since the request was looked at.
      tx.hasFailed = true;
    }
    core.counters.sentBytes += tx.frame!.payloadBytes;
    this.#packet++;
    if (kind !== KIND.MESSAGE || this.#packet === packets) {
      this.#next++;
      this.#packet = 0;
      this.#readsOut += kind === KIND.MESSAGE ? 0 : 1;
    }
    if (qp.isConnected) {
      if (psnDelta(end, this.#sentEnd) > 0) {
        this.#sentEnd = end;
      }
      if (this.#timer === 0) {
        this.#armTimer();
      }
    }
    core.tx.flush();
    return true;
  }

  #onAcknowledge(psn: number, syndrome: number): void {
    const kind = aethKind(syndrome);
    if (kind === AETH_KIND.ACK) {
      this.#advance(psnAdd(psn, 1));
      return;
    }
    // Everything before the packet that was refused has arrived.
    if (!this.#advance(psn)) {
      return;
    }
    if (kind === AETH_KIND.RNR_NAK) {
      if (this.#rnrLeft === 0) {
        this.#failAt(this.first, WC_STATUS.RNR_RETRY_EXC_ERR);
        return;
      }
      this.#rnrLeft -= this.#rnrLeft === RETRY_FOR_EVER ? 0 : 1;
      this.#cancelTimer();
      this.txEpoch++;
      this.#isRnrWaiting = true;
      this.#timer = this.#qp.core.executor.timer(rnrDelayPs(aethValue(syndrome)), this, EVENT.RNR, 0);
      return;
    }
    if (kind !== AETH_KIND.NAK) {
      return;
    }
    switch (aethValue(syndrome)) {
      case NAK_CODE.PSN_SEQUENCE_ERROR:
        this.#goBack(psn, false);
        break;
      case NAK_CODE.INVALID_REQUEST:
        this.#failAt(this.first, WC_STATUS.REM_INV_REQ_ERR);
        break;
      case NAK_CODE.REMOTE_ACCESS_ERROR:
        this.#failAt(this.first, WC_STATUS.REM_ACCESS_ERR);
        break;
      case NAK_CODE.REMOTE_OPERATIONAL_ERROR:
        this.#failAt(this.first, WC_STATUS.REM_OP_ERR);
        break;
      default:
        break;
    }
  }

  #onReadResponse(frame: Frame): void {
    if (!this.#advance(frame.psn) || frame.psn !== this.#unackedPsn) {
      return;
    }
    const slot = this.first % this.ring.entries;
    if (this.#kinds[slot] !== KIND.READ) {
      return;
    }
    const mtu = mtuBytes(this.#qp.attributes.mtuCode);
    const index = psnDelta(frame.psn, this.#firstPsns[slot]!);
    const offset = index * mtu;
    const isLast = index === this.#packets[slot]! - 1;
    const expected = Math.min(mtu, this.#lengths[slot]! - offset);
    // A request that was sent again from the middle is answered by a FIRST or ONLY there.
    if (frame.payloadBytes !== expected || ((frame.flags & PACKET.LAST) !== 0) !== isLast) {
      this.#failAt(this.first, WC_STATUS.BAD_RESP_ERR);
      return;
    }
    this.#pieces.read(this.ring.view, this.ring.placeOf(this.first) + SQ_DATA_AT);
    if (!this.#scatter.put(this.#qp, this.#pieces, offset, frame, frame.payloadAt, expected)) {
      this.#failAt(this.first, WC_STATUS.LOC_PROT_ERR);
      return;
    }
    this.#qp.core.counters.receivedBytes += expected;
    this.#unackedPsn = psnAdd(frame.psn, 1);
    if (isLast) {
      this.#readIsOver(slot);
    }
    this.#progressed();
  }

  #onAtomicAck(frame: Frame): void {
    if (!this.#advance(frame.psn) || frame.psn !== this.#unackedPsn) {
      return;
    }
    const slot = this.first % this.ring.entries;
    if (this.#kinds[slot] !== KIND.ATOMIC) {
      return;
    }
    const at = frame.headersAt + AETH.sizeBytes;
    const low = ATOMIC_ACK_ETH.ORIGINAL_LOW.read(frame.view, at);
    const high = ATOMIC_ACK_ETH.ORIGINAL_HIGH.read(frame.view, at);
    // Memory has it in the byte order of the host.
    frame.view.setUint32(at, low, true);
    frame.view.setUint32(at + 4, high, true);
    this.#pieces.read(this.ring.view, this.ring.placeOf(this.first) + SQ_DATA_AT);
    if (!this.#scatter.put(this.#qp, this.#pieces, 0, frame, at, 8)) {
      this.#failAt(this.first, WC_STATUS.LOC_PROT_ERR);
      return;
    }
    this.#unackedPsn = psnAdd(frame.psn, 1);
    this.#readIsOver(slot);
    this.#progressed();
  }

  #readIsOver(slot: number): void {
    this.#isDone[slot] = 1;
    this.#readsOut--;
    this.#retire();
  }

  /**
   * Everything before a packet has arrived.
   * @returns false when the answer of a read before it is missing: that is asked for again
   */
  #advance(psn: number): boolean {
    while (psnDelta(psn, this.#unackedPsn) > 0) {
      this.#retire();
      if (this.first === this.#started) {
        return false;
      }
      const slot = this.first % this.ring.entries;
      if (this.#kinds[slot] !== KIND.MESSAGE) {
        this.#goBack(this.#unackedPsn, false);
        return false;
      }
      const end = psnAdd(this.#firstPsns[slot]!, this.#packets[slot]!);
      const isWhole = psnDelta(psn, end) >= 0;
      this.#unackedPsn = isWhole ? end : psn;
      if (isWhole) {
        this.#isDone[slot] = 1;
      }
      this.#progressed();
    }
    this.#retire();
    return this.first < this.#started || this.#qp.state !== QP_STATE.ERR;
  }

  #progressed(): void {
    this.#wentBackTo = -1;
    this.#resetRetries();
    this.#cancelTimer();
    if (this.#isOutstanding) {
      this.#armTimer();
    }
  }

  #resetRetries(): void {
    this.#retriesLeft = this.#qp.attributes.retryCount;
    this.#rnrLeft = this.#qp.attributes.rnrRetry;
  }

  /** Sends again from a packet on. Answers to what was sent before may ask for the same again; a deadline always does. */
  #goBack(psn: number, isForced: boolean): void {
    if (this.#wentBackTo === psn && !isForced) {
      return;
    }
    this.#qp.core.counters.goBacks++;
    this.#wentBackTo = psn;
    this.txEpoch++;
    let readsBefore = 0;
    for (let i = this.first; i < this.#started; i++) {
      const slot = i % this.ring.entries;
      const packet = psnDelta(psn, this.#firstPsns[slot]!);
      if (this.#kinds[slot] !== KIND.LOCAL && packet >= 0 && packet < this.#packets[slot]!) {
        this.#next = i;
        this.#packet = packet;
        break;
      }
      readsBefore += this.#kinds[slot] === KIND.READ || this.#kinds[slot] === KIND.ATOMIC ? 1 : 0;
    }
    this.#readsOut = readsBefore;
    this.#cancelTimer();
    this.#armTimer();
    this.#qp.core.schedule(this.#qp);
  }

  #armTimer(): void {
    const delayPs = ackTimeoutPs(this.#qp.attributes.timeout);
    if (this.#timer === 0 && this.#isOutstanding && delayPs < Number.POSITIVE_INFINITY) {
      this.#timer = this.#qp.core.executor.timer(delayPs, this, EVENT.ACK_TIMEOUT, this.#unackedPsn);
    }
  }

  #cancelTimer(): void {
    this.#qp.core.executor.cancel(this.#timer);
    this.#timer = 0;
    this.#isRnrWaiting = false;
  }

  /** A request fails; it completes when those before it have. Nothing behind it is sent. */
  #failAt(index: number, status: number): void {
    const slot = index % this.ring.entries;
    this.txEpoch++;
    this.#statuses[slot] = status;
    if (this.#next > index) {
      this.#next = index;
    }
    this.#packet = 0;
    this.#retire();
  }

  /** Completes what is over, in order. */
  #retire(): void {
    while (this.first < this.#started) {
      const slot = this.first % this.ring.entries;
      const status = this.#statuses[slot]!;
      if (status === WC_STATUS.SUCCESS && this.#isDone[slot] === 0) {
        break;
      }
      const isStuck = status !== WC_STATUS.SUCCESS;
      const index = this.first++;
      this.#complete(index, status);
      if (isStuck) {
        this.#qp.fail(0);
        return;
      }
      this.checkDrained();
    }
  }

  #complete(index: number, status: number): void {
    const qp = this.#qp;
    const place = this.ring.placeOf(index);
    const opcode = SQ_HEAD.OPCODE.read(this.ring.view, place);
    const isSignaled =
      qp.isAllSignaled || (SQ_HEAD.FLAGS.read(this.ring.view, place) & SEND_FLAG.SIGNALED) !== 0;
    if (status === WC_STATUS.SUCCESS && !isSignaled) {
      return;
    }
    const { completion } = qp.core;
    completion.clear();
    completion.qpn = qp.qpn;
    completion.index = index;
    completion.isReceive = false;
    completion.status = status;
    if (status !== WC_STATUS.WR_FLUSH_ERR) {
      completion.opcode = WC_OPCODE_OF[opcode] ?? 0;
      const slot = index % this.ring.entries;
      completion.lengthBytes = this.#lengths[slot]!;
    }
    qp.sendCq.push(completion);
  }

  #flush(): void {
    while (this.first < this.ring.posted) {
      this.#complete(this.first++, WC_STATUS.WR_FLUSH_ERR);
    }
    this.#next = this.first;
    this.#started = this.first;
  }
}

function kindOf(opcode: number): number {
  switch (opcode) {
    case SEND_OPCODE.RDMA_READ:
      return KIND.READ;
    case SEND_OPCODE.ATOMIC_CMP_AND_SWP:
    case SEND_OPCODE.ATOMIC_FETCH_AND_ADD:
      return KIND.ATOMIC;
    case SEND_OPCODE.LOCAL_INV:
    case SEND_OPCODE.BIND_MW:
      return KIND.LOCAL;
    default:
      return KIND.MESSAGE;
  }
}
