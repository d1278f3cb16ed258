/** A workload from start to end, for callers that want its report and nothing else, as the points of a sweep. */
import { LabError } from '../../base/index.ts';
import { noTurn } from '../../fabric/index.ts';
import type { LabFile } from '../file/index.ts';
import { LabMachine } from '../machine/index.ts';
import { blockSizes, engineFor } from './engine.ts';
import type { WorkloadReport } from './report.ts';
import { WorkloadRun } from './run.ts';

/** Events between two looks at whether the run is over. */
const EVENTS_PER_STEP = 1_000_000;

/**
 * @param label the path of the lab file, for messages
 * @throws {LabError} LAB_NO_WORKLOAD; what booting and the streams refuse
 */
export async function runWorkload(lab: LabFile, label: string): Promise<WorkloadReport> {
  const workload = workloadOf(lab, label);
  const engine = engineFor(lab.time.engine, blockSizes(workload));
  const machine = LabMachine.boot(lab, { label, timing: { engine }, turn: noTurn });
  const run = new WorkloadRun(machine, workload);
  while (!run.advance(EVENTS_PER_STEP)) {}
  const report = run.report();
  await run.close();
  return report;
}

/** @throws {LabError} LAB_NO_WORKLOAD */
export function workloadOf(lab: LabFile, label: string): NonNullable<LabFile['workload']> {
  if (lab.workload === null) {
    throw new LabError('LAB_NO_WORKLOAD', {
      message: `${label} has no \`workload\``,
      hint: 'write one into it (docs/lab-file.md), or name what to run: `peerlane lab FILE bench nvme0`',
      exitStatus: 2,
    });
  }
  return lab.workload;
}
