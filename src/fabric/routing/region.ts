/**
 * The range around an address in which a route stays the same.
 *
 * Every comparison that routing makes between the address and a range (a window, a BAR, a translated page) goes through
 * `contains`, which shrinks the region to where the answer would have been the same. What is left after the last hop is
 * therefore exactly as far as the route may be used again, however the hops decide.
 *
 * The extent is kept relative to the address, so that an address translation on the way changes nothing.
 */
export class Region {
  /** Bytes before the address that share its route. */
  below: number;
  /** Bytes from the address on that share its route, the first included. */
  above: number;

  constructor(below: number, above: number) {
    this.below = below;
    this.above = above;
  }

  /** Everything that an address can be. */
  static around(addr: number): Region {
    return isExactAddress(addr)
      ? new Region(addr, Number.MAX_SAFE_INTEGER - addr)
      : new Region(0, Number.POSITIVE_INFINITY);
  }

  copy(): Region {
    return new Region(this.below, this.above);
  }

  /** Whether `addr` lies in [start, end); the region shrinks to the addresses of which the same is true. */
  contains(addr: number, start: number, end: number): boolean {
    if (!(start < end)) {
      return false;
    }
    if (addr < start) {
      this.above = Math.min(this.above, start - addr);
      return false;
    }
    if (addr >= end) {
      this.below = Math.min(this.below, addr - end);
      return false;
    }
    this.below = Math.min(this.below, addr - start);
    this.above = Math.min(this.above, end - addr);
    return true;
  }

  /** The answer is known for `below` bytes before and `above` bytes from the address on. */
  limit(below: number, above: number): void {
    this.below = Math.min(this.below, below);
    this.above = Math.min(this.above, above);
  }
}

/** Whether a value names one byte: from 2^53 - 1 on, and for what is no whole number from 0 on, nothing does. */
export function isExactAddress(addr: number): boolean {
  return Number.isInteger(addr) && addr >= 0 && addr < Number.MAX_SAFE_INTEGER;
}
