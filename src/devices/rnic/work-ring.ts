/** Entries that the host has posted in a ring in its memory: fetched in batches, kept until the host posts over them. */
import { addressFromDwords } from '../../base/index.ts';
import { DONE, Memory, PENDING, type Status, TRAFFIC } from '../../fabric/index.ts';
import {
  SGE_ADDR_HIGH,
  SGE_ADDR_LOW,
  SGE_BYTES,
  SGE_COUNT_MAX,
  SGE_L_KEY,
  SGE_LENGTH,
} from '../../spec/rdma/index.ts';
import type { DmaClient, DmaTable } from './dma-table.ts';

/** Entries of one fetch at most. */
const BATCH = 16;

/** What `need` says of an entry. */
export const ENTRY = { READY: 0, PENDING: 1, NONE: 2, FAILED: 3 } as const;

export interface RingOwner {
  /** Entries have come, or could not be fetched. */
  onFetched(): void;
}

export class WorkRing implements DmaClient {
  readonly entries: number;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Entries ever posted, and fetched. */
  posted = 0;
  fetched = 0;
  readonly #addr: number;
  readonly #entryBytes: number;
  readonly #memory: Memory;
  readonly #dma: DmaTable;
  readonly #owner: RingOwner;
  #fetching = 0;
  #hasFailed = false;

  constructor(addr: number, sizeLog: number, entryBytes: number, dma: DmaTable, owner: RingOwner) {
    this.entries = 2 ** sizeLog;
    this.#addr = addr;
    this.#entryBytes = entryBytes;
    this.#memory = Memory.flat(this.entries * entryBytes);
    this.bytes = this.#memory.flat!;
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    this.#dma = dma;
    this.#owner = owner;
  }

  /** Where an entry is in `view`. */
  placeOf(index: number): number {
    return (index % this.entries) * this.#entryBytes;
  }

  /**
   * The doorbell was rung with a count modulo 2^16.
   * @param first  the oldest entry that is not over: the ring holds no more than its size from there
   */
  ring(value: number, first: number): boolean {
    const fresh = (value - this.posted) & 0xffff;
    if (this.posted + fresh - first > this.entries) {
      return false;
    }
    this.posted += fresh;
    return true;
  }

  /** Whether an entry is here; asks for it, and for those behind it, when it is not. */
  need(index: number): number {
    if (index >= this.posted) {
      return ENTRY.NONE;
    }
    if (
      this.#fetching === 0 &&
      !this.#hasFailed &&
      this.fetched < this.posted &&
      index + BATCH / 2 >= this.fetched
    ) {
      this.#fetch();
    }
    if (index < this.fetched) {
      return ENTRY.READY;
    }
    return this.#hasFailed ? ENTRY.FAILED : ENTRY.PENDING;
  }

  onDmaDone(_code: number, status: Status): void {
    this.#arrived(status);
    this.#owner.onFetched();
  }

  #fetch(): void {
    const place = this.fetched % this.entries;
    this.#fetching = Math.min(BATCH, this.posted - this.fetched, this.entries - place);
    const offset = place * this.#entryBytes;
    const status = this.#dma.read(
      this,
      0,
      this.#addr + offset,
      this.#memory,
      offset,
      this.#fetching * this.#entryBytes,
      TRAFFIC.CONTROL,
    );
    if (status !== PENDING) {
      this.#arrived(status);
    }
  }

  #arrived(status: Status): void {
    if (status === DONE) {
      this.fetched += this.#fetching;
    } else {
      this.#hasFailed = true;
    }
    this.#fetching = 0;
  }
}

/** The pieces of memory of one request. */
export class Pieces {
  count = 0;
  lengthBytes = 0;
  readonly addresses = new Float64Array(SGE_COUNT_MAX);
  readonly keys = new Uint32Array(SGE_COUNT_MAX);
  readonly lengths = new Float64Array(SGE_COUNT_MAX);

  read(view: DataView, at: number): void {
    this.count = 0;
    this.lengthBytes = 0;
    for (let i = 0; i < SGE_COUNT_MAX; i++) {
      const base = at + i * SGE_BYTES;
      const length = SGE_LENGTH.value(view, base);
      if (length > 0) {
        this.addresses[this.count] = addressFromDwords(
          SGE_ADDR_LOW.value(view, base),
          SGE_ADDR_HIGH.value(view, base),
        );
        this.keys[this.count] = SGE_L_KEY.value(view, base);
        this.lengths[this.count] = length;
        this.lengthBytes += length;
        this.count++;
      }
    }
  }
}
