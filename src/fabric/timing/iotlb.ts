/**
 * The IOTLB in front of a root complex: which pages it holds, and the walks for those it does not.
 *
 * Least recently used out first; one entry a page whatever the page's size. Walks run side by side up to a number; a packet
 * whose page is being walked for waits for that walk. Only time is kept here: what an address means is the IOMMU's.
 */
import type { TranslationStage } from './path.ts';

export interface IotlbOptions {
  /** For people: of what it is. */
  readonly name?: string;
  readonly entries: number;
  readonly pageBytes: number;
  readonly walkPs: number;
  readonly hitPs: number;
  /** Walks at once, of reads and of writes. */
  readonly readWalkers: number;
  readonly writeWalkers: number;
  /** Walks below one table, which maps so many bytes, wait for each other; 0 or missing: they do not. */
  readonly serialTableBytes?: number;
}

export class Iotlb implements TranslationStage {
  readonly name: string;
  /** By source and page: when its translation is there. In the order of use, the oldest first. */
  readonly #entries = new Map<number, number>();
  readonly #options: IotlbOptions;
  readonly #readWalkers: Float64Array;
  readonly #writeWalkers: Float64Array;
  /** When the last walk below a table ends, by source and table; only where they wait for each other. */
  readonly #tables = new Map<number, number>();
  hits = 0;
  misses = 0;
  /** Picoseconds that walkers of reads and of writes worked, or were kept waiting by a table, all of them together. */
  readWalkPs = 0;
  writeWalkPs = 0;

  constructor(options: IotlbOptions) {
    this.name = options.name ?? 'the IOMMU';
    this.#options = options;
    this.#readWalkers = new Float64Array(Math.max(1, Math.floor(options.readWalkers)));
    this.#writeWalkers = new Float64Array(Math.max(1, Math.floor(options.writeWalkers)));
  }

  ready(source: number, addr: number, isWrite: boolean, atPs: number): number {
    const { pageBytes, hitPs, walkPs, entries } = this.#options;
    const key = Math.floor(addr / pageBytes) * 0x1_0000 + source;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.hits++;
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return Math.max(atPs, known) + hitPs;
    }
    this.misses++;
    const walkers = isWrite ? this.#writeWalkers : this.#readWalkers;
    let free = 0;
    for (let i = 1; i < walkers.length; i++) {
      if (walkers[i]! < walkers[free]!) {
        free = i;
      }
    }
    // A number of walkers with a fraction (an average that was measured) makes each walk a little faster.
    const wanted = isWrite ? this.#options.writeWalkers : this.#options.readWalkers;
    const startPs = Math.max(atPs, walkers[free]!, this.#tableFreePs(source, addr));
    const takenPs =
      startPs - Math.max(atPs, walkers[free]!) + (walkPs * walkers.length) / Math.max(1, wanted);
    walkers[free] = startPs + (walkPs * walkers.length) / Math.max(1, wanted);
    const donePs = startPs + walkPs;
    if (isWrite) {
      this.writeWalkPs += takenPs;
    } else {
      this.readWalkPs += takenPs;
    }
    this.#takeTable(source, addr, donePs);
    if (this.#entries.size >= entries) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    this.#entries.set(key, donePs);
    return donePs + hitPs;
  }

  #tableFreePs(source: number, addr: number): number {
    const { serialTableBytes = 0 } = this.#options;
    return serialTableBytes === 0 ? 0 : (this.#tables.get(tableKey(source, addr, serialTableBytes)) ?? 0);
  }

  #takeTable(source: number, addr: number, untilPs: number): void {
    const { serialTableBytes = 0 } = this.#options;
    if (serialTableBytes > 0) {
      this.#tables.set(tableKey(source, addr, serialTableBytes), untilPs);
    }
  }

  resetCounts(): void {
    this.hits = 0;
    this.misses = 0;
    this.readWalkPs = 0;
    this.writeWalkPs = 0;
  }

  /** Share of so many picoseconds in which its walkers worked, 0 to 1: of reads or of writes, whichever are busier. */
  utilisation(overPs: number): number {
    const reads = this.readWalkPs / (this.#readWalkers.length * overPs);
    const writes = this.writeWalkPs / (this.#writeWalkers.length * overPs);
    return overPs > 0 ? Math.min(1, Math.max(reads, writes)) : 0;
  }

  /** A range of a source is mapped no more: the next look-up walks. */
  invalidate(source: number, start: number, lengthBytes: number): void {
    const { pageBytes } = this.#options;
    const first = Math.floor(start / pageBytes);
    const last = Math.floor((start + Math.max(1, lengthBytes) - 1) / pageBytes);
    if (last - first < this.#entries.size) {
      for (let page = first; page <= last; page++) {
        this.#entries.delete(page * 0x1_0000 + source);
      }
      return;
    }
    for (const key of this.#entries.keys()) {
      const page = Math.floor(key / 0x1_0000);
      if (key % 0x1_0000 === source && page >= first && page <= last) {
        this.#entries.delete(key);
      }
    }
  }
}

function tableKey(source: number, addr: number, tableBytes: number): number {
  return Math.floor(addr / tableBytes) * 0x1_0000 + source;
}
