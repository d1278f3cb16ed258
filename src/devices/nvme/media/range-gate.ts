/**
 * Keeps commands on one namespace apart that would get in each other's way: while a range of media moves to or from the
 * bus, nobody writes it; while it is written, nobody reads it either.
 *
 * So every command is atomic for every other one, of all controllers, whatever its length, and AWUN, NAWUN and ACWU may say
 * what they like. A command that was done at once never holds anything. Those that wait are let in in the order in which they
 * came: a command also waits for earlier ones that wait.
 */
import { assert } from '../../../base/index.ts';

/** A command at the gate. The gate alone writes the last three fields. */
export interface GateEntry {
  readonly slba: number;
  /** The block after the last. */
  readonly end: number;
  readonly isWrite: boolean;
  /** It may go on. */
  isAdmitted: boolean;
  isWaiting: boolean;
  /** Place among those that hold a range; -1 when it is none of them. */
  heldAt: number;
  /** It waited, and is admitted now. */
  resume(): void;
}

export class RangeGate {
  readonly #holding: GateEntry[] = [];
  readonly #waiting: GateEntry[] = [];
  #isLettingIn = false;
  /** Nobody holds a range or waits for one. */
  isQuiet = true;

  /** Whether a command may go on; otherwise it waits until `resume`. */
  enter(entry: GateEntry): boolean {
    if (this.isQuiet || entry.isAdmitted || this.#isFree(entry, this.#waiting.length)) {
      entry.isAdmitted = true;
      return true;
    }
    entry.isWaiting = true;
    this.#waiting.push(entry);
    return false;
  }

  /** An admitted command has become pending. */
  hold(entry: GateEntry): void {
    assert(entry.heldAt < 0, 'a command holds its range twice');
    entry.heldAt = this.#holding.length;
    this.#holding.push(entry);
    this.isQuiet = false;
  }

  /** Call `letIn` when the command is over. */
  release(entry: GateEntry): void {
    const last = this.#holding.pop()!;
    if (last !== entry) {
      this.#holding[entry.heldAt] = last;
      last.heldAt = entry.heldAt;
    }
    entry.heldAt = -1;
    this.#look();
  }

  /** Takes a command that waits out of the queue. Call `letIn` when it is over. */
  leave(entry: GateEntry): void {
    const index = this.#waiting.indexOf(entry);
    assert(index >= 0, 'a command leaves a queue that it is not in');
    this.#waiting.splice(index, 1);
    entry.isWaiting = false;
    this.#look();
  }

  /** Resumes those that may go on now. One that calls this while it is resumed changes nothing: the loop goes on. */
  letIn(): void {
    if (this.#waiting.length === 0 || this.#isLettingIn) {
      return;
    }
    this.#isLettingIn = true;
    let i = 0;
    while (i < this.#waiting.length) {
      const entry = this.#waiting[i]!;
      if (this.#isFree(entry, i)) {
        this.leave(entry);
        entry.isAdmitted = true;
        entry.resume();
        // What it did may have freed an earlier one.
        i = 0;
      } else {
        i++;
      }
    }
    this.#isLettingIn = false;
  }

  #look(): void {
    this.isQuiet = this.#holding.length === 0 && this.#waiting.length === 0;
  }

  #isFree(entry: GateEntry, waitingBefore: number): boolean {
    for (const other of this.#holding) {
      if (isInTheWay(entry, other)) {
        return false;
      }
    }
    for (let i = 0; i < waitingBefore; i++) {
      if (isInTheWay(entry, this.#waiting[i]!)) {
        return false;
      }
    }
    return true;
  }
}

function isInTheWay(a: GateEntry, b: GateEntry): boolean {
  return (a.isWrite || b.isWrite) && a.slba < b.end && b.slba < a.end;
}
