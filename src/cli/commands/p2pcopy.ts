/** `peerlane p2pcopy`: what people start p2pmem-test for, with its options, on this machine or on a lab. */
import { type BlockTarget, type Span, STATUS } from '../../access/index.ts';
import {
  P2pCopy,
  type P2pCopyProgress,
  type P2pCopyResult,
  type RouteChoice,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { routeThrough } from '../peer-memory-name.ts';
import { type P2pCopyReport, p2pCopyJson, p2pCopyText } from '../render/p2pcopy.ts';
import { formatBytes, printable } from '../render/style.ts';
import { ProgressLine } from '../render/transfer.ts';
import { confirmWrite } from '../transfer/consent.ts';
import type { TransferEnd, TransferMachine } from '../transfer/machine.ts';
import { nowNs, openTransferMachine } from '../transfer/open-machine.ts';
import { assertDifferent } from '../transfer/route.ts';
import { watchSignals } from '../transfer/signals.ts';
import { FAILED, MISMATCH, STOPPED } from '../transfer/trouble.ts';
import {
  type HostWork,
  hostAccessOf,
  initOf,
  type P2pCopyCommandOptions,
  PAGE_BYTES,
  refuseImpossible,
  touchMemory,
} from './p2pcopy-options.ts';

const EXIT_FAILED = 3;
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
    return `the memory did not keep what the processor wrote, at byte ${report.hostAccess?.result.mismatchAtBytes} [${MISMATCH}]`;
  }
  const { check, failure } = result;
  if (failure !== undefined) {
    const advice = failure.status === STATUS.UNREACHABLE ? '; `peerlane check` shows the verdict' : '';
    return `${result.stage}: ${failure.phase} at byte ${failure.offsetBytes} failed: ${failure.message}${advice} [${FAILED}]`;
  }
  if (check?.outcome === 'mismatch') {
    return `${report.target.label} differs from what was written to ${report.source.label} at byte ${check.mismatchAtBytes} [${MISMATCH}]`;
  }
  return `stopped in the ${result.stage} stage after ${result.chunksDone} of ${report.chunks} chunks [${STOPPED}]`;
}

function progressText({ stage, doneBytes, totalBytes }: P2pCopyProgress): string {
  const percent = totalBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100;
  return `${stage} ${percent} %  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
}
