/** All bulk requests of one path: served in order, one after the other, at the rate that the path's share allows. */
import type { TimerId } from '../../access/index.ts';
import type { Route } from './flow-route.ts';
import type { Shape } from './flow-shape.ts';
import { TranslationWindow } from './flow-translation.ts';

export class Flow {
  readonly route: Route;
  /** Where it stands among the flows that are served; -1: idle. */
  place = -1;
  /** Slots of requests; the head is served. */
  #slots = new Int32Array(8);
  #first = 0;
  #count = 0;

  /** What is left of the head, in units. */
  left = 0;
  /** The head's service began, and `left` was true, at these moments; fractions are kept. */
  startedPs = 0;
  clockPs = 0;
  /** The part of the head that stages have been busy with, as far as that has been counted. */
  countedPart = 0;
  /** Units served since it was last idle. */
  served = 0;
  /** `stolenPs` of the resource that limits it, as far as it has been paid. */
  paidPs = 0;
  timer: TimerId = 0;
  /** The shape whose costs count now. */
  shape: Shape | null = null;
  /** Translation of the head made it wait so long. */
  waitPs = 0;
  /** Null where nothing is translated. */
  readonly window: TranslationWindow | null;
  /** Posted requests do not arrive before those that were sent before them. */
  lastArrivedPs = 0;
  /** Control requests may still delay the head by so much: it is never starved. */
  debtPs = 0;
  /** It waits for the posted request before it to be seen, since; -1: it does not. */
  waitingSincePs = -1;

  readonly index: number;

  constructor(route: Route, index: number) {
    this.route = route;
    this.index = index;
    this.window = route.path.translation === null ? null : new TranslationWindow();
  }

  get count(): number {
    return this.#count;
  }

  get head(): number {
    return this.#slots[this.#first]!;
  }

  push(slot: number): void {
    const size = this.#slots.length;
    if (this.#count === size) {
      const slots = new Int32Array(size * 2);
      for (let i = 0; i < size; i++) {
        slots[i] = this.#slots[(this.#first + i) & (size - 1)]!;
      }
      this.#slots = slots;
      this.#first = 0;
    }
    this.#slots[(this.#first + this.#count++) & (this.#slots.length - 1)] = slot;
  }

  pop(): number {
    const slot = this.#slots[this.#first]!;
    this.#first = (this.#first + 1) & (this.#slots.length - 1);
    this.#count--;
    return slot;
  }
}
