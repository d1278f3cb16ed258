/** `peerlane bench`: the copy engine as a load generator, peer memory against host memory in alternating rounds; on labs: bench-lab.ts. */
import { type BlockTarget, type Span, STATUS } from '../../access/index.ts';
import { UsageError } from '../../base/index.ts';
import {
  Load,
  type LoadMode,
  type LoadResult,
  type LoadSide,
  type RouteChoice,
  type SideResult,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { refuseLabOptions, type TimeOptions } from '../lab/time-options.ts';
import { openMachine } from '../machine-input.ts';
import { formatBytes } from '../render/style.ts';
import { formatRate, latencyTable, ProgressLine } from '../render/transfer.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { nowNs, type TransferMachineOptions, transferMachineOf } from '../transfer/open-machine.ts';
import {
  allocateBuffer,
  assertDifferent,
  failureJson,
  printRefusals,
  resolveRoute,
  routeJson,
  routeText,
} from '../transfer/route.ts';
import { watchSignals } from '../transfer/signals.ts';

export interface BenchCommandOptions extends TransferMachineOptions, TimeOptions {
  /** One; for `copy` two: from, to. On a lab with a workload none, which runs that. */
  readonly targets: readonly string[];
  readonly mode: LoadMode;
  /** `auto`, `host` (no comparison), an address or a name. */
  readonly via: string;
  readonly readPercent: number;
  readonly block: number;
  readonly depth: number;
  /** Bytes of each target that are used; default: all. */
  readonly size?: number;
  readonly count?: number;
  readonly seconds?: number;
  /** Default 3; on a lab, where all are alike but for random offsets, 1. */
  readonly rounds?: number;
  readonly random?: boolean;
  readonly seed: number;
  /** On a lab: what a request costs the processor. */
  readonly cpu?: 'kernel' | 'polled' | 'none';
  readonly yes?: boolean;
  readonly json?: boolean;
}

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
  const ends = endsOf(machine, options);
  const writtenEnd = options.mode === 'read' ? undefined : ends.at(-1);
  const choice = chosenRoute(machine, options, ends, io);
  if (writtenEnd !== undefined && writtenEnd.atStake !== 'nothing') {
    // A load destroys files as well as devices, so both need consent.
    await confirmWrite(io, options.yes, writtenEnd, "the load's data");
  }
  const targets: BlockTarget[] = [];
  const spans: Span[] = [];
  try {
    for (const end of ends) {
      const write = end === writtenEnd;
      targets.push(end.open({ write, depth: options.depth }).target);
    }
    const source = targets[0]!;
    const target = targets.at(-1)!;
    const { depth, sides } = sidesOf(machine, options, choice, targets, spans);
    const measured = await measure(options, source, target, depth, sides, io);
    return await finish(measured, choice, depth, options, io);
  } finally {
    for (const target of targets) {
      await target.close();
    }
    for (const span of spans) {
      span.close();
    }
  }
}

export function endsOf(machine: TransferMachine, options: BenchCommandOptions): readonly TransferEnd[] {
  const { targets, mode } = options;
  const wanted = mode === 'copy' ? 2 : 1;
  if (targets.length !== wanted) {
    throw new UsageError('USAGE_TARGETS', {
      message: `--mode ${mode} takes ${wanted === 1 ? 'one target' : 'two targets, from and to'}, and ${targets.length} were given`,
      hint:
        wanted === 2
          ? 'peerlane bench --mode copy /dev/nvme0n1 /dev/nvme1n1'
          : 'name one device or file; without any a lab runs its `workload`',
    });
  }
  const ends = targets.map((name, i) =>
    mode === 'read' || i < targets.length - 1
      ? machine.source(name)
      : // A load is not where files are made: what is not there is a mistake.
        machine.destination(name, true),
  );
  if (mode === 'copy') {
    assertDifferent(ends[0]!, ends[1]!);
  }
  return ends;
}

export function chosenRoute(
  machine: TransferMachine,
  options: BenchCommandOptions,
  ends: readonly TransferEnd[],
  io: Io,
): RouteChoice {
  try {
    return resolveRoute(machine, { via: options.via, ends, fallback: false });
  } catch (error) {
    printRefusals(io, error);
    if (!options.json) {
      io.err('--via host measures host memory alone\n');
    }
    throw error;
  }
}

/** The memory of each side; both use the depth for which the peer memory has room, so that they can be compared. */
export function sidesOf(
  machine: TransferMachine,
  options: BenchCommandOptions,
  choice: RouteChoice,
  targets: readonly BlockTarget[],
  owned: Span[],
): { readonly depth: number; readonly sides: readonly LoadSide[] } {
  const unitBytes = Math.max(...targets.map((target) => target.blockBytes));
  const buffer = allocateBuffer(
    machine,
    choice,
    { chunkBytes: options.block, depth: options.depth },
    unitBytes,
  );
  owned.push(buffer.span);
  if (buffer.chunkBytes < options.block) {
    throw new UsageError('USAGE_SIZE', {
      message: `the peer memory of ${choice.provider} has no room for one block of ${options.block} bytes`,
      hint: `use a --block of at most ${buffer.chunkBytes}`,
    });
  }
  if (choice.kind === 'host') {
    return { depth: buffer.depth, sides: [{ label: 'host memory', span: buffer.span }] };
  }
  const host = machine.allocateHost(buffer.chunkBytes * buffer.depth);
  owned.push(host);
  return {
    depth: buffer.depth,
    sides: [
      { label: `peer ${choice.provider}`, span: buffer.span },
      { label: 'host memory', span: host },
    ],
  };
}

interface Measured {
  readonly result: LoadResult;
  readonly signalStatus: number | undefined;
}

async function measure(
  options: BenchCommandOptions,
  source: BlockTarget,
  target: BlockTarget,
  depth: number,
  sides: readonly LoadSide[],
  io: Io,
): Promise<Measured> {
  const smallest = Math.min(source.sizeBytes, target.sizeBytes);
  const seconds = options.seconds ?? (options.count === undefined ? DEFAULT_SECONDS : undefined);
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const progress = new ProgressLine(io, nowNs);
  const load = new Load({
    source,
    target,
    pattern: {
      mode: options.mode,
      blockBytes: options.block,
      offsetBytes: 0,
      areaBytes: options.size ?? smallest,
      isRandom: options.random === true,
      seed: options.seed,
      readPercent: options.readPercent,
      count: options.count,
      durationNs: seconds === undefined ? undefined : seconds * 1e9,
    },
    depth,
    sides,
    rounds,
    nowNs,
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
  choice: RouteChoice,
  depth: number,
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
      `peerlane: ${failure.phase} at byte ${failure.offsetBytes} failed with ${result.failedSide}: ${failure.message}${advice} [COPY_FAILED]\n`,
    );
  } else if (result.outcome === 'stopped') {
    io.err('peerlane: stopped; the figures are of the rounds so far [COPY_STOPPED]\n');
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
