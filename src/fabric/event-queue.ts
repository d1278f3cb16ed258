/**
 * The event queue of a closed run: who works next, and what time it is.
 *
 * Work that is due now is a ring, first come first served. What comes later and is never cancelled is in a wheel
 * (event-wheel.ts), deadlines are in a heap (event-heap.ts); both keep time and then the order of asking, so that a run is the
 * same every time.
 *
 * The options say what `after` takes: nothing (an untimed machine), a random delay from a seed (the contract suites, which
 * prove that devices and drivers do not depend on who is first), or what it is told (`timed`).
 */
import type { EventHandler, Executor, TimerId } from '../access/index.ts';
import { assert, PeerlaneError, SeededRandom } from '../base/index.ts';
import { EventHeap } from './event-heap.ts';
import { EventWheel } from './event-wheel.ts';

/** The largest moment that is still exact; about 2.5 hours. */
export const TIME_END_PS = 2 ** 53;

/** Events between two looks at the world outside. */
const EVENTS_PER_TURN = 20_000;

/** A run that reached the end of time. Code FABRIC_TIME_END. */
export class TimeError extends PeerlaneError {}

export interface EventQueueOptions {
  /** A machine whose work takes time: `after` takes what it is told, rounded up to a whole picosecond. */
  readonly timed?: boolean;
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
  /** The moment for `scheduleDue`. A field, because a number that is passed to a call may have to be allocated. */
  duePs = 0;

  // Work that is due: a ring with a power of two entries.
  #ringHandlers: (EventHandler | undefined)[] = new Array<EventHandler | undefined>(64);
  #ringCodes = new Int32Array(64);
  #ringArguments = new Float64Array(64);
  #ringOrders = new Float64Array(64);
  #ringHead = 0;
  #ringCount = 0;

  // What is due later.
  readonly #wheel = new EventWheel(TIME_END_PS);
  readonly #heap = new EventHeap();
  #order = 0;

  /** Time does not pass beyond this moment; finite while a clock outside says what time it is. */
  #horizonPs = Number.POSITIVE_INFINITY;
  #holds = 0;
  #isRunning = false;
  #isTurnAsked = false;
  readonly #turn: (run: () => void) => void;
  readonly #random: SeededRandom | undefined;
  readonly #jitterPs: number;
  readonly #isTimed: boolean;

  constructor(options: EventQueueOptions = {}) {
    this.#turn = options.turn ?? nextTurn;
    this.#random = options.jitter === undefined ? undefined : new SeededRandom(options.jitter.seed);
    this.#jitterPs = options.jitter?.jitterPs ?? 0;
    this.#isTimed = options.timed ?? false;
  }

  /** Nothing is due and no deadline is pending. */
  get isIdle(): boolean {
    return this.#ringCount === 0 && !this.#isAwaiting;
  }

  /** Whether model work takes time here, so that requests between functions may be answered later. */
  get isDelaying(): boolean {
    return this.#isTimed || this.#random !== undefined;
  }

  after(delayPs: number, handler: EventHandler, code: number, argument: number): void {
    if (this.#isTimed) {
      this.schedule(this.nowPs + Math.ceil(delayPs), handler, code, argument);
    } else if (this.#random !== undefined) {
      this.schedule(this.nowPs + this.#random.below(this.#jitterPs), handler, code, argument);
    } else {
      this.#pushRing(handler, code, argument);
      this.#wake();
    }
  }

  /** A random delay from the seed; 0 where model work takes none, or takes what it is told. */
  drawDelayPs(): number {
    return this.#random === undefined ? 0 : this.#random.below(this.#jitterPs);
  }

  /** At a moment of its own, for requests under way whose order the caller knows. Not before now. */
  at(atPs: number, handler: EventHandler, code: number, argument: number): void {
    this.schedule(atPs, handler, code, argument);
  }

  /**
   * At a moment of its own, for the hottest callers: the moment is rounded up to a whole picosecond, one that has passed is
   * now. There is no id, so it is never cancelled.
   */
  schedule(atPs: number, handler: EventHandler, code: number, argument: number): void {
    // So small that the compiler always takes it into its caller, where the moment then is no object. Bench: timing/tlp.
    this.duePs = atPs;
    this.scheduleDue(handler, code, argument);
  }

  /** As `schedule`, at `duePs`. */
  scheduleDue(handler: EventHandler, code: number, argument: number): void {
    const atPs = this.duePs;
    const moment = Math.ceil(atPs);
    if (moment > this.nowPs) {
      const wheel = this.#wheel;
      if (wheel.count === 0) {
        wheel.beginPs = this.nowPs;
        wheel.begin();
      }
      if (moment < wheel.windowEndPs) {
        const slot = wheel.newSlot();
        wheel.times[slot] = moment;
        wheel.orders[slot] = this.#order++;
        wheel.handlers[slot] = handler;
        wheel.codes[slot] = code;
        wheel.arguments[slot] = argument;
        wheel.link(slot);
      } else {
        this.#heap.push(moment, this.#order++, handler, code, argument);
      }
    } else {
      assert(atPs <= this.nowPs, 'a moment that is not a number');
      this.#pushDue(handler, code, argument);
    }
    this.#wake();
  }

  timer(delayPs: number, handler: EventHandler, code: number, argument: number): TimerId {
    assert(!Number.isNaN(delayPs), 'a deadline that is not a number');
    const moment = this.nowPs + Math.max(0, Math.ceil(delayPs));
    const slot = this.#heap.push(moment, this.#order++, handler, code, argument);
    this.#wake();
    return this.#heap.idOf(slot);
  }

  cancel(timer: TimerId): void {
    this.#heap.cancel(timer);
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
    return this.#run(eventsMax, true);
  }

  /**
   * For a queue that follows a clock outside: runs all that is due at or before a moment, which then is now. Time passes
   * whoever holds it, and beyond 2^53 ps too: deadlines only become less exact there.
   * @param atPs       a moment before now means now
   * @param eventsMax  after so many it returns, and time has come no further than the last of them
   * @returns events run
   */
  runUntil(atPs: number, eventsMax = Number.POSITIVE_INFINITY): number {
    assert(atPs < Number.POSITIVE_INFINITY, 'a clock that shows no moment', { atPs });
    this.#horizonPs = Math.max(atPs, this.nowPs);
    try {
      const count = this.#run(eventsMax, true);
      if (count < eventsMax) {
        this.nowPs = this.#horizonPs;
      }
      return count;
    } finally {
      this.#horizonPs = Number.POSITIVE_INFINITY;
    }
  }

  /** When the next event is due: `nowPs` when one is now, Infinity when there is none. */
  get nextPs(): number {
    if (this.#ringCount > 0) {
      return this.nowPs;
    }
    const heap = this.#heap;
    const deadlinePs = heap.count > 0 ? heap.times[heap.head]! : Number.POSITIVE_INFINITY;
    return Math.max(this.nowPs, Math.min(deadlinePs, this.#wheel.nextPs));
  }

  get #isAwaiting(): boolean {
    return this.#wheel.count > 0 || this.#heap.count > 0;
  }

  get #isFollowing(): boolean {
    return this.#horizonPs !== Number.POSITIVE_INFINITY;
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
    this.#run(EVENTS_PER_TURN, false);
    if (this.#ringCount > 0 || (this.#isAwaiting && this.#holds === 0)) {
      this.#wake();
    }
  };

  /** @param mayJumpAgain  time may pass after the first event as well */
  #run(eventsMax: number, mayJumpAgain: boolean): number {
    assert(!this.#isRunning, 'the event queue was run from inside an event');
    this.#isRunning = true;
    let count = 0;
    try {
      while (count < eventsMax) {
        if (this.#ringCount > 0 && !this.#isTimed) {
          this.#runRing();
        } else {
          const mayJump =
            this.#ringCount === 0 &&
            (this.#holds === 0 || this.#isFollowing) &&
            (mayJumpAgain || count === 0);
          if (!this.#runLater(mayJump)) {
            if (this.#ringCount === 0) {
              break;
            }
            this.#runRing();
          }
        }
        count++;
      }
    } finally {
      this.#isRunning = false;
    }
    return count;
  }

  /**
   * Runs the first event of wheel and heap, unless it is after now and time may not pass, or it was asked for after what is due.
   * @returns whether there was one
   */
  #runLater(mayJump: boolean): boolean {
    const heap = this.#heap;
    let limit = mayJump ? this.#horizonPs : this.nowPs;
    let deadline = -1;
    if (heap.count > 0 && heap.times[heap.head]! <= limit) {
      deadline = heap.head;
      limit = heap.times[deadline]!;
    }
    const wheel = this.#wheel;
    wheel.limitPs = limit;
    const slot = wheel.first();
    if (slot !== 0) {
      const atPs = wheel.times[slot]!;
      if (deadline < 0 || atPs < limit || wheel.orders[slot]! < heap.orders[deadline]!) {
        wheel.take(slot);
        this.nowPs = atPs;
        // It stays in the slot until that is used again; an event keeps nothing large alive.
        wheel.handlers[slot]!.onEvent(wheel.codes[slot]!, wheel.arguments[slot]!);
        return true;
      }
    }
    // In a timed machine, work due and deadlines of the same moment run in the order of asking. What the wheel holds of this
    // moment was asked for before the moment came, and so before all that is due.
    if (deadline < 0 || (this.#ringCount > 0 && heap.orders[deadline]! > this.#ringOrders[this.#ringHead]!)) {
      return false;
    }
    this.#runDeadline(deadline);
    return true;
  }

  #runDeadline(slot: number): void {
    const atPs = this.#heap.times[slot]!;
    if (!(atPs < TIME_END_PS || this.#isFollowing)) {
      throw new TimeError('FABRIC_TIME_END', {
        message: `the simulation reached the end of its clock (2^53 ps, about two and a half hours)`,
        hint: 'run a shorter workload, or several runs',
        exitStatus: 3,
      });
    }
    this.nowPs = atPs;
    const heap = this.#heap;
    const handler = heap.handlers[slot]!;
    heap.remove(slot);
    handler.onEvent(heap.codes[slot]!, heap.arguments[slot]!);
  }

  #runRing(): void {
    const index = this.#ringHead;
    const handler = this.#ringHandlers[index]!;
    this.#ringHandlers[index] = undefined;
    this.#ringHead = (index + 1) & (this.#ringCodes.length - 1);
    this.#ringCount--;
    handler.onEvent(this.#ringCodes[index]!, this.#ringArguments[index]!);
  }

  #pushDue(handler: EventHandler, code: number, argument: number): void {
    if (this.#isTimed) {
      this.#pushRing(handler, code, argument);
    } else {
      // Where work costs nothing, all of it comes before every moment that was asked for, and be it now.
      this.#heap.push(this.nowPs, this.#order++, handler, code, argument);
    }
  }

  #pushRing(handler: EventHandler, code: number, argument: number): void {
    if (this.#ringCount === this.#ringCodes.length) {
      this.#growRing();
    }
    const index = (this.#ringHead + this.#ringCount) & (this.#ringCodes.length - 1);
    this.#ringHandlers[index] = handler;
    this.#ringCodes[index] = code;
    this.#ringArguments[index] = argument;
    this.#ringOrders[index] = this.#order++;
    this.#ringCount++;
  }

  #growRing(): void {
    const size = this.#ringCodes.length;
    const handlers = new Array<EventHandler | undefined>(size * 2);
    const codes = new Int32Array(size * 2);
    const args = new Float64Array(size * 2);
    const orders = new Float64Array(size * 2);
    for (let i = 0; i < size; i++) {
      const from = (this.#ringHead + i) & (size - 1);
      handlers[i] = this.#ringHandlers[from];
      codes[i] = this.#ringCodes[from]!;
      args[i] = this.#ringArguments[from]!;
      orders[i] = this.#ringOrders[from]!;
    }
    this.#ringHandlers = handlers;
    this.#ringCodes = codes;
    this.#ringArguments = args;
    this.#ringOrders = orders;
    this.#ringHead = 0;
  }
}
