/** The model of work on the clock of the wall: for a target that real hosts use. */
import { type EventHandler, type Executor, PS_PER_MS, type TimerId } from '../../access/index.ts';

/** The longest time that `setTimeout` takes. */
const TIMEOUT_MS_MAX = 0x7fff_ffff;

export class WallExecutor implements Executor {
  readonly #nowMs: () => number;
  readonly #timers = new Map<TimerId, NodeJS.Timeout>();
  #nextId = 1;

  /** @param nowMs  a clock that never goes back */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get nowPs(): number {
    return Math.floor(this.#nowMs() * PS_PER_MS);
  }

  /** A model's work costs nothing here but that others come first. */
  after(_delayPs: number, handler: EventHandler, code: number, argument: number): void {
    setImmediate(() => {
      handler.onEvent(code, argument);
    });
  }

  timer(delayPs: number, handler: EventHandler, code: number, argument: number): TimerId {
    const id = this.#nextId;
    this.#nextId++;
    const timeout = setTimeout(
      () => {
        this.#timers.delete(id);
        handler.onEvent(code, argument);
      },
      Math.min(TIMEOUT_MS_MAX, Math.ceil(delayPs / PS_PER_MS)),
    );
    // Deadlines alone do not keep a process.
    timeout.unref();
    this.#timers.set(id, timeout);
    return id;
  }

  cancel(timer: TimerId): void {
    const timeout = this.#timers.get(timer);
    if (timeout !== undefined) {
      this.#timers.delete(timer);
      clearTimeout(timeout);
    }
  }

  /** Time passes by itself. */
  hold(): void {}
  release(): void {}
}
