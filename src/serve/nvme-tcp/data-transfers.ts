/**
 * Data on their way from the host: which R2Ts of which command are open, and what has come for them.
 *
 * A command's data go straight into the span that the target gave; nothing is kept here but where the next byte belongs.
 * Objects are used again, so that a command costs none.
 */
import { DONE, type Span, STATUS, type Status } from '../../access/index.ts';
import { ByteSpan, type TargetRequest } from '../../orchestrators/index.ts';
import { DATA_CCCID, DATA_LENGTH, DATA_OFFSET, DATA_TTAG, FATAL_ERROR } from '../../spec/nvmeof/index.ts';
import { VIOLATION_NONE } from './pdu-check.ts';

/** The data of one command. */
class Transfer {
  request: TargetRequest | null = null;
  span: Span | null = null;
  spanOffsetBytes = 0;
  lengthBytes = 0;
  /** Where the next R2T starts. */
  askedBytes = 0;
  receivedBytes = 0;
  openCount = 0;
  isDamaged = false;
  /** When `oldestMs` saw it first; -1: not yet. */
  seenMs = -1;
}

/** An R2T that is open. Its place in the table is its tag. */
class OpenR2t {
  readonly tag: number;
  transfer: Transfer | null = null;
  offsetBytes = 0;
  lengthBytes = 0;
  receivedBytes = 0;

  constructor(tag: number) {
    this.tag = tag;
  }
}

export interface R2tRules {
  /** Data of one R2T, bytes. */
  readonly r2tBytesMax: number;
  /** R2Ts that a command may have open. */
  readonly perCommandMax: number;
  /** MAXH2CDATA, bytes. */
  readonly h2cDataBytesMax: number;
}

/** Who sends R2Ts and hears of ends. */
export interface TransferOwner {
  /** @returns false: no room now; the transfer is tried again by `issue` */
  sendR2t(commandId: number, tag: number, offsetBytes: number, lengthBytes: number): boolean;
  /** All data are there, or as many as will come. */
  onTransferEnd(request: TargetRequest, status: Status): void;
}

export class DataTransfers {
  readonly #rules: R2tRules;
  readonly #owner: TransferOwner;
  readonly #r2ts: OpenR2t[] = [];
  readonly #freeR2ts: OpenR2t[] = [];
  readonly #freeTransfers: Transfer[] = [];
  /** Of the PDU whose data come now. */
  #current: OpenR2t | null = null;
  #currentLast = false;
  /** Of the last header that was wrong. */
  fatalError: number = VIOLATION_NONE;
  information = 0;

  constructor(rules: R2tRules, owner: TransferOwner) {
    this.#rules = rules;
    this.#owner = owner;
  }

  /** How long the host has owed data of the oldest command that waits for them, as far as this has been asked before; 0: none. */
  oldestMs(nowMs: number): number {
    let oldest = 0;
    for (const { transfer } of this.#r2ts) {
      if (transfer !== null) {
        transfer.seenMs = transfer.seenMs < 0 ? nowMs : transfer.seenMs;
        oldest = Math.max(oldest, nowMs - transfer.seenMs);
      }
    }
    return oldest;
  }

  /** A command's data are wanted. @returns false when `issue` must be called again for this handle later */
  begin(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): boolean {
    const transfer = this.#freeTransfers.pop() ?? new Transfer();
    transfer.request = request;
    transfer.span = span;
    transfer.spanOffsetBytes = spanOffsetBytes;
    transfer.lengthBytes = lengthBytes;
    transfer.askedBytes = 0;
    transfer.receivedBytes = 0;
    transfer.openCount = 0;
    transfer.isDamaged = false;
    transfer.seenMs = -1;
    request.transportState = transfer;
    return this.#issue(transfer);
  }

  /** Goes on with R2Ts of a command for which there was no room. @returns as `begin` */
  issue(request: TargetRequest): boolean {
    return request.transportState instanceof Transfer ? this.#issue(request.transportState) : true;
  }

  /** The header of an H2CData PDU. @returns false: it is wrong, see `fatalError` */
  onHeader(view: DataView, at: number, isLast: boolean, dataBytes: number): boolean {
    const open = this.#r2ts[DATA_TTAG.value(view, at)];
    const { transfer } = open ?? { transfer: null };
    if (open === undefined || transfer === null) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_TTAG.offset);
    }
    if (DATA_CCCID.value(view, at) !== transfer.request!.commandId) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_CCCID.offset);
    }
    const lengthBytes = DATA_LENGTH.value(view, at);
    if (lengthBytes !== dataBytes || lengthBytes === 0) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_LENGTH.offset);
    }
    if (lengthBytes > this.#rules.h2cDataBytesMax) {
      return this.#wrong(FATAL_ERROR.DATA_LIMIT_EXCEEDED, 0);
    }
    const left = open.lengthBytes - open.receivedBytes;
    if (DATA_OFFSET.value(view, at) !== open.offsetBytes + open.receivedBytes || lengthBytes > left) {
      return this.#wrong(FATAL_ERROR.DATA_OUT_OF_RANGE, 0);
    }
    if (isLast !== (lengthBytes === left)) {
      return this.#wrong(FATAL_ERROR.INVALID_HEADER_FIELD, 1);
    }
    this.#current = open;
    this.#currentLast = isLast;
    return true;
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    const open = this.#current!;
    const transfer = open.transfer!;
    const part = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    const at = transfer.spanOffsetBytes + open.offsetBytes + open.receivedBytes;
    const span = transfer.span!;
    if (span instanceof ByteSpan) {
      span.bytes.set(part, at);
    } else {
      span.copyIn(at, part);
    }
    open.receivedBytes += end - start;
    transfer.receivedBytes += end - start;
  }

  /** The PDU is over. */
  onEnd(isIntact: boolean): void {
    const open = this.#current!;
    const transfer = open.transfer!;
    this.#current = null;
    if (!isIntact) {
      transfer.isDamaged = true;
    }
    if (!this.#currentLast) {
      return;
    }
    open.transfer = null;
    this.#freeR2ts.push(open);
    transfer.openCount--;
    const request = transfer.request!;
    if (transfer.receivedBytes === transfer.lengthBytes) {
      const { isDamaged } = transfer;
      transfer.request = null;
      transfer.span = null;
      request.transportState = null;
      this.#freeTransfers.push(transfer);
      this.#owner.onTransferEnd(request, isDamaged ? STATUS.IO : DONE);
    } else {
      this.#issue(transfer);
    }
  }

  #issue(transfer: Transfer): boolean {
    const { r2tBytesMax, perCommandMax } = this.#rules;
    const request = transfer.request!;
    while (transfer.askedBytes < transfer.lengthBytes && transfer.openCount < perCommandMax) {
      const lengthBytes = Math.min(r2tBytesMax, transfer.lengthBytes - transfer.askedBytes);
      const open = this.#freeR2ts.pop() ?? this.#newR2t();
      if (!this.#owner.sendR2t(request.commandId, open.tag, transfer.askedBytes, lengthBytes)) {
        this.#freeR2ts.push(open);
        return false;
      }
      open.transfer = transfer;
      open.offsetBytes = transfer.askedBytes;
      open.lengthBytes = lengthBytes;
      open.receivedBytes = 0;
      transfer.askedBytes += lengthBytes;
      transfer.openCount++;
    }
    return true;
  }

  #newR2t(): OpenR2t {
    const open = new OpenR2t(this.#r2ts.length);
    this.#r2ts.push(open);
    return open;
  }

  #wrong(fatalError: number, information: number): boolean {
    this.fatalError = fatalError;
    this.information = information;
    return false;
  }
}
