/**
 * Which submission queue is served next: round robin, or weighted round robin with an urgent class.
 *
 * The admin queue goes first in both; the specification leaves that open for round robin. Weights count commands: a class is
 * served until its credits are used up, and all get new credits when no class with waiting queues has any left. Follows
 * NVM Express Base 2.1, section 3.4.4.
 */
import { QUEUE_CLASS, type SubmissionQueue } from './submission-queue.ts';

const CLASS_COUNT = 5;

export class ReadyList {
  readonly #first: (SubmissionQueue | null)[] = new Array<SubmissionQueue | null>(CLASS_COUNT).fill(null);
  readonly #last: (SubmissionQueue | null)[] = new Array<SubmissionQueue | null>(CLASS_COUNT).fill(null);
  readonly #credits = new Int32Array(CLASS_COUNT);
  readonly #weights = new Int32Array(CLASS_COUNT).fill(1);
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Commands per turn of each class, 1 or more. */
  setWeights(high: number, medium: number, low: number): void {
    this.#weights[QUEUE_CLASS.HIGH] = high;
    this.#weights[QUEUE_CLASS.MEDIUM] = medium;
    this.#weights[QUEUE_CLASS.LOW] = low;
  }

  add(queue: SubmissionQueue): void {
    if (queue.isListed) {
      return;
    }
    queue.isListed = true;
    queue.next = null;
    const last = this.#last[queue.queueClass]!;
    if (last === null) {
      this.#first[queue.queueClass] = queue;
    } else {
      last.next = queue;
    }
    this.#last[queue.queueClass] = queue;
    this.#count++;
  }

  /** Takes the next queue out; undefined when none is ready. */
  take(): SubmissionQueue | undefined {
    if (this.#count === 0) {
      return undefined;
    }
    const queueClass = this.#nextClass();
    const queue = this.#first[queueClass]!;
    this.#first[queueClass] = queue.next;
    if (queue.next === null) {
      this.#last[queueClass] = null;
    }
    queue.next = null;
    queue.isListed = false;
    this.#count--;
    return queue;
  }

  /** Commands that a queue of this class may have in its turn. */
  creditsOf(queueClass: number): number {
    return queueClass < QUEUE_CLASS.HIGH ? Number.MAX_SAFE_INTEGER : Math.max(1, this.#credits[queueClass]!);
  }

  /** A queue was served that many commands. */
  charge(queueClass: number, commands: number): void {
    this.#credits[queueClass]! -= commands;
  }

  remove(queue: SubmissionQueue): void {
    if (!queue.isListed) {
      return;
    }
    let before: SubmissionQueue | null = null;
    let at = this.#first[queue.queueClass] ?? null;
    while (at !== null && at !== queue) {
      before = at;
      at = at.next;
    }
    if (before === null) {
      this.#first[queue.queueClass] = queue.next;
    } else {
      before.next = queue.next;
    }
    if (queue.next === null) {
      this.#last[queue.queueClass] = before;
    }
    queue.next = null;
    queue.isListed = false;
    this.#count--;
  }

  clear(): void {
    while (this.take() !== undefined) {
      // Each queue forgets that it was listed.
    }
  }

  #nextClass(): number {
    for (let queueClass = 0; queueClass < QUEUE_CLASS.HIGH; queueClass++) {
      if (this.#first[queueClass] !== null) {
        return queueClass;
      }
    }
    for (;;) {
      for (let queueClass: number = QUEUE_CLASS.HIGH; queueClass < CLASS_COUNT; queueClass++) {
        if (this.#first[queueClass] !== null && this.#credits[queueClass]! > 0) {
          return queueClass;
        }
      }
      this.#credits.set(this.#weights);
    }
  }
}
