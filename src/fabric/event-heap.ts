/**
 * Deadlines, most of which are cancelled, and what lies too far ahead for the wheel: a binary heap of slots over typed arrays,
 * ordered by time and then by the order of asking. Cancelling takes an entry out at once: a million commands that armed and
 * cancelled their deadlines leave nothing behind.
 */
import type { EventHandler, TimerId } from '../access/index.ts';

const SLOTS_MAX = 0x100_0000;

export class EventHeap {
  /** Events that wait. */
  count = 0;

  // By slot. Read by the queue while it runs an event.
  times = new Float64Array(64);
  orders = new Float64Array(64);
  codes = new Int32Array(64);
  arguments = new Float64Array(64);
  handlers: (EventHandler | undefined)[] = [];

  /** Where a slot stands in the heap; -1 when it is free. */
  #places = new Int32Array(64).fill(-1);
  /** Counts uses of a slot, so that an old timer id names nothing. */
  #uses = new Float64Array(64);
  #heap = new Int32Array(64);
  readonly #freeSlots: number[] = [];
  #slotCount = 0;

  /** The slot of the first event; only while there is one. */
  get head(): number {
    return this.#heap[0]!;
  }

  /** @returns the slot, until it is removed */
  push(atPs: number, order: number, handler: EventHandler, code: number, argument: number): number {
    const slot = this.#freeSlots.pop() ?? this.#newSlot();
    this.handlers[slot] = handler;
    this.codes[slot] = code;
    this.arguments[slot] = argument;
    this.times[slot] = atPs;
    this.orders[slot] = order;
    this.#siftUp(this.count++, slot);
    return slot;
  }

  /** Names this use of the slot, never 0. */
  idOf(slot: number): TimerId {
    return this.#uses[slot]! * SLOTS_MAX + slot + 1;
  }

  /** No effect when the event has gone. */
  cancel(timer: TimerId): void {
    if (timer === 0) {
      return;
    }
    const slot = (timer - 1) % SLOTS_MAX;
    if (
      slot < this.#slotCount &&
      this.#places[slot]! >= 0 &&
      this.#uses[slot] === Math.floor((timer - 1) / SLOTS_MAX)
    ) {
      this.remove(slot);
    }
  }

  remove(slot: number): void {
    const place = this.#places[slot]!;
    const last = this.#heap[--this.count]!;
    this.#places[slot] = -1;
    this.handlers[slot] = undefined;
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

  #newSlot(): number {
    const slot = this.#slotCount++;
    if (slot === this.codes.length) {
      const size = slot * 2;
      this.codes = grown(this.codes, new Int32Array(size));
      this.arguments = grown(this.arguments, new Float64Array(size));
      this.times = grown(this.times, new Float64Array(size));
      this.orders = grown(this.orders, new Float64Array(size));
      this.#places = grown(this.#places, new Int32Array(size).fill(-1));
      this.#uses = grown(this.#uses, new Float64Array(size));
      this.#heap = grown(this.#heap, new Int32Array(size));
    }
    return slot;
  }

  #isBefore(a: number, b: number): boolean {
    const earlier = this.times[a]! - this.times[b]!;
    return earlier < 0 || (earlier === 0 && this.orders[a]! < this.orders[b]!);
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
      if (child >= this.count) {
        break;
      }
      if (child + 1 < this.count && this.#isBefore(this.#heap[child + 1]!, this.#heap[child]!)) {
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

/** The larger array, with what the smaller one held at its beginning. */
export function grown<Values extends Int32Array | Float64Array>(from: Values, into: Values): Values {
  into.set(from);
  return into;
}
