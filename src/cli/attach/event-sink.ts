/** Events on their way out of the thread that serves: a few at a time, lines of logs to a file if there is one, and never without end. */
import { writeSync } from 'node:fs';
import { eventLine } from '../render/attach.ts';
import type { ServerEvent } from './messages.ts';

/** So many may be on their way. The thread serves on while nobody takes them. */
const PENDING_MAX = 20_000;

type Event = ServerEvent extends infer One ? (One extends ServerEvent ? Omit<One, 'atS'> : never) : never;

export class EventSink {
  readonly #nowNs: () => number;
  readonly #startNs: number;
  readonly #logFd: number | null;
  readonly #post: (events: readonly ServerEvent[]) => void;
  #events: ServerEvent[] = [];
  #text = '';
  #pending = 0;
  #lost = 0;

  /**
   * @param logFd  where lines of logs go; null: with everything else
   * @param post   hands on; `taken` is to be called for what it was given
   */
  constructor(nowNs: () => number, logFd: number | null, post: (events: readonly ServerEvent[]) => void) {
    this.#nowNs = nowNs;
    this.#startNs = nowNs();
    this.#logFd = logFd;
    this.#post = post;
  }

  /** Seconds since serving began. */
  get atS(): number {
    return (this.#nowNs() - this.#startNs) / 1e9;
  }

  add(event: Event): void {
    this.#add({ ...event, atS: this.atS } as ServerEvent);
  }

  line(line: string): void {
    const event: ServerEvent = { event: 'log', atS: this.atS, line };
    if (this.#logFd === null) {
      this.#add(event);
    } else {
      this.#text += `${eventLine(event)}\n`;
    }
  }

  /** Hands on what has come together. */
  flush(): void {
    if (this.#text !== '') {
      const text = this.#text;
      this.#text = '';
      if (!writeAll(this.#logFd!, text)) {
        this.add({ event: 'lost', lines: text.split('\n').length - 1 });
      }
    }
    if (this.#events.length > 0) {
      const events = this.#events;
      this.#events = [];
      this.#post(events);
    }
  }

  /** So many of those that were handed on are out of the way. */
  taken(count: number): void {
    this.#pending -= count;
  }

  #add(event: ServerEvent): void {
    if (this.#pending >= PENDING_MAX) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      this.#events.push({ event: 'lost', atS: this.atS, lines: this.#lost });
      this.#pending++;
      this.#lost = 0;
    }
    this.#events.push(event);
    this.#pending++;
  }
}

/** @returns whether all was written: a full disk must not take a guest's devices away */
function writeAll(fd: number, text: string): boolean {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done);
    }
    return true;
  } catch {
    return false;
  }
}
