// 4 KiB reads of a simulated NVMe drive into a peer's controller memory, through modelled queues, doorbells, PRPs and
// interrupts, untimed and with real bytes; beside a bare loop of the same copies between the same memories.
//
// Exit status 1 when the floor is missed.
import { LabMachine, parseLab } from '../../dist/lab/index.js';

const FLOOR = 0.6e6;
const GOAL = 1.8e6;
const BLOCK = 4096;
const DEPTH = 128;
const COMMANDS = 400_000;
const ROUNDS = 7;
const DRIVE_BYTES = 64 * 2 ** 20;

const LAB = `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
modules: {nvme.use_cmb_sqs: 'N'}
below:
  - switch: sw
    below:
      - {nvme: provider, cmb: 64M, namespaces: 64M}
      - {nvme: drive, namespaces: 64M}
`;

const machine = LabMachine.boot(parseLab(LAB, 'bench'), { label: 'bench', storage: 'flat', turn: () => {} });
const at = (name) => machine.member(name);
const span = machine.p2pdma.allocSpan(at('provider').bdf, DEPTH * BLOCK);
const namespace = machine.boundAt(at('drive').bdf).nvme.openNamespace(1);
const media = at('drive').model.namespace(1).data;
const content = new Uint8Array(DRIVE_BYTES).map((_, i) => (i * 31) ^ (i >> 8));
media.write(0, content, 0, DRIVE_BYTES);

machine.fabric.counters.reset();

const blocks = DRIVE_BYTES / BLOCK;
/** A fixed sequence of block numbers that visits the whole drive. */
const next = (index) => (index * 7919) % blocks;

function reads() {
  let started = 0;
  let ended = 0;
  const start = (slot) => {
    const status = namespace.read(next(started) * BLOCK, span, slot * BLOCK, BLOCK, slot);
    if (status < 0) throw new Error(`read ended with ${status}: ${namespace.failure(slot)?.message}`);
    started++;
  };
  namespace.onDone = (slot, status) => {
    if (status !== 0) throw new Error(`read ended with ${status}: ${namespace.failure(slot)?.message}`);
    ended++;
    if (started < COMMANDS) start(slot);
  };
  for (let slot = 0; slot < DEPTH; slot++) start(slot);
  machine.queue.runUntilIdle();
  if (ended !== COMMANDS) throw new Error(`${ended} of ${COMMANDS} reads ended`);
}

const target = new Uint8Array(DEPTH * BLOCK);
function bare() {
  for (let i = 0; i < COMMANDS; i++) {
    const from = next(i) * BLOCK;
    target.set(content.subarray(from, from + BLOCK), (i % DEPTH) * BLOCK);
  }
}

const perSecond = (run) => {
  const started = performance.now();
  run();
  return COMMANDS / ((performance.now() - started) / 1000);
};
perSecond(reads);
perSecond(bare);
const rounds = { reads: [], bare: [] };
for (let round = 0; round < ROUNDS; round++) {
  rounds.reads.push(perSecond(reads));
  rounds.bare.push(perSecond(bare));
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const [ours, peer] = [median(rounds.reads), median(rounds.bare)];
const counts = machine.fabric.counters.read();
console.log(
  `4 KiB reads into a peer's controller memory, depth ${DEPTH}, medians of ${ROUNDS} rounds of ${COMMANDS}`,
);
console.log(
  `  through queues ${(ours / 1e6).toFixed(2)} M/s   bare copies ${(peer / 1e6).toFixed(2)} M/s   ratio ${(ours / peer).toFixed(2)}`,
);
console.log(`  payload over the root port: ${counts.rootPorts.dataBytes} bytes`);
console.log(
  `  ${ours >= GOAL ? `goal ${GOAL / 1e6} M/s reached` : ours >= FLOOR ? `above the floor ${FLOOR / 1e6} M/s` : `BELOW THE FLOOR ${FLOOR / 1e6} M/s`}`,
);
process.exitCode = ours >= FLOOR ? 0 : 1;
