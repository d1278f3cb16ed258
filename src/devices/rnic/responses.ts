/** Answers of a responder, in the order of their packets; reads are answered a packet at a time. */
import {
  ACCESS,
  AETH,
  AETH_KIND,
  ATOMIC_ACK_ETH,
  aethKind,
  aethSyndrome,
  CREDITS_UNLIMITED,
  mtuBytes,
  NAK_CODE,
  PACKET,
  PACKET_FLAGS,
  psnAdd,
  psnDelta,
  RNIC_EVENT_TYPE,
  ROCE_OPCODE,
} from '../../spec/rdma/index.ts';
import { beginPacket, endPacket } from './packet.ts';
import type { QueuePair } from './queue-pair.ts';
import type { TxOwner } from './transmitter.ts';

const KIND = { ACK: 0, READ: 1, ATOMIC: 2 } as const;
const ROOM = 64;

class Response {
  kind = 0;
  psn = 0;
  syndrome = 0;
  key = 0;
  address = 0;
  lengthBytes = 0;
  packet = 0;
  low = 0;
  high = 0;
}

export class ResponseQueue implements TxOwner {
  txEpoch = 0;
  /** Messages that were completed. */
  msn = 0;
  /** Reads and atomics that are being answered. */
  readCount = 0;
  readonly #qp: QueuePair;
  readonly #ring: Response[] = Array.from({ length: ROOM }, () => new Response());
  #head = 0;
  #count = 0;

  constructor(qp: QueuePair) {
    this.#qp = qp;
  }

  get hasRoom(): boolean {
    return this.#count < ROOM;
  }

  /** One acknowledgement stands for those before it that were not sent. */
  addAck(psn: number, syndrome: number): void {
    const last = this.#count === 0 ? null : this.#ring[(this.#head + this.#count - 1) % ROOM]!;
    const isAck = last?.kind === KIND.ACK && aethKind(last.syndrome) === AETH_KIND.ACK;
    if (isAck && psnDelta(psn, last.psn) >= 0) {
      last.psn = psn;
      last.syndrome = syndrome;
    } else if (this.hasRoom) {
      const one = this.#add(KIND.ACK, psn);
      one.syndrome = syndrome;
    }
  }

  addRead(psn: number, key: number, address: number, lengthBytes: number): void {
    if (this.hasRoom) {
      const one = this.#add(KIND.READ, psn);
      one.key = key;
      one.address = address;
      one.lengthBytes = lengthBytes;
      one.packet = 0;
      this.readCount++;
    }
  }

  /** A read that is asked for again: what is still to be sent of answers from there on is sent once, from here. */
  replaceRead(psn: number, key: number, address: number, lengthBytes: number): void {
    for (let i = 0; i < this.#count; i++) {
      const one = this.#ring[(this.#head + i) % ROOM]!;
      if (one.kind === KIND.READ && one.key === key && one.address === address && one.psn === psn) {
        one.packet = 0;
        one.lengthBytes = lengthBytes;
        return;
      }
    }
    this.addRead(psn, key, address, lengthBytes);
  }

  addAtomic(psn: number, low: number, high: number): void {
    if (this.hasRoom) {
      const one = this.#add(KIND.ATOMIC, psn);
      one.low = low;
      one.high = high;
    }
  }

  clear(): void {
    this.txEpoch++;
    this.#count = 0;
    this.readCount = 0;
  }

  /** Sends one packet. There must be room on the way out. @returns whether there was one */
  emit(): boolean {
    if (this.#count === 0) {
      return false;
    }
    const one = this.#ring[this.#head]!;
    if (one.kind === KIND.READ) {
      this.#emitRead(one);
      return true;
    }
    const isAtomic = one.kind === KIND.ATOMIC;
    const opcode = isAtomic ? ROCE_OPCODE.ATOMIC_ACKNOWLEDGE : ROCE_OPCODE.ACKNOWLEDGE;
    const tx = this.#qp.core.tx.open(this, 0);
    const frame = tx.frame!;
    const syndrome = isAtomic ? aethSyndrome(AETH_KIND.ACK, CREDITS_UNLIMITED) : one.syndrome;
    this.#begin(frame, opcode, one.psn, syndrome);
    if (isAtomic) {
      ATOMIC_ACK_ETH.ORIGINAL_HIGH.write(frame.view, one.high, frame.headersAt + AETH.sizeBytes);
      ATOMIC_ACK_ETH.ORIGINAL_LOW.write(frame.view, one.low, frame.headersAt + AETH.sizeBytes);
    }
    endPacket(frame, 0);
    this.#drop();
    this.#qp.core.tx.flush();
    return true;
  }

  /** The memory of a read did not answer. */
  onGatherFailed(): void {
    const psn = this.#qp.responder.ePsn;
    this.clear();
    this.addAck(psn, aethSyndrome(AETH_KIND.NAK, NAK_CODE.REMOTE_OPERATIONAL_ERROR));
    this.#qp.fail(RNIC_EVENT_TYPE.QP_ACCESS_ERR);
    this.#qp.core.schedule(this.#qp);
  }

  onSent(): void {}

  #emitRead(one: Response): void {
    const { core, attributes, pd, qpn } = this.#qp;
    const mtu = mtuBytes(attributes.mtuCode);
    const packets = Math.max(1, Math.ceil(one.lengthBytes / mtu));
    const isFirst = one.packet === 0;
    const isLast = one.packet === packets - 1;
    const opcode = isFirst
      ? isLast
        ? ROCE_OPCODE.READ_RESPONSE_ONLY
        : ROCE_OPCODE.READ_RESPONSE_FIRST
      : isLast
        ? ROCE_OPCODE.READ_RESPONSE_LAST
        : ROCE_OPCODE.READ_RESPONSE_MIDDLE;
    const offset = one.packet * mtu;
    const length = Math.min(mtu, one.lengthBytes - offset);
    const tx = core.tx.open(this, 0);
    const frame = tx.frame!;
    this.#begin(frame, opcode, psnAdd(one.psn, one.packet), aethSyndrome(AETH_KIND.ACK, CREDITS_UNLIMITED));
    endPacket(frame, length);
    if (length > 0) {
      // The region may have gone since the request was taken.
      const region = core.regions.check(one.key, pd, one.address + offset, length, ACCESS.REMOTE_READ, qpn);
      if (region === null) {
        tx.hasFailed = true;
      } else {
        tx.gather(region, one.address + offset, frame.payloadAt, length);
      }
    }
    core.counters.sentBytes += length;
    one.packet++;
    if (isLast) {
      this.#drop();
      this.readCount--;
    }
    core.tx.flush();
  }

  #begin(frame: Parameters<typeof beginPacket>[0], opcode: number, psn: number, syndrome: number): void {
    const { core, attributes } = this.#qp;
    beginPacket(frame, core.identity, attributes.path, opcode, attributes.destQpn, psn, false, false);
    if ((PACKET_FLAGS[opcode]! & PACKET.AETH) !== 0) {
      AETH.SYNDROME.write(frame.view, syndrome, frame.headersAt);
      AETH.MSN.write(frame.view, this.msn % 0x100_0000, frame.headersAt);
    }
  }

  #add(kind: number, psn: number): Response {
    const one = this.#ring[(this.#head + this.#count) % ROOM]!;
    this.#count++;
    one.kind = kind;
    one.psn = psn;
    return one;
  }

  #drop(): void {
    this.#head = (this.#head + 1) % ROOM;
    this.#count--;
  }
}
