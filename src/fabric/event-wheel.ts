/**
 * Events that are never cancelled, by their moment: a wheel of wheels. Putting one in and taking the first one out cost a few
 * list operations however many wait, where a heap compares its way through all its levels (bench/timing/event-queue.bench.mjs).
 *
 * A moment is its distance from `epoch` in whole picoseconds, 32 bits, read as digits of 6 bits. An event waits in the bucket of
 * the highest digit in which it differs from `base`, a moment that none of them lies before. The lowest bucket that is not
 * empty therefore holds the first event; when the run gets there, `base` moves to its beginning and what is in it spreads over
 * the buckets of lower digits. An event alone in its bucket is taken from where it is.
 *
 * Events of one moment are always in one bucket, in the order in which they came, so nothing has to be compared to keep that
 * order. What lies beyond the window of 2^32 ps (4.3 ms) is not taken in and waits in a heap.
 */
import type { EventHandler } from '../access/index.ts';
import { grown } from './event-heap.ts';

const DIGIT_BITS = 6;
const DIGIT_MASK = 63;
const DIGITS = 6;
const WINDOW_PS = 2 ** 32;

export class EventWheel {
  /** Events that wait. */
  count = 0;
  /** No event from here on is taken in. Means nothing while nothing waits. */
  windowEndPs = 0;
  /** Up to where `first` looks. A field, because a number that is passed to a call may have to be allocated. */
  limitPs = 0;
  /** For `begin`; a field for the same reason. */
  beginPs = 0;

  // By slot; slot 0 is none. Filled in and read by the queue itself.
  times = new Float64Array(64);
  orders = new Float64Array(64);
  codes = new Int32Array(64);
  arguments = new Float64Array(64);
  handlers: (EventHandler | undefined)[] = [undefined];
  /** The next event of the bucket, the last one leads to the first; of a free slot the next free one. */
  #next = new Int32Array(64);
  #freeSlot = 0;

  /** The last event of a bucket; 0: none. Bucket: 64 x digit + value of the digit. */
  readonly #tails = new Int32Array(DIGITS * 64);
  /** A bit for a bucket that is not empty, 32 in a word. */
  readonly #filled = new Int32Array(DIGITS * 2);
  /** A bit for a digit with buckets that are not empty. */
  #digits = 0;
  #epochPs = 0;
  /** Distance from the epoch, 32 bits. */
  #base = 0;
  /** Where `first` has found its event. */
  #bucket = 0;
  readonly #timeEndPs: number;

  /** @param timeEndPs  no moment from here on is taken in */
  constructor(timeEndPs: number) {
    this.#timeEndPs = timeEndPs;
  }

  /** Starts a window at `beginPs`, whole picoseconds; only while nothing waits. */
  begin(): void {
    this.#epochPs = this.beginPs;
    this.windowEndPs = Math.min(this.beginPs + WINDOW_PS, this.#timeEndPs);
    this.#base = 0;
  }

  /** A slot for an event, to be filled in by the caller and then linked. */
  newSlot(): number {
    const slot = this.#freeSlot;
    if (slot === 0) {
      return this.#addSlot();
    }
    this.#freeSlot = this.#next[slot]!;
    return slot;
  }

  /**
   * Takes the event of a new slot in. Its time is a whole number of picoseconds, not before now and before `windowEndPs`; its
   * order is above that of all calls before.
   */
  link(slot: number): void {
    this.count++;
    this.#link(slot);
  }

  /**
   * The first event, when it is not after `limitPs`. The caller then runs an event that is not after `limitPs`, be it this one
   * or another of its own, or `limitPs` is now: what is put in later is never before what is spread here.
   * @returns its slot, or 0
   */
  first(): number {
    while (this.#digits !== 0) {
      const digit = 31 - Math.clz32(this.#digits & -this.#digits);
      let word = 2 * digit;
      if (this.#filled[word] === 0) {
        word++;
      }
      const filled = this.#filled[word]!;
      const bucket = 32 * word + 31 - Math.clz32(filled & -filled);
      const tail = this.#tails[bucket]!;
      const head = this.#next[tail]!;
      if (head === tail || digit === 0) {
        this.#bucket = bucket;
        return this.times[head]! <= this.limitPs ? head : 0;
      }
      const shift = digit * DIGIT_BITS;
      // Two shifts, because a shift by 36 is one by 4.
      const start =
        ((((this.#base >>> shift) >>> DIGIT_BITS) << DIGIT_BITS) | (bucket & DIGIT_MASK)) << shift;
      if (!(this.#epochPs + (start >>> 0) <= this.limitPs)) {
        return 0;
      }
      this.#base = start;
      this.#clear(bucket);
      this.#spread(head, tail);
    }
    return 0;
  }

  /** The moment of the first event, Infinity for none. Changes nothing, and looks at all of a bucket: not for hot callers. */
  get nextPs(): number {
    if (this.#digits === 0) {
      return Number.POSITIVE_INFINITY;
    }
    const digit = 31 - Math.clz32(this.#digits & -this.#digits);
    const word = this.#filled[2 * digit] === 0 ? 2 * digit + 1 : 2 * digit;
    const filled = this.#filled[word]!;
    const tail = this.#tails[32 * word + 31 - Math.clz32(filled & -filled)]!;
    let nextPs = this.times[tail]!;
    for (let slot = this.#next[tail]!; slot !== tail; slot = this.#next[slot]!) {
      nextPs = Math.min(nextPs, this.times[slot]!);
    }
    return nextPs;
  }

  /** Takes out what `first` has returned just now. Its slot may be read until the next `newSlot`. */
  take(slot: number): void {
    const bucket = this.#bucket;
    const tail = this.#tails[bucket]!;
    if (slot === tail) {
      this.#clear(bucket);
    } else {
      this.#next[tail] = this.#next[slot]!;
    }
    this.#base = (this.times[slot]! - this.#epochPs) | 0;
    this.count--;
    this.#next[slot] = this.#freeSlot;
    this.#freeSlot = slot;
  }

  #link(slot: number): void {
    const distance = (this.times[slot]! - this.#epochPs) | 0;
    const next = this.#next;
    const digit = ((31 - Math.clz32((distance ^ this.#base) | 1)) / DIGIT_BITS) | 0;
    const bucket = (digit << DIGIT_BITS) | ((distance >>> (digit * DIGIT_BITS)) & DIGIT_MASK);
    const tail = this.#tails[bucket]!;
    if (tail === 0) {
      next[slot] = slot;
      this.#filled[bucket >> 5] = this.#filled[bucket >> 5]! | (1 << (bucket & 31));
      this.#digits |= 1 << digit;
    } else {
      next[slot] = next[tail]!;
      next[tail] = slot;
    }
    this.#tails[bucket] = slot;
  }

  #spread(head: number, tail: number): void {
    let slot = head;
    for (;;) {
      const following = this.#next[slot]!;
      this.#link(slot);
      if (slot === tail) {
        return;
      }
      slot = following;
    }
  }

  #clear(bucket: number): void {
    this.#tails[bucket] = 0;
    const word = bucket >> 5;
    const filled = this.#filled[word]! & ~(1 << (bucket & 31));
    this.#filled[word] = filled;
    if (filled === 0 && this.#filled[word ^ 1] === 0) {
      this.#digits &= ~(1 << (bucket >> DIGIT_BITS));
    }
  }

  #addSlot(): number {
    const slot = this.handlers.length;
    this.handlers.push(undefined);
    if (slot === this.codes.length) {
      const size = slot * 2;
      this.times = grown(this.times, new Float64Array(size));
      this.orders = grown(this.orders, new Float64Array(size));
      this.codes = grown(this.codes, new Int32Array(size));
      this.arguments = grown(this.arguments, new Float64Array(size));
      this.#next = grown(this.#next, new Int32Array(size));
    }
    return slot;
  }
}
