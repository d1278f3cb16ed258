/**
 * A pattern: bytes that are a function of a seed and a position, so that a terabyte of known content costs nothing to keep.
 *
 * Every aligned dword of the stream is a mix of the seed and its index; the same (seed, position) is the same byte on
 * every machine.
 */

const WORDS = 1024;
const scratchWords = new Uint32Array(WORDS);
const scratchBytes = new Uint8Array(scratchWords.buffer);

/** The dword that starts at byte `4 * index` of the stream. */
function wordAt(seed: number, index: number): number {
  const high = Math.floor(index / 0x1_0000_0000);
  let mixed = (seed ^ Math.imul((index >>> 0) + 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(high, 0xc2b2_ae35)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb_352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846c_a68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Writes `lengthBytes` of the stream of `seed` from `position` on into `into`. */
export function patternBytes(
  seed: number,
  position: number,
  into: Uint8Array,
  intoOffset: number,
  lengthBytes: number,
): void {
  let done = 0;
  while (done < lengthBytes) {
    const at = position + done;
    const skew = at % 4;
    const first = (at - skew) / 4;
    const count = Math.min(WORDS, Math.ceil((lengthBytes - done + skew) / 4));
    for (let i = 0; i < count; i++) {
      scratchWords[i] = wordAt(seed, first + i);
    }
    const length = Math.min(count * 4 - skew, lengthBytes - done);
    into.set(scratchBytes.subarray(skew, skew + length), intoOffset + done);
    done += length;
  }
}

/** A seed for the stream of one part of a whole: a namespace of a drive, a drive of a lab. */
export function patternSeed(seed: number, part: number): number {
  return wordAt(seed, part);
}
