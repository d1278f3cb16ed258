/**
 * The order of random blocks: each of `count` once before any comes again, without a map of what was used.
 *
 * A pass is a permutation: four Feistel rounds over the smallest even number of bits that holds `count`, walked on while the
 * result lies outside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). It costs no memory, so drives of
 * any size are covered. Not for secrets.
 */
export class BlockOrder {
  readonly #count: number;
  readonly #halfBits: number;
  readonly #halfSize: number;
  readonly #seed: number;
  #pass = 0;
  #next = 0;

  /** @param count  1 to 2^53 - 1 */
  constructor(count: number, seed: number) {
    this.#count = count;
    let halfBits = 1;
    while (4 ** halfBits < count) {
      halfBits++;
    }
    this.#halfBits = halfBits;
    this.#halfSize = 2 ** halfBits;
    this.#seed = seed;
  }

  /** The next block, 0 to `count - 1`. */
  next(): number {
    if (this.#next === this.#count) {
      this.#next = 0;
      this.#pass++;
    }
    let block = this.#next++;
    do {
      block = this.#permute(block);
    } while (block >= this.#count);
    return block;
  }

  #permute(value: number): number {
    const size = this.#halfSize;
    let left = Math.floor(value / size);
    let right = value % size;
    for (let round = 0; round < 4; round++) {
      const mixed = mix(right, this.#seed + this.#pass * 4 + round) >>> (32 - this.#halfBits);
      const next = (left ^ mixed) >>> 0;
      left = right;
      right = next;
    }
    return left * size + right;
  }
}

/** Half a block (at most 27 bits) and a key to 32 bits whose upper ones depend on all. */
function mix(half: number, key: number): number {
  let word = Math.imul(half + 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(key + 0x7f4a_7c15, 0xc2b2_ae35);
  word = Math.imul(word ^ (word >>> 15), 0x2c1b_3c6d);
  word = Math.imul(word ^ (word >>> 12), 0x297a_2d39);
  return (word ^ (word >>> 15)) >>> 0;
}
