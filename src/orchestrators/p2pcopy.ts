/**
 * What the p2pmem-test program does, on any machine: chunks from one drive to another through one piece of memory, one leg
 * alone where asked, and a check of the data.
 *
 * The check differs from that program on purpose. It writes to the source bytes that follow from seed and chunk number,
 * reads the destination back into host memory and compares each byte, so that lost, swapped and shifted chunks are all
 * found; a short transfer is a failure, and the total counts what each leg has moved. Leaves out: processor accesses to the
 * memory (`checkHostAccess` does them for host memory; peer memory is never touched by the processor).
 */
import type { BlockTarget, Span } from '../access/index.ts';
import { assert, CopyError } from '../base/index.ts';
import { flushTarget } from './flush.ts';
import type { LatencySummary } from './latency.ts';
import { type CheckSetup, CompareWork, FillWork, type P2pCopyCheck, UNREAD } from './p2pcopy-check.ts';
import { ITEM, Transfer, type TransferFailure, type Work, type WorkItem } from './transfer.ts';

export interface P2pCopyOptions {
  /** Read from, and written first when there is a check; null: no chunk is read. */
  readonly source: BlockTarget | null;
  /** Written to; null: no chunk is written. Not both null. */
  readonly target: BlockTarget | null;
  /** `chunkBytes * threads` bytes. Stays the caller's. */
  readonly span: Span;
  readonly chunkBytes: number;
  readonly chunks: number;
  /** Chunks in flight, each in a slot of the span of its own. */
  readonly threads: number;
  /** Start again at 0 on a drive that is smaller than all chunks. */
  readonly isOverlapping: boolean;
  /** Takes no more chunks after so long; undefined: no limit. */
  readonly durationNs: number | undefined;
  readonly check: CheckSetup | undefined;
  readonly nowNs: () => number;
  readonly onProgress?: (progress: P2pCopyProgress) => void;
  /** Before the first and after the last request of the transfer itself, which filling and checking are not. */
  readonly onTransfer?: (isStart: boolean) => void;
}

export type P2pCopyStage = 'fill' | 'transfer' | 'check';

export interface P2pCopyProgress {
  readonly stage: P2pCopyStage;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface P2pCopyResult {
  readonly outcome: 'done' | 'stopped' | 'failed' | 'mismatch';
  /** Ended early because the time was over. Never with a check. */
  readonly isTimeUp: boolean;
  readonly chunksDone: number;
  /** Of the chunks that were moved whole, by either leg. */
  readonly totalBytes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly elapsedNs: number;
  readonly bytesPerSecond: number;
  readonly latency: {
    readonly read: LatencySummary;
    readonly write: LatencySummary;
    readonly chunk: LatencySummary;
  };
  /** Where it failed or was stopped. */
  readonly stage: P2pCopyStage;
  readonly failure: TransferFailure | undefined;
  readonly check: P2pCopyCheck | undefined;
}

/** One run. Targets and spans stay the caller's; nothing is in flight when `run` has resolved. */
export class P2pCopy {
  readonly #options: P2pCopyOptions;
  #current: Transfer | undefined;
  #isStopped = false;

  /** @throws {CopyError} COPY_SETUP, COPY_RANGE, COPY_READ_ONLY */
  constructor(options: P2pCopyOptions) {
    checkOptions(options);
    this.#options = options;
  }

  /** Finishes what is in flight and no more. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#current?.stop();
  }

  /** Never rejects for what devices do: failures are in the result. */
  async run(): Promise<P2pCopyResult> {
    const { source, target, span, check, chunks, chunkBytes } = this.#options;
    if (check !== undefined) {
      assert(source !== null && target !== null, 'a check needs both drives');
      const filled = await this.#stage(
        'fill',
        source,
        check.span,
        new FillWork(check, chunks, chunkBytes),
        true,
      );
      if (filled.failure !== undefined || this.#isStopped) {
        return this.#result('fill', filled.failure, undefined, undefined);
      }
    }
    const work = new ChunkWork(this.#options);
    this.#options.onTransfer?.(true);
    const moved = await this.#stage('transfer', target, span, work, target !== null);
    this.#options.onTransfer?.(false);
    const isWhole = moved.transfer.itemsDone === chunks;
    if (check === undefined || moved.failure !== undefined || !isWhole) {
      return this.#result('transfer', moved.failure, moved.transfer, undefined, work.isTimeUp);
    }
    // Bytes of the filling that lie here would look like the ones that are expected where a read moves nothing.
    check.span.fill(UNREAD);
    const comparison = new CompareWork(check, chunks, chunkBytes);
    const checked = await this.#stage('check', target, check.span, comparison, false);
    return this.#result('check', checked.failure, moved.transfer, comparison.result());
  }

  async #stage(
    stage: P2pCopyStage,
    target: BlockTarget | null,
    span: Span,
    work: Work,
    flushes: boolean,
  ): Promise<{ readonly transfer: Transfer; readonly failure: TransferFailure | undefined }> {
    const { chunkBytes, chunks, threads, nowNs, onProgress } = this.#options;
    const transfer: Transfer = new Transfer({
      source: stage === 'transfer' ? this.#options.source : target,
      target,
      span,
      chunkBytes,
      depth: Math.min(threads, chunks),
      work,
      nowNs,
      progressEvery: Math.max(1, Math.floor(chunks / 200)),
      onProgress: () =>
        onProgress?.({ stage, doneBytes: transfer.bytesDone, totalBytes: chunks * chunkBytes }),
    });
    this.#current = transfer;
    if (this.#isStopped) {
      transfer.stop();
    }
    await transfer.run();
    const failure =
      transfer.failure ??
      (flushes && target !== null && transfer.bytesWritten > 0
        ? await flushTarget(target, 2 * threads)
        : undefined);
    return { transfer, failure };
  }

  #result(
    stage: P2pCopyStage,
    failure: TransferFailure | undefined,
    moved: Transfer | undefined,
    check: P2pCopyCheck | undefined,
    isTimeUp = false,
  ): P2pCopyResult {
    const elapsedNs = moved === undefined ? 0 : moved.endedNs - moved.startedNs;
    const totalBytes = moved?.bytesDone ?? 0;
    const none = { count: 0, minNs: 0, meanNs: 0, p50Ns: 0, p90Ns: 0, p99Ns: 0, p999Ns: 0, maxNs: 0 };
    const isOver = isTimeUp || moved?.itemsDone === this.#options.chunks;
    const isCheckMissing = this.#options.check !== undefined && check?.outcome !== 'match';
    const outcome =
      failure !== undefined
        ? 'failed'
        : check?.outcome === 'mismatch'
          ? 'mismatch'
          : isOver && !isCheckMissing
            ? 'done'
            : 'stopped';
    return {
      outcome,
      isTimeUp,
      chunksDone: moved?.itemsDone ?? 0,
      totalBytes,
      bytesRead: moved?.bytesRead ?? 0,
      bytesWritten: moved?.bytesWritten ?? 0,
      elapsedNs,
      bytesPerSecond: elapsedNs > 0 ? (totalBytes / elapsedNs) * 1e9 : 0,
      latency: {
        read: moved?.readLatency.summary() ?? none,
        write: moved?.writeLatency.summary() ?? none,
        chunk: moved?.itemLatency.summary() ?? none,
      },
      stage,
      failure,
      check,
    };
  }
}

/** The chunks themselves, ascending, each drive wrapping around at its own end. */
class ChunkWork implements Work {
  readonly #options: P2pCopyOptions;
  readonly #kind: number;
  readonly #sourceChunks: number;
  readonly #targetChunks: number;
  #startedNs: number | undefined;
  #taken = 0;
  isTimeUp = false;

  constructor(options: P2pCopyOptions) {
    const { source, target, chunkBytes } = options;
    this.#options = options;
    this.#kind = source === null ? ITEM.WRITE : target === null ? ITEM.READ : ITEM.COPY;
    this.#sourceChunks = wholeChunks(source, chunkBytes);
    this.#targetChunks = wholeChunks(target, chunkBytes);
  }

  next(item: WorkItem): boolean {
    const { chunks, chunkBytes, durationNs, nowNs } = this.#options;
    if (this.#taken >= chunks) {
      return false;
    }
    if (durationNs !== undefined) {
      this.#startedNs ??= nowNs();
      if (nowNs() - this.#startedNs >= durationNs) {
        this.isTimeUp = true;
        return false;
      }
    }
    item.kind = this.#kind;
    item.sourceOffsetBytes = (this.#taken % this.#sourceChunks) * chunkBytes;
    item.targetOffsetBytes = (this.#taken % this.#targetChunks) * chunkBytes;
    item.lengthBytes = chunkBytes;
    this.#taken++;
    return true;
  }
}

function wholeChunks(target: BlockTarget | null, chunkBytes: number): number {
  return target === null ? Number.POSITIVE_INFINITY : Math.floor(target.sizeBytes / chunkBytes);
}

function checkOptions(options: P2pCopyOptions): void {
  const { source, target, chunks, chunkBytes, threads, isOverlapping, check } = options;
  const setup = (message: string, hint: string): CopyError => new CopyError('COPY_SETUP', { message, hint });
  if (source === null && target === null) {
    throw setup('neither a chunk is read nor one written', 'leave out --skip-read or --skip-write');
  }
  const isPartial = isOverlapping || options.durationNs !== undefined;
  if (check !== undefined && (source === null || target === null || isPartial)) {
    throw setup(
      'a check needs every chunk read and written once',
      'leave out --check, or --skip-read, --skip-write, --overlap and --duration',
    );
  }
  if (check !== undefined && (!check.span.isReadable || check.span.lengthBytes < chunkBytes * threads)) {
    throw setup('a check needs host memory for every slot', 'give it chunk size times threads');
  }
  for (const [value, name] of [
    [chunks, '--chunks'],
    [chunkBytes, '--chunk_size'],
    [threads, '--threads'],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw setup(`${name} is ${value}`, `give at least ${name} 1`);
    }
  }
  const totalBytes = chunks * chunkBytes;
  const ends = [source, target].filter((end) => end !== null);
  const written = check === undefined ? [target] : [source, target];
  const readOnly = written.find((end) => end?.isReadOnly === true);
  if (readOnly !== undefined && readOnly !== null) {
    throw new CopyError('COPY_READ_ONLY', {
      message: `${readOnly.label} is not open for writing`,
      hint: 'open it with write access',
    });
  }
  const small = ends.find((end) => end.sizeBytes < totalBytes);
  const range = (message: string, hint: string): CopyError =>
    new CopyError('COPY_RANGE', { message, hint, detail: { totalBytes } });
  if (!isOverlapping && small !== undefined) {
    throw range(
      `${chunks} chunks of ${chunkBytes} bytes are more than ${small.label} holds (${small.sizeBytes} bytes)`,
      'use fewer --chunks, or --overlap to start again at the beginning',
    );
  }
  if (isOverlapping && small === undefined) {
    throw range(
      `${totalBytes} bytes fit each drive, so there is nothing to overlap`,
      'leave out --overlap, which is for drives smaller than the total',
    );
  }
  const tiny = ends.find((end) => end.sizeBytes < chunkBytes);
  if (tiny !== undefined) {
    throw range(`a chunk of ${chunkBytes} bytes does not fit ${tiny.label}`, 'use a smaller --chunk_size');
  }
}
