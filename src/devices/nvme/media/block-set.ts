/**
 * A set of logical blocks that costs memory for where it is mixed only: 2^18 blocks that are all in or all out cost one map
 * entry or nothing.
 *
 * Ranges are the caller's business: one outside the set is a bug and asserts.
 */
import { assert } from '../../../base/index.ts';

const CHUNK_BLOCKS = 2 ** 18;
const CHUNK_WORDS = CHUNK_BLOCKS / 32;

export class BlockSet {
  readonly sizeBlocks: number;
  /** Blocks in the set. */
  count: number;
  /** What the chunks are that have no entry. */
  #isFullElsewhere: boolean;
  readonly #chunks = new Map<number, Uint32Array | boolean>();

  constructor(sizeBlocks: number, isFull: boolean) {
    this.sizeBlocks = sizeBlocks;
    this.count = isFull ? sizeBlocks : 0;
    this.#isFullElsewhere = isFull;
  }

  has(block: number): boolean {
    const chunk = this.#stateOf(Math.floor(block / CHUNK_BLOCKS));
    const index = block % CHUNK_BLOCKS;
    return typeof chunk === 'boolean' ? chunk : ((chunk[index >>> 5]! >>> (index & 31)) & 1) === 1;
  }

  add(slba: number, blocks: number): void {
    this.#set(slba, blocks, true);
  }

  remove(slba: number, blocks: number): void {
    this.#set(slba, blocks, false);
  }

  setAll(isIn: boolean): void {
    this.#chunks.clear();
    this.#isFullElsewhere = isIn;
    this.count = isIn ? this.sizeBlocks : 0;
  }

  /** The first block of a range that is in the set (or is not, as `isIn` says); -1 when there is none. */
  firstWhere(slba: number, blocks: number, isIn: boolean): number {
    this.#check(slba, blocks);
    if (this.count === (isIn ? 0 : this.sizeBlocks)) {
      return -1;
    }
    const end = slba + blocks;
    for (let block = slba; block < end; ) {
      const index = Math.floor(block / CHUNK_BLOCKS);
      const chunkEnd = Math.min((index + 1) * CHUNK_BLOCKS, end);
      const chunk = this.#stateOf(index);
      if (chunk === isIn) {
        return block;
      }
      if (typeof chunk !== 'boolean') {
        const found = scan(chunk, block % CHUNK_BLOCKS, chunkEnd - block, isIn);
        if (found >= 0) {
          return index * CHUNK_BLOCKS + found;
        }
      }
      block = chunkEnd;
    }
    return -1;
  }

  #stateOf(index: number): Uint32Array | boolean {
    return this.#chunks.get(index) ?? this.#isFullElsewhere;
  }

  #set(slba: number, blocks: number, isIn: boolean): void {
    this.#check(slba, blocks);
    if (this.count === (isIn ? this.sizeBlocks : 0)) {
      return;
    }
    if (blocks === this.sizeBlocks) {
      this.setAll(isIn);
      return;
    }
    const end = slba + blocks;
    for (let block = slba; block < end; ) {
      const index = Math.floor(block / CHUNK_BLOCKS);
      const start = index * CHUNK_BLOCKS;
      const chunkEnd = Math.min(start + CHUNK_BLOCKS, this.sizeBlocks);
      const stop = Math.min(chunkEnd, end);
      const chunk = this.#stateOf(index);
      if (chunk !== isIn) {
        if (block === start && stop === chunkEnd) {
          const before =
            typeof chunk === 'boolean' ? (chunk ? stop - start : 0) : countOf(chunk, 0, stop - start);
          this.count += (isIn ? stop - start : 0) - before;
          this.#chunks.set(index, isIn);
        } else {
          const words = typeof chunk === 'boolean' ? this.#mixed(index, chunk) : chunk;
          this.count += fill(words, block - start, stop - block, isIn);
        }
      }
      block = stop;
    }
  }

  #mixed(index: number, isFull: boolean): Uint32Array {
    const words = new Uint32Array(CHUNK_WORDS);
    if (isFull) {
      words.fill(0xffff_ffff);
    }
    this.#chunks.set(index, words);
    return words;
  }

  #check(slba: number, blocks: number): void {
    assert(slba >= 0 && blocks >= 0 && slba + blocks <= this.sizeBlocks, 'blocks lie outside their set', {
      slba,
      blocks,
      sizeBlocks: this.sizeBlocks,
    });
  }
}

/** Bits of word `word` that lie in [from, end). */
function maskIn(word: number, from: number, end: number): number {
  const low = Math.max(from - word * 32, 0);
  const high = Math.min(end - word * 32, 32);
  return ((high === 32 ? 0xffff_ffff : (1 << high) - 1) & (0xffff_ffff << low)) >>> 0;
}

function popCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

function countOf(words: Uint32Array, from: number, count: number): number {
  let sum = 0;
  const end = from + count;
  for (let word = from >>> 5; word * 32 < end; word++) {
    sum += popCount(words[word]! & maskIn(word, from, end));
  }
  return sum;
}

/** @returns by how many the set has grown */
function fill(words: Uint32Array, from: number, count: number, isIn: boolean): number {
  let grown = 0;
  const end = from + count;
  for (let word = from >>> 5; word * 32 < end; word++) {
    const mask = maskIn(word, from, end);
    const before = words[word]!;
    const after = (isIn ? before | mask : before & ~mask) >>> 0;
    words[word] = after;
    grown += popCount(after) - popCount(before);
  }
  return grown;
}

function scan(words: Uint32Array, from: number, count: number, isIn: boolean): number {
  const end = from + count;
  for (let word = from >>> 5; word * 32 < end; word++) {
    const wanted = ((isIn ? words[word]! : ~words[word]!) & maskIn(word, from, end)) >>> 0;
    if (wanted !== 0) {
      return word * 32 + 31 - Math.clz32(wanted & -wanted);
    }
  }
  return -1;
}
