/**
 * The invariant CRC of RoCE v2: the CRC-32 of Ethernet over the packet from its IP header on, with everything that a router
 * may change replaced by ones. InfiniBand Architecture, volume 1, 7.8.1, and annex A17.
 *
 * Replaced: type of service, time to live and header checksum of IPv4 (traffic class, flow label and hop limit of IPv6), the
 * UDP checksum, and byte 4 of the base header. Before the IP header count 8 bytes of ones, where a local route header would be.
 * On the wire it stands least significant byte first.
 */
import { ETHERNET, IPV4, IPV6, UDP } from './internet.ts';
import { BTH, BTH_RESV8A_OFFSET } from './transport.ts';

/** Eight tables for eight bytes at a time: table k is that of a byte followed by k zero bytes. */
const TABLES = makeTables();

function makeTables(): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let i = 0; i < 8; i++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
    }
    tables[byte] = crc >>> 0;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = ((before >>> 8) ^ tables[before & 0xff]!) >>> 0;
  }
  return tables;
}

/** Continues a CRC-32, without inverting it at either end. */
export function crc32Continue(crc: number, bytes: Uint8Array, start: number, end: number): number {
  const t = TABLES;
  let c = crc | 0;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c =
      t[1792 + (c & 0xff)]! ^
      t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < end; i++) {
    c = (c >>> 8) ^ t[(c ^ bytes[i]!) & 0xff]!;
  }
  return c >>> 0;
}

const masked = new Uint8Array(8 + IPV6.sizeBytes + UDP.sizeBytes + BTH.sizeBytes).fill(0xff, 0, 8);

/**
 * The ICRC of a frame.
 *
 * @param end  where the ICRC itself stands, or would stand
 */
export function icrcOf(frame: Uint8Array, isIpv6: boolean, end: number): number {
  const ipBytes = isIpv6 ? IPV6.sizeBytes : IPV4.sizeBytes;
  const ip = ETHERNET.sizeBytes;
  const bth = ip + ipBytes + UDP.sizeBytes;
  const length = 8 + ipBytes + UDP.sizeBytes + BTH.sizeBytes;
  const start = ip - 8;
  for (let i = 8; i < length; i++) {
    masked[i] = frame[start + i]!;
  }
  if (isIpv6) {
    masked[8]! |= 0x0f;
    masked[9] = 0xff;
    masked[10] = 0xff;
    masked[11] = 0xff;
    masked[8 + IPV6.HOP_LIMIT.offset] = 0xff;
  } else {
    masked[8 + IPV4.TOS.offset] = 0xff;
    masked[8 + IPV4.TTL.offset] = 0xff;
    masked[8 + IPV4.CHECKSUM.offset] = 0xff;
    masked[8 + IPV4.CHECKSUM.offset + 1] = 0xff;
  }
  masked[8 + ipBytes + UDP.CHECKSUM.offset] = 0xff;
  masked[8 + ipBytes + UDP.CHECKSUM.offset + 1] = 0xff;
  masked[8 + ipBytes + UDP.sizeBytes + BTH_RESV8A_OFFSET] = 0xff;
  const headers = crc32Continue(0xffff_ffff, masked, 0, length);
  return ~crc32Continue(headers, frame, bth + BTH.sizeBytes, end) >>> 0;
}
