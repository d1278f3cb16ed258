/**
 * Takes a byte stream apart into PDUs, whatever the pieces are that it arrives in. Host and controller read with it.
 *
 * A header that lies in one piece is looked at where it lies; one that is cut is put together in a buffer of its own. Data
 * are handed on as they come and never kept: a connection holds at most one header here. What every PDU must hold
 * (type, HLEN, digest flags, PDO, PLEN) is checked here, the rest by the sink.
 */
import { PDU_FLAGS, pduHeaderBytes } from '../../spec/nvmeof/index.ts';
import { CRC32C_START, crc32c, crc32cEnd, crc32cUpdate } from './crc32c.ts';
import { PduCheck, VIOLATION_NONE } from './pdu-check.ts';

/** Who is told. Every call that returns false ends the reading: nothing more of the stream is looked at. */
export interface PduSink {
  /** A header that is whole. `view` and `bytes` are the same memory and valid during the call; data follow if `dataBytes` > 0. */
  onHeader(view: DataView, bytes: Uint8Array, at: number, dataBytes: number): boolean;
  /** The next piece of data: `bytes` from `start` to `end`, valid during the call. */
  onData(bytes: Uint8Array, start: number, end: number): boolean;
  /** The PDU is over. `isIntact` is false when its data digest does not fit. */
  onEnd(isIntact: boolean): boolean;
  /** FATAL_ERROR and its information; `header` is what is there of the header, valid during the call. */
  onViolation(fatalError: number, information: number, header: Uint8Array): void;
}

const STAGE = { HEADER: 0, PADDING: 1, DATA: 2, DIGEST: 3, STOPPED: 4 } as const;
/** The longest header with its digest. */
const HEAD_BYTES = 128 + 4;

export class PduStream {
  readonly check: PduCheck;
  readonly #sink: PduSink;
  readonly #head = new Uint8Array(HEAD_BYTES);
  readonly #headView: DataView = new DataView(this.#head.buffer);
  #stage: number = STAGE.HEADER;
  /** Bytes of `#head` that are filled. */
  #held = 0;
  /** Bytes left of the padding, the data or the digest. */
  #left = 0;
  #dataBytes = 0;
  #hasDataDigest = false;
  #crc = CRC32C_START;
  #digest = 0;
  #pduCount = 0;

  /** @param accepts  the types that may come this way */
  constructor(sink: PduSink, accepts: readonly number[]) {
    this.#sink = sink;
    this.check = new PduCheck(accepts);
  }

  /** PDUs that are over. */
  get pduCount(): number {
    return this.#pduCount;
  }

  /** Some bytes of a PDU are here and some are not. */
  get isWithinPdu(): boolean {
    return this.#stage === STAGE.HEADER ? this.#held > 0 : this.#stage !== STAGE.STOPPED;
  }

  get isStopped(): boolean {
    return this.#stage === STAGE.STOPPED;
  }

  stop(): void {
    this.#stage = STAGE.STOPPED;
  }

  /** The bytes belong to the caller again when this returns. */
  push(chunk: Uint8Array): void {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      switch (this.#stage) {
        case STAGE.HEADER:
          at =
            this.#held === 0
              ? this.#headerInPlace(chunk, view, at, end)
              : this.#headerInParts(chunk, at, end);
          break;
        case STAGE.PADDING: {
          const part = Math.min(this.#left, end - at);
          at += part;
          this.#left -= part;
          if (this.#left === 0) {
            this.#beginData();
          }
          break;
        }
        case STAGE.DATA:
          at = this.#data(chunk, at, end);
          break;
        case STAGE.DIGEST:
          // Little-endian, byte by byte, as it may be cut anywhere.
          this.#digest = (this.#digest >>> 8) | (chunk[at]! << 24);
          at++;
          this.#left--;
          if (this.#left === 0) {
            this.#end(this.#digest >>> 0 === crc32cEnd(this.#crc));
          }
          break;
        default:
          return;
      }
    }
  }

  #headerInPlace(chunk: Uint8Array, view: DataView, at: number, end: number): number {
    if (end - at >= 8) {
      const needed = this.#neededBytes(view, chunk, at);
      if (needed < 0 || end - at >= needed) {
        return needed < 0 ? end : this.#header(view, chunk, at, needed);
      }
    }
    return this.#headerInParts(chunk, at, end);
  }

  #headerInParts(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    let needed = this.#held < 8 ? 8 : this.#neededBytes(this.#headView, this.#head, 0);
    for (;;) {
      const part = Math.min(needed - this.#held, end - at);
      this.#head.set(chunk.subarray(at, at + part), this.#held);
      this.#held += part;
      at += part;
      if (this.#held < needed) {
        return at;
      }
      if (needed > 8) {
        this.#header(this.#headView, this.#head, 0, needed);
        return at;
      }
      needed = this.#neededBytes(this.#headView, this.#head, 0);
      if (needed < 0) {
        return end;
      }
    }
  }

  /** Of the header and its digest; -1: no such PDU here. */
  #neededBytes(view: DataView, bytes: Uint8Array, at: number): number {
    const { check } = this;
    const violation = check.common(view, at);
    if (violation !== VIOLATION_NONE) {
      this.#violate(bytes, at, 8);
      return -1;
    }
    const type = view.getUint8(at);
    return pduHeaderBytes(type) + check.headerDigestBytes(type);
  }

  /** @returns where the header ends */
  #header(view: DataView, bytes: Uint8Array, at: number, needed: number): number {
    const { check } = this;
    this.#held = 0;
    const headerBytes = pduHeaderBytes(view.getUint8(at));
    if (needed > headerBytes) {
      const computed = crc32c(bytes, at, at + headerBytes);
      if (!check.headerDigest(view.getUint32(at + headerBytes, true), computed)) {
        this.#violate(bytes, at, headerBytes);
        return at + needed;
      }
    }
    if (check.layout(view, at, needed) !== VIOLATION_NONE) {
      this.#violate(bytes, at, headerBytes);
      return at + needed;
    }
    this.#dataBytes = check.dataBytes;
    this.#hasDataDigest = this.#dataBytes > 0 && check.hasDataDigest && PDU_FLAGS.DDGSTF.read(view, at) === 1;
    this.#left = check.paddingBytes;
    const goesOn = this.#sink.onHeader(view, bytes, at, this.#dataBytes);
    if (this.#stage === STAGE.STOPPED || !goesOn) {
      this.stop();
    } else if (this.#dataBytes === 0) {
      this.#end(true);
    } else if (this.#left > 0) {
      this.#stage = STAGE.PADDING;
    } else {
      this.#beginData();
    }
    return at + needed;
  }

  #beginData(): void {
    this.#stage = STAGE.DATA;
    this.#left = this.#dataBytes;
    this.#crc = CRC32C_START;
  }

  #data(chunk: Uint8Array, at: number, end: number): number {
    const stop = at + Math.min(this.#left, end - at);
    if (this.#hasDataDigest) {
      this.#crc = crc32cUpdate(this.#crc, chunk, at, stop);
    }
    this.#left -= stop - at;
    const goesOn = this.#sink.onData(chunk, at, stop);
    if (this.#stage === STAGE.STOPPED || !goesOn) {
      this.stop();
    } else if (this.#left === 0) {
      if (this.#hasDataDigest) {
        this.#stage = STAGE.DIGEST;
        this.#left = 4;
        this.#digest = 0;
      } else {
        this.#end(true);
      }
    }
    return stop;
  }

  #end(isIntact: boolean): void {
    this.#stage = STAGE.HEADER;
    this.#pduCount++;
    if (!this.#sink.onEnd(isIntact)) {
      this.stop();
    }
  }

  #violate(bytes: Uint8Array, at: number, headerBytes: number): void {
    this.stop();
    const { fatalError, information } = this.check;
    this.#sink.onViolation(fatalError, information, bytes.subarray(at, at + headerBytes));
  }
}
