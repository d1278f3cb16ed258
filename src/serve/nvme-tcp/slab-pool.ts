/**
 * Memory for what waits to be sent: slabs of one size that all connections of a server share.
 *
 * The pool bounds the bytes of all connections together, and how many slabs one may hold: less when the pool is half
 * empty, so that hosts that do not read cannot take it from those that do. Who gets none is called when one comes back.
 */

/** Payload of one data PDU at most; larger transfers go as several. */
export const DATA_PDU_BYTES_MAX = 128 * 1024;
/** One PDU of the largest kind and something beside it. */
export const SLAB_BYTES = DATA_PDU_BYTES_MAX + 8 * 1024;

export class Slab {
  readonly bytes: Uint8Array = Buffer.allocUnsafeSlow(SLAB_BYTES);
  readonly view: DataView = new DataView(this.bytes.buffer, this.bytes.byteOffset, SLAB_BYTES);
  used = 0;
}

/** A connection that waits for a slab. */
export interface SlabWaiter {
  onSlab(): void;
}

export interface SlabPoolOptions {
  /** Slabs of all connections together. */
  readonly countMax: number;
  /** Slabs that one connection holds at once. */
  readonly perOwnerMax: number;
}

export class SlabPool {
  readonly #options: SlabPoolOptions;
  readonly #free: Slab[] = [];
  readonly #waiters = new Set<SlabWaiter>();
  #usedCount = 0;

  constructor(options: SlabPoolOptions) {
    this.#options = options;
  }

  get usedCount(): number {
    return this.#usedCount;
  }

  /** Bytes of all slabs, in use or not. */
  get heldBytes(): number {
    return (this.#usedCount + this.#free.length) * SLAB_BYTES;
  }

  /**
   * @param heldCount  slabs that the owner has already
   * @returns null: none now. Who has some tries again when one of them is done; who has none is called once when one comes back
   */
  take(heldCount: number, waiter: SlabWaiter): Slab | null {
    const { countMax, perOwnerMax } = this.#options;
    const isShort = this.#usedCount * 2 >= countMax;
    if (heldCount >= (isShort ? 1 : perOwnerMax) || this.#usedCount >= countMax) {
      if (heldCount === 0) {
        this.#waiters.add(waiter);
      }
      return null;
    }
    this.#usedCount++;
    const slab = this.#free.pop() ?? new Slab();
    slab.used = 0;
    return slab;
  }

  give(slab: Slab): void {
    this.#usedCount--;
    this.#free.push(slab);
    this.#callNext();
  }

  /** A slab that somebody may still read from is not used again. */
  drop(): void {
    this.#usedCount--;
    this.#callNext();
  }

  forget(waiter: SlabWaiter): void {
    this.#waiters.delete(waiter);
  }

  #callNext(): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.onSlab();
      return;
    }
  }
}
