/**
 * The receiving half of a queue pair: packets of requests become bytes in memory, answers and completions.
 *
 * Packets are taken in the order of their numbers. One that has to wait (an entry is being fetched, an atomic operation runs) holds up those
 * behind it. Answers are built one packet at a time, when there is room on the way out. IBA volume 1, 9.7.4 and 9.7.5.2.
 */
import { addressFromDwords } from '../../base/index.ts';
import { DONE, type Status } from '../../fabric/index.ts';
import {
  ACCESS,
  AETH_KIND,
  ATOMIC_ETH,
  aethSyndrome,
  CREDITS_UNLIMITED,
  DETH,
  ETHERNET,
  GRH_BYTES,
  IETH,
  IMM_DT,
  IPV4,
  mtuBytes,
  NAK_CODE,
  PACKET,
  psnAdd,
  psnDelta,
  QP_STATE,
  RECEIVE_ENTRY_BYTES,
  RETH,
  RNIC_EVENT_TYPE,
  ROCE_OPCODE,
  WC_FLAG,
  WC_OPCODE,
  WC_STATUS,
} from '../../spec/rdma/index.ts';
import { AtomicHistory } from './atomic-history.ts';
import type { AtomicClient } from './atomic-unit.ts';
import type { Frame } from './frame.ts';
import type { Region } from './memory-table.ts';
import { isFrom } from './packet.ts';
import type { QueuePair } from './queue-pair.ts';
import { ResponseQueue } from './responses.ts';
import { Scatter } from './scatter.ts';
import { ENTRY, Pieces, type RingOwner, WorkRing } from './work-ring.ts';

/** Packets that wait behind one that has to. */
const FRAMES_MAX = 1024;

/** What became of a packet. */
const TAKEN = { OVER: 0, WAITS: 1 } as const;

export class Responder implements RingOwner, AtomicClient {
  readonly ring: WorkRing;
  /** Entries of its own ring that were ever taken. */
  taken = 0;
  ePsn = 0;
  readonly responses: ResponseQueue;
  #nakSent = false;
  /** Kind of the message that is being received: PACKET.SEND, PACKET.WRITE, or 0. */
  #message = 0;
  // The receive request in use.
  #entryIndex = -1;
  #entryOffset = 0;
  readonly #pieces = new Pieces();
  // The write in progress.
  #writeKey = 0;
  #writeAddress = 0;
  #writeLeft = 0;
  #writeTotal = 0;
  readonly #frames: Frame[] = [];
  #isAtomicBusy = false;
  #isEstablished = false;
  readonly #atomics = new AtomicHistory();
  #isAbandoned = false;
  readonly #qp: QueuePair;
  readonly #scatter: Scatter;

  constructor(qp: QueuePair, addr: number, sizeLog: number) {
    this.#qp = qp;
    this.ring = new WorkRing(addr, sizeLog, RECEIVE_ENTRY_BYTES, qp.core.dma, this);
    this.responses = new ResponseQueue(qp);
    this.#scatter = new Scatter(qp.core);
  }

  begin(psn: number): void {
    this.ePsn = psn;
  }

  doorbell(value: number): void {
    if (this.#qp.srq !== null || !this.ring.ring(value, this.taken)) {
      this.#qp.fail(RNIC_EVENT_TYPE.QP_FATAL);
    } else if (this.#qp.state === QP_STATE.ERR) {
      this.#flush();
    }
  }

  /** Sends one packet of an answer if there is one. */
  emit(): boolean {
    return this.responses.emit();
  }

  onFetched(): void {
    if (!this.#isAbandoned) {
      this.#drain();
    }
  }

  /** Takes a frame over. */
  receive(frame: Frame): void {
    const qp = this.#qp;
    const { counters } = qp.core;
    const isDatagram = (frame.flags & PACKET.DETH) !== 0;
    const isForIt = qp.canReceive && isDatagram !== qp.isConnected;
    if (!isForIt || (qp.isConnected && !isFrom(frame, qp.attributes.path))) {
      counters.noQueuePair++;
      frame.release();
      return;
    }
    if (this.#frames.length >= FRAMES_MAX) {
      counters.noRoom++;
      frame.release();
      return;
    }
    if (qp.state === QP_STATE.RTR && qp.isConnected && !this.#isEstablished) {
      this.#isEstablished = true;
      qp.core.events.push(RNIC_EVENT_TYPE.COMM_EST, qp.qpn);
    }
    this.#frames.push(frame);
    if (this.#frames.length === 1) {
      this.#drain();
    }
  }

  /** The atomic operation at the head is over. */
  onAtomic(status: Status, low: number, high: number): void {
    if (this.#isAbandoned || this.#qp.state === QP_STATE.ERR) {
      return;
    }
    this.#isAtomicBusy = false;
    const frame = this.#frames.shift()!;
    if (status === DONE) {
      this.#atomics.add(this.ePsn, low, high);
      this.responses.addAtomic(this.ePsn, low, high);
      this.ePsn = psnAdd(this.ePsn, 1);
      this.responses.msn++;
      this.#qp.core.schedule(this.#qp);
    } else {
      this.#refuse(NAK_CODE.REMOTE_OPERATIONAL_ERROR, RNIC_EVENT_TYPE.QP_FATAL);
    }
    frame.release();
    this.#drain();
  }

  /** The queue pair is in error: what was posted for it is flushed, what waits is dropped. */
  stop(): void {
    this.#dropFrames();
    if (this.#entryIndex >= 0) {
      this.#completeEntry(WC_STATUS.WR_FLUSH_ERR, null, 0);
    }
    this.#flush();
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#dropFrames();
    this.responses.clear();
  }

  #dropFrames(): void {
    for (const frame of this.#frames) {
      frame.release();
    }
    this.#frames.length = 0;
  }

  #flush(): void {
    while (this.taken < this.ring.posted) {
      this.#entryIndex = this.taken++;
      this.#completeEntry(WC_STATUS.WR_FLUSH_ERR, null, 0);
    }
  }

  #drain(): void {
    while (this.#frames.length > 0 && !this.#isAtomicBusy) {
      const frame = this.#frames[0]!;
      const taken = this.#qp.isConnected ? this.#take(frame) : this.#takeDatagram(frame);
      if (taken === TAKEN.WAITS) {
        return;
      }
      // An error has dropped them all.
      if (this.#frames[0] === frame) {
        this.#frames.shift();
        frame.release();
      }
    }
  }

  #take(frame: Frame): number {
    const ahead = psnDelta(frame.psn, this.ePsn);
    if (ahead !== 0) {
      if (ahead < 0) {
        this.#takeAgain(frame);
      } else if (!this.#nakSent) {
        this.#nakSent = true;
        this.#qp.core.counters.outOfSequence++;
        this.#answer(AETH_KIND.NAK, NAK_CODE.PSN_SEQUENCE_ERROR, this.ePsn);
      }
      return TAKEN.OVER;
    }
    const kind = frame.flags & (PACKET.SEND | PACKET.WRITE);
    const isFirst = (frame.flags & PACKET.FIRST) !== 0;
    // A message that began goes on, and no other comes between.
    if (isFirst ? this.#message !== 0 : kind !== this.#message) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    if (kind === PACKET.SEND) {
      return this.#takeSend(frame);
    }
    if (kind === PACKET.WRITE) {
      return this.#takeWrite(frame);
    }
    return (frame.flags & PACKET.READ) !== 0 ? this.#takeRead(frame) : this.#takeAtomic(frame);
  }

  /** Only the last packet of a message may be short. */
  #hasGoodLength(frame: Frame): boolean {
    const mtu = mtuBytes(this.#qp.attributes.mtuCode);
    const isFirst = (frame.flags & PACKET.FIRST) !== 0;
    const isLast = (frame.flags & PACKET.LAST) !== 0;
    return isLast
      ? frame.payloadBytes <= mtu && (isFirst || frame.payloadBytes > 0)
      : frame.payloadBytes === mtu;
  }

  /** Gets a receive request for a message, if it needs one and has none. @returns ENTRY */
  #needEntry(): number {
    if (this.#entryIndex >= 0) {
      return ENTRY.READY;
    }
    const { srq } = this.#qp;
    const ring = srq === null ? this.ring : srq.ring;
    const found = srq === null ? ring.need(this.taken) : srq.take(this);
    if (found === ENTRY.READY) {
      this.#entryIndex = srq === null ? this.taken++ : srq.taken - 1;
      this.#entryOffset = 0;
      this.#pieces.read(ring.view, ring.placeOf(this.#entryIndex));
    } else if (found === ENTRY.FAILED) {
      this.#qp.fail(RNIC_EVENT_TYPE.QP_FATAL);
    }
    return found;
  }

  /** No receive request is there: the other end shall try again later. */
  #notReady(): number {
    this.#nakSent = true;
    this.#qp.core.counters.receiverNotReady++;
    this.#answer(AETH_KIND.RNR_NAK, this.#qp.attributes.minRnrTimer, this.ePsn);
    return TAKEN.OVER;
  }

  #takeSend(frame: Frame): number {
    if (!this.#hasGoodLength(frame)) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    const found = this.#needEntry();
    if (found !== ENTRY.READY) {
      return found === ENTRY.NONE ? this.#notReady() : found === ENTRY.PENDING ? TAKEN.WAITS : TAKEN.OVER;
    }
    const qp = this.#qp;
    if (this.#entryOffset + frame.payloadBytes > this.#pieces.lengthBytes) {
      this.#completeEntry(WC_STATUS.LOC_LEN_ERR, null, 0);
      return this.#refuse(NAK_CODE.INVALID_REQUEST, 0);
    }
    if (!this.#scatter.put(qp, this.#pieces, this.#entryOffset, frame, frame.payloadAt, frame.payloadBytes)) {
      this.#completeEntry(WC_STATUS.LOC_PROT_ERR, null, 0);
      return this.#refuse(NAK_CODE.REMOTE_OPERATIONAL_ERROR, 0);
    }
    this.#entryOffset += frame.payloadBytes;
    this.#message = PACKET.SEND;
    if ((frame.flags & PACKET.LAST) !== 0) {
      if ((frame.flags & PACKET.IETH) !== 0) {
        const key = IETH.R_KEY.read(frame.view, frame.headersAt);
        if (!qp.core.regions.invalidate(key, qp.pd, qp.qpn)) {
          return this.#refuse(NAK_CODE.REMOTE_ACCESS_ERROR, RNIC_EVENT_TYPE.QP_ACCESS_ERR);
        }
      }
      this.#completeEntry(WC_STATUS.SUCCESS, frame, this.#entryOffset);
    }
    return this.#accepted(frame);
  }

  #takeWrite(frame: Frame): number {
    if (!this.#hasGoodLength(frame)) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    const isLast = (frame.flags & PACKET.LAST) !== 0;
    const isFirst = (frame.flags & PACKET.FIRST) !== 0;
    const { view, headersAt } = frame;
    const total = isFirst ? RETH.DMA_LENGTH.read(view, headersAt) : this.#writeLeft;
    if (isLast ? frame.payloadBytes !== total : frame.payloadBytes >= total) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    if ((frame.flags & PACKET.IMM) !== 0) {
      const found = this.#needEntry();
      if (found !== ENTRY.READY) {
        return found === ENTRY.NONE ? this.#notReady() : found === ENTRY.PENDING ? TAKEN.WAITS : TAKEN.OVER;
      }
    }
    if (isFirst) {
      this.#writeKey = RETH.R_KEY.read(view, headersAt);
      this.#writeAddress = addressFromDwords(
        RETH.VA_LOW.read(view, headersAt),
        RETH.VA_HIGH.read(view, headersAt),
      );
      this.#writeTotal = total;
    }
    if (total > 0) {
      const region = this.#checked(this.#writeKey, this.#writeAddress, total, ACCESS.REMOTE_WRITE);
      if (region === null) {
        return this.#refuse(NAK_CODE.REMOTE_ACCESS_ERROR, RNIC_EVENT_TYPE.QP_ACCESS_ERR);
      }
      this.#scatter.write(region, this.#writeAddress, frame, frame.payloadAt, frame.payloadBytes);
    }
    this.#writeAddress += frame.payloadBytes;
    this.#writeLeft = total - frame.payloadBytes;
    this.#message = PACKET.WRITE;
    if (isLast && (frame.flags & PACKET.IMM) !== 0) {
      this.#completeEntry(WC_STATUS.SUCCESS, frame, this.#writeTotal);
    }
    return this.#accepted(frame);
  }

  #takeRead(frame: Frame): number {
    const { view, headersAt } = frame;
    const length = RETH.DMA_LENGTH.read(view, headersAt);
    const key = RETH.R_KEY.read(view, headersAt);
    const address = addressFromDwords(RETH.VA_LOW.read(view, headersAt), RETH.VA_HIGH.read(view, headersAt));
    if (length > 2 ** 31 || this.responses.readCount >= this.#qp.attributes.readsIn) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    if (length > 0 && this.#checked(key, address, length, ACCESS.REMOTE_READ) === null) {
      return this.#refuse(NAK_CODE.REMOTE_ACCESS_ERROR, RNIC_EVENT_TYPE.QP_ACCESS_ERR);
    }
    const mtu = mtuBytes(this.#qp.attributes.mtuCode);
    this.#nakSent = false;
    this.responses.msn++;
    this.responses.addRead(frame.psn, key, address, length);
    this.ePsn = psnAdd(this.ePsn, Math.max(1, Math.ceil(length / mtu)));
    this.#qp.core.schedule(this.#qp);
    return TAKEN.OVER;
  }

  #takeAtomic(frame: Frame): number {
    const { view, headersAt } = frame;
    const key = ATOMIC_ETH.R_KEY.read(view, headersAt);
    const address = addressFromDwords(
      ATOMIC_ETH.VA_LOW.read(view, headersAt),
      ATOMIC_ETH.VA_HIGH.read(view, headersAt),
    );
    if (address % 8 !== 0 || this.responses.readCount >= this.#qp.attributes.readsIn) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    const region = this.#checked(key, address, 8, ACCESS.REMOTE_ATOMIC);
    if (region === null) {
      return this.#refuse(NAK_CODE.REMOTE_ACCESS_ERROR, RNIC_EVENT_TYPE.QP_ACCESS_ERR);
    }
    const { regions, atomics } = this.#qp.core;
    regions.locate(region, address, 8);
    if (regions.runBytes < 8 || regions.runAddress % 8 !== 0) {
      return this.#refuse(NAK_CODE.INVALID_REQUEST, RNIC_EVENT_TYPE.QP_REQ_ERR);
    }
    this.#nakSent = false;
    this.#isAtomicBusy = true;
    atomics.submit({
      address: regions.runAddress,
      isSwap: frame.opcode === ROCE_OPCODE.COMPARE_SWAP,
      compareLow: ATOMIC_ETH.COMPARE_LOW.read(view, headersAt),
      compareHigh: ATOMIC_ETH.COMPARE_HIGH.read(view, headersAt),
      low: ATOMIC_ETH.SWAP_LOW.read(view, headersAt),
      high: ATOMIC_ETH.SWAP_HIGH.read(view, headersAt),
      done: this,
    });
    return TAKEN.WAITS;
  }

  /** A packet that came before: answered again, and done again only where that changes nothing. IBA 9.7.5.1.5. */
  #takeAgain(frame: Frame): void {
    this.#qp.core.counters.duplicates++;
    const { view, headersAt, flags, psn } = frame;
    if ((flags & PACKET.READ) !== 0) {
      const length = RETH.DMA_LENGTH.read(view, headersAt);
      const key = RETH.R_KEY.read(view, headersAt);
      const address = addressFromDwords(
        RETH.VA_LOW.read(view, headersAt),
        RETH.VA_HIGH.read(view, headersAt),
      );
      const packets = Math.max(1, Math.ceil(length / mtuBytes(this.#qp.attributes.mtuCode)));
      const isWithin = psnDelta(psnAdd(psn, packets), this.ePsn) <= 0;
      const isAllowed = length === 0 || this.#checked(key, address, length, ACCESS.REMOTE_READ) !== null;
      if (isWithin && isAllowed) {
        this.responses.replaceRead(psn, key, address, length);
        this.#qp.core.schedule(this.#qp);
      }
    } else if ((flags & PACKET.ATOMIC) !== 0) {
      const found = this.#atomics.find(psn);
      if (found !== undefined && this.responses.hasRoom) {
        this.responses.addAtomic(psn, found.low, found.high);
        this.#qp.core.schedule(this.#qp);
      }
    } else {
      this.#answer(AETH_KIND.ACK, CREDITS_UNLIMITED, psnAdd(this.ePsn, -1));
    }
  }

  #checked(key: number, address: number, lengthBytes: number, access: number): Region | null {
    const qp = this.#qp;
    return (qp.attributes.access & access) === access
      ? qp.core.regions.check(key, qp.pd, address, lengthBytes, access, qp.qpn)
      : null;
  }

  #accepted(frame: Frame): number {
    this.#qp.core.counters.receivedBytes += frame.payloadBytes;
    this.#nakSent = false;
    this.ePsn = psnAdd(this.ePsn, 1);
    if ((frame.flags & PACKET.LAST) !== 0) {
      this.#message = 0;
      this.responses.msn++;
    }
    if (frame.wantsAck) {
      this.#answer(AETH_KIND.ACK, CREDITS_UNLIMITED, frame.psn);
    }
    return TAKEN.OVER;
  }

  #answer(kind: number, value: number, psn: number): void {
    this.responses.addAck(psn, aethSyndrome(kind, value));
    this.#qp.core.schedule(this.#qp);
  }

  /** Refuses a request for good: the other end hears why, and the queue pair is in error. */
  #refuse(code: number, event: number): number {
    this.#answer(AETH_KIND.NAK, code, this.ePsn);
    this.#qp.fail(event);
    return TAKEN.OVER;
  }

  #takeDatagram(frame: Frame): number {
    const qp = this.#qp;
    const { view, headersAt } = frame;
    if (DETH.Q_KEY.read(view, headersAt) !== qp.attributes.qkey) {
      qp.core.counters.noQueuePair++;
      return TAKEN.OVER;
    }
    const found = this.#needEntry();
    if (found !== ENTRY.READY) {
      qp.core.counters.noRoom += found === ENTRY.PENDING ? 0 : 1;
      return found === ENTRY.PENDING ? TAKEN.WAITS : TAKEN.OVER;
    }
    const length = frame.payloadBytes + GRH_BYTES;
    if (length > this.#pieces.lengthBytes) {
      this.#completeEntry(WC_STATUS.LOC_LEN_ERR, null, 0);
      qp.fail(0);
      return TAKEN.OVER;
    }
    const srcQp = DETH.SRC_QP.read(view, headersAt);
    const imm = (frame.flags & PACKET.IMM) !== 0 ? IMM_DT.DATA.read(view, headersAt + DETH.sizeBytes) : 0;
    // The header of the network stands before the payload, as in the buffer: 40 bytes, of IPv4 the last 20.
    const grhAt = frame.payloadAt - GRH_BYTES;
    if (frame.isIpv6) {
      frame.bytes.copyWithin(grhAt, ETHERNET.sizeBytes, ETHERNET.sizeBytes + GRH_BYTES);
    } else {
      const v4At = frame.payloadAt - IPV4.sizeBytes;
      frame.bytes.copyWithin(v4At, ETHERNET.sizeBytes, ETHERNET.sizeBytes + IPV4.sizeBytes);
      frame.bytes.fill(0, grhAt, v4At);
    }
    if (!this.#scatter.put(qp, this.#pieces, 0, frame, grhAt, length)) {
      this.#completeEntry(WC_STATUS.LOC_PROT_ERR, null, 0);
      qp.fail(0);
      return TAKEN.OVER;
    }
    this.#completeEntry(WC_STATUS.SUCCESS, frame, length, srcQp, imm);
    qp.core.counters.receivedBytes += frame.payloadBytes;
    return TAKEN.OVER;
  }

  /** Ends the receive request in use. @param frame  the last packet of what was received; null when nothing was */
  #completeEntry(status: number, frame: Frame | null, lengthBytes: number, srcQp = 0, datagramImm = 0): void {
    const qp = this.#qp;
    const { completion } = qp.core;
    completion.clear();
    completion.qpn = qp.qpn;
    completion.index = this.#entryIndex;
    completion.isReceive = true;
    completion.status = status;
    completion.lengthBytes = lengthBytes;
    completion.opcode = WC_OPCODE.RECV;
    completion.srcQp = qp.isConnected ? qp.attributes.destQpn : srcQp;
    this.#entryIndex = -1;
    if (frame !== null) {
      const { flags, view, headersAt } = frame;
      completion.isSolicited = frame.isSolicited;
      if ((flags & PACKET.DETH) !== 0) {
        completion.flags = WC_FLAG.GRH | (flags & PACKET.IMM ? WC_FLAG.WITH_IMM : 0);
        completion.imm = datagramImm;
      } else if ((flags & PACKET.IMM) !== 0) {
        completion.flags = WC_FLAG.WITH_IMM;
        completion.imm = IMM_DT.DATA.read(view, frame.payloadAt - IMM_DT.sizeBytes);
      } else if ((flags & PACKET.IETH) !== 0) {
        completion.flags = WC_FLAG.WITH_INV;
        completion.imm = IETH.R_KEY.read(view, headersAt);
      }
      if ((flags & PACKET.WRITE) !== 0) {
        completion.opcode = WC_OPCODE.RECV_RDMA_WITH_IMM;
      }
    }
    qp.receiveCq.push(completion);
  }
}
