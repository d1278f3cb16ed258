// A copy between two NVMe drives of a virtual machine, through p2pmem and through host memory, beside a C program that makes
// the same calls on the same devices, memory and depth. Rounds alternate; the ratio is of the medians.
//
// Exit status 1 when the floor is missed. Where there is no QEMU, kernel or compiler it says so and is not counted.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const FLOOR = 0.8;
const GOAL = 0.95;
/** Long enough for the engine to be compiled: on an emulated CPU that takes a good part of a second. */
const SIZE_BYTES = 128 * 1024 * 1024;
/** A multiple of the number of runners, so that each goes first equally often. */
const ROUNDS = 6;
const CPUS = Number(process.env.PEERLANE_BENCH_CPUS ?? 2);
/** The first counts; the others show where the distance comes from. */
const POINTS = [
  { chunkBytes: 1024 * 1024, depth: 8, isJudged: true },
  { chunkBytes: 128 * 1024, depth: 8, isJudged: false },
];

const root = fileURLToPath(new URL('../../', import.meta.url));
const load = async (path) => (await runnerImport(join(root, path), { root, configFile: false })).module;
const { labAvailable } = await load('test/oracle/cache.ts');
const { bootAndRun } = await load('test/oracle/vm.ts');
const { machines } = await load('test/oracle/machines.ts');

const found = labAvailable();
if (!found.ok) {
  console.log(`not measured: ${found.why}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'peerlane-bench-'));
try {
  const program = join(folder, 'copy');
  execFileSync('gcc', ['-O2', '-pthread', '-o', program, fileURLToPath(new URL('copy.c', import.meta.url))]);
  const drives = { a: join(folder, 'a.img'), b: join(folder, 'b.img') };
  for (const path of Object.values(drives)) writeFileSync(path, Buffer.alloc(SIZE_BYTES, 0x5c));
  const { status, stderr, files } = await bootAndRun({
    lab: found.lab,
    // Two processors, as the smallest real machine has: one for the program, one for what the kernel does meanwhile.
    machine: {
      ...machines.sharedSwitch,
      arguments: [...machines.sharedSwitch.arguments, '-smp', String(CPUS)],
    },
    drives,
    hostRoot: true,
    files: {
      copy: readFileSync(program),
      'copy-driver.mjs': readFileSync(join(root, 'test/oracle/guest/copy-driver.mjs')),
      'guest.mjs': readFileSync(new URL('guest.mjs', import.meta.url)),
    },
    script: `cp $LAB/copy /tmp/copy && chmod +x /tmp/copy && REPOSITORY=${root} node $LAB/guest.mjs '${JSON.stringify({ SIZE_BYTES, ROUNDS, POINTS })}'`,
    hangLimitMs: 900_000,
  });
  if (status !== 0) throw new Error(`the guest failed (${status}): ${stderr}`);
  process.exitCode = report(JSON.parse(files.get('rounds').toString())) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(rows) {
  let isGood = true;
  console.log(
    `copy of ${SIZE_BYTES >> 20} MiB in the virtual machine (${CPUS} CPUs), medians of ${ROUNDS} rounds, MiB/s`,
  );
  console.log('memory  chunk    depth  peerlane  C, same calls  C, threads  ratio');
  for (const row of rows) {
    const speed = (times) => SIZE_BYTES / 2 ** 20 / (median(times) / 1e9);
    const [ours, aio, threads] = [speed(row.peerlane), speed(row.aio), speed(row.threads)];
    const ratio = ours / aio;
    const isJudged = row.isJudged && row.memory === 'peer';
    const verdict = !isJudged
      ? ''
      : ratio >= GOAL
        ? `  goal ${GOAL} reached`
        : ratio >= FLOOR
          ? `  above the floor ${FLOOR}`
          : `  BELOW THE FLOOR ${FLOOR}`;
    isGood &&= !isJudged || ratio >= FLOOR;
    console.log(
      `${row.memory.padEnd(7)} ${`${row.chunkBytes >> 10} KiB`.padEnd(8)} ${String(row.depth).padStart(5)} ${[
        ours,
        aio,
        threads,
      ]
        .map((value, i) => value.toFixed(1).padStart([9, 14, 11][i]))
        .join(' ')} ${ratio.toFixed(2).padStart(6)}${verdict}`,
    );
    const spread = (times) =>
      `${speed([Math.max(...times)]).toFixed(0)}-${speed([Math.min(...times)]).toFixed(0)}`;
    console.log(
      `        slowest-fastest: ${spread(row.peerlane)}, ${spread(row.aio)}, ${spread(row.threads)}`,
    );
  }
  return isGood;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
