/**
 * The journal of a sweep: what is known so far, a line of JSON for each point, so that a sweep that was stopped goes on where it
 * was. Its first line says of which sweep it is.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { HostError, UsageError } from '../../base/index.ts';
import type { PointResult } from './point-result.ts';
import type { SweepSet } from './sets.ts';

const SCHEMA = 'peerlane/sweep-journal/1';

/** What makes a sweep this one, whatever its file is called. */
export interface SweepIdentity {
  /** Version of the program. */
  readonly peerlane: string;
  /** Of what a lab file may say: two programs of one version may differ in it. */
  readonly labSchema: string;
  readonly labText: string;
  readonly sets: readonly SweepSet[];
  /** Combinations. */
  readonly points: number;
}

/** The same for the same text and sets by the same program: results of another one are not those that this one would find. */
export function sweepDigest({ peerlane, labSchema, labText, sets }: SweepIdentity): string {
  const facts = [peerlane, labSchema, labText, sets.map(({ path, values }) => [path, values])];
  return sha256(JSON.stringify(facts));
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export class Journal {
  readonly path: string;
  /** Of the run before. By index of the point. */
  readonly known: ReadonlyMap<number, PointResult>;

  private constructor(path: string, known: ReadonlyMap<number, PointResult>) {
    this.path = path;
    this.known = known;
  }

  /**
   * Makes the journal, or reads it when it is there. A last line that was cut off is taken away: its point is computed again.
   * @throws {UsageError} USAGE_SWEEP_JOURNAL when it is of another sweep or another version of the program, or no journal;
   *         {HostError} HOST_WRITE_FAILED
   */
  static open(path: string, sweep: SweepIdentity): Journal {
    const { peerlane, labSchema, sets, points } = sweep;
    const digest = sweepDigest(sweep);
    const header = `${JSON.stringify({ schema: SCHEMA, digest, peerlane, labSchema, sets, points })}\n`;
    try {
      const fd = openSync(path, 'wx');
      try {
        writeSync(fd, header);
      } finally {
        closeSync(fd);
      }
      return new Journal(path, new Map());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw unwritable(path, error);
      }
    }
    try {
      return new Journal(path, resumed(path, header, sweep));
    } catch (error) {
      throw error instanceof UsageError ? error : unwritable(path, error);
    }
  }

  /** On disk when it returns, as far as the kernel is concerned: a process that is killed loses nothing. */
  append(index: number, result: PointResult): void {
    try {
      appendFileSync(this.path, `${JSON.stringify({ index, ...result })}\n`);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}

function resumed(path: string, header: string, sweep: SweepIdentity): Map<number, PointResult> {
  const bytes = readFileSync(path);
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  if (wholeBytes === 0 && header.startsWith(bytes.toString('utf8'))) {
    // Stopped while it wrote the first line, or an empty file that somebody made.
    truncateSync(path, 0);
    appendFileSync(path, header);
    return new Map();
  }
  const [first, ...lines] = bytes.subarray(0, wholeBytes).toString('utf8').split('\n').slice(0, -1);
  const told = parsed(first ?? '');
  if (told?.schema !== SCHEMA) {
    throw refused(`${path} is no journal of a sweep`, 'name another file, and it is made', path);
  }
  if (told.digest !== sweepDigest(sweep)) {
    throw otherSweep(path, told, sweep);
  }
  const known = new Map<number, PointResult>();
  for (const [line, text] of lines.entries()) {
    const entry = parsed(text);
    const index = entry?.index;
    if (entry === undefined || !isPlace(index, sweep.points) || !isResult(entry)) {
      throw refused(
        `${path}: line ${line + 2} is no point of this sweep`,
        'take the line out, or name a new journal',
        path,
      );
    }
    known.set(index, 'metrics' in entry ? { metrics: entry.metrics } : { error: entry.error });
  }
  if (wholeBytes < bytes.length) {
    truncateSync(path, wholeBytes);
  }
  return known;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isPlace(index: unknown, points: number): index is number {
  return Number.isInteger(index) && (index as number) >= 0 && (index as number) < points;
}

function isResult(entry: object): entry is PointResult {
  const { metrics, error } = entry as { metrics?: unknown; error?: { message?: unknown } | null };
  const isMetrics =
    typeof metrics === 'object' &&
    metrics !== null &&
    Object.values(metrics).every((value) => typeof value === 'number' || typeof value === 'string');
  return isMetrics || (typeof error === 'object' && error !== null && typeof error.message === 'string');
}

function otherSweep(path: string, told: Record<string, unknown>, sweep: SweepIdentity): UsageError {
  if (told.peerlane !== sweep.peerlane) {
    return refused(
      `${path} was written by peerlane ${told.peerlane ?? 'of an unknown version'}, and this is ${sweep.peerlane}: results of two versions do not mix`,
      'go on with that version, or name a new journal',
      path,
    );
  }
  return told.labSchema === sweep.labSchema
    ? refused(
        `${path} is the journal of another sweep: the lab file or the sets have changed`,
        'go on with the same file and the same --set, or name a new journal',
        path,
      )
    : refused(
        `${path} was written by a peerlane ${sweep.peerlane} whose lab files differ from those of this one: results of the two do not mix`,
        'go on with the same program, or name a new journal',
        path,
      );
}

function refused(message: string, hint: string, path: string): UsageError {
  return new UsageError('USAGE_SWEEP_JOURNAL', { message, hint, detail: { path } });
}

function unwritable(path: string, cause: unknown): HostError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new HostError('HOST_WRITE_FAILED', {
    message: `${path}: the journal cannot be written (${code})`,
    hint: 'name another with --resume FILE',
    detail: { path, errno: code },
    cause,
  });
}
