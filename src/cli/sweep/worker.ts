/**
 * What a thread of a sweep does with a point. Imports nothing of the project: the module that knows labs is named by each task, and
 * a thread loads it once.
 */
import type { Metrics, PointResult } from './point-result.ts';

export interface PointTask {
  /** URL of a module that has `runLabJob`. */
  readonly jobModule: string;
  /** The lab file with the values of the point. */
  readonly text: string;
  /** For messages: the path of the lab file. */
  readonly label: string;
  /** One float64: how far the point is, 0 to 1. Shared, as the thread that computes hears no messages. */
  readonly progress: SharedArrayBuffer;
}

interface JobModule {
  readonly runLabJob: (text: string, label: string, onStep: (progress: number) => void) => Promise<Metrics>;
}

/** An error of a class does not cross threads as what it is; its facts do. */
export default async function runPoint(task: PointTask): Promise<PointResult> {
  try {
    // The caller names a module of this shape: ./job.ts, or one of a test.
    const { runLabJob } = (await import(task.jobModule)) as JobModule;
    const progress = new Float64Array(task.progress);
    const metrics = await runLabJob(task.text, task.label, (share) => {
      progress[0] = share;
    });
    return { metrics };
  } catch (error) {
    if (!(error instanceof Error)) {
      return { error: { code: null, message: String(error), hint: null } };
    }
    const { code, hint } = error as { code?: unknown; hint?: unknown };
    // Only typed errors have a hint of ours; codes of Node look like ERR_SOMETHING.
    const isTyped = typeof code === 'string' && 'exitStatus' in error;
    return {
      error: {
        code: isTyped ? code : null,
        message: isTyped ? error.message : (error.stack ?? error.message),
        hint: isTyped && typeof hint === 'string' ? hint : null,
      },
    };
  }
}
