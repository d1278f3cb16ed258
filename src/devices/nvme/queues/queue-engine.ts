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
  type TimerId,
  TRAFFIC,
} from '../../../fabric/index.ts';
import {
  CDW0,
  CQE_BYTES,
  FUSE,
  NVME_STATUS,
  SQE_BYTES,
  STATUS_WORD_DNR,
  STATUS_WORD_MORE,
} from '../../../spec/nvme/index.ts';
import type { Command, CommandPool } from '../command.ts';
import type { FaultPlan } from '../fault-plan.ts';
import { CompletionQueue } from './completion-queue.ts';
import type { Interrupts } from './interrupts.ts';
import { ReadyList } from './ready-list.ts';
import { ShadowDoorbells } from './shadow-doorbells.ts';
import { FETCH_ENTRIES_MAX, type QueuePlace, SubmissionQueue } from './submission-queue.ts';
import { TOKEN_FETCH, TOKEN_POSTED, TOKEN_SHADOW } from './tokens.ts';

/** Executes commands. DONE: the outcome is in the command; PENDING: `QueueEngine.complete` comes once, later. */
export interface CommandExecutor {
  execute(command: Command): Status;
}

export interface IoExecutor extends CommandExecutor {
  /** A fused pair. DONE: both are over; PENDING: `complete` comes for the first and then for the second. */
  executeFused?(first: Command, second: Command): Status;
  /** Ends a command early if that can be; it completes in the usual way. */
  cancel?(command: Command): void;
  /** Whether nothing under way touches a namespace; missing: always. */
  isIdle?(nsid: number): boolean;
  /** Requests under way never end; nobody is told. */
  reset?(): void;
}

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

const EVENT = { RUN: 0, DELAYED: 1 } as const;
/** Commands started in one event, so that others get their turn. */
const RUN_BUDGET = 512;

export class QueueEngine implements EventHandler {
  readonly submissions: (SubmissionQueue | null)[];
  readonly completions: (CompletionQueue | null)[];
  readonly shadow: ShadowDoorbells;
  /** Fails every I/O command with this status while it is not 0 (Sanitize). */
  ioGate = 0;
  /** Commands of one queue's turn; FETCH_ENTRIES_MAX or more is no limit. */
  burst = FETCH_ENTRIES_MAX;
  /** For people. */
  readonly counts = { fetches: 0, commands: 0, completionWrites: 0 };

  readonly #port: FunctionPort;
  readonly #pool: CommandPool;
  readonly #interrupts: Interrupts;
  readonly #faults: FaultPlan;
  readonly #admin: CommandExecutor;
  readonly #io: IoExecutor;
  readonly #listener: QueueListener;
  readonly #stagingWords: Uint32Array;
  readonly ready = new ReadyList();
  readonly #dirty: CompletionQueue[] = [];
  readonly #held = new Map<Command, TimerId>();
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
    this.#faults = parts.faults;
    this.#admin = parts.admin;
    this.#io = parts.io;
    this.#listener = parts.listener;
    this.submissions = new Array<SubmissionQueue | null>(parts.pairCount).fill(null);
    this.completions = new Array<CompletionQueue | null>(parts.pairCount).fill(null);
    this.shadow = new ShadowDoorbells(parts.port, 2 * parts.pairCount, parts.doorbellStrideBytes);
    const bytes = parts.pool.staging.flat!;
    this.#stagingWords = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  /** Nothing is in work and no request is under way. */
  get isQuiet(): boolean {
    return this.#pool.busyCount === 0 && this.#dmaCount === 0;
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
    for (const [command, timer] of this.#held) {
      this.#port.executor.cancel(timer);
      this.#release(command);
    }
    this.#held.clear();
    for (const queue of this.submissions) {
      if (queue !== null && queue.fusedFirst !== null) {
        this.#release(queue.fusedFirst);
        queue.fusedFirst = null;
      }
    }
    for (const queue of this.completions) {
      for (let waiting = queue?.takeWaiting(); waiting !== undefined; waiting = queue?.takeWaiting()) {
        this.#release(waiting);
      }
    }
    for (const command of this.#pool.slots) {
      if (command.isBusy) {
        this.#cancel(command);
      }
    }
  }

  /** Forgets every queue and everything under way; only when quiet, or when requests under way never end. */
  clear(): void {
    this.stop();
    this.submissions.fill(null);
    this.completions.fill(null);
    this.shadow.turnOff();
    this.#dirty.length = 0;
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
    if (this.shadow.isOn && id !== 0) {
      this.#wake(queue);
    }
  }

  removeCompletion(id: number): void {
    const queue = this.completions[id]!;
    assert(queue.submissionCount === 0, 'a completion queue is in use', { id });
    const dirty = this.#dirty.indexOf(queue);
    if (dirty >= 0) {
      this.#flushQueue(queue);
      this.#dirty.splice(dirty, 1);
    }
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
        this.#giveUp(command, NVME_STATUS.ABORTED_SQ_DELETION);
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
        return this.#giveUp(command, NVME_STATUS.ABORT_REQUESTED);
      }
    }
    return false;
  }

  /** Shadow doorbells for all I/O queues, from now until they are cleared. */
  turnOnShadow(values: number, events: number): void {
    this.shadow.turnOn(values, events);
    for (const queue of this.submissions) {
      if (queue !== null && queue.id !== 0) {
        queue.eventIndex = -1;
        this.#wake(queue);
      }
    }
    for (const queue of this.completions) {
      if (queue !== null) {
        queue.eventIndex = -1;
      }
    }
  }

  /** The tail doorbell of a submission queue. */
  ringSubmission(id: number, value: number): void {
    if (!this.#isRunning) {
      return;
    }
    const queue = this.submissions[id];
    if (queue === null || queue === undefined) {
      this.#listener.onInvalidDoorbell(false);
    } else if (value >= queue.entries) {
      this.#listener.onInvalidDoorbell(true);
    } else if (this.shadow.isOn && id !== 0) {
      queue.mustLookAgain = true;
      this.#wake(queue);
    } else {
      this.#moveTail(queue, value);
    }
  }

  /** The head doorbell of a completion queue. */
  ringCompletion(id: number, value: number): void {
    if (!this.#isRunning) {
      return;
    }
    const queue = this.completions[id];
    if (queue === null || queue === undefined) {
      this.#listener.onInvalidDoorbell(false);
    } else if (value >= queue.entries) {
      this.#listener.onInvalidDoorbell(true);
    } else if (this.shadow.isOn && id !== 0) {
      queue.mustLookAgain = true;
      this.#lookAtHead(queue);
    } else {
      this.#moveHead(queue, value);
    }
  }

  onEvent(code: number, argument: number): void {
    if (code === EVENT.RUN) {
      if (argument === this.#epoch) {
        this.#isAsked = false;
        this.#run();
      }
    } else {
      const command = this.#pool.slots[argument]!;
      this.#held.delete(command);
      command.isHeld = false;
      this.#execute(command);
    }
  }

  /** A PENDING request with one of the engine's tokens is over. */
  onDma(token: number, status: Status): void {
    this.#dmaCount--;
    if (token >= TOKEN_SHADOW) {
      this.#onLooked(token - TOKEN_SHADOW, status);
    } else if (token < TOKEN_POSTED) {
      const queue = this.submissions[token - TOKEN_FETCH]!;
      queue.isFetching = false;
      this.#reserved -= queue.fetchCount;
      this.#accept(queue, queue.fetchCount, status);
      this.#ask();
    } else if (status < DONE) {
      this.#fail();
    }
    if (!this.#isRunning) {
      this.#listener.onQuieter();
    }
  }

  /** A command is over, its outcome in its fields. */
  complete(command: Command): void {
    const queue = this.submissions[command.queueId];
    if (!this.#isRunning || queue === null || queue === undefined) {
      this.#release(command);
      this.#listener.onQuieter();
      return;
    }
    if (command.status !== 0) {
      this.#listener.onFailed(command);
    }
    if (command.fault !== null && command.fault.kind === 'drop') {
      command.isHeld = true;
      this.#held.set(command, 0);
      return;
    }
    const completion = queue.completion;
    if (completion.backlogFirst !== null || completion.isFull) {
      completion.wait(command);
      this.#lookAtHead(completion);
    } else {
      this.#post(queue, completion, command);
    }
  }

  #post(queue: SubmissionQueue, completion: CompletionQueue, command: Command): void {
    const word =
      (command.status << 1) |
      (command.status !== 0 && command.dnr ? STATUS_WORD_DNR : 0) |
      (command.more ? STATUS_WORD_MORE : 0);
    const dw2 = queue.head | (queue.id << 16);
    const fault = command.fault;
    if (fault === null) {
      completion.push(command.dw0, command.dw1, dw2, command.cid, word, false);
    } else {
      const cid = fault.kind === 'wrong-cid' ? command.cid ^ 0x8000 : command.cid;
      completion.push(command.dw0, command.dw1, dw2, cid, word, fault.kind === 'wrong-phase');
      if (fault.kind === 'twice' && !completion.isFull) {
        completion.push(command.dw0, command.dw1, dw2, cid, word, false);
      }
    }
    if (!completion.isDirty) {
      completion.isDirty = true;
      this.#dirty.push(completion);
    }
    this.#release(command);
    this.#ask();
  }

  /** The slot is free again. */
  #release(command: Command): void {
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
  }

  #isIdle(queue: SubmissionQueue): boolean {
    return queue.inFlight === 0 && !queue.isFetching && !queue.isLooking;
  }

  #forget(queue: SubmissionQueue): void {
    this.submissions[queue.id] = null;
    queue.completion.submissionCount--;
  }

  /** Ends a command early if that can be. @returns whether it is over, and says so */
  #giveUp(command: Command, status: number): boolean {
    const queue = this.submissions[command.queueId]!;
    if (queue.fusedFirst === command) {
      queue.fusedFirst = null;
      command.failForNow(status);
      this.complete(command);
      return true;
    }
    const timer = this.#held.get(command);
    if (timer === undefined) {
      this.#cancel(command);
      return !command.isBusy;
    }
    const isLost = command.fault?.kind === 'drop' || command.fault?.kind === 'fatal';
    if (isLost && status === NVME_STATUS.ABORT_REQUESTED) {
      return false;
    }
    this.#port.executor.cancel(timer);
    this.#held.delete(command);
    command.isHeld = false;
    if (isLost) {
      this.#release(command);
      return false;
    }
    command.fault = null;
    command.failForNow(status);
    this.complete(command);
    return true;
  }

  #cancel(command: Command): void {
    command.isAbortWanted = true;
    if (command.queueId !== 0) {
      this.#io.cancel?.(command);
    }
  }

  #moveTail(queue: SubmissionQueue, value: number): void {
    let count = value - queue.head;
    count = count >= 0 ? count : count + queue.entries;
    if (count < queue.waitingCount) {
      this.#listener.onInvalidDoorbell(true);
      return;
    }
    queue.tail = value;
    this.#wake(queue);
  }

  #moveHead(queue: CompletionQueue, value: number): void {
    let count = value - queue.head;
    count = count >= 0 ? count : count + queue.entries;
    if (count > queue.visibleCount) {
      this.#listener.onInvalidDoorbell(true);
      return;
    }
    queue.head = value;
    if (queue.backlogFirst !== null) {
      this.#drainBacklog(queue);
    }
    if (this.#port.interruptMode === 'intx') {
      this.#interrupts.updatePin();
    }
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
        if (queue !== null && queue.isBlocked && queue.completion === completion) {
          queue.isBlocked = false;
          this.#wake(queue);
        }
      }
    }
  }

  #wake(queue: SubmissionQueue): void {
    if (!queue.isFetching && !queue.isBlocked && queue.deleter < 0) {
      this.ready.add(queue);
      this.#ask();
    }
  }

  #ask(): void {
    if (!this.#isAsked && !this.#isInRun) {
      this.#isAsked = true;
      this.#port.executor.after(0, this, EVENT.RUN, this.#epoch);
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
      if (this.shadow.isOn && queue.id !== 0) {
        this.#lookAtTail(queue);
      }
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
      this.#fail();
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
      this.#start(queue, command);
      if (!this.#isRunning) {
        return;
      }
    }
    // Both halves of a pair are submitted with one store to the doorbell.
    if (queue.fusedFirst !== null && queue.head === queue.tail) {
      const first = queue.fusedFirst;
      queue.fusedFirst = null;
      first.fail(NVME_STATUS.ABORTED_MISSING_FUSED);
      this.complete(first);
    }
    if (queue.head !== queue.tail || (this.shadow.isOn && queue.id !== 0)) {
      this.#wake(queue);
    }
  }

  #start(queue: SubmissionQueue, command: Command): void {
    const word = command.cid >>> 5;
    const mask = 1 << (command.cid & 31);
    if ((queue.identifiers[word]! & mask) !== 0) {
      command.fail(NVME_STATUS.CID_CONFLICT);
      this.complete(command);
      return;
    }
    queue.identifiers[word]! |= mask;
    command.ownsIdentifier = true;
    const fuse = CDW0.FUSE.of(this.#stagingWords[command.base >>> 2]!);
    if (fuse !== FUSE.NORMAL || queue.fusedFirst !== null) {
      this.#startFused(queue, command, fuse);
      return;
    }
    if (!this.#faults.isEmpty && this.#isFaulty(command)) {
      return;
    }
    this.#execute(command);
  }

  /**
   * A command that says that it is half of a pair, or one behind a first half. Faults leave pairs alone.
   * NVM Express Base 2.1, 3.4.2.
   */
  #startFused(queue: SubmissionQueue, command: Command, fuse: number): void {
    const first = queue.fusedFirst;
    queue.fusedFirst = null;
    if (first !== null && fuse === FUSE.SECOND && this.#io.executeFused !== undefined && this.ioGate === 0) {
      if (this.#io.executeFused(first, command) === DONE) {
        this.complete(first);
        this.complete(command);
      }
      return;
    }
    if (first !== null) {
      first.fail(NVME_STATUS.ABORTED_MISSING_FUSED);
      this.complete(first);
    }
    if (fuse === FUSE.NORMAL) {
      this.#execute(command);
    } else if (queue.id === 0 || this.#io.executeFused === undefined || fuse > FUSE.SECOND) {
      command.failField(NVME_STATUS.INVALID_FIELD, 0, CDW0.FUSE.low);
      this.complete(command);
    } else if (fuse === FUSE.FIRST) {
      queue.fusedFirst = command;
    } else {
      command.fail(NVME_STATUS.ABORTED_MISSING_FUSED);
      this.complete(command);
    }
  }

  #execute(command: Command): void {
    if (command.queueId === 0) {
      if (this.#admin.execute(command) === DONE) {
        this.complete(command);
      }
      return;
    }
    if (this.ioGate !== 0) {
      command.failForNow(this.ioGate);
      this.complete(command);
    } else if (this.#io.execute(command) === DONE) {
      this.complete(command);
    }
  }

  /** Applies a fault. @returns whether the command shall not be executed now */
  #isFaulty(command: Command): boolean {
    const fault = this.#faults.forCommand(command.queueId, command.opcode, command.nsid);
    command.fault = fault;
    switch (fault?.kind) {
      case 'status':
        command.status = fault.status;
        command.dnr = fault.dnr ?? false;
        command.dw0 = fault.dw0 ?? 0;
        this.complete(command);
        return true;
      case 'delay': {
        command.isHeld = true;
        const timer = this.#port.executor.timer(fault.delayPs, this, EVENT.DELAYED, command.index);
        this.#held.set(command, timer);
        return true;
      }
      case 'fatal':
        command.isHeld = true;
        this.#held.set(command, 0);
        this.#fail();
        return true;
      default:
        return false;
    }
  }

  #fail(): void {
    this.stop();
    this.#listener.onFatal();
  }

  #flush(): void {
    const dirty = this.#dirty;
    for (let i = 0; i < dirty.length; i++) {
      this.#flushQueue(dirty[i]!);
    }
    dirty.length = 0;
  }

  #flushQueue(queue: CompletionQueue): void {
    queue.isDirty = false;
    let total = 0;
    while (queue.written !== queue.tail) {
      const from = queue.written;
      const count = (queue.tail > from ? queue.tail : queue.entries) - from;
      queue.written = from + count === queue.entries ? 0 : from + count;
      total += count;
      this.counts.completionWrites++;
      const { place } = queue;
      if (place.memory !== null) {
        queue.mirror.copyTo(
          from * CQE_BYTES,
          place.memory,
          place.offset + from * CQE_BYTES,
          count * CQE_BYTES,
        );
        continue;
      }
      const status = this.#port.dmaWrite(
        place.address + from * CQE_BYTES,
        queue.mirror,
        from * CQE_BYTES,
        count * CQE_BYTES,
        TRAFFIC.CONTROL,
        TOKEN_POSTED,
      );
      if (status === PENDING) {
        this.#dmaCount++;
      } else if (status !== DONE) {
        this.#fail();
        return;
      }
    }
    if (total > 0) {
      this.#interrupts.notify(queue, total);
    }
  }

  #lookAtTail(queue: SubmissionQueue): void {
    if (queue.isLooking) {
      return;
    }
    queue.mustLookAgain = false;
    const isNews = queue.eventIndex !== queue.tail;
    queue.eventIndex = queue.tail;
    queue.isLooking = true;
    this.#look(2 * queue.id, isNews, queue.tail);
  }

  #lookAtHead(queue: CompletionQueue): void {
    if (!this.shadow.isOn || queue.id === 0 || queue.isLooking || queue.backlogFirst === null) {
      return;
    }
    queue.mustLookAgain = false;
    const isNews = queue.eventIndex !== queue.head;
    queue.eventIndex = queue.head;
    queue.isLooking = true;
    this.#look(2 * queue.id + 1, isNews, queue.head);
  }

  #look(doorbell: number, isNews: boolean, position: number): void {
    if (isNews && this.shadow.tell(doorbell, position) === PENDING) {
      this.#dmaCount++;
    }
    const status = this.shadow.look(doorbell);
    if (status === PENDING) {
      this.#dmaCount++;
    } else {
      this.#onLooked(doorbell, status);
    }
  }

  #onLooked(doorbell: number, status: Status): void {
    const id = doorbell >>> 1;
    const queue = (doorbell & 1) === 0 ? this.submissions[id] : this.completions[id];
    if (queue === null || queue === undefined) {
      return;
    }
    queue.isLooking = false;
    if (!this.#isRunning) {
      return;
    }
    if (status !== DONE) {
      this.#fail();
      return;
    }
    const value = this.shadow.valueOf(doorbell);
    if (value >= queue.entries) {
      this.#listener.onInvalidDoorbell(true);
    } else if (queue instanceof CompletionQueue) {
      if (value !== queue.head) {
        this.#moveHead(queue, value);
      } else if (queue.mustLookAgain) {
        this.#lookAtHead(queue);
      }
      if (queue.backlogFirst !== null && queue.eventIndex !== queue.head) {
        this.#lookAtHead(queue);
      }
    } else if (queue.deleter >= 0) {
      this.#accept(queue, 0, DONE);
    } else if (value !== queue.tail) {
      this.#moveTail(queue, value);
    } else if (queue.mustLookAgain) {
      this.#wake(queue);
    }
  }
}
