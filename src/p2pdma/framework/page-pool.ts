/**
 * The allocator below a provider: Linux lib/genalloc.c with a minimum order of one page.
 *
 * Chunks are searched newest first, first fit inside a chunk, never across two. Addresses are those of the first byte of a
 * page as the CPU sees it. Leaves out who owns what: `PeerMemory` keeps that, so that a wrong `free` never gets here.
 */
import { assert } from '../../base/index.ts';

class Chunk {
  readonly start: number;
  readonly sizeBytes: number;
  readonly pageCount: number;
  /** One bit a page, set when taken. */
  readonly bits: Uint32Array;
  availableBytes: number;
  /** Every page before this one is taken: where a search may begin. */
  firstFree = 0;

  constructor(start: number, sizeBytes: number, pageBytes: number) {
    this.start = start;
    this.sizeBytes = sizeBytes;
    this.pageCount = Math.floor(sizeBytes / pageBytes);
    this.bits = new Uint32Array(Math.ceil(this.pageCount / 32));
    this.availableBytes = sizeBytes;
  }
}

/** Returned by `alloc` when nothing fits. */
export const NO_PAGES = -1;
const ALL_TAKEN = 0xffff_ffff;

export class PagePool {
  readonly pageBytes: number;
  /** Newest first. */
  readonly #chunks: Chunk[] = [];

  constructor(pageBytes: number) {
    this.pageBytes = pageBytes;
  }

  /** What is no whole page at the end counts in the sizes, as in the kernel, and can never be taken. */
  addChunk(start: number, sizeBytes: number): void {
    this.#chunks.unshift(new Chunk(start, sizeBytes, this.pageBytes));
  }

  get sizeBytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
  }

  get availableBytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.availableBytes, 0);
  }

  /** The most that one `alloc` could get now; less than `availableBytes` when the pool is fragmented. Looks at the whole bitmap. */
  get largestFreeBytes(): number {
    let largest = 0;
    for (const chunk of this.#chunks) {
      largest = Math.max(largest, longestRun(chunk));
    }
    return largest * this.pageBytes;
  }

  /** @returns the address of the first page, NO_PAGES for 0 bytes or when there is no such block */
  alloc(sizeBytes: number): number {
    const pages = Math.ceil(sizeBytes / this.pageBytes);
    if (!(pages > 0)) {
      return NO_PAGES;
    }
    for (const chunk of this.#chunks) {
      if (sizeBytes > chunk.availableBytes) {
        continue;
      }
      const first = findRun(chunk, pages);
      if (first >= 0) {
        setRange(chunk, first, pages);
        chunk.availableBytes -= pages * this.pageBytes;
        if (first === chunk.firstFree) {
          chunk.firstFree = first + pages;
        }
        return chunk.start + first * this.pageBytes;
      }
    }
    return NO_PAGES;
  }

  /** Gives back whole pages that are all taken; anything else is a bug of the caller. */
  free(address: number, sizeBytes: number): void {
    const chunk = this.#chunkOf(address);
    assert(chunk !== undefined, 'freed pages that no chunk has', { address });
    const first = (address - chunk.start) / this.pageBytes;
    const pages = Math.ceil(sizeBytes / this.pageBytes);
    assert(Number.isInteger(first) && first + pages <= chunk.pageCount, 'freed past a chunk', { address });
    for (let page = first; page < first + pages; page++) {
      assert(isTaken(chunk, page), 'freed a page that is free', { address, page });
    }
    clearRange(chunk, first, pages);
    chunk.availableBytes += pages * this.pageBytes;
    chunk.firstFree = Math.min(chunk.firstFree, first);
  }

  /** Undefined when the address lies in no chunk. */
  isTaken(address: number): boolean | undefined {
    const chunk = this.#chunkOf(address);
    if (chunk === undefined) {
      return undefined;
    }
    const page = Math.floor((address - chunk.start) / this.pageBytes);
    return page < chunk.pageCount && isTaken(chunk, page);
  }

  #chunkOf(address: number): Chunk | undefined {
    return this.#chunks.find((chunk) => address >= chunk.start && address < chunk.start + chunk.sizeBytes);
  }
}

function isTaken(chunk: Chunk, page: number): boolean {
  return (chunk.bits[page >>> 5]! & (1 << (page & 31))) !== 0;
}

/** First page of the first run of free pages that is long enough, or -1. Whole words are skipped or taken at once. */
function findRun(chunk: Chunk, pages: number): number {
  const { bits, pageCount } = chunk;
  let run = 0;
  let page = chunk.firstFree;
  while (page < pageCount) {
    const word = bits[page >>> 5]!;
    const isWordStart = (page & 31) === 0;
    if (isWordStart && word === ALL_TAKEN) {
      run = 0;
      page += 32;
    } else if (isWordStart && word === 0) {
      const step = Math.min(32, pageCount - page);
      run += step;
      page += step;
    } else {
      run = (word & (1 << (page & 31))) === 0 ? run + 1 : 0;
      page += 1;
    }
    if (run >= pages) {
      return page - run;
    }
  }
  return -1;
}

/** Pages of the longest run that is free. */
function longestRun(chunk: Chunk): number {
  const { bits, pageCount } = chunk;
  let longest = 0;
  let run = 0;
  for (let page = 0; page < pageCount; ) {
    const isWordStart = (page & 31) === 0;
    if (isWordStart && bits[page >>> 5] === 0) {
      const step = Math.min(32, pageCount - page);
      run += step;
      page += step;
    } else if (isWordStart && bits[page >>> 5] === ALL_TAKEN) {
      run = 0;
      page += 32;
    } else {
      run = isTaken(chunk, page) ? 0 : run + 1;
      page += 1;
    }
    longest = Math.max(longest, run);
  }
  return longest;
}

function setRange(chunk: Chunk, first: number, pages: number): void {
  for (let page = first; page < first + pages; ) {
    if ((page & 31) === 0 && first + pages - page >= 32) {
      chunk.bits[page >>> 5] = ALL_TAKEN;
      page += 32;
    } else {
      chunk.bits[page >>> 5]! |= 1 << (page & 31);
      page += 1;
    }
  }
}

function clearRange(chunk: Chunk, first: number, pages: number): void {
  for (let page = first; page < first + pages; ) {
    if ((page & 31) === 0 && first + pages - page >= 32) {
      chunk.bits[page >>> 5] = 0;
      page += 32;
    } else {
      chunk.bits[page >>> 5]! &= ~(1 << (page & 31));
      page += 1;
    }
  }
}
