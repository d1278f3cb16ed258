/**
 * A sweep from the text of a lab to results: combinations, what is known from a journal, threads, progress, signals.
 *
 * Read `sets.ts` first, then `run-points.ts`; a thread runs `worker.ts`, which loads `job.ts`.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError, UsageError } from '../../base/index.ts';
import type { Io } from '../io.ts';
import { ProgressLine } from '../render/transfer.ts';
import { watchSignals } from '../transfer/signals.ts';
import { Journal, sweepDigest } from './journal.ts';
import type { PointResult } from './point-result.ts';
import { LAB_JOB, openPool, type PointPool } from './pool.ts';
import { runPoints } from './run-points.ts';
import { type SweepPoint, type SweepSet, sweepPoints } from './sets.ts';

export interface SweepRequest {
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
  /** Puts a value into the text. @throws {LabError} */
  readonly setValue: (text: string, path: string, value: string) => string;
  /** Reads a text as a lab. @throws {LabError} */
  readonly check: (text: string) => void;
}

/** For tests: another job, and another pool. */
export interface SweepParts {
  readonly openPool?: (threads: number) => Promise<PointPool>;
  readonly jobModule?: string;
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
  const progress = new Progress(io, points.length, results);
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
        progress.show();
      },
      isStopped: () => isStopped,
    });
  } catch (error) {
    if (error instanceof UsageError && request.resume === undefined && journal.known.size === 0) {
      // A mistake that the first point shows: what was computed until then is not worth a file.
      journal.remove();
    }
    throw error;
  } finally {
    signals.end();
    progress.clear();
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
  request.check(withValues(request, first));
  for (const [index, { values }] of request.sets.entries()) {
    for (const value of values.slice(1)) {
      request.check(withValues(request, first.with(index, value)));
    }
  }
}

function openJournal(request: SweepRequest, points: number): Journal {
  const digest = sweepDigest(request.text, request.sets);
  if (request.resume !== undefined) {
    return Journal.open(request.resume, digest, request.sets, points);
  }
  // Named for the sweep, so that the same command goes on where it was stopped.
  const name = `peerlane-sweep-${digest.slice(0, 12)}.journal`;
  try {
    return Journal.open(join(request.folder, name), digest, request.sets, points);
  } catch (error) {
    if (!(error instanceof HostError)) {
      throw error;
    }
    // A folder that cannot be written is no reason not to sweep. In a shared one the name must not be guessed.
    const unique = `peerlane-sweep-${digest.slice(0, 12)}-${process.pid}-${Date.now().toString(36)}.journal`;
    return Journal.open(join(tmpdir(), unique), digest, request.sets, points);
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

const nowNs = (): number => Number(process.hrtime.bigint());

/** Shown on a terminal only: how far, and how long still. */
class Progress {
  readonly #line: ProgressLine;
  readonly #points: number;
  readonly #results: ReadonlyMap<number, PointResult>;
  readonly #startedNs = nowNs();
  readonly #before: number;

  constructor(io: Io, points: number, results: ReadonlyMap<number, PointResult>) {
    this.#line = new ProgressLine(io, nowNs);
    this.#points = points;
    this.#results = results;
    this.#before = results.size;
  }

  show(): void {
    const done = this.#results.size - this.#before;
    const left = this.#points - this.#results.size;
    const seconds = ((nowNs() - this.#startedNs) / 1e9 / Math.max(1, done)) * left;
    this.#line.show(`${this.#results.size} of ${this.#points} points, about ${timeText(seconds)} left`);
  }

  clear(): void {
    this.#line.clear();
  }
}

/** `8 s`, `3 min 20 s`, `2 h 5 min`. */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
