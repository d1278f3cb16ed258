/**
 * Lets commands wait for the media: asks `timing/` when they are through, and goes on with them then.
 *
 * Where a drive has no timing there is no clock, and no operation asks it. In an untimed machine the waits take no time.
 * A command waits for the controller first, a read then for its data piece by piece (each piece is sent as soon as it is off the
 * media, while the next is read), a write for room in the cache and for the media path before its data are fetched, and before
 * it completes for what is left.
 */
import { DONE, type EventHandler, type Executor, PENDING, type Status } from '../../../fabric/index.ts';
import { NVM_OPCODE } from '../../../spec/nvme/index.ts';
import type { DataEngine } from '../data/index.ts';
import type { MediaTiming } from '../timing/index.ts';
import type { IoState } from './io-state.ts';

/** Codes of events. */
const GO_ON = 0;
const PIECE = 1;

/** Who goes on with a command whose time has come. */
export interface ClockOwner {
  onTime(state: IoState): void;
}

export class MediaClock implements EventHandler {
  readonly media: MediaTiming;
  readonly #executor: Executor;
  readonly #data: DataEngine;
  readonly #states: readonly (IoState | undefined)[];
  readonly #owner: ClockOwner;

  /** @param states  by command slot */
  constructor(
    media: MediaTiming,
    executor: Executor,
    data: DataEngine,
    states: readonly (IoState | undefined)[],
    owner: ClockOwner,
  ) {
    this.media = media;
    this.#executor = executor;
    this.#data = data;
    this.#states = states;
    this.#owner = owner;
  }

  /** A command has been fetched: waits until the controller takes it up. Both halves of a fused pair are taken at once. */
  begin(state: IoState): Status {
    const { nowPs } = this.#executor;
    const atPs = this.media.begin(nowPs, isLook(state.command.opcode));
    if (state.second !== null) {
      this.media.begin(nowPs, false);
    }
    return this.#waitUntil(state, atPs);
  }

  /** Starts the read of the range of a command. @returns bytes that may be sent now; the data engine hears of further ones */
  startRead(state: IoState): number {
    this.#read(state);
    state.piece = 0;
    return this.#allowNext(state);
  }

  /** Reads the range of a command, all of it. */
  waitRead(state: IoState): Status {
    this.#read(state);
    const slot = state.command.index;
    return this.#waitUntil(state, this.media.pieceReadyPs(slot, this.media.pieceCount(slot) - 1));
  }

  /** Room for the data of a write. */
  waitRoom(state: IoState): Status {
    return this.#waitUntil(state, this.media.takeRoom(this.#executor.nowPs, state.dataBytes));
  }

  /** The media path, when there is room: data come from then on. */
  waitPath(state: IoState): Status {
    const { nowPs } = this.#executor;
    return this.#waitUntil(state, this.media.write(nowPs, state.command.index, state.dataBytes));
  }

  /** All that is in the cache now. */
  waitFlushed(state: IoState): Status {
    return this.#waitUntil(state, this.media.flushedPs(this.#executor.nowPs));
  }

  /** A command has been executed: waits for what it still owes. `isPastCache`: its data have to be on the media. */
  end(state: IoState, isPastCache: boolean): Status {
    const { nowPs } = this.#executor;
    if (state.command.status !== 0) {
      return DONE;
    }
    switch (state.command.opcode) {
      case NVM_OPCODE.WRITE:
        return this.#waitUntil(state, this.media.writeDonePs(nowPs, state.command.index, isPastCache));
      case NVM_OPCODE.WRITE_ZEROES:
      case NVM_OPCODE.WRITE_UNCORRECTABLE:
      case NVM_OPCODE.DATASET_MANAGEMENT:
        return this.#waitUntil(state, nowPs + this.media.timing.writeLatencyPs);
      case NVM_OPCODE.COPY:
        return this.#waitUntil(state, this.media.copy(nowPs, state.dataBytes));
      default:
        return DONE;
    }
  }

  /** Nothing that a command waits for matters any more. */
  forget(state: IoState): void {
    state.timeRun++;
    state.isTimed = false;
  }

  onEvent(code: number, argument: number): void {
    const slotCount = this.#states.length;
    const run = Math.floor(argument / slotCount);
    const state = this.#states[argument - run * slotCount]!;
    if (run !== state.timeRun) {
      return;
    }
    if (code === GO_ON) {
      state.isTimed = false;
      this.#owner.onTime(state);
    } else {
      // Its time has come, whatever the clock of an untimed machine says.
      state.piece++;
      this.#data.allow(state.command, this.#allowNext(state));
    }
  }

  #read(state: IoState): void {
    const namespace = state.namespace!;
    const offset = state.slba * namespace.blockBytes;
    this.media.read(
      this.#executor.nowPs,
      state.command.index,
      namespace.nsid,
      offset,
      Math.max(1, state.dataBytes),
    );
  }

  /** Counts the pieces that are off the media, and asks to be woken for the next. @returns bytes that may be sent */
  #allowNext(state: IoState): number {
    const { media } = this;
    const slot = state.command.index;
    const { nowPs } = this.#executor;
    const count = media.pieceCount(slot);
    let { piece } = state;
    while (piece < count && media.pieceReadyPs(slot, piece) <= nowPs) {
      piece++;
    }
    if (piece >= count) {
      return Number.POSITIVE_INFINITY;
    }
    state.piece = piece;
    const delayPs = media.pieceReadyPs(slot, piece) - nowPs;
    this.#executor.after(delayPs, this, PIECE, state.timeRun * this.#states.length + slot);
    return piece === 0 ? 0 : media.pieceEndBytes(slot, piece - 1);
  }

  #waitUntil(state: IoState, atPs: number): Status {
    const delayPs = atPs - this.#executor.nowPs;
    if (delayPs <= 0) {
      return DONE;
    }
    state.isTimed = true;
    const argument = state.timeRun * this.#states.length + state.command.index;
    this.#executor.after(delayPs, this, GO_ON, argument);
    return PENDING;
  }
}

/** Whether a command reads the media and changes nothing. */
function isLook(opcode: number): boolean {
  return opcode === NVM_OPCODE.READ || opcode === NVM_OPCODE.COMPARE || opcode === NVM_OPCODE.VERIFY;
}
