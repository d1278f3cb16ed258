/**
 * Code that waits (initialisation, recovery, orchestration) as generators: `const value = yield* read32(window, 0x1c)`.
 *
 * A task costs an object per wait and is for paths that are not hot. It runs on the executor of what it waits for and can
 * be wrapped in a promise at a module's public face (`runTask`). Cancelling is cooperative: a task whose device is gone
 * gets that from the next wait.
 */
import { type BarWindow, MMIO_PENDING } from './bar-window.ts';
import { PENDING, type Status } from './block-target.ts';
import type { EventHandler, Executor } from './executor.ts';

/** Something to wait for. `begin` returns true when it is over already; otherwise `resume` is called once, later. */
export interface Wait {
  begin(resume: () => void): boolean;
}

/** A generator that yields waits and returns a `Result`. */
export type Task<Result> = Generator<Wait, Result, void>;

/** Runs a task to its end. `onEnd` and `onError` are called once, possibly before this returns. */
export function startTask<Result>(
  task: Task<Result>,
  onEnd: (result: Result) => void,
  onError: (error: unknown) => void,
): void {
  const resume = (): void => {
    for (;;) {
      let step: IteratorResult<Wait, Result>;
      try {
        step = task.next();
      } catch (error) {
        onError(error);
        return;
      }
      if (step.done === true) {
        onEnd(step.value);
        return;
      }
      if (!step.value.begin(resume)) {
        return;
      }
    }
  };
  resume();
}

/** The public face of a task. */
export function runTask<Result>(task: Task<Result>): Promise<Result> {
  return new Promise((resolve, reject) => startTask(task, resolve, reject));
}

class Sleep implements Wait, EventHandler {
  readonly #executor: Executor;
  readonly #delayPs: number;
  readonly #isDeadline: boolean;
  #resume: (() => void) | undefined;

  constructor(executor: Executor, delayPs: number, isDeadline: boolean) {
    this.#executor = executor;
    this.#delayPs = delayPs;
    this.#isDeadline = isDeadline;
  }

  begin(resume: () => void): boolean {
    this.#resume = resume;
    if (this.#isDeadline) {
      this.#executor.timer(this.#delayPs, this, 0, 0);
    } else {
      this.#executor.after(this.#delayPs, this, 0, 0);
    }
    return false;
  }

  onEvent(): void {
    this.#resume?.();
  }
}

/** Waits for a deadline, which passes in untimed machines too: between two polls, before giving up. */
export function* sleep(executor: Executor, delayPs: number): Task<void> {
  yield new Sleep(executor, delayPs, true);
}

/** Lets everything that is due run first; costs no time. */
export function* turn(executor: Executor): Task<void> {
  yield new Sleep(executor, 0, false);
}

/** One result that somebody will deliver: the bridge between callbacks and tasks. Deliver once; awaited by one task. */
export class Delivery<Value> implements Wait {
  #resume: (() => void) | undefined;
  #value: Value | undefined;
  #isThere = false;

  get isThere(): boolean {
    return this.#isThere;
  }

  deliver(value: Value): void {
    this.#value = value;
    this.#isThere = true;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  begin(resume: () => void): boolean {
    if (this.#isThere) {
      return true;
    }
    this.#resume = resume;
    return false;
  }

  *wait(): Task<Value> {
    yield this;
    return this.#value as Value;
  }
}

/** A promise of the outside world (a backing file) inside a task. The executor jumps to no deadline meanwhile. */
export function* awaited<Value>(executor: Executor, promise: Promise<Value>): Task<Value> {
  const outcome = new Delivery<{ readonly value: Value } | { readonly error: unknown }>();
  executor.hold();
  promise.then(
    (value) => {
      executor.release();
      outcome.deliver({ value });
    },
    (error: unknown) => {
      executor.release();
      outcome.deliver({ error });
    },
  );
  const result = yield* outcome.wait();
  if ('error' in result) {
    throw result.error;
  }
  return result.value;
}

/**
 * Reads a register, waiting for the completion where there is one.
 * @returns 0 to 0xffffffff; all ones where nothing answers, as on the bus
 */
export function* read32(window: BarWindow, offsetBytes: number): Task<number> {
  const delivery = new Delivery<number>();
  const value = window.read32(offsetBytes, delivery);
  return value === MMIO_PENDING ? yield* delivery.wait() : value;
}

/** Two dword reads, low first, as Linux does for 64-bit registers that a device need not take whole. */
export function* read64(
  window: BarWindow,
  offsetBytes: number,
): Task<{ readonly low: number; readonly high: number }> {
  const low = yield* read32(window, offsetBytes);
  const high = yield* read32(window, offsetBytes + 4);
  return { low, high };
}

/**
 * Waits for a request of a `BlockTarget`-like callee: `start` makes the request and is given where to deliver.
 * @returns DONE or a failure, never PENDING
 */
export function* request(start: (delivery: Delivery<Status>) => Status): Task<Status> {
  const delivery = new Delivery<Status>();
  const status = start(delivery);
  return status === PENDING ? yield* delivery.wait() : status;
}
