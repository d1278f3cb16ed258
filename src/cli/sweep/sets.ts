/** `--set path=a,b,c`: which values of a lab are tried, and all combinations of them. */
import { UsageError } from '../../base/index.ts';

export interface SweepSet {
  /** Where in the lab file: `workload.streams.r0.depth`. */
  readonly path: string;
  /** As they were typed; each is a value of YAML. At least one, none twice. */
  readonly values: readonly string[];
}

export interface SweepPoint {
  readonly index: number;
  /** One for each set. */
  readonly values: readonly string[];
}

/** More would be a mistake: a second for each is a day. */
export const SWEEP_POINTS_MAX = 100_000;

/** @throws {UsageError} USAGE_SWEEP_SET */
export function parseSets(texts: readonly string[]): readonly SweepSet[] {
  const sets = texts.map(parseSet);
  for (const [index, { path }] of sets.entries()) {
    if (sets.findIndex((other) => other.path === path) !== index) {
      throw refused(`--set ${path} is there twice`, 'put all its values into one: --set path=a,b,c');
    }
  }
  const points = sets.reduce((product, { values }) => product * values.length, 1);
  if (points > SWEEP_POINTS_MAX) {
    throw refused(
      `these sets make ${points} points, and a sweep has at most ${SWEEP_POINTS_MAX}`,
      'fewer values, or several sweeps',
    );
  }
  return sets;
}

/** All combinations; the values of the last set change fastest. No set: one point without values. */
export function sweepPoints(sets: readonly SweepSet[]): readonly SweepPoint[] {
  const combinations = sets.reduce<readonly (readonly string[])[]>(
    (before, { values }) => before.flatMap((chosen) => values.map((value) => [...chosen, value])),
    [[]],
  );
  return combinations.map((values, index) => ({ index, values }));
}

function parseSet(text: string): SweepSet {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(0, equals)).trim();
  if (path === '') {
    throw refused(
      `--set ${text}: expected a path and its values`,
      'for example --set workload.streams.0.depth=1,4,16',
    );
  }
  const values = splitValues(text.slice(equals + 1)).map((value) => value.trim());
  const empty = values.indexOf('');
  if (empty >= 0) {
    throw refused(
      `--set ${path}: value ${empty + 1} of ${values.length} is empty`,
      'write an empty text as ""',
    );
  }
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) {
    throw refused(
      `--set ${path}: ${twice} is there twice`,
      'once is enough: the same point gives the same result',
    );
  }
  return { path, values };
}

/** At commas, but not at those inside brackets, braces and quotes. */
function splitValues(text: string): string[] {
  const values: string[] = [];
  let start = 0;
  let depth = 0;
  let quote = '';
  for (const [at, character] of [...text].entries()) {
    if (quote !== '') {
      quote = character === quote ? '' : quote;
    } else if (character === '"' || character === "'") {
      quote = character;
    } else if (character === '[' || character === '{') {
      depth++;
    } else if (character === ']' || character === '}') {
      depth--;
    } else if (character === ',' && depth <= 0) {
      values.push([...text].slice(start, at).join(''));
      start = at + 1;
    }
  }
  values.push([...text].slice(start).join(''));
  return values;
}

function refused(message: string, hint: string): UsageError {
  return new UsageError('USAGE_SWEEP_SET', { message, hint });
}
