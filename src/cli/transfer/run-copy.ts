/** One copy on any machine: opens, allocates, copies, verifies, counts, and gives everything back whatever happens. */
import { type BlockTarget, type Span, STATUS } from '../../access/index.ts';
import type { LabTraffic, WorkloadReport } from '../../lab/index.ts';
import {
  Copy,
  type CopyProgress,
  type CopyResult,
  checkCopyRange,
  type FittedBuffer,
  type RouteChoice,
} from '../../orchestrators/index.ts';
import type { Io } from '../io.ts';
import { LongRun } from '../lab/long-run.ts';
import { formatBytes } from '../render/style.ts';
import { InPlaceTarget, NoBuffer } from './in-place.ts';
import type { InPlace, Simulation, TransferEnd, TransferMachine } from './machine.ts';
import { nowNs } from './open-machine.ts';
import { allocateBuffer } from './route.ts';
import { watchSignals } from './signals.ts';

export interface CopyPlan {
  readonly source: TransferEnd;
  readonly destination: TransferEnd;
  readonly choice: RouteChoice;
  /** Bytes; undefined: from the offset to the end of the source, and no more than `sizeMaxBytes`. */
  readonly sizeBytes: number | undefined;
  readonly sizeMaxBytes?: number;
  /** One end is memory for the other, and `choice` its verdict: no buffer is needed. */
  readonly inPlace?: InPlace | null;
  readonly chunkBytes: number;
  readonly depth: number;
  /** Where to start, in both. */
  readonly offsetBytes: number;
  readonly verify: boolean;
}

export interface CopyRun {
  readonly result: CopyResult;
  /** Of the buffer in between, or of the requests where there is none. */
  readonly buffer: Omit<FittedBuffer, 'span'>;
  readonly isInPlace: boolean;
  /** Of the copy itself, without its verification; null on the real machine. */
  readonly traffic: LabTraffic | null;
  /** Of a machine with virtual time: what was busy, and what limited. Its streams are empty. */
  readonly report: WorkloadReport | null;
  readonly signalStatus: number | undefined;
}

/** Nothing moved, because the memory would not be mapped for a device. */
export function isRefusedByKernel(result: CopyResult): boolean {
  return result.failure?.status === STATUS.UNREACHABLE && result.copiedBytes === 0;
}

/** @throws PeerlaneError for what is wrong before the first request; later failures are in the result */
export async function runCopyPlan(machine: TransferMachine, plan: CopyPlan, io: Io): Promise<CopyRun> {
  const targets: BlockTarget[] = [];
  const spans: Span[] = [];
  let undo: (() => void) | undefined;
  try {
    const inPlace = plan.inPlace ?? null;
    const placed = (target: BlockTarget): BlockTarget =>
      inPlace === null ? target : new InPlaceTarget(target, inPlace.memory);
    const source = placed(plan.source.open({ write: false, exclusive: true, depth: plan.depth }).target);
    targets.push(source);
    const lengthBytes =
      plan.sizeBytes ??
      Math.min(
        plan.sizeMaxBytes ?? Number.POSITIVE_INFINITY,
        Math.max(0, source.sizeBytes - plan.offsetBytes),
      );
    // Before the destination, which may be a file that is made only now.
    checkCopyRange(source, plan.offsetBytes, lengthBytes);
    const opened = plan.destination.open({
      write: true,
      createBytes: plan.offsetBytes + lengthBytes,
      depth: plan.depth,
    });
    const target = placed(opened.target);
    targets.push(target);
    undo = opened.undo;
    const unitBytes = Math.max(source.blockBytes, target.blockBytes);
    const chunkBytes = Math.min(
      plan.chunkBytes,
      Math.max(unitBytes, Math.ceil(lengthBytes / unitBytes) * unitBytes),
    );
    // No more memory than there are chunks: verification touches all of it.
    const depth = Math.max(1, Math.min(plan.depth, Math.ceil(lengthBytes / Math.max(1, chunkBytes))));
    const { span, ...buffer } =
      inPlace === null
        ? allocateBuffer(machine, plan.choice, { chunkBytes, depth }, unitBytes)
        : { span: new NoBuffer(inPlace.provider, chunkBytes * depth), chunkBytes, depth };
    spans.push(span);
    const { simulation } = machine;
    // A simulated drive is asked what it holds; a real one is read again.
    const readAgain =
      plan.verify && simulation === null
        ? verifySpans(machine, buffer.chunkBytes * buffer.depth, spans)
        : undefined;
    const clock = simulation?.clock ?? null;
    const progress = new LongRun(io, nowNs);
    const copy = new Copy({
      source,
      target,
      span,
      sourceOffsetBytes: plan.offsetBytes,
      targetOffsetBytes: plan.offsetBytes,
      lengthBytes,
      ...buffer,
      nowNs: clock?.nowNs ?? nowNs,
      onProgress: (state) => progress.show(shareOf(state), progressText(state)),
      ...(readAgain === undefined ? {} : { verify: readAgain }),
    });
    const signals = watchSignals(() => copy.stop());
    undo = undefined;
    try {
      simulation?.resetTraffic();
      const copied = await (clock === null ? copy.run() : Promise.race([copy.run(), clock.failed]));
      const traffic = simulation?.traffic() ?? null;
      const report = simulation?.report(copied.elapsedNs) ?? null;
      const result =
        simulation !== null && plan.verify && copied.outcome === 'done'
          ? compared(copied, simulation, plan, lengthBytes)
          : copied;
      if (isRefusedByKernel(result)) {
        // Nothing was written, so the destination can be as it was, also for a second attempt.
        undo = opened.undo;
      }
      return {
        result,
        buffer,
        isInPlace: inPlace !== null,
        traffic,
        report,
        signalStatus: signals.exitStatus(),
      };
    } finally {
      signals.end();
      progress.end();
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

function compared(
  copied: CopyResult,
  simulation: Simulation,
  plan: CopyPlan,
  lengthBytes: number,
): CopyResult {
  const { source, destination, offsetBytes } = plan;
  const verify = simulation.compare(source, offsetBytes, destination, offsetBytes, lengthBytes);
  return {
    ...copied,
    verify,
    failure: copied.failure ?? verify.failure,
    outcome: verify.outcome === 'equal' ? copied.outcome : verify.outcome,
    trust: verify.outcome === 'equal' ? 'verified' : copied.trust,
  };
}

function verifySpans(
  machine: TransferMachine,
  lengthBytes: number,
  owned: Span[],
): { readonly sourceSpan: Span; readonly targetSpan: Span } {
  const sourceSpan = machine.allocateHost(lengthBytes);
  owned.push(sourceSpan);
  const targetSpan = machine.allocateHost(lengthBytes);
  owned.push(targetSpan);
  return { sourceSpan, targetSpan };
}

function shareOf({ doneBytes, totalBytes }: CopyProgress): number {
  return totalBytes > 0 ? doneBytes / totalBytes : 1;
}

function progressText({ stage, doneBytes, totalBytes }: CopyProgress): string {
  return `${stage} ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)},`;
}
