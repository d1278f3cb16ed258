/** A queue pair as the program has it: requests go into its rings. */
import { DONE, STATUS, type Status } from '../../access/index.ts';
import {
  INLINE_BYTES_MAX,
  SEND_FLAG,
  SEND_OPCODE,
  SQ_BIND_ACCESS,
  SQ_BIND_L_KEY,
  SQ_BIND_LENGTH_HIGH,
  SQ_BIND_LENGTH_LOW,
  SQ_COMPARE_HIGH,
  SQ_COMPARE_LOW,
  SQ_DATA_AT,
  SQ_HEAD,
  SQ_IMM,
  SQ_R_KEY,
  SQ_SWAP_HIGH,
  SQ_SWAP_LOW,
  SQ_UD_GID_0,
  SQ_UD_MAC_HIGH,
  SQ_UD_MAC_LOW,
  SQ_UD_Q_KEY,
  SQ_UD_QPN,
  SQ_VA_HIGH,
  SQ_VA_LOW,
} from '../../spec/rdma/index.ts';
import type { RequestNumbers } from './completion-queue.ts';
import { accessBits } from './memory.ts';
import { type PostRing, postReceive, writePieces } from './post-ring.ts';
import type { QpInitAttr, RecvWr, SendWr } from './types.ts';

const NO_PIECES = [] as const;

export class QueuePair implements RequestNumbers {
  readonly qpNum: number;
  readonly attributes: QpInitAttr;
  readonly sendRing: PostRing;
  readonly receiveRing: PostRing;

  constructor(qpNum: number, attributes: QpInitAttr, sendRing: PostRing, receiveRing: PostRing) {
    this.qpNum = qpNum;
    this.attributes = attributes;
    this.sendRing = sendRing;
    this.receiveRing = receiveRing;
  }

  /**
   * Posts a request of the send queue. What is wrong with its memory or its queue pair is told by its completion.
   * @param rings  false: more follow, and the last of them rings the doorbell
   * @returns DONE; FULL; INVALID for too many pieces or too much inline data
   */
  postSend(request: SendWr, rings = true): Status {
    const ring = this.sendRing;
    if (ring.isFull) {
      return STATUS.FULL;
    }
    const { view, bytes } = ring.memory;
    const at = ring.place;
    const inline = request.inlineData;
    if (inline !== undefined && inline.length > INLINE_BYTES_MAX) {
      return STATUS.INVALID;
    }
    if (inline === undefined && !writePieces(view, at + SQ_DATA_AT, request.sgList ?? NO_PIECES)) {
      return STATUS.INVALID;
    }
    const flags =
      (request.fence === true ? SEND_FLAG.FENCE : 0) |
      (request.signaled === true ? SEND_FLAG.SIGNALED : 0) |
      (request.solicited === true ? SEND_FLAG.SOLICITED : 0) |
      (inline === undefined ? 0 : SEND_FLAG.INLINE);
    SQ_HEAD.setValue(view, SEND_OPCODE[request.opcode] | (flags << 8) | ((inline?.length ?? 0) << 16), at);
    SQ_IMM.setValue(view, request.immData ?? request.invalidateRkey ?? 0, at);
    if (inline !== undefined) {
      bytes.set(inline, at + SQ_DATA_AT);
    }
    if (request.bindMw !== undefined) {
      writeBind(view, at, request.bindMw);
    } else if (this.attributes.qpType === 'UD') {
      writeDatagram(view, at, request);
    } else {
      const address = request.remoteAddr ?? 0;
      SQ_R_KEY.setValue(view, request.rkey ?? 0, at);
      SQ_VA_LOW.setValue(view, address % 2 ** 32, at);
      SQ_VA_HIGH.setValue(view, Math.floor(address / 2 ** 32), at);
      SQ_COMPARE_LOW.setValue(view, request.compare?.low ?? 0, at);
      SQ_COMPARE_HIGH.setValue(view, request.compare?.high ?? 0, at);
      SQ_SWAP_LOW.setValue(view, request.swapOrAdd?.low ?? 0, at);
      SQ_SWAP_HIGH.setValue(view, request.swapOrAdd?.high ?? 0, at);
    }
    ring.push(request.wrId);
    if (rings) {
      ring.ring();
    }
    return DONE;
  }

  /** Posts memory for one message. @returns as `postSend`; INVALID also where a shared queue has its place */
  postRecv(request: RecvWr, rings = true): Status {
    return this.attributes.srq === undefined
      ? postReceive(this.receiveRing, request, rings, STATUS.FULL, STATUS.INVALID)
      : STATUS.INVALID;
  }

  takeSend(index: number): number | undefined {
    return this.sendRing.takeThrough(index);
  }

  takeReceive(index: number): number | undefined {
    const { srq } = this.attributes;
    return srq === undefined ? this.receiveRing.takeThrough(index) : srq.ring.takeOne(index);
  }
}

function writeBind(view: DataView, at: number, bind: NonNullable<SendWr['bindMw']>): void {
  bind.mw.rkey = bind.rkey;
  SQ_R_KEY.setValue(view, bind.rkey, at);
  SQ_VA_LOW.setValue(view, bind.addr % 2 ** 32, at);
  SQ_VA_HIGH.setValue(view, Math.floor(bind.addr / 2 ** 32), at);
  SQ_BIND_L_KEY.setValue(view, bind.mr.lkey, at);
  SQ_BIND_ACCESS.setValue(view, accessBits(bind.access), at);
  SQ_BIND_LENGTH_LOW.setValue(view, bind.length % 2 ** 32, at);
  SQ_BIND_LENGTH_HIGH.setValue(view, Math.floor(bind.length / 2 ** 32), at);
}

function writeDatagram(view: DataView, at: number, request: SendWr): void {
  SQ_UD_QPN.setValue(view, request.remoteQpn ?? 0, at);
  SQ_UD_Q_KEY.setValue(view, request.remoteQkey ?? 0, at);
  SQ_UD_MAC_HIGH.setValue(view, request.ah?.mac.high ?? 0, at);
  SQ_UD_MAC_LOW.setValue(view, request.ah?.mac.low ?? 0, at);
  for (let i = 0; i < 4; i++) {
    view.setUint32(at + SQ_UD_GID_0.offset + 4 * i, request.ah?.gid[i] ?? 0, true);
  }
}
