/**
 * Compares two ranges by reading both into host memory: the second, independent read behind `verified`.
 *
 * Chunks are taken in ascending order and all that are in flight are finished, so the first difference that is reported is
 * the first there is.
 */
import { type BlockTarget, DONE, PENDING, type Span, type Status } from '../access/index.ts';
import { assert, CopyError } from '../base/index.ts';
import type { TransferFailure } from './transfer.ts';

export interface VerifyOptions {
  readonly source: BlockTarget;
  readonly target: BlockTarget;
  /** Readable memory, each `chunkBytes * depth` long, not the one that the copy went through. */
  readonly sourceSpan: Span;
  readonly targetSpan: Span;
  readonly sourceOffsetBytes: number;
  readonly targetOffsetBytes: number;
  readonly lengthBytes: number;
  readonly chunkBytes: number;
  readonly depth: number;
  readonly nowNs: () => number;
  /** Called with the bytes compared so far, every `progressEvery` chunks. */
  readonly onProgress?: (doneBytes: number) => void;
  readonly progressEvery?: number;
}

export interface VerifyResult {
  readonly outcome: 'equal' | 'mismatch' | 'failed' | 'stopped';
  readonly comparedBytes: number;
  /** First byte that differs, counted from the start of the range. */
  readonly mismatchAtBytes: number | undefined;
  /** The two bytes there. */
  readonly mismatch: { readonly source: number; readonly target: number } | undefined;
  readonly failure: TransferFailure | undefined;
  readonly elapsedNs: number;
}

class Slot {
  offsetBytes = 0;
  lengthBytes = 0;
  /** Reads under way, 0 to 2. */
  pending = 0;
  isFailed = false;
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** Differ, so that a pair of reads that moved nothing is not taken for equal. */
const SOURCE_FILL = 0x5a;
const TARGET_FILL = 0xa5;

export class Verifier {
  readonly #options: VerifyOptions;
  readonly #slots: readonly Slot[];
  readonly #sourceBytes: Uint8Array;
  readonly #targetBytes: Uint8Array;
  #taken = 0;
  #compared = 0;
  #chunksDone = 0;
  #active = 0;
  #isStarting = false;
  #isStopped = false;
  #mismatchAt = Number.POSITIVE_INFINITY;
  #mismatch: { source: number; target: number } | undefined;
  #failure: TransferFailure | undefined;
  #resolve: (() => void) | undefined;

  /** @throws {CopyError} COPY_SETUP when a span is peer memory or too small */
  constructor(options: VerifyOptions) {
    const needed = options.chunkBytes * options.depth;
    for (const span of [options.sourceSpan, options.targetSpan]) {
      if (!span.isReadable || span.lengthBytes < needed) {
        throw new CopyError('COPY_SETUP', {
          message: `verification needs two spans of ${needed} bytes of host memory`,
          hint: 'never verify through the window that the data went through',
          detail: { isReadable: span.isReadable, lengthBytes: span.lengthBytes },
        });
      }
    }
    this.#options = options;
    this.#slots = Array.from({ length: options.depth }, (_, i) => new Slot(i));
    this.#sourceBytes = new Uint8Array(new ArrayBuffer(options.chunkBytes));
    this.#targetBytes = new Uint8Array(new ArrayBuffer(options.chunkBytes));
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Nothing is in flight when it resolves. Never rejects for what devices do. Call once. */
  async run(): Promise<VerifyResult> {
    const { source, target, nowNs } = this.#options;
    const startedNs = nowNs();
    this.#options.sourceSpan.fill(SOURCE_FILL);
    this.#options.targetSpan.fill(TARGET_FILL);
    const onDone = (token: number, status: Status): void => this.#onDone(token, status);
    source.onDone = onDone;
    target.onDone = onDone;
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
      this.#isStarting = true;
      for (const slot of this.#slots) {
        this.#active++;
        this.#take(slot);
      }
      this.#isStarting = false;
      this.#endIfIdle();
    });
    return this.#result(nowNs() - startedNs);
  }

  #result(elapsedNs: number): VerifyResult {
    const isMismatch = this.#mismatch !== undefined;
    const isWhole = this.#compared === this.#options.lengthBytes;
    return {
      outcome: isMismatch
        ? 'mismatch'
        : this.#failure !== undefined
          ? 'failed'
          : isWhole
            ? 'equal'
            : 'stopped',
      comparedBytes: this.#compared,
      mismatchAtBytes: isMismatch ? this.#mismatchAt : undefined,
      mismatch: this.#mismatch,
      failure: this.#failure,
      elapsedNs,
    };
  }

  #take(slot: Slot): void {
    const { source, target, sourceSpan, targetSpan, chunkBytes, lengthBytes } = this.#options;
    for (;;) {
      const isOver = this.#isStopped || this.#failure !== undefined || this.#mismatch !== undefined;
      if (isOver || this.#taken >= lengthBytes) {
        this.#active--;
        this.#endIfIdle();
        return;
      }
      slot.offsetBytes = this.#taken;
      slot.lengthBytes = Math.min(chunkBytes, lengthBytes - this.#taken);
      slot.isFailed = false;
      this.#taken += slot.lengthBytes;
      const at = slot.index * chunkBytes;
      // Both count as pending before either is asked, so that the first to complete does not compare alone.
      slot.pending = 2;
      const ofSource = source.read(
        this.#options.sourceOffsetBytes + slot.offsetBytes,
        sourceSpan,
        at,
        slot.lengthBytes,
        slot.index * 2,
      );
      const ofTarget = target.read(
        this.#options.targetOffsetBytes + slot.offsetBytes,
        targetSpan,
        at,
        slot.lengthBytes,
        slot.index * 2 + 1,
      );
      this.#settle(slot, 0, ofSource);
      this.#settle(slot, 1, ofTarget);
      if (slot.pending > 0) {
        return;
      }
      this.#compare(slot);
    }
  }

  #settle(slot: Slot, side: number, status: Status): void {
    if (status === PENDING) {
      return;
    }
    slot.pending--;
    if (status !== DONE) {
      slot.isFailed = true;
      this.#failure ??= this.#storyOf(slot, side, status);
    }
  }

  #onDone(token: number, status: Status): void {
    const slot = this.#slots[Math.floor(token / 2)];
    assert(slot !== undefined && slot.pending > 0, 'a read completed that is not in flight', {
      token,
      status,
    });
    this.#settle(slot, token % 2, status);
    if (slot.pending === 0) {
      this.#compare(slot);
      this.#take(slot);
    }
  }

  #compare(slot: Slot): void {
    if (slot.isFailed) {
      return;
    }
    const at = slot.index * this.#options.chunkBytes;
    const ours = this.#sourceBytes.subarray(0, slot.lengthBytes);
    const theirs = this.#targetBytes.subarray(0, slot.lengthBytes);
    this.#options.sourceSpan.copyOut(at, ours);
    this.#options.targetSpan.copyOut(at, theirs);
    const difference = firstDifference(ours, theirs);
    if (difference >= 0 && slot.offsetBytes + difference < this.#mismatchAt) {
      this.#mismatchAt = slot.offsetBytes + difference;
      this.#mismatch = { source: ours[difference]!, target: theirs[difference]! };
    }
    this.#compared += slot.lengthBytes;
    this.#chunksDone++;
    if (this.#chunksDone % Math.max(1, this.#options.progressEvery ?? 16) === 0) {
      this.#options.onProgress?.(this.#compared);
    }
  }

  #storyOf(slot: Slot, side: number, status: Status): TransferFailure {
    const target = side === 0 ? this.#options.source : this.#options.target;
    const base = side === 0 ? this.#options.sourceOffsetBytes : this.#options.targetOffsetBytes;
    const story = target.failure(slot.index * 2 + side);
    return {
      status,
      code: story?.code ?? 'UNKNOWN',
      message: story?.message ?? `${target.label}: status ${status}`,
      phase: 'read',
      at: target.label,
      offsetBytes: base + slot.offsetBytes,
      lengthBytes: slot.lengthBytes,
    };
  }

  #endIfIdle(): void {
    if (this.#active === 0 && !this.#isStarting) {
      this.#resolve?.();
    }
  }
}

/** Index of the first byte that differs, or -1. Compares words; both arrays start at an ArrayBuffer's start. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const words = Math.floor(a.length / 4);
  const wordsOfA = new Int32Array(a.buffer, a.byteOffset, words);
  const wordsOfB = new Int32Array(b.buffer, b.byteOffset, words);
  let word = 0;
  while (word < words && wordsOfA[word] === wordsOfB[word]) {
    word++;
  }
  for (let i = word * 4; i < a.length; i++) {
    if (a[i] !== b[i]) {
      return i;
    }
  }
  return -1;
}
