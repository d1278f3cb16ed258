/** `peerlane copy`: from one device or file to another, through peer memory where the machine allows it; also on a lab. */
import { UsageError } from '../../base/index.ts';
import type { CopyResult, RouteChoice } from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { refuseLabOptions, type TimeOptions } from '../lab/time-options.ts';
import type { TraceFiles } from '../lab/trace-files.ts';
import { formatBytes, printable } from '../render/style.ts';
import { trafficLines } from '../render/traffic.ts';
import { formatNs, formatRate, latencyTable } from '../render/transfer.ts';
import { faultLines, timeLine } from '../render/workload.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { InPlace, TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { openTransferMachine, type TransferMachineOptions } from '../transfer/open-machine.ts';
import {
  assertDifferent,
  failureJson,
  printRefusals,
  refusalLines,
  resolveRoute,
  routeJson,
  routeText,
} from '../transfer/route.ts';
import { type CopyRun, isRefusedByKernel, runCopyPlan } from '../transfer/run-copy.ts';
import { troubleText } from '../transfer/trouble.ts';

export interface CopyCommandOptions extends TransferMachineOptions, TimeOptions {
  readonly source: string;
  readonly destination: string;
  /** `auto`, `host`, an address or a name. */
  readonly via: string;
  /** Bytes; default: from the offset to the end of the source, on a lab at most `LAB_DEFAULT_BYTES`. */
  readonly size?: number;
  readonly chunk: number;
  readonly depth: number;
  /** Where to start, in both. */
  readonly offset: number;
  readonly verify?: boolean;
  readonly fallback?: boolean;
  readonly yes?: boolean;
  /** On a lab: without time, only bytes. */
  readonly untimed?: boolean;
  readonly json?: boolean;
}

const EXIT_FAILED = 3;
/** Drives of labs are as large as real ones, and nobody waits for all of one. */
const LAB_DEFAULT_BYTES = 2 ** 30;

/**
 * @returns 0 copied (and equal, with --verify), 3 failed or different, 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 1 when no route is allowed, 2 for mistakes and refusals for safety
 */
export async function runCopy(options: CopyCommandOptions, io: Io): Promise<number> {
  checkTimeOptions(options);
  const timing =
    options.untimed === true ? null : { engine: options.engine ?? 'auto', blockBytes: options.chunk };
  const machine = await openTransferMachine(options, 'copy', io, timing);
  if (machine.simulation === null) {
    refuseLabOptions('copy', options, { before: options.untimed === true ? '--untimed' : null });
  }
  let files: TraceFiles | null = null;
  try {
    if (options.trace !== undefined || options.pcap !== undefined) {
      files = (await import('../lab/trace-files.ts')).TraceFiles.open(options);
      machine.simulation!.traceInto(files!);
    }
    const status = await copyOn(machine, options, io);
    files?.finish(io);
    return status;
  } finally {
    files?.abandon();
    machine.close();
  }
}

/** @throws {UsageError} USAGE_ENGINE */
function checkTimeOptions(options: CopyCommandOptions): void {
  if (options.untimed === true && (options.trace !== undefined || options.pcap !== undefined)) {
    throw new UsageError('USAGE_ENGINE', {
      message: '--trace and --pcap say when things happen, and --untimed that there is no time',
      hint: 'leave --untimed out',
    });
  }
  if (options.untimed === true && options.engine !== undefined) {
    throw new UsageError('USAGE_ENGINE', {
      message: '--engine says how time passes, and --untimed that it does not',
      hint: 'give one of them',
    });
  }
}

async function copyOn(machine: TransferMachine, options: CopyCommandOptions, io: Io): Promise<number> {
  const source = machine.source(options.source);
  const destination = machine.destination(options.destination, false);
  assertDifferent(source, destination);
  const inPlace = inPlaceOf(machine, options.via, source, destination);
  const choice = chosenRoute(machine, options, source, destination, inPlace, io);
  if (destination.atStake === 'device') {
    await confirmWrite(io, options.yes, destination, options.source);
  }
  const run = (by: RouteChoice): Promise<CopyRun> =>
    runCopyPlan(
      machine,
      {
        source,
        destination,
        choice: by,
        sizeBytes: options.size,
        ...(machine.simulation === null ? {} : { sizeMaxBytes: LAB_DEFAULT_BYTES }),
        inPlace: by.kind === 'peer' ? inPlace : null,
        chunkBytes: options.chunk,
        depth: options.depth,
        offsetBytes: options.offset,
        verify: options.verify === true,
      },
      io,
    );
  const first = await run(choice);
  if (
    !isRefusedByKernel(first.result) ||
    options.fallback !== true ||
    choice.kind === 'host' ||
    first.signalStatus !== undefined
  ) {
    return finish(first, choice, options, io);
  }
  const again: RouteChoice = {
    ...choice,
    kind: 'host',
    provider: null,
    verdict: null,
    why: `the kernel refused peer memory (${first.result.failure?.code}), and --fallback allows host memory`,
    isFallback: true,
  };
  return finish(await run(again), again, options, io);
}

/** Memory of one end that the other can use where it lies, unless another way was asked for. */
function inPlaceOf(
  machine: TransferMachine,
  via: string,
  source: TransferEnd,
  destination: TransferEnd,
): InPlace | null {
  const inPlace = via === 'host' ? null : (machine.simulation?.inPlace(source, destination) ?? null);
  if (inPlace === null) {
    return null;
  }
  const disk = inPlace.drive === source ? destination : source;
  const isMeant =
    via === 'auto' || via === disk.label || machine.routeFacts().index.resolve(via).bdf === inPlace.provider;
  return isMeant ? inPlace : null;
}

function chosenRoute(
  machine: TransferMachine,
  options: CopyCommandOptions,
  source: TransferEnd,
  destination: TransferEnd,
  inPlace: InPlace | null,
  io: Io,
): RouteChoice {
  const fallback = options.fallback === true;
  try {
    if (inPlace === null) {
      return resolveRoute(machine, { via: options.via, ends: [source, destination], fallback });
    }
    const choice = resolveRoute(machine, { via: inPlace.provider, ends: [inPlace.drive], fallback });
    const why = `${inPlace.drive.label} does DMA to it where it lies, and nothing is in between`;
    return choice.kind === 'peer' ? { ...choice, why } : choice;
  } catch (error) {
    printRefusals(io, error);
    throw error;
  }
}

async function finish(
  ran: CopyRun,
  choice: RouteChoice,
  options: CopyCommandOptions,
  io: Io,
): Promise<number> {
  const { result } = ran;
  const status = ran.signalStatus ?? (result.outcome === 'done' ? 0 : EXIT_FAILED);
  // The trouble first, and the status: a reader of stdout that went away must not turn a failure into a success.
  io.exitWith?.(status);
  if (result.outcome !== 'done') {
    io.err(`peerlane: ${troubleText(result, options.source, options.destination)}\n`);
  }
  if (options.json === true) {
    await io.out(`${JSON.stringify(copyJson(ran, choice, options, status), null, 2)}\n`);
  } else {
    await io.out(copyText(ran, choice, options));
  }
  return status;
}

function copyText(ran: CopyRun, choice: RouteChoice, options: CopyCommandOptions): string {
  const { result, buffer, traffic } = ran;
  const reduced =
    buffer.depth < Math.min(options.depth, Math.ceil(result.requestedBytes / buffer.chunkBytes)) ||
    buffer.chunkBytes < Math.min(options.chunk, result.requestedBytes)
      ? ' (less than asked for: that is what the memory had room for)'
      : '';
  const isCut = traffic !== null && options.size === undefined && result.requestedBytes === LAB_DEFAULT_BYTES;
  const lines = [
    `${options.source} to ${options.destination}: ${formatBytes(result.requestedBytes)} from offset ${options.offset}${isCut ? ' (--size for more)' : ''}`,
    `route: ${routeText(choice)}`,
    ...(choice.isFallback ? refusalLines(choice.refusals).map((line) => `  refused ${line}`) : []),
    `${ran.isInPlace ? 'no buffer; requests in flight' : 'buffer'}: ${buffer.depth} x ${formatBytes(buffer.chunkBytes)}${reduced}`,
    `copied: ${formatBytes(result.copiedBytes)} in ${timeText(ran)}${result.isFlushed ? '' : '; not flushed'}`,
  ];
  if (result.verify !== undefined) {
    lines.push(`verify: ${verifyText(result.verify, traffic !== null)}`);
  }
  lines.push(`trust: ${result.trust}`);
  if (ran.report !== null) {
    lines.push(
      timeLine(ran.report),
      `limiter: ${printable(ran.report.limiter.text)}`,
      ...faultLines(ran.report),
    );
  }
  if (traffic !== null) {
    lines.push(...trafficLines(traffic));
  }
  if (isUntimed(ran)) {
    return `${lines.join('\n')}\n`;
  }
  const table = latencyTable([
    ['  read', result.latency.read],
    ['  write', result.latency.write],
    ['  chunk', result.latency.chunk],
  ]);
  return `${lines.join('\n')}\n${table}`;
}

/** Without a clock: what passed is this computer's time, and no figure of hardware. */
function isUntimed({ traffic, report }: CopyRun): boolean {
  return traffic !== null && report === null;
}

function timeText(ran: CopyRun): string {
  const { result } = ran;
  if (ran.report !== null) {
    return `${formatNs(result.elapsedNs)} of virtual time, ${(result.bytesPerSecond / 1e9).toFixed(3)} GB/s`;
  }
  return ran.traffic === null
    ? `${formatNs(result.elapsedNs)}, ${formatRate(result.bytesPerSecond)}`
    : `${formatNs(result.elapsedNs)} of this computer's time (simulated, untimed: says nothing of hardware)`;
}

function verifyText(verify: NonNullable<CopyResult['verify']>, isSimulated: boolean): string {
  const how = isSimulated ? 'compared by what both drives hold, in their own view,' : 'read again from both';
  const compared = `${formatBytes(verify.comparedBytes)} ${how} in ${formatNs(verify.elapsedNs)}`;
  switch (verify.outcome) {
    case 'equal':
      return `equal; ${compared}`;
    case 'mismatch':
      return `DIFFERENT at byte ${verify.mismatchAtBytes} of the range (0x${hex(verify.mismatch?.source)} in the source, 0x${hex(verify.mismatch?.target)} in the destination); ${compared}`;
    case 'failed':
      return `failed; ${compared}`;
    case 'stopped':
      return `stopped; ${compared}`;
  }
}

function hex(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, '0');
}

/** The contract of `copy --json`. Fields may be added. */
function copyJson(
  ran: CopyRun,
  choice: RouteChoice,
  options: CopyCommandOptions,
  exitStatus: number,
): Record<string, unknown> {
  const { result, buffer, traffic } = ran;
  const hasNoTime = isUntimed(ran);
  return {
    schema: 'peerlane/copy/1',
    source: options.source,
    destination: options.destination,
    offsetBytes: options.offset,
    route: routeJson(choice),
    chunkBytes: buffer.chunkBytes,
    depth: buffer.depth,
    isInPlace: ran.isInPlace,
    outcome: result.outcome,
    trust: result.trust,
    requestedBytes: result.requestedBytes,
    copiedBytes: result.copiedBytes,
    certainBytes: result.certainBytes,
    isFlushed: result.isFlushed,
    elapsedNs: Math.round(result.elapsedNs),
    flushNs: Math.round(result.flushNs),
    // Of a machine without time there is no bandwidth and no latency; `elapsedNs` is the time it took here.
    isSimulated: traffic !== null,
    time: ran.report !== null ? 'virtual' : 'wall',
    bytesPerSecond: hasNoTime ? null : Math.round(result.bytesPerSecond),
    latencyNs: hasNoTime ? null : result.latency,
    ...(ran.report === null ? {} : { engine: ran.report.engine, platform: ran.report.platform }),
    limiter: ran.report?.limiter ?? null,
    busy: ran.report?.busy ?? null,
    links: ran.report?.links ?? null,
    ...(ran.report?.faults === undefined ? {} : { faults: ran.report.faults }),
    traffic,
    verify:
      result.verify === undefined ? null : { ...result.verify, failure: failureJson(result.verify.failure) },
    failure: failureJson(result.failure),
    exitStatus,
  };
}
