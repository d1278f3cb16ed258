/** Virtual time of a lab under a transfer: lets the machine's queue run as fast as it can, and says what time it is there. */
import type { EventQueue } from '../../fabric/index.ts';

/** Events between two turns of the world outside: some milliseconds, so that a signal is heard. */
const EVENTS_PER_TURN = 20_000;

export class VirtualClock {
  #queue: EventQueue | undefined;
  #fail: (error: unknown) => void = () => {};
  /** Rejects when the simulation cannot go on (FABRIC_TIME_END); never resolves. */
  readonly failed: Promise<never>;

  constructor() {
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Who waits for it is told by its own copy; nobody else has to listen.
    this.failed.catch(() => {});
  }

  /** For the queue: nothing outside has anything to add between two events, so time may pass within a turn. */
  readonly turn = (run: () => void): void => {
    setImmediate(() => {
      try {
        this.#queue?.runUntilIdle(EVENTS_PER_TURN);
        run();
      } catch (error) {
        this.#fail(error);
      }
    });
  };

  /** Of the machine that was booted with `turn`. */
  attach(queue: EventQueue): void {
    this.#queue = queue;
  }

  readonly nowNs = (): number => (this.#queue?.nowPs ?? 0) / 1000;
}
