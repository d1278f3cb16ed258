/**
 * CRC-32C (Castagnoli), the header and data digest of NVMe/TCP: sixteen bytes a step by tables ("slicing").
 *
 * The polynomial, reflected, is 82F63B78h; the register starts with ones and is inverted at the end (RFC 3385, as NVMe over
 * TCP Transport 1.1, 3.4.1 asks). What it costs: `bench/nvme-tcp/crc32c.bench.mjs`.
 */
const SLICES = 16;
const TABLE = makeTables();

function makeTables(): Int32Array {
  const table = new Int32Array(256 * SLICES);
  for (let index = 0; index < 256; index++) {
    let value = index;
    for (let step = 0; step < 8; step++) {
      value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1;
    }
    table[index] = value;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256]!;
    table[at] = (before >>> 8) ^ table[before & 0xff]!;
  }
  return table;
}

/** Where a digest starts. */
export const CRC32C_START = -1;

/** From here on it is worth it to look at words instead of bytes; half as fast again (bench/nvme-tcp). */
const WORDS_BYTES_MIN = 512;
/** Words of memory are the words of the polynomial only where the first byte is the lowest. */
const IS_LITTLE_ENDIAN: boolean = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Takes bytes from `start` to `end` into a running register.
 * @param register  CRC32C_START, or what the call before returned
 */
export function crc32cUpdate(register: number, bytes: Uint8Array, start: number, end: number): number {
  if (end - start < WORDS_BYTES_MIN || !IS_LITTLE_ENDIAN) {
    return updateByBytes(register, bytes, start, end);
  }
  const aligned = start + (-(bytes.byteOffset + start) & 3);
  const wordCount = ((end - aligned) >>> 4) * 4;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + aligned, wordCount);
  const crc = updateByWords(updateByBytes(register, bytes, start, aligned), words);
  return updateByBytes(crc, bytes, aligned + wordCount * 4, end);
}

/** @param words  a multiple of four of them */
function updateByWords(register: number, words: Int32Array): number {
  let crc = register | 0;
  const t = TABLE;
  for (let at = 0; at < words.length; at += 4) {
    const a = crc ^ words[at]!;
    const b = words[at + 1]!;
    const c = words[at + 2]!;
    const d = words[at + 3]!;
    crc =
      t[3840 + (a & 0xff)]! ^
      t[3584 + ((a >>> 8) & 0xff)]! ^
      t[3328 + ((a >>> 16) & 0xff)]! ^
      t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 0xff)]! ^
      t[2560 + ((b >>> 8) & 0xff)]! ^
      t[2304 + ((b >>> 16) & 0xff)]! ^
      t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 0xff)]! ^
      t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + (d & 0xff)]! ^
      t[512 + ((d >>> 8) & 0xff)]! ^
      t[256 + ((d >>> 16) & 0xff)]! ^
      t[d >>> 24]!;
  }
  return crc;
}

function updateByBytes(register: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = register | 0;
  let at = start;
  const t = TABLE;
  for (const stop = end - 15; at < stop; at += 16) {
    crc =
      t[3840 + ((crc ^ bytes[at]!) & 0xff)]! ^
      t[3584 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      t[3328 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      t[3072 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      t[2816 + bytes[at + 4]!]! ^
      t[2560 + bytes[at + 5]!]! ^
      t[2304 + bytes[at + 6]!]! ^
      t[2048 + bytes[at + 7]!]! ^
      t[1792 + bytes[at + 8]!]! ^
      t[1536 + bytes[at + 9]!]! ^
      t[1280 + bytes[at + 10]!]! ^
      t[1024 + bytes[at + 11]!]! ^
      t[768 + bytes[at + 12]!]! ^
      t[512 + bytes[at + 13]!]! ^
      t[256 + bytes[at + 14]!]! ^
      t[bytes[at + 15]!]!;
  }
  for (; at < end; at++) {
    crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  }
  return crc;
}

/** The digest, unsigned, from the register; on the wire it is little-endian. */
export function crc32cEnd(register: number): number {
  return ~register >>> 0;
}

export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  return crc32cEnd(crc32cUpdate(CRC32C_START, bytes, start, end));
}
