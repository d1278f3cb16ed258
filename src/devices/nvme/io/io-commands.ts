/**
 * Executes the commands of the NVM command set.
 *
 * An operation is a function that is run again each time that what it waits for has come. Nothing is allocated per command
 * where blocks go between media and bus as they are. Leaves out reservations, and commands of the vendor: Invalid Command
 * Opcode.
 *
 * Follows NVM Command Set 1.1, section 3.3, and NVM Express Base 2.1, sections 3.4.2 (atomicity) and 7.2 (Flush).
 */
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import { NSID_BROADCAST, NVM_OPCODE, NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Command, TransferTarget } from '../command.ts';
import type { DataEngine } from '../data/index.ts';
import { failMedia, findNamespace } from './checks.ts';
import { runCopy } from './copy.ts';
import { runDatasetManagement } from './dataset-management.ts';
import type { IoContext, IoServices } from './io-context.ts';
import { IoState } from './io-state.ts';
import { RangeGate } from './range-gate.ts';
import { runCompare, runRead, runVerify } from './read.ts';
import { StagingPool } from './staging.ts';
import { runWrite, runWriteUncorrectable, runWriteZeroes } from './write.ts';

export class IoCommands implements TransferTarget {
  readonly #context: IoContext;
  readonly #states: (IoState | undefined)[];
  /** Commands that wait are being let in: those that end meanwhile do not start over. */
  #isLettingIn = false;

  /** @param commands  all slots of the pool; `command.index` is the place in it */
  constructor(services: IoServices, data: DataEngine, commands: readonly Command[]) {
    this.#context = { services, data, gate: new RangeGate(), staging: new StagingPool() };
    this.#states = new Array<IoState | undefined>(commands.length).fill(undefined);
  }

  /**
   * Executes one command of an I/O queue.
   * @returns DONE: the outcome is in the command; PENDING: `services.complete(command)` follows, once
   */
  execute(command: Command): Status {
    const state = this.#stateOf(command);
    state.begin();
    command.onDone = this;
    const status = this.#run(state);
    if (status === PENDING) {
      if (state.isAdmitted) {
        this.#context.gate.hold(state);
      }
      return PENDING;
    }
    if (state.staging !== null) {
      this.#giveBack(state);
    }
    return DONE;
  }

  /**
   * Executes a fused Compare and Write; nobody gets between the two. NVM Express Base 2.1, 3.4.2 and NVM Command Set 1.1, 3.3.1.
   * @returns DONE: both are over; PENDING: `services.complete` follows for the first and then for the second
   */
  executeFused(first: Command, second: Command): Status {
    const a = this.#stateOf(first);
    const b = this.#stateOf(second);
    a.begin();
    b.begin();
    first.onDone = this;
    second.onDone = this;
    if (
      first.opcode !== NVM_OPCODE.COMPARE ||
      second.opcode !== NVM_OPCODE.WRITE ||
      !isSameRange(first, second)
    ) {
      first.fail(NVME_STATUS.INVALID_FIELD);
      second.fail(NVME_STATUS.INVALID_FIELD);
      return DONE;
    }
    a.second = b;
    b.first = a;
    // The pair keeps others away as the write that it will be.
    a.isWrite = true;
    if (this.#run(a) === PENDING) {
      if (a.isAdmitted) {
        this.#context.gate.hold(a);
      }
      return PENDING;
    }
    if (this.#runSecond(a) === PENDING) {
      return PENDING;
    }
    this.#giveBack(a);
    this.#giveBack(b);
    return DONE;
  }

  /**
   * Ends a command early: one that waits for others is over at once, one whose data move as soon as what it has asked for has
   * come. Either way `services.complete` follows once. No effect on a command that is not under way.
   */
  cancel(command: Command): void {
    command.isAbortWanted = true;
    const state = this.#states[command.index];
    if (state?.isWaiting === true) {
      this.#context.gate.leave(state);
      command.failForNow(NVME_STATUS.ABORT_REQUESTED);
      this.#finish(state);
    }
  }

  /** Whether nothing under way touches a namespace: before it is formatted or deleted. */
  isIdle(nsid: number): boolean {
    return this.#context.gate.isIdle(nsid);
  }

  /** The function was reset or taken away: commands under way never end, nobody is told. Before `DataEngine.reset`. */
  reset(): void {
    this.#context.gate.reset();
    for (const state of this.#states) {
      if (state !== undefined) {
        this.#giveBack(state);
        state.begin();
      }
    }
  }

  /** The data of a command have moved, or have failed to. */
  onTransfer(command: Command): void {
    this.#goOn(this.#states[command.index]!);
  }

  #goOn(state: IoState): void {
    const status = this.#run(state);
    if (status === PENDING) {
      // A list has come: now there is a range to hold.
      if (state.isAdmitted && state.heldAt < 0 && (state.first === null || state.first.heldAt < 0)) {
        this.#context.gate.hold(state);
      }
      return;
    }
    this.#finish(state);
  }

  #finish(state: IoState): void {
    const { gate, services } = this.#context;
    const first = state.first ?? state;
    const { second } = first;
    if (second !== null && state === first) {
      if (this.#runSecond(first) === PENDING) {
        return;
      }
    }
    if (first.heldAt >= 0) {
      gate.release(first);
    }
    if (second !== null && second.heldAt >= 0) {
      gate.release(second);
    }
    this.#giveBack(first);
    const ofSecond = second?.command;
    if (second !== null) {
      this.#giveBack(second);
    }
    services.complete(first.command);
    if (ofSecond !== undefined) {
      services.complete(ofSecond);
    }
    this.#letIn();
  }

  /** The first of a fused pair is over. */
  #runSecond(first: IoState): Status {
    const second = first.second!;
    if (first.command.status !== 0) {
      second.command.failForNow(NVME_STATUS.ABORTED_FAILED_FUSED);
      return DONE;
    }
    second.isAdmitted = true;
    const status = this.#run(second);
    if (status === PENDING && first.heldAt < 0) {
      this.#context.gate.hold(second);
    }
    return status;
  }

  #letIn(): void {
    const { gate } = this.#context;
    if (gate.waitingCount === 0 || this.#isLettingIn) {
      return;
    }
    this.#isLettingIn = true;
    for (let state = gate.nextAdmitted(); state !== null; state = gate.nextAdmitted()) {
      if (state.command.isAbortWanted) {
        state.command.failForNow(NVME_STATUS.ABORT_REQUESTED);
        this.#finish(state);
      } else {
        this.#goOn(state);
      }
    }
    this.#isLettingIn = false;
  }

  #run(state: IoState): Status {
    const context = this.#context;
    switch (state.command.opcode) {
      case NVM_OPCODE.READ:
        return runRead(context, state);
      case NVM_OPCODE.WRITE:
        return runWrite(context, state);
      case NVM_OPCODE.FLUSH:
        return runFlush(context, state);
      case NVM_OPCODE.COMPARE:
        return runCompare(context, state);
      case NVM_OPCODE.WRITE_ZEROES:
        return runWriteZeroes(context, state);
      case NVM_OPCODE.WRITE_UNCORRECTABLE:
        return runWriteUncorrectable(context, state);
      case NVM_OPCODE.DATASET_MANAGEMENT:
        return runDatasetManagement(context, state);
      case NVM_OPCODE.VERIFY:
        return runVerify(context, state);
      case NVM_OPCODE.COPY:
        return runCopy(context, state);
      default:
        state.command.failField(NVME_STATUS.INVALID_OPCODE, 0, 0);
        return DONE;
    }
  }

  #giveBack(state: IoState): void {
    const { staging } = this.#context;
    if (state.staging !== null) {
      staging.giveBack(state.staging);
      state.staging = null;
    }
    if (state.metadataStaging !== null) {
      staging.giveBack(state.metadataStaging);
      state.metadataStaging = null;
    }
  }

  #stateOf(command: Command): IoState {
    const state = this.#states[command.index];
    if (state !== undefined) {
      return state;
    }
    const made = new IoState(command);
    this.#states[command.index] = made;
    return made;
  }
}

/** NVM Express Base 2.1, 7.2. NSID FFFFFFFFh: every active namespace. */
function runFlush(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (command.nsid === NSID_BROADCAST) {
    for (const namespace of context.services.activeNamespaces()) {
      const status = namespace.flush();
      if (status !== 0) {
        failMedia(context, command, status, 0);
      }
    }
    return DONE;
  }
  const namespace = findNamespace(context, command, command.nsid);
  const status = namespace === null ? 0 : namespace.flush();
  if (status !== 0) {
    failMedia(context, command, status, 0);
  }
  return DONE;
}

function isSameRange(a: Command, b: Command): boolean {
  return (
    a.nsid === b.nsid &&
    a.dword(10) === b.dword(10) &&
    a.dword(11) === b.dword(11) &&
    (a.dword(12) & 0xffff) === (b.dword(12) & 0xffff)
  );
}
