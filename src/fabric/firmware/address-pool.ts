/** Free ranges of an address space, handed out first fit. */

export interface AddressRange {
  readonly start: number;
  readonly lengthBytes: number;
}

/** Beyond this nothing decodes. */
const ADDRESS_END = 2 ** 52;

export class AddressPool {
  /** Ascending, not overlapping; ends are exclusive. */
  #free: { readonly start: number; readonly end: number }[] = [];

  /** Takes the parts of the ranges that lie in `[first, end)`. */
  constructor(ranges: readonly AddressRange[], first = 0, end = ADDRESS_END) {
    const parts = ranges
      .map((range) => ({
        start: Math.max(range.start, first),
        end: Math.min(range.start + range.lengthBytes, end, ADDRESS_END),
      }))
      .filter((part) => part.start < part.end)
      .sort((a, b) => a.start - b.start);
    for (const part of parts) {
      const last = this.#free.at(-1);
      if (last !== undefined && part.start <= last.end) {
        this.#free[this.#free.length - 1] = { start: last.start, end: Math.max(last.end, part.end) };
      } else {
        this.#free.push(part);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#free.length === 0;
  }

  get freeBytes(): number {
    return this.#free.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** @returns the lowest aligned address with enough room, which is then taken; undefined when there is none */
  allocate(sizeBytes: number, alignBytes: number): number | undefined {
    for (let i = 0; i < this.#free.length; i++) {
      const { start, end } = this.#free[i]!;
      const at = Math.ceil(start / alignBytes) * alignBytes;
      if (at + sizeBytes <= end) {
        const rest = [
          { start, end: at },
          { start: at + sizeBytes, end },
        ].filter((part) => part.start < part.end);
        this.#free.splice(i, 1, ...rest);
        return at;
      }
    }
    return undefined;
  }
}
