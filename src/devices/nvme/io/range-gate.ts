/**
 * Keeps commands apart that would get in each other's way: while a range of media moves to or from the bus, nobody writes
 * it; while it is written, nobody reads it either.
 *
 * So every command is atomic for every other one, whatever its length, and AWUN, NAWUN and ACWU may say what they like. A
 * command that was done at once never holds anything. Those that wait are let in in the order in which they came: a
 * command also waits for earlier ones that wait. Commands with lists of ranges take whole namespaces.
 */
import { assert } from '../../../base/index.ts';
import type { IoState } from './io-state.ts';

export class RangeGate {
  readonly #holding: IoState[] = [];
  readonly #waiting: IoState[] = [];

  /** Nobody holds a range or waits for one. */
  isQuiet = true;

  get holdingCount(): number {
    return this.#holding.length;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Whether a command may go on; otherwise it waits, and `nextAdmitted` will give it out. */
  enter(state: IoState): boolean {
    if (this.isQuiet || state.isAdmitted) {
      state.isAdmitted = true;
      return true;
    }
    if (this.#isFree(state, this.#waiting.length)) {
      state.isAdmitted = true;
      return true;
    }
    state.isWaiting = true;
    this.#waiting.push(state);
    return false;
  }

  /** An admitted command has become pending. */
  hold(state: IoState): void {
    assert(state.heldAt < 0, 'a command holds its range twice', { slot: state.command.index });
    state.heldAt = this.#holding.length;
    this.#holding.push(state);
    this.isQuiet = false;
  }

  release(state: IoState): void {
    const last = this.#holding.pop()!;
    if (last !== state) {
      this.#holding[state.heldAt] = last;
      last.heldAt = state.heldAt;
    }
    state.heldAt = -1;
    this.#look();
  }

  /** Takes a command that waits out of the queue. */
  leave(state: IoState): void {
    const index = this.#waiting.indexOf(state);
    assert(index >= 0, 'a command leaves a queue that it is not in', { slot: state.command.index });
    this.#waiting.splice(index, 1);
    state.isWaiting = false;
    this.#look();
  }

  /** The first of those that wait that may go on, admitted; null when there is none. */
  nextAdmitted(): IoState | null {
    for (let i = 0; i < this.#waiting.length; i++) {
      const state = this.#waiting[i]!;
      if (this.#isFree(state, i)) {
        this.leave(state);
        state.isAdmitted = true;
        return state;
      }
    }
    return null;
  }

  /** Whether nobody holds or wants a range of a namespace. */
  isIdle(nsid: number): boolean {
    const isElsewhere = (state: IoState): boolean => state.gateNsid !== 0 && state.gateNsid !== nsid;
    return this.#holding.every(isElsewhere) && this.#waiting.every(isElsewhere);
  }

  reset(): void {
    for (const state of this.#holding) {
      state.heldAt = -1;
    }
    for (const state of this.#waiting) {
      state.isWaiting = false;
    }
    this.#holding.length = 0;
    this.#waiting.length = 0;
    this.isQuiet = true;
  }

  #look(): void {
    this.isQuiet = this.#holding.length === 0 && this.#waiting.length === 0;
  }

  #isFree(state: IoState, waitingBefore: number): boolean {
    for (const other of this.#holding) {
      if (isInTheWay(state, other)) {
        return false;
      }
    }
    for (let i = 0; i < waitingBefore; i++) {
      if (isInTheWay(state, this.#waiting[i]!)) {
        return false;
      }
    }
    return true;
  }
}

function isInTheWay(a: IoState, b: IoState): boolean {
  return (
    (a.isWrite || b.isWrite) &&
    a.slba < b.end &&
    b.slba < a.end &&
    (a.gateNsid === b.gateNsid || a.gateNsid === 0 || b.gateNsid === 0)
  );
}
