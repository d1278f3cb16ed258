/**
 * The event queue of a closed run: who works next, and what time it is.
 *
 * Work that is due now is a ring, first come first served; deadlines and delayed work are a binary heap over typed arrays,
 * ordered by time and then by the order of asking, so that a run is the same every time. Cancelling takes an entry out at
 * once: a million commands that armed and cancelled their deadlines leave nothing behind.
 *
 * `costs` says what `after` takes: nothing (an untimed machine), or a random delay from a seed (the contract suites, which
 * prove that devices and drivers do not depend on who is first). Real costs come with the timed engine.
 */
import type { EventHandler, Executor, TimerId } from '../access/index.ts';
import { assert, PeerlaneError, SeededRandom } from '../base/index.ts';

/** The largest moment that is still exact; about 2.5 hours. */
export const TIME_END_PS = 2 ** 53;

/** Events between two looks at the world outside. */
const EVENTS_PER_TURN = 20_000;

/** A run that reached the end of time. Code FABRIC_TIME_END. */
export class TimeError extends PeerlaneError {}

export interface EventQueueOptions {
  /** `none`: an untimed machine. Otherwise every `after` takes up to `jitterPs`, drawn from `seed`. */
  readonly jitter?: { readonly seed: number; readonly jitterPs: number };
  /**
   * Lets the world outside have a turn and then calls `run`; default: the next turn of the host's event loop. A queue
   * that is driven by hand (`runUntilIdle`) is given a function that does nothing.
   */
  readonly turn?: (run: () => void) => void;
}

function nextTurn(run: () => void): void {
  const host = globalThis as { setImmediate?: (run: () => void) => void };
  if (host.setImmediate !== undefined) {
    host.setImmediate(run);
  } else {
    setTimeout(run, 0);
  }
}

/** For queues that are driven by hand. */
export function noTurn(): void {}

export class EventQueue implements Executor {
  nowPs = 0;

  // Work that is due: a ring with a power of two entries.
  #ringHandlers: (EventHandler | undefined)[] = new Array<EventHandler | undefined>(64);
  #ringCodes = new Int32Array(64);
  #ringArguments = new Float64Array(64);
  #ringHead = 0;
  #ringCount = 0;

  // What is due later: slots, and a heap of slot numbers.
  #handlers: (EventHandler | undefined)[] = [];
  #codes = new Int32Array(64);
  #arguments = new Float64Array(64);
  #times = new Float64Array(64);
  #orders = new Float64Array(64);
  /** Where a slot stands in the heap; -1 when it is free. */
  #places = new Int32Array(64).fill(-1);
  /** Counts uses of a slot, so that an old timer id names nothing. */
  #uses = new Float64Array(64);
  #heap = new Int32Array(64);
  #heapCount = 0;
  #freeSlots: number[] = [];
  #slotCount = 0;
  #order = 0;

  #holds = 0;
  #isRunning = false;
  #isTurnAsked = false;
  readonly #turn: (run: () => void) => void;
  readonly #random: SeededRandom | undefined;
  readonly #jitterPs: number;

  constructor(options: EventQueueOptions = {}) {
    this.#turn = options.turn ?? nextTurn;
    this.#random = options.jitter === undefined ? undefined : new SeededRandom(options.jitter.seed);
    this.#jitterPs = options.jitter?.jitterPs ?? 0;
  }

  /** Nothing is due and no deadline is pending. */
  get isIdle(): boolean {
    return this.#ringCount === 0 && this.#heapCount === 0;
  }

  /** Whether model work takes time here, so that requests between functions may be answered later. */
  get isDelaying(): boolean {
    return this.#random !== undefined;
  }

  after(_delayPs: number, handler: EventHandler, code: number, argument: number): void {
    if (this.#random !== undefined) {
      this.#push(this.nowPs + this.#random.below(this.#jitterPs), handler, code, argument);
    } else {
      this.#pushRing(handler, code, argument);
    }
    this.#wake();
  }

  /** A random delay from the seed; 0 where model work takes none. */
  drawDelayPs(): number {
    return this.#random === undefined ? 0 : this.#random.below(this.#jitterPs);
  }

  /** At a moment of its own, for requests under way whose order the caller knows. Not before now. */
  at(atPs: number, handler: EventHandler, code: number, argument: number): void {
    this.#push(Math.max(atPs, this.nowPs), handler, code, argument);
    this.#wake();
  }

  timer(delayPs: number, handler: EventHandler, code: number, argument: number): TimerId {
    const slot = this.#push(this.nowPs + Math.ceil(delayPs), handler, code, argument);
    this.#wake();
    return this.#uses[slot]! * 0x100_0000 + slot + 1;
  }

  cancel(timer: TimerId): void {
    if (timer === 0) {
      return;
    }
    const slot = (timer - 1) % 0x100_0000;
    if (
      slot < this.#slotCount &&
      this.#places[slot]! >= 0 &&
      this.#uses[slot] === Math.floor((timer - 1) / 0x100_0000)
    ) {
      this.#remove(slot);
    }
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    assert(this.#holds > 0, 'released more often than held');
    this.#holds--;
    this.#wake();
  }

  /**
   * Runs everything, deadlines included, until nothing is left or something outside is awaited.
   * @returns events run
   * @throws {TimeError} FABRIC_TIME_END
   */
  runUntilIdle(eventsMax = Number.POSITIVE_INFINITY): number {
    let count = 0;
    for (;;) {
      count += this.#runDue(eventsMax - count);
      if (count >= eventsMax || this.#heapCount === 0 || this.#holds > 0) {
        return count;
      }
      this.#jump();
    }
  }

  #wake(): void {
    if (!this.#isRunning && !this.#isTurnAsked) {
      this.#isTurnAsked = true;
      this.#turn(this.#onTurn);
    }
  }

  readonly #onTurn = (): void => {
    this.#isTurnAsked = false;
    // A whole turn with nothing due means that nobody outside has anything to add now: time may pass.
    if (this.#ringCount === 0 && !this.#isHeadDue() && this.#heapCount > 0 && this.#holds === 0) {
      this.#jump();
    }
    this.#runDue(EVENTS_PER_TURN);
    if (this.#ringCount > 0 || (this.#heapCount > 0 && this.#holds === 0)) {
      this.#wake();
    }
  };

  #isHeadDue(): boolean {
    return this.#heapCount > 0 && this.#times[this.#heap[0]!]! <= this.nowPs;
  }

  #jump(): void {
    const next = this.#times[this.#heap[0]!]!;
    if (!(next < TIME_END_PS)) {
      throw new TimeError('FABRIC_TIME_END', {
        message: `the simulation reached the end of its clock (2^53 ps, about two and a half hours)`,
        hint: 'run a shorter workload, or several runs',
        exitStatus: 3,
      });
    }
    this.nowPs = Math.max(this.nowPs, next);
  }

  #runDue(eventsMax: number): number {
    assert(!this.#isRunning, 'the event queue was run from inside an event');
    this.#isRunning = true;
    let count = 0;
    try {
      while (count < eventsMax) {
        if (this.#ringCount > 0) {
          const mask = this.#ringCodes.length - 1;
          const index = this.#ringHead;
          const handler = this.#ringHandlers[index]!;
          this.#ringHandlers[index] = undefined;
          this.#ringHead = (index + 1) & mask;
          this.#ringCount--;
          handler.onEvent(this.#ringCodes[index]!, this.#ringArguments[index]!);
        } else if (this.#isHeadDue()) {
          const slot = this.#heap[0]!;
          const handler = this.#handlers[slot]!;
          const code = this.#codes[slot]!;
          const argument = this.#arguments[slot]!;
          this.#remove(slot);
          handler.onEvent(code, argument);
        } else {
          break;
        }
        count++;
      }
    } finally {
      this.#isRunning = false;
    }
    return count;
  }

  #pushRing(handler: EventHandler, code: number, argument: number): void {
    if (this.#ringCount === this.#ringCodes.length) {
      this.#growRing();
    }
    const index = (this.#ringHead + this.#ringCount) & (this.#ringCodes.length - 1);
    this.#ringHandlers[index] = handler;
    this.#ringCodes[index] = code;
    this.#ringArguments[index] = argument;
    this.#ringCount++;
  }

  #growRing(): void {
    const size = this.#ringCodes.length;
    const handlers = new Array<EventHandler | undefined>(size * 2);
    const codes = new Int32Array(size * 2);
    const args = new Float64Array(size * 2);
    for (let i = 0; i < size; i++) {
      const from = (this.#ringHead + i) & (size - 1);
      handlers[i] = this.#ringHandlers[from];
      codes[i] = this.#ringCodes[from]!;
      args[i] = this.#ringArguments[from]!;
    }
    this.#ringHandlers = handlers;
    this.#ringCodes = codes;
    this.#ringArguments = args;
    this.#ringHead = 0;
  }

  #push(atPs: number, handler: EventHandler, code: number, argument: number): number {
    const slot = this.#freeSlots.pop() ?? this.#newSlot();
    this.#handlers[slot] = handler;
    this.#codes[slot] = code;
    this.#arguments[slot] = argument;
    this.#times[slot] = atPs;
    this.#orders[slot] = this.#order++;
    this.#siftUp(this.#heapCount++, slot);
    return slot;
  }

  #newSlot(): number {
    const slot = this.#slotCount++;
    if (slot === this.#codes.length) {
      const size = slot * 2;
      this.#codes = grown(this.#codes, new Int32Array(size));
      this.#arguments = grown(this.#arguments, new Float64Array(size));
      this.#times = grown(this.#times, new Float64Array(size));
      this.#orders = grown(this.#orders, new Float64Array(size));
      this.#places = grown(this.#places, new Int32Array(size).fill(-1));
      this.#uses = grown(this.#uses, new Float64Array(size));
      this.#heap = grown(this.#heap, new Int32Array(size));
    }
    return slot;
  }

  #remove(slot: number): void {
    const place = this.#places[slot]!;
    const last = this.#heap[--this.#heapCount]!;
    this.#places[slot] = -1;
    this.#handlers[slot] = undefined;
    this.#uses[slot]!++;
    this.#freeSlots.push(slot);
    if (last !== slot) {
      if (place > 0 && this.#isBefore(last, this.#heap[(place - 1) >> 1]!)) {
        this.#siftUp(place, last);
      } else {
        this.#siftDown(place, last);
      }
    }
  }

  #isBefore(a: number, b: number): boolean {
    const earlier = this.#times[a]! - this.#times[b]!;
    return earlier < 0 || (earlier === 0 && this.#orders[a]! < this.#orders[b]!);
  }

  #siftUp(from: number, slot: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const other = this.#heap[parent]!;
      if (!this.#isBefore(slot, other)) {
        break;
      }
      this.#heap[place] = other;
      this.#places[other] = place;
      place = parent;
    }
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #siftDown(from: number, slot: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#heapCount) {
        break;
      }
      if (child + 1 < this.#heapCount && this.#isBefore(this.#heap[child + 1]!, this.#heap[child]!)) {
        child++;
      }
      const other = this.#heap[child]!;
      if (!this.#isBefore(other, slot)) {
        break;
      }
      this.#heap[place] = other;
      this.#places[other] = place;
      place = child;
    }
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }
}

function grown<Values extends Int32Array | Float64Array>(from: Values, into: Values): Values {
  into.set(from);
  return into;
}
