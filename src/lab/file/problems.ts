/** Collects what is wrong with a lab file, so that a person sees all of it at once. */
import { LabError } from '../../base/index.ts';
import { PROBLEMS_MAX } from './limits.ts';

/** 1-based. */
export interface LabPosition {
  readonly line: number;
  readonly column: number;
}

export interface LabProblem extends LabPosition {
  readonly code: LabErrorCode;
  /** What is wrong and what is allowed, one line. */
  readonly message: string;
}

export type LabErrorCode =
  | 'LAB_SYNTAX'
  | 'LAB_TOO_LARGE'
  | 'LAB_MARKER'
  | 'LAB_UNKNOWN_KEY'
  | 'LAB_VALUE'
  | 'LAB_PLACE'
  | 'LAB_NAME'
  | 'LAB_ADDRESS'
  | 'LAB_BAR'
  | 'LAB_REFERENCE'
  | 'LAB_STREAM'
  | 'LAB_FAULT';

export class Problems {
  readonly #label: string;
  readonly #list: LabProblem[] = [];
  #count = 0;

  constructor(label: string) {
    this.#label = label;
  }

  get count(): number {
    return this.#count;
  }

  add(code: LabErrorCode, position: LabPosition, message: string): void {
    this.#count++;
    if (this.#list.length < PROBLEMS_MAX) {
      this.#list.push({ code, message: oneLine(message), ...position });
    }
  }

  /** @throws {LabError} when there is any problem */
  throwIfAny(): void {
    if (this.#count > 0) {
      throw this.#error();
    }
  }

  /** Ends the reading here: what follows could not be understood. */
  fail(code: LabErrorCode, position: LabPosition, message: string): never {
    this.add(code, position, message);
    throw this.#error();
  }

  #error(): LabError {
    const problems = [...this.#list].sort((a, b) => a.line - b.line || a.column - b.column);
    const first = problems[0]!;
    const rest = this.#count - 1;
    return new LabError(first.code, {
      message: `${this.#label}:${first.line}:${first.column}: ${first.message}${
        rest === 0 ? '' : ` (and ${rest} more)`
      }`,
      hint: rest === 0 ? 'the format is in docs/lab-file.md' : others(problems.slice(1), rest),
      detail: { file: this.#label, line: first.line, column: first.column, problems, count: this.#count },
    });
  }
}

/** The next few, for who reads one line on stderr. */
function others(problems: readonly LabProblem[], rest: number): string {
  const shown = problems.slice(0, 3).map((problem) => `line ${problem.line}: ${problem.message}`);
  return `also ${shown.join('; ')}${rest > shown.length ? ' …' : ''}`;
}

const MESSAGE_MAX = 400;

/** Without what could reach a terminal as a command. */
export function oneLine(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a hostile file may hold must not reach a terminal.
  const clean = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
  return clean.length > MESSAGE_MAX ? `${clean.slice(0, MESSAGE_MAX)}…` : clean;
}

/** As a message shows what somebody wrote. */
export function shown(text: string): string {
  return `'${text.length > 40 ? `${text.slice(0, 40)}…` : text}'`;
}

/** `; did you mean 'x'?` for the nearest of `allowed`, or nothing when none is near. */
export function didYouMean(written: string, allowed: readonly string[]): string {
  const wanted = written.slice(0, 40).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of allowed) {
    const other = candidate.toLowerCase();
    const plain = (text: string) => text.replace(/[-_ ]/g, '');
    const distance = plain(other) === plain(wanted) ? 0 : editDistance(wanted, other);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best === undefined ? '' : `; did you mean '${best}'?`;
}

/** Insertions, removals, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, before[j - 2]! + 1);
      }
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** For keys that nothing reads. */
export function unknownKey(key: string, allowed: readonly string[]): string {
  return `unknown key ${shown(key)}${didYouMean(key, allowed)}; allowed here: ${allowed.join(', ')}`;
}
