/**
 * Which I/O virtual addresses of a domain are free: ranges, given out from the top of the lower 4 GiB downwards first, as
 * Linux does so that devices with 32 address bits can be served.
 *
 * The windows of host bridges are taken out when the space is made: a switch below claims an address of one of its windows
 * before any IOMMU sees it, so such an address must never be given out.
 */
import { IOVA_PAGE_BYTES } from './page-table.ts';

const FOUR_GIB = 2 ** 32;

export interface IovaRange {
  readonly start: number;
  /** First address after it. */
  readonly end: number;
}

export class IovaSpace {
  /** Free ranges, ascending, never touching. */
  #free: { start: number; end: number }[];

  /** `reserved` ranges may overlap and lie anywhere. Page 0 is never given out. */
  constructor(addressBits: number, reserved: readonly IovaRange[]) {
    this.#free = [{ start: IOVA_PAGE_BYTES, end: 2 ** Math.min(addressBits, 48) }];
    for (const range of reserved) {
      this.#takeOut(
        range.start - (range.start % IOVA_PAGE_BYTES),
        Math.ceil(range.end / IOVA_PAGE_BYTES) * IOVA_PAGE_BYTES,
      );
    }
  }

  /** @returns start of `lengthBytes` (rounded up to pages) below `endMax`, or undefined when there is no such run */
  alloc(lengthBytes: number, endMax: number): number | undefined {
    const need = Math.max(1, Math.ceil(lengthBytes / IOVA_PAGE_BYTES)) * IOVA_PAGE_BYTES;
    // Large pages need both sides aligned alike, so a large range starts at a multiple of its page size where it can.
    for (const align of [2 ** 30, 2 ** 21, IOVA_PAGE_BYTES]) {
      if (need >= align) {
        const start =
          this.#below(need, align, Math.min(endMax, FOUR_GIB)) ??
          (endMax > FOUR_GIB ? this.#below(need, align, endMax) : undefined);
        if (start !== undefined) {
          return start;
        }
      }
    }
    return undefined;
  }

  release(start: number, lengthBytes: number): void {
    const end = start + Math.max(1, Math.ceil(lengthBytes / IOVA_PAGE_BYTES)) * IOVA_PAGE_BYTES;
    let index = this.#free.findIndex((range) => range.start >= end);
    index = index === -1 ? this.#free.length : index;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    const joinsBefore = before !== undefined && before.end === start;
    const joinsAfter = after !== undefined && after.start === end;
    if (joinsBefore && joinsAfter) {
      before.end = after.end;
      this.#free.splice(index, 1);
    } else if (joinsBefore) {
      before.end = end;
    } else if (joinsAfter) {
      after.start = start;
    } else {
      this.#free.splice(index, 0, { start, end });
    }
  }

  #below(need: number, align: number, endMax: number): number | undefined {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const range = this.#free[i]!;
      const end = Math.min(range.end, endMax);
      const start = Math.floor((end - need) / align) * align;
      if (start >= range.start && start + need <= end) {
        this.#takeOut(start, start + need);
        return start;
      }
    }
    return undefined;
  }

  #takeOut(start: number, end: number): void {
    const kept: { start: number; end: number }[] = [];
    for (const range of this.#free) {
      if (range.end <= start || range.start >= end) {
        kept.push(range);
        continue;
      }
      if (range.start < start) {
        kept.push({ start: range.start, end: start });
      }
      if (range.end > end) {
        kept.push({ start: end, end: range.end });
      }
    }
    this.#free = kept;
  }
}
