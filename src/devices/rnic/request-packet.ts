/** Packets of requests, from entries of a send queue. IBA volume 1, 9.4 and 9.8.3. */
import { addressFromDwords } from '../../base/index.ts';
import {
  ATOMIC_ETH,
  DETH,
  IETH,
  IMM_DT,
  PACKET,
  PACKET_FLAGS,
  RETH,
  ROCE_OPCODE,
  SEND_FLAG,
  SEND_OPCODE,
  SQ_COMPARE_HIGH,
  SQ_COMPARE_LOW,
  SQ_DATA_AT,
  SQ_HEAD,
  SQ_IMM,
  SQ_R_KEY,
  SQ_SWAP_HIGH,
  SQ_SWAP_LOW,
  SQ_UD_GID_0,
  SQ_UD_GID_1,
  SQ_UD_GID_2,
  SQ_UD_GID_3,
  SQ_UD_MAC_HIGH,
  SQ_UD_MAC_LOW,
  SQ_UD_Q_KEY,
  SQ_UD_QPN,
  SQ_VA_HIGH,
  SQ_VA_LOW,
} from '../../spec/rdma/index.ts';
import { Path } from './identity.ts';
import { beginPacket, endPacket } from './packet.ts';
import type { QueuePair } from './queue-pair.ts';
import type { TxSlot } from './transmitter.ts';
import { Pieces, type WorkRing } from './work-ring.ts';

/** An acknowledgement is asked for at the end of a message, and every so many packets. */
const ACK_EVERY = 32;

const O = ROCE_OPCODE;
/** By operation: opcodes of the first, a middle, the last and the only packet. */
const OPCODES: Readonly<Record<number, readonly [number, number, number, number]>> = {
  [SEND_OPCODE.SEND]: [O.SEND_FIRST, O.SEND_MIDDLE, O.SEND_LAST, O.SEND_ONLY],
  [SEND_OPCODE.SEND_WITH_IMM]: [O.SEND_FIRST, O.SEND_MIDDLE, O.SEND_LAST_IMM, O.SEND_ONLY_IMM],
  [SEND_OPCODE.SEND_WITH_INV]: [O.SEND_FIRST, O.SEND_MIDDLE, O.SEND_LAST_INVALIDATE, O.SEND_ONLY_INVALIDATE],
  [SEND_OPCODE.RDMA_WRITE]: [O.WRITE_FIRST, O.WRITE_MIDDLE, O.WRITE_LAST, O.WRITE_ONLY],
  [SEND_OPCODE.RDMA_WRITE_WITH_IMM]: [O.WRITE_FIRST, O.WRITE_MIDDLE, O.WRITE_LAST_IMM, O.WRITE_ONLY_IMM],
};

const pieces = new Pieces();
const datagramPath = new Path();

/**
 * Writes one packet of a request and fetches its payload.
 * @returns false when the memory may not be read any more
 */
export function buildRequest(
  qp: QueuePair,
  tx: TxSlot,
  ring: WorkRing,
  place: number,
  packet: number,
  packets: number,
  lengthBytes: number,
  mtu: number,
  psn: number,
): boolean {
  const { view } = ring;
  const frame = tx.frame!;
  const operation = SQ_HEAD.OPCODE.read(view, place);
  const isLast = packet === packets - 1;
  const opcode = opcodeOf(operation, packet === 0, isLast);
  const flags = PACKET_FLAGS[opcode]!;
  const isMessage = (flags & (PACKET.SEND | PACKET.WRITE)) !== 0;
  const isSolicited = isLast && (SQ_HEAD.FLAGS.read(view, place) & SEND_FLAG.SOLICITED) !== 0;
  const wantsAck = !isMessage || isLast || packet % ACK_EVERY === ACK_EVERY - 1;
  const { attributes, core } = qp;
  beginPacket(
    frame,
    core.identity,
    attributes.path,
    opcode,
    attributes.destQpn,
    psn,
    wantsAck,
    isMessage && isSolicited,
  );
  const offset = packet * mtu;
  let at = frame.headersAt;
  if ((flags & PACKET.RETH) !== 0) {
    // A read that is asked for again starts where its answers ended.
    const skip = isMessage ? 0 : offset;
    const address = addressFromDwords(SQ_VA_LOW.value(view, place), SQ_VA_HIGH.value(view, place)) + skip;
    const isAddress = address < Number.POSITIVE_INFINITY;
    RETH.VA_HIGH.write(
      frame.view,
      isAddress ? Math.floor(address / 2 ** 32) : SQ_VA_HIGH.value(view, place),
      at,
    );
    RETH.VA_LOW.write(frame.view, isAddress ? address % 2 ** 32 : SQ_VA_LOW.value(view, place), at);
    RETH.R_KEY.write(frame.view, SQ_R_KEY.value(view, place), at);
    RETH.DMA_LENGTH.write(frame.view, lengthBytes - skip, at);
    at += RETH.sizeBytes;
  }
  if ((flags & PACKET.ATOMIC) !== 0) {
    const isSwap = operation === SEND_OPCODE.ATOMIC_CMP_AND_SWP;
    ATOMIC_ETH.VA_HIGH.write(frame.view, SQ_VA_HIGH.value(view, place), at);
    ATOMIC_ETH.VA_LOW.write(frame.view, SQ_VA_LOW.value(view, place), at);
    ATOMIC_ETH.R_KEY.write(frame.view, SQ_R_KEY.value(view, place), at);
    ATOMIC_ETH.SWAP_HIGH.write(frame.view, SQ_SWAP_HIGH.value(view, place), at);
    ATOMIC_ETH.SWAP_LOW.write(frame.view, SQ_SWAP_LOW.value(view, place), at);
    ATOMIC_ETH.COMPARE_HIGH.write(frame.view, isSwap ? SQ_COMPARE_HIGH.value(view, place) : 0, at);
    ATOMIC_ETH.COMPARE_LOW.write(frame.view, isSwap ? SQ_COMPARE_LOW.value(view, place) : 0, at);
  }
  if ((flags & PACKET.IMM) !== 0) {
    IMM_DT.DATA.write(frame.view, SQ_IMM.value(view, place), at);
  } else if ((flags & PACKET.IETH) !== 0) {
    IETH.R_KEY.write(frame.view, SQ_IMM.value(view, place), at);
  }
  const payloadBytes = isMessage ? Math.min(mtu, lengthBytes - offset) : 0;
  endPacket(frame, payloadBytes);
  return gather(qp, tx, ring, place, offset, payloadBytes);
}

/** Writes a datagram. @returns false when the memory may not be read any more */
export function buildDatagram(
  qp: QueuePair,
  tx: TxSlot,
  ring: WorkRing,
  place: number,
  lengthBytes: number,
  psn: number,
): boolean {
  const { view } = ring;
  const frame = tx.frame!;
  const hasImm = SQ_HEAD.OPCODE.read(view, place) === SEND_OPCODE.SEND_WITH_IMM;
  const isSolicited = (SQ_HEAD.FLAGS.read(view, place) & SEND_FLAG.SOLICITED) !== 0;
  const opcode = hasImm ? O.UD_SEND_ONLY_IMM : O.UD_SEND_ONLY;
  datagramPath.macHigh = SQ_UD_MAC_HIGH.value(view, place) & 0xffff;
  datagramPath.macLow = SQ_UD_MAC_LOW.value(view, place);
  datagramPath.gid[0] = SQ_UD_GID_0.value(view, place);
  datagramPath.gid[1] = SQ_UD_GID_1.value(view, place);
  datagramPath.gid[2] = SQ_UD_GID_2.value(view, place);
  datagramPath.gid[3] = SQ_UD_GID_3.value(view, place);
  const destQpn = SQ_UD_QPN.value(view, place) & 0xff_ffff;
  beginPacket(frame, qp.core.identity, datagramPath, opcode, destQpn, psn, false, isSolicited);
  const asked = SQ_UD_Q_KEY.value(view, place);
  // A key with the highest bit set stands for that of the queue pair. IBA 10.2.5.
  DETH.Q_KEY.write(frame.view, asked >= 2 ** 31 ? qp.attributes.qkey : asked, frame.headersAt);
  frame.view.setUint32(frame.headersAt + 4, qp.qpn);
  if (hasImm) {
    IMM_DT.DATA.write(frame.view, SQ_IMM.value(view, place), frame.headersAt + DETH.sizeBytes);
  }
  endPacket(frame, lengthBytes);
  return gather(qp, tx, ring, place, 0, lengthBytes);
}

function opcodeOf(operation: number, isFirst: boolean, isLast: boolean): number {
  switch (operation) {
    case SEND_OPCODE.RDMA_READ:
      return O.READ_REQUEST;
    case SEND_OPCODE.ATOMIC_CMP_AND_SWP:
      return O.COMPARE_SWAP;
    case SEND_OPCODE.ATOMIC_FETCH_AND_ADD:
      return O.FETCH_ADD;
    default: {
      const [first, middle, last, only] = OPCODES[operation]!;
      if (isFirst) {
        return isLast ? only : first;
      }
      return isLast ? last : middle;
    }
  }
}

function gather(
  qp: QueuePair,
  tx: TxSlot,
  ring: WorkRing,
  place: number,
  offset: number,
  lengthBytes: number,
): boolean {
  const frame = tx.frame!;
  const data = place + SQ_DATA_AT;
  if ((SQ_HEAD.FLAGS.read(ring.view, place) & SEND_FLAG.INLINE) !== 0) {
    frame.bytes.set(ring.bytes.subarray(data + offset, data + offset + lengthBytes), frame.payloadAt);
    return true;
  }
  if (lengthBytes === 0) {
    return true;
  }
  pieces.read(ring.view, data);
  let skip = offset;
  let done = 0;
  for (let i = 0; i < pieces.count && done < lengthBytes; i++) {
    const length = pieces.lengths[i]!;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const take = Math.min(length - skip, lengthBytes - done);
    const address = pieces.addresses[i]! + skip;
    const region = qp.core.regions.check(pieces.keys[i]!, qp.pd, address, take, 0, qp.qpn);
    if (region === null) {
      return false;
    }
    tx.gather(region, address, frame.payloadAt + done, take);
    done += take;
    skip = 0;
  }
  return done === lengthBytes;
}
