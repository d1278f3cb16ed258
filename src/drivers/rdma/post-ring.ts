/** A ring that the program posts requests in. */
import type { BarWindow, CoherentMemory } from '../../access/index.ts';
import {
  SGE_ADDR_HIGH,
  SGE_ADDR_LOW,
  SGE_BYTES,
  SGE_COUNT_MAX,
  SGE_L_KEY,
  SGE_LENGTH,
} from '../../spec/rdma/index.ts';
import type { RecvWr, Sge } from './types.ts';

export class PostRing {
  readonly entries: number;
  readonly memory: CoherentMemory;
  readonly wrIds: Float64Array;
  /** Requests ever posted, and the oldest that is not over. */
  posted = 0;
  first = 0;
  readonly #entryBytes: number;
  readonly #registers: BarWindow;
  readonly #doorbell: number;
  readonly #isOver: Uint8Array;

  constructor(
    entries: number,
    entryBytes: number,
    memory: CoherentMemory,
    registers: BarWindow,
    doorbell: number,
  ) {
    this.entries = entries;
    this.#entryBytes = entryBytes;
    this.memory = memory;
    this.wrIds = new Float64Array(entries);
    this.#isOver = new Uint8Array(entries);
    this.#registers = registers;
    this.#doorbell = doorbell;
  }

  get isFull(): boolean {
    return this.posted - this.first >= this.entries;
  }

  /** Where the next entry goes. */
  get place(): number {
    return (this.posted % this.entries) * this.#entryBytes;
  }

  /** The next entry is filled. */
  push(wrId: number): void {
    const slot = this.posted % this.entries;
    this.wrIds[slot] = wrId;
    this.#isOver[slot] = 0;
    this.posted++;
  }

  ring(): void {
    this.#registers.write32(this.#doorbell, this.posted % 0x1_0000);
  }

  /**
   * A request is over, and so are those before it.
   * @param index  modulo 2^16. @returns what the program called it; undefined when none such is under way
   */
  takeThrough(index: number): number | undefined {
    const ahead = (index - this.first) & 0xffff;
    if (this.first + ahead >= this.posted) {
      return undefined;
    }
    const wrId = this.wrIds[(this.first + ahead) % this.entries];
    this.first += ahead + 1;
    return wrId;
  }

  /** A request is over; others before it may not be. */
  takeOne(index: number): number | undefined {
    const ahead = (index - this.first) & 0xffff;
    const slot = (this.first + ahead) % this.entries;
    if (this.first + ahead >= this.posted || this.#isOver[slot] === 1) {
      return undefined;
    }
    this.#isOver[slot] = 1;
    while (this.first < this.posted && this.#isOver[this.first % this.entries] === 1) {
      this.first++;
    }
    return this.wrIds[slot];
  }

  reset(): void {
    this.posted = 0;
    this.first = 0;
  }
}

/** Writes pieces; what is not used is empty. @returns false when there are too many */
export function writePieces(view: DataView, at: number, pieces: readonly Sge[]): boolean {
  if (pieces.length > SGE_COUNT_MAX) {
    return false;
  }
  for (let i = 0; i < SGE_COUNT_MAX; i++) {
    const base = at + i * SGE_BYTES;
    const piece = pieces[i];
    SGE_LENGTH.setValue(view, piece?.length ?? 0, base);
    if (piece !== undefined) {
      SGE_ADDR_LOW.setValue(view, piece.addr % 2 ** 32, base);
      SGE_ADDR_HIGH.setValue(view, Math.floor(piece.addr / 2 ** 32), base);
      SGE_L_KEY.setValue(view, piece.lkey, base);
    }
  }
  return true;
}

/** Posts a receive request. @returns 0, or why not, as a `STATUS` */
export function postReceive(
  ring: PostRing,
  request: RecvWr,
  rings: boolean,
  full: number,
  invalid: number,
): number {
  if (ring.isFull) {
    return full;
  }
  if (!writePieces(ring.memory.view, ring.place, request.sgList)) {
    return invalid;
  }
  ring.push(request.wrId);
  if (rings) {
    ring.ring();
  }
  return 0;
}
