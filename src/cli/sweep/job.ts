/** One point of a sweep: a lab file in, the figures of its workload out. Loaded by the threads only. */
import * as lab from '../../lab/index.ts';
import { flatMetrics } from './metrics.ts';
import type { Metrics } from './point-result.ts';

/** What `lab` offers for running a workload. */
interface WorkloadRunner {
  /** @param label  the path of the lab file, for messages */
  readonly runWorkload: (lab: lab.LabFile, label: string) => object | Promise<object>;
}

/** @throws {LabError} and whatever else the workload refuses */
export async function runLabJob(text: string, label: string): Promise<Metrics> {
  const { runWorkload } = lab as unknown as WorkloadRunner;
  return flatMetrics(await runWorkload(lab.parseLab(text, label), label));
}
