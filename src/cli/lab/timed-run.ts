/**
 * Workloads of labs in virtual time, driven from the command line: a fresh machine each, progress, an estimate, Ctrl-C.
 *
 * Every timed run of a workload goes through `runTimed`, so whatever wants to watch one (a trace) has its place here.
 */
import { noTurn } from '../../fabric/index.ts';
import {
  blockSizes,
  type EngineChoice,
  engineFor,
  type LabFile,
  type LabMachine,
  type LabTraffic,
  type LabWorkload,
  labTraffic,
  type WorkloadReport,
  WorkloadRun,
} from '../../lab/index.ts';
import type { LatencyHistogram } from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { nowNs } from '../transfer/open-machine.ts';
import { watchSignals } from '../transfer/signals.ts';
import { type BootRequest, bootParsed, type RunningLab, warnOfBoot } from './boot.ts';
import { LongRun } from './long-run.ts';
import { TraceFiles, type TraceOptions } from './trace-files.ts';

export interface TimedRequest {
  /** For messages. */
  readonly path: string;
  readonly lab: LabFile;
  readonly workload: LabWorkload;
  readonly engine: EngineChoice;
  /** For the line of progress: `peer to peer`. */
  readonly label: string;
  readonly boot?: Pick<BootRequest, 'storage' | 'images'>;
  /** What went wrong at boot was told by another machine of the same lab. */
  readonly isQuiet?: boolean;
  /** Files that are made of the run. */
  readonly trace?: TraceOptions;
}

export interface TimedRun {
  readonly report: WorkloadReport;
  /** Of the measured time. */
  readonly traffic: LabTraffic;
  /** Of each stream, in the order of the workload. */
  readonly latencies: readonly LatencyHistogram[];
  readonly signalStatus: number | undefined;
}

/** Events between two looks at the world outside: some milliseconds. */
const EVENTS_PER_STEP = 16_384;

/** @throws {LabError}, {MappingError}, {CopyError}, {NvmeError} when the machine or a stream cannot be set up; {TimeError} */
export async function runTimed(request: TimedRequest, io: Io): Promise<TimedRun> {
  const running = bootTimed(request);
  if (request.isQuiet !== true) {
    warnOfBoot(running, io);
  }
  try {
    return await drive(running.machine, request, io);
  } finally {
    running.close();
  }
}

/** A machine with time that is driven by hand. */
export function bootTimed({ path, lab, workload, engine, boot }: TimedRequest): RunningLab {
  return bootParsed(path, lab, {
    ...boot,
    timing: { engine: engineFor(lab, engine, blockSizes(workload)) },
    turn: noTurn,
  });
}

async function drive(
  machine: LabMachine,
  { workload, label, trace }: TimedRequest,
  io: Io,
): Promise<TimedRun> {
  let isStopped = false;
  const signals = watchSignals(() => {
    isStopped = true;
  });
  const progress = new LongRun(io, nowNs);
  const files = TraceFiles.open(trace ?? {});
  try {
    const run = new WorkloadRun(machine, workload);
    files?.attach(machine, run);
    while (!isStopped && !run.advance(EVENTS_PER_STEP)) {
      progress.show(run.progress, `${label}: ${(run.elapsedPs / 1e9).toFixed(2)} ms of virtual time,`);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    // Before what is still in flight ends: it is not measured.
    const result: TimedRun = {
      report: run.report(),
      traffic: labTraffic(machine),
      latencies: run.streams.map(({ latency }) => latency),
      signalStatus: signals.exitStatus(),
    };
    await run.close();
    progress.end();
    files?.finish(io);
    return { ...result, signalStatus: result.signalStatus ?? signals.exitStatus() };
  } finally {
    signals.end();
    progress.end();
    files?.abandon();
  }
}
