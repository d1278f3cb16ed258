/**
 * A span as one controller sees it: its addresses, and a PRP list over the whole of it that every command on the span can
 * point into.
 *
 * Lists of the span are laid out so that any run of pages in them is a valid PRP list: the last entry of each page of the
 * list leads to the next page. Only where a command's pages end exactly there the entry would have to be data; those
 * commands build a list of their own. Follows NVM Express Base 2.1, section 4.3.1.
 */
import type { CoherentMemory, DmaMapping, DmaView } from '../../access/index.ts';
import { MappingError } from '../../base/index.ts';
import { PRP_ENTRY_BYTES } from '../../spec/nvme/index.ts';
import { wordsOf } from './list-pool.ts';

/** Larger spans get no list of their own: it would be as large as its use is rare. */
const LIST_PAGES_MAX = 65_536;

export class SpanMapping {
  readonly segmentCount: number;
  /** By segment: where it starts in the span, its address, its length. */
  readonly starts: Float64Array;
  readonly addresses: Float64Array;
  readonly lengths: Float64Array;
  /** One segment, at an address that PRPs can name: any range is described by PRPs. */
  readonly isSingle: boolean;
  readonly base: number;
  /** Segments meet at page boundaries, so that PRPs describe any range, whatever the number of segments. */
  readonly isPaged: boolean;
  /** Requests that use it. */
  uses = 0;

  readonly #mapping: DmaMapping;
  readonly #dma: DmaView;
  readonly #pageBytes: number;
  /** Bytes from the start of the first page to the start of the span. */
  readonly #skew: number;
  readonly #pageCount: number;
  readonly #listEntries: number;
  #list: CoherentMemory | null = null;
  #canHaveList: boolean;

  /** Takes the mapping over. Segments are in the order of the span and cover it. */
  constructor(mapping: DmaMapping, dma: DmaView, pageBytes: number) {
    const { segments } = mapping;
    this.#mapping = mapping;
    this.#dma = dma;
    this.#pageBytes = pageBytes;
    this.segmentCount = segments.length;
    this.starts = new Float64Array(segments.length);
    this.addresses = new Float64Array(segments.length);
    this.lengths = new Float64Array(segments.length);
    let start = 0;
    let isPaged = true;
    for (const [i, segment] of segments.entries()) {
      this.starts[i] = start;
      this.addresses[i] = segment.addr;
      this.lengths[i] = segment.lengthBytes;
      start += segment.lengthBytes;
      const isLast = i === segments.length - 1;
      isPaged &&= i === 0 || segment.addr % pageBytes === 0;
      isPaged &&= isLast || (segment.addr + segment.lengthBytes) % pageBytes === 0;
    }
    this.isPaged = isPaged;
    this.isSingle = segments.length === 1;
    this.base = this.addresses[0] ?? 0;
    this.#skew = this.base % pageBytes;
    this.#pageCount = Math.ceil((this.#skew + start) / pageBytes);
    this.#listEntries = pageBytes / PRP_ENTRY_BYTES - 1;
    this.#canHaveList = isPaged && this.#pageCount > 2 && this.#pageCount <= LIST_PAGES_MAX;
  }

  /** The provider of the memory took it back: no command may be sent to these addresses any more. */
  get isVoid(): boolean {
    return this.#mapping.isValid === false;
  }

  /** Whether commands can name every byte: the whole span is covered, at addresses below 2^53 and multiples of 4. */
  isUsable(spanBytes: number): boolean {
    let covered = 0;
    for (let i = 0; i < this.segmentCount; i++) {
      const address = this.addresses[i]!;
      const length = this.lengths[i]!;
      if (!(address >= 0 && address + length <= Number.MAX_SAFE_INTEGER) || address % 4 !== 0) {
        return false;
      }
      covered += length;
    }
    return covered >= spanBytes;
  }

  /** The address of a byte of the span. */
  addressAt(spanOffset: number): number {
    if (this.isSingle) {
      return this.base + spanOffset;
    }
    const i = this.segmentAt(spanOffset);
    return this.addresses[i]! + spanOffset - this.starts[i]!;
  }

  /** The segment with a byte of the span. */
  segmentAt(spanOffset: number): number {
    let low = 0;
    let high = this.segmentCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= spanOffset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /** How many bytes from `spanOffset` on PRPs can describe, up to `lengthBytes`. */
  prpRun(spanOffset: number, lengthBytes: number): number {
    if (this.isPaged) {
      return lengthBytes;
    }
    const page = this.#pageBytes;
    let i = this.segmentAt(spanOffset);
    let run = this.lengths[i]! - (spanOffset - this.starts[i]!);
    while (
      run < lengthBytes &&
      i + 1 < this.segmentCount &&
      (this.addresses[i]! + this.lengths[i]!) % page === 0 &&
      this.addresses[i + 1]! % page === 0
    ) {
      i++;
      run += this.lengths[i]!;
    }
    return Math.min(run, lengthBytes);
  }

  /**
   * The address of a PRP list for `entries` pages after the one with `spanOffset`, in the list of the span.
   * 0 when there is none: the command builds its own.
   */
  listAddress(spanOffset: number, entries: number): number {
    if (!this.#canHaveList) {
      return 0;
    }
    const list = this.#list ?? this.#build();
    if (list === null) {
      return 0;
    }
    const per = this.#listEntries;
    const first = Math.floor((spanOffset + this.#skew) / this.#pageBytes) + 1;
    const place = first % per;
    if (place + entries > per && (place + entries) % per === 1) {
      return 0;
    }
    return list.addr + ((first - place) / per) * this.#pageBytes + place * PRP_ENTRY_BYTES;
  }

  /** Idempotent. No command may use it. */
  close(): void {
    this.#list?.free();
    this.#list = null;
    this.#canHaveList = false;
    this.#mapping.unmap();
  }

  #build(): CoherentMemory | null {
    const per = this.#listEntries;
    const page = this.#pageBytes;
    const listPages = Math.ceil(this.#pageCount / per);
    let list: CoherentMemory;
    try {
      list = this.#dma.allocCoherent(listPages * page, page);
    } catch (error) {
      if (!(error instanceof MappingError)) {
        throw error;
      }
      this.#canHaveList = false;
      return null;
    }
    const words = wordsOf(list, 0, listPages * page);
    const wordsPerPage = page / 4;
    for (let i = 0; i < this.#pageCount; i++) {
      const address = i === 0 ? this.base - this.#skew : this.addressAt(i * page - this.#skew);
      setAddress(words, Math.floor(i / per) * wordsPerPage + (i % per) * 2, address);
    }
    for (let i = 0; i + 1 < listPages; i++) {
      setAddress(words, i * wordsPerPage + per * 2, list.addr + (i + 1) * page);
    }
    this.#list = list;
    return list;
  }
}

/** Writes an address as two dwords. */
export function setAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address >>> 0;
  words[at + 1] = Math.floor(address / 0x1_0000_0000);
}
