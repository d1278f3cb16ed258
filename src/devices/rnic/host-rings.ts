/** Rings that the NIC fills in host memory: completions and events. A phase bit that turns over with every round says what is new. */
import { Memory, type Status, TRAFFIC } from '../../fabric/index.ts';
import {
  ARM,
  CQ_ENTRY_BYTES,
  CQ_HEAD,
  CQ_IMM,
  CQ_LENGTH,
  CQ_QPN,
  CQ_SRC_QP,
  EVENT_BYTES,
  EVENT_HEAD,
  EVENT_NUMBER,
  RNIC_EVENT_TYPE,
  WC_STATUS,
} from '../../spec/rdma/index.ts';
import type { DmaClient, DmaTable } from './dma-table.ts';

class HostRing implements DmaClient {
  readonly entries: number;
  /** Entries ever written, and ever taken by the host. */
  produced = 0;
  consumed = 0;
  protected readonly view: DataView;
  readonly #memory: Memory;
  readonly #addr: number;
  readonly #entryBytes: number;
  readonly #dma: DmaTable;

  constructor(addr: number, sizeLog: number, entryBytes: number, dma: DmaTable) {
    this.entries = 2 ** sizeLog;
    this.#addr = addr;
    this.#entryBytes = entryBytes;
    this.#memory = Memory.flat(this.entries * entryBytes);
    const bytes = this.#memory.flat!;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#dma = dma;
  }

  get isFull(): boolean {
    return this.produced - this.consumed >= this.entries;
  }

  /** The host took entries: a count modulo 2^16. More than there are is ignored. */
  take(value: number): void {
    const taken = (value - this.consumed) & 0xffff;
    if (this.consumed + taken <= this.produced) {
      this.consumed += taken;
    }
  }

  protected get place(): number {
    return (this.produced % this.entries) * this.#entryBytes;
  }

  protected get phase(): number {
    return 1 - (Math.floor(this.produced / this.entries) % 2);
  }

  /** The bytes stay as they are until the host has taken them, so the fabric may take its time. */
  protected put(): void {
    const { place } = this;
    this.produced++;
    this.#dma.write(this, 0, this.#addr + place, this.#memory, place, this.#entryBytes, TRAFFIC.CONTROL);
  }

  onDmaDone(_code: number, _status: Status): void {}
}

/** Events go to the one ring of a NIC; what does not fit waits here, in order. */
export class EventRing extends HostRing {
  readonly #interrupt: () => void;
  readonly #waiting: { readonly type: number; readonly number: number }[] = [];

  constructor(addr: number, sizeLog: number, dma: DmaTable, interrupt: () => void) {
    super(addr, sizeLog, EVENT_BYTES, dma);
    this.#interrupt = interrupt;
  }

  push(type: number, number: number): void {
    if (this.isFull) {
      this.#waiting.push({ type, number });
      return;
    }
    const at = this.place;
    EVENT_HEAD.setValue(this.view, 0, at);
    EVENT_HEAD.TYPE.write(this.view, type, at);
    EVENT_HEAD.PHASE.write(this.view, this.phase, at);
    EVENT_NUMBER.setValue(this.view, number, at);
    this.put();
    this.#interrupt();
  }

  override take(value: number): void {
    super.take(value);
    while (this.#waiting.length > 0 && !this.isFull) {
      const { type, number } = this.#waiting.shift()!;
      this.push(type, number);
    }
  }
}

/** What a completion says; one object, filled anew for each. */
export class Completion {
  qpn = 0;
  opcode = 0;
  index = 0;
  status = 0;
  flags = 0;
  isReceive = false;
  lengthBytes = 0;
  imm = 0;
  srcQp = 0;
  isSolicited = false;

  clear(): void {
    this.opcode = 0;
    this.status = 0;
    this.flags = 0;
    this.lengthBytes = 0;
    this.imm = 0;
    this.srcQp = 0;
    this.isSolicited = false;
  }
}

export class CompletionQueue extends HostRing {
  readonly cqn: number;
  /** Queue pairs that use it, twice when for both queues. */
  users = 0;
  hasOverflown = false;
  #armed = 0;
  readonly #events: EventRing;

  constructor(cqn: number, addr: number, sizeLog: number, dma: DmaTable, events: EventRing) {
    super(addr, sizeLog, CQ_ENTRY_BYTES, dma);
    this.cqn = cqn;
    this.#events = events;
  }

  /** Asks for an event with the next completion, or with the next solicited or failed one. A wider wish replaces a narrower. */
  arm(value: number): void {
    if (value === ARM.ANY || (value === ARM.SOLICITED && this.#armed === 0)) {
      this.#armed = value;
    }
  }

  /** @returns false when there is no room: the queue is broken from then on */
  push(one: Completion): boolean {
    if (this.hasOverflown) {
      return false;
    }
    if (this.isFull) {
      this.hasOverflown = true;
      this.#events.push(RNIC_EVENT_TYPE.CQ_ERR, this.cqn);
      return false;
    }
    const { view } = this;
    const at = this.place;
    CQ_QPN.setValue(view, one.qpn + one.opcode * 0x100_0000, at);
    CQ_HEAD.setValue(
      view,
      ((one.index % 0x1_0000) |
        (one.status << 16) |
        (one.flags << 24) |
        (one.isReceive ? 0x4000_0000 : 0) |
        (this.phase << 31)) >>>
        0,
      at,
    );
    CQ_LENGTH.setValue(view, one.lengthBytes, at);
    CQ_IMM.setValue(view, one.imm, at);
    CQ_SRC_QP.setValue(view, one.srcQp, at);
    this.put();
    const isLoud = one.isSolicited || one.status !== WC_STATUS.SUCCESS;
    if (this.#armed === ARM.ANY || (this.#armed === ARM.SOLICITED && isLoud)) {
      this.#armed = 0;
      this.#events.push(RNIC_EVENT_TYPE.COMPLETION, this.cqn);
    }
    return true;
  }
}
