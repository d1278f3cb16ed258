// Runs in the guest: the rounds of the copy benchmark, ours and the C program's in turn.
import { execFileSync } from 'node:child_process';
import { findDrives, keep, linux, orchestrators } from './copy-driver.mjs';

const { SIZE_BYTES, ROUNDS, POINTS } = JSON.parse(process.argv[2]);
const { a, A, B } = findDrives();
const nowNs = () => performance.now() * 1e6;
const RUNNERS = [
  ['peerlane', ours],
  ['aio', (memory, point) => inC('aio', memory, point)],
  ['threads', (memory, point) => inC('threads', memory, point)],
];
const rows = [];
for (const memory of ['peer', 'host']) {
  for (const point of POINTS) {
    const row = { memory, ...point, peerlane: [], aio: [], threads: [] };
    // One round more than is counted: the first of each warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      // Who goes first changes with the round, so that what one leaves behind for the next meets all of them.
      for (let turn = 0; turn < RUNNERS.length; turn++) {
        const [name, run] = RUNNERS[(round + turn) % RUNNERS.length];
        const time = await run(memory, point);
        if (round > 0) row[name].push(time);
      }
    }
    rows.push(row);
  }
}
keep('rounds', rows);

async function ours(memory, { chunkBytes, depth }) {
  const look = linux.liveTree;
  const source = linux.openBlockTarget(A, { look, depth });
  const target = linux.openBlockTarget(B, { look, write: true, depth });
  const bytes = chunkBytes * depth;
  const span =
    memory === 'peer' ? linux.allocatePeerMemory(look(), a, bytes) : linux.allocateHostMemory(bytes);
  const copy = new orchestrators.Copy({
    source,
    target,
    span,
    sourceOffsetBytes: 0,
    targetOffsetBytes: 0,
    lengthBytes: SIZE_BYTES,
    chunkBytes,
    depth,
    nowNs,
  });
  const result = await copy.run();
  await source.close();
  await target.close();
  span.close();
  if (result.outcome !== 'done') throw new Error(JSON.stringify(result));
  return result.elapsedNs;
}

function inC(mode, memory, { chunkBytes, depth }) {
  const pool = memory === 'peer' ? `/sys/bus/pci/devices/${a}/p2pmem/allocate` : '-';
  const args = [mode, A, B, pool, SIZE_BYTES, chunkBytes, depth, 1].map(String);
  return Number(execFileSync('/tmp/copy', args, { encoding: 'utf8' }));
}
