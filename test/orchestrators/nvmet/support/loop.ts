// A transport in memory and a host on it: what the tests of the target speak through. Data move at once, or when the executor is
// settled; then the order is the test's.
import { DONE, type EventHandler, PENDING, type Span, type Status } from '../../../../src/access/index.ts';
import type {
  CloseReason,
  PortConfig,
  QueueHandle,
  Target,
  TargetRequest,
  TransportQueue,
} from '../../../../src/orchestrators/nvmet/index.ts';
import { CQE_CID, CQE_DW0, CQE_DW1, CQE_STATUS, SQHD } from '../../../../src/spec/nvme/index.ts';
import type { ManualExecutor } from './manual-executor.ts';

export interface Completion {
  readonly commandId: number;
  /** Packed status, without flags. */
  readonly status: number;
  readonly isFinal: boolean;
  readonly result: number;
  readonly resultHigh: number;
  readonly head: number;
}

/** A command that was sent. */
export class Sent {
  readonly commandId: number;
  /** What the host gives, or has room for. */
  readonly data: Uint8Array;
  completion: Completion | null = null;
  readonly completions: Completion[] = [];

  constructor(commandId: number, data: Uint8Array) {
    this.commandId = commandId;
    this.data = data;
  }

  get view(): DataView {
    return new DataView(this.data.buffer, this.data.byteOffset, this.data.byteLength);
  }
}

export interface CommandOptions {
  readonly opcode: number;
  readonly nsid?: number;
  readonly cdw10?: number;
  readonly cdw11?: number;
  readonly cdw12?: number;
  readonly cdw13?: number;
  readonly cdw14?: number;
  /** Data for the target. */
  readonly out?: Uint8Array;
  /** Room for data of the target, bytes. */
  readonly in?: number;
  /** The data go in the capsule. */
  readonly inCapsule?: boolean | 'span';
  readonly commandId?: number;
  /** Changes the entry before it is sent. */
  readonly edit?: (sqe: DataView) => void;
}

class CapsuleSpan implements Span {
  readonly kind = 'host';
  readonly provider = null;
  readonly isReadable = true;
  readonly bytes: Uint8Array;
  isTaken = true;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get lengthBytes(): number {
    return this.bytes.length;
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    if (!this.isTaken) {
      throw new Error('in-capsule data used after the response');
    }
    into.set(this.bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  copyIn(): void {
    throw new Error('in-capsule data are not written to');
  }

  fill(): void {
    throw new Error('in-capsule data are not written to');
  }

  close(): void {}
}

export interface LoopOptions {
  /** Data and completions move when the executor is settled. */
  readonly executor?: ManualExecutor;
  readonly inCapsuleBytesMax?: number;
  readonly isSecure?: boolean;
  /** Fails a transfer of data. */
  readonly failsData?: (request: TargetRequest) => boolean;
}

const RELEASE = 1;
const DATA = 2;

/** One connection, both ends. */
export class LoopQueue implements TransportQueue, EventHandler {
  readonly transport = 'loop';
  readonly port: PortConfig;
  readonly hostAddress = 'loop';
  readonly peerClient = null;
  readonly inCapsuleBytesMax: number;
  readonly adminInCapsuleBytesMax = 8192;
  readonly isSecure: boolean;
  readonly handle: QueueHandle;
  /** Why the target has closed it; null: it has not. */
  closeReason: CloseReason | null = null;
  readonly sent = new Map<number, Sent>();
  answers = 0;
  readonly #executor: ManualExecutor | undefined;
  readonly #failsData: (request: TargetRequest) => boolean;
  readonly #pending = new Map<number, { request: TargetRequest; act: () => void }>();
  readonly #capsules = new Map<number, CapsuleSpan>();
  #order = 0;
  #nextId = 0;
  #isGone = false;

  constructor(target: Target, port: PortConfig, options: LoopOptions = {}) {
    this.port = port;
    this.#executor = options.executor;
    this.inCapsuleBytesMax = options.inCapsuleBytesMax ?? 16_384;
    this.isSecure = options.isSecure ?? false;
    this.#failsData = options.failsData ?? (() => false);
    this.handle = target.openQueue(this);
  }

  /** Sends a command. */
  issue(options: CommandOptions): Sent {
    const sqe = new Uint8Array(64);
    const view = new DataView(sqe.buffer);
    const commandId = options.commandId ?? this.#freeId();
    view.setUint32(0, options.opcode | (1 << 14) | (commandId << 16), true);
    view.setUint32(4, options.nsid ?? 0, true);
    const { cdw10 = 0, cdw11 = 0, cdw12 = 0, cdw13 = 0, cdw14 = 0 } = options;
    for (const [index, dword] of [cdw10, cdw11, cdw12, cdw13, cdw14].entries()) {
      view.setUint32(40 + 4 * index, dword, true);
    }
    const data = options.out ?? new Uint8Array(options.in ?? 0);
    view.setUint32(32, data.length, true);
    view.setUint8(39, options.inCapsule ? 0x01 : 0x5a);
    options.edit?.(view);
    const sent = new Sent(view.getUint16(2, true), data);
    this.sent.set(sent.commandId, sent);
    this.raw(sqe, options.inCapsule ? data : null, options.inCapsule === 'span');
    return sent;
  }

  raw(capsule: Uint8Array, inCapsule: Uint8Array | null = null, asSpan = false): void {
    if (!asSpan || inCapsule === null) {
      const copy = inCapsule?.slice() ?? null;
      this.handle.command(capsule, copy);
      // Borrowed for the call only: whoever looks later sees rubbish.
      copy?.fill(0xee);
      return;
    }
    const span = new CapsuleSpan(inCapsule);
    this.#capsules.set(new DataView(capsule.buffer).getUint16(2, true), span);
    this.handle.command(capsule, span);
  }

  /** A command whose data may be of any length: they are zeroes, and what comes is not looked at. */
  expectAny(capsule: Uint8Array): void {
    const commandId = capsule[2]! | (capsule[3]! << 8);
    this.sent.set(commandId, new Sent(commandId, new Uint8Array(1 << 20)));
  }

  /** Sends and runs to the end. @throws when it is not answered */
  run(options: CommandOptions): Sent & { readonly completion: Completion } {
    const sent = this.issue(options);
    this.#executor?.settle();
    if (sent.completion === null) {
      throw new Error(`command ${options.opcode} was not answered`);
    }
    return sent as Sent & { readonly completion: Completion };
  }

  fetch(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status {
    return this.#move(request, () => {
      const sent = this.sent.get(request.commandId)!;
      span.copyIn(spanOffsetBytes, sent.data.subarray(0, lengthBytes));
    });
  }

  send(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status {
    return this.#move(request, () => {
      const sent = this.sent.get(request.commandId)!;
      span.copyOut(spanOffsetBytes, sent.data.subarray(0, lengthBytes));
    });
  }

  respond(request: TargetRequest): void {
    if (this.#isGone) {
      throw new Error('an answer after the connection had gone');
    }
    this.answers++;
    const view = request.cqeView;
    const word = CQE_STATUS.value(view);
    const commandId = CQE_CID.value(view);
    const completion: Completion = {
      commandId,
      status: (word >>> 1) & 0x7ff,
      isFinal: word >>> 15 === 1,
      result: CQE_DW0.value(view),
      resultHigh: CQE_DW1.value(view),
      head: SQHD.value(view),
    };
    const sent = this.sent.get(commandId);
    sent?.completions.push(completion);
    if (sent !== undefined) {
      sent.completion = completion;
    }
    const capsule = this.#capsules.get(commandId);
    if (capsule !== undefined) {
      capsule.isTaken = false;
    }
    if (this.#executor === undefined) {
      this.handle.release(request);
    } else {
      this.#later(RELEASE, request, () => this.handle.release(request));
    }
  }

  close(reason: CloseReason): void {
    this.closeReason ??= reason;
    this.drop();
  }

  /** The connection goes, whoever wanted it. */
  drop(): void {
    if (!this.#isGone) {
      this.#isGone = true;
      this.handle.closed();
    }
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  onEvent(_code: number, argument: number): void {
    const pending = this.#pending.get(argument);
    this.#pending.delete(argument);
    if (!this.#isGone) {
      pending?.act();
    }
  }

  #move(request: TargetRequest, act: () => void): Status {
    if (this.#isGone) {
      throw new Error('data asked for after the connection had gone');
    }
    const isFailing = this.#failsData(request);
    if (this.#executor === undefined) {
      if (isFailing) {
        return -3;
      }
      act();
      return DONE;
    }
    this.#later(DATA, request, () => {
      if (!isFailing) {
        act();
      }
      this.handle.onData(request, isFailing ? -3 : DONE);
    });
    return PENDING;
  }

  #later(code: number, request: TargetRequest, act: () => void): void {
    this.#order++;
    this.#pending.set(this.#order, { request, act });
    this.#executor!.after(0, this, code, this.#order);
  }

  #freeId(): number {
    this.#nextId = (this.#nextId + 1) % 0x1_0000;
    return this.#nextId;
  }
}
