/** `peerlane lab FILE bench` with a `workload:` in the file: runs it in virtual time, and bounced beside it where it went peer to peer. */
import { noTurn } from '../../fabric/index.ts';
import { checkRoutes, hasPeerLegs, parseLab, type WorkloadReport, workloadOf } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { bootParsed } from '../lab/boot.ts';
import { type Bounced, bouncedWorkload } from '../lab/bounced.ts';
import type { TimeOptions } from '../lab/time-options.ts';
import { runTimed, type TimedRun } from '../lab/timed-run.ts';
import { formatBytes, printable, styleFor } from '../render/style.ts';
import { limiterLine, timeLine, workloadLines } from '../render/workload.ts';
import type { TransferMachineOptions } from '../transfer/open-machine.ts';
import { benchStoppedText, FAILED } from '../transfer/trouble.ts';

export interface BenchWorkloadOptions extends TransferMachineOptions, TimeOptions {
  readonly json?: boolean;
}

const EXIT_FAILED = 3;

/** One stream as it is and bounced. */
interface Comparison {
  readonly name: string;
  readonly peerGBs: number;
  readonly bouncedGBs: number;
  /** Peer to peer by bounced; null where nothing arrived. */
  readonly ratio: number | null;
}

interface Outcome {
  readonly title: string | null;
  readonly run: TimedRun;
  readonly bounced: { readonly made: Bounced; readonly run: TimedRun } | null;
  readonly comparisons: readonly Comparison[];
}

/**
 * @returns 0 measured, 3 requests failed, 128 + n stopped by a signal
 * @throws {LabError} LAB_NO_WORKLOAD and what reading and booting the lab refuse
 */
export async function benchWorkload(
  source: { readonly path: string; readonly text: string },
  options: BenchWorkloadOptions,
  io: Io,
): Promise<number> {
  const { path } = source;
  const lab = parseLab(source.text, path);
  const workload = workloadOf(lab, path);
  const request = {
    path,
    lab,
    engine: options.engine ?? 'auto',
    boot: {
      storage: options.bytes === true ? ('flat' as const) : ('extents' as const),
      images: options.writeImages === true ? ('write' as const) : ('copy-on-write' as const),
    },
  };
  if (hasPeerLegs(workload)) {
    const probe = bootParsed(path, lab, { images: 'copy-on-write', turn: noTurn });
    try {
      checkRoutes(probe.machine, workload);
    } finally {
      probe.close();
    }
  }
  const run = await runTimed({ ...request, workload, label: 'the workload', trace: options }, io);
  const made = run.signalStatus === undefined ? bouncedWorkload(workload, run.report) : null;
  const bounced =
    made === null
      ? null
      : {
          made,
          run: await runTimed({ ...request, workload: made.workload, label: 'bounced', isQuiet: true }, io),
        };
  return finish(
    { title: lab.title, run, bounced, comparisons: bounced === null ? [] : compare(run.report, bounced) },
    path,
    options,
    io,
  );
}

function compare(
  report: WorkloadReport,
  { made, run }: { readonly made: Bounced; readonly run: TimedRun },
): readonly Comparison[] {
  const rateIn = (of: WorkloadReport, wanted: string): number =>
    of.streams.find(({ name }) => name === wanted)?.goodputGBs ?? 0;
  return made.names.map((name) => {
    const peerGBs = rateIn(report, name);
    const bouncedGBs = rateIn(run.report, name);
    return { name, peerGBs, bouncedGBs, ratio: bouncedGBs > 0 ? peerGBs / bouncedGBs : null };
  });
}

async function finish(
  outcome: Outcome,
  path: string,
  options: BenchWorkloadOptions,
  io: Io,
): Promise<number> {
  const runs = [outcome.run, ...(outcome.bounced === null ? [] : [outcome.bounced.run])];
  const signalStatus = runs.map((run) => run.signalStatus).find((status) => status !== undefined);
  const failed = runs.flatMap(({ report }) => report.streams).filter(({ failures }) => failures > 0);
  const status = signalStatus ?? (failed.length > 0 ? EXIT_FAILED : 0);
  io.exitWith?.(status);
  for (const { name, failures, failure } of failed) {
    io.err(
      `peerlane: ${printable(`${name}: ${failures} requests failed, the first: ${failure}`)} [${FAILED}]\n`,
    );
  }
  if (signalStatus !== undefined) {
    io.err(`peerlane: ${benchStoppedText('the time until then')}\n`);
  }
  if (options.json === true) {
    await io.out(`${JSON.stringify(workloadJson(outcome, path, status), null, 2)}\n`);
  } else {
    for (const line of text(outcome, path, io)) {
      await io.out(`${line}\n`);
    }
  }
  return status;
}

function* text({ title, run, bounced, comparisons }: Outcome, path: string, io: Io): Generator<string> {
  const style = styleFor(io);
  yield style.bold(printable(title ?? path));
  yield timeLine(run.report);
  yield '';
  yield* workloadLines(run.report, style);
  if (bounced === null) {
    return;
  }
  yield '';
  yield `${style.bold('The same, bounced through system memory')}, on a machine just switched on`;
  yield timeLine(bounced.run.report);
  yield '';
  yield* workloadLines(bounced.run.report, style);
  yield '';
  yield style.bold('Peer to peer against bounced');
  for (const { name, peerGBs, bouncedGBs, ratio } of comparisons) {
    const times = ratio === null ? '' : `, ${ratio.toFixed(2)} times`;
    yield printable(`  ${name}: ${peerGBs.toFixed(3)} GB/s against ${bouncedGBs.toFixed(3)} GB/s${times}`);
  }
  const [peer, through] = [run.report, bounced.run.report];
  yield `  data over DRAM: ${formatBytes(peer.dramBytes)} against ${formatBytes(through.dramBytes)}; over root ports: ${formatBytes(peer.rootPortBytes)} against ${formatBytes(through.rootPortBytes)}`;
  yield `  peer to peer, ${limiterLine(peer, style)}`;
  yield `  bounced, ${limiterLine(through, style)}`;
}

/** The contract of `peerlane/workload/1`. Fields may be added. */
function workloadJson(
  { title, run, bounced, comparisons }: Outcome,
  path: string,
  exitStatus: number,
): Record<string, unknown> {
  return {
    schema: 'peerlane/workload/1',
    lab: path,
    title,
    time: 'virtual',
    ...run.report,
    traffic: run.traffic,
    bounced: bounced === null ? null : { ...bounced.run.report, traffic: bounced.run.traffic },
    comparisons,
    exitStatus,
  };
}
