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

/** The same text and the same sets are the same sweep, whatever the file is called. */
export function sweepDigest(labText: string, sets: readonly SweepSet[]): string {
  const facts = JSON.stringify([labText, sets.map(({ path, values }) => [path, values])]);
  return createHash('sha256').update(facts).digest('hex');
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
   * @param points  of the sweep; others have no place in its journal
   * @throws {UsageError} USAGE_SWEEP_JOURNAL when it is of another sweep, or no journal; {HostError} HOST_WRITE_FAILED
   */
  static open(path: string, digest: string, sets: readonly SweepSet[], points: number): Journal {
    const header = `${JSON.stringify({ schema: SCHEMA, digest, sets, points })}\n`;
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
      return new Journal(path, resumed(path, header, digest, points));
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

function resumed(path: string, header: string, digest: string, points: number): Map<number, PointResult> {
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
  if (told.digest !== digest) {
    throw refused(
      `${path} is the journal of another sweep: the lab file or the sets have changed`,
      'go on with the same file and the same --set, or name a new journal',
      path,
    );
  }
  const known = new Map<number, PointResult>();
  for (const [line, text] of lines.entries()) {
    const entry = parsed(text);
    const index = entry?.index;
    if (entry === undefined || !isPlace(index, points) || !isResult(entry)) {
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
