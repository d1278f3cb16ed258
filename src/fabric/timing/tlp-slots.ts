/**
 * What reads hold from request to completion: the tags of a source, the places of a gate.
 *
 * A source that reads over several paths at once divides them evenly, so that a path on which data comes slowly holds its part
 * and no more. Who has nothing to read has no part. `flow-share.ts` reckons with the same parts.
 */
import { partOf } from './slot-parts.ts';
import type { Queue } from './tlp-queue.ts';

/** One lane of those who share slots. */
export class Holder {
  readonly slots: Slots;
  readonly lane: Queue;
  /** Lanes of control requests take what is free, and have no part. */
  readonly hasPart: boolean;
  /** Its place among the others. */
  readonly order: number;
  held = 0;
  part = 0;
  isWaiting = false;

  constructor(slots: Slots, lane: Queue, hasPart: boolean, order: number) {
    this.slots = slots;
    this.lane = lane;
    this.hasPart = hasPart;
    this.order = order;
    this.part = hasPart ? 0 : Number.POSITIVE_INFINITY;
  }
}

export class Slots {
  max: number;
  used = 0;
  usedMax = 0;
  /** Holders that want a slot, in the order in which they asked. */
  readonly waiting: Holder[] = [];
  stallSincePs = -1;
  stallPs = 0;
  readonly #holders = new Map<Queue, Holder>();
  /** Holders with a part, by `order`. */
  readonly #active: Holder[] = [];

  constructor(max: number) {
    this.max = max;
  }

  holder(lane: Queue, hasPart: boolean): Holder {
    let holder = this.#holders.get(lane);
    if (holder === undefined) {
      holder = new Holder(this, lane, hasPart, this.#holders.size);
      this.#holders.set(lane, holder);
    }
    return holder;
  }

  mayTake(holder: Holder): boolean {
    return this.used < this.max && holder.held < holder.part;
  }

  take(holder: Holder): void {
    holder.held++;
    this.used++;
    this.usedMax = Math.max(this.usedMax, this.used);
  }

  give(holder: Holder): void {
    holder.held--;
    this.used--;
    if (holder.held === 0 && holder.lane.count === 0) {
      this.#deactivate(holder);
    }
  }

  /** The lane has something to read. */
  activate(holder: Holder): void {
    if (!holder.hasPart || holder.part > 0) {
      return;
    }
    const active = this.#active;
    let at = active.length;
    active.push(holder);
    while (at > 0 && active[at - 1]!.order > holder.order) {
      active[at] = active[at - 1]!;
      at--;
    }
    active[at] = holder;
    this.#divide();
  }

  #deactivate(holder: Holder): void {
    if (!holder.hasPart) {
      return;
    }
    const active = this.#active;
    for (let i = active.indexOf(holder); i + 1 < active.length; i++) {
      active[i] = active[i + 1]!;
    }
    active.pop();
    holder.part = 0;
    this.#divide();
  }

  #divide(): void {
    const { length } = this.#active;
    for (let place = 0; place < length; place++) {
      this.#active[place]!.part = partOf(this.max, length, place);
    }
  }

  wait(holder: Holder, clock: { readonly nowPs: number }): void {
    if (!holder.isWaiting) {
      holder.isWaiting = true;
      this.waiting.push(holder);
    }
    if (this.stallSincePs < 0) {
      this.stallSincePs = clock.nowPs;
    }
  }

  /** The first of those who wait and may have one now; control requests before others. Null: nobody. */
  next(): Holder | null {
    const { waiting } = this;
    let at = -1;
    for (let i = 0; i < waiting.length; i++) {
      const holder = waiting[i]!;
      if (this.mayTake(holder) && (at < 0 || !holder.hasPart)) {
        at = i;
        if (!holder.hasPart) {
          break;
        }
      }
    }
    if (at < 0) {
      return null;
    }
    const holder = waiting[at]!;
    for (let i = at + 1; i < waiting.length; i++) {
      waiting[i - 1] = waiting[i]!;
    }
    waiting.pop();
    holder.isWaiting = false;
    return holder;
  }

  endStall(clock: { readonly nowPs: number }): void {
    if (this.stallSincePs >= 0) {
      this.stallPs += clock.nowPs - this.stallSincePs;
      this.stallSincePs = -1;
    }
  }
}
