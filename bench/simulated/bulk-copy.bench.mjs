// Bulk copy from one simulated drive to another through controller memory, untimed and with real bytes: the orchestrator of
// `peerlane copy`, two drivers, two controllers. Beside it the same number of Buffer copies of the same bytes through a
// window of the same size.
//
// Exit status 1 when the floor is missed.
import { LabMachine, parseLab } from '../../dist/lab/index.js';
import { Copy } from '../../dist/orchestrators/index.js';

const FLOOR = 0.5;
const GOAL = 0.8;
const LENGTH = 256 * 2 ** 20;
const CHUNK = 2 ** 17;
const DEPTH = 16;
const ROUNDS = 7;

const LAB = `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
below:
  - switch: sw
    below:
      - {nvme: source, cmb: 64M, namespaces: 256M}
      - {nvme: target, namespaces: 256M}
`;

const machine = LabMachine.boot(parseLab(LAB, 'bench'), { label: 'bench', storage: 'flat' });
const open = (name) => machine.boundAt(machine.member(name).bdf).nvme.openNamespace(1);
const media = (name) => machine.member(name).model.namespace(1).data;
const content = Buffer.alloc(LENGTH);
for (let i = 0; i < LENGTH; i += 4) content.writeUInt32LE((i * 2654435761) >>> 0, i);
media('source').write(0, content, 0, LENGTH);
media('target').write(0, Buffer.alloc(LENGTH, 1), 0, LENGTH);
const span = machine.p2pdma.allocSpan(machine.member('source').bdf, CHUNK * DEPTH);
const [source, target] = [open('source'), open('target')];
machine.fabric.counters.reset();

async function ours() {
  const result = await new Copy({
    source,
    target,
    span,
    sourceOffsetBytes: 0,
    targetOffsetBytes: 0,
    lengthBytes: LENGTH,
    chunkBytes: CHUNK,
    depth: DEPTH,
    nowNs: () => performance.now() * 1e6,
  }).run();
  if (result.outcome !== 'done') throw new Error(`the copy ended as ${result.outcome}`);
}

const copied = Buffer.alloc(LENGTH);
const window = Buffer.alloc(CHUNK * DEPTH);
function bare() {
  for (let at = 0, slot = 0; at < LENGTH; at += CHUNK, slot = (slot + 1) % DEPTH) {
    content.copy(window, slot * CHUNK, at, at + CHUNK);
    window.copy(copied, at, slot * CHUNK, (slot + 1) * CHUNK);
  }
}

async function gigabytesPerSecond(run) {
  const started = performance.now();
  await run();
  return LENGTH / 1e6 / (performance.now() - started);
}
await gigabytesPerSecond(ours);
await gigabytesPerSecond(bare);
const rounds = { ours: [], bare: [] };
for (let round = 0; round < ROUNDS; round++) {
  rounds.ours.push(await gigabytesPerSecond(ours));
  rounds.bare.push(await gigabytesPerSecond(bare));
}
if (media('target').firstDifference(0, media('source'), 0, LENGTH) !== -1)
  throw new Error('the copy differs');
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const [speed, peer] = [median(rounds.ours), median(rounds.bare)];
const ratio = speed / peer;
const counts = machine.fabric.counters.read();
console.log(
  `bulk copy of ${LENGTH >> 20} MiB from drive to drive, ${CHUNK >> 10} KiB at a time, medians of ${ROUNDS} rounds`,
);
console.log(
  `  simulated ${speed.toFixed(2)} GB/s   Buffer.copy twice ${peer.toFixed(2)} GB/s   ratio ${ratio.toFixed(2)}`,
);
console.log(`  payload in host memory: ${counts.dramRead.dataBytes + counts.dramWrite.dataBytes} bytes`);
console.log(
  `  ${ratio >= GOAL ? `goal ${GOAL} reached` : ratio >= FLOOR ? `above the floor ${FLOOR}` : `BELOW THE FLOOR ${FLOOR}`}`,
);
process.exitCode = ratio >= FLOOR ? 0 : 1;
