/**
 * A namespace as a `BlockTarget`: requests of any length on any mapped span, cut into commands where they must be.
 *
 * A request that one command can do takes the short way: one slot, one entry. A longer one (above MDTS, or over memory that
 * one data pointer cannot describe) is sent as parts; it ends when its last part has ended, never while the controller
 * may still use its memory. It fails with the failure of its lowest part; what is certain is everything below it. No part
 * is started after one has failed.
 *
 * Failures that may be retried, and parts that a reset took away, are sent again a few times. Leaves out commands without
 * block data (`namespace-commands.ts`) and metadata that the controller does not insert and strip itself. Follows NVM
 * Command Set 1.1, section 3.3.
 */
import {
  type BlockTarget,
  DONE,
  type EventHandler,
  type PciFunction,
  PENDING,
  PS_PER_MS,
  type Span,
  STATUS,
  type Status,
} from '../../access/index.ts';
import { type Bdf, MappingError, NvmeError, PeerlaneError } from '../../base/index.ts';
import { NVM_OPCODE, statusOfWord } from '../../spec/nvme/index.ts';
import { BlockEntry } from './block-entry.ts';
import {
  blockStatus,
  lossError,
  lossStatus,
  mayRetry,
  retryDelayIndex,
  statusCodeText,
  statusText,
} from './command-result.ts';
import type { MappedData } from './command-runner.ts';
import type { Engine } from './engine.ts';
import type { NamespaceIdentity } from './identify.ts';
import { NamespaceCommands } from './namespace-commands.ts';
import { NO_ROOM, NOTHING, PartSender, QueueChoice, REVOKED, SENT } from './part-sender.ts';
import type { CommandOwner, Loss, QueuePair } from './queue-pair.ts';
import { type NvmeFailure, RequestTable } from './request-table.ts';
import type { SpanMapping } from './span-mapping.ts';
import { SpanMappings } from './span-mappings.ts';

/** A request is at most this long; everything above is a matter of the caller's loop. */
const REQUEST_BYTES_MAX = 1 << 30;
const FUA = 0x4000_0000;

/** What a request does, with its opcode. */
const READ = NVM_OPCODE.READ;
const WRITE = NVM_OPCODE.WRITE;
const FLUSH = NVM_OPCODE.FLUSH;
const COMPARE = NVM_OPCODE.COMPARE;

export interface NamespaceOptions {
  /** Indexes of the I/O queues it uses; default all. */
  readonly queues?: readonly number[];
  /** Requests at once; default what its queues take, at most 4,096. */
  readonly depth?: number;
  readonly isReadOnly?: boolean;
  /** Take the queues in turn for every request, instead of the next only when one is full. Default false. */
  readonly spreads?: boolean;
  /** Have the controller check guard and reference tag where there is protection information. Default true. */
  readonly checksProtection?: boolean;
}

/** What a namespace needs of its controller. */
export interface NamespaceHome {
  readonly engine: Engine;
  readonly fn: PciFunction;
  /** Commands may be sent now. */
  readonly isLive: boolean;
  /** A namespace has requests that wait for slots: its turn will come (`sendOne`). Told once until all are sent. */
  wants(namespace: NvmeNamespace): void;
  /** Others wait for slots of the same queues: whoever comes now goes behind them. */
  isAwaited(namespace: NvmeNamespace): boolean;
  /** Those that wait are served as far as there is room. Only from the executor. */
  serve(): void;
  onNamespaceClosed(namespace: NvmeNamespace): void;
}

/** A part that has to be sent again. */
interface Part {
  readonly request: number;
  readonly position: number;
  readonly lengthBytes: number;
}

export class NvmeNamespace implements BlockTarget, CommandOwner, EventHandler {
  readonly label: string;
  readonly requesters: readonly Bdf[];
  readonly identity: NamespaceIdentity;
  /** Commands that move no block data, as tasks. */
  readonly commands: NamespaceCommands;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly maxTransferBytes: number;
  readonly depthMax: number;
  readonly isReadOnly: boolean;
  onDone: (token: number, status: Status) => void = () => {};
  /** Requests that were sent again, by reason. */
  readonly retries = { failure: 0, reset: 0 };

  readonly #home: NamespaceHome;
  readonly #engine: Engine;
  readonly #blocksPerByte: number;
  readonly #queues: QueueChoice;
  readonly #sender: PartSender;
  readonly #table: RequestTable;
  /** Requests with parts that were not started, in order. */
  readonly #queued: number[] = [];
  readonly #again: Part[] = [];
  /** Parts whose time has not come; the argument of the timer is the index. */
  readonly #delayed = new Map<number, Part>();
  #delayedCount = 0;
  #isWanting = false;

  readonly #mappings: SpanMappings;
  readonly #failures = new Map<number, NvmeFailure>();
  #end: Loss | null = null;
  #isClosed = false;
  /** Commands of other files that use this namespace's mappings. */
  #taskCount = 0;
  readonly #onIdle: (() => void)[] = [];

  /** @throws {NvmeError} NVME_NAMESPACE when its format cannot be used for plain blocks, NVME_NO_QUEUES */
  constructor(home: NamespaceHome, identity: NamespaceIdentity, options: NamespaceOptions) {
    const { engine } = home;
    this.#home = home;
    this.#engine = engine;
    this.identity = identity;
    this.commands = new NamespaceCommands(this, engine);
    this.label = `${engine.label}n${identity.nsid}`;
    this.requesters = [home.fn.bdf];
    this.blockBytes = identity.blockBytes;
    this.sizeBytes = identity.sizeBlocks * identity.blockBytes;
    this.isReadOnly = identity.isWriteProtected || options.isReadOnly === true;
    this.#blocksPerByte = 1 / identity.blockBytes;
    this.maxTransferBytes = Math.floor(REQUEST_BYTES_MAX / identity.blockBytes) * identity.blockBytes;
    if (identity.metadataBytes > 0 && identity.protection?.isAll !== true) {
      throw unusable(
        this.label,
        `its blocks have ${identity.metadataBytes} bytes of metadata that the controller does not manage`,
      );
    }
    const queues = new QueueChoice(engine, options.queues, options.spreads ?? false);
    const room = queues.slotCount;
    if (room === 0) {
      throw new NvmeError('NVME_NO_QUEUES', {
        message: `${this.label} has no I/O queue`,
        hint: 'bring the controller up with at least one',
        exitStatus: 3,
      });
    }
    this.depthMax = Math.max(1, Math.min(options.depth ?? 4096, room, 65_535));
    this.#table = new RequestTable(this.depthMax);
    this.#mappings = new SpanMappings(engine, this.label);
    this.#queues = queues;
    this.#sender = new PartSender({
      engine,
      label: this.label,
      owner: this,
      table: this.#table,
      queues,
      entry: new BlockEntry(identity, options.checksProtection ?? true),
      blockBytes: identity.blockBytes,
    });
    if (this.#sender.commandBytesMax === 0) {
      throw unusable(this.label, `a command moves less than a block of ${identity.blockBytes} bytes`);
    }
  }

  get nsid(): number {
    return this.identity.nsid;
  }

  get inFlight(): number {
    return this.#table.inFlight;
  }

  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status {
    return this.#transfer(READ, 0, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  write(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    return this.#transfer(WRITE, 0, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  /** A write that is durable when it is done (Force Unit Access). */
  writeThrough(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    return this.#transfer(WRITE, FUA, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  /** Compares blocks with memory; `failure` has COMPARE_FAILURE (2/85) where they differ. */
  compare(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    return this.#transfer(COMPARE, 0, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  /** DONE at once where the controller has no volatile write cache. */
  flush(token: number): Status {
    if (this.#isClosed || this.#end !== null) {
      return this.#refuseEnded(token);
    }
    if (!this.#engine.identity.hasVolatileWriteCache || this.isReadOnly) {
      return DONE;
    }
    if (this.#table.isFull) {
      return this.#refuseFull(token);
    }
    this.#forgetFailure(token);
    // It moves nothing; one byte stands for the one part it has.
    const request = this.#table.take(FLUSH, 0, 0, null, 0, 1, token);
    return this.#start(request, token);
  }

  failure(token: number): NvmeFailure | undefined {
    return this.#failures.get(token);
  }

  /**
   * Forgets the mapping of a span, which its owner wants to give back. Other spans stay mapped until `close`.
   * @returns false while requests use it
   */
  releaseSpan(span: Span): boolean {
    return this.#mappings.release(span);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.closeThen(resolve));
  }

  /** As `close`, for tasks. */
  closeThen(onClosed: () => void): void {
    this.#isClosed = true;
    this.#onIdle.push(onClosed);
    this.#tellIdle();
  }

  /**
   * A command of another file begins: until `leave`, closing waits for it. `data` is what `mappedData` gave.
   * @returns why it may not begin; null when it may
   */
  enter(data: MappedData | null): Loss | null {
    if (this.#isClosed || this.#end !== null) {
      return this.#end ?? 'closed';
    }
    this.#taskCount++;
    if (data !== null) {
      data.mapping.uses++;
    }
    return null;
  }

  leave(data: MappedData | null): void {
    this.#taskCount--;
    if (data !== null) {
      data.mapping.uses--;
    }
    this.#tellIdle();
  }

  /**
   * The mapping of a span, for commands of other files.
   * @throws {PeerlaneError} of whoever refuses to map it
   */
  mappedData(span: Span, spanOffset: number, lengthBytes: number): MappedData {
    const mapping = this.#mappings.of(span);
    if (mapping.isVoid) {
      throw new MappingError(REVOKED.code, {
        message: REVOKED.message,
        hint: 'allocate again, at another provider if this one is gone',
        exitStatus: 3,
      });
    }
    const bySgl = this.#sender.isBySgl(mapping, spanOffset, lengthBytes);
    if (bySgl && !this.#sender.canSgl) {
      throw new NvmeError('NVME_UNSUPPORTED', {
        message: `PRPs cannot describe the memory of a command to ${this.label}, and it takes no SGLs`,
        hint: 'use memory that is mapped in whole pages',
        exitStatus: 3,
      });
    }
    return { mapping, spanOffset, lengthBytes, bySgl };
  }

  /** The queue for a command of another file: where there is room, else the first. */
  pickQueue(): QueuePair | undefined {
    return this.#queues.any();
  }

  onCompletion(request: number, statusWord: number, queue: QueuePair): void {
    if (statusOfWord(statusWord) !== 0) {
      this.#onFailure(request, statusWord, queue.position, queue.lengthBytes);
    } else {
      this.#endPart(request);
    }
  }

  onLost(request: number, loss: Loss, queue: QueuePair): void {
    const { position, lengthBytes } = queue;
    const mayRepeat =
      this.#end === null &&
      (loss === 'reset' || loss === 'timeout') &&
      this.#engine.options.requeue &&
      this.#table.attempts[request]! < this.#engine.options.retriesMax;
    if (mayRepeat) {
      // Nobody was told that it was done, so doing it again is doing it: reads, writes of the same bytes, compares, flushes.
      this.#table.attempts[request]!++;
      this.retries.reset++;
      this.#sendAgain({ request, position, lengthBytes });
      return;
    }
    this.#failLost(request, position, loss);
    this.#endPart(request);
  }

  /** Whether both may send on one queue. */
  sharesQueuesWith(other: NvmeNamespace): boolean {
    return this.#queues.overlaps(other.#queues);
  }

  /** Whether the test holds of a queue that it may send on. */
  usesQueue(test: (queue: QueuePair) => boolean): boolean {
    return this.#queues.some(test);
  }

  /**
   * Its turn: sends the oldest part that waits. Only from the executor: requests may end in it.
   * @returns SENT: there may be more; NO_ROOM: it still wants; NOTHING: it does not want any more
   */
  sendOne(): number {
    const outcome = this.#sendWaiting();
    if (outcome === NOTHING) {
      this.#isWanting = false;
    }
    return outcome;
  }

  /** Nothing will be sent any more: what waits ends now. What was under way is lost already. */
  onEnd(loss: Loss): void {
    this.#end = loss;
    const waiting = [...this.#again.splice(0), ...this.#delayed.values()];
    this.#delayed.clear();
    for (const part of waiting) {
      this.#failLost(part.request, part.position, loss);
      this.#endPart(part.request);
    }
    for (const request of this.#queued.splice(0)) {
      this.#failLost(request, this.#table.started[request]!, loss);
      this.#finishIfOver(request);
    }
  }

  /** The time of a part that had to wait has come. */
  onEvent(_code: number, index: number): void {
    const part = this.#delayed.get(index);
    if (part !== undefined) {
      this.#delayed.delete(index);
      this.#sendAgain(part);
      this.#home.serve();
    }
  }

  #transfer(
    opcode: number,
    flags: number,
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    if (this.#isClosed || this.#end !== null) {
      return this.#refuseEnded(token);
    }
    if (this.isReadOnly && opcode === WRITE) {
      return this.#refuse(token, STATUS.INVALID, 'READ_ONLY', `${this.label} is not for writing`);
    }
    const firstBlock = offsetBytes * this.#blocksPerByte;
    const blocks = lengthBytes * this.#blocksPerByte;
    // A block is a power of two, so the products are exact; a remainder of large numbers is slow.
    if (
      firstBlock !== Math.floor(firstBlock) ||
      blocks !== Math.floor(blocks) ||
      spanOffsetBytes !== Math.floor(spanOffsetBytes) ||
      (spanOffsetBytes & 3) !== 0 ||
      !(lengthBytes > 0) ||
      lengthBytes > this.maxTransferBytes ||
      !(offsetBytes >= 0) ||
      offsetBytes + lengthBytes > this.sizeBytes ||
      !(spanOffsetBytes >= 0) ||
      spanOffsetBytes + lengthBytes > span.lengthBytes
    ) {
      return this.#refuse(
        token,
        STATUS.INVALID,
        'NVME_RANGE',
        `${lengthBytes} bytes at ${offsetBytes} of ${this.label} (memory offset ${spanOffsetBytes}) are out of range or not in blocks of ${this.blockBytes}`,
      );
    }
    if (this.#table.isFull) {
      return this.#refuseFull(token);
    }
    let mapping: SpanMapping;
    try {
      mapping = this.#mappings.of(span);
    } catch (error) {
      if (!(error instanceof PeerlaneError)) {
        throw error;
      }
      return this.#refuse(token, STATUS.UNREACHABLE, error.code, error.message);
    }
    this.#forgetFailure(token);
    const request = this.#table.take(
      opcode,
      flags,
      offsetBytes,
      mapping,
      spanOffsetBytes,
      lengthBytes,
      token,
    );
    return this.#start(request, token);
  }

  /** Sends what can be sent of a new request, from inside the caller's call: `onDone` must wait. */
  #start(request: number, token: number): Status {
    if (
      this.#home.isLive &&
      this.#queued.length === 0 &&
      this.#again.length === 0 &&
      !this.#home.isAwaited(this)
    ) {
      const lengthBytes = this.#table.lengths[request]!;
      while (this.#table.started[request]! < lengthBytes) {
        const outcome = this.#sender.sendNext(request);
        if (outcome === NO_ROOM) {
          this.#enqueue(request);
          return PENDING;
        }
        if (outcome < 0) {
          // The story is told already. With parts under way it ends with the last of them.
          return this.#table.parts[request]! > 0 ? PENDING : this.#giveBack(request, token);
        }
      }
      return PENDING;
    }
    this.#enqueue(request);
    return PENDING;
  }

  /** Nothing of the request was sent: its failure is the answer to the call. */
  #giveBack(request: number, token: number): Status {
    const story = this.#table.stories[request]!;
    this.#table.give(request);
    this.#failures.set(token, story);
    return story.status;
  }

  #enqueue(request: number): void {
    this.#queued.push(request);
    this.#want();
  }

  #sendAgain(part: Part): void {
    this.#again.push(part);
    this.#want();
  }

  #want(): void {
    if (!this.#isWanting) {
      this.#isWanting = true;
      this.#home.wants(this);
    }
  }

  /** @returns SENT also for one that is over without being sent */
  #sendWaiting(): number {
    const part = this.#again[0];
    if (part !== undefined) {
      const { request, position, lengthBytes } = part;
      const outcome =
        this.#table.stories[request] === null
          ? this.#sender.send(request, position, lengthBytes)
          : STATUS.ABORTED;
      if (outcome === NO_ROOM) {
        return NO_ROOM;
      }
      this.#again.shift();
      if (outcome === SENT) {
        // It was counted when it was sent first.
        this.#table.parts[request]!--;
      } else {
        // It is not certain either.
        const story = this.#table.stories[request]!;
        if (story !== null) {
          this.#table.tell(request, { ...story, movedBytes: position });
        }
        this.#endPart(request);
      }
      return SENT;
    }
    const request = this.#queued[0];
    if (request === undefined) {
      return NOTHING;
    }
    const outcome = this.#table.stories[request] === null ? this.#sender.sendNext(request) : STATUS.ABORTED;
    if (outcome === NO_ROOM) {
      return NO_ROOM;
    }
    if (outcome < 0 || this.#table.isAllStarted(request)) {
      this.#queued.shift();
      this.#finishIfOver(request);
    }
    return SENT;
  }

  #endPart(request: number): void {
    this.#table.parts[request]!--;
    this.#finishIfOver(request);
  }

  #finishIfOver(request: number): void {
    if (this.#table.parts[request] === 0 && (this.#table.isAllStarted(request) || this.#isGivenUp(request))) {
      this.#finish(request);
    }
  }

  /** It has failed and stands in no list of what is to be sent. */
  #isGivenUp(request: number): boolean {
    return this.#table.stories[request] !== null && !this.#queued.includes(request);
  }

  #finish(request: number): void {
    const token = this.#table.tokens[request]!;
    const story = this.#table.stories[request]!;
    this.#table.give(request);
    if (story === null) {
      this.onDone(token, DONE);
    } else {
      this.#failures.set(token, story);
      this.onDone(token, story.status);
    }
    if (this.#isClosed) {
      this.#tellIdle();
    }
  }

  #onFailure(request: number, statusWord: number, position: number, lengthBytes: number): void {
    const { options, identity, executor } = this.#engine;
    const isWorthIt =
      this.#table.stories[request] === null &&
      this.#end === null &&
      this.#table.attempts[request]! < options.retriesMax &&
      mayRetry(statusWord);
    if (isWorthIt) {
      this.#table.attempts[request]!++;
      this.retries.failure++;
      const part = { request, position, lengthBytes };
      const delayMs = identity.retryDelaysMs[retryDelayIndex(statusWord)] ?? 0;
      if (delayMs === 0) {
        this.#sendAgain(part);
      } else {
        const index = this.#delayedCount++;
        this.#delayed.set(index, part);
        executor.timer(delayMs * PS_PER_MS, this, 0, index);
      }
      return;
    }
    const packed = statusOfWord(statusWord);
    this.#tell(
      request,
      position,
      blockStatus(packed),
      statusCodeText(packed),
      `${this.label}: ${statusText(packed)}`,
      packed,
    );
    this.#endPart(request);
  }

  #failLost(request: number, position: number, loss: Loss): void {
    const error = lossError(this.#engine.label, `a request to ${this.label}`, loss);
    this.#tell(request, position, lossStatus(loss), error.code, error.message);
  }

  #tell(
    request: number,
    movedBytes: number,
    status: Status,
    code: string,
    message: string,
    nvmeStatus: number | null = null,
  ): void {
    this.#table.tell(request, { status, code, message, movedBytes, nvmeStatus });
  }

  /** A token is used again: its old story is over. */
  #forgetFailure(token: number): void {
    if (this.#failures.size > 0) {
      this.#failures.delete(token);
    }
  }

  #refuse(token: number, status: Status, code: string, message: string): Status {
    this.#failures.set(token, { status, code, message, movedBytes: 0, nvmeStatus: null });
    return status;
  }

  #refuseFull(token: number): Status {
    return this.#refuse(token, STATUS.FULL, 'FULL', `${this.label} has ${this.depthMax} requests under way`);
  }

  #refuseEnded(token: number): Status {
    const loss = this.#isClosed ? 'closed' : this.#end!;
    const error = lossError(this.#engine.label, `a request to ${this.label}`, loss);
    return this.#refuse(token, lossStatus(loss), error.code, error.message);
  }

  #tellIdle(): void {
    if (!this.#isClosed || this.#table.inFlight > 0 || this.#taskCount > 0) {
      return;
    }
    this.#mappings.close();
    for (const tell of this.#onIdle.splice(0)) {
      tell();
    }
    this.#home.onNamespaceClosed(this);
  }
}

function unusable(label: string, why: string): NvmeError {
  return new NvmeError('NVME_NAMESPACE', {
    message: `${label} cannot be used as blocks: ${why}`,
    hint: 'format it with another LBA format, or send commands of your own',
    exitStatus: 3,
  });
}
