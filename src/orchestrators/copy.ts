/**
 * Copies a range of blocks from one target to another through a span, whole or up to the first failure, and says exactly
 * what is certain afterwards.
 *
 * Chunks are taken in ascending order and may complete in any; everything below the lowest chunk that did not complete is
 * copied, so the certain prefix needs no bitmap.
 */
import { type BlockTarget, DONE, PENDING, type Span, STATUS, type Status } from '../access/index.ts';
import { CopyError } from '../base/index.ts';
import type { LatencySummary } from './latency.ts';
import { ITEM, Transfer, type TransferFailure, type Work, type WorkItem } from './transfer.ts';
import { Verifier, type VerifyResult } from './verify.ts';

/** possible (by the rules) < granted (the driver gave memory) < transferred (bytes moved) < verified (read back and compared). */
export type Trust = 'possible' | 'granted' | 'transferred' | 'verified';

export interface CopyOptions {
  readonly source: BlockTarget;
  readonly target: BlockTarget;
  /** `chunkBytes * depth` bytes that both targets can reach. Stays the caller's. */
  readonly span: Span;
  readonly sourceOffsetBytes: number;
  readonly targetOffsetBytes: number;
  readonly lengthBytes: number;
  readonly chunkBytes: number;
  readonly depth: number;
  /** A monotonic clock. */
  readonly nowNs: () => number;
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Chunks between two calls of `onProgress`; default about 200 calls over the whole copy. */
  readonly progressEvery?: number;
  /** Compare by a second read of both into these spans of host memory, each `chunkBytes * depth` long. */
  readonly verify?: { readonly sourceSpan: Span; readonly targetSpan: Span };
}

export interface CopyProgress {
  readonly stage: 'copy' | 'verify';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface CopyResult {
  /** `mismatch`: copied, but the second read found a difference. */
  readonly outcome: 'done' | 'stopped' | 'failed' | 'mismatch';
  readonly requestedBytes: number;
  /** Bytes of completed chunks, wherever they lie. */
  readonly copiedBytes: number;
  /** Every byte from the start of the range up to here is copied. */
  readonly certainBytes: number;
  /** The target said that what was copied is durable. False also when it was not asked because it is gone. */
  readonly isFlushed: boolean;
  readonly failure: TransferFailure | undefined;
  /** Requests that failed, the first included. */
  readonly failureCount: number;
  readonly trust: Trust;
  /** From the first request to the last completion, without flush and verification. */
  readonly elapsedNs: number;
  readonly flushNs: number;
  readonly bytesPerSecond: number;
  readonly latency: {
    readonly read: LatencySummary;
    readonly write: LatencySummary;
    readonly chunk: LatencySummary;
  };
  readonly verify: VerifyResult | undefined;
}

/** The range of a copy, chunk by chunk, ascending. */
export class SequentialCopy implements Work {
  readonly #sourceOffset: number;
  readonly #targetOffset: number;
  readonly #length: number;
  readonly #chunk: number;
  #taken = 0;

  constructor(sourceOffsetBytes: number, targetOffsetBytes: number, lengthBytes: number, chunkBytes: number) {
    this.#sourceOffset = sourceOffsetBytes;
    this.#targetOffset = targetOffsetBytes;
    this.#length = lengthBytes;
    this.#chunk = chunkBytes;
  }

  /** Bytes handed out so far. */
  get takenBytes(): number {
    return this.#taken;
  }

  next(item: WorkItem): boolean {
    if (this.#taken >= this.#length) {
      return false;
    }
    item.kind = ITEM.COPY;
    item.sourceOffsetBytes = this.#sourceOffset + this.#taken;
    item.targetOffsetBytes = this.#targetOffset + this.#taken;
    item.lengthBytes = Math.min(this.#chunk, this.#length - this.#taken);
    this.#taken += item.lengthBytes;
    return true;
  }
}

/** One copy. Targets and spans stay the caller's; nothing is in flight when `run` has resolved. */
export class Copy {
  readonly #options: CopyOptions;
  readonly #work: SequentialCopy;
  readonly #transfer: Transfer;
  #verifier: Verifier | undefined;
  #isStopped = false;

  /** @throws {CopyError} COPY_SETUP, COPY_RANGE (range outside, misaligned or overlapping), COPY_READ_ONLY */
  constructor(options: CopyOptions) {
    checkRange(options);
    this.#options = options;
    this.#work = new SequentialCopy(
      options.sourceOffsetBytes,
      options.targetOffsetBytes,
      options.lengthBytes,
      options.chunkBytes,
    );
    const chunks = Math.ceil(options.lengthBytes / options.chunkBytes);
    this.#transfer = new Transfer({
      ...options,
      work: this.#work,
      progressEvery: options.progressEvery ?? Math.max(1, Math.floor(chunks / 200)),
      onProgress:
        options.onProgress === undefined
          ? undefined
          : () =>
              options.onProgress?.({
                stage: 'copy',
                doneBytes: this.#transfer.bytesDone,
                totalBytes: options.lengthBytes,
              }),
    });
  }

  /** Finishes what is in flight and no more; the result tells how far it came. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#transfer.stop();
    this.#verifier?.stop();
  }

  /** Never rejects for what devices do: failures are in the result. */
  async run(): Promise<CopyResult> {
    const transfer = this.#transfer;
    const { nowNs } = this.#options;
    await transfer.run();
    const certainBytes = this.#certainBytes();
    const isWholeCopy = certainBytes === this.#options.lengthBytes;

    const flushStartNs = nowNs();
    const flush = await this.#flush();
    const flushNs = nowNs() - flushStartNs;
    const failure = transfer.failure ?? flush.failure;

    const verify =
      failure === undefined && isWholeCopy && !this.#isStopped ? await this.#verify() : undefined;
    const elapsedNs = transfer.endedNs - transfer.startedNs;
    return {
      outcome: this.#outcome(failure, isWholeCopy, verify),
      requestedBytes: this.#options.lengthBytes,
      copiedBytes: transfer.bytesDone,
      certainBytes,
      isFlushed: flush.isFlushed,
      failure: failure ?? verify?.failure,
      failureCount: transfer.failureCount + (flush.failure === undefined ? 0 : 1),
      trust: this.#trust(verify),
      elapsedNs,
      flushNs,
      bytesPerSecond: elapsedNs > 0 ? (transfer.bytesDone / elapsedNs) * 1e9 : 0,
      latency: {
        read: transfer.readLatency.summary(),
        write: transfer.writeLatency.summary(),
        chunk: transfer.itemLatency.summary(),
      },
      verify,
    };
  }

  #certainBytes(): number {
    const lowest = this.#transfer.lowestUnfinishedTargetOffset();
    return Math.min(lowest - this.#options.targetOffsetBytes, this.#work.takenBytes);
  }

  #outcome(
    failure: TransferFailure | undefined,
    isWholeCopy: boolean,
    verify: VerifyResult | undefined,
  ): CopyResult['outcome'] {
    if (failure !== undefined || verify?.outcome === 'failed') {
      return 'failed';
    }
    if (verify?.outcome === 'mismatch') {
      return 'mismatch';
    }
    return isWholeCopy &&
      (verify !== undefined || this.#options.verify === undefined) &&
      verify?.outcome !== 'stopped'
      ? 'done'
      : 'stopped';
  }

  #trust(verify: VerifyResult | undefined): Trust {
    if (verify?.outcome === 'equal') {
      return 'verified';
    }
    return this.#transfer.bytesDone > 0 ? 'transferred' : 'granted';
  }

  /** Also after a failure or a stop: what is reported as copied should be there after a power loss. */
  async #flush(): Promise<{ readonly isFlushed: boolean; readonly failure: TransferFailure | undefined }> {
    const { target } = this.#options;
    const failed = this.#transfer.failure;
    if (this.#transfer.bytesWritten === 0) {
      return { isFlushed: true, failure: undefined };
    }
    if (failed?.status === STATUS.GONE && failed.at === target.label) {
      return { isFlushed: false, failure: undefined };
    }
    const token = 2 * this.#options.depth;
    const status = await new Promise<Status>((resolve) => {
      target.onDone = (_, result) => resolve(result);
      const first = target.flush(token);
      if (first !== PENDING) {
        resolve(first);
      }
    });
    if (status === DONE) {
      return { isFlushed: true, failure: undefined };
    }
    const story = target.failure(token);
    return {
      isFlushed: false,
      failure: {
        status,
        code: story?.code ?? 'UNKNOWN',
        message: story?.message ?? `${target.label}: flush ended with status ${status}`,
        phase: 'flush',
        at: target.label,
        offsetBytes: this.#options.targetOffsetBytes,
        lengthBytes: 0,
      },
    };
  }

  async #verify(): Promise<VerifyResult | undefined> {
    const { options } = { options: this.#options };
    if (options.verify === undefined) {
      return undefined;
    }
    this.#verifier = new Verifier({
      source: options.source,
      target: options.target,
      sourceSpan: options.verify.sourceSpan,
      targetSpan: options.verify.targetSpan,
      sourceOffsetBytes: options.sourceOffsetBytes,
      targetOffsetBytes: options.targetOffsetBytes,
      lengthBytes: options.lengthBytes,
      chunkBytes: options.chunkBytes,
      depth: options.depth,
      nowNs: options.nowNs,
      onProgress: (doneBytes) =>
        options.onProgress?.({ stage: 'verify', doneBytes, totalBytes: options.lengthBytes }),
      ...(options.progressEvery === undefined ? {} : { progressEvery: options.progressEvery }),
    });
    return this.#verifier.run();
  }
}

function checkRange(options: CopyOptions): void {
  const { source, target, lengthBytes } = options;
  if (target.isReadOnly) {
    throw new CopyError('COPY_READ_ONLY', {
      message: `${target.label} is not open for writing`,
      hint: 'open the destination with write access',
    });
  }
  checkCopyRange(source, options.sourceOffsetBytes, lengthBytes);
  checkCopyRange(target, options.targetOffsetBytes, lengthBytes);
  const gap = Math.abs(options.sourceOffsetBytes - options.targetOffsetBytes);
  if (source === target && gap < lengthBytes) {
    throw new CopyError('COPY_RANGE', {
      message: `source and destination overlap on ${source.label}`,
      hint: 'choose ranges that do not overlap',
    });
  }
}

/** Whether a range can be read or written whole. @throws {CopyError} COPY_RANGE */
export function checkCopyRange(end: BlockTarget, offsetBytes: number, lengthBytes: number): void {
  if (offsetBytes % end.blockBytes !== 0 || lengthBytes % end.blockBytes !== 0) {
    throw new CopyError('COPY_RANGE', {
      message: `${lengthBytes} bytes at ${offsetBytes} are not whole blocks of ${end.label}, which has ${end.blockBytes}-byte blocks`,
      hint: `use a --size and an --offset that are multiples of ${end.blockBytes}`,
      detail: { offsetBytes, lengthBytes, blockBytes: end.blockBytes },
    });
  }
  if (!(lengthBytes > 0) || offsetBytes < 0 || offsetBytes + lengthBytes > end.sizeBytes) {
    throw new CopyError('COPY_RANGE', {
      message: `${lengthBytes} bytes at ${offsetBytes} do not lie within ${end.label}, which has ${end.sizeBytes} bytes`,
      hint: 'use a smaller --size or --offset',
      detail: { offsetBytes, lengthBytes, sizeBytes: end.sizeBytes },
    });
  }
}
