/** Computes the points of a sweep that are not known yet. */
import { PeerlaneError } from '../../base/index.ts';
import type { PointResult } from './point-result.ts';
import type { PointPool } from './pool.ts';
import type { SweepPoint } from './sets.ts';

export interface PointRun {
  readonly points: readonly SweepPoint[];
  /** Grows. By index of the point. */
  readonly results: Map<number, PointResult>;
  readonly pool: PointPool;
  readonly jobModule: string;
  readonly label: string;
  /** The lab file with the values of a point. What it throws is the result of the point. */
  readonly textOf: (point: SweepPoint) => string;
  /** After each point, in the order in which they end. What it throws ends the run. */
  readonly onResult: (point: SweepPoint, result: PointResult) => void;
  readonly isStopped: () => boolean;
  /** Of the points under way; grows and shrinks. Each holds one float64, 0 to 1. */
  readonly underWay: Set<SharedArrayBuffer>;
}

/** Ends when all points are known or it was stopped. Points are started in their order. */
export async function runPoints(run: PointRun): Promise<void> {
  const pending = run.points.filter(({ index }) => !run.results.has(index));
  let next = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (next < pending.length && !isOver && !run.isStopped()) {
      const point = pending[next++]!;
      const result = await resultOf(run, point);
      if (result === undefined || isOver) {
        return;
      }
      run.results.set(point.index, result);
      try {
        run.onResult(point, result);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(run.pool.width, pending.length) }, lane));
}

/** Undefined: it was stopped meanwhile. */
async function resultOf(run: PointRun, point: SweepPoint): Promise<PointResult | undefined> {
  let text: string;
  try {
    text = run.textOf(point);
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    return { error: { code: error.code, message: error.message, hint: error.hint ?? null } };
  }
  const progress = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
  run.underWay.add(progress);
  try {
    return await run.pool.run({ jobModule: run.jobModule, text, label: run.label, progress });
  } catch (error) {
    if (run.isStopped()) {
      return undefined;
    }
    throw error;
  } finally {
    run.underWay.delete(progress);
  }
}
