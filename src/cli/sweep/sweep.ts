/**
 * A sweep from the text of a lab to results: combinations, what is known from a journal, threads, progress, signals.
 *
 * Read `sets.ts` first, then `run-points.ts`; a thread runs `worker.ts`, which loads `job.ts`.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError, LabError, UsageError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import { LongRun } from '../lab/long-run.ts';
import { nowNs } from '../transfer/open-machine.ts';
import { watchSignals } from '../transfer/signals.ts';
import { Journal, type SweepIdentity, sweepDigest } from './journal.ts';
import { mistakeIn } from './mistakes.ts';
import type { PointResult } from './point-result.ts';
import { LAB_JOB, openPool, type PointPool } from './pool.ts';
import { runPoints } from './run-points.ts';
import { type SweepPoint, type SweepSet, sweepPoints } from './sets.ts';

/** Between two looks at how far the points are. */
const LOOK_MS = 250;

export interface SweepRequest extends Pick<SweepIdentity, 'peerlane' | 'labSchema'> {
  /** Path of the lab file, for messages. */
  readonly label: string;
  readonly text: string;
  readonly sets: readonly SweepSet[];
  readonly metric: string;
  /** Threads. */
  readonly jobs: number;
  /** A journal that is kept; without it there is one beside `folder` until the sweep is done. */
  readonly resume?: string;
  readonly folder: string;
  /** Puts a value into a text that was read. @throws {LabError} */
  readonly setValue: (text: string, path: string, value: string) => string;
  /** Reads a text as a lab. @throws {LabError} */
  readonly check: (text: string) => void;
}

/** For tests: another job, another pool, another clock. */
export interface SweepParts {
  readonly openPool?: (threads: number) => Promise<PointPool>;
  readonly jobModule?: string;
  readonly nowNs?: () => number;
}

export interface SweepOutcome {
  readonly points: readonly SweepPoint[];
  readonly results: ReadonlyMap<number, PointResult>;
  /** 128 + n when a signal stopped it. */
  readonly signalStatus: number | undefined;
}

/**
 * @throws {LabError} a path that leads nowhere, a value that its key does not take: before anything runs
 * @throws {UsageError} USAGE_SWEEP_JOURNAL, USAGE_SWEEP_METRIC; {HostError} HOST_WRITE_FAILED
 */
export async function runSweep(request: SweepRequest, io: Io, parts: SweepParts = {}): Promise<SweepOutcome> {
  const points = sweepPoints(request.sets);
  checkValues(request);
  const journal = openJournal(request, points.length);
  const results = new Map(journal.known);
  if (results.size > 0) {
    io.err(`${journal.path}: ${results.size} of ${points.length} points are known from before\n`);
  }
  for (const result of results.values()) {
    checkMetric(request.metric, result);
  }
  const pool = await (parts.openPool ?? openPool)(
    Math.min(request.jobs, Math.max(1, points.length - results.size)),
  );
  let isStopped = false;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= pool.close();
    return closing;
  };
  const signals = watchSignals(() => {
    isStopped = true;
    void close();
  });
  const underWay = new Set<SharedArrayBuffer>();
  const progress = new LongRun(io, parts.nowNs ?? nowNs, {
    what: 'this sweep',
    onStop: 'prints what is known by then, and the same command goes on from there',
  });
  const known = results.size;
  const show = (): void => {
    let done = results.size - known;
    for (const share of underWay) {
      done += new Float64Array(share)[0]!;
    }
    progress.show(done / Math.max(1, points.length - known), `${results.size} of ${points.length} points,`);
  };
  const looking = setInterval(show, LOOK_MS);
  try {
    await runPoints({
      points,
      results,
      pool,
      jobModule: parts.jobModule ?? LAB_JOB,
      label: request.label,
      textOf: (point) => withValues(request, point.values),
      onResult: (point, result) => {
        journal.append(point.index, result);
        checkMetric(request.metric, result);
        show();
      },
      isStopped: () => isStopped,
      underWay,
    });
  } catch (error) {
    if (error instanceof UsageError && request.resume === undefined && journal.known.size === 0) {
      // A mistake that the first point shows: what was computed until then is not worth a file.
      journal.remove();
    }
    throw error;
  } finally {
    signals.end();
    clearInterval(looking);
    progress.end();
    await close();
  }
  const isWhole = results.size === points.length;
  if (!isWhole) {
    io.err(
      `peerlane: stopped after ${results.size} of ${points.length} points; the same command with --resume ${journal.path} goes on\n`,
    );
  } else if (request.resume === undefined) {
    journal.remove();
  }
  return { points, results, signalStatus: signals.exitStatus() };
}

function withValues(request: SweepRequest, values: readonly string[]): string {
  return request.sets.reduce(
    (text, { path }, index) => request.setValue(text, path, values[index]!),
    request.text,
  );
}

/** Every value once, beside the first of the others: mistakes are told now and not after an hour. */
function checkValues(request: SweepRequest): void {
  const first = request.sets.map(({ values }) => values[0]!);
  checkCombination(request, first, [...request.sets.keys()]);
  for (const [index, { values }] of request.sets.entries()) {
    for (const value of values.slice(1)) {
      checkCombination(request, first.with(index, value), [index]);
    }
  }
}

/** @param suspects  indexes of the sets whose value was not in a combination before */
function checkCombination(
  request: SweepRequest,
  values: readonly string[],
  suspects: readonly number[],
): void {
  try {
    request.check(withValues(request, values));
  } catch (error) {
    if (!(error instanceof LabError) || error.code === 'LAB_NO_WORKLOAD') {
      throw error;
    }
    // A value that is wrong by itself is named by itself.
    for (const index of suspects) {
      const { path } = request.sets[index]!;
      const alone = errorOf(() => request.check(request.setValue(request.text, path, values[index]!)));
      if (alone instanceof LabError) {
        throw mistakeIn([`${path}=${values[index]}`], alone, request.label);
      }
    }
    const given = request.sets.map(({ path }, index) => `${path}=${values[index]}`);
    throw mistakeIn(given, error, request.label);
  }
}

function errorOf(run: () => void): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

function openJournal(request: SweepRequest, points: number): Journal {
  const { peerlane, labSchema, text: labText, sets } = request;
  const identity: SweepIdentity = { peerlane, labSchema, labText, sets, points };
  if (request.resume !== undefined) {
    return Journal.open(request.resume, identity);
  }
  // Named for the sweep, so that the same command goes on where it was stopped.
  const name = `peerlane-sweep-${sweepDigest(identity).slice(0, 12)}`;
  try {
    return Journal.open(join(request.folder, `${name}.journal`), identity);
  } catch (error) {
    if (!(error instanceof HostError)) {
      throw error;
    }
    // A folder that cannot be written is no reason not to sweep. In a shared one the name must not be guessed.
    const unique = `${name}-${process.pid}-${Date.now().toString(36)}.journal`;
    return Journal.open(join(tmpdir(), unique), identity);
  }
}

const NAMES_MAX = 8;

/** A point without the metric that was asked for tells which there are. */
function checkMetric(metric: string, result: PointResult): void {
  if ('error' in result || result.metrics[metric] !== undefined) {
    return;
  }
  const names = Object.keys(result.metrics);
  const wanted = metric.toLowerCase().split('.').at(-1)!;
  const near = names.filter((name) => name.toLowerCase().includes(wanted));
  const shown = (near.length > 0 ? near : names).slice(0, NAMES_MAX);
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : '';
  throw new UsageError('USAGE_SWEEP_METRIC', {
    message: `--metric ${metric}: the workload has no such figure`,
    hint: `there ${shown.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${more}`,
    detail: { metric, metrics: names },
  });
}
