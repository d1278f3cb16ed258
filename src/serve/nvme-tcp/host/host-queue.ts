/**
 * One queue of a host over NVMe/TCP: our own initiator, for tests and benchmarks.
 *
 * Commands are 64 bytes with memory of the caller beside them; an end is one call of `onCompletion`. Nothing is allocated for a
 * command in the steady state, and no promise is made. Follows NVMe over TCP Transport 1.1, sections 3.3 to 3.6.
 */
import type { Socket } from 'node:net';
import { CQE_CID, CQE_STATUS, statusOfWord } from '../../../spec/nvme/index.ts';
import {
  CAPSULE_ENTRY_OFFSET,
  DATA_CCCID,
  DATA_LENGTH,
  DATA_OFFSET,
  DATA_TTAG,
  FATAL_ERROR,
  PDU_FLAG,
  PDU_FLAGS,
  PDU_TYPE,
  TERM_FES,
} from '../../../spec/nvmeof/index.ts';
import { NvmeTcpError } from '../errors.ts';
import { Initialization, initializationPdu } from '../initialize.ts';
import { type PduSink, PduStream } from '../pdu-stream.ts';
import { fatalErrorName, IN_PLACE_BYTES_MIN, PduWriter, terminationPdu } from '../pdu-writer.ts';
import { DATA_PDU_BYTES_MAX, SLAB_BYTES, SlabPool } from '../slab-pool.ts';

const CONTROLLER_TYPES = [
  PDU_TYPE.IC_RESP,
  PDU_TYPE.C2H_TERM_REQ,
  PDU_TYPE.CAPSULE_RESP,
  PDU_TYPE.C2H_DATA,
  PDU_TYPE.R2T,
];
const CQE_BYTES = 16;
/** Status of a command whose data were damaged on the way here. Transient Transport Error. */
const STATUS_DAMAGED = 0x022;

/** An end of a command; valid during the call. */
export interface HostCompletion {
  readonly commandId: number;
  /** Packed status: 0 for success. */
  readonly status: number;
  /** Dwords 0 and 1. */
  readonly dword0: number;
  readonly dword1: number;
}

export interface HostQueueOptions {
  /** Connected, TCP or TLS; becomes the queue's. What it receives goes to `receive`. */
  readonly socket: Socket;
  /** Commands at once: identifiers are 0 to depth - 1. */
  readonly depth: number;
  readonly hasHeaderDigest?: boolean;
  readonly hasDataDigest?: boolean;
  /** HPDA: alignment of data from the controller, 0's based dwords. */
  readonly hpda?: number;
  /** MAXR2T, 0's based. */
  readonly maxr2t?: number;
  readonly onCompletion: (completion: HostCompletion) => void;
  /** Once, when the connection is over; commands that were outstanding are not completed. */
  readonly onClosed: (error: NvmeTcpError) => void;
  /** ICResp has come. */
  readonly onReady: () => void;
}

/** What the host keeps of a command. */
class HostCommand {
  /** Memory of the caller: of data to send, or for data that come. */
  data: Uint8Array | null = null;
  isBusy = false;
  isDamaged = false;
  receivedBytes = 0;
}

/** An R2T that could not be served yet. */
class OpenGrant {
  commandId = 0;
  tag = 0;
  offsetBytes = 0;
  lengthBytes = 0;
}

export class HostQueue implements PduSink {
  /** From ICResp. */
  readonly granted = new Initialization();
  readonly #options: HostQueueOptions;
  readonly #stream: PduStream;
  readonly #writer: PduWriter;
  readonly #commands: HostCommand[] = [];
  readonly #grants: OpenGrant[] = [];
  readonly #commandQueue: { sqe: Uint8Array; inCapsule: Uint8Array | null }[] = [];
  readonly #cqe = new Uint8Array(CQE_BYTES);
  readonly #cqeView: DataView = new DataView(this.#cqe.buffer);
  readonly #completion = { commandId: 0, status: 0, dword0: 0, dword1: 0 };
  #type = 0;
  #current: HostCommand | null = null;
  #currentId = 0;
  #currentFlags = 0;
  #at = 0;
  #isReady = false;
  #isOver = false;
  #isReceiving = false;
  #isFlushDue = false;
  #error: NvmeTcpError | null = null;

  constructor(options: HostQueueOptions) {
    this.#options = options;
    const { socket } = options;
    const pool = new SlabPool({ countMax: 16, perOwnerMax: 8 });
    this.#stream = new PduStream(this, CONTROLLER_TYPES);
    this.#writer = new PduWriter(socket, pool, this.#onRoom);
    for (let id = 0; id < options.depth; id++) {
      this.#commands.push(new HostCommand());
    }
    socket.on('error', (error: Error) => {
      this.#error ??= closedError(error.message, error);
    });
    socket.on('close', () => {
      this.#over();
    });
    this.#writer.reserve(128);
    this.#writer.whole(
      initializationPdu(true, {
        pda: options.hpda ?? 0,
        hasHeaderDigest: options.hasHeaderDigest ?? false,
        hasDataDigest: options.hasDataDigest ?? false,
        limit: options.maxr2t ?? 0,
      }),
    );
    this.#writer.flush();
  }

  get isClosed(): boolean {
    return this.#isOver;
  }

  isBusy(commandId: number): boolean {
    return this.#commands[commandId]!.isBusy;
  }

  /**
   * Sends a command. Its bytes are copied; `data` stay the queue's until the completion.
   * @param commandId   also in the entry
   * @param data        what is sent, or where what comes goes; null: none
   * @param inCapsule   `data` go in the capsule
   */
  submit(commandId: number, sqe: Uint8Array, data: Uint8Array | null, inCapsule: boolean): void {
    if (this.#isOver) {
      return;
    }
    const command = this.#commands[commandId]!;
    command.data = data;
    command.isBusy = true;
    command.isDamaged = false;
    command.receivedBytes = 0;
    const inside = inCapsule ? data : null;
    if (this.#commandQueue.length > 0 || !this.#sendCommand(sqe, inside)) {
      this.#commandQueue.push({ sqe: sqe.slice(), inCapsule: inside });
    }
    this.#flushLater();
  }

  /** Bytes from the controller; the caller's again when this returns. */
  receive(chunk: Uint8Array): void {
    this.#isReceiving = true;
    this.#stream.push(chunk);
    this.#isReceiving = false;
    if (!this.#isOver) {
      this.#writer.flush();
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#options.socket.destroy();
  }

  onHeader(view: DataView, bytes: Uint8Array, at: number, dataBytes: number): boolean {
    const type = view.getUint8(at);
    this.#type = type;
    if (type === PDU_TYPE.C2H_TERM_REQ) {
      this.#fail(
        new NvmeTcpError('NVMETCP_TERMINATED', {
          message: `the controller ends the connection: ${fatalErrorName(TERM_FES.value(view, at), false)}`,
          hint: 'host and controller do not understand each other: look at the wire (tcpdump, port 4420)',
          detail: { fatalError: TERM_FES.value(view, at) },
          exitStatus: 3,
        }),
      );
      return false;
    }
    if ((type === PDU_TYPE.IC_RESP) === this.#isReady) {
      return this.#violated(FATAL_ERROR.PDU_SEQUENCE, 0, bytes.subarray(at, at + 24));
    }
    switch (type) {
      case PDU_TYPE.IC_RESP:
        return this.#initialized(view, bytes, at);
      case PDU_TYPE.CAPSULE_RESP:
        this.#cqe.set(bytes.subarray(at + CAPSULE_ENTRY_OFFSET, at + CAPSULE_ENTRY_OFFSET + CQE_BYTES));
        return this.#completed(bytes, at);
      case PDU_TYPE.R2T:
        return this.#onGrant(view, bytes, at);
      default:
        return this.#onDataHeader(view, bytes, at, dataBytes);
    }
  }

  onData(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#current !== null) {
      this.#current.data!.set(bytes.subarray(start, end), this.#at);
      this.#at += end - start;
    }
    return true;
  }

  onEnd(isIntact: boolean): boolean {
    const command = this.#current;
    if (this.#type === PDU_TYPE.C2H_DATA && command !== null) {
      this.#current = null;
      command.isDamaged ||= !isIntact;
      if ((this.#currentFlags & PDU_FLAG.SUCCESS) !== 0) {
        this.#finish(this.#currentId, command, 0, 0, 0);
      }
    }
    return !this.#isOver;
  }

  onViolation(fatalError: number, information: number, header: Uint8Array): void {
    this.#violated(fatalError, information, header);
  }

  #initialized(view: DataView, bytes: Uint8Array, at: number): boolean {
    const { granted } = this;
    const { hasHeaderDigest = false, hasDataDigest = false, hpda = 0 } = this.#options;
    if (!granted.read(view, at, false)) {
      return this.#violated(granted.fatalError, granted.information, bytes.subarray(at, at + 128));
    }
    const isMore = (granted.hasHeaderDigest && !hasHeaderDigest) || (granted.hasDataDigest && !hasDataDigest);
    if (isMore) {
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, 0x0b, bytes.subarray(at, at + 128));
    }
    const { check } = this.#stream;
    check.hasHeaderDigest = granted.hasHeaderDigest;
    check.hasDataDigest = granted.hasDataDigest;
    check.alignmentBytes = (hpda + 1) * 4;
    this.#writer.hasHeaderDigest = granted.hasHeaderDigest;
    this.#writer.hasDataDigest = granted.hasDataDigest;
    this.#writer.alignmentBytes = granted.alignmentBytes;
    this.#isReady = true;
    this.#options.onReady();
    return !this.#isOver;
  }

  #completed(bytes: Uint8Array, at: number): boolean {
    const id = CQE_CID.value(this.#cqeView);
    const command = this.#commands[id];
    if (command?.isBusy !== true) {
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, 0x14, bytes.subarray(at, at + 24));
    }
    const view = this.#cqeView;
    const status = statusOfWord(CQE_STATUS.value(view));
    this.#finish(id, command, status, view.getUint32(0, true), view.getUint32(4, true));
    return !this.#isOver;
  }

  #finish(id: number, command: HostCommand, status: number, dword0: number, dword1: number): void {
    command.isBusy = false;
    command.data = null;
    const completion = this.#completion;
    completion.commandId = id;
    completion.status = status === 0 && command.isDamaged ? STATUS_DAMAGED : status;
    completion.dword0 = dword0;
    completion.dword1 = dword1;
    this.#options.onCompletion(completion);
  }

  #onDataHeader(view: DataView, bytes: Uint8Array, at: number, dataBytes: number): boolean {
    const id = DATA_CCCID.value(view, at);
    const command = this.#commands[id];
    const header = bytes.subarray(at, at + 24);
    if (command?.isBusy !== true || command.data === null) {
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_CCCID.offset, header);
    }
    const offsetBytes = DATA_OFFSET.value(view, at);
    const lengthBytes = DATA_LENGTH.value(view, at);
    if (lengthBytes !== dataBytes || lengthBytes === 0) {
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_LENGTH.offset, header);
    }
    if (offsetBytes !== command.receivedBytes || offsetBytes + lengthBytes > command.data.length) {
      return this.#violated(FATAL_ERROR.DATA_OUT_OF_RANGE, 0, header);
    }
    command.receivedBytes += lengthBytes;
    this.#current = command;
    this.#currentId = id;
    this.#currentFlags = PDU_FLAGS.value(view, at);
    this.#at = offsetBytes;
    return true;
  }

  #onGrant(view: DataView, bytes: Uint8Array, at: number): boolean {
    const id = DATA_CCCID.value(view, at);
    const command = this.#commands[id];
    const header = bytes.subarray(at, at + 24);
    if (command?.isBusy !== true || command.data === null) {
      return this.#violated(FATAL_ERROR.INVALID_HEADER_FIELD, DATA_CCCID.offset, header);
    }
    const offsetBytes = DATA_OFFSET.value(view, at);
    const lengthBytes = DATA_LENGTH.value(view, at);
    if (lengthBytes === 0 || offsetBytes + lengthBytes > command.data.length) {
      return this.#violated(FATAL_ERROR.DATA_OUT_OF_RANGE, 0, header);
    }
    const grant = new OpenGrant();
    grant.commandId = id;
    grant.tag = DATA_TTAG.value(view, at);
    grant.offsetBytes = offsetBytes;
    grant.lengthBytes = lengthBytes;
    this.#grants.push(grant);
    if (this.#grants.length === 1) {
      this.#sendGranted();
    }
    return true;
  }

  /** Data of R2Ts, the oldest first. */
  #sendGranted(): void {
    const writer = this.#writer;
    const mostBytes = Math.min(DATA_PDU_BYTES_MAX, this.granted.h2cDataBytesMax);
    for (let grant = this.#grants[0]; grant !== undefined; grant = this.#grants[0]) {
      const { data } = this.#commands[grant.commandId]!;
      while (grant.lengthBytes > 0 && data !== null) {
        const part = Math.min(mostBytes, grant.lengthBytes);
        const isInPlace = part >= IN_PLACE_BYTES_MIN && !writer.hasDataDigest;
        if (!writer.reserve(isInPlace ? writer.dataStart : writer.dataPduBytes(part))) {
          return;
        }
        const flags = part === grant.lengthBytes ? PDU_FLAG.LAST : 0;
        const { commandId, tag, offsetBytes } = grant;
        const from = data.subarray(offsetBytes, offsetBytes + part);
        if (isInPlace) {
          writer.dataInPlace(PDU_TYPE.H2C_DATA, flags, commandId, tag, offsetBytes, from, null);
        } else {
          const at = writer.data(PDU_TYPE.H2C_DATA, flags, commandId, tag, offsetBytes, part);
          writer.bytes.set(from, at);
          writer.endData(at, part);
        }
        grant.offsetBytes += part;
        grant.lengthBytes -= part;
      }
      this.#grants.shift();
    }
  }

  #sendCommand(sqe: Uint8Array, inCapsule: Uint8Array | null): boolean {
    const lengthBytes = this.#writer.commandBytes(inCapsule?.length ?? 0);
    if (lengthBytes > SLAB_BYTES || !this.#writer.reserve(lengthBytes)) {
      return false;
    }
    this.#writer.command(sqe, inCapsule);
    return true;
  }

  readonly #onRoom = (): void => {
    if (this.#isOver) {
      return;
    }
    this.#sendGranted();
    for (let next = this.#commandQueue[0]; next !== undefined; next = this.#commandQueue[0]) {
      if (!this.#sendCommand(next.sqe, next.inCapsule)) {
        break;
      }
      this.#commandQueue.shift();
    }
    this.#writer.flush();
  };

  readonly #flushNow = (): void => {
    this.#isFlushDue = false;
    if (!this.#isOver) {
      this.#writer.flush();
    }
  };

  #flushLater(): void {
    if (!this.#isReceiving && !this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(this.#flushNow);
    }
  }

  #violated(fatalError: number, information: number, header: Uint8Array): boolean {
    const pdu = terminationPdu(PDU_TYPE.H2C_TERM_REQ, fatalError, information, header);
    if (this.#writer.reserve(pdu.length)) {
      this.#writer.whole(pdu);
      this.#writer.flush();
    }
    this.#fail(
      new NvmeTcpError('NVMETCP_PROTOCOL', {
        message: `the controller breaks the rules of NVMe/TCP: ${fatalErrorName(fatalError, true)}`,
        hint: 'look at the wire (tcpdump, port 4420)',
        detail: { fatalError, information },
        exitStatus: 3,
      }),
    );
    return false;
  }

  #fail(error: NvmeTcpError): void {
    this.#error ??= error;
    this.#stream.stop();
    this.#options.socket.end();
    this.#over();
  }

  #over(): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#stream.stop();
    this.#writer.close();
    this.#options.onClosed(this.#error ?? closedError('the controller closed it', undefined));
  }
}

function closedError(why: string, cause: unknown): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_CLOSED', {
    message: `the NVMe/TCP connection is over: ${why}`,
    hint: 'the log of the target says why',
    cause,
    exitStatus: 3,
  });
}
