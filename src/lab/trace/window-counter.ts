/**
 * A curve of what was done in each window of time, from pieces of work that have a start and an end.
 *
 * Work is spread evenly from its start to its end. It is told in about the order in which it happens, flows long after they began;
 * windows are kept open for that long.
 */
const OPEN_WINDOWS = 1024;

export class WindowCounter {
  readonly #windowPs: number;
  readonly #emit: (atPs: number, value: number) => void;
  /** Of the first open window. */
  #first = -1;
  #amounts: number[] = [];
  #last = -1;

  /** @param emit takes the amount of a window, where it differs from the one before it */
  constructor(windowPs: number, emit: (atPs: number, value: number) => void) {
    this.#windowPs = windowPs;
    this.#emit = emit;
  }

  add(startPs: number, endPs: number, amount: number): void {
    const windowPs = this.#windowPs;
    const from = Math.floor(startPs / windowPs);
    const to = Math.max(from, Math.ceil(endPs / windowPs) - 1);
    if (this.#first < 0) {
      this.#first = from;
    }
    if (from === to) {
      this.#addTo(from, amount);
    } else {
      const perPs = amount / (endPs - startPs);
      for (let window = from; window <= to; window++) {
        const begin = Math.max(startPs, window * windowPs);
        this.#addTo(window, (Math.min(endPs, (window + 1) * windowPs) - begin) * perPs);
      }
    }
    if (this.#amounts.length > 2 * OPEN_WINDOWS) {
      this.#flush(this.#amounts.length - OPEN_WINDOWS);
    }
  }

  /** Every window is over. */
  close(): void {
    this.#flush(this.#amounts.length);
    if (this.#last > 0) {
      this.#emit(this.#first * this.#windowPs, 0);
      this.#last = 0;
    }
  }

  #addTo(window: number, amount: number): void {
    // What comes later than any window is open counts in the oldest.
    const index = Math.max(0, window - this.#first);
    while (this.#amounts.length <= index) {
      this.#amounts.push(0);
      if (this.#amounts.length > 4 * OPEN_WINDOWS) {
        // A long silence: only its length is new.
        this.#flush(this.#amounts.length - OPEN_WINDOWS);
        this.#addTo(window, amount);
        return;
      }
    }
    this.#amounts[index]! += amount;
  }

  #flush(count: number): void {
    for (let i = 0; i < count; i++) {
      const amount = this.#amounts[i]!;
      if (amount !== this.#last) {
        this.#last = amount;
        this.#emit((this.#first + i) * this.#windowPs, amount);
      }
    }
    this.#amounts.splice(0, count);
    this.#first += count;
  }
}
