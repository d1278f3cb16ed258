// Runs a lab text with a workload to its end.
import { noTurn } from '../../../../src/fabric/index.ts';
import { LabMachine, parseLab, type WorkloadReport, WorkloadRun } from '../../../../src/lab/index.ts';

export async function runLab(
  text: string,
  engine: 'tlp' | 'flow' = 'tlp',
  step = 1e6,
): Promise<WorkloadReport> {
  const lab = parseLab(text, 'test.yaml');
  const machine = LabMachine.boot(lab, { label: 'test.yaml', timing: { engine }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  while (!run.advance(step)) {}
  const report = run.report();
  await run.close();
  return report;
}
