/** `peerlane p2pcopy`: what people start p2pmem-test for, with its options, on this machine or on a lab. */
import { type BlockTarget, type Span, STATUS } from '../../access/index.ts';
import { CopyError, UsageError } from '../../base/index.ts';
import {
  checkHostAccess,
  P2pCopy,
  type P2pCopyProgress,
  type P2pCopyResult,
  type RouteChoice,
} from '../../orchestrators/index.ts';
import { parseSize } from '../arguments.ts';
import type { Io } from '../io.ts';
import { routeThrough } from '../peer-memory-name.ts';
import { type P2pCopyReport, p2pCopyJson, p2pCopyText } from '../render/p2pcopy.ts';
import { formatBytes, printable } from '../render/style.ts';
import { ProgressLine } from '../render/transfer.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { nowNs, openTransferMachine, type TransferMachineOptions } from '../transfer/open-machine.ts';
import { assertDifferent } from '../transfer/route.ts';
import { watchSignals } from '../transfer/signals.ts';

/** As commander makes them of the options of p2pmem-test. */
export interface P2pCopyCommandOptions extends TransferMachineOptions {
  readonly source: string;
  readonly target: string;
  /** Undefined: host memory. */
  readonly p2pmem?: string;
  readonly check?: boolean;
  readonly chunks: number;
  readonly chunk_size: number;
  /** Seconds; negative: no limit. */
  readonly duration: number;
  readonly threads: number;
  readonly offset: number;
  readonly overlap?: boolean;
  readonly skipRead?: boolean;
  readonly skipWrite?: boolean;
  readonly host_access?: string;
  readonly init?: string;
  /** -1: from the clock. */
  readonly seed: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const EXIT_FAILED = 3;
/** Of x86 and of most arm64 kernels; peer memory is handed out in pages. */
const PAGE_BYTES = 4096;
const INIT_BYTES = 4096;
const HOST_ACCESSES = 64;

/**
 * @returns 0 done, and equal with --check; 3 a request failed or a check found a difference; 128 + n stopped by a signal
 * @throws PeerlaneError with exit status 1 when the memory may not be reached, 2 for mistakes and refusals for safety
 */
export async function runP2pCopy(options: P2pCopyCommandOptions, io: Io): Promise<number> {
  const access = hostAccessOf(options.host_access);
  const init = initOf(options.init);
  refuseImpossible(options);
  const machine = await openTransferMachine(options, 'p2pcopy', io);
  try {
    return await p2pCopyOn(machine, options, { access, init }, io);
  } finally {
    machine.close();
  }
}

interface HostWork {
  readonly access: HostAccess | undefined;
  readonly init: Init | undefined;
}

async function p2pCopyOn(
  machine: TransferMachine,
  options: P2pCopyCommandOptions,
  hostWork: HostWork,
  io: Io,
): Promise<number> {
  const source = options.skipRead === true ? undefined : sourceEnd(machine, options);
  const target = options.skipWrite === true ? undefined : machine.destination(options.target, true);
  if (source !== undefined && target !== undefined) {
    assertDifferent(source, target);
  }
  const ends = [source, target].filter((end) => end !== undefined);
  const choice = routeThrough(machine, options.p2pmem, ends, io);
  if (source !== undefined && options.check === true && source.atStake !== 'nothing') {
    await confirmWrite(io, options.yes, source, 'the data of --check, although it is the source');
  }
  if (target !== undefined && target.atStake === 'device') {
    await confirmWrite(
      io,
      options.yes,
      target,
      source === undefined ? 'what the memory holds' : options.source,
    );
  }
  return moveChunks(machine, options, { source, target, choice, ...hostWork }, io);
}

function sourceEnd(machine: TransferMachine, options: P2pCopyCommandOptions): TransferEnd {
  // With a check the source is written first, so what makes writing unsafe counts for it too.
  return options.check === true ? machine.destination(options.source, true) : machine.source(options.source);
}

interface Plan extends HostWork {
  readonly source: TransferEnd | undefined;
  readonly target: TransferEnd | undefined;
  readonly choice: RouteChoice;
}

async function moveChunks(
  machine: TransferMachine,
  options: P2pCopyCommandOptions,
  plan: Plan,
  io: Io,
): Promise<number> {
  const targets: BlockTarget[] = [];
  const spans: Span[] = [];
  const open = (end: TransferEnd | undefined, write: boolean): BlockTarget | null => {
    if (end === undefined) {
      return null;
    }
    // One more than the slots: a flush may come while the last of them ends.
    const { target } = end.open({ write, exclusive: true, depth: options.threads + 1 });
    targets.push(target);
    return target;
  };
  try {
    const source = open(plan.source, options.check === true);
    const target = open(plan.target, true);
    const span = allocate(machine, plan.choice, options.chunk_size * options.threads);
    spans.push(span);
    const check = options.check === true ? checkSetup(machine, options, spans) : undefined;
    const copy = new P2pCopy({
      source,
      target,
      span,
      chunkBytes: options.chunk_size,
      chunks: options.chunks,
      threads: options.threads,
      isOverlapping: options.overlap === true,
      durationNs: options.duration < 0 ? undefined : options.duration * 1e9,
      check,
      nowNs,
      onProgress: (state) => progress.show(progressText(state)),
      onTransfer: (isStart) => {
        // What filling and checking move is not what the copy moved.
        if (isStart) {
          machine.simulation?.resetTraffic();
        } else {
          traffic = machine.simulation?.traffic() ?? null;
        }
      },
    });
    let traffic: P2pCopyReport['traffic'] = null;
    const progress = new ProgressLine(io, nowNs);
    const report: Omit<P2pCopyReport, 'result' | 'traffic' | 'exitStatus'> = {
      source: { label: options.source, sizeBytes: source?.sizeBytes ?? null },
      target: { label: options.target, sizeBytes: target?.sizeBytes ?? null },
      choice: plan.choice,
      chunkBytes: options.chunk_size,
      chunks: options.chunks,
      threads: options.threads,
      isOverlapping: options.overlap === true,
      skipsRead: source === null,
      skipsWrite: target === null,
      durationSeconds: options.duration < 0 ? null : options.duration,
      pageBytes: PAGE_BYTES,
      ...touchMemory(plan, span, options),
      seed: check?.seed ?? null,
      isSimulated: machine.simulation !== null,
    };
    const isBad = report.hostAccess?.result.mismatchAtBytes !== undefined;
    if (isBad || plan.init?.stops === true || plan.access?.stops === true) {
      const exitStatus = isBad ? EXIT_FAILED : 0;
      return await print({ ...report, result: null, traffic: null, exitStatus }, options, io);
    }
    const signals = watchSignals(() => copy.stop());
    try {
      const result = await copy.run();
      const exitStatus = signals.exitStatus() ?? (result.outcome === 'done' ? 0 : EXIT_FAILED);
      progress.clear();
      return await print({ ...report, result, traffic, exitStatus }, options, io);
    } finally {
      signals.end();
      progress.clear();
    }
  } finally {
    // Targets first: closing waits for requests, and memory must not go before them.
    for (const target of targets) {
      await target.close();
    }
    for (const span of spans) {
      span.close();
    }
  }
}

function allocate(machine: TransferMachine, choice: RouteChoice, lengthBytes: number): Span {
  return choice.provider === null
    ? machine.allocateHost(lengthBytes)
    : machine.allocatePeer(choice.provider, lengthBytes);
}

function checkSetup(
  machine: TransferMachine,
  options: P2pCopyCommandOptions,
  owned: Span[],
): { readonly seed: number; readonly span: Span } {
  const span = machine.allocateHost(options.chunk_size * options.threads);
  owned.push(span);
  return { seed: options.seed === -1 ? Date.now() % 2 ** 31 : options.seed, span };
}

/** What the processor does to the memory before the first request. */
function touchMemory(
  { access, init }: HostWork,
  span: Span,
  options: P2pCopyCommandOptions,
): Pick<P2pCopyReport, 'initBytes' | 'hostAccess'> {
  let initBytes: number | null = null;
  if (init !== undefined) {
    if (init.totalBytes > span.lengthBytes) {
      throw new UsageError('USAGE_P2PCOPY', {
        message: `--init is to set ${init.totalBytes} bytes to zero, and the buffer has ${span.lengthBytes}`,
        hint: 'the buffer is --chunk_size times --threads',
      });
    }
    initBytes = init.totalBytes;
    span.copyIn(0, new Uint8Array(initBytes));
  }
  if (access === undefined) {
    return { initBytes, hostAccess: null };
  }
  if (access.accessBytes > span.lengthBytes) {
    throw new UsageError('USAGE_P2PCOPY', {
      message: `--host_access is to access ${access.accessBytes} bytes at once, and the buffer has ${span.lengthBytes}`,
      hint: 'the buffer is --chunk_size times --threads',
    });
  }
  const seed = options.seed === -1 ? 1 : options.seed;
  const result = checkHostAccess(span, access.accessBytes, access.count, access.isReadOnly, seed);
  return { initBytes, hostAccess: { result, isReadOnly: access.isReadOnly } };
}

async function print(report: P2pCopyReport, options: P2pCopyCommandOptions, io: Io): Promise<number> {
  // The trouble first, and the status: a reader of stdout that went away must not turn a failure into a success.
  io.exitWith?.(report.exitStatus);
  if (report.exitStatus !== 0) {
    io.err(`peerlane: ${printable(troubleText(report, report.result))}\n`);
  }
  await io.out(
    options.json === true ? `${JSON.stringify(p2pCopyJson(report), null, 2)}\n` : p2pCopyText(report),
  );
  return report.exitStatus;
}

function troubleText(report: P2pCopyReport, result: P2pCopyResult | null): string {
  if (result === null) {
    return `the memory did not keep what the processor wrote, at byte ${report.hostAccess?.result.mismatchAtBytes} [COPY_MISMATCH]`;
  }
  const { check, failure } = result;
  if (failure !== undefined) {
    const advice = failure.status === STATUS.UNREACHABLE ? '; `peerlane check` shows the verdict' : '';
    return `${result.stage}: ${failure.phase} at byte ${failure.offsetBytes} failed: ${failure.message}${advice} [COPY_FAILED]`;
  }
  if (check?.outcome === 'mismatch') {
    return `${report.target.label} differs from what was written to ${report.source.label} at byte ${check.mismatchAtBytes} [COPY_MISMATCH]`;
  }
  return `stopped in the ${result.stage} stage after ${result.chunksDone} of ${report.chunks} chunks [COPY_STOPPED]`;
}

function progressText({ stage, doneBytes, totalBytes }: P2pCopyProgress): string {
  const percent = totalBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100;
  return `${stage} ${percent} %  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
}

/** @throws {UsageError} USAGE_P2PCOPY; {CopyError} COPY_SETUP */
function refuseImpossible(options: P2pCopyCommandOptions): void {
  const refuse = (message: string, hint: string): UsageError =>
    new UsageError('USAGE_P2PCOPY', { message, hint });
  if (options.offset !== 0) {
    throw options.p2pmem === undefined
      ? refuse('--offset is of peer memory, and none was named', 'leave it out')
      : refuse(
          'p2pmem/allocate is mapped from offset 0 only',
          'leave --offset out; every run gets a block of its own',
        );
  }
  if (options.p2pmem !== undefined) {
    const given =
      options.init !== undefined ? '--init' : options.host_access !== undefined ? '--host_access' : '';
    if (given !== '') {
      throw refuse(
        `${given} has the processor touch the memory, and peer memory is never touched by it here`,
        'leave it out, or leave the peer memory out: then it is host memory',
      );
    }
    if (options.chunk_size % PAGE_BYTES !== 0) {
      throw new CopyError('COPY_SETUP', {
        message: `a chunk of ${options.chunk_size} bytes is no multiple of a page, and peer memory comes in pages`,
        hint: `use a --chunk_size that is a multiple of ${PAGE_BYTES}`,
      });
    }
  }
  if (options.skipRead === true && options.skipWrite === true) {
    throw refuse('with --skip-read and --skip-write there is nothing to do', 'leave one of them out');
  }
  if (!(options.threads >= 1) || !(options.chunk_size >= 1) || !(options.chunks >= 1)) {
    throw refuse(
      '--chunks, --chunk_size and --threads are at least 1',
      'leave them out for 1024, 4096 and 1',
    );
  }
}

interface HostAccess {
  readonly accessBytes: number;
  readonly isReadOnly: boolean;
  readonly count: number;
  readonly stops: boolean;
}

/** `size[:count[:stop]]`; a negative size reads only. */
function hostAccessOf(text: string | undefined): HostAccess | undefined {
  const fields = fieldsOf('--host_access', text);
  if (fields === undefined) {
    return undefined;
  }
  const [size, count, stops] = fields;
  return {
    accessBytes: Math.abs(size),
    isReadOnly: size < 0,
    count: count ?? HOST_ACCESSES,
    stops,
  };
}

interface Init {
  readonly totalBytes: number;
  readonly stops: boolean;
}

/** `size[:total[:stop]]`. The size is how much the original writes at once, which makes no difference here. */
function initOf(text: string | undefined): Init | undefined {
  const fields = fieldsOf('--init', text);
  if (fields === undefined) {
    return undefined;
  }
  const [, total, stops] = fields;
  return { totalBytes: total ?? INIT_BYTES, stops };
}

/** A size of 0 turns the option off. */
function fieldsOf(
  option: string,
  text: string | undefined,
): readonly [number, number | undefined, boolean] | undefined {
  if (text === undefined) {
    return undefined;
  }
  const match = /^(-?\d{1,9})(?::(\d+(?:\.\d+)?[kmgt]?(?:i?b)?))?(:.*)?$/i.exec(text);
  if (match === null) {
    throw new UsageError('USAGE_P2PCOPY', {
      message: `${option} takes a size and a count, and got ${text}`,
      hint: `for example ${option} 64:1k`,
    });
  }
  const size = Number(match[1]);
  return size === 0
    ? undefined
    : [size, match[2] === undefined ? undefined : parseSize(match[2]), match[3] !== undefined];
}
