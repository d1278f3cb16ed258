/**
 * The address space of one device as its client has told it: ranges that are memory here, and ranges that only messages reach.
 *
 * Addresses are numbers: what ends above 2^53 is not kept, as nothing here can name it. Ranges never overlap.
 */
import type { DramRegion, Memory } from '../../fabric/index.ts';

/** A run of addresses; `memory` is null where there are only messages. */
export interface DmaRange {
  readonly start: number;
  /** First address after it. */
  readonly end: number;
  readonly memory: Memory | null;
  /** Where in `memory` the byte at `start` lies. */
  readonly memoryOffset: number;
  readonly isReadOnly: boolean;
}

interface DmaPiece extends DmaRange {
  /** For routing; null where there is no memory. */
  readonly region: DramRegion | null;
}

export class DmaTable {
  /** Ascending. */
  readonly #pieces: DmaPiece[] = [];
  #memoryBytes = 0;

  /** Ranges, after splitting. */
  get count(): number {
    return this.#pieces.length;
  }

  /** Bytes that are memory here. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  regionAt(addr: number): DramRegion | undefined {
    const piece = this.#pieces[this.#indexAfter(addr) - 1];
    return piece !== undefined && addr < piece.end ? (piece.region ?? undefined) : undefined;
  }

  /** Whether any address of [start, end) is in a range. */
  overlaps(start: number, end: number): boolean {
    const before = this.#pieces[this.#indexAfter(start) - 1];
    const next = this.#pieces[this.#indexAfter(start)];
    return (before !== undefined && before.end > start) || (next !== undefined && next.start < end);
  }

  /** Adds a range that overlaps none. */
  add(range: DmaRange): void {
    const piece = pieceOf(range);
    this.#pieces.splice(this.#indexAfter(range.start), 0, piece);
    this.#count(piece, 1);
  }

  /** Takes everything of [start, end) away; what lies outside stays. @returns whether anything was there */
  remove(start: number, end: number): boolean {
    let first = this.#indexAfter(start);
    const before = this.#pieces[first - 1];
    if (before !== undefined && before.end > start) {
      first--;
    }
    let last = first;
    while (last < this.#pieces.length && this.#pieces[last]!.start < end) {
      last++;
    }
    if (first === last) {
      return false;
    }
    const left: DmaPiece[] = [];
    const low = this.#pieces[first]!;
    const high = this.#pieces[last - 1]!;
    if (low.start < start) {
      left.push(pieceOf({ ...low, end: start }));
    }
    if (high.end > end) {
      left.push(pieceOf({ ...high, start: end, memoryOffset: high.memoryOffset + (end - high.start) }));
    }
    for (const gone of this.#pieces.splice(first, last - first, ...left)) {
      this.#count(gone, -1);
    }
    for (const piece of left) {
      this.#count(piece, 1);
    }
    return true;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#memoryBytes = 0;
  }

  #count({ memory, start, end }: DmaPiece, sign: number): void {
    this.#memoryBytes += memory === null ? 0 : sign * (end - start);
  }

  /** Index of the first range that starts after `addr`. */
  #indexAfter(addr: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#pieces[middle]!.start <= addr) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

function pieceOf({ start, end, memory, memoryOffset, isReadOnly }: DmaRange): DmaPiece {
  const region = memory === null ? null : { start, end, memory, memoryOffset, numaNode: 0, isReadOnly };
  return { start, end, memory, memoryOffset, isReadOnly, region };
}
