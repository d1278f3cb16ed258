/**
 * The guards of protection information: CRC-16 of T10 DIF, CRC-32C, and the CRC-64 of NVMe, table driven.
 *
 * Each takes a start value and bytes and gives the value to go on with, so a guard may run over data and then metadata.
 * Follows NVM Command Set 1.1, sections 5.3.1.1 to 5.3.1.3; parameters are those of GUARD_CHECKS.
 */

const TABLE_16 = new Uint16Array(256);
const TABLE_32 = new Uint32Array(256);
const TABLE_64_LOW = new Uint32Array(256);
const TABLE_64_HIGH = new Uint32Array(256);

for (let i = 0; i < 256; i++) {
  let forward = i << 8;
  let reflected = i;
  let low = i;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    forward = ((forward << 1) ^ ((forward & 0x8000) !== 0 ? 0x8bb7 : 0)) & 0xffff;
    reflected = (reflected >>> 1) ^ ((reflected & 1) !== 0 ? 0x82f6_3b78 : 0);
    const isOdd = (low & 1) !== 0;
    low = ((low >>> 1) | (high << 31)) ^ (isOdd ? 0xac4b_c9b5 : 0);
    high = (high >>> 1) ^ (isOdd ? 0x9a6c_9329 : 0);
  }
  TABLE_16[i] = forward;
  TABLE_32[i] = reflected;
  TABLE_64_LOW[i] = low;
  TABLE_64_HIGH[i] = high;
}

/** Starts at 0. */
export function crc16T10Dif(start: number, bytes: Uint8Array, offset: number, length: number): number {
  let crc = start;
  for (let i = offset, end = offset + length; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE_16[(crc >>> 8) ^ bytes[i]!]!;
  }
  return crc;
}

/** Starts at FFFFFFFFh; the guard is the complement of the result. */
export function crc32c(start: number, bytes: Uint8Array, offset: number, length: number): number {
  let crc = start;
  for (let i = offset, end = offset + length; i < end; i++) {
    crc = (crc >>> 8) ^ TABLE_32[(crc ^ bytes[i]!) & 0xff]!;
  }
  return crc >>> 0;
}

/** Two dwords of a CRC-64 under way. Both start at FFFFFFFFh; the guard is the complement of the result. */
export const crc64State = { low: 0, high: 0 };

/** Goes on with `crc64State`. */
export function crc64Nvme(bytes: Uint8Array, offset: number, length: number): void {
  let low = crc64State.low;
  let high = crc64State.high;
  for (let i = offset, end = offset + length; i < end; i++) {
    const index = (low ^ bytes[i]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ TABLE_64_LOW[index]!;
    high = (high >>> 8) ^ TABLE_64_HIGH[index]!;
  }
  crc64State.low = low >>> 0;
  crc64State.high = high >>> 0;
}
