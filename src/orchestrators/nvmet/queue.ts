/**
 * One queue of a host, the target's side of a connection: takes capsules, finds out what they want, and answers each once.
 *
 * What a command does is in `fabrics.ts`, `admin/` and `io/`; here is what they share: the pool of requests, the way of
 * data in both directions, completion, abort, and the end of the connection.
 */
import { DONE, PENDING, type Span, STATUS, type Status } from '../../access/index.ts';
import {
  ADMIN_OPCODE,
  CQE_STATUS,
  DATA_DIRECTION,
  FUSE,
  NVME_STATUS,
  PSDT,
  SGL_SUBTYPE,
  SGL_TYPE,
  SLBA,
  SQHD,
  statusWord,
} from '../../spec/nvme/index.ts';
import { FCTYPE, TRANSPORT_TYPE } from '../../spec/nvmeof/index.ts';
import { continueAdmin, executeAdmin } from './admin/commands.ts';
import type { Controller } from './controller.ts';
import { continueFabrics, executeFabrics } from './fabrics.ts';
import { continueIo, executeIo, partEnded } from './io/commands.ts';
import { forgetBarrier } from './io/preempt.ts';
import type { SpanMemory } from './memory.ts';
import { flagsOfOutcome, LATER, type Outcome, refuse, SUCCESS, statusOfOutcome } from './outcome.ts';
import { type RequestOwner, STAGE, TargetRequest } from './request.ts';
import type { Target } from './target.ts';
import type {
  AuthenticationExchange,
  AuthenticationFacts,
  CloseReason,
  QueueHandle,
  TransportQueue,
} from './transport.ts';

/** Commands that a connection may have outstanding before Connect says how many it wants. */
const DEPTH_BEFORE_CONNECT = 4;

/** SQHD of a queue whose host does not look at it. */
const SQHD_NOT_USED = 0xffff;

const TRTYPE_OF = { tcp: TRANSPORT_TYPE.TCP, rdma: TRANSPORT_TYPE.RDMA, loop: TRANSPORT_TYPE.LOOP } as const;

export class TargetQueue implements QueueHandle, RequestOwner {
  readonly target: Target;
  readonly transport: TransportQueue;
  controller: Controller | null = null;
  queueId: number | null = null;
  /** What authenticates the host; null: nothing has to, or it is done. */
  exchange: AuthenticationExchange | null = null;
  authenticationFacts: AuthenticationFacts | null = null;
  isAuthenticated = false;
  /** The host may delete it with Disconnect. */
  isDeletable = false;
  /** Commands since Connect, for people. */
  commandCount = 0;
  readonly #requests: TargetRequest[] = [];
  readonly #free: TargetRequest[] = [];
  /** One bit for each command identifier that is outstanding. */
  readonly #identifiers = new Uint32Array(2048);
  #depth = DEPTH_BEFORE_CONNECT;
  #entries = 0;
  #head = 0;
  #usesHead = true;
  #outstanding = 0;
  #isClosed = false;
  #lastRequest: TargetRequest | null = null;
  #lastReason: CloseReason = 'host';

  constructor(target: Target, transport: TransportQueue) {
    this.target = target;
    this.transport = transport;
  }

  get depth(): number {
    return this.#depth;
  }

  get maxTransferBytes(): number {
    return this.controller?.maxTransferBytes ?? this.target.maxTransferBytes;
  }

  get controllerId(): number | null {
    return this.controller?.id ?? null;
  }

  get hostNqn(): string | null {
    return this.controller?.hostNqn ?? null;
  }

  get subsystemNqn(): string | null {
    return this.controller?.subsystem.nqn ?? null;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Commands taken and not answered. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Requests that are not in the pool. */
  get requests(): readonly TargetRequest[] {
    return this.#requests;
  }

  /** Connect was accepted: from now on this many entries. */
  connected(controller: Controller, queueId: number, entries: number, usesHead: boolean): void {
    this.controller = controller;
    this.queueId = queueId;
    this.#entries = entries;
    this.#depth = Math.max(entries, DEPTH_BEFORE_CONNECT);
    this.#usesHead = usesHead;
  }

  command(capsule: Uint8Array, inCapsule: Uint8Array | Span | null, isDamaged = false): void {
    if (this.#isClosed) {
      return;
    }
    const request = this.#take();
    if (request === null) {
      this.transport.close('queue-overflow');
      return;
    }
    request.begin(capsule);
    request.inCapsule = inCapsule;
    this.#outstanding++;
    this.commandCount++;
    if (this.controller !== null) {
      this.controller.hasTraffic = true;
    }
    const id = request.commandId;
    const isDouble = ((this.#identifiers[id >>> 5]! >>> (id & 31)) & 1) === 1;
    if (isDouble) {
      // The bit stays for the first of the two.
      request.step = IDENTIFIER_NOT_OURS;
      this.complete(request, refuse(NVME_STATUS.CID_CONFLICT));
      return;
    }
    this.#identifiers[id >>> 5]! |= 1 << (id & 31);
    this.settle(request, isDamaged ? NVME_STATUS.TRANSIENT_TRANSPORT_ERROR : this.#execute(request));
  }

  onData(request: TargetRequest, status: Status): void {
    if (this.#isClosed) {
      return;
    }
    if (request.stage === STAGE.FETCH) {
      this.settle(request, status === DONE ? this.#arrived(request) : fetchFailure(status));
    } else if (request.stage === STAGE.SEND) {
      this.complete(request, status === DONE ? request.outcome : NVME_STATUS.DATA_TRANSFER_ERROR);
    }
  }

  release(request: TargetRequest): void {
    if (request.stage === STAGE.RESPONDED) {
      this.#put(request);
    }
  }

  closed(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    for (const request of this.#requests) {
      this.#abandon(request);
    }
    this.controller?.queueGone(this);
    this.target.queueGone(this);
  }

  /** The connection ends when this request has been answered. */
  closeAfter(request: TargetRequest, reason: CloseReason): void {
    this.#lastRequest = request;
    this.#lastReason = reason;
  }

  /** Ends a request unless it goes on later. */
  settle(request: TargetRequest, outcome: Outcome): void {
    if (outcome !== LATER) {
      this.complete(request, outcome);
    }
  }

  /** Answers a request. The transport has it until it releases it. */
  complete(request: TargetRequest, outcome: Outcome): void {
    const barrier = request.barrier;
    this.#giveBack(request, outcome);
    if (!request.isCompletionReady) {
      this.#advanceHead(request);
      this.#fill(request, outcome);
    } else if (outcome !== SUCCESS) {
      request.isCompletionReady = false;
      this.#fill(request, outcome);
    }
    request.stage = STAGE.RESPONDED;
    this.#outstanding--;
    if (request.step !== IDENTIFIER_NOT_OURS) {
      const id = request.commandId;
      this.#identifiers[id >>> 5]! &= ~(1 << (id & 31));
    }
    this.transport.respond(request);
    if (this.#lastRequest === request) {
      this.transport.close(this.#lastReason);
    }
    if (this.target.isDraining) {
      this.target.noteAnswer();
    }
    if (barrier !== null) {
      this.#lower(request, barrier);
    }
  }

  /**
   * Takes a command's data from the host; the command goes on when they are there (`continue...`).
   *
   * @param lengthBytes  what the command needs; the descriptor has to say the same, or more with `isAtLeast`
   */
  receive(request: TargetRequest, lengthBytes: number, memory: SpanMemory, isAtLeast = false): Outcome {
    const said = request.sglLengthBytes;
    if (isAtLeast ? said < lengthBytes : said !== lengthBytes) {
      return refuse(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
    }
    request.memoryBytes = Math.max(request.memoryBytes, lengthBytes);
    request.lengthBytes = lengthBytes;
    const { inCapsule } = request;
    if (request.sglType !== SGL_TYPE.DATA_BLOCK) {
      return this.#withMemory(request, memory);
    }
    if (inCapsule === null || request.sglAddress + lengthBytes > lengthOf(inCapsule)) {
      return refuse(NVME_STATUS.INVALID_SGL_OFFSET);
    }
    if (!(inCapsule instanceof Uint8Array)) {
      request.span = inCapsule;
      request.spanOffsetBytes = request.sglAddress;
      return this.#arrived(request);
    }
    const outcome = this.#withMemory(request, memory);
    if (request.stage === STAGE.MEMORY) {
      // The transport's buffer is the transport's again when the call returns.
      request.inCapsule = inCapsule.slice(request.sglAddress, request.sglAddress + lengthBytes);
      request.sglAddress = 0;
    }
    return outcome;
  }

  /** Asks for memory for data that the backend will bring; goes on with `continueIo` and span in place. */
  withMemory(request: TargetRequest, lengthBytes: number, memory: SpanMemory): Outcome {
    request.memoryBytes = lengthBytes;
    return this.#withMemory(request, memory);
  }

  /**
   * Answers an admin command with data: `bytes`, followed by zeroes up to `lengthBytes`.
   * @param offsetBytes  of `bytes`, where the answer starts
   */
  reply(request: TargetRequest, bytes: Uint8Array, lengthBytes: number, offsetBytes = 0): Outcome {
    const refused = this.checkSend(request, lengthBytes);
    if (refused !== SUCCESS) {
      return refused;
    }
    request.reply = bytes.subarray(Math.min(offsetBytes, bytes.length), offsetBytes + lengthBytes);
    request.lengthBytes = lengthBytes;
    request.memoryBytes = lengthBytes;
    return this.#withMemory(request, this.target.controlMemory);
  }

  /** The host has room for exactly what the command gives it. */
  checkSend(request: TargetRequest, lengthBytes: number): Outcome {
    if (request.sglLengthBytes !== lengthBytes) {
      return refuse(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
    }
    // Nothing goes back in a command capsule.
    return request.sglType === SGL_TYPE.DATA_BLOCK ? refuse(NVME_STATUS.SGL_TYPE_INVALID) : SUCCESS;
  }

  /** Sends `request.lengthBytes` of its span to the host and completes it with success. */
  send(request: TargetRequest): Outcome {
    if (request.abortedWith !== SUCCESS) {
      return request.abortedWith;
    }
    request.outcome = SUCCESS;
    request.stage = STAGE.SEND;
    this.#advanceHead(request);
    this.#fill(request, SUCCESS);
    request.isCompletionReady = true;
    const status = this.transport.send(request, request.span!, request.spanOffsetBytes, request.lengthBytes);
    if (status === PENDING) {
      return LATER;
    }
    return status === DONE ? SUCCESS : NVME_STATUS.DATA_TRANSFER_ERROR;
  }

  onMemory(request: TargetRequest): void {
    this.settle(request, this.#memoryThere(request));
  }

  onBackend(request: TargetRequest, status: Status): void {
    if (this.#isClosed) {
      this.#drop(request);
      return;
    }
    if (request.abortedWith !== SUCCESS) {
      this.complete(request, request.abortedWith);
      return;
    }
    this.settle(request, partEnded(this, request, status));
  }

  /**
   * Ends a command early if nobody works for it, or as soon as nobody does.
   * @returns true when it has been answered with `outcome`; false: it runs, and may still end as if nothing was
   */
  abort(request: TargetRequest, outcome: Outcome): boolean {
    switch (request.stage) {
      case STAGE.MEMORY:
        request.memory?.cancelWait(request);
        request.memory = null;
        break;
      case STAGE.QUEUED:
        request.line?.cancel(request);
        break;
      case STAGE.EVENT:
        this.controller?.events.forget(request);
        break;
      case STAGE.FETCH:
      case STAGE.BACKEND:
        request.abortedWith = outcome;
        return false;
      default:
        return false;
    }
    this.complete(request, outcome);
    return true;
  }

  /** The outstanding command of an identifier. */
  find(commandId: number): TargetRequest | null {
    return (
      this.#requests.find(
        (request) =>
          request.commandId === commandId &&
          request.stage !== STAGE.FREE &&
          request.stage !== STAGE.PARSE &&
          request.stage !== STAGE.RESPONDED,
      ) ?? null
    );
  }

  #execute(request: TargetRequest): Outcome {
    const flags = request.sqe[1]!;
    if ((flags & 3) !== FUSE.NORMAL || flags >>> 6 !== PSDT.SGL_MPTR_BUFFER) {
      return refuse(NVME_STATUS.INVALID_FIELD);
    }
    const isFabrics = request.opcode === ADMIN_OPCODE.FABRICS;
    if (isFabrics) {
      request.direction = FCTYPE.value(request.sqeView) & 3;
    }
    const refused = this.#checkDescriptor(request);
    if (refused !== SUCCESS) {
      return refused;
    }
    if (isFabrics) {
      return executeFabrics(this, request);
    }
    if (this.controller === null) {
      return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    }
    const refusedYet = this.target.refuseUnproven(this);
    if (refusedYet !== SUCCESS) {
      return refusedYet;
    }
    if (!this.controller.isReady) {
      return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    }
    return this.queueId === 0 ? executeAdmin(this, request) : executeIo(this, request);
  }

  /** The kinds of descriptor that this transport has. A length of 0 says that there are no data, whatever the kind. */
  #checkDescriptor(request: TargetRequest): Outcome {
    const { sglType, sglSubtype, sglLengthBytes } = request;
    if (sglLengthBytes === 0) {
      return SUCCESS;
    }
    if (request.direction === DATA_DIRECTION.NONE) {
      return refuse(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
    }
    if (sglType === SGL_TYPE.DATA_BLOCK) {
      if (sglSubtype !== SGL_SUBTYPE.OFFSET || !request.takesData) {
        return refuse(NVME_STATUS.SGL_TYPE_INVALID);
      }
      const { transport } = this;
      const isAdmin = this.queueId === null || this.queueId === 0;
      const mostBytes = isAdmin ? transport.adminInCapsuleBytesMax : transport.inCapsuleBytesMax;
      return request.sglAddress + sglLengthBytes > mostBytes
        ? refuse(NVME_STATUS.INVALID_SGL_OFFSET)
        : SUCCESS;
    }
    const isFine =
      this.transport.transport === 'rdma'
        ? sglType === SGL_TYPE.KEYED_DATA_BLOCK &&
          (sglSubtype === SGL_SUBTYPE.ADDRESS || sglSubtype === SGL_SUBTYPE.INVALIDATE_KEY)
        : sglType === SGL_TYPE.TRANSPORT_DATA_BLOCK && sglSubtype === SGL_SUBTYPE.TRANSPORT;
    return isFine ? SUCCESS : refuse(NVME_STATUS.SGL_TYPE_INVALID);
  }

  #withMemory(request: TargetRequest, memory: SpanMemory): Outcome {
    request.memory = memory;
    request.span = memory.allocate(request.memoryBytes);
    if (request.span === null) {
      request.stage = STAGE.MEMORY;
      memory.wait(request);
      return LATER;
    }
    return this.#memoryThere(request);
  }

  #memoryThere(request: TargetRequest): Outcome {
    request.stage = STAGE.PARSE;
    const span = request.span!;
    if (request.reply !== null) {
      span.copyIn(0, request.reply);
      if (request.reply.length < request.lengthBytes) {
        span.copyIn(request.reply.length, new Uint8Array(request.lengthBytes - request.reply.length));
      }
      return this.send(request);
    }
    if (!request.takesData || request.lengthBytes === 0) {
      return this.#continue(request);
    }
    if (request.inCapsule instanceof Uint8Array) {
      const from = request.sglAddress;
      span.copyIn(0, request.inCapsule.subarray(from, from + request.lengthBytes));
      return this.#arrived(request);
    }
    request.stage = STAGE.FETCH;
    const status = this.transport.fetch(request, span, 0, request.lengthBytes);
    if (status === PENDING) {
      return LATER;
    }
    return status === DONE ? this.#arrived(request) : fetchFailure(status);
  }

  #arrived(request: TargetRequest): Outcome {
    request.stage = STAGE.PARSE;
    request.inCapsule = null;
    return request.abortedWith === SUCCESS ? this.#continue(request) : request.abortedWith;
  }

  #continue(request: TargetRequest): Outcome {
    if (request.opcode === ADMIN_OPCODE.FABRICS) {
      return continueFabrics(this, request);
    }
    return this.queueId === 0 ? continueAdmin(this, request) : continueIo(this, request);
  }

  #advanceHead(request: TargetRequest): void {
    if (this.#entries > 0) {
      this.#head = this.#head + 1 >= this.#entries ? 0 : this.#head + 1;
    }
    SQHD.setValue(request.cqeView, this.#usesHead ? this.#head : SQHD_NOT_USED);
  }

  #fill(request: TargetRequest, outcome: Outcome): void {
    const view = request.cqeView;
    const word = statusWord(statusOfOutcome(outcome), 0, flagsOfOutcome(outcome));
    CQE_STATUS.setValue(view, word);
    if (outcome !== SUCCESS && this.controller !== null) {
      this.#logError(this.controller, request, word);
    }
  }

  #logError(controller: Controller, request: TargetRequest, statusWordValue: number): void {
    controller.errorLog.add({
      queueId: this.queueId ?? 0,
      commandId: request.commandId,
      statusWord: statusWordValue,
      parameterByte: null,
      lba: this.queueId === 0 ? 0 : Math.min(SLBA.value(request.sqeView), Number.MAX_SAFE_INTEGER),
      nsid: request.nsid,
      opcode: request.opcode,
      transportType: TRTYPE_OF[this.transport.transport],
    });
  }

  /** What a command used goes back to whom it belongs. */
  #giveBack(request: TargetRequest, outcome: Outcome): void {
    if (request.span !== null && request.memory !== null) {
      const { span, memory } = request;
      request.span = null;
      request.memory = null;
      memory.release(span);
    }
    request.span = null;
    request.memory = null;
    request.reply = null;
    request.inCapsule = null;
    const { namespace } = request;
    if (namespace !== null) {
      if (outcome !== SUCCESS) {
        namespace.counters.failedCommands++;
      }
      namespace.leave(request);
    }
  }

  #lower(request: TargetRequest, barrier: TargetRequest): void {
    request.barrier = null;
    barrier.barrierCount--;
    if (barrier.barrierCount === 0 && barrier.stage === STAGE.BARRIER) {
      const owner = barrier.owner;
      if (owner instanceof TargetQueue) {
        owner.complete(barrier, SUCCESS);
      }
    }
  }

  /** The connection has gone: what nobody works for ends here, the rest when its work ends. */
  #abandon(request: TargetRequest): void {
    switch (request.stage) {
      case STAGE.FREE:
      case STAGE.BACKEND:
        return;
      case STAGE.MEMORY:
        request.memory?.cancelWait(request);
        request.memory = null;
        break;
      case STAGE.QUEUED:
        request.line?.cancel(request);
        break;
      case STAGE.EVENT:
        this.controller?.events.forget(request);
        break;
      case STAGE.RESPONDED:
        this.#put(request);
        return;
      case STAGE.BARRIER:
        forgetBarrier(this.controller, request);
        break;
      default:
    }
    this.#drop(request);
  }

  /** Ends a request that nobody waits for. */
  #drop(request: TargetRequest): void {
    const barrier = request.barrier;
    this.#giveBack(request, NVME_STATUS.ABORT_REQUESTED);
    this.#outstanding--;
    this.#put(request);
    if (barrier !== null) {
      this.#lower(request, barrier);
    }
  }

  /** Null: the host has more outstanding than its queue has entries, or does not take its answers. */
  #take(): TargetRequest | null {
    if (this.#outstanding >= this.#depth) {
      return null;
    }
    const request = this.#free.pop();
    if (request !== undefined) {
      return request;
    }
    if (this.#requests.length >= 2 * this.#depth) {
      return null;
    }
    const made = new TargetRequest(this.#requests.length, this);
    this.#requests.push(made);
    return made;
  }

  #put(request: TargetRequest): void {
    request.stage = STAGE.FREE;
    this.#free.push(request);
  }
}

/** A step that no command has: its command identifier is that of another. */
const IDENTIFIER_NOT_OURS = -1;

function fetchFailure(status: Status): Outcome {
  return status === STATUS.IO ? NVME_STATUS.TRANSIENT_TRANSPORT_ERROR : NVME_STATUS.DATA_TRANSFER_ERROR;
}

function lengthOf(data: Uint8Array | Span): number {
  return data instanceof Uint8Array ? data.length : data.lengthBytes;
}
