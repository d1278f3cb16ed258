/**
 * The end-to-end checksum of a packet, its TLP Digest. PCIe Base 6.0, 2.7.1: CRC-32 with polynomial 04c11db7, all ones at the
 * beginning, bits of each byte from the lowest, complemented at the end. Bits that may change on the way (the lowest of Type, EP)
 * count as 1.
 */
export const DIGEST_BYTES = 4;

/** 04c11db7 with its bits turned round. */
const POLYNOMIAL = 0xedb8_8320;
const TYPE_0 = 0x01;
const EP = 0x40;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  }
  return crc >>> 0;
});

/** Writes the digest of the header and payload in [start, end) at `end`, in the order of the wire. */
export function putTlpDigest(bytes: Uint8Array, start: number, end: number): void {
  let crc = 0xffff_ffff;
  for (let at = start; at < end; at++) {
    const variant = at === start ? TYPE_0 : at === start + 2 ? EP : 0;
    crc = TABLE[(crc ^ (bytes[at]! | variant)) & 0xff]! ^ (crc >>> 8);
  }
  crc = ~crc;
  for (let i = 0; i < DIGEST_BYTES; i++) {
    bytes[end + i] = (crc >>> (8 * i)) & 0xff;
  }
}
