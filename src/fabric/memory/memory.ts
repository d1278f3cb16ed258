/**
 * Bytes that live somewhere: host DRAM, a controller's memory, a drive's media, a device's staging buffer.
 *
 * A *flat* memory is one array. An *extent* memory is sparse and keeps for each 4 KiB page either stored bytes, zeros, or
 * a place in a pattern; whole pages move between extent memories without their bytes being made. What is read is the same
 * either way, so the choice is one of cost: flat for queues and where the cost of real bytes is the point, extents for
 * everything large.
 *
 * Ranges are the caller's business: an access outside the memory is a bug and asserts. Little-endian computers only.
 */
import { assert } from '../../base/index.ts';
import { type Background, CHUNK_BYTES, CHUNK_PAGES, Chunk, PAGE, PAGE_BYTES } from './chunk.ts';
import { patternBytes } from './pattern.ts';

export { type Background, PAGE_BYTES };

export class Memory {
  readonly sizeBytes: number;
  /** The bytes of a flat memory, for those who are hot; null for extents. */
  readonly flat: Uint8Array | null;
  readonly #flatView: DataView | null;
  readonly #background: Background | null;
  readonly #chunks = new Map<number, Chunk>();

  private constructor(sizeBytes: number, flat: Uint8Array | null, background: Background | null) {
    this.sizeBytes = sizeBytes;
    this.flat = flat;
    this.#flatView = flat === null ? null : new DataView(flat.buffer, flat.byteOffset, flat.byteLength);
    this.#background = background;
  }

  /** One array, zeroed. */
  static flat(sizeBytes: number): Memory {
    return new Memory(sizeBytes, new Uint8Array(sizeBytes), null);
  }

  /** Over bytes that somebody else also looks at. */
  static over(bytes: Uint8Array): Memory {
    return new Memory(bytes.length, bytes, null);
  }

  /** Sparse; zeros, or a background, until written. */
  static extents(sizeBytes: number, background: Background | null = null): Memory {
    return new Memory(sizeBytes, null, background);
  }

  /** Bytes of real memory behind it. */
  get committedBytes(): number {
    if (this.flat !== null) {
      return this.sizeBytes;
    }
    let sum = 0;
    for (const chunk of this.#chunks.values()) {
      sum += chunk.bytes === null ? 0 : CHUNK_BYTES;
    }
    return sum;
  }

  read(offset: number, into: Uint8Array, intoOffset: number, lengthBytes: number): void {
    this.#check(offset, lengthBytes);
    if (this.flat !== null) {
      into.set(this.flat.subarray(offset, offset + lengthBytes), intoOffset);
      return;
    }
    let done = 0;
    while (done < lengthBytes) {
      const at = offset + done;
      const run = this.#storedRun(at, lengthBytes - done);
      if (run > 0) {
        const start = at % CHUNK_BYTES;
        const { bytes } = this.#chunks.get(Math.floor(at / CHUNK_BYTES))!;
        into.set(bytes!.subarray(start, start + run), intoOffset + done);
        done += run;
      } else {
        const length = Math.min(PAGE_BYTES - (at % PAGE_BYTES), lengthBytes - done);
        this.#readPage(at, into, intoOffset + done, length);
        done += length;
      }
    }
  }

  write(offset: number, from: Uint8Array, fromOffset: number, lengthBytes: number): void {
    this.#check(offset, lengthBytes);
    if (this.flat !== null) {
      this.flat.set(from.subarray(fromOffset, fromOffset + lengthBytes), offset);
      return;
    }
    let done = 0;
    while (done < lengthBytes) {
      const at = offset + done;
      const length = Math.min(CHUNK_BYTES - (at % CHUNK_BYTES), lengthBytes - done);
      const bytes = this.#rangeForWrite(at, length);
      bytes.set(from.subarray(fromOffset + done, fromOffset + done + length), at % CHUNK_BYTES);
      done += length;
    }
  }

  /** 1, 2 or 4 bytes, little-endian, at any alignment. */
  getValue(offset: number, lengthBytes: number): number {
    this.#check(offset, lengthBytes);
    let value = 0;
    if (this.flat !== null) {
      if (lengthBytes === 4) {
        return this.#flatView!.getUint32(offset, true);
      }
      for (let i = lengthBytes - 1; i >= 0; i--) {
        value = value * 256 + this.flat[offset + i]!;
      }
      return value;
    }
    this.read(offset, small, 0, lengthBytes);
    for (let i = lengthBytes - 1; i >= 0; i--) {
      value = value * 256 + small[i]!;
    }
    return value;
  }

  setValue(offset: number, lengthBytes: number, value: number): void {
    this.#check(offset, lengthBytes);
    if (this.flat !== null && lengthBytes === 4) {
      this.#flatView!.setUint32(offset, value, true);
      return;
    }
    for (let i = 0; i < lengthBytes; i++) {
      small[i] = (value >>> (8 * i)) & 0xff;
    }
    this.write(offset, small, 0, lengthBytes);
  }

  fill(offset: number, lengthBytes: number, value: number): void {
    this.#check(offset, lengthBytes);
    if (this.flat !== null) {
      this.flat.fill(value, offset, offset + lengthBytes);
      return;
    }
    let done = 0;
    while (done < lengthBytes) {
      const at = offset + done;
      const length = Math.min(PAGE_BYTES - (at % PAGE_BYTES), lengthBytes - done);
      if (value === 0 && length === PAGE_BYTES) {
        this.#setPage(at, PAGE.ZERO, 0, 0);
      } else {
        const start = at % CHUNK_BYTES;
        this.#pageForWrite(at, length === PAGE_BYTES).fill(value, start, start + length);
      }
      done += length;
    }
  }

  /** Makes a range hold the stream of `seed` from `position` on. */
  fillPattern(offset: number, lengthBytes: number, seed: number, position: number): void {
    this.#check(offset, lengthBytes);
    if (this.flat !== null) {
      patternBytes(seed, position, this.flat, offset, lengthBytes);
      return;
    }
    let done = 0;
    while (done < lengthBytes) {
      const at = offset + done;
      const length = Math.min(PAGE_BYTES - (at % PAGE_BYTES), lengthBytes - done);
      if (length === PAGE_BYTES) {
        this.#setPage(at, PAGE.PATTERN, seed, position + done);
      } else {
        patternBytes(seed, position + done, this.#pageForWrite(at, false), at % CHUNK_BYTES, length);
      }
      done += length;
    }
  }

  /** Back to what it held when it was made. */
  reset(): void {
    this.flat?.fill(0);
    this.#chunks.clear();
  }

  /** Copies between any two memories; ranges of one memory may overlap only when it is flat. */
  copyTo(offset: number, target: Memory, targetOffset: number, lengthBytes: number): void {
    this.#check(offset, lengthBytes);
    target.#check(targetOffset, lengthBytes);
    const source = this.flat;
    const into = target.flat;
    if (source !== null && into !== null) {
      into.set(source.subarray(offset, offset + lengthBytes), targetOffset);
    } else if (source !== null) {
      target.write(targetOffset, source, offset, lengthBytes);
    } else if (into !== null) {
      this.read(offset, into, targetOffset, lengthBytes);
    } else {
      this.#copyPages(offset, target, targetOffset, lengthBytes);
    }
  }

  /**
   * Whether two ranges hold the same bytes. Pages that are the same place of the same pattern are not made to find out.
   * @returns the offset of the first difference from the start of the ranges, -1 when they are equal
   */
  firstDifference(offset: number, other: Memory, otherOffset: number, lengthBytes: number): number {
    this.#check(offset, lengthBytes);
    other.#check(otherOffset, lengthBytes);
    const a = new Uint8Array(PAGE_BYTES);
    const b = new Uint8Array(PAGE_BYTES);
    let done = 0;
    while (done < lengthBytes) {
      const at = offset + done;
      const length = Math.min(PAGE_BYTES - (at % PAGE_BYTES), lengthBytes - done);
      if (!(length === PAGE_BYTES && this.#isSamePlace(at, other, otherOffset + done))) {
        this.read(at, a, 0, length);
        other.read(otherOffset + done, b, 0, length);
        for (let i = 0; i < length; i++) {
          if (a[i] !== b[i]) {
            return done + i;
          }
        }
      }
      done += length;
    }
    return -1;
  }

  #isSamePlace(offset: number, other: Memory, otherOffset: number): boolean {
    if (this.flat !== null || other.flat !== null || otherOffset % PAGE_BYTES !== 0) {
      return false;
    }
    const mine = this.#placeOf(offset);
    const kind = mine.kind;
    const { seed, position } = mine;
    const theirs = other.#placeOf(otherOffset);
    return (
      kind === theirs.kind &&
      (kind === PAGE.ZERO || (kind === PAGE.PATTERN && seed === theirs.seed && position === theirs.position))
    );
  }

  /** A page without its bytes; `place` is shared, so use it before the next call. */
  #placeOf(offset: number): typeof place {
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK_BYTES));
    const inChunk = offset % CHUNK_BYTES;
    if (chunk === undefined) {
      const background = this.#background;
      place.kind = background === null ? PAGE.ZERO : PAGE.PATTERN;
      place.seed = background === null ? 0 : background.seed;
      place.position = background === null ? 0 : background.position + (offset - (offset % PAGE_BYTES));
    } else if (chunk.isRun) {
      place.kind = chunk.kind;
      place.seed = chunk.seed;
      place.position = chunk.position + (inChunk - (inChunk % PAGE_BYTES));
    } else {
      const page = Math.floor(inChunk / PAGE_BYTES);
      place.kind = chunk.kinds[page]!;
      place.seed = chunk.seeds[page]!;
      place.position = chunk.positions[page]!;
    }
    return place;
  }

  #copyPages(offset: number, target: Memory, targetOffset: number, lengthBytes: number): void {
    let done = 0;
    while (done < lengthBytes) {
      const from = offset + done;
      const to = targetOffset + done;
      const left = lengthBytes - done;
      const stored = this.#storedRun(from, left);
      if (stored > 0) {
        const { bytes } = this.#chunks.get(Math.floor(from / CHUNK_BYTES))!;
        target.write(to, bytes!, from % CHUNK_BYTES, stored);
        done += stored;
      } else if (left >= PAGE_BYTES && from % PAGE_BYTES === 0 && to % PAGE_BYTES === 0) {
        done += this.#copyPlaces(from, target, to, left);
      } else {
        const length = Math.min(PAGE_BYTES - (from % PAGE_BYTES), PAGE_BYTES - (to % PAGE_BYTES), left);
        this.#readPage(from, pageBytes, 0, length);
        target.write(to, pageBytes, 0, length);
        done += length;
      }
    }
  }

  /**
   * Whole pages that are not stored, without their bytes being made: as many as follow each other in one chunk of both memories.
   * The page at `offset` is one.
   * @returns bytes
   */
  #copyPlaces(offset: number, target: Memory, targetOffset: number, lengthMax: number): number {
    const from = this.#chunks.get(Math.floor(offset / CHUNK_BYTES));
    const into = target.#chunkAt(targetOffset);
    const first = (offset % CHUNK_BYTES) / PAGE_BYTES;
    const intoFirst = (targetOffset % CHUNK_BYTES) / PAGE_BYTES;
    const pages = Math.min(CHUNK_PAGES - first, CHUNK_PAGES - intoFirst, Math.floor(lengthMax / PAGE_BYTES));
    if (from !== undefined && !from.isRun) {
      return into.copyPages(intoFirst, from, first, pages) * PAGE_BYTES;
    }
    const { kind, seed, position } = this.#placeOf(offset);
    if (pages === CHUNK_PAGES) {
      into.setRun(kind, seed, position);
    } else {
      into.setPages(intoFirst, pages, kind, seed, position);
    }
    return pages * PAGE_BYTES;
  }

  #readPage(offset: number, into: Uint8Array, intoOffset: number, length: number): void {
    const { kind, seed, position } = this.#placeOf(offset);
    if (kind === PAGE.BYTES) {
      const bytes = this.#chunks.get(Math.floor(offset / CHUNK_BYTES))!.bytes!;
      const start = offset % CHUNK_BYTES;
      into.set(bytes.subarray(start, start + length), intoOffset);
    } else if (kind === PAGE.PATTERN) {
      patternBytes(seed, position + (offset % PAGE_BYTES), into, intoOffset, length);
    } else {
      into.fill(0, intoOffset, intoOffset + length);
    }
  }

  #chunkAt(offset: number): Chunk {
    const index = Math.floor(offset / CHUNK_BYTES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Chunk();
      if (this.#background !== null) {
        const { seed, position } = this.#background;
        chunk.setRun(PAGE.PATTERN, seed, position + index * CHUNK_BYTES);
      }
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  #setPage(offset: number, kind: number, seed: number, position: number): void {
    const page = Math.floor((offset % CHUNK_BYTES) / PAGE_BYTES);
    this.#chunkAt(offset).setPages(page, 1, kind, seed, position);
  }

  /** The chunk's bytes with the page at `offset` made real; `isOverwritten` spares making what will be replaced. */
  #pageForWrite(offset: number, isOverwritten: boolean): Uint8Array {
    const chunk = this.#chunkAt(offset);
    const inChunk = offset % CHUNK_BYTES;
    const page = Math.floor(inChunk / PAGE_BYTES);
    chunk.bytes ??= new Uint8Array(
      Math.min(CHUNK_BYTES, Math.ceil(this.sizeBytes / PAGE_BYTES) * PAGE_BYTES),
    );
    chunk.spread();
    if (chunk.kinds[page] !== PAGE.BYTES) {
      if (!isOverwritten) {
        const pageStart = inChunk - (inChunk % PAGE_BYTES);
        this.#readPage(offset - (offset % PAGE_BYTES), chunk.bytes, pageStart, PAGE_BYTES);
      }
      chunk.kinds[page] = PAGE.BYTES;
    }
    return chunk.bytes;
  }

  /** Bytes from `offset` on, within one chunk, that are stored as bytes; 0 when the first is not. */
  #storedRun(offset: number, lengthMax: number): number {
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK_BYTES));
    if (chunk === undefined || chunk.isRun) {
      return 0;
    }
    const inChunk = offset % CHUNK_BYTES;
    const first = Math.floor(inChunk / PAGE_BYTES);
    let page = first;
    while (
      page < CHUNK_PAGES &&
      chunk.kinds[page] === PAGE.BYTES &&
      page * PAGE_BYTES - inChunk < lengthMax
    ) {
      page++;
    }
    return page === first ? 0 : Math.min(page * PAGE_BYTES - inChunk, lengthMax);
  }

  /** As `#pageForWrite` for a range within one chunk: pages that it covers in part are made real first. */
  #rangeForWrite(offset: number, lengthBytes: number): Uint8Array {
    const end = offset + lengthBytes;
    const firstPage = offset - (offset % PAGE_BYTES);
    const lastPage = end - 1 - ((end - 1) % PAGE_BYTES);
    const bytes = this.#pageForWrite(offset, offset === firstPage && lengthBytes >= PAGE_BYTES);
    if (lastPage > firstPage) {
      this.#pageForWrite(lastPage, end - lastPage === PAGE_BYTES);
      const chunk = this.#chunkAt(offset);
      const from = Math.floor((firstPage % CHUNK_BYTES) / PAGE_BYTES) + 1;
      chunk.kinds.fill(PAGE.BYTES, from, Math.floor((lastPage % CHUNK_BYTES) / PAGE_BYTES));
    }
    return bytes;
  }

  #check(offset: number, lengthBytes: number): void {
    if (!(offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= this.sizeBytes)) {
      assert(false, 'an access lies outside its memory', { offset, lengthBytes, sizeBytes: this.sizeBytes });
    }
  }
}

const small = new Uint8Array(8);
const pageBytes = new Uint8Array(PAGE_BYTES);
const place: { kind: number; seed: number; position: number } = { kind: 0, seed: 0, position: 0 };
