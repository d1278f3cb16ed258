/**
 * What a bench needs before anything is measured, on a lab as on the real machine: its ends, the route, a person's yes for what is
 * overwritten, targets that are open, and memory for each side.
 */
import type { BlockTarget, Span } from '../../access/index.ts';
import { UsageError } from '../../base/index.ts';
import {
  Load,
  type LoadMode,
  type LoadOptions,
  type LoadSide,
  type RouteChoice,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import type { TimeOptions } from '../lab/time-options.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { nowNs, type TransferMachineOptions } from '../transfer/open-machine.ts';
import { allocateBuffer, assertDifferent, printRefusals, resolveRoute } from '../transfer/route.ts';

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

/** Open until the work on it has ended. */
export interface Bench {
  readonly choice: RouteChoice;
  /** One, or two of a copy. */
  readonly targets: readonly BlockTarget[];
  /** Requests at once. */
  readonly depth: number;
  /** Peer memory, where it is used, and host memory. */
  readonly sides: readonly LoadSide[];
}

/**
 * Asks and checks, opens, does the work, and closes everything.
 * @throws {UsageError}, {CopyError} COPY_NO_ROUTE, COPY_NOT_CONFIRMED; what opening and allocating refuse
 */
export async function withBench<Result>(
  machine: TransferMachine,
  options: BenchCommandOptions,
  io: Io,
  work: (bench: Bench) => Promise<Result>,
): Promise<Result> {
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
      targets.push(end.open({ write: end === writtenEnd, depth: options.depth }).target);
    }
    const { depth, sides } = sidesOf(machine, options, choice, targets, spans);
    return await work({ choice, targets, depth, sides });
  } finally {
    for (const target of targets) {
      await target.close();
    }
    for (const span of spans) {
      span.close();
    }
  }
}

/** Bytes of each target that are used. */
export function areaBytesOf({ targets }: Bench, options: BenchCommandOptions): number {
  return options.size ?? Math.min(...targets.map(({ sizeBytes }) => sizeBytes));
}

/** @throws {CopyError} COPY_SETUP, COPY_RANGE */
export function loadOf(
  bench: Bench,
  options: BenchCommandOptions,
  run: Pick<LoadOptions, 'rounds' | 'onRound'> & { readonly seconds: number | undefined },
): Load {
  const { seconds, ...others } = run;
  return new Load({
    source: bench.targets[0]!,
    target: bench.targets.at(-1)!,
    pattern: {
      mode: options.mode,
      blockBytes: options.block,
      offsetBytes: 0,
      areaBytes: areaBytesOf(bench, options),
      isRandom: options.random === true,
      seed: options.seed,
      readPercent: options.readPercent,
      count: options.count,
      durationNs: seconds === undefined ? undefined : seconds * 1e9,
    },
    depth: bench.depth,
    sides: bench.sides,
    nowNs,
    ...others,
  });
}

function endsOf(machine: TransferMachine, options: BenchCommandOptions): readonly TransferEnd[] {
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

function chosenRoute(
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
function sidesOf(
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
