/** Runs headlines: each lab on a machine that boots afresh, packet by packet. */
import { noTurn } from '../../fabric/index.ts';
import { parseLab } from '../file/index.ts';
import { LabMachine } from '../machine/index.ts';
import { type WorkloadReport, WorkloadRun } from '../workload/index.ts';
import type { Headline } from './headlines.ts';

const EVENTS_PER_STEP = 500_000;

export interface HeadlineResult {
  readonly headline: Headline;
  readonly simulated: string;
  readonly holds: boolean;
  /** Of its labs, in their order. */
  readonly reports: readonly WorkloadReport[];
}

/** @param onStep called between pieces of work; throw from it to give up */
export async function runHeadline(
  headline: Headline,
  onStep: () => void = () => {},
): Promise<HeadlineResult> {
  const reports: WorkloadReport[] = [];
  for (const [index, text] of headline.labs.entries()) {
    const label = `${headline.id} ${index + 1}`;
    const lab = parseLab(text, label);
    const machine = LabMachine.boot(lab, { label, timing: { engine: 'tlp' }, turn: noTurn });
    const run = new WorkloadRun(machine, lab.workload!);
    try {
      while (!run.advance(EVENTS_PER_STEP)) {
        onStep();
      }
      reports.push(run.report());
    } finally {
      await run.close();
    }
  }
  return { headline, ...headline.judge(reports), reports };
}
