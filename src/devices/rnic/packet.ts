/**
 * Packets: what stands before and behind the payload, written and read. Reading judges everything that it touches: a frame from the
 * wire is any bytes at all.
 */
import {
  BTH,
  ETHER_TYPE,
  ETHERNET,
  EXTENDED_BYTES,
  ICRC_BYTES,
  IP_PROTOCOL_UDP,
  IPV4,
  IPV4_DONT_FRAGMENT,
  IPV6,
  icrcOf,
  ipv4Checksum,
  P_KEY_DEFAULT,
  PACKET,
  PACKET_FLAGS,
  ROCE_UDP_PORT,
  UDP,
  udpChecksumV6,
} from '../../spec/rdma/index.ts';
import type { Frame } from './frame.ts';
import { type Identity, isMappedV4, type Path } from './identity.ts';

const IP_AT = ETHERNET.sizeBytes;

/** Writes headers up to the base header. `frame.headersAt` is where extended headers go, `payloadAt` the payload. */
export function beginPacket(
  frame: Frame,
  from: Identity,
  to: Path,
  opcode: number,
  destQp: number,
  psn: number,
  wantsAck: boolean,
  isSolicited: boolean,
): void {
  const { view } = frame;
  const isIpv6 = !isMappedV4(to.gid);
  const bth = IP_AT + (isIpv6 ? IPV6.sizeBytes : IPV4.sizeBytes) + UDP.sizeBytes;
  ETHERNET.DST_HIGH.write(view, to.macHigh);
  ETHERNET.DST_LOW.write(view, to.macLow);
  ETHERNET.SRC_HIGH.write(view, from.macHigh);
  ETHERNET.SRC_LOW.write(view, from.macLow);
  ETHERNET.TYPE.write(view, isIpv6 ? ETHER_TYPE.IPV6 : ETHER_TYPE.IPV4);
  if (isIpv6) {
    view.setUint32(IP_AT, 0x6000_0000);
    IPV6.TRAFFIC_CLASS.write(view, to.trafficClass, IP_AT);
    IPV6.NEXT_HEADER.write(view, IP_PROTOCOL_UDP, IP_AT);
    IPV6.HOP_LIMIT.write(view, to.hopLimit, IP_AT);
    for (let i = 0; i < 4; i++) {
      view.setUint32(IP_AT + IPV6.SRC_0.offset + 4 * i, from.gid[i]!);
      view.setUint32(IP_AT + IPV6.DST_0.offset + 4 * i, to.gid[i]!);
    }
  } else {
    view.setUint32(IP_AT, 0x4500_0000);
    IPV4.TOS.write(view, to.trafficClass, IP_AT);
    view.setUint32(IP_AT + IPV4.IDENTIFICATION.offset, 0);
    IPV4.FLAGS.write(view, IPV4_DONT_FRAGMENT, IP_AT);
    IPV4.TTL.write(view, to.hopLimit, IP_AT);
    IPV4.PROTOCOL.write(view, IP_PROTOCOL_UDP, IP_AT);
    IPV4.SRC.write(view, from.gid[3], IP_AT);
    IPV4.DST.write(view, to.gid[3], IP_AT);
  }
  UDP.SRC_PORT.write(view, to.sourcePort, bth - UDP.sizeBytes);
  UDP.DST_PORT.write(view, ROCE_UDP_PORT, bth - UDP.sizeBytes);
  UDP.CHECKSUM.write(view, 0, bth - UDP.sizeBytes);
  view.setUint32(bth, 0);
  view.setUint32(bth + 4, 0);
  view.setUint32(bth + 8, 0);
  BTH.OPCODE.write(view, opcode, bth);
  BTH.SE.write(view, isSolicited ? 1 : 0, bth);
  BTH.MIG_REQ.write(view, 1, bth);
  BTH.P_KEY.write(view, P_KEY_DEFAULT, bth);
  BTH.DEST_QP.write(view, destQp, bth);
  BTH.ACK_REQ.write(view, wantsAck ? 1 : 0, bth);
  BTH.PSN.write(view, psn, bth);
  frame.isIpv6 = isIpv6;
  frame.bthAt = bth;
  frame.headersAt = bth + BTH.sizeBytes;
  frame.payloadAt = frame.headersAt + EXTENDED_BYTES[opcode]!;
}

/** Writes the lengths, for a payload of so many bytes, and pads it. */
export function endPacket(frame: Frame, payloadBytes: number): void {
  const { view, bthAt, isIpv6 } = frame;
  const pad = (4 - (payloadBytes % 4)) % 4;
  const end = frame.payloadAt + payloadBytes;
  frame.bytes.fill(0, end, end + pad);
  BTH.PAD.write(view, pad, bthAt);
  frame.payloadBytes = payloadBytes;
  frame.lengthBytes = end + pad + ICRC_BYTES;
  const udpLength = frame.lengthBytes - bthAt + UDP.sizeBytes;
  UDP.LENGTH.write(view, udpLength, bthAt - UDP.sizeBytes);
  if (isIpv6) {
    IPV6.PAYLOAD_LENGTH.write(view, udpLength, IP_AT);
  } else {
    IPV4.TOTAL_LENGTH.write(view, udpLength + IPV4.sizeBytes, IP_AT);
    IPV4.CHECKSUM.write(view, ipv4Checksum(frame.bytes, IP_AT), IP_AT);
  }
}

/** Writes what depends on every byte: the ICRC, and the UDP checksum where there must be one. */
export function sealPacket(frame: Frame): void {
  const end = frame.lengthBytes - ICRC_BYTES;
  frame.view.setUint32(end, icrcOf(frame.bytes, frame.isIpv6, end), true);
  if (frame.isIpv6) {
    const udp = frame.bthAt - UDP.sizeBytes;
    UDP.CHECKSUM.write(frame.view, udpChecksumV6(frame.bytes, IP_AT, udp, frame.lengthBytes - udp), udp);
  }
}

/** Why a frame is not looked at any further. */
export const PARSED = {
  DONE: 0,
  /** Not for this NIC, or no RoCE v2 at all: other traffic. */
  FOREIGN: 1,
  /** Lengths or versions that cannot be. */
  MALFORMED: 2,
  BAD_ICRC: 3,
} as const;

/** Reads the headers of a frame into its fields. */
export function parsePacket(frame: Frame, own: Identity): number {
  const { view, lengthBytes } = frame;
  if (lengthBytes < IP_AT + IPV4.sizeBytes + UDP.sizeBytes) {
    return PARSED.FOREIGN;
  }
  if (ETHERNET.DST_HIGH.read(view) !== own.macHigh || ETHERNET.DST_LOW.read(view) !== own.macLow) {
    return PARSED.FOREIGN;
  }
  const type = ETHERNET.TYPE.read(view);
  const isIpv6 = type === ETHER_TYPE.IPV6;
  if (!isIpv6 && type !== ETHER_TYPE.IPV4) {
    return PARSED.FOREIGN;
  }
  const udp = IP_AT + (isIpv6 ? IPV6.sizeBytes : IPV4.sizeBytes);
  if (lengthBytes < udp + UDP.sizeBytes + BTH.sizeBytes + ICRC_BYTES) {
    return PARSED.MALFORMED;
  }
  const judged = isIpv6 ? judgeV6(frame, own) : judgeV4(frame, own);
  if (judged !== PARSED.DONE) {
    return judged;
  }
  if (UDP.DST_PORT.read(view, udp) !== ROCE_UDP_PORT) {
    return PARSED.FOREIGN;
  }
  const udpLength = UDP.LENGTH.read(view, udp);
  const end = udp + udpLength;
  const ipEnd = isIpv6
    ? udp + IPV6.PAYLOAD_LENGTH.read(view, IP_AT)
    : IP_AT + IPV4.TOTAL_LENGTH.read(view, IP_AT);
  // Ethernet may pad behind what IP says.
  if (udpLength < UDP.sizeBytes + BTH.sizeBytes + ICRC_BYTES || end !== ipEnd || end > lengthBytes) {
    return PARSED.MALFORMED;
  }
  const bth = udp + UDP.sizeBytes;
  const opcode = BTH.OPCODE.read(view, bth);
  const flags = PACKET_FLAGS[opcode]!;
  const pad = BTH.PAD.read(view, bth);
  const payloadAt = bth + BTH.sizeBytes + EXTENDED_BYTES[opcode]!;
  const payloadBytes = end - ICRC_BYTES - pad - payloadAt;
  const hasNoPayload = (flags & PACKET.PAYLOAD) === 0;
  if (
    flags === 0 ||
    BTH.TVER.read(view, bth) !== 0 ||
    BTH.P_KEY.read(view, bth) !== P_KEY_DEFAULT ||
    payloadBytes < 0 ||
    (hasNoPayload && payloadBytes + pad !== 0) ||
    (end - payloadAt) % 4 !== 0
  ) {
    return PARSED.MALFORMED;
  }
  if (view.getUint32(end - ICRC_BYTES, true) !== icrcOf(frame.bytes, isIpv6, end - ICRC_BYTES)) {
    return PARSED.BAD_ICRC;
  }
  frame.isIpv6 = isIpv6;
  frame.bthAt = bth;
  frame.opcode = opcode;
  frame.flags = flags;
  frame.psn = BTH.PSN.read(view, bth);
  frame.destQp = BTH.DEST_QP.read(view, bth);
  frame.isSolicited = BTH.SE.read(view, bth) === 1;
  frame.wantsAck = BTH.ACK_REQ.read(view, bth) === 1;
  frame.headersAt = bth + BTH.sizeBytes;
  frame.payloadAt = payloadAt;
  frame.payloadBytes = payloadBytes;
  return PARSED.DONE;
}

function judgeV4({ view, bytes }: Frame, own: Identity): number {
  if (IPV4.VERSION.read(view, IP_AT) !== 4) {
    return PARSED.MALFORMED;
  }
  const isFragment = (view.getUint16(IP_AT + IPV4.FLAGS.offset) & 0x3fff) !== 0;
  if (
    IPV4.IHL.read(view, IP_AT) !== 5 ||
    isFragment ||
    IPV4.PROTOCOL.read(view, IP_AT) !== IP_PROTOCOL_UDP ||
    !isMappedV4(own.gid) ||
    IPV4.DST.read(view, IP_AT) !== own.gid[3]
  ) {
    return PARSED.FOREIGN;
  }
  return IPV4.CHECKSUM.read(view, IP_AT) === ipv4Checksum(bytes, IP_AT) ? PARSED.DONE : PARSED.MALFORMED;
}

function judgeV6({ view }: Frame, own: Identity): number {
  if (IPV6.VERSION.read(view, IP_AT) !== 6) {
    return PARSED.MALFORMED;
  }
  if (IPV6.NEXT_HEADER.read(view, IP_AT) !== IP_PROTOCOL_UDP) {
    return PARSED.FOREIGN;
  }
  for (let i = 0; i < 4; i++) {
    if (view.getUint32(IP_AT + IPV6.DST_0.offset + 4 * i) !== own.gid[i]) {
      return PARSED.FOREIGN;
    }
  }
  return PARSED.DONE;
}

/** Whether a parsed frame comes from the other end of a path. */
export function isFrom({ view, isIpv6 }: Frame, path: Path): boolean {
  if (!isIpv6) {
    return isMappedV4(path.gid) && IPV4.SRC.read(view, IP_AT) === path.gid[3];
  }
  for (let i = 0; i < 4; i++) {
    if (view.getUint32(IP_AT + IPV6.SRC_0.offset + 4 * i) !== path.gid[i]) {
      return false;
    }
  }
  return true;
}
