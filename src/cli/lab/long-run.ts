/** Runs that take long say so: an estimate once it is known, and a line of progress on terminals. */
import type { Io } from '../io.ts';
import { formatNs, ProgressLine } from '../render/transfer.ts';

/** Before that nothing can be said. */
const FIRST_LOOK_NS = 1e9;
/** What a person should be told. */
const LONG_NS = 60e9;

/** What is said of a run that is long. */
export interface LongRunWords {
  readonly what: string;
  /** What Ctrl-C does. */
  readonly onStop: string;
}

const RUN: LongRunWords = { what: 'this run', onStop: 'prints what is known by then' };

export class LongRun {
  readonly #io: Io;
  readonly #words: LongRunWords;
  readonly #nowNs: () => number;
  readonly #startNs: number;
  readonly #line: ProgressLine;
  #isTold = false;

  /** @param nowNs the clock of this computer */
  constructor(io: Io, nowNs: () => number, words: LongRunWords = RUN) {
    this.#io = io;
    this.#words = words;
    this.#nowNs = nowNs;
    this.#startNs = nowNs();
    this.#line = new ProgressLine(io, nowNs);
  }

  /**
   * @param progress 0 to 1
   * @param text     what is going on, for the line on a terminal
   */
  show(progress: number, text: string): void {
    const elapsedNs = this.#nowNs() - this.#startNs;
    const isKnown = elapsedNs >= FIRST_LOOK_NS && progress > 0;
    const leftNs = isKnown ? (elapsedNs / progress) * (1 - progress) : 0;
    if (isKnown && !this.#isTold && elapsedNs + leftNs > LONG_NS) {
      this.#isTold = true;
      this.#line.clear();
      this.#io.err(
        `peerlane: ${this.#words.what} takes about ${durationText(elapsedNs + leftNs)} of this computer's time; Ctrl-C ${this.#words.onStop}\n`,
      );
    }
    const left = isKnown ? `, ${durationText(leftNs)} left` : '';
    this.#line.show(`${text} ${Math.floor(progress * 100)} %${left}`);
  }

  end(): void {
    this.#line.clear();
  }
}

/** `12 s`, `3 min`, `2.5 h`. */
export function durationText(ns: number): string {
  const seconds = ns / 1e9;
  if (seconds < 1) {
    return formatNs(ns);
  }
  if (seconds < 100) {
    return `${Math.ceil(seconds)} s`;
  }
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
