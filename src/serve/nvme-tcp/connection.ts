/**
 * One connection of a host, the controller's side: a `TransportQueue` over a socket.
 *
 * Bytes come in, are taken apart (`pdu-stream.ts`) and become capsules and data for the target; what the target says goes
 * out through `pdu-writer.ts`. When the host does not take what is sent, nothing more is read from it. What breaks the
 * rules is answered with a C2HTermReq, after which nothing of the host is looked at.
 *
 * Follows NVMe over TCP Transport 1.1, sections 3.3 to 3.6.
 */
import type { Socket } from 'node:net';
import { DONE, PENDING, type Span, STATUS, type Status } from '../../access/index.ts';
import {
  ByteSpan,
  type CloseReason,
  type PortConfig,
  type QueueHandle,
  type TargetRequest,
  type TransportQueue,
} from '../../orchestrators/index.ts';
import { ADMIN_OPCODE, SQHD } from '../../spec/nvme/index.ts';
import {
  CAPSULE_ENTRY_OFFSET,
  FATAL_ERROR,
  PDU_FLAG,
  PDU_FLAGS,
  PDU_PLEN,
  PDU_TYPE,
  TERM_FES,
} from '../../spec/nvmeof/index.ts';
import { DataTransfers, type TransferOwner } from './data-transfers.ts';
import { Initialization, initializationPdu } from './initialize.ts';
import type { NvmeTcpLimits } from './limits.ts';
import type { NvmeTcpCounters, NvmeTcpListener } from './listener.ts';
import { Patience } from './patience.ts';
import { type PduSink, PduStream } from './pdu-stream.ts';
import { fatalErrorName, IN_PLACE_BYTES_MIN, PduWriter, terminationPdu } from './pdu-writer.ts';
import { SEND_KIND, SendQueue } from './send-queue.ts';
import { DATA_PDU_BYTES_MAX, type SlabPool } from './slab-pool.ts';
import { isConnectOf, type SecureIdentity } from './tls/identity.ts';

const HOST_TYPES = [PDU_TYPE.IC_REQ, PDU_TYPE.H2C_TERM_REQ, PDU_TYPE.CAPSULE_CMD, PDU_TYPE.H2C_DATA];
const SQE_BYTES = 64;
const ADMIN_IN_CAPSULE_BYTES = 8192;
/** As Linux' target: four pages. */
const IN_CAPSULE_BYTES_DEFAULT = 16_384;
const IN_CAPSULE_BYTES_MAX = 1 << 20;
/** SQHD where the host does not look at it. */
const SQHD_NOT_USED = 0xffff;
/** In `transportTag`: the completion has gone with the data. */
const COMPLETED_WITH_DATA = 1;

const STATE = { INITIALIZE: 0, OPEN: 1, ENDING: 2, CLOSED: 3 } as const;

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly hostAddress: string;
  readonly port: PortConfig;
  readonly limits: NvmeTcpLimits;
  readonly pool: SlabPool;
  readonly counters: NvmeTcpCounters;
  readonly listener: NvmeTcpListener | null;
  /** Null: not encrypted. */
  readonly identity: SecureIdentity | null;
  readonly open: (queue: TransportQueue) => QueueHandle;
  readonly onClosed: (connection: Connection) => void;
  readonly nowMs: () => number;
}

export class Connection implements TransportQueue, PduSink, TransferOwner {
  readonly transport = 'tcp';
  readonly peerClient = null;
  readonly adminInCapsuleBytesMax = ADMIN_IN_CAPSULE_BYTES;
  readonly port: PortConfig;
  readonly hostAddress: string;
  readonly inCapsuleBytesMax: number;
  readonly isSecure: boolean;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #stream: PduStream;
  readonly #writer: PduWriter;
  readonly #waiting = new SendQueue();
  #transfers: DataTransfers | null = null;
  #handle: QueueHandle | null = null;
  #state: number = STATE.INITIALIZE;
  /** Why it ends: what was first. */
  #why: string | null = null;
  #isPaused = false;
  #isReceiving = false;
  #isFlushDue = false;
  #isDraining = false;
  /** Commands that the target has, but for those that wait for an event. */
  #running = 0;
  /** Of the PDU whose data come now. */
  #type = 0;
  readonly #capsule = new Uint8Array(SQE_BYTES);
  /** Data of a capsule that came in pieces; made when first needed. */
  #inCapsule: Uint8Array | null = null;
  #inCapsuleBytes = 0;
  #inCapsuleHeld = 0;
  /** Data of a capsule that lie in one piece of what was received. */
  #inPlace: Uint8Array | null = null;
  readonly #patience: Patience;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.port = options.port;
    this.hostAddress = options.hostAddress;
    this.isSecure = options.identity !== null;
    this.inCapsuleBytesMax = inCapsuleBytes(options.port);
    this.#patience = new Patience(options.limits, options.nowMs());
    this.#stream = new PduStream(this, HOST_TYPES);
    this.#writer = new PduWriter(this.#socket, options.pool, this.#onRoom, this.#onSent);
    this.#socket.on('data', this.#onChunk);
    this.#socket.on('error', (error: Error) => {
      this.#ended(error.message);
    });
    this.#socket.on('close', () => {
      this.#gone();
    });
  }

  /** Connect has not been accepted yet. */
  get isPending(): boolean {
    return this.#handle === null || this.#handle.queueId === null;
  }

  get handle(): QueueHandle | null {
    return this.#handle;
  }

  // What the target asks for.

  fetch(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status {
    if (this.#transfers === null || this.#state !== STATE.OPEN) {
      return STATUS.GONE;
    }
    if (!this.#transfers.begin(request, span, spanOffsetBytes, lengthBytes)) {
      this.#waiting.push(SEND_KIND.R2T, request);
    }
    this.#flushLater();
    return PENDING;
  }

  send(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status {
    if (this.#state === STATE.CLOSED) {
      return STATUS.GONE;
    }
    if (span instanceof ByteSpan && this.#sendInPlace(request, span, spanOffsetBytes, lengthBytes)) {
      return PENDING;
    }
    const doneBytes = this.#waiting.isEmpty
      ? this.#sendData(request, span, spanOffsetBytes, lengthBytes, 0)
      : 0;
    this.#flushLater();
    if (doneBytes === lengthBytes) {
      return DONE;
    }
    this.#waiting.push(SEND_KIND.DATA, request, span, spanOffsetBytes, lengthBytes, doneBytes);
    return PENDING;
  }

  respond(request: TargetRequest): void {
    if (this.#state === STATE.CLOSED) {
      return;
    }
    if (!this.#waiting.isEmpty || !this.#sendResponse(request)) {
      this.#waiting.push(SEND_KIND.RESPONSE, request);
    }
    this.#flushLater();
  }

  close(reason: CloseReason): void {
    this.#end(`the target closed it: ${reason}`);
  }

  sendR2t(commandId: number, tag: number, offsetBytes: number, lengthBytes: number): boolean {
    if (!this.#writer.reserve(this.#writer.shortBytes)) {
      return false;
    }
    this.#writer.readyToTransfer(commandId, tag, offsetBytes, lengthBytes);
    return true;
  }

  onTransferEnd(request: TargetRequest, status: Status): void {
    if (status !== DONE) {
      this.#options.counters.dataDigestErrors++;
    }
    this.#handle?.onData(request, status);
  }

  // What the host sends.

  onHeader(view: DataView, bytes: Uint8Array, at: number, dataBytes: number): boolean {
    const type = view.getUint8(at);
    this.#type = type;
    if (type === PDU_TYPE.H2C_TERM_REQ) {
      const name = fatalErrorName(TERM_FES.value(view, at), true);
      this.#options.listener?.onViolation?.(this.hostAddress, `the host ends the connection: ${name}`);
      this.#ended(`terminated by the host: ${name}`);
      this.#socket.destroy();
      return false;
    }
    if ((type === PDU_TYPE.IC_REQ) !== (this.#state === STATE.INITIALIZE)) {
      return this.#violated(FATAL_ERROR.PDU_SEQUENCE, 0, bytes.subarray(at, at + view.getUint8(at + 2)));
    }
    if (type === PDU_TYPE.IC_REQ) {
      return this.#initialize(view, bytes, at);
    }
    if (type === PDU_TYPE.H2C_DATA) {
      const transfers = this.#transfers!;
      return (
        transfers.onHeader(view, at, PDU_FLAGS.LAST_PDU.read(view, at) === 1, dataBytes) ||
        this.#violated(transfers.fatalError, transfers.information, bytes.subarray(at, at + 24))
      );
    }
    return this.#onCapsule(bytes, at, dataBytes);
  }

  onData(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#type === PDU_TYPE.H2C_DATA) {
      this.#transfers!.onData(bytes, start, end);
      return true;
    }
    if (this.#inCapsuleHeld === 0 && end - start === this.#inCapsuleBytes) {
      this.#inPlace = bytes.subarray(start, end);
      return true;
    }
    this.#inCapsule ??= new Uint8Array(Math.max(this.inCapsuleBytesMax, ADMIN_IN_CAPSULE_BYTES));
    this.#inCapsule.set(bytes.subarray(start, end), this.#inCapsuleHeld);
    this.#inCapsuleHeld += end - start;
    return true;
  }

  onEnd(isIntact: boolean): boolean {
    if (this.#type === PDU_TYPE.H2C_DATA) {
      this.#transfers!.onEnd(isIntact);
    } else if (this.#type === PDU_TYPE.CAPSULE_CMD && this.#inCapsuleBytes > 0) {
      const data = this.#inPlace ?? this.#inCapsule!.subarray(0, this.#inCapsuleHeld);
      this.#inPlace = null;
      this.#inCapsuleHeld = 0;
      this.#inCapsuleBytes = 0;
      if (!isIntact) {
        this.#options.counters.dataDigestErrors++;
      }
      this.#command(this.#capsule, data, !isIntact);
    }
    return this.#state === STATE.OPEN;
  }

  onViolation(fatalError: number, information: number, header: Uint8Array): void {
    this.#violated(fatalError, information, header);
  }

  // Time and the end.

  /** Looks whether the host takes too long. */
  check(nowMs: number): void {
    const { counters } = this.#options;
    const late = this.#late(nowMs);
    if (late === null) {
      return;
    }
    if (this.#state !== STATE.ENDING) {
      counters.timeouts++;
    }
    this.#ended(late);
    this.#socket.destroy();
  }

  /** Answers what has begun, then ends; what comes from now on is not begun, and the host tries it elsewhere. */
  drain(): void {
    this.#isDraining = true;
    this.#flushLater();
  }

  /** Ends it by force. */
  destroy(why: string): void {
    this.#ended(why);
    this.#socket.destroy();
  }

  #late(nowMs: number): string | null {
    if (this.#state === STATE.ENDING) {
      return this.#patience.endingLate(nowMs);
    }
    const isInitialized = this.#state !== STATE.INITIALIZE;
    const late = this.isPending ? this.#patience.startLate(nowMs, isInitialized) : null;
    return late ?? this.#patience.late(nowMs, this.#stream, this.#writer, this.#transfers, this.#isPaused);
  }

  readonly #onChunk = (chunk: Uint8Array): void => {
    if (this.#state >= STATE.ENDING) {
      return;
    }
    this.#options.counters.receivedBytes += chunk.length;
    this.#isReceiving = true;
    this.#stream.push(chunk);
    this.#isReceiving = false;
    this.#writer.flush();
    this.#afterTurn();
  };

  readonly #onRoom = (): void => {
    if (this.#state === STATE.CLOSED) {
      return;
    }
    this.#pump();
    this.#writer.flush();
    this.#afterTurn();
  };

  /** Data have left from where they lay. */
  readonly #onSent = (token: unknown): void => {
    if (this.#state !== STATE.CLOSED) {
      this.#handle?.onData(token as TargetRequest, DONE);
    }
  };

  readonly #flushNow = (): void => {
    this.#isFlushDue = false;
    if (this.#state !== STATE.CLOSED) {
      this.#writer.flush();
      this.#afterTurn();
    }
  };

  /** What was made in this turn leaves at its end, together. */
  #flushLater(): void {
    if (!this.#isReceiving && !this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(this.#flushNow);
    }
  }

  #afterTurn(): void {
    const isFull = !this.#waiting.isEmpty;
    if (isFull !== this.#isPaused && this.#state < STATE.ENDING) {
      this.#isPaused = isFull;
      if (isFull) {
        this.#socket.pause();
      } else {
        this.#socket.resume();
      }
    }
    if (this.#isDraining && this.#state < STATE.ENDING && this.#running === 0) {
      this.#end('the server shuts down');
    }
    if (this.#state === STATE.ENDING && !isFull && !this.#socket.writableEnded) {
      this.#writer.flush();
      this.#socket.end();
    }
  }

  #pump(): void {
    for (let first = this.#waiting.first(); first !== undefined; first = this.#waiting.first()) {
      const request = first.request!;
      if (first.kind === SEND_KIND.RESPONSE) {
        if (!this.#sendResponse(request)) {
          return;
        }
        this.#waiting.shift();
      } else if (first.kind === SEND_KIND.R2T) {
        if (!this.#transfers!.issue(request)) {
          return;
        }
        this.#waiting.shift();
      } else {
        const { span, spanOffsetBytes, lengthBytes, doneBytes } = first;
        first.doneBytes = this.#sendData(request, span!, spanOffsetBytes, lengthBytes, doneBytes);
        if (first.doneBytes < lengthBytes) {
          return;
        }
        this.#waiting.shift();
        this.#handle?.onData(request, DONE);
      }
    }
  }

  #sendResponse(request: TargetRequest): boolean {
    if (request.transportTag !== COMPLETED_WITH_DATA) {
      if (!this.#writer.reserve(this.#writer.shortBytes)) {
        return false;
      }
      this.#writer.response(request.cqe);
    }
    if (!this.#waitsForEvent(request.opcode)) {
      this.#running--;
    }
    this.#handle?.release(request);
    return true;
  }

  #waitsForEvent(opcode: number): boolean {
    return opcode === ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST && this.#handle?.queueId === 0;
  }

  /** Large data without a digest need no copy. @returns false: they go the other way */
  #sendInPlace(
    request: TargetRequest,
    span: ByteSpan,
    spanOffsetBytes: number,
    lengthBytes: number,
  ): boolean {
    const writer = this.#writer;
    if (
      lengthBytes < IN_PLACE_BYTES_MIN ||
      this.isSecure ||
      writer.hasDataDigest ||
      !this.#waiting.isEmpty ||
      !writer.reserve(writer.dataStart)
    ) {
      return false;
    }
    const data = span.bytes.subarray(spanOffsetBytes, spanOffsetBytes + lengthBytes);
    const flags = this.#lastFlags(request);
    writer.dataInPlace(PDU_TYPE.C2H_DATA, flags, request.commandId, 0, 0, data, request);
    return true;
  }

  /** FLAGS of the last data of a command; notes when they complete it. */
  #lastFlags(request: TargetRequest): number {
    // Without SQHD in a response the host must not need it. 3.6.2.8.
    if (request.isCompletionReady && SQHD.value(request.cqeView) === SQHD_NOT_USED) {
      request.transportTag = COMPLETED_WITH_DATA;
      return PDU_FLAG.LAST | PDU_FLAG.SUCCESS;
    }
    return PDU_FLAG.LAST;
  }

  /** @returns bytes of the data that are on their way */
  #sendData(
    request: TargetRequest,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    doneBytes: number,
  ): number {
    const writer = this.#writer;
    let done = doneBytes;
    while (done < lengthBytes) {
      const part = Math.min(DATA_PDU_BYTES_MAX, lengthBytes - done);
      if (!writer.reserve(writer.dataPduBytes(part))) {
        return done;
      }
      const flags = done + part === lengthBytes ? this.#lastFlags(request) : 0;
      const at = writer.data(PDU_TYPE.C2H_DATA, flags, request.commandId, 0, done, part);
      const from = spanOffsetBytes + done;
      if (span instanceof ByteSpan) {
        writer.bytes.set(span.bytes.subarray(from, from + part), at);
      } else {
        span.copyOut(from, writer.bytes.subarray(at, at + part));
      }
      writer.endData(at, part);
      done += part;
    }
    return done;
  }

  #initialize(view: DataView, bytes: Uint8Array, at: number): boolean {
    const wanted = new Initialization();
    if (!wanted.read(view, at, true)) {
      return this.#violated(wanted.fatalError, wanted.information, bytes.subarray(at, at + 128));
    }
    const { limits, open } = this.#options;
    const { hasHeaderDigest, hasDataDigest } = wanted;
    if (!this.#writer.reserve(128)) {
      // The pool is empty: this host has come too late.
      this.#end('no memory for it');
      return false;
    }
    const limit = limits.h2cDataBytesMax;
    this.#writer.whole(initializationPdu(false, { pda: limits.cpda, hasHeaderDigest, hasDataDigest, limit }));
    this.#writer.hasHeaderDigest = hasHeaderDigest;
    this.#writer.hasDataDigest = hasDataDigest;
    this.#writer.alignmentBytes = wanted.alignmentBytes;
    const { check } = this.#stream;
    check.hasHeaderDigest = hasHeaderDigest;
    check.hasDataDigest = hasDataDigest;
    check.alignmentBytes = (limits.cpda + 1) * 4;
    this.#transfers = new DataTransfers(
      { r2tBytesMax: limits.r2tBytesMax, perCommandMax: wanted.r2tsMax, h2cDataBytesMax: limit },
      this,
    );
    this.#state = STATE.OPEN;
    this.#handle = open(this);
    return this.#state === STATE.OPEN;
  }

  #onCapsule(bytes: Uint8Array, at: number, dataBytes: number): boolean {
    const entry = at + CAPSULE_ENTRY_OFFSET;
    if (dataBytes === 0) {
      this.#command(bytes.subarray(entry, entry + SQE_BYTES), null, false);
      return this.#state === STATE.OPEN;
    }
    const { queueId } = this.#handle!;
    const mostBytes = queueId === null || queueId === 0 ? ADMIN_IN_CAPSULE_BYTES : this.inCapsuleBytesMax;
    if (dataBytes > mostBytes) {
      const header = bytes.subarray(at, entry + SQE_BYTES);
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, PDU_PLEN.offset, header);
    }
    this.#capsule.set(bytes.subarray(entry, entry + SQE_BYTES));
    this.#inCapsuleBytes = dataBytes;
    return true;
  }

  #command(capsule: Uint8Array, data: Uint8Array | null, isDamaged: boolean): void {
    const { identity, counters } = this.#options;
    if (identity !== null && !isConnectOf(identity, capsule, data)) {
      this.#end('the names in Connect are not those of the TLS connection');
      return;
    }
    if (this.#isDraining) {
      return;
    }
    counters.commands++;
    if (!this.#waitsForEvent(capsule[0]!)) {
      this.#running++;
    }
    this.#handle!.command(capsule, data, isDamaged);
  }

  /** The host has broken a rule: it is told, and the connection ends. */
  #violated(fatalError: number, information: number, header: Uint8Array): boolean {
    const { counters, listener } = this.#options;
    const what = `${fatalErrorName(fatalError, false)}, information ${information}`;
    counters.violations++;
    listener?.onViolation?.(this.hostAddress, what);
    const pdu = terminationPdu(PDU_TYPE.C2H_TERM_REQ, fatalError, information, header);
    if (this.#writer.reserve(pdu.length)) {
      this.#writer.whole(pdu);
    }
    this.#end(what);
    return false;
  }

  /** No more is read; what was said still leaves. */
  #end(why: string): void {
    if (this.#state >= STATE.ENDING) {
      return;
    }
    this.#ended(why);
    this.#state = STATE.ENDING;
    this.#stream.stop();
    this.#patience.ending(this.#options.nowMs());
    if (this.#isPaused) {
      // What still comes is thrown away, so that the end of the other side is seen.
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.#flushLater();
  }

  #ended(why: string): void {
    this.#why ??= why;
  }

  #gone(): void {
    if (this.#state === STATE.CLOSED) {
      return;
    }
    this.#state = STATE.CLOSED;
    this.#stream.stop();
    this.#writer.close();
    this.#handle?.closed();
    const { listener, onClosed } = this.#options;
    listener?.onDisconnect?.(this.hostAddress, this.#why ?? 'the host closed it');
    onClosed(this);
  }
}

/** IOCCSZ of I/O queues without the entry, bytes. */
export function inCapsuleBytes(port: PortConfig): number {
  const wanted = port.inlineDataSize < 0 ? IN_CAPSULE_BYTES_DEFAULT : port.inlineDataSize;
  return Math.min(IN_CAPSULE_BYTES_MAX, Math.floor(wanted / 16) * 16);
}
