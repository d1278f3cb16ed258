/** `peerlane bench`: the copy engine as a load generator, peer memory against host memory in alternating rounds; on labs: bench-lab.ts. */
import { STATUS } from '../../access/index.ts';
import type { LoadResult, RouteChoice, SideResult } from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { refuseLabOptions } from '../lab/time-options.ts';
import { openMachine } from '../machine-input.ts';
import { formatBytes } from '../render/style.ts';
import { formatRate, latencyTable, ProgressLine } from '../render/transfer.ts';
import type { TransferMachine } from '../transfer/machine.ts';
import { nowNs, transferMachineOf } from '../transfer/open-machine.ts';
import { failureJson, routeJson, routeText } from '../transfer/route.ts';
import { watchSignals } from '../transfer/signals.ts';
import { benchStoppedText, FAILED } from '../transfer/trouble.ts';
import { type Bench, type BenchCommandOptions, loadOf, withBench } from './bench-set-up.ts';

const EXIT_FAILED = 3;
const DEFAULT_SECONDS = 5;
const DEFAULT_ROUNDS = 3;

/**
 * @returns 0 measured, 3 a request failed, 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 1 when no peer route is allowed, 2 for mistakes and refusals for safety
 */
export async function runBench(options: BenchCommandOptions, io: Io): Promise<number> {
  const source = await openMachine(options);
  if (source.kind === 'lab') {
    if (options.targets.length === 0) {
      return (await import('./bench-workload.ts')).benchWorkload(source, options, io);
    }
    return (await import('./bench-lab.ts')).benchLab(source, options, io);
  }
  refuseLabOptions('bench', options, { after: options.cpu === undefined ? null : '--cpu' });
  const machine = await transferMachineOf(source, options, 'bench', io);
  try {
    return await benchOn(machine, options, io);
  } finally {
    machine.close();
  }
}

async function benchOn(machine: TransferMachine, options: BenchCommandOptions, io: Io): Promise<number> {
  return withBench(machine, options, io, async (bench) =>
    finish(await measure(bench, options, io), bench, options, io),
  );
}

interface Measured {
  readonly result: LoadResult;
  readonly signalStatus: number | undefined;
}

async function measure(bench: Bench, options: BenchCommandOptions, io: Io): Promise<Measured> {
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const progress = new ProgressLine(io, nowNs);
  const load = loadOf(bench, options, {
    seconds: options.seconds ?? (options.count === undefined ? DEFAULT_SECONDS : undefined),
    rounds,
    onRound: (side, round, result) => {
      progress.show(`round ${round + 1} of ${rounds}: ${side.label} ${formatRate(result.bytesPerSecond)}`);
    },
  });
  const signals = watchSignals(() => load.stop());
  try {
    const result = await load.run();
    return { result, signalStatus: signals.exitStatus() };
  } finally {
    signals.end();
    progress.clear();
  }
}

async function finish(
  measured: Measured,
  { choice, depth }: Bench,
  options: BenchCommandOptions,
  io: Io,
): Promise<number> {
  const { result, signalStatus } = measured;
  const status = signalStatus ?? (result.outcome === 'done' ? 0 : EXIT_FAILED);
  io.exitWith?.(status);
  tellTrouble(result, io);
  if (options.json === true) {
    await io.out(`${JSON.stringify(benchJson(measured, choice, depth, options, status), null, 2)}\n`);
  } else {
    await io.out(benchText(measured, choice, depth, options));
  }
  return status;
}

/** Before the figures: a reader of stdout that went away must not turn a failure into a success. */
function tellTrouble(result: LoadResult, io: Io): void {
  if (result.failure !== undefined) {
    const { failure } = result;
    const advice = failure.status === STATUS.UNREACHABLE ? '; `peerlane check` shows the verdict' : '';
    io.err(
      `peerlane: ${failure.phase} at byte ${failure.offsetBytes} failed with ${result.failedSide}: ${failure.message}${advice} [${FAILED}]\n`,
    );
  } else if (result.outcome === 'stopped') {
    io.err(`peerlane: ${benchStoppedText('the rounds so far')}\n`);
  }
}

function benchText(
  { result }: Measured,
  choice: RouteChoice,
  depth: number,
  options: BenchCommandOptions,
): string {
  const measured = result.sides.filter((side) => side.rounds.length > 0);
  const ratio =
    result.ratio === undefined
      ? []
      : [`ratio: peer memory is ${result.ratio.toFixed(2)} times host memory (medians of throughput)`];
  const lines = [...headLines(choice, depth, options), ...measured.map(sideLine), ...ratio];
  return `${lines.join('\n')}\n${latencyTable(result.sides.flatMap(latencyRows))}`;
}

/** What is done, and through which memory. */
export function headLines(
  choice: RouteChoice,
  depth: number,
  options: BenchCommandOptions,
): readonly string[] {
  const reduced = depth < options.depth ? ' (what the memory had room for)' : '';
  const offsets = options.random === true ? `random, seed ${options.seed}` : 'sequential';
  return [
    `${options.mode} ${options.targets.join(' to ')}: blocks of ${formatBytes(options.block)}, ${depth} in flight${reduced}, ${offsets}`,
    `route: ${routeText(choice)}`,
  ];
}

function sideLine(side: SideResult): string {
  const rounds = side.rounds.map((round) => formatRate(round.bytesPerSecond)).join(', ');
  return `${side.label}: ${formatRate(side.bytesPerSecond)}, ${Math.round(side.itemsPerSecond)} requests/s (rounds: ${rounds})`;
}

export function latencyRows(side: SideResult) {
  const short = side.label.startsWith('peer') ? 'peer' : 'host';
  const rows = [
    [`  ${short} read`, side.latency.read],
    [`  ${short} write`, side.latency.write],
    [`  ${short} copy`, side.latency.item],
  ] as const;
  // An item is more than its request only where it reads and writes.
  const isCopy =
    side.latency.item.count > 0 &&
    side.latency.read.count === side.latency.item.count &&
    side.latency.write.count > 0;
  return isCopy ? rows : rows.slice(0, 2);
}

/** The contract of `bench --json`. Fields may be added. */
function benchJson(
  { result }: Measured,
  choice: RouteChoice,
  depth: number,
  options: BenchCommandOptions,
  exitStatus: number,
): Record<string, unknown> {
  return {
    ...benchHead(choice, depth, options),
    outcome: result.outcome,
    isSimulated: false,
    time: 'wall',
    sides: result.sides,
    ratio: result.ratio ?? null,
    failure: failureJson(result.failure),
    failedSide: result.failedSide ?? null,
    exitStatus,
  };
}

export function benchHead(
  choice: RouteChoice,
  depth: number,
  options: BenchCommandOptions,
): Record<string, unknown> {
  return {
    schema: 'peerlane/bench/1',
    targets: options.targets,
    mode: options.mode,
    blockBytes: options.block,
    depth,
    isRandom: options.random === true,
    seed: options.seed,
    readPercent: options.mode === 'mixed' ? options.readPercent : null,
    route: routeJson(choice),
  };
}
