/** A workload from start to end, for callers that want its report and nothing else, as the points of a sweep and headlines. */
import { LabError } from '../../base/index.ts';
import { type EngineName, noTurn } from '../../fabric/index.ts';
import type { LabFile } from '../file/index.ts';
import { type BootOptions, LabMachine } from '../machine/index.ts';
import { blockSizes, engineFor } from './engine.ts';
import type { WorkloadReport } from './report.ts';
import { WorkloadRun } from './run.ts';

/** Events between two looks at whether the run is over. */
const EVENTS_PER_STEP = 1_000_000;

export interface RunWorkloadOptions extends Pick<BootOptions, 'openImage'> {
  /** Default: as the lab says, and where it leaves that open by the sizes of the requests. */
  readonly engine?: EngineName;
  /** Hears now and then how far the run is, 0 to 1, and is waited for. */
  readonly onStep?: (progress: number) => Promise<void>;
}

/**
 * @param label the path of the lab file, for messages
 * @throws {LabError} LAB_NO_WORKLOAD; what booting and the streams refuse
 */
export async function runWorkload(
  lab: LabFile,
  label: string,
  { engine, onStep, ...boot }: RunWorkloadOptions = {},
): Promise<WorkloadReport> {
  const workload = workloadOf(lab, label);
  const timing = { engine: engine ?? engineFor(lab, 'auto', blockSizes(workload)) };
  const run = new WorkloadRun(LabMachine.boot(lab, { ...boot, label, timing, turn: noTurn }), workload);
  try {
    while (!run.advance(EVENTS_PER_STEP)) {
      await onStep?.(run.progress);
    }
    return run.report();
  } finally {
    await run.close();
  }
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
