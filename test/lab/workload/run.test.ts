import { describe, expect, it } from 'vitest';
import { LabMachine, parseLab, type WorkloadReport, WorkloadRun } from '../../../src/lab/index.ts';
import { noTurn } from '../../../src/fabric/index.ts';

export async function runLab(text: string, engine: 'tlp' | 'flow' = 'tlp'): Promise<WorkloadReport> {
  const lab = parseLab(text, 'test.yaml');
  const machine = LabMachine.boot(lab, { label: 'test.yaml', timing: { engine }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  while (!run.advance(1e6)) {}
  const report = run.report();
  await run.close();
  return report;
}

const TWO_DRIVES = `
peerlane: lab/1
cpu: intel
iommu: off
memory: 16G
below:
  - switch: sw0
    id: 11f8:8536
    link: gen3 x16
    port-link: gen3 x4
    below:
      - nvme: nvme0
        link: gen3 x4
        cmb: 128M
        namespaces: 8G
      - nvme: nvme1
        link: gen3 x4
        namespaces: 8G
workload:
  duration: 5ms
  warm-up: 2ms
  streams:
    - copy: nvme0
      to: nvme1
      via: VIA
      block: 128K
      depth: 16
      pattern: sequential
      area: 64M
`;

describe('a workload', () => {
  it('copies peer to peer without a byte in system memory', async () => {
    const report = await runLab(TWO_DRIVES.replace('VIA', 'auto'));
    console.log(JSON.stringify(report, null, 1));
    expect(report.dramBytes).toBe(0);
  });
  it('bounced', async () => {
    const report = await runLab(TWO_DRIVES.replace('VIA', 'host'));
    console.log(report.limiter, report.goodputGBs, report.busy);
    expect(report.dramBytes).toBeGreaterThan(0);
  });
});
