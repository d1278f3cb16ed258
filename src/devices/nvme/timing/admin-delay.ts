/** What an admin command costs before it is executed: the firmware's own time. */
import { type EventHandler, type Executor, PENDING, type Status } from '../../../fabric/index.ts';
import { NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';

/** Executes commands; `complete` comes for those that were PENDING. */
interface AdminExecutor {
  execute(command: Command): Status;
}

export class AdminDelay implements AdminExecutor, EventHandler {
  readonly #inner: AdminExecutor;
  readonly #executor: Executor;
  readonly #costPs: number;
  readonly #slots: readonly Command[];
  readonly #complete: (command: Command) => void;
  /** Events of before a reset mean nothing. */
  #epoch = 0;

  /** @param slots  all of the pool; `command.index` is the place in it */
  constructor(
    inner: AdminExecutor,
    executor: Executor,
    costPs: number,
    slots: readonly Command[],
    complete: (command: Command) => void,
  ) {
    this.#inner = inner;
    this.#executor = executor;
    this.#costPs = costPs;
    this.#slots = slots;
    this.#complete = complete;
  }

  execute(command: Command): Status {
    this.#executor.after(this.#costPs, this, this.#epoch, command.index);
    return PENDING;
  }

  /** Commands that wait are forgotten. */
  reset(): void {
    this.#epoch++;
  }

  onEvent(epoch: number, slot: number): void {
    if (epoch !== this.#epoch) {
      return;
    }
    const command = this.#slots[slot]!;
    if (command.isAbortWanted) {
      command.failForNow(NVME_STATUS.ABORT_REQUESTED);
      this.#complete(command);
    } else if (this.#inner.execute(command) !== PENDING) {
      this.#complete(command);
    }
  }
}
