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
  #isFileBroken = false;
  /** Lines that did not get into the file, and were not told of yet. */
  #unwritten = 0;

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
      const isWritten = writeAll(this.#logFd!, text);
      this.#unwritten += isWritten ? 0 : text.split('\n').length - 1;
      if (isWritten === this.#isFileBroken) {
        this.#isFileBroken = !isWritten;
        this.#tellUnwritten();
      }
    }
    if (this.#events.length > 0) {
      const events = this.#events;
      this.#events = [];
      this.#post(events);
    }
  }

  /** The last that is told. */
  close(): void {
    this.flush();
    this.#tellUnwritten();
    this.flush();
  }

  /** So many of those that were handed on are out of the way. */
  taken(count: number): void {
    this.#pending -= count;
  }

  /** At the first line and at the end of a full disk, and not at each. */
  #tellUnwritten(): void {
    if (this.#unwritten > 0) {
      const lines = this.#unwritten;
      this.#unwritten = 0;
      this.add({ event: 'lost', lines });
    }
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
