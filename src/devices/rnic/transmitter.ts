/**
 * The way out: packets are begun in some order, fetch their payload from memory side by side, and leave in that order.
 *
 * A queue pair that goes back to an earlier packet raises its epoch; what it had begun and not sent is dropped then.
 */
import { DONE, PENDING, type Status, TRAFFIC } from '../../fabric/index.ts';
import type { DmaClient, DmaTable } from './dma-table.ts';
import type { Frame, FramePool } from './frame.ts';
import type { MemoryTable, Region } from './memory-table.ts';
import { sealPacket } from './packet.ts';

/** Packets between being begun and being on the wire. */
const SLOTS = 64;

/** Whose packet it is. */
export interface TxOwner {
  /** What was begun in an earlier epoch is not sent. */
  readonly txEpoch: number;
  /** The payload of a packet could not be read. Called in the epoch of the packet only. */
  onGatherFailed(tag: number): void;
  /** The packet is on the wire. */
  onSent(tag: number): void;
}

export class TxSlot implements DmaClient {
  frame: Frame | null = null;
  owner: TxOwner | null = null;
  epoch = 0;
  tag = 0;
  pending = 0;
  hasFailed = false;
  readonly #transmitter: Transmitter;

  constructor(transmitter: Transmitter) {
    this.#transmitter = transmitter;
  }

  /** Reads payload of a checked range into the frame. */
  gather(region: Region, address: number, frameOffset: number, lengthBytes: number): void {
    const { regions, dma } = this.#transmitter;
    for (let done = 0; done < lengthBytes; ) {
      regions.locate(region, address + done, lengthBytes - done);
      const status = dma.read(
        this,
        0,
        regions.runAddress,
        this.frame!.memory,
        frameOffset + done,
        regions.runBytes,
        TRAFFIC.DATA,
      );
      if (status === PENDING) {
        this.pending++;
      } else if (status !== DONE) {
        this.hasFailed = true;
      }
      done += regions.runBytes;
    }
  }

  onDmaDone(_code: number, status: Status): void {
    this.pending--;
    this.hasFailed ||= status !== DONE;
    if (this.pending === 0) {
      this.#transmitter.flush();
    }
  }
}

export interface TxHost {
  /** @returns picoseconds until the next frame can be sent */
  transmit(frame: Frame): number;
  /** There is room again, or the wire is free. Called after `delayPs`. */
  wakeTransmitter(delayPs: number): void;
  /** Something was sent or dropped: queue pairs may go on. */
  onRoom(): void;
}

export class Transmitter {
  readonly dma: DmaTable;
  readonly regions: MemoryTable;
  readonly #pool: FramePool;
  readonly #host: TxHost;
  #slots: TxSlot[] = Array.from({ length: SLOTS }, () => new TxSlot(this));
  #head = 0;
  #count = 0;
  #isBusy = false;

  constructor(dma: DmaTable, regions: MemoryTable, pool: FramePool, host: TxHost) {
    this.dma = dma;
    this.regions = regions;
    this.#pool = pool;
    this.#host = host;
  }

  get hasRoom(): boolean {
    return this.#count < SLOTS;
  }

  /** Begins a packet; there must be room. The caller writes headers, gathers, and calls `flush`, all before it returns. */
  open(owner: TxOwner, tag: number): TxSlot {
    const slot = this.#slots[(this.#head + this.#count) % SLOTS]!;
    this.#count++;
    slot.frame = this.#pool.take();
    slot.owner = owner;
    slot.epoch = owner.txEpoch;
    slot.tag = tag;
    slot.pending = 0;
    slot.hasFailed = false;
    return slot;
  }

  /** The wire is free again. */
  onWireFree(): void {
    this.#isBusy = false;
    this.flush();
  }

  /** Sends what is ready, in order. */
  flush(): void {
    let hasMoved = false;
    while (this.#count > 0 && !this.#isBusy) {
      const slot = this.#slots[this.#head]!;
      if (slot.pending > 0) {
        break;
      }
      const { frame, owner, tag } = slot;
      this.#head = (this.#head + 1) % SLOTS;
      this.#count--;
      hasMoved = true;
      slot.frame = null;
      slot.owner = null;
      const isCurrent = owner!.txEpoch === slot.epoch;
      if (!isCurrent || slot.hasFailed) {
        frame!.release();
        if (isCurrent) {
          owner!.onGatherFailed(tag);
        }
        continue;
      }
      sealPacket(frame!);
      this.#isBusy = true;
      this.#host.wakeTransmitter(this.#host.transmit(frame!));
      owner!.onSent(tag);
    }
    if (hasMoved) {
      this.#host.onRoom();
    }
  }

  /** Everything that was begun is gone, and so are its requests. */
  reset(): void {
    this.#slots = Array.from({ length: SLOTS }, () => new TxSlot(this));
    this.#head = 0;
    this.#count = 0;
    this.#isBusy = false;
  }
}
