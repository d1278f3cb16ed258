/** One point of a sweep: a lab file in, the figures of its workload out. Loaded by the threads only. */
import { LabMachine, parseLab, WorkloadRun } from '../../lab/index.ts';
import { Images } from '../lab/images.ts';
import { flatMetrics } from './metrics.ts';
import type { Metrics } from './point-result.ts';
import { workloadOf } from './workload-of.ts';

/** Events between two questions whether it is over. */
const EVENTS = 1e6;

/** @throws {LabError}, {HostError}, and whatever else machine and streams refuse */
export async function runLabJob(text: string, label: string): Promise<Metrics> {
  const lab = parseLab(text, label);
  const workload = workloadOf(lab, label);
  const images = new Images(label, 'none');
  try {
    const machine = LabMachine.boot(lab, {
      label,
      openImage: images.open,
      // Packet by packet is never wrong; flows are chosen by who writes them into the lab.
      timing: { engine: lab.time.engine === 'auto' ? 'tlp' : lab.time.engine },
    });
    const run = new WorkloadRun(machine, workload);
    while (!run.advance(EVENTS)) {}
    const report = run.report();
    await run.close();
    return flatMetrics(report);
  } finally {
    images.close();
  }
}
