// Memory grows with the machine, not with the bytes that it moves.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { noTurn } from '../../../src/fabric/index.ts';
import { LabMachine, parseLab, WorkloadRun } from '../../../src/lab/index.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Four GPUs below a switch, each writing `gigabytes` to its neighbour. */
function lab(gigabytes: number): string {
  const each = (line: (index: number) => string): string => [0, 1, 2, 3].map(line).join('\n');
  return `
peerlane: lab/1
cpu: intel
iommu: off
below:
  - switch: sw
    below:
${each((i) => `      - {gpu: gpu${i}, link: gen5 x16, bars: {0: 16M 32-bit, 1: 1G}}`)}
workload:
  warm-up: 0ms
  streams:
${each((i) => `    - {dma-write: gpu${i}, to: gpu${i ^ 1}, block: 4M, depth: 4, area: 64M, pattern: sequential, size: ${gigabytes}GB}`)}
`;
}

/** @returns bytes of the heap that are in use with the machine still there, and bytes that it holds for its memories */
async function heapAfter(gigabytes: number): Promise<{ heap: number; bytes: number }> {
  const description = parseLab(lab(gigabytes), 'terabyte.yaml');
  const machine = LabMachine.boot(description, {
    label: 'terabyte.yaml',
    timing: { engine: 'flow' },
    turn: noTurn,
  });
  const run = new WorkloadRun(machine, description.workload!);
  while (!run.advance(1e6)) {}
  const report = run.report();
  collect();
  collect();
  const heap = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  expect(report.dramBytes).toBe(0);
  await run.close();
  return { heap, bytes: report.streams.reduce((sum, stream) => sum + stream.bytes, 0) };
}

it('a terabyte leaves as much behind as sixteen gigabytes', async () => {
  // The first run compiles and fills caches.
  await heapAfter(1);
  const small = await heapAfter(4);
  const large = await heapAfter(250);
  expect(small.bytes).toBe(16e9);
  expect(large.bytes).toBe(1e12);
  // A byte for each of its quarter of a million requests would be a quarter of this.
  expect(large.heap - small.heap).toBeLessThan(1e6);
}, 60_000);
