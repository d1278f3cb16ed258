/** Indices of parallel arrays. */

/** Instead of an index: there is none. */
export const NONE = -1;

/** Indices that are given out and taken back. */
export class Pool {
  #free = new Int32Array(256);
  #freeCount = 0;
  #size = 0;

  /** Slots that were ever in use; arrays of their fields have to be at least as long. */
  get size(): number {
    return this.#size;
  }

  get inUse(): number {
    return this.#size - this.#freeCount;
  }

  take(): number {
    return this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#size++;
  }

  give(index: number): void {
    if (this.#freeCount === this.#free.length) {
      const next = new Int32Array(this.#free.length * 2);
      next.set(this.#free);
      this.#free = next;
    }
    this.#free[this.#freeCount++] = index;
  }
}
