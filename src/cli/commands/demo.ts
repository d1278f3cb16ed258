/**
 * `peerlane demo`: one copy on a simulated machine, twice: bounced through system memory and peer to peer. Each is made on a
 * machine that was switched on for it, so that neither profits from the other.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CopyError, LabError, UsageError } from '../../base/index.ts';
import {
  engineFor,
  findLabEnd,
  type LabEnd,
  type LabFile,
  type LabMachine,
  labEnds,
  parseLab,
} from '../../lab/index.ts';
import type { Refusal, RouteChoice } from '../../orchestrators/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { bootParsed, machineOf, type RunningLab, warnOfBoot } from '../lab/boot.ts';
import { openLabFile } from '../machine-input.ts';
import { demoText } from '../render/demo.ts';
import { LabTransferMachine } from '../transfer/lab-machine.ts';
import { nowNs } from '../transfer/open-machine.ts';
import { resolveRoute, routeJson } from '../transfer/route.ts';
import { type CopyRun, runCopyPlan } from '../transfer/run-copy.ts';
import { MISMATCH, troubleText } from '../transfer/trouble.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

export interface DemoOptions {
  /** Path of a lab file; default: the one that comes with peerlane. */
  readonly lab?: string;
  /** Drives; default: the first and the next. */
  readonly from?: string;
  readonly to?: string;
  readonly size?: number;
  readonly chunk: number;
  readonly depth: number;
  readonly bytes?: boolean;
  readonly json?: boolean;
}

export const DEMO_DEFAULTS: DemoOptions = { chunk: 2 ** 20, depth: 8 };

/** Two drives below one switch, one with controller memory: the figure of Eideticom's text on peer-to-peer DMA. */
const DEFAULT_LAB = 'examples/eideticom.yaml';
const DEFAULT_BYTES = 256 * 2 ** 20;
const EXIT_REFUSED = 1;
const EXIT_FAILED = 3;

/** One of the two copies. */
export interface DemoRun {
  readonly route: 'host' | 'peer';
  readonly choice: RouteChoice;
  readonly ran: CopyRun;
  /** The target held something else in the range before. */
  readonly differedBefore: boolean;
  /** The target holds what the source holds, by the drives' own view, and did not before. */
  readonly verified: boolean;
}

/** Everything that the report is made of. */
export interface DemoReport {
  readonly path: string;
  readonly lab: LabFile;
  /** As it was before the copies. */
  readonly running: RunningLab;
  readonly from: LabEnd;
  readonly to: LabEnd;
  /** What a person calls the two: `nvme0` for its first namespace. */
  readonly names: { readonly from: string; readonly to: string };
  readonly sizeBytes: number;
  readonly isReal: boolean;
  readonly runs: readonly DemoRun[];
  /** Why there was no peer-to-peer copy; empty when there was one. */
  readonly refusals: readonly Refusal[];
}

/**
 * @returns 0; 1 when the drives may not copy peer to peer; 3 when a copy failed or is not equal; 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 2 for mistakes in the lab or the options
 */
export async function demo(options: DemoOptions, io: Io): Promise<number> {
  const { path, text } =
    options.lab === undefined
      ? {
          path: DEFAULT_LAB,
          text: readFileSync(fileURLToPath(new URL(`../../../${DEFAULT_LAB}`, import.meta.url)), 'utf8'),
        }
      : openLabFile(options.lab);
  const lab = parseLab(text, path);
  const boot = (clock: VirtualClock): RunningLab => {
    const booted = bootParsed(path, lab, {
      storage: options.bytes === true ? 'flat' : 'extents',
      images: 'copy-on-write',
      timing: { engine: engineFor(lab, 'auto', [options.chunk]) },
      turn: clock.turn,
    });
    clock.attach(booted.machine.queue);
    return booted;
  };
  const running = boot(new VirtualClock());
  try {
    warnOfBoot(running, io);
    const { from, to } = endsOf(running.machine, options);
    const sizeBytes = sizeOf(running.machine, from, to, options.size);
    const runs: DemoRun[] = [];
    let refusals: readonly Refusal[] = [];
    for (const route of ['host', 'peer'] as const) {
      try {
        const clock = new VirtualClock();
        runs.push(await runOnce(boot(clock), clock, route, { from, to, sizeBytes }, options, io));
      } catch (error) {
        if (!(error instanceof CopyError) || error.code !== 'COPY_NO_ROUTE') {
          throw error;
        }
        refusals = error.detail.refusals as readonly Refusal[];
      }
      if (runs.some(({ ran }) => ran.signalStatus !== undefined)) {
        break;
      }
    }
    const isReal = options.bytes === true;
    const names = { from: nameOf(running.machine, from), to: nameOf(running.machine, to) };
    return await finish(
      { path, lab, running, from, to, names, sizeBytes, isReal, runs, refusals },
      options.json === true,
      io,
    );
  } finally {
    running.close();
  }
}

function endsOf(machine: LabMachine, options: DemoOptions): { readonly from: LabEnd; readonly to: LabEnd } {
  const ends = labEnds(machine).filter(({ nsid }) => nsid !== null);
  const index = new MachineIndex(machine.machine());
  const named = (name: string | undefined): LabEnd | undefined =>
    name === undefined ? undefined : findLabEnd(machine, index, name);
  const from = named(options.from) ?? ends.find(({ label }) => label !== named(options.to)?.label);
  const to =
    named(options.to) ??
    ends.find(({ label, bdf }) => label !== from?.label && bdf !== from?.bdf) ??
    ends.find(({ label }) => label !== from?.label);
  if (from === undefined || to === undefined) {
    throw new LabError('LAB_NO_BLOCKS', {
      message: `${machine.label}: a copy needs two drives, and this lab has ${ends.length}`,
      hint: 'give the lab a second `nvme`, or try another one of examples/',
    });
  }
  if (from.label === to.label) {
    throw new UsageError('USAGE_SAME_TARGET', {
      message: `--from and --to are both ${from.label}`,
      hint: 'name two different drives',
    });
  }
  return { from, to };
}

/** The drive's name where it means this namespace. */
function nameOf(machine: LabMachine, end: LabEnd): string {
  const first = labEnds(machine).find(({ bdf }) => bdf === end.bdf);
  const drive = machine.members.find(({ bdf }) => bdf === end.bdf)?.node.name ?? null;
  return first?.label === end.label && drive !== null ? drive : end.label;
}

/** What was asked for, or as much of the usual as both drives have. */
function sizeOf(machine: LabMachine, from: LabEnd, to: LabEnd, asked: number | undefined): number {
  if (asked !== undefined) {
    return asked;
  }
  const blockBytes = Math.max(
    ...[from, to].map(
      ({ bdf, nsid }) =>
        machine.boundAt(bdf)?.nvme?.namespaces.find((each) => each.nsid === nsid)?.blockBytes ?? 512,
    ),
  );
  const room = Math.min(DEFAULT_BYTES, from.sizeBytes, to.sizeBytes);
  return Math.floor(room / blockBytes) * blockBytes;
}

async function runOnce(
  lab: RunningLab,
  clock: VirtualClock,
  route: DemoRun['route'],
  what: { readonly from: LabEnd; readonly to: LabEnd; readonly sizeBytes: number },
  options: DemoOptions,
  io: Io,
): Promise<DemoRun> {
  const machine = new LabTransferMachine(lab, { writesImages: false, nowNs, clock });
  try {
    const source = machine.source(what.from.label);
    const destination = machine.destination(what.to.label);
    const choice = resolveRoute(machine, {
      via: route === 'host' ? 'host' : 'auto',
      ends: [source, destination],
      fallback: false,
    });
    const compare = () => machine.compare(source, 0, destination, 0, what.sizeBytes);
    const fits = what.sizeBytes <= Math.min(what.from.sizeBytes, what.to.sizeBytes);
    const differedBefore = fits && compare().outcome !== 'equal';
    const ran = await runCopyPlan(
      machine,
      {
        source,
        destination,
        choice,
        sizeBytes: what.sizeBytes,
        chunkBytes: options.chunk,
        depth: options.depth,
        offsetBytes: 0,
        verify: true,
      },
      io,
    );
    return {
      route,
      choice,
      ran,
      differedBefore,
      verified: ran.result.trust === 'verified' && differedBefore,
    };
  } finally {
    machine.close();
  }
}

async function finish(report: DemoReport, isJson: boolean, io: Io): Promise<number> {
  const { runs, refusals } = report;
  const status =
    runs.map(({ ran }) => ran.signalStatus).find((each) => each !== undefined) ??
    (runs.every(({ verified }) => verified) ? (refusals.length > 0 ? EXIT_REFUSED : 0) : EXIT_FAILED);
  // The trouble first, and the status: a reader of stdout that went away must not turn a failure into a success.
  io.exitWith?.(status);
  for (const { ran, verified, differedBefore } of runs) {
    if (ran.result.outcome !== 'done') {
      io.err(`peerlane: ${troubleText(ran.result, report.from.label, report.to.label)}\n`);
    } else if (!verified && !differedBefore) {
      io.err(
        `peerlane: ${report.to.label} held the same bytes before, so nothing is proved; copy another range or drive [${MISMATCH}]\n`,
      );
    }
  }
  if (isJson) {
    await io.out(`${JSON.stringify(demoJson(report, status), null, 2)}\n`);
  } else {
    for (const line of demoText(report, machineOf(report.running), io)) {
      await io.out(`${line}\n`);
    }
  }
  return status;
}

/** The contract of `demo --json`. Fields may be added. */
function demoJson(report: DemoReport, exitStatus: number): Record<string, unknown> {
  return {
    schema: 'peerlane/demo/1',
    lab: report.path,
    from: report.from.label,
    to: report.to.label,
    hasRealBytes: report.isReal,
    runs: report.runs.map(({ route, choice, ran, verified, differedBefore }) => ({
      route,
      bytes: ran.result.copiedBytes,
      ...ran.traffic,
      verified,
      time: 'virtual',
      seconds: ran.result.elapsedNs / 1e9,
      bytesPerSecond: ran.result.bytesPerSecond,
      limiter: ran.report?.limiter ?? null,
      differedBefore,
      outcome: ran.result.outcome,
      trust: ran.result.trust,
      chosen: routeJson(choice),
    })),
    refusals: report.refusals,
    exitStatus,
  };
}
