/** `peerlane bench --fio`: the jobs of a fio job file, on this machine or on a lab. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { BlockTarget, Span } from '../../access/index.ts';
import { InputError, PeerlaneError, UsageError } from '../../base/index.ts';
import {
  FioError,
  type FioJob,
  type FioJobFile,
  FioRun,
  type FioRunResult,
  fioEntries,
  neededBytes,
  parseFioJobs,
  type RouteChoice,
  wavesOf,
} from '../../orchestrators/index.ts';
import { decodeText } from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { routeThrough } from '../peer-memory-name.ts';
import { fioJson } from '../render/fio-json.ts';
import { type FioReport, troubleText } from '../render/fio-report.ts';
import { fioText } from '../render/fio-text.ts';
import { formatBytes, printable } from '../render/style.ts';
import { ProgressLine } from '../render/transfer.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { OpenEnd, TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { nowNs, openTransferMachine, type TransferMachineOptions } from '../transfer/open-machine.ts';
import { watchSignals } from '../transfer/signals.ts';
import { benchStoppedText, FAILED, MISMATCH } from '../transfer/trouble.ts';

export interface BenchFioOptions extends TransferMachineOptions {
  /** Path of the job file. */
  readonly fio: string;
  /** For jobs that name no file; one at most. */
  readonly targets: readonly string[];
  readonly outputFormat?: 'normal' | 'json';
  readonly yes?: boolean;
  readonly json?: boolean;
}

const EXIT_FAILED = 3;
const FILE_BYTES_MAX = 2 ** 20;

/**
 * @returns 0 all jobs ended well; 3 one failed, a checksum included; 128 + n stopped by a signal
 * @throws {FioError} for the job file; PeerlaneError with exit status 1 when peer memory may not be reached, 2 for mistakes
 */
export async function runBenchFio(options: BenchFioOptions, io: Io): Promise<number> {
  const file = parseFioJobs(readJobFile(options.fio), options.fio);
  const filenames = filenamesOf(file, options);
  const machine = await openTransferMachine(options, 'bench', io);
  try {
    return await benchFioOn(machine, file, filenames, options, io);
  } finally {
    machine.close();
  }
}

function readJobFile(path: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const stats = fstatSync(fd);
    if (stats.isDirectory() || stats.size > FILE_BYTES_MAX) {
      throw new FioError('FIO_TOO_LARGE', {
        message: `${path} is ${stats.isDirectory() ? 'a directory' : 'larger than a job file can be'}`,
        hint: 'is it the right file?',
      });
    }
    return decodeText(readFileSync(fd), path);
  } catch (error) {
    if (error instanceof PeerlaneError) {
      throw error;
    }
    const isMissing = (error as { code?: string }).code === 'ENOENT';
    throw new InputError(isMissing ? 'INPUT_MISSING' : 'INPUT_UNREADABLE', {
      message: `${path}: ${isMissing ? 'no such file' : 'cannot be read'}`,
      hint: 'name a fio job file',
      cause: error,
    });
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

/** What each job works on. @throws {FioError} FIO_SETUP, {UsageError} USAGE_TARGETS */
function filenamesOf(file: FioJobFile, options: BenchFioOptions): ReadonlyMap<FioJob, string> {
  const [target, second] = options.targets;
  const without = file.jobs.find(({ filename }) => filename === undefined);
  if (second !== undefined || (target !== undefined && without === undefined)) {
    throw new UsageError('USAGE_TARGETS', {
      message:
        second !== undefined
          ? '--fio takes one target, for the jobs that name none'
          : `${target} is not used: every job of ${options.fio} has a filename`,
      hint: 'leave it out, or take filename out of the jobs',
    });
  }
  return new Map(
    file.jobs.map((job) => {
      const name = job.filename ?? target;
      if (name === undefined) {
        throw new FioError('FIO_SETUP', {
          message: `${options.fio}:${job.line}: job ${job.name} names no file or device`,
          hint: `add filename=, or: peerlane bench --fio ${options.fio} TARGET`,
          detail: { job: job.name, line: job.line },
        });
      }
      return [job, name];
    }),
  );
}

/** One disk or file with everything that jobs do to it. */
interface Used {
  readonly end: TransferEnd;
  readonly isWritten: boolean;
  readonly jobs: readonly FioJob[];
}

function endsOf(machine: TransferMachine, filenames: ReadonlyMap<FioJob, string>): readonly Used[] {
  const byName = new Map<string, FioJob[]>();
  for (const [job, name] of filenames) {
    byName.set(name, [...(byName.get(name) ?? []), job]);
  }
  const byIdentity = new Map<string, Used>();
  for (const [name, jobs] of byName) {
    const isWritten = jobs.some(({ writes }) => writes);
    // Only a size in bytes tells how long a file is to be made.
    const mayBeMade = jobs.every((job) => neededBytes(job) !== undefined);
    const end = isWritten ? machine.destination(name, !mayBeMade) : machine.source(name);
    const key = end.identity ?? `to be made: ${name}`;
    const known = byIdentity.get(key);
    byIdentity.set(key, {
      // Of two names for one disk, the one that was looked at as something to be written.
      end: known?.isWritten === true ? known.end : end,
      isWritten: isWritten || known?.isWritten === true,
      jobs: [...(known?.jobs ?? []), ...jobs],
    });
  }
  return [...byIdentity.values()];
}

async function benchFioOn(
  machine: TransferMachine,
  file: FioJobFile,
  filenames: ReadonlyMap<FioJob, string>,
  options: BenchFioOptions,
  io: Io,
): Promise<number> {
  const used = endsOf(machine, filenames);
  const choices = choicesOf(machine, used, io);
  for (const { end, isWritten } of used) {
    if (isWritten && end.atStake !== 'nothing' && end.identity !== undefined) {
      await confirmWrite(io, options.yes, end, "the load's data");
    }
  }
  const opened = new Map<FioJob, BlockTarget>();
  const ends: OpenEnd[] = [];
  const spans: Span[] = [];
  let hasRun = false;
  try {
    for (const { end, isWritten, jobs } of used) {
      const createBytes = isWritten ? createBytesOf(jobs) : undefined;
      const open = end.open({
        write: isWritten,
        depth: depthOf(file, jobs),
        ...(createBytes === undefined ? {} : { createBytes }),
      });
      ends.push(open);
      for (const job of jobs) {
        opened.set(job, open.target);
      }
    }
    const progress = new ProgressLine(io, nowNs);
    const run = new FioRun({
      jobs: file.jobs,
      targetOf: (job) => opened.get(job)!,
      allocate: (job, lengthBytes) => {
        const provider = choices.get(job)?.provider;
        const span =
          provider == null ? machine.allocateHost(lengthBytes) : machine.allocatePeer(provider, lengthBytes);
        spans.push(span);
        return span;
      },
      nowNs,
      onProgress: (doneBytes) => progress.show(`${formatBytes(doneBytes)} moved`),
    });
    const signals = watchSignals(() => run.stop());
    try {
      machine.simulation?.resetTraffic();
      const startedMs = Date.now();
      const result = await run.run();
      hasRun = true;
      progress.clear();
      const exitStatus = signals.exitStatus() ?? (result.outcome === 'done' ? 0 : EXIT_FAILED);
      const report: FioReport = {
        file,
        entries: fioEntries(result.threads),
        choices,
        filenames,
        ignored: file.ignored,
        outcome: result.outcome,
        traffic: machine.simulation?.traffic() ?? null,
        isSimulated: machine.simulation !== null,
        startedMs,
        exitStatus,
      };
      return await print(report, result, options, io);
    } finally {
      signals.end();
      progress.clear();
    }
  } finally {
    for (const { target, undo } of ends) {
      // A run that could not start has written nothing.
      if (!hasRun) {
        undo();
      }
      await target.close();
    }
    // After the targets, which may keep it mapped until then.
    for (const span of spans) {
      span.close();
    }
  }
}

/** The memory of each job that asks for a peer's. @throws {CopyError} COPY_NO_ROUTE, exit status 1 */
function choicesOf(
  machine: TransferMachine,
  used: readonly Used[],
  io: Io,
): ReadonlyMap<FioJob, RouteChoice> {
  const choices = new Map<FioJob, RouteChoice>();
  for (const { end, jobs } of used) {
    for (const job of jobs) {
      if (job.peerMemory === null) {
        continue;
      }
      choices.set(job, routeThrough(machine, job.peerMemory, [end], io));
    }
  }
  return choices;
}

/** How long a file has to be for its jobs. @throws {FioError} FIO_SETUP from 2^53 on */
function createBytesOf(jobs: readonly FioJob[]): number | undefined {
  let most: number | undefined;
  for (const job of jobs) {
    const bytes = neededBytes(job);
    if (bytes !== undefined && !Number.isSafeInteger(bytes)) {
      throw new FioError('FIO_SETUP', {
        message: `job ${job.name} (line ${job.line}): its offsets and size come to ${bytes} bytes`,
        hint: 'use a smaller size, offset or offset_increment',
        detail: { job: job.name, line: job.line },
      });
    }
    most = bytes === undefined ? most : Math.max(most ?? 0, bytes);
  }
  return most;
}

/** Requests at once, in the wave that has most. */
function depthOf(file: FioJobFile, jobs: readonly FioJob[]): number {
  const depths = wavesOf(file.jobs).map((wave) =>
    wave.reduce((sum, { job }) => sum + (jobs.includes(job) ? job.iodepth * job.numjobs : 0), 0),
  );
  return Math.max(1, ...depths);
}

async function print(
  report: FioReport,
  result: FioRunResult,
  options: BenchFioOptions,
  io: Io,
): Promise<number> {
  // The trouble first, and the status: a reader of stdout that went away must not turn a failure into a success.
  io.exitWith?.(report.exitStatus);
  const failed = result.threads.find(({ trouble }) => trouble !== undefined);
  if (failed?.trouble !== undefined) {
    const kind = failed.trouble.kind === 'verify' ? MISMATCH : FAILED;
    io.err(`peerlane: ${printable(`job ${failed.job.name}: ${troubleText(failed.trouble)} [${kind}]`)}\n`);
  } else if (result.outcome === 'stopped') {
    io.err(`peerlane: ${benchStoppedText('what was done so far')}\n`);
  }
  const isJson = options.json === true || options.outputFormat === 'json';
  await io.out(isJson ? `${JSON.stringify(fioJson(report), null, 2)}\n` : fioText(report));
  return report.exitStatus;
}
