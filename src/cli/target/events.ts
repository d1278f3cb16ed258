/** What happens at a target, on its way to a stream: in order, a few at a time, and never without end. */

export type TargetEvent =
  | { readonly event: 'connected'; readonly atS: number; readonly host: string; readonly secure: boolean }
  | { readonly event: 'disconnected'; readonly atS: number; readonly host: string; readonly why: string }
  | { readonly event: 'violation'; readonly atS: number; readonly host: string; readonly what: string }
  | { readonly event: 'turned-away'; readonly atS: number; readonly host: string; readonly why: string }
  | { readonly event: 'log'; readonly atS: number; readonly level: string; readonly line: string }
  | { readonly event: 'draining'; readonly atS: number; readonly connections: number }
  /** Nobody took them in time. */
  | { readonly event: 'lost'; readonly atS: number; readonly events: number };

/** So many wait at most: hosts that come and go must not fill the memory while nobody reads. */
const WAITING_MAX = 10_000;

export class EventLines {
  readonly #write: (events: readonly TargetEvent[]) => Promise<void>;
  #waiting: TargetEvent[] = [];
  #lost = 0;
  #flushing: Promise<void> | null = null;

  constructor(write: (events: readonly TargetEvent[]) => Promise<void>) {
    this.#write = write;
  }

  add(event: TargetEvent): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      this.#waiting.push({ event: 'lost', atS: event.atS, events: this.#lost });
      this.#lost = 0;
    }
    this.#waiting.push(event);
    this.#flushing ??= this.#flush();
  }

  /** Everything that was added has been taken. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const events = this.#waiting;
      this.#waiting = [];
      await this.#write(events);
    }
    this.#flushing = null;
  }
}
