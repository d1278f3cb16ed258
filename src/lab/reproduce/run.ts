/** Runs headlines: each lab on a machine that boots afresh, packet by packet. */
import { parseLab } from '../file/index.ts';
import { runWorkload, type WorkloadReport } from '../workload/index.ts';
import type { Headline } from './headlines.ts';

export interface HeadlineResult {
  readonly headline: Headline;
  readonly simulated: string;
  readonly holds: boolean;
  /** Of its labs, in their order. */
  readonly reports: readonly WorkloadReport[];
}

export async function runHeadline(headline: Headline): Promise<HeadlineResult> {
  const reports: WorkloadReport[] = [];
  for (const [index, text] of headline.labs.entries()) {
    const label = `${headline.id} ${index + 1}`;
    reports.push(await runWorkload(parseLab(text, label), label, { engine: 'tlp' }));
  }
  return { headline, ...headline.judge(reports), reports };
}
