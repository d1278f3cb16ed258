// A clock that a test moves: events of `after` run with `settle`, timers with `advance`.
import type { EventHandler, Executor, TimerId } from '../../../../src/access/index.ts';

interface Entry {
  readonly atPs: number;
  readonly order: number;
  readonly handler: EventHandler;
  readonly code: number;
  readonly argument: number;
}

export class ManualExecutor implements Executor {
  nowPs = 0;
  readonly #events: Entry[] = [];
  readonly #timers = new Map<TimerId, Entry>();
  #order = 0;

  after(_delayPs: number, handler: EventHandler, code: number, argument: number): void {
    this.#order++;
    this.#events.push({ atPs: this.nowPs, order: this.#order, handler, code, argument });
  }

  timer(delayPs: number, handler: EventHandler, code: number, argument: number): TimerId {
    this.#order++;
    this.#timers.set(this.#order, {
      atPs: this.nowPs + delayPs,
      order: this.#order,
      handler,
      code,
      argument,
    });
    return this.#order;
  }

  cancel(timer: TimerId): void {
    this.#timers.delete(timer);
  }

  hold(): void {}
  release(): void {}

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Runs what is due, to the end. @param pick  which of those waiting comes next; the first unless given */
  settle(pick: (count: number) => number = () => 0): void {
    while (this.#events.length > 0) {
      const [event] = this.#events.splice(pick(this.#events.length), 1);
      event!.handler.onEvent(event!.code, event!.argument);
    }
  }

  /** Moves the clock; timers fire in the order of their deadlines. */
  advance(ms: number): void {
    const end = this.nowPs + ms * 1e9;
    for (;;) {
      this.settle();
      let first: [TimerId, Entry] | undefined;
      for (const [id, entry] of this.#timers) {
        if (entry.atPs <= end && (first === undefined || entry.atPs < first[1].atPs)) {
          first = [id, entry];
        }
      }
      if (first === undefined) {
        break;
      }
      this.#timers.delete(first[0]);
      this.nowPs = first[1].atPs;
      first[1].handler.onEvent(first[1].code, first[1].argument);
    }
    this.nowPs = end;
  }
}
