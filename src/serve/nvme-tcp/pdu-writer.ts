/**
 * PDUs on their way out: put together in slabs, one after another, and written a slab at a time.
 *
 * PDUs that are made in one turn leave in one system call. `reserve` says when there is no room; its caller keeps what it
 * has to say and is called when a slab has left. Large data need not go through a slab: `dataInPlace` sends them from where
 * they lie. Host and controller write with it.
 */
import type { Duplex } from 'node:stream';
import {
  CAPSULE_ENTRY_OFFSET,
  DATA_CCCID,
  DATA_LENGTH,
  DATA_OFFSET,
  DATA_TTAG,
  DIGEST_BYTES,
  FATAL_ERROR,
  PDU_COMMON_BYTES,
  PDU_PLEN,
  PDU_TYPE,
  TERM_FEI,
  TERM_FES,
  TERM_HEADER_BYTES_MAX,
} from '../../spec/nvmeof/index.ts';
import { crc32c } from './crc32c.ts';
import { dataOffset, digestFlags } from './pdu-check.ts';
import { SLAB_BYTES, Slab, type SlabPool, type SlabWaiter } from './slab-pool.ts';

const SHORT_HEADER_BYTES = 24;
const CAPSULE_COMMAND_BYTES = 72;
/** A slab with so much in it leaves before the turn is over: the peer can begin (bench/nvme-tcp). */
const EARLY_BYTES = 64 * 1024;
/** Data from here on are sent from where they lie (bench/nvme-tcp). */
export const IN_PLACE_BYTES_MIN = 32 * 1024;

/** Data that the socket sends from where they lie. */
class InPlace {
  readonly token: unknown;

  constructor(token: unknown) {
    this.token = token;
  }
}

export class PduWriter implements SlabWaiter {
  hasHeaderDigest = false;
  hasDataDigest = false;
  /** Data of what is sent start at a multiple of this. */
  alignmentBytes = 4;
  readonly #socket: Duplex;
  readonly #pool: SlabPool;
  readonly #onRoom: () => void;
  readonly #onSent: (token: unknown) => void;
  #slab: Slab | null = null;
  /** What the socket has, oldest first. */
  readonly #leaving: (Slab | InPlace)[] = [];
  #leavingSlabs = 0;
  #writtenCount = 0;
  #isClosed = false;

  /**
   * @param onRoom  a slab has left, or there is one again
   * @param onSent  data of `dataInPlace` have left
   */
  constructor(socket: Duplex, pool: SlabPool, onRoom: () => void, onSent: (token: unknown) => void = ignore) {
    this.#socket = socket;
    this.#pool = pool;
    this.#onRoom = onRoom;
    this.#onSent = onSent;
  }

  /** Writes that the socket has done with. */
  get writtenCount(): number {
    return this.#writtenCount;
  }

  /** The socket has something that the peer has not taken. */
  get isLeaving(): boolean {
    return this.#leaving.length > 0;
  }

  /** Bytes of a short PDU (R2T, response). */
  get shortBytes(): number {
    return SHORT_HEADER_BYTES + (this.hasHeaderDigest ? DIGEST_BYTES : 0);
  }

  /** Where data start in H2CData and C2HData. */
  get dataStart(): number {
    return dataOffset(this.shortBytes, this.alignmentBytes);
  }

  /** Room for so many bytes in one piece. @returns false when there is none now */
  reserve(lengthBytes: number): boolean {
    if (this.#isClosed) {
      return false;
    }
    const used = this.#slab?.used ?? 0;
    if (used + lengthBytes > SLAB_BYTES || used >= EARLY_BYTES) {
      this.flush();
    }
    this.#slab ??= this.#pool.take(this.#leavingSlabs, this);
    return this.#slab !== null;
  }

  /** A response capsule; `shortBytes` are reserved. */
  response(cqe: Uint8Array): void {
    const slab = this.#slab!;
    const at = slab.used;
    this.#common(slab, PDU_TYPE.CAPSULE_RESP, 0, SHORT_HEADER_BYTES, 0, this.shortBytes);
    slab.bytes.set(cqe, at + CAPSULE_ENTRY_OFFSET);
    this.#endHeader(slab, at, SHORT_HEADER_BYTES);
  }

  /** An R2T; `shortBytes` are reserved. */
  readyToTransfer(commandId: number, tag: number, offsetBytes: number, lengthBytes: number): void {
    const slab = this.#slab!;
    const at = slab.used;
    this.#common(slab, PDU_TYPE.R2T, 0, SHORT_HEADER_BYTES, 0, this.shortBytes);
    fillTransfer(slab.view, at, commandId, tag, offsetBytes, lengthBytes);
    this.#endHeader(slab, at, SHORT_HEADER_BYTES);
  }

  /** Bytes of a data PDU with so much data. */
  dataPduBytes(lengthBytes: number): number {
    return this.dataStart + lengthBytes + (this.hasDataDigest ? DIGEST_BYTES : 0);
  }

  /**
   * A data PDU but for its data, which the caller puts where it is told and then calls `endData`; `dataPduBytes` are reserved.
   * @param type   C2H_DATA or H2C_DATA
   * @param flags  PDU_FLAG.LAST and SUCCESS
   * @param tag    of H2C_DATA; 0 otherwise
   * @returns where the data go in `bytes`
   */
  data(
    type: number,
    flags: number,
    commandId: number,
    tag: number,
    offsetBytes: number,
    lengthBytes: number,
  ): number {
    const slab = this.#slab!;
    const at = slab.used;
    const start = this.dataStart;
    this.#common(slab, type, flags, SHORT_HEADER_BYTES, start, this.dataPduBytes(lengthBytes), true);
    fillTransfer(slab.view, at, commandId, tag, offsetBytes, lengthBytes);
    this.#endHeader(slab, at, SHORT_HEADER_BYTES);
    slab.bytes.fill(0, slab.used, at + start);
    slab.used = at + start + lengthBytes;
    return at + start;
  }

  /**
   * A data PDU, without a data digest, whose data are sent from where they lie and stay as they are until they have left;
   * `dataStart` bytes are reserved. Parameters as of `data`.
   * @param token  for `onSent`; null: nobody waits
   */
  dataInPlace(
    type: number,
    flags: number,
    commandId: number,
    tag: number,
    offsetBytes: number,
    data: Uint8Array,
    token: unknown,
  ): void {
    this.data(type, flags, commandId, tag, offsetBytes, data.length);
    this.#slab!.used -= data.length;
    this.#socket.cork();
    this.flush();
    this.#leaving.push(new InPlace(token));
    this.#socket.write(data, this.#onWritten);
    this.#socket.uncork();
  }

  /** The memory that is being filled. */
  get bytes(): Uint8Array {
    return this.#slab!.bytes;
  }

  /** The data are there. */
  endData(start: number, lengthBytes: number): void {
    if (this.hasDataDigest) {
      const slab = this.#slab!;
      slab.view.setUint32(slab.used, crc32c(slab.bytes, start, start + lengthBytes), true);
      slab.used += DIGEST_BYTES;
    }
  }

  /** Bytes of a command capsule with so much data in it. */
  commandBytes(dataBytes: number): number {
    const headerEnd = CAPSULE_COMMAND_BYTES + (this.hasHeaderDigest ? DIGEST_BYTES : 0);
    if (dataBytes === 0) {
      return headerEnd;
    }
    return dataOffset(headerEnd, this.alignmentBytes) + dataBytes + (this.hasDataDigest ? DIGEST_BYTES : 0);
  }

  /** A command capsule with its data, if any; `commandBytes` are reserved. */
  command(sqe: Uint8Array, data: Uint8Array | null): void {
    const slab = this.#slab!;
    const at = slab.used;
    const dataBytes = data?.length ?? 0;
    const headerEnd = CAPSULE_COMMAND_BYTES + (this.hasHeaderDigest ? DIGEST_BYTES : 0);
    const start = dataBytes === 0 ? 0 : dataOffset(headerEnd, this.alignmentBytes);
    const plen = this.commandBytes(dataBytes);
    this.#common(slab, PDU_TYPE.CAPSULE_CMD, 0, CAPSULE_COMMAND_BYTES, start, plen, dataBytes > 0);
    slab.bytes.set(sqe, at + CAPSULE_ENTRY_OFFSET);
    this.#endHeader(slab, at, CAPSULE_COMMAND_BYTES);
    if (data !== null && dataBytes > 0) {
      slab.bytes.fill(0, slab.used, at + start);
      slab.bytes.set(data, at + start);
      slab.used = at + start + dataBytes;
      this.endData(at + start, dataBytes);
    }
  }

  /** A whole PDU that was put together elsewhere; its length is reserved. */
  whole(pdu: Uint8Array): void {
    const slab = this.#slab!;
    slab.bytes.set(pdu, slab.used);
    slab.used += pdu.length;
  }

  /** Gives what is there to the socket. */
  flush(): void {
    const slab = this.#slab;
    if (slab === null || slab.used === 0) {
      return;
    }
    this.#slab = null;
    this.#leaving.push(slab);
    this.#leavingSlabs++;
    this.#socket.write(slab.bytes.subarray(0, slab.used), this.#onWritten);
  }

  /** The connection is over. What the socket may still read from is not used again. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#pool.forget(this);
    if (this.#slab !== null) {
      this.#pool.give(this.#slab);
      this.#slab = null;
    }
    for (const leaving of this.#leaving.splice(0)) {
      if (leaving instanceof Slab) {
        this.#pool.drop();
      }
    }
  }

  onSlab(): void {
    if (!this.#isClosed) {
      this.#onRoom();
    }
  }

  readonly #onWritten = (): void => {
    const left = this.#leaving.shift();
    if (left === undefined) {
      return;
    }
    this.#writtenCount++;
    if (left instanceof Slab) {
      this.#leavingSlabs--;
      this.#pool.give(left);
    } else if (left.token !== null) {
      this.#onSent(left.token);
    }
    this.#onRoom();
  };

  #common(
    slab: Slab,
    type: number,
    flags: number,
    hlen: number,
    pdo: number,
    plen: number,
    hasData = false,
  ): void {
    // The common header in two stores: PDU-Type, FLAGS, HLEN and PDO are bytes 0 to 3 (bench/nvme-tcp).
    const all = flags | digestFlags(this.hasHeaderDigest, this.hasDataDigest && hasData);
    slab.view.setUint32(slab.used, (type | (all << 8) | (hlen << 16) | (pdo << 24)) >>> 0, true);
    PDU_PLEN.setValue(slab.view, plen, slab.used);
  }

  #endHeader(slab: Slab, at: number, headerBytes: number): void {
    slab.used = at + headerBytes;
    if (this.hasHeaderDigest) {
      slab.view.setUint32(slab.used, crc32c(slab.bytes, at, slab.used), true);
      slab.used += DIGEST_BYTES;
    }
  }
}

function fillTransfer(
  view: DataView,
  at: number,
  commandId: number,
  tag: number,
  offsetBytes: number,
  lengthBytes: number,
): void {
  DATA_CCCID.setValue(view, commandId, at);
  DATA_TTAG.setValue(view, tag, at);
  DATA_OFFSET.setValue(view, offsetBytes, at);
  DATA_LENGTH.setValue(view, lengthBytes, at);
  view.setUint32(at + DATA_LENGTH.offset + 4, 0, true);
}

/**
 * A termination.
 * @param type    H2C_TERM_REQ or C2H_TERM_REQ
 * @param header  of the PDU in error; up to 128 bytes of it go along
 */
export function terminationPdu(
  type: number,
  fatalError: number,
  information: number,
  header: Uint8Array,
): Uint8Array {
  const headerPart = header.subarray(0, TERM_HEADER_BYTES_MAX);
  const pdu = new Uint8Array(SHORT_HEADER_BYTES + headerPart.length);
  const view = new DataView(pdu.buffer);
  fillCommon(view, type, SHORT_HEADER_BYTES, headerPart.length > 0 ? SHORT_HEADER_BYTES : 0, pdu.length);
  TERM_FES.setValue(view, fatalError);
  TERM_FEI.setValue(view, information);
  pdu.set(headerPart, SHORT_HEADER_BYTES);
  return pdu;
}

/** Nobody waits for data sent in place. */
function ignore(): void {}

/** A common header without digests. */
export function fillCommon(view: DataView, type: number, hlen: number, pdo: number, plen: number): void {
  view.setUint32(0, (type | (hlen << 16) | (pdo << 24)) >>> 0, true);
  view.setUint32(PDU_COMMON_BYTES - 4, plen, true);
}

/** FATAL_ERROR by name, for people. */
export function fatalErrorName(fatalError: number, isFromHost: boolean): string {
  switch (fatalError) {
    case FATAL_ERROR.INVALID_HEADER_FIELD:
      return 'invalid PDU header field';
    case FATAL_ERROR.PDU_SEQUENCE:
      return 'PDU sequence error';
    case FATAL_ERROR.HEADER_DIGEST:
      return 'header digest error';
    case FATAL_ERROR.DATA_OUT_OF_RANGE:
      return 'data transfer out of range';
    case FATAL_ERROR.DATA_LIMIT_EXCEEDED:
      return isFromHost ? 'R2T limit exceeded' : 'data transfer limit exceeded';
    case FATAL_ERROR.UNSUPPORTED_PARAMETER:
      return 'unsupported parameter';
    default:
      return `fatal error ${fatalError}`;
  }
}
