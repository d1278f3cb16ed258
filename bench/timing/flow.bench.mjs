// Bulk in flow mode: sixteen GPUs below four switches, each writing to its neighbour's memory in pieces of 1 MiB, four at a time, in a
// lab machine as `peerlane lab FILE bench` boots it. Every request goes through routing, the flow engine and real extent memories,
// so that what arrives could be read. Beside it the same lab packet by packet, and the memory of this process before and after a
// simulated terabyte.
//
// Exit status 1 when the floor is missed.
import { noTurn } from '../../dist/fabric/index.js';
import { LabMachine, parseLab, WorkloadRun } from '../../dist/lab/index.js';

const FLOOR = 100;
const GOAL = 1000;
const FLOWS = 16;
const ROUNDS = 3;
const TERABYTE = 1e12;

const gpu = (index) => `      - {gpu: gpu${index}, link: gen4 x16, bars: {0: 16M 32-bit, 1: 1G}}`;
const group = (index) => `
  - switch: sw${index}
    link: gen4 x16
    below:
${[0, 1, 2, 3].map((i) => gpu(4 * index + i)).join('\n')}`;
const stream = (index, block, bytes) =>
  `    - {dma-write: gpu${index}, to: gpu${index ^ 1}, block: ${block}, depth: 4, area: 64M, pattern: sequential, size: ${bytes}}`;

/** Each of the sixteen moves `bytes`. */
const lab = (block, bytes) => `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 16G
below:${[0, 1, 2, 3].map(group).join('')}
workload:
  warm-up: 0ms
  streams:
${Array.from({ length: FLOWS }, (_, index) => stream(index, block, bytes)).join('\n')}
`;

async function run(engine, block, bytesEach) {
  const description = parseLab(lab(block, bytesEach), 'bench');
  const machine = LabMachine.boot(description, { label: 'bench', timing: { engine }, turn: noTurn });
  const workload = new WorkloadRun(machine, description.workload);
  const started = performance.now();
  const usage = process.cpuUsage();
  while (!workload.advance(1e6)) {}
  const wallSeconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(usage);
  const report = workload.report();
  await workload.close();
  const bytes = report.streams.reduce((sum, one) => sum + one.bytes, 0);
  if (bytes !== bytesEach * FLOWS) throw new Error(`${bytes} of ${bytesEach * FLOWS} bytes arrived`);
  return {
    bytes,
    wall: bytes / 1e9 / wallSeconds,
    cpu: bytes / 1e9 / ((used.user + used.system) / 1e6),
    simulated: bytes / (report.measuredPs / 1000),
    dramBytes: report.dramBytes,
  };
}
const median = (rounds, of) => rounds.map(of).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)];
async function rounds(engine, block, bytesEach, count) {
  const results = [];
  for (let round = 0; round < count; round++) results.push(await run(engine, block, bytesEach));
  const [{ simulated, dramBytes }] = results;
  return {
    wall: median(results, ({ wall }) => wall),
    cpu: median(results, ({ cpu }) => cpu),
    simulated,
    dramBytes,
  };
}

console.log(`${FLOWS} concurrent flows between GPUs, four requests each, medians of ${ROUNDS} rounds`);
const packets = await rounds('tlp', '1M', 2 ** 25, 3);
console.log(
  `  packet by packet, 1 MiB: ${packets.wall.toFixed(2)} GB/s (${packets.cpu.toFixed(2)} by processor time) for ${packets.simulated.toFixed(1)} GB/s simulated`,
);
let headline;
for (const [block, bytesEach] of [
  ['128K', 2 ** 33],
  ['1M', 2 ** 36],
  ['4M', 2 ** 37],
]) {
  const { wall, cpu, simulated, dramBytes } = await rounds('flow', block, bytesEach, ROUNDS);
  console.log(
    `  in flows, ${block}iB: ${wall.toFixed(0)} GB/s (${cpu.toFixed(0)} by processor time) for ${simulated.toFixed(1)} GB/s simulated   ratio ${(wall / packets.wall).toFixed(0)}   payload in host memory ${dramBytes}`,
  );
  if (block === '1M') headline = wall;
}
const megabytes = () => {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return `heap ${(heapUsed / 1e6).toFixed(1)} MB, resident ${(rss / 1e6).toFixed(0)} MB`;
};
console.log(`  before a terabyte: ${megabytes()}`);
const { bytes } = await run('flow', '1M', Math.ceil(TERABYTE / FLOWS / 2 ** 20) * 2 ** 20);
console.log(`  after ${(bytes / 1e12).toFixed(2)} TB:     ${megabytes()}`);
console.log(
  `  ${headline >= GOAL ? `goal ${GOAL} GB/s reached` : headline >= FLOOR ? `above the floor ${FLOOR} GB/s` : `BELOW THE FLOOR ${FLOOR} GB/s`}`,
);
process.exitCode = headline >= FLOOR ? 0 : 1;
