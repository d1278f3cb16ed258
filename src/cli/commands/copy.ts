/** `peerlane copy`: from one device or file to another, through peer memory where the machine allows it. */
import { type Span, STATUS } from '../../access/index.ts';
import { allocateHostMemory, type LinuxBlockTarget, liveTree, openBlockTarget } from '../../linux/index.ts';
import {
  Copy,
  type CopyProgress,
  type CopyResult,
  checkCopyRange,
  type FittedBuffer,
  type RouteChoice,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { formatBytes } from '../render/style.ts';
import { formatNs, formatRate, latencyTable, ProgressLine } from '../render/transfer.ts';
import { confirmWrite } from '../transfer/consent.ts';
import { assertDifferent, type End, existingEnd, writableEnd } from '../transfer/ends.ts';
import {
  allocateBuffer,
  failureJson,
  printRefusals,
  refusalLines,
  resolveRoute,
  routeJson,
  routeText,
} from '../transfer/route.ts';
import { watchSignals } from '../transfer/signals.ts';

export interface CopyCommandOptions {
  readonly source: string;
  readonly destination: string;
  /** `auto`, `host`, an address or a name. */
  readonly via: string;
  /** Bytes; default: from the offset to the end of the source. */
  readonly size?: number;
  readonly chunk: number;
  readonly depth: number;
  /** Where to start, in both. */
  readonly offset: number;
  readonly verify?: boolean;
  readonly fallback?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const EXIT_FAILED = 3;
const nowNs = (): number => performance.now() * 1e6;

/**
 * @returns 0 copied (and equal, with --verify), 3 failed or different, 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 1 when no route is allowed, 2 for mistakes and refusals for safety
 */
export async function runCopy(options: CopyCommandOptions, io: Io): Promise<number> {
  const source = existingEnd(options.source);
  const destination = writableEnd(options.destination);
  assertDifferent(source, destination);
  const choice = await chosenRoute(options, [source, destination], io);
  if (destination.backing.kind === 'block') {
    await confirmWrite(io, options.yes, destination, options.source);
  }
  const first = await copyOnce(options, choice, source, destination, io);
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
  return finish(await copyOnce(options, again, source, destination, io), again, options, io);
}

async function chosenRoute(options: CopyCommandOptions, ends: readonly End[], io: Io): Promise<RouteChoice> {
  try {
    return resolveRoute({ via: options.via, ends, fallback: options.fallback === true });
  } catch (error) {
    printRefusals(io, error);
    throw error;
  }
}

/** Nothing moved, because the kernel would not map the memory for a device. */
function isRefusedByKernel(result: CopyResult): boolean {
  return result.failure?.status === STATUS.UNREACHABLE && result.copiedBytes === 0;
}

interface Ran {
  readonly result: CopyResult;
  readonly buffer: Omit<FittedBuffer, 'span'>;
  readonly signalStatus: number | undefined;
}

/** Opens, allocates, copies, and gives everything back whatever happens. */
async function copyOnce(
  options: CopyCommandOptions,
  choice: RouteChoice,
  sourceEnd: End,
  destinationEnd: End,
  io: Io,
): Promise<Ran> {
  const targets: LinuxBlockTarget[] = [];
  const spans: Span[] = [];
  let undo: (() => void) | undefined;
  try {
    const source = openBlockTarget(sourceEnd.path, {
      look: liveTree,
      exclusive: true,
      depth: options.depth,
      expected: sourceEnd,
    });
    targets.push(source);
    const lengthBytes = options.size ?? Math.max(0, source.sizeBytes - options.offset);
    // Before the destination, which may be a file that is made only now.
    checkCopyRange(source, options.offset, lengthBytes);
    const target = openBlockTarget(destinationEnd.path, {
      look: liveTree,
      write: true,
      createBytes: options.offset + lengthBytes,
      depth: options.depth,
      expected: destinationEnd,
    });
    targets.push(target);
    undo = () => target.undoOpening();
    const unitBytes = Math.max(source.blockBytes, target.blockBytes);
    const chunkBytes = Math.min(
      options.chunk,
      Math.max(unitBytes, Math.ceil(lengthBytes / unitBytes) * unitBytes),
    );
    // No more memory than there are chunks: verification touches all of it.
    const depth = Math.max(1, Math.min(options.depth, Math.ceil(lengthBytes / Math.max(1, chunkBytes))));
    const { span, ...buffer } = allocateBuffer(choice, { chunkBytes, depth }, unitBytes);
    spans.push(span);
    const verify = options.verify === true ? verifySpans(buffer.chunkBytes * buffer.depth, spans) : undefined;
    const progress = new ProgressLine(io, nowNs);
    const copy = new Copy({
      source,
      target,
      span,
      sourceOffsetBytes: options.offset,
      targetOffsetBytes: options.offset,
      lengthBytes,
      ...buffer,
      nowNs,
      onProgress: (state) => progress.show(progressText(state)),
      ...(verify === undefined ? {} : { verify }),
    });
    const signals = watchSignals(() => copy.stop());
    undo = undefined;
    try {
      const result = await copy.run();
      if (isRefusedByKernel(result)) {
        // Nothing was written, so the destination can be as it was, also for a second attempt.
        undo = () => target.undoOpening();
      }
      return { result, buffer, signalStatus: signals.exitStatus() };
    } finally {
      signals.end();
      progress.clear();
    }
  } finally {
    // A refusal leaves no file behind that was not there, and none longer than it was.
    undo?.();
    // Targets first: closing waits for requests, and memory must not go before them.
    for (const target of targets) {
      await target.close();
    }
    for (const span of spans) {
      span.close();
    }
  }
}

function verifySpans(
  lengthBytes: number,
  owned: Span[],
): { readonly sourceSpan: Span; readonly targetSpan: Span } {
  const sourceSpan = allocateHostMemory(lengthBytes);
  owned.push(sourceSpan);
  const targetSpan = allocateHostMemory(lengthBytes);
  owned.push(targetSpan);
  return { sourceSpan, targetSpan };
}

function progressText(state: CopyProgress): string {
  const percent = state.totalBytes > 0 ? Math.floor((state.doneBytes / state.totalBytes) * 100) : 100;
  return `${state.stage} ${percent} %  ${formatBytes(state.doneBytes)} of ${formatBytes(state.totalBytes)}`;
}

async function finish(ran: Ran, choice: RouteChoice, options: CopyCommandOptions, io: Io): Promise<number> {
  const { result } = ran;
  const status = ran.signalStatus ?? (result.outcome === 'done' ? 0 : EXIT_FAILED);
  // The trouble first, and the status: a reader of stdout that went away must not turn a failure into a success.
  io.exitWith?.(status);
  if (result.outcome !== 'done') {
    io.err(`peerlane: ${troubleText(result, options)}\n`);
  }
  if (options.json === true) {
    await io.out(`${JSON.stringify(copyJson(ran, choice, options, status), null, 2)}\n`);
  } else {
    await io.out(copyText(ran, choice, options));
  }
  return status;
}

function copyText(ran: Ran, choice: RouteChoice, options: CopyCommandOptions): string {
  const { result, buffer } = ran;
  const reduced =
    buffer.depth < Math.min(options.depth, Math.ceil(result.requestedBytes / buffer.chunkBytes)) ||
    buffer.chunkBytes < Math.min(options.chunk, result.requestedBytes)
      ? ' (less than asked for: that is what the memory had room for)'
      : '';
  const lines = [
    `${options.source} to ${options.destination}: ${formatBytes(result.requestedBytes)} from offset ${options.offset}`,
    `route: ${routeText(choice)}`,
    ...(choice.isFallback ? refusalLines(choice.refusals).map((line) => `  refused ${line}`) : []),
    `buffer: ${buffer.depth} x ${formatBytes(buffer.chunkBytes)}${reduced}`,
    `copied: ${formatBytes(result.copiedBytes)} in ${formatNs(result.elapsedNs)}, ${formatRate(result.bytesPerSecond)}${
      result.isFlushed ? '' : '; not flushed'
    }`,
  ];
  if (result.verify !== undefined) {
    lines.push(`verify: ${verifyText(result.verify)}`);
  }
  lines.push(`trust: ${result.trust}`);
  const table = latencyTable([
    ['  read', result.latency.read],
    ['  write', result.latency.write],
    ['  chunk', result.latency.chunk],
  ]);
  return `${lines.join('\n')}\n${table}`;
}

function verifyText(verify: NonNullable<CopyResult['verify']>): string {
  const compared = `${formatBytes(verify.comparedBytes)} read again from both in ${formatNs(verify.elapsedNs)}`;
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

function troubleText(result: CopyResult, options: CopyCommandOptions): string {
  const certain = `the first ${result.certainBytes} bytes are copied (${result.copiedBytes} in all)`;
  if (result.outcome === 'mismatch') {
    return `${options.destination} differs from ${options.source} at byte ${result.verify?.mismatchAtBytes} of the range [COPY_MISMATCH]`;
  }
  if (result.failure !== undefined) {
    const { failure } = result;
    const advice =
      failure.status === STATUS.UNREACHABLE
        ? '; `peerlane check` shows the verdict, --fallback copies through host memory'
        : '';
    return `${failure.phase} at byte ${failure.offsetBytes} failed: ${failure.message}; ${certain}${advice} [COPY_FAILED]`;
  }
  return `stopped; ${certain} [COPY_STOPPED]`;
}

/** The contract of `copy --json`. Fields may be added. */
function copyJson(
  ran: Ran,
  choice: RouteChoice,
  options: CopyCommandOptions,
  exitStatus: number,
): Record<string, unknown> {
  const { result, buffer } = ran;
  return {
    schema: 'peerlane/copy/1',
    source: options.source,
    destination: options.destination,
    offsetBytes: options.offset,
    route: routeJson(choice),
    chunkBytes: buffer.chunkBytes,
    depth: buffer.depth,
    outcome: result.outcome,
    trust: result.trust,
    requestedBytes: result.requestedBytes,
    copiedBytes: result.copiedBytes,
    certainBytes: result.certainBytes,
    isFlushed: result.isFlushed,
    elapsedNs: Math.round(result.elapsedNs),
    flushNs: Math.round(result.flushNs),
    bytesPerSecond: Math.round(result.bytesPerSecond),
    latencyNs: result.latency,
    verify:
      result.verify === undefined ? null : { ...result.verify, failure: failureJson(result.verify.failure) },
    failure: failureJson(result.failure),
    exitStatus,
  };
}
