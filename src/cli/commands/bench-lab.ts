/**
 * `peerlane lab FILE bench TARGET...`: the options become a workload of one stream, which runs in virtual time with each kind of
 * memory on a machine just switched on.
 */
import {
  type LabPlace,
  type LabStream,
  type LabTraffic,
  type LabWorkload,
  parseLab,
  type WorkloadReport,
} from '../../lab/index.ts';
import {
  LatencyHistogram,
  type LatencySummary,
  type RoundResult,
  type RouteChoice,
  type SideResult,
  Transfer,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { runTimed } from '../lab/timed-run.ts';
import type { MachineSource } from '../machine-input.ts';
import { formatBytes, printable, styleFor } from '../render/style.ts';
import { sumTraffic, trafficLines } from '../render/traffic.ts';
import { latencyTable } from '../render/transfer.ts';
import { faultLines, limiterLine, timeLine } from '../render/workload.ts';
import type { TransferMachine } from '../transfer/machine.ts';
import { nowNs, transferMachineOf } from '../transfer/open-machine.ts';
import { benchStoppedText, FAILED } from '../transfer/trouble.ts';
import { benchHead, headLines, latencyRows } from './bench.ts';
import { areaBytesOf, type Bench, type BenchCommandOptions, loadOf, withBench } from './bench-set-up.ts';

const EXIT_FAILED = 3;
const DEFAULT_SECONDS = 0.01;
const PS_PER_SECOND = 1e12;
/** What fills queues and caches is not measured: a tenth of the time, and at most so long. */
const WARM_UP_MAX_PS = 1e9;

/** One kind of memory. */
interface Side {
  readonly label: string;
  readonly memory: LabPlace;
}

interface Plan {
  readonly choice: RouteChoice;
  readonly depth: number;
  readonly sides: readonly Side[];
  /** Bytes of each target that are used. */
  readonly areaBytes: number;
}

interface MeasuredSide {
  readonly result: SideResult;
  readonly traffic: LabTraffic | null;
  /** Of the last round. */
  readonly report: WorkloadReport;
}

interface Outcome {
  readonly sides: readonly MeasuredSide[];
  readonly signalStatus: number | undefined;
}

/**
 * @returns 0 measured, 3 requests failed, 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 1 when no peer route is allowed, 2 for mistakes and refusals for safety
 */
export async function benchLab(
  source: MachineSource & { readonly kind: 'lab' },
  options: BenchCommandOptions,
  io: Io,
): Promise<number> {
  const machine = await transferMachineOf(source, options, 'bench', io);
  let plan: Plan;
  try {
    plan = await planOf(machine, options, io);
  } finally {
    machine.close();
  }
  const lab = parseLab(source.text, source.path);
  const sides: MeasuredSide[] = [];
  let signalStatus: number | undefined;
  for (const side of plan.sides) {
    const rounds = new Rounds(side.label, options.mode);
    for (let round = 0; round < (options.rounds ?? 1) && signalStatus === undefined; round++) {
      const run = await runTimed(
        {
          path: source.path,
          // Another round has other offsets.
          lab: { ...lab, seed: lab.seed + options.seed + round },
          workload: workloadFor(plan, side, options),
          engine: options.engine ?? 'auto',
          label: side.label,
          boot: {
            storage: options.bytes === true ? 'flat' : 'extents',
            images: options.writeImages === true ? 'write' : 'copy-on-write',
          },
          isQuiet: true,
          // Of several runs the first is traced: peer to peer, where there is such a way.
          ...(sides.length === 0 && rounds.count === 0 ? { trace: options } : {}),
        },
        io,
      );
      signalStatus = run.signalStatus;
      rounds.add(run.report, run.traffic, run.latencies[0]!);
    }
    if (rounds.count > 0) {
      sides.push(rounds.result());
    }
  }
  return finish({ sides, signalStatus }, plan, options, io);
}

/** Asks and checks as on a real machine; nothing is moved. */
async function planOf(machine: TransferMachine, options: BenchCommandOptions, io: Io): Promise<Plan> {
  return withBench(machine, options, io, async (bench) => {
    refuseLoad(bench, options);
    const { choice, depth, sides } = bench;
    const { provider } = choice;
    return {
      choice,
      depth,
      areaBytes: areaBytesOf(bench, options),
      sides: sides.map(({ label, span }) => ({
        label,
        memory:
          span.kind === 'peer' && provider !== null
            ? { kind: 'bar', name: provider, bar: 0 }
            : { kind: 'host', node: null },
      })),
    };
  });
}

/** As a load on the real machine refuses it. @throws {CopyError} COPY_SETUP, COPY_RANGE */
function refuseLoad(bench: Bench, options: BenchCommandOptions): void {
  loadOf(bench, options, { seconds: options.seconds ?? DEFAULT_SECONDS, rounds: options.rounds ?? 1 });
  const { targets, depth, sides } = bench;
  const [source, target] = [targets[0]!, targets.at(-1)!];
  const work = { next: () => false };
  for (const { span } of sides) {
    new Transfer({ source, target, span, chunkBytes: options.block, depth, work, nowNs });
  }
}

function workloadFor(plan: Plan, side: Side, options: BenchCommandOptions): LabWorkload {
  const { count } = options;
  const seconds = options.seconds ?? (count === undefined ? DEFAULT_SECONDS : undefined);
  const durationPs = seconds === undefined ? null : Math.ceil(seconds * PS_PER_SECOND);
  return {
    durationPs,
    warmUpPs:
      durationPs === null || count !== undefined ? 0 : Math.min(WARM_UP_MAX_PS, Math.ceil(durationPs / 10)),
    memoryLoads: [],
    streams: [streamFor(plan, side, options)],
  };
}

function streamFor(plan: Plan, { memory }: Side, options: BenchCommandOptions): LabStream {
  const [device = '', target = ''] = options.targets;
  const common = {
    name: options.mode,
    startPs: 0,
    stopPs: null,
    rateGBs: null,
    duty: null,
    count: options.count ?? null,
    sizeBytes: null,
    jobs: 1,
    blocks: [{ sizeBytes: options.block, share: 1 }],
    pattern: options.random === true ? ('random' as const) : ('sequential' as const),
    depth: plan.depth,
    areaBytes: plan.areaBytes,
    cpu: options.cpu ?? ('kernel' as const),
    device,
  };
  switch (options.mode) {
    case 'copy':
      return { ...common, kind: 'copy', target, via: memory };
    case 'mixed':
      return { ...common, kind: 'mix', memory, readPercent: options.readPercent, cpuCopies: 0 };
    default:
      return { ...common, kind: options.mode, memory, cpuCopies: 0 };
  }
}

/** Rounds of one side, as the load generator of the real machine tells them. */
class Rounds {
  readonly #label: string;
  readonly #mode: BenchCommandOptions['mode'];
  readonly #rounds: RoundResult[] = [];
  readonly #latency = new LatencyHistogram();
  readonly #traffic: LabTraffic[] = [];
  #report: WorkloadReport | undefined;

  constructor(label: string, mode: BenchCommandOptions['mode']) {
    this.#label = label;
    this.#mode = mode;
  }

  get count(): number {
    return this.#rounds.length;
  }

  add(report: WorkloadReport, traffic: LabTraffic, latency: LatencyHistogram): void {
    const [stream] = report.streams;
    this.#rounds.push({
      items: stream!.requests,
      bytes: stream!.bytes,
      elapsedNs: report.measuredPs / 1000,
      bytesPerSecond: stream!.goodputGBs * 1e9,
      itemsPerSecond: stream!.iops,
    });
    this.#latency.merge(latency);
    this.#traffic.push(traffic);
    this.#report = report;
  }

  result(): MeasuredSide {
    const none = new LatencyHistogram().summary();
    const item = this.#latency.summary();
    return {
      result: {
        label: this.#label,
        rounds: this.#rounds,
        bytesPerSecond: median(this.#rounds.map(({ bytesPerSecond }) => bytesPerSecond)),
        itemsPerSecond: median(this.#rounds.map(({ itemsPerSecond }) => itemsPerSecond)),
        // Parts of a copy and of a mix are not measured apart.
        latency: {
          read: this.#mode === 'read' ? item : none,
          write: this.#mode === 'write' ? item : none,
          item,
        },
      },
      traffic: sumTraffic(this.#traffic),
      report: this.#report!,
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

function ratioOf([first, second]: readonly MeasuredSide[]): number | null {
  const by = second?.result.bytesPerSecond ?? 0;
  return first === undefined || by === 0 || first.result.bytesPerSecond === 0
    ? null
    : first.result.bytesPerSecond / by;
}

async function finish(outcome: Outcome, plan: Plan, options: BenchCommandOptions, io: Io): Promise<number> {
  const { sides, signalStatus } = outcome;
  const failed = sides.find(({ report }) => report.streams[0]!.failures > 0);
  const status = signalStatus ?? (failed === undefined ? 0 : EXIT_FAILED);
  io.exitWith?.(status);
  if (failed !== undefined) {
    const { failures, failure } = failed.report.streams[0]!;
    io.err(
      `peerlane: ${failures} requests failed with ${failed.result.label}, the first: ${printable(failure ?? '')}; \`peerlane check\` shows the verdict [${FAILED}]\n`,
    );
  }
  if (signalStatus !== undefined) {
    io.err(`peerlane: ${benchStoppedText('the time until then')}\n`);
  }
  if (options.json === true) {
    await io.out(`${JSON.stringify(json(outcome, plan, options, status), null, 2)}\n`);
  } else {
    for (const line of text(sides, plan, options, io)) {
      await io.out(`${line}\n`);
    }
  }
  return status;
}

function* text(
  sides: readonly MeasuredSide[],
  { choice, depth }: Plan,
  options: BenchCommandOptions,
  io: Io,
): Generator<string> {
  const style = styleFor(io);
  yield* headLines(choice, depth, options);
  const [first] = sides;
  if (first !== undefined) {
    yield timeLine(first.report);
  }
  for (const { result, traffic, report } of sides) {
    const items = result.rounds.reduce((sum, round) => sum + round.items, 0);
    const bytes = result.rounds.reduce((sum, round) => sum + round.bytes, 0);
    yield `${result.label}: ${(result.bytesPerSecond / 1e9).toFixed(3)} GB/s, ${Math.round(result.itemsPerSecond)} requests/s (${items} requests, ${formatBytes(bytes)})`;
    yield `  ${limiterLine(report, style)}`;
    for (const line of faultLines(report)) {
      yield `  ${line}`;
    }
    yield `  processor: ${report.cpu.cores.toFixed(2)} cores`;
    for (const line of traffic === null ? [] : trafficLines(traffic)) {
      yield `  ${line}`;
    }
  }
  const ratio = ratioOf(sides);
  if (ratio !== null) {
    yield `ratio: peer memory is ${ratio.toFixed(2)} times host memory`;
  }
  const table = latencyTable(sides.flatMap(({ result }) => rowsOf(result, options.mode)));
  yield table.trimEnd();
}

function rowsOf(
  side: SideResult,
  mode: BenchCommandOptions['mode'],
): readonly (readonly [string, LatencySummary])[] {
  const short = side.label.startsWith('peer') ? 'peer' : 'host';
  return mode === 'copy' || mode === 'mixed'
    ? [[`  ${short} ${mode === 'copy' ? 'copy' : 'request'}`, side.latency.item]]
    : latencyRows(side);
}

/** The contract of `bench --json`, as on a real machine and with what only a simulated one knows. */
function json(
  { sides, signalStatus }: Outcome,
  plan: Plan,
  options: BenchCommandOptions,
  exitStatus: number,
): Record<string, unknown> {
  const failed = sides.find(({ report }) => report.streams[0]!.failures > 0);
  return {
    ...benchHead(plan.choice, plan.depth, options),
    outcome: signalStatus !== undefined ? 'stopped' : failed === undefined ? 'done' : 'failed',
    isSimulated: true,
    time: 'virtual',
    engine: sides[0]?.report.engine ?? null,
    platform: sides[0]?.report.platform ?? null,
    sides: sides.map(({ result, traffic, report }) => ({ ...result, traffic, workload: report })),
    ratio: ratioOf(sides),
    failure: null,
    failedSide: failed?.result.label ?? null,
    exitStatus,
  };
}
