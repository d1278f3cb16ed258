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
import type { RangeGate } from '../media/index.ts';
import type { NvmeVersion } from '../options.ts';
import { failMedia, findNamespace } from './checks.ts';
import { runCopy } from './copy.ts';
import { runDatasetManagement } from './dataset-management.ts';
import { type IoContext, type IoServices, isPastCache } from './io-context.ts';
import { CLOCK, type IoOwner, IoState, STEP } from './io-state.ts';
import { type ClockOwner, MediaClock } from './media-clock.ts';
import { FUA, runCompare, runRead, runVerify } from './read.ts';
import { StagingPool } from './staging.ts';
import { runWrite, runWriteUncorrectable, runWriteZeroes } from './write.ts';

export class IoCommands implements TransferTarget, IoOwner, ClockOwner {
  readonly #context: IoContext;
  readonly #states: (IoState | undefined)[];

  /** @param commands  all slots of the pool; `command.index` is the place in it */
  constructor(services: IoServices, data: DataEngine, commands: readonly Command[]) {
    const { mdts } = services.options;
    this.#states = new Array<IoState | undefined>(commands.length).fill(undefined);
    const { media } = services;
    this.#context = {
      services,
      data,
      staging: new StagingPool(),
      transferBytesMax: mdts === 0 ? Number.POSITIVE_INFINITY : 4096 * 2 ** mdts,
      clock: media === null ? null : new MediaClock(media, services.port.executor, data, this.#states, this),
    };
  }

  /**
   * Executes one command of an I/O queue.
   * @returns DONE: the outcome is in the command; PENDING: `services.complete(command)` follows, once
   */
  execute(command: Command): Status {
    const state = this.#stateOf(command);
    state.begin();
    command.onDone = this;
    if (this.#run(state) === PENDING) {
      return this.#suspend(state);
    }
    if (state.staging !== null) {
      this.#giveBack(state);
    }
    this.#context.clock?.forget(state);
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
    const isPair = first.opcode === NVM_OPCODE.COMPARE && second.opcode === NVM_OPCODE.WRITE;
    if (!isPair || !isSameRange(first, second)) {
      first.fail(NVME_STATUS.INVALID_FIELD);
      second.fail(NVME_STATUS.INVALID_FIELD);
      return DONE;
    }
    a.second = b;
    b.first = a;
    // The controller takes both up at once.
    b.clock = CLOCK.RUNNING;
    // The pair keeps others away as the write that it will be.
    a.isWrite = true;
    if (this.#run(a) === PENDING) {
      return this.#suspend(a);
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
    if (state === undefined) {
      return;
    }
    if (state.isWaiting) {
      state.gate!.leave(state);
    } else if (state.isTimed && state.clock !== CLOCK.ENDING) {
      this.#context.clock!.forget(state);
    } else {
      return;
    }
    command.failForNow(NVME_STATUS.ABORT_REQUESTED);
    this.#finish(state);
  }

  /** Whether nothing under way here touches a namespace: before it is formatted or deleted. */
  isIdle(nsid: number): boolean {
    return this.#states.every(
      (state) =>
        state === undefined ||
        !state.isUnderWay ||
        (state.namespace?.nsid !== nsid && state.command.opcode !== NVM_OPCODE.COPY),
    );
  }

  /**
   * The function was reset or taken away: commands under way never end, nobody is told. Other controllers go on. For
   * `Namespace.losePower`, blocks of a write that was cut short stay under way until they are written again.
   */
  reset(): void {
    const gates = new Set<RangeGate>();
    for (const state of this.#states) {
      if (state === undefined || !state.isUnderWay) {
        continue;
      }
      const { gate } = state;
      if (state.isWaiting) {
        gate!.leave(state);
      } else if (state.heldAt >= 0) {
        gate!.release(state);
      }
      if (gate !== null) {
        gates.add(gate);
      }
      state.isUnderWay = false;
      this.#giveBack(state);
      state.begin();
    }
    for (const gate of gates) {
      gate.letIn();
    }
  }

  /** The data of a command have moved, or have failed to. */
  onTransfer(command: Command): void {
    this.#goOn(this.#states[command.index]!);
  }

  /** Nobody is in the way of a command any more. */
  onAdmitted(state: IoState): void {
    if (state.command.isAbortWanted) {
      state.command.failForNow(NVME_STATUS.ABORT_REQUESTED);
      this.#finish(state);
    } else {
      this.#goOn(state);
    }
  }

  /** What a command waited for on its drive's clock has come. */
  onTime(state: IoState): void {
    this.#goOn(state);
  }

  #goOn(state: IoState): void {
    if (this.#run(state) === PENDING) {
      this.#suspend(state);
    } else {
      this.#finish(state);
    }
  }

  /** A command has become pending, or still is: if it has entered, it holds its range from now on, unless it has done all. */
  #suspend(state: IoState): Status {
    state.isUnderWay = true;
    const isAtWork = state.isAdmitted && state.clock !== CLOCK.ENDING;
    if (isAtWork && state.heldAt < 0 && (state.first === null || state.first.heldAt < 0)) {
      state.gate!.hold(state);
    }
    return PENDING;
  }

  /** A command that was pending is over. */
  #finish(state: IoState): void {
    const { services } = this.#context;
    const first = state.first ?? state;
    const { second } = first;
    first.isUnderWay = false;
    this.#context.clock?.forget(state);
    if (second !== null && state === first && this.#runSecond(first) === PENDING) {
      first.isUnderWay = true;
      return;
    }
    const { gate } = first;
    if (first.heldAt >= 0) {
      gate!.release(first);
    }
    this.#giveBack(first);
    let ofSecond: Command | null = null;
    if (second !== null) {
      ofSecond = second.command;
      second.isUnderWay = false;
      if (second.heldAt >= 0) {
        gate!.release(second);
      }
      this.#giveBack(second);
    }
    services.complete(first.command);
    if (ofSecond !== null) {
      services.complete(ofSecond);
    }
    gate?.letIn();
  }

  /** The first of a fused pair is over. */
  #runSecond(first: IoState): Status {
    const second = first.second!;
    if (first.command.status !== 0) {
      second.command.failForNow(NVME_STATUS.ABORTED_FAILED_FUSED);
      return DONE;
    }
    second.isAdmitted = true;
    return this.#run(second) === PENDING ? this.#suspend(second) : DONE;
  }

  #run(state: IoState): Status {
    const { clock } = this.#context;
    if (clock === null) {
      return this.#execute(state);
    }
    if (state.clock === CLOCK.FETCHED) {
      state.clock = CLOCK.RUNNING;
      if (clock.begin(state) === PENDING) {
        return PENDING;
      }
    }
    if (state.clock === CLOCK.RUNNING) {
      if (this.#execute(state) === PENDING) {
        return PENDING;
      }
      state.clock = CLOCK.ENDING;
      const hasFua = (state.command.dword(12) & FUA) !== 0;
      return clock.end(state, isPastCache(this.#context, hasFua));
    }
    return DONE;
  }

  #execute(state: IoState): Status {
    const context = this.#context;
    const { opcode } = state.command;
    if (opcode >= NVM_OPCODE.VERIFY && !isOffered(opcode, context.services.options.version)) {
      state.command.failField(NVME_STATUS.INVALID_OPCODE, 0, 0);
      return DONE;
    }
    switch (opcode) {
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
    const made = new IoState(command, this);
    this.#states[command.index] = made;
    return made;
  }
}

/** Whether ONCS of that revision has a command: Verify came with 1.4, Copy with 2.0. */
function isOffered(opcode: number, version: NvmeVersion): boolean {
  return opcode === NVM_OPCODE.VERIFY
    ? version !== '1.3'
    : opcode === NVM_OPCODE.COPY
      ? version !== '1.3' && version !== '1.4'
      : true;
}

/** NVM Express Base 2.1, 7.2. NSID FFFFFFFFh: every active namespace. */
function runFlush(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    state.step = STEP.MEDIA;
    const isVolatile = context.services.options.volatileWriteCache;
    if (isVolatile && context.clock !== null && context.clock.waitFlushed(state) === PENDING) {
      return PENDING;
    }
  }
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
