/** What an extent memory knows of 1 MiB: of each page whether its bytes are stored, or of what stream they are. */

export const PAGE_BYTES = 4096;
export const CHUNK_BYTES = 1 << 20;
export const CHUNK_PAGES = CHUNK_BYTES / PAGE_BYTES;

/** What a page holds. */
export const PAGE = { ZERO: 0, BYTES: 1, PATTERN: 2 } as const;

/** Content that is there before anybody has written: byte i of the memory is byte `position + i` of the stream. */
export interface Background {
  readonly seed: number;
  readonly position: number;
}

export class Chunk {
  /**
   * All pages follow each other in one stream, or are zeros: `kind`, `seed` and `position` say all, and the arrays mean nothing.
   * So a chunk that moves as a whole costs as much as a page (bench/timing/flow.bench.mjs).
   */
  isRun = true;
  kind: number = PAGE.ZERO;
  seed = 0;
  /** Of the first byte. */
  position = 0;
  /** By page; empty until pages differ. */
  kinds = new Uint8Array(0);
  seeds = new Uint32Array(0);
  positions = new Float64Array(0);
  /** Of the pages that are stored. */
  bytes: Uint8Array | null = null;

  setRun(kind: number, seed: number, position: number): void {
    this.isRun = true;
    this.kind = kind;
    this.seed = seed;
    this.position = position;
  }

  /** From here on every page is by itself. */
  spread(): void {
    if (this.isRun) {
      if (this.kinds.length === 0) {
        this.kinds = new Uint8Array(CHUNK_PAGES);
        this.seeds = new Uint32Array(CHUNK_PAGES);
        this.positions = new Float64Array(CHUNK_PAGES);
      }
      this.isRun = false;
      this.setPages(0, CHUNK_PAGES, this.kind, this.seed, this.position);
    }
  }

  /** A number of pages that follow each other in one stream, or are zeros. */
  setPages(page: number, count: number, kind: number, seed: number, position: number): void {
    this.spread();
    for (let i = 0; i < count; i++) {
      this.kinds[page + i] = kind;
      this.seeds[page + i] = seed;
      this.positions[page + i] = position + i * PAGE_BYTES;
    }
  }

  /** Takes over pages of another chunk up to the first that is stored. @returns their number */
  copyPages(page: number, from: Chunk, fromPage: number, countMax: number): number {
    this.spread();
    let i = 0;
    for (; i < countMax && from.kinds[fromPage + i] !== PAGE.BYTES; i++) {
      this.kinds[page + i] = from.kinds[fromPage + i]!;
      this.seeds[page + i] = from.seeds[fromPage + i]!;
      this.positions[page + i] = from.positions[fromPage + i]!;
    }
    return i;
  }
}
