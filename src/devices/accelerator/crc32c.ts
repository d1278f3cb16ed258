/** CRC-32C (Castagnoli), reflected, RFC 3720 B.4: polynomial 0x82f63b78, start and final inversion. */

const POLYNOMIAL = 0x82f6_3b78;

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) {
    value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  }
  return value >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 0xff]!;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
