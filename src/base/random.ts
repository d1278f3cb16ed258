/** Seeded random numbers (xoshiro128**, Blackman and Vigna 2018), the same on every machine. */
export class SeededRandom {
  readonly seed: number;
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    this.seed = seed >>> 0;
    // splitmix32 spreads one seed word over the state.
    let word = this.seed;
    for (let i = 0; i < 4; i++) {
      word = (word + 0x9e37_79b9) >>> 0;
      let mixed = word;
      mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
      this.#state[i] = (mixed ^ (mixed >>> 16)) >>> 0;
    }
  }

  /** The next 32 bits, as an unsigned number. */
  next32(): number {
    const s = this.#state;
    const product = Math.imul(s[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.next32() / 0x1_0000_0000;
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
