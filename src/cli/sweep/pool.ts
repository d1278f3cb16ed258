/** Who computes the points: threads, or this one. */

import type { PointResult } from './point-result.ts';
import runPoint, { type PointTask } from './worker.ts';

export interface PointPool {
  /** Points that are worth having under way at once. */
  readonly width: number;
  /** Rejects after `close` only. */
  readonly run: (task: PointTask) => Promise<PointResult>;
  /** Ends what is under way. */
  readonly close: () => Promise<void>;
}

/** In a checkout the sources are no JavaScript that a thread of Node 20 could load; the built package has some. */
const IS_BUILT = !import.meta.url.endsWith('.ts');

/** URL of the module that runs a lab. */
export const LAB_JOB = new URL(IS_BUILT ? './job.js' : './job.ts', import.meta.url).href;

/** @param threads  at least 1 */
export async function openPool(threads: number): Promise<PointPool> {
  return IS_BUILT ? threadPool(threads, new URL('./worker.js', import.meta.url).href) : ownThread();
}

/** One point after the other, on this thread. Between two of them signals are heard. */
export function ownThread(): PointPool {
  let isClosed = false;
  return {
    width: 1,
    run: async (task) => {
      // A turn of the event loop, not only of its microtasks.
      await new Promise((resolve) => setImmediate(resolve));
      if (isClosed) {
        throw new Error('the pool is closed');
      }
      return runPoint(task);
    },
    close: async () => {
      isClosed = true;
    },
  };
}

/** @param worker  URL of worker.ts as JavaScript */
export async function threadPool(threads: number, worker: string): Promise<PointPool> {
  const { Piscina } = await import('piscina');
  const piscina = new Piscina({
    filename: worker,
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
  });
  let isClosed = false;
  // A thread that dies rejects its task, and piscina starts another; who waits for `error` would hear of it twice.
  piscina.on('error', () => {});
  return {
    width: threads,
    run: async (task) => {
      if (isClosed) {
        // Piscina would start a thread again.
        throw new Error('the pool is closed');
      }
      try {
        return (await piscina.run(task)) as PointResult;
      } catch (error) {
        if (isClosed) {
          throw error;
        }
        return {
          error: {
            code: 'HOST_WORKER_LOST',
            message: `the thread of this point ended: ${error instanceof Error ? error.message : String(error)}`,
            hint: 'out of memory? fewer at once with --jobs',
          },
        };
      }
    },
    close: async () => {
      isClosed = true;
      await piscina.destroy();
    },
  };
}
