/**
 * Runs the jobs of a file: side by side up to the next stonewall, each with memory of its own, all through `Transfer`.
 *
 * A job that fails ends alone, as in fio; the others go on. Nothing is in flight when `run` has resolved. Leaves
 * out opening, closing and printing.
 */
import type { BlockTarget, Span } from '../../access/index.ts';
import { flushTarget } from '../flush.ts';
import { LatencyHistogram } from '../latency.ts';
import { fillChunk } from '../p2pcopy-check.ts';
import { Transfer, type TransferFailure, type Work, type WorkItem } from '../transfer.ts';
import { type Allocate, JobMemory, requestBytes } from './job-memory.ts';
import type { FioJob } from './job-options.ts';
import { FioError } from './job-text.ts';
import { type JobPlan, JobWork } from './job-work.ts';
import { planJob, wavesOf } from './plan.ts';
import { SharedTarget } from './shared-target.ts';
import { type BadBlock, TestingBlocks, WritingBlocks } from './verified-blocks.ts';

export interface FioRunOptions {
  readonly jobs: readonly FioJob[];
  /** The same object for the same disk or file. Stays the caller's. */
  readonly targetOf: (job: FioJob) => BlockTarget;
  /**
   * Memory for one of `numjobs` and for those that take its place behind a stonewall. Stays the caller's, to be closed after
   * the targets, which may keep it mapped. @throws PeerlaneError
   */
  readonly allocate: Allocate;
  readonly nowNs: () => number;
  readonly onProgress?: (doneBytes: number) => void;
}

/** What one direction of a job did. */
export interface FioDirection {
  readonly bytes: number;
  readonly ios: number;
  readonly elapsedNs: number;
  readonly latency: LatencyHistogram;
}

/** Why a job ended before its time. */
export type FioTrouble =
  | { readonly kind: 'request'; readonly failure: TransferFailure }
  | { readonly kind: 'verify'; readonly bad: BadBlock };

/** One of the `numjobs` of a job. */
export interface FioThread {
  readonly job: FioJob;
  readonly index: number;
  readonly group: number;
  readonly read: FioDirection;
  readonly write: FioDirection;
  readonly elapsedNs: number;
  readonly testedBlocks: number;
  readonly trouble: FioTrouble | undefined;
}

export interface FioRunResult {
  /** `failed` when any job did. */
  readonly outcome: 'done' | 'stopped' | 'failed';
  /** In the order of the file; jobs that were not started are not in it. */
  readonly threads: readonly FioThread[];
}

/** A job that is about to run. */
interface Prepared {
  readonly job: FioJob;
  readonly index: number;
  readonly group: number;
  readonly target: BlockTarget;
  readonly plan: JobPlan;
}

export class FioRun {
  readonly #options: FioRunOptions;
  readonly #waves: readonly (readonly Prepared[])[];
  readonly #running = new Set<Transfer>();
  #isStopped = false;
  /** A job with exitall is over. */
  #isOver = false;
  #doneBytes = 0;

  /** @throws {FioError} FIO_SETUP */
  constructor(options: FioRunOptions) {
    this.#options = options;
    const count = options.jobs.reduce((sum, { numjobs }) => sum + numjobs, 0);
    const shared = new Map<BlockTarget, SharedTarget>();
    this.#waves = wavesOf(options.jobs).map((wave) => {
      const prepared = wave.flatMap(({ job, group }) =>
        Array.from({ length: job.numjobs }, (_, index): Prepared => {
          const opened = options.targetOf(job);
          const plan = planJob(job, index, opened);
          const ports = shared.get(opened) ?? new SharedTarget(opened, count);
          shared.set(opened, ports);
          return { job, index, group, target: ports.open(), plan };
        }),
      );
      checkDepths(
        wave.map(({ job }) => job),
        options.targetOf,
      );
      return prepared;
    });
  }

  /** Finishes what is in flight and no more. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#stopRunning();
  }

  /**
   * Never rejects for what devices do.
   * @throws what `allocate` throws, before anything is moved
   */
  async run(): Promise<FioRunResult> {
    const memory = new JobMemory(this.#waves, this.#options.allocate);
    const threads: FioThread[] = [];
    for (const wave of this.#waves) {
      if (this.#isStopped || this.#isOver) {
        break;
      }
      const spans = memory.of(wave);
      const running = wave.map(async (prepared, i) => {
        const thread = await this.#runJob(prepared, spans[i]!);
        if (prepared.job.exitAll) {
          this.#endAll();
        }
        return thread;
      });
      threads.push(...(await Promise.all(running)));
    }
    const isFailed = threads.some(({ trouble }) => trouble !== undefined);
    return { outcome: isFailed ? 'failed' : this.#isStopped ? 'stopped' : 'done', threads };
  }

  async #runJob(prepared: Prepared, span: Span): Promise<FioThread> {
    const { job, plan, target } = prepared;
    const isVerified = job.verify !== 'none';
    const work = new JobWork(plan, this.#options.nowNs);
    if (!job.writes && isVerified) {
      const testing = new TestingBlocks(work, span, job.readBytes);
      const transfer = await this.#transfer(prepared, span, testing, true);
      return threadOf(prepared, [transfer], testing.tested, troubleOf(transfer, testing.bad));
    }
    if (job.writes && !isVerified && span.isReadable) {
      fillWithData(span, job);
    }
    const writing = isVerified
      ? new WritingBlocks(work, span, job.writeBytes, job.seed, job.zeroBuffers)
      : work;
    const first = await this.#transfer(prepared, span, writing, !isVerified);
    const failure =
      first.failure ??
      (job.writes && job.endFsync && first.bytesWritten > 0
        ? await flushTarget(target, 2 * job.iodepth)
        : undefined);
    if (failure !== undefined || !isVerified || !job.readsBack || this.#isStopped) {
      return threadOf(prepared, [first], 0, failure === undefined ? undefined : { kind: 'request', failure });
    }
    const again = new JobWork(readBackPlan(plan, work.takenIos), this.#options.nowNs);
    const testing = new TestingBlocks(again, span, job.writeBytes);
    const second = await this.#transfer(prepared, span, testing, true);
    return threadOf(prepared, [first, second], testing.tested, troubleOf(second, testing.bad));
  }

  /** @param isLast  nothing of the job comes after it */
  async #transfer({ job, target }: Prepared, span: Span, work: Work, isLast: boolean): Promise<Transfer> {
    let seenBytes = 0;
    const transfer: Transfer = new Transfer({
      source: target,
      target,
      span,
      chunkBytes: requestBytes(job),
      depth: job.iodepth,
      // At once, and not when the promise of the job is heard: others may do a lot meanwhile.
      work: isLast && job.exitAll ? new EndingWork(work, () => this.#endAll()) : work,
      nowNs: this.#options.nowNs,
      progressEvery: 256,
      onProgress: () => {
        this.#doneBytes += transfer.bytesDone - seenBytes;
        seenBytes = transfer.bytesDone;
        this.#options.onProgress?.(this.#doneBytes);
      },
    });
    this.#running.add(transfer);
    if (this.#isStopped || this.#isOver) {
      transfer.stop();
    }
    await transfer.run();
    this.#running.delete(transfer);
    return transfer;
  }

  #endAll(): void {
    this.#isOver = true;
    this.#stopRunning();
  }

  #stopRunning(): void {
    for (const transfer of this.#running) {
      transfer.stop();
    }
  }
}

/** Tells when there is nothing more to take. */
class EndingWork implements Work {
  readonly #work: Work;
  readonly #onEnd: () => void;

  constructor(work: Work, onEnd: () => void) {
    this.#work = work;
    this.#onEnd = onEnd;
  }

  next(item: WorkItem, spanOffsetBytes: number): boolean {
    const isMore = this.#work.next(item, spanOffsetBytes);
    if (!isMore) {
      this.#onEnd();
    }
    return isMore;
  }

  done(item: WorkItem, spanOffsetBytes: number): void {
    this.#work.done?.(item, spanOffsetBytes);
  }
}

/** The blocks that a plan has written, in the same order; each once is enough. */
function readBackPlan(plan: JobPlan, takenIos: number): JobPlan {
  const blocks = Math.floor(plan.areaBytes / plan.writeBytes);
  return {
    ...plan,
    readBytes: plan.writeBytes,
    readPercent: 100,
    bytesMax: undefined,
    durationNs: undefined,
    iosMax: plan.isRandom && !plan.isMapped ? takenIos : Math.min(takenIos, blocks),
  };
}

/** Made once, so that a drive that compresses or finds duplicates cannot shine. */
function fillWithData(span: Span, job: FioJob): void {
  if (job.zeroBuffers) {
    span.fill(0);
    return;
  }
  const block = new Uint8Array(requestBytes(job));
  for (let slot = 0; slot < job.iodepth; slot++) {
    fillChunk(job.seed, slot, block);
    span.copyIn(slot * block.length, block);
  }
}

function troubleOf(transfer: Transfer, bad: BadBlock | undefined): FioTrouble | undefined {
  if (transfer.failure !== undefined) {
    return { kind: 'request', failure: transfer.failure };
  }
  return bad === undefined ? undefined : { kind: 'verify', bad };
}

function threadOf(
  { job, index, group }: Prepared,
  transfers: readonly Transfer[],
  testedBlocks: number,
  trouble: FioTrouble | undefined,
): FioThread {
  const direction = (isRead: boolean): FioDirection => {
    const latency = new LatencyHistogram();
    let bytes = 0;
    let elapsedNs = 0;
    for (const transfer of transfers) {
      const moved = isRead ? transfer.bytesRead : transfer.bytesWritten;
      latency.merge(isRead ? transfer.readLatency : transfer.writeLatency);
      bytes += moved;
      elapsedNs += moved > 0 ? transfer.endedNs - transfer.startedNs : 0;
    }
    return { bytes, ios: latency.count, elapsedNs, latency };
  };
  const elapsedNs = transfers.reduce((sum, { startedNs, endedNs }) => sum + endedNs - startedNs, 0);
  return {
    job,
    index,
    group,
    read: direction(true),
    write: direction(false),
    elapsedNs,
    testedBlocks,
    trouble,
  };
}

function checkDepths(wave: readonly FioJob[], targetOf: (job: FioJob) => BlockTarget): void {
  const depths = new Map<BlockTarget, number>();
  for (const job of wave) {
    const target = targetOf(job);
    const depth = (depths.get(target) ?? 0) + job.iodepth * job.numjobs;
    depths.set(target, depth);
    if (depth > target.depthMax) {
      throw new FioError('FIO_SETUP', {
        message: `job ${job.name} (line ${job.line}): jobs side by side keep ${depth} requests in flight on ${target.label}, which takes ${target.depthMax}`,
        hint: 'use a smaller iodepth or numjobs, or stonewall',
        detail: { job: job.name, line: job.line, depth, depthMax: target.depthMax },
      });
    }
  }
}
