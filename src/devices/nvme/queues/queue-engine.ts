/**
 * The queue engine: doorbells in, entries fetched in batches, commands handed out, completions written in batches, one
 * interrupt for each.
 *
 * A doorbell only marks its queue and asks the executor for one run; the run fetches up to FETCH_ENTRIES_MAX entries with
 * one DMA for each queue in turn, and at its end writes what has been completed. Nothing is allocated per command.
 *
 * Leaves out what commands do (`CommandExecutor`) and the state machine of the controller. Follows NVM Express Base 2.1,
 * sections 3.3.1, 3.4 and 4.2; doorbells NVMe over PCIe Transport 1.1, section 3.1.2.
 */
import { assert } from '../../../base/index.ts';
import {
  DONE,
  type EventHandler,
  type FunctionPort,
  PENDING,
  type Status,
  TRAFFIC,
} from '../../../fabric/index.ts';
import { NVME_STATUS, SQE_BYTES } from '../../../spec/nvme/index.ts';
import type { Command, CommandPool } from '../command.ts';
import type { FaultPlan } from '../fault-plan.ts';
import type { CommandListener } from './command-listener.ts';
import { CompletionQueue } from './completion-queue.ts';
import { CompletionWriter } from './completion-writer.ts';
import { type CommandExecutor, Dispatcher, type DispatchTarget, type IoExecutor } from './dispatcher.ts';
import { Doorbells, type PositionTarget } from './doorbells.ts';
import type { Interrupts } from './interrupts.ts';
import { ReadyList } from './ready-list.ts';
import { FETCH_ENTRIES_MAX, type QueuePlace, SubmissionQueue } from './submission-queue.ts';
import { TOKEN_FETCH, TOKEN_POSTED, TOKEN_SHADOW } from './tokens.ts';

/** What the controller above is told. */
export interface QueueListener {
  /** A doorbell of no queue (`isValue` false), or a position that cannot be. */
  onInvalidDoorbell(isValue: boolean): void;
  /** Queue memory cannot be reached, or a fault wants it so: CSTS.CFS. */
  onFatal(): void;
  /** A command failed; its entry for the error log can be made, and `command.more` set. */
  onFailed(command: Command): void;
  /** While stopped: something has ended, see `isQuiet`. */
  onQuieter(): void;
}

/** Commands started in one event, so that others get their turn. */
const RUN_BUDGET = 512;

export class QueueEngine implements EventHandler, PositionTarget, DispatchTarget {
  /** By identifier; the doorbells' own arrays. */
  readonly submissions: (SubmissionQueue | null)[];
  readonly completions: (CompletionQueue | null)[];
  readonly #doorbells: Doorbells;
  /**
   * Asked after each command, while completions wait for the end of their run: true has them written at once. For who works
   * by the clock on the wall, so that a host takes the first while the rest is under way. Null: never.
   */
  isFlushDue: (() => boolean) | null = null;
  /** Commands of one queue's turn; FETCH_ENTRIES_MAX or more is no limit. */
  burst = FETCH_ENTRIES_MAX;
  /** For people. */
  readonly counts = { fetches: 0, commands: 0 };

  readonly #port: FunctionPort;
  readonly #pool: CommandPool;
  readonly #interrupts: Interrupts;
  readonly #listener: QueueListener;
  readonly #stagingWords: Uint32Array;
  readonly ready = new ReadyList();
  readonly #writer: CompletionWriter;
  readonly #dispatcher: Dispatcher;
  #isRunning = false;
  #isAsked = false;
  #isInRun = false;
  /** Slots that fetches under way will need. */
  #reserved = 0;
  /** Requests of the engine under way. */
  #dmaCount = 0;
  /** Changes with every reset: old events mean nothing. */
  #epoch = 0;

  constructor(parts: {
    readonly port: FunctionPort;
    readonly pool: CommandPool;
    readonly interrupts: Interrupts;
    readonly faults: FaultPlan;
    readonly admin: CommandExecutor;
    readonly io: IoExecutor;
    readonly listener: QueueListener;
    /** Queue pairs, the admin pair included. */
    readonly pairCount: number;
    readonly doorbellStrideBytes: number;
  }) {
    this.#port = parts.port;
    this.#pool = parts.pool;
    this.#interrupts = parts.interrupts;
    this.#listener = parts.listener;
    this.#doorbells = new Doorbells(parts.port, parts.pairCount, parts.doorbellStrideBytes, this);
    this.submissions = this.#doorbells.submissions;
    this.completions = this.#doorbells.completions;
    this.#writer = new CompletionWriter(parts.port, parts.interrupts);
    this.#dispatcher = new Dispatcher(parts.port.executor, parts, parts.faults, this);
    const bytes = parts.pool.staging.flat!;
    this.#stagingWords = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  /** Nothing is in work and no request is under way. */
  get isQuiet(): boolean {
    return this.#pool.busyCount === 0 && this.#dmaCount === 0;
  }

  /** What every I/O command fails with; 0 for nothing. */
  get ioGate(): number {
    return this.#dispatcher.ioGate;
  }

  set ioGate(status: number) {
    this.#dispatcher.ioGate = status;
  }

  /** Hears of every entry; null: nobody does, and nothing is spent on it. */
  get commandListener(): CommandListener | null {
    return this.#doorbells.listener;
  }

  set commandListener(listener: CommandListener | null) {
    this.#doorbells.listener = listener;
  }

  /** Requests that wrote completions, for people. */
  get completionWrites(): number {
    return this.#writer.writeCount;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  start(): void {
    this.#isRunning = true;
  }

  /** Takes no command any more and completes none. May be called from anywhere; `stop` has to follow. */
  halt(): void {
    this.#isRunning = false;
  }

  /** As `halt`; commands that are kept back end here, the others when their executor is done. */
  stop(): void {
    this.#isRunning = false;
    this.ready.clear();
    this.#dispatcher.dropKept(this.submissions);
    for (const queue of this.completions) {
      for (let waiting = queue?.takeWaiting(); waiting !== undefined; waiting = queue?.takeWaiting()) {
        this.release(waiting);
      }
    }
    for (const command of this.#pool.slots) {
      if (command.isBusy) {
        this.#dispatcher.cancel(command);
      }
    }
  }

  /** Forgets every queue and everything under way; only when quiet, or when requests under way never end. */
  clear(): void {
    this.stop();
    this.submissions.fill(null);
    this.completions.fill(null);
    this.#doorbells.turnOffShadow();
    this.#writer.clear();
    this.#pool.reset();
    this.#reserved = 0;
    this.#dmaCount = 0;
    this.#isAsked = false;
    this.#epoch++;
    this.ioGate = 0;
    this.burst = FETCH_ENTRIES_MAX;
    this.ready.setWeights(1, 1, 1);
  }

  addCompletion(id: number, entries: number, place: QueuePlace, vector: number, hasInterrupt: boolean): void {
    assert(this.completions[id] === null, 'a completion queue exists already', { id });
    this.completions[id] = new CompletionQueue(id, entries, place, vector, hasInterrupt);
  }

  addSubmission(
    id: number,
    entries: number,
    place: QueuePlace,
    completion: CompletionQueue,
    queueClass: number,
  ): void {
    assert(this.submissions[id] === null, 'a submission queue exists already', { id });
    const queue = new SubmissionQueue(id, entries, place, completion, queueClass);
    this.submissions[id] = queue;
    completion.submissionCount++;
    if (this.#doorbells.isShadowed(id)) {
      this.wake(queue);
    }
  }

  removeCompletion(id: number): void {
    const queue = this.completions[id]!;
    assert(queue.submissionCount === 0, 'a completion queue is in use', { id });
    this.#flush();
    this.completions[id] = null;
    this.#interrupts.updatePin();
  }

  /**
   * Deletes a submission queue; what it has in work ends first.
   * @returns DONE, or PENDING: then `deleter` is completed
   */
  removeSubmission(queue: SubmissionQueue, deleter: Command): Status {
    this.ready.remove(queue);
    for (const command of this.#pool.slots) {
      if (command.isBusy && command.queueId === queue.id) {
        this.#dispatcher.giveUp(queue, command, NVME_STATUS.ABORTED_SQ_DELETION);
      }
    }
    queue.deleter = deleter.index;
    if (this.#isIdle(queue)) {
      this.#forget(queue);
      return DONE;
    }
    return PENDING;
  }

  /** Aborts a command in work. @returns whether it was; otherwise it goes on, perhaps for less long */
  abort(queueId: number, cid: number): boolean {
    for (const command of this.#pool.slots) {
      if (command.isBusy && command.queueId === queueId && command.cid === cid && !command.isAbortWanted) {
        return this.#dispatcher.giveUp(this.submissions[queueId]!, command, NVME_STATUS.ABORT_REQUESTED);
      }
    }
    return false;
  }

  turnOnShadow(values: number, events: number): void {
    this.#doorbells.turnOnShadow(values, events);
  }

  ringSubmission(id: number, value: number): void {
    if (this.#isRunning) {
      this.#doorbells.ringSubmission(id, value);
    }
  }

  ringCompletion(id: number, value: number): void {
    if (this.#isRunning) {
      this.#doorbells.ringCompletion(id, value);
    }
  }

  onHeadMoved(queue: CompletionQueue): void {
    if (queue.backlogFirst !== null) {
      this.#drainBacklog(queue);
    }
    if (this.#port.interruptMode === 'intx') {
      this.#interrupts.updatePin();
    }
  }

  onLookEnded(queue: SubmissionQueue): void {
    this.#accept(queue, 0, DONE);
  }

  onInvalidDoorbell(isValue: boolean): void {
    this.#listener.onInvalidDoorbell(isValue);
  }

  onUnreachable(): void {
    this.fail();
  }

  onPending(): void {
    this.#dmaCount++;
  }

  onEvent(_code: number, epoch: number): void {
    // A run that was asked for before the last reset means nothing.
    if (epoch === this.#epoch) {
      this.#isAsked = false;
      this.#run();
    }
  }

  /** A PENDING request with one of the engine's tokens is over. */
  onDma(token: number, status: Status): void {
    this.#dmaCount--;
    if (token >= TOKEN_SHADOW) {
      this.#doorbells.onLooked(token - TOKEN_SHADOW, status, this.#isRunning);
    } else if (token < TOKEN_POSTED) {
      const queue = this.submissions[token - TOKEN_FETCH]!;
      queue.isFetching = false;
      this.#reserved -= queue.fetchCount;
      this.#accept(queue, queue.fetchCount, status);
      this.#ask();
    } else if (status < DONE) {
      this.fail();
    }
    if (!this.#isRunning) {
      this.#listener.onQuieter();
    }
  }

  /** A command is over, its outcome in its fields. */
  complete(command: Command): void {
    const queue = this.submissions[command.queueId];
    if (!this.#isRunning || queue === null || queue === undefined) {
      this.release(command);
      this.#listener.onQuieter();
      return;
    }
    if (command.status !== 0) {
      this.#listener.onFailed(command);
    }
    if (command.fault !== null && command.fault.kind === 'drop') {
      this.#dispatcher.lose(command);
      return;
    }
    const completion = queue.completion;
    if (completion.backlogFirst !== null || completion.isFull) {
      completion.wait(command);
      this.#doorbells.lookAtHead(completion);
    } else {
      this.#post(queue, completion, command);
    }
  }

  #post(queue: SubmissionQueue, completion: CompletionQueue, command: Command): void {
    this.#doorbells.listener?.onCompleted(command, completion.id);
    this.#writer.post(completion, command, queue.head, queue.id);
    this.release(command);
    this.#ask();
  }

  /** The slot is free again. */
  release(command: Command): void {
    const queue = this.submissions[command.queueId];
    this.#pool.release(command);
    if (queue === null || queue === undefined) {
      return;
    }
    queue.inFlight--;
    if (command.ownsIdentifier) {
      queue.identifiers[command.cid >>> 5]! &= ~(1 << (command.cid & 31));
    }
    if (queue.deleter >= 0 && this.#isRunning && this.#isIdle(queue)) {
      const deleter = this.#pool.slots[queue.deleter]!;
      this.#forget(queue);
      this.complete(deleter);
    }
    // Somebody may have waited for a slot.
    if (!this.ready.isEmpty && this.#isRunning) {
      this.#ask();
    }
  }

  #isIdle(queue: SubmissionQueue): boolean {
    return queue.inFlight === 0 && !queue.isFetching && !queue.isLooking;
  }

  #forget(queue: SubmissionQueue): void {
    this.submissions[queue.id] = null;
    queue.completion.submissionCount--;
  }

  #drainBacklog(completion: CompletionQueue): void {
    while (!completion.isFull) {
      const command = completion.takeWaiting();
      if (command === undefined) {
        break;
      }
      this.#post(this.submissions[command.queueId]!, completion, command);
    }
    if (completion.backlogFirst === null) {
      for (const queue of this.submissions) {
        if (queue?.isBlocked === true && queue.completion === completion) {
          queue.isBlocked = false;
          this.wake(queue);
        }
      }
    }
  }

  /** See PositionTarget. */
  wake(queue: SubmissionQueue): void {
    if (!queue.isFetching && !queue.isBlocked && queue.deleter < 0) {
      this.ready.add(queue);
      this.#ask();
    }
  }

  #ask(): void {
    if (!this.#isAsked && !this.#isInRun) {
      this.#isAsked = true;
      this.#port.executor.after(0, this, 0, this.#epoch);
    }
  }

  #run(): void {
    this.#isInRun = true;
    let budget = RUN_BUDGET;
    while (budget > 0 && this.#isRunning && this.#pool.freeCount > this.#reserved) {
      const queue = this.ready.take();
      if (queue === undefined) {
        break;
      }
      budget -= this.#serve(queue);
    }
    this.#flush();
    this.#isInRun = false;
    if (this.#isRunning && !this.ready.isEmpty && this.#pool.freeCount > this.#reserved) {
      this.#ask();
    }
  }

  /** Fetches and starts commands of one queue. @returns what it took of the budget */
  #serve(queue: SubmissionQueue): number {
    const waiting = queue.waitingCount;
    if (waiting === 0) {
      this.#doorbells.lookAtTail(queue);
      return 1;
    }
    if (queue.completion.backlogFirst !== null) {
      queue.isBlocked = true;
      return 1;
    }
    const count = Math.min(
      waiting,
      queue.entries - queue.head,
      FETCH_ENTRIES_MAX,
      this.burst,
      this.ready.creditsOf(queue.queueClass),
      this.#pool.freeCount - this.#reserved,
    );
    this.ready.charge(queue.queueClass, count);
    this.counts.fetches++;
    const { place } = queue;
    if (place.memory !== null) {
      place.memory.copyTo(place.offset + queue.head * SQE_BYTES, queue.fetched, 0, count * SQE_BYTES);
      this.#accept(queue, count, DONE);
      return count;
    }
    const status = this.#port.dmaRead(
      place.address + queue.head * SQE_BYTES,
      queue.fetched,
      0,
      count * SQE_BYTES,
      TRAFFIC.CONTROL,
      TOKEN_FETCH + queue.id,
    );
    if (status === PENDING) {
      queue.isFetching = true;
      queue.fetchCount = count;
      this.#reserved += count;
      this.#dmaCount++;
      return 1;
    }
    this.#accept(queue, count, status);
    return count;
  }

  /** Starts the commands that have arrived. */
  #accept(queue: SubmissionQueue, count: number, status: Status): void {
    if (!this.#isRunning) {
      return;
    }
    if (status !== DONE) {
      this.fail();
      return;
    }
    if (queue.deleter >= 0) {
      if (this.#isIdle(queue)) {
        const deleter = this.#pool.slots[queue.deleter]!;
        this.#forget(queue);
        this.complete(deleter);
      }
      return;
    }
    const words = queue.fetchedWords;
    const staging = this.#stagingWords;
    for (let i = 0; i < count; i++) {
      const command = this.#pool.take()!;
      const to = command.base >>> 2;
      const from = i * (SQE_BYTES / 4);
      for (let word = 0; word < SQE_BYTES / 4; word++) {
        staging[to + word] = words[from + word]!;
      }
      queue.head = queue.head + 1 === queue.entries ? 0 : queue.head + 1;
      command.decode(queue.id);
      queue.inFlight++;
      this.counts.commands++;
      this.#doorbells.listener?.onFetched(command);
      this.#dispatcher.start(queue, command);
      if (this.isFlushDue?.() === true) {
        this.#flush();
      }
      if (!this.#isRunning) {
        return;
      }
    }
    if (queue.fusedFirst !== null && queue.head === queue.tail) {
      this.#dispatcher.endFused(queue);
    }
    if (queue.head !== queue.tail || this.#doorbells.isShadowed(queue.id)) {
      this.wake(queue);
    }
  }

  /** CSTS.CFS. */
  fail(): void {
    this.stop();
    this.#listener.onFatal();
  }

  #flush(): void {
    const status = this.#writer.flush();
    this.#dmaCount += this.#writer.pendingCount;
    this.#writer.pendingCount = 0;
    if (status !== DONE) {
      this.fail();
    }
  }
}
