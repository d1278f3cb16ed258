/**
 * The translation cache of a device with ATS: which pages it holds, and which it has asked for. PCIe Base 6.0, 10.2 and 10.3.
 *
 * Least recently used out first. Only what costs time is kept here: what an address means, and whether it may be used at all, is
 * asked of the IOMMU each time that bytes move.
 */
export interface AtcOptions {
  readonly entries: number;
  readonly pageBytes: number;
}

/** What a look-up found. */
export const ATC = {
  HIT: 0,
  /** Asked for, and not answered yet. */
  PENDING: 1,
  MISS: 2,
} as const;
export type AtcResult = (typeof ATC)[keyof typeof ATC];

export class Atc {
  readonly pageBytes: number;
  readonly #entriesMax: number;
  /** By page number: HIT or PENDING. In the order of use, the oldest first. */
  readonly #pages = new Map<number, AtcResult>();
  hits = 0;
  /** Look-ups that found no translation: each asks the root complex. */
  misses = 0;
  /** Entries that an invalidation took away. */
  invalidated = 0;

  constructor(options: AtcOptions) {
    this.pageBytes = options.pageBytes;
    this.#entriesMax = Math.max(1, options.entries);
  }

  get size(): number {
    return this.#pages.size;
  }

  pageOf(addr: number): number {
    return Math.floor(addr / this.pageBytes);
  }

  /** Looks a page up. After MISS it counts as asked for: `answered` has to follow. */
  find(page: number): AtcResult {
    const found = this.#pages.get(page);
    if (found === undefined) {
      this.misses++;
      if (this.#pages.size >= this.#entriesMax) {
        this.#pages.delete(this.#pages.keys().next().value!);
      }
      this.#pages.set(page, ATC.PENDING);
      return ATC.MISS;
    }
    this.hits += found === ATC.HIT ? 1 : 0;
    this.#pages.delete(page);
    this.#pages.set(page, found);
    return found;
  }

  /**
   * The root complex has answered.
   * @param isKept false: there is no translation, and the next request asks again
   * @returns whether it is held now: not when it was driven out, or invalidated, since it was asked for
   */
  answered(page: number, isKept: boolean): boolean {
    if (this.#pages.get(page) !== ATC.PENDING) {
      return false;
    }
    if (isKept) {
      this.#pages.set(page, ATC.HIT);
    } else {
      this.#pages.delete(page);
    }
    return isKept;
  }

  /** The translation of an address is held: a request may use it now. */
  holds(addr: number): boolean {
    return this.#pages.get(this.pageOf(addr)) === ATC.HIT;
  }

  /** Forgets a range; what is asked for and not answered yet will not be kept. */
  invalidate(start: number, lengthBytes: number): void {
    const first = this.pageOf(start);
    const last = this.pageOf(start + Math.max(1, lengthBytes) - 1);
    const before = this.#pages.size;
    if (last - first < before) {
      for (let page = first; page <= last; page++) {
        this.#pages.delete(page);
      }
    } else {
      for (const page of this.#pages.keys()) {
        if (page >= first && page <= last) {
          this.#pages.delete(page);
        }
      }
    }
    this.invalidated += before - this.#pages.size;
  }

  resetCounts(): void {
    this.hits = 0;
    this.misses = 0;
    this.invalidated = 0;
  }
}
