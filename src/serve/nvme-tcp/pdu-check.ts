/**
 * What every PDU must hold, by what was agreed when the connection was made.
 *
 * The outcome is a value, as a host may be as wrong as it likes as often as it likes: VIOLATION_NONE, or what a
 * termination says of it in `fatalError` and `information`. Follows NVMe over TCP Transport 1.1, sections 3.4 and 3.6.
 */
import {
  DIGEST_BYTES,
  FATAL_ERROR,
  PDU_FLAG,
  PDU_FLAGS,
  PDU_HLEN,
  PDU_PDO,
  PDU_PLEN,
  PDU_TYPE,
  pduHeaderBytes,
  TERM_HEADER_BYTES_MAX,
} from '../../spec/nvmeof/index.ts';

export const VIOLATION_NONE = 0;

/** PDU-Type has fewer values than this. */
const TYPES = 16;

export class PduCheck {
  /** What was agreed; nothing before the connection is made. */
  hasHeaderDigest = false;
  hasDataDigest = false;
  /** Data of what is received start at a multiple of this. */
  alignmentBytes = 4;
  /** Of the last PDU that was wrong. */
  fatalError: number = VIOLATION_NONE;
  information = 0;
  /** Of the last `layout`. */
  dataBytes = 0;
  paddingBytes = 0;
  readonly #accepts = new Uint8Array(TYPES);

  constructor(accepts: readonly number[]) {
    for (const type of accepts) {
      this.#accepts[type] = 1;
    }
  }

  /** The common header: a type that may come this way, its length, its digest flag. */
  common(view: DataView, at: number): number {
    const type = view.getUint8(at);
    if (type >= TYPES || this.#accepts[type] !== 1) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, 0);
    }
    if (PDU_HLEN.value(view, at) !== pduHeaderBytes(type)) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_HLEN.offset);
    }
    const isFlagged = PDU_FLAGS.HDGSTF.read(view, at) === 1;
    if (takesDigests(type) && isFlagged !== this.hasHeaderDigest) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_FLAGS.offset);
    }
    return VIOLATION_NONE;
  }

  headerDigestBytes(type: number): number {
    return this.hasHeaderDigest && takesDigests(type) ? DIGEST_BYTES : 0;
  }

  /** @returns whether they are the same; the termination says what was received */
  headerDigest(received: number, computed: number): boolean {
    return received === computed || this.#wrong(FATAL_ERROR.HEADER_DIGEST, received) === VIOLATION_NONE;
  }

  /**
   * Where data, padding and data digest are; fills `dataBytes` and `paddingBytes`.
   * @param headerEnd  bytes of the header with its digest
   */
  layout(view: DataView, at: number, headerEnd: number): number {
    const type = view.getUint8(at);
    const plen = PDU_PLEN.value(view, at);
    this.dataBytes = 0;
    this.paddingBytes = 0;
    if (plen === headerEnd) {
      return VIOLATION_NONE;
    }
    if (type === PDU_TYPE.H2C_TERM_REQ || type === PDU_TYPE.C2H_TERM_REQ) {
      if (plen < headerEnd || plen > headerEnd + TERM_HEADER_BYTES_MAX) {
        return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_PLEN.offset);
      }
      this.dataBytes = plen - headerEnd;
      return VIOLATION_NONE;
    }
    if (plen < headerEnd || !carriesData(type)) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_PLEN.offset);
    }
    const pdo = PDU_PDO.value(view, at);
    if (pdo < headerEnd || pdo % this.alignmentBytes !== 0) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_PDO.offset);
    }
    if ((PDU_FLAGS.DDGSTF.read(view, at) === 1) !== this.hasDataDigest) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_FLAGS.offset);
    }
    const dataBytes = plen - pdo - (this.hasDataDigest ? DIGEST_BYTES : 0);
    if (dataBytes <= 0) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_PLEN.offset);
    }
    this.dataBytes = dataBytes;
    this.paddingBytes = pdo - headerEnd;
    return VIOLATION_NONE;
  }

  #wrong(fatalError: number, information: number): number {
    this.fatalError = fatalError;
    this.information = information;
    return fatalError;
  }
}

/** Digests are agreed with ICReq and ICResp, and a termination must be readable whatever was agreed. */
function takesDigests(type: number): boolean {
  return type >= PDU_TYPE.CAPSULE_CMD;
}

function carriesData(type: number): boolean {
  return type === PDU_TYPE.CAPSULE_CMD || type === PDU_TYPE.H2C_DATA || type === PDU_TYPE.C2H_DATA;
}

/** Where data start: behind `headerEnd`, at a multiple of the alignment. */
export function dataOffset(headerEnd: number, alignmentBytes: number): number {
  return Math.ceil(headerEnd / alignmentBytes) * alignmentBytes;
}

/** FLAGS of a PDU with or without data. */
export function digestFlags(hasHeaderDigest: boolean, hasDataDigest: boolean): number {
  return (hasHeaderDigest ? PDU_FLAG.HDGST : 0) | (hasDataDigest ? PDU_FLAG.DDGST : 0);
}
