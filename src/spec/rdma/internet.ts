/** What RoCE v2 packets travel in: Ethernet, IPv4 or IPv6, UDP. InfiniBand Architecture 1.x, annex A17. */
import { at, networkHeader } from './network-layout.ts';

/** Without preamble and frame check sequence. IEEE 802.3, 3.1.1. */
export const ETHERNET = networkHeader('Ethernet', 'IEEE 802.3-2018, 3.1.1', 14, {
  DST_HIGH: at(0, 16),
  DST_LOW: at(2, 32),
  SRC_HIGH: at(6, 16),
  SRC_LOW: at(8, 32),
  TYPE: at(12, 16),
});

export const ETHER_TYPE = { IPV4: 0x0800, IPV6: 0x86dd } as const;

/** Bytes of a frame on the wire that no capture shows: preamble and delimiter 8, frame check sequence 4, gap 12. */
export const ETHERNET_OVERHEAD_BYTES = 24;
/** Without the frame check sequence. */
export const ETHERNET_FRAME_BYTES_MIN = 60;

export const IPV4 = networkHeader('IPv4', 'RFC 791, 3.1', 20, {
  VERSION: at(0, 4),
  /** In dwords. */
  IHL: at(0, 4, 4),
  TOS: at(1, 8),
  TOTAL_LENGTH: at(2, 16),
  IDENTIFICATION: at(4, 16),
  FLAGS: at(6, 3),
  FRAGMENT_OFFSET: at(6, 13, 3),
  TTL: at(8, 8),
  PROTOCOL: at(9, 8),
  CHECKSUM: at(10, 16),
  SRC: at(12, 32),
  DST: at(16, 32),
});

export const IPV6 = networkHeader('IPv6', 'RFC 8200, 3', 40, {
  VERSION: at(0, 4),
  TRAFFIC_CLASS: at(0, 8, 4),
  FLOW_LABEL: at(1, 20, 4),
  PAYLOAD_LENGTH: at(4, 16),
  NEXT_HEADER: at(6, 8),
  HOP_LIMIT: at(7, 8),
  SRC_0: at(8, 32),
  SRC_1: at(12, 32),
  SRC_2: at(16, 32),
  SRC_3: at(20, 32),
  DST_0: at(24, 32),
  DST_1: at(28, 32),
  DST_2: at(32, 32),
  DST_3: at(36, 32),
});

export const IP_PROTOCOL_UDP = 17;
/** `FLAGS`: Don't Fragment. */
export const IPV4_DONT_FRAGMENT = 2;

export const UDP = networkHeader('UDP', 'RFC 768', 8, {
  SRC_PORT: at(0, 16),
  DST_PORT: at(2, 16),
  LENGTH: at(4, 16),
  CHECKSUM: at(6, 16),
});

/** Destination port of RoCE v2, assigned by IANA. */
export const ROCE_UDP_PORT = 4791;
/** Source ports come from the dynamic range, so that routers spread queue pairs. */
export const ROCE_SOURCE_PORT_FIRST = 0xc000;

/** Ones' complement sum of 16-bit words, folded; the last odd byte is padded with zero. RFC 1071. */
export function onesSum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  for (let i = start; i + 1 < end; i += 2) {
    sum += bytes[i]! * 256 + bytes[i + 1]!;
  }
  if ((end - start) % 2 === 1) {
    sum += bytes[end - 1]! * 256;
  }
  while (sum > 0xffff) {
    sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  }
  return sum;
}

/** The checksum for an IPv4 header whose own field counts as zero. */
export function ipv4Checksum(bytes: Uint8Array, headerAt: number): number {
  const own = onesSum(bytes, headerAt + 10, headerAt + 12);
  const sum = onesSum(bytes, headerAt, headerAt + IPV4.sizeBytes, 0xffff - own);
  return 0xffff - sum;
}

/** The checksum of UDP over IPv6, which may not be left out there; RFC 8200, 8.1. The field itself counts as zero. */
export function udpChecksumV6(bytes: Uint8Array, ipAt: number, udpAt: number, udpLength: number): number {
  const own = onesSum(bytes, udpAt + 6, udpAt + 8);
  const pseudo = onesSum(bytes, ipAt + 8, ipAt + 40, udpLength + IP_PROTOCOL_UDP + 0xffff - own);
  const sum = 0xffff - onesSum(bytes, udpAt, udpAt + udpLength, pseudo);
  return sum === 0 ? 0xffff : sum;
}
