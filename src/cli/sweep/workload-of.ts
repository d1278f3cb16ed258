import { LabError } from '../../base/index.ts';
import type { LabFile, LabWorkload } from '../../lab/index.ts';

/** @throws {LabError} LAB_STREAM where there is none */
export function workloadOf(lab: LabFile, label: string): LabWorkload {
  if (lab.workload === null) {
    throw new LabError('LAB_STREAM', {
      message: `${label}: this lab has no workload`,
      hint: 'say what runs under `workload:` (docs/lab-file.md)',
    });
  }
  return lab.workload;
}
