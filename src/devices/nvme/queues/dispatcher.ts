/**
 * Hands fetched commands to those who execute them: identifiers in use, fused pairs, faults, and ending a command early.
 *
 * Follows NVM Express Base 2.1, sections 3.4.2 (fused operations), 4.2.3.1 and 5.1.1.
 */
import { DONE, type Executor, type Status } from '../../../fabric/index.ts';
import { CDW0, FUSE, NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { FaultPlan } from '../fault-plan.ts';
import { KeptCommands } from './kept-commands.ts';
import type { SubmissionQueue } from './submission-queue.ts';

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

/** What becomes of commands. */
export interface DispatchTarget {
  /** It is over. */
  complete(command: Command): void;
  /** It is gone without a completion. */
  release(command: Command): void;
  /** The controller has to stop: CSTS.CFS. */
  fail(): void;
}

export class Dispatcher {
  /** Fails every I/O command with this status while it is not 0 (Sanitize, a path that is gone). */
  ioGate = 0;
  readonly #admin: CommandExecutor;
  readonly #io: IoExecutor;
  readonly #faults: FaultPlan;
  readonly #target: DispatchTarget;
  readonly #kept: KeptCommands;

  constructor(
    executor: Executor,
    executors: { readonly admin: CommandExecutor; readonly io: IoExecutor },
    faults: FaultPlan,
    target: DispatchTarget,
  ) {
    this.#admin = executors.admin;
    this.#io = executors.io;
    this.#faults = faults;
    this.#target = target;
    this.#kept = new KeptCommands(executor, (command) => this.#execute(command));
  }

  /** A command was fetched. */
  start(queue: SubmissionQueue, command: Command): void {
    const word = command.cid >>> 5;
    const mask = 1 << (command.cid & 31);
    if ((queue.identifiers[word]! & mask) !== 0) {
      command.fail(NVME_STATUS.CID_CONFLICT);
      this.#target.complete(command);
      return;
    }
    queue.identifiers[word]! |= mask;
    command.ownsIdentifier = true;
    const fuse = CDW0.FUSE.read(command.view, command.base);
    if (fuse !== FUSE.NORMAL || queue.fusedFirst !== null) {
      this.#startFused(queue, command, fuse);
      return;
    }
    if (!this.#faults.isEmpty && this.#isFaulty(command)) {
      return;
    }
    this.#execute(command);
  }

  /** The queue has no more commands: both halves of a pair are submitted with one store to the doorbell. */
  endFused(queue: SubmissionQueue): void {
    const first = queue.fusedFirst;
    if (first !== null) {
      queue.fusedFirst = null;
      first.fail(NVME_STATUS.ABORTED_MISSING_FUSED);
      this.#target.complete(first);
    }
  }

  /** A completion is lost: the command stays in work. */
  lose(command: Command): void {
    this.#kept.keep(command, 0);
  }

  /** Ends a command early if that can be. @returns whether it is over, and says so */
  giveUp(queue: SubmissionQueue, command: Command, status: number): boolean {
    if (queue.fusedFirst === command) {
      queue.fusedFirst = null;
      command.failForNow(status);
      this.#target.complete(command);
      return true;
    }
    if (!command.isHeld) {
      this.cancel(command);
      return !command.isBusy;
    }
    const isLost = command.fault?.kind === 'drop' || command.fault?.kind === 'fatal';
    if (isLost && status === NVME_STATUS.ABORT_REQUESTED) {
      return false;
    }
    this.#kept.drop(command);
    if (isLost) {
      this.#target.release(command);
      return false;
    }
    command.fault = null;
    command.failForNow(status);
    this.#target.complete(command);
    return true;
  }

  /** Tells whoever executes a command that nobody wants it any more. */
  cancel(command: Command): void {
    command.isAbortWanted = true;
    if (command.queueId !== 0) {
      this.#io.cancel?.(command);
    }
  }

  /** Releases every command that is not with an executor. */
  dropKept(queues: readonly (SubmissionQueue | null)[]): void {
    for (const command of this.#kept.dropAll()) {
      this.#target.release(command);
    }
    for (const queue of queues) {
      const first = queue?.fusedFirst ?? null;
      if (first !== null) {
        queue!.fusedFirst = null;
        this.#target.release(first);
      }
    }
  }

  /** A command that says that it is half of a pair, or one behind a first half. Faults leave pairs alone. */
  #startFused(queue: SubmissionQueue, command: Command, fuse: number): void {
    const first = queue.fusedFirst;
    if (first !== null && fuse === FUSE.SECOND) {
      queue.fusedFirst = null;
      this.#executePair(first, command);
      return;
    }
    this.endFused(queue);
    if (fuse === FUSE.NORMAL) {
      this.#execute(command);
    } else if (queue.id === 0 || this.#io.executeFused === undefined || fuse > FUSE.SECOND) {
      command.failField(NVME_STATUS.INVALID_FIELD, 0, CDW0.FUSE.low);
      this.#target.complete(command);
    } else if (fuse === FUSE.FIRST) {
      queue.fusedFirst = command;
    } else {
      command.fail(NVME_STATUS.ABORTED_MISSING_FUSED);
      this.#target.complete(command);
    }
  }

  #executePair(first: Command, second: Command): void {
    let status: Status = DONE;
    if (this.ioGate !== 0) {
      first.failForNow(this.ioGate);
      second.failForNow(this.ioGate);
    } else {
      // A first half is only ever kept when its executor knows pairs.
      status = this.#io.executeFused!(first, second);
    }
    if (status === DONE) {
      this.#target.complete(first);
      this.#target.complete(second);
    }
  }

  #execute(command: Command): void {
    if (command.queueId === 0) {
      if (this.#admin.execute(command) === DONE) {
        this.#target.complete(command);
      }
    } else if (this.ioGate !== 0) {
      command.failForNow(this.ioGate);
      this.#target.complete(command);
    } else if (this.#io.execute(command) === DONE) {
      this.#target.complete(command);
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
        this.#target.complete(command);
        return true;
      case 'delay':
        this.#kept.keep(command, Math.max(1, fault.delayPs));
        return true;
      case 'fatal':
        this.#kept.keep(command, 0);
        this.#target.fail();
        return true;
      default:
        return false;
    }
  }
}
