/**
 * Memory pages for PRP lists and SGL segments, in host memory, taken by commands that need them and given back with their
 * completion.
 *
 * Pages are named by index and linked into chains, so that a command remembers one number. The pool grows by a chunk when
 * it is empty, up to a limit, and shrinks with its controller only.
 */
import type { CoherentMemory, DmaView } from '../../access/index.ts';
import { MappingError } from '../../base/index.ts';

/** Pages of one allocation. */
const CHUNK_PAGES = 32;

export class ListPool {
  readonly pageBytes: number;
  readonly #dma: DmaView;
  readonly #pagesMax: number;
  readonly #chunks: CoherentMemory[] = [];
  /** By page: its dwords, its address, and the next page of its chain or of the free list; -1 ends both. */
  readonly #words: Uint32Array[] = [];
  readonly #addresses: number[] = [];
  readonly #next: number[] = [];
  #free = -1;
  #used = 0;

  constructor(dma: DmaView, pageBytes: number, pagesMax: number) {
    this.#dma = dma;
    this.pageBytes = pageBytes;
    this.#pagesMax = pagesMax;
  }

  /** Pages that commands hold. */
  get used(): number {
    return this.#used;
  }

  /** A page that ends its chain; -1 when there is no memory. */
  take(): number {
    if (this.#free < 0 && !this.#grow()) {
      return -1;
    }
    const page = this.#free;
    this.#free = this.#next[page]!;
    this.#next[page] = -1;
    this.#used++;
    return page;
  }

  /** Links `next` behind `page`. */
  link(page: number, next: number): void {
    this.#next[page] = next;
  }

  /** The dwords of a page. */
  words(page: number): Uint32Array {
    return this.#words[page]!;
  }

  address(page: number): number {
    return this.#addresses[page]!;
  }

  /** Gives back a chain; -1 is an empty one. */
  give(head: number): void {
    let page = head;
    while (page >= 0) {
      const next = this.#next[page]!;
      this.#next[page] = this.#free;
      this.#free = page;
      this.#used--;
      page = next;
    }
  }

  /** Nothing may use the pages any more. */
  close(): void {
    for (const chunk of this.#chunks) {
      chunk.free();
    }
    this.#chunks.length = 0;
    this.#words.length = 0;
    this.#addresses.length = 0;
    this.#next.length = 0;
    this.#free = -1;
  }

  #grow(): boolean {
    const first = this.#words.length;
    const count = Math.min(CHUNK_PAGES, this.#pagesMax - first);
    if (count <= 0) {
      return false;
    }
    let memory: CoherentMemory;
    try {
      memory = this.#dma.allocCoherent(count * this.pageBytes, this.pageBytes);
    } catch (error) {
      if (error instanceof MappingError) {
        return false;
      }
      throw error;
    }
    this.#chunks.push(memory);
    for (let i = count - 1; i >= 0; i--) {
      const page = first + i;
      this.#words[page] = wordsOf(memory, i * this.pageBytes, this.pageBytes);
      this.#addresses[page] = memory.addr + i * this.pageBytes;
      this.#next[page] = this.#free;
      this.#free = page;
    }
    return true;
  }
}

/** Dwords of coherent memory, shared with it. Queues and lists are at least page aligned, so the view is possible. */
export function wordsOf(memory: CoherentMemory, offsetBytes: number, lengthBytes: number): Uint32Array {
  return new Uint32Array(memory.bytes.buffer, memory.bytes.byteOffset + offsetBytes, lengthBytes / 4);
}
