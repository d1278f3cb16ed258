/**
 * The Keep Alive Timer: a host that is silent for too long is taken for lost. Follows NVM Express Base 2.1, section 3.9.
 *
 * It is a deadline, and only a Keep Alive command or a Set Features starts it again.
 */
import type { EventHandler, Executor, TimerId } from '../../fabric/index.ts';

const PS_PER_MS = 1e9;

export class KeepAlive implements EventHandler {
  readonly #onLost: () => void;
  #executor: Executor | undefined;
  #timeoutMs = 0;
  #timer: TimerId = 0;

  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  attach(executor: Executor): void {
    this.#executor = executor;
  }

  /** 0: no deadline. */
  set(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.restart();
  }

  restart(): void {
    this.stop();
    if (this.#timeoutMs > 0) {
      this.#timer = this.#executor!.timer(this.#timeoutMs * PS_PER_MS, this, 0, 0);
    }
  }

  stop(): void {
    this.#executor?.cancel(this.#timer);
    this.#timer = 0;
  }

  onEvent(): void {
    this.#timer = 0;
    this.#onLost();
  }
}
