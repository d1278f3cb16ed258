/**
 * The engine behind copy and load: keeps a number of items in flight between two block targets and one span.
 *
 * A state machine: each slot holds one item and owns one chunk of the span; a read that completes becomes a write of the
 * same chunk, a write that completes takes the next item. The first failure, or `stop()`, ends the taking; what is in
 * flight is waited for. No promise, closure or object is made for an item.
 */
import { type BlockTarget, DONE, type Failure, PENDING, type Span, type Status } from '../access/index.ts';
import { assert, CopyError } from '../base/index.ts';
import { LatencyHistogram } from './latency.ts';

/** What an item does. `COPY` reads from the source, then writes the same bytes to the target. */
export const ITEM = { READ: 0, WRITE: 1, COPY: 2 } as const;

/** One item; the engine owns the object and hands it to `Work` to be filled. */
export interface WorkItem {
  kind: number;
  sourceOffsetBytes: number;
  targetOffsetBytes: number;
  lengthBytes: number;
}

/** Where items come from. */
export interface Work {
  /**
   * Fills `item` with what comes next; false when there is nothing more. Not called again after false.
   * @param spanOffsetBytes  where in the span the item's bytes will be; nothing else uses them until it is done
   */
  next(item: WorkItem, spanOffsetBytes: number): boolean;
  /** An item is complete: its bytes lie in the span until this returns. Failed items are not told. */
  done?(item: WorkItem, spanOffsetBytes: number): void;
}

export interface TransferOptions {
  /** Read from; null when no item reads. */
  readonly source: BlockTarget | null;
  /** Written to; null when no item writes. */
  readonly target: BlockTarget | null;
  /** At least `chunkBytes * depth` long. Stays the caller's. */
  readonly span: Span;
  /** No item is longer. */
  readonly chunkBytes: number;
  /** Items in flight. */
  readonly depth: number;
  readonly work: Work;
  readonly nowNs: () => number;
  /** Called after every `progressEvery` completed items. */
  readonly onProgress?: (() => void) | undefined;
  readonly progressEvery?: number;
}

export type Phase = 'read' | 'write' | 'flush';

/** The first request that failed. */
export interface TransferFailure extends Failure {
  readonly phase: Phase;
  /** Label of the target that failed. */
  readonly at: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

const READING = 0;
const WRITING = 1;
const IDLE = 2;
const FAILED = 3;

class Slot implements WorkItem {
  kind = 0;
  sourceOffsetBytes = 0;
  targetOffsetBytes = 0;
  lengthBytes = 0;
  readonly index: number;
  readonly spanOffsetBytes: number;
  state = IDLE;
  startedNs = 0;
  phaseStartedNs = 0;

  constructor(index: number, chunkBytes: number) {
    this.index = index;
    this.spanOffsetBytes = index * chunkBytes;
  }
}

export class Transfer {
  /** One histogram for each kind of request, and one for whole items. */
  readonly readLatency = new LatencyHistogram();
  readonly writeLatency = new LatencyHistogram();
  readonly itemLatency = new LatencyHistogram();
  itemsDone = 0;
  /** Bytes of completed items. */
  bytesDone = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** How many requests failed; only the first is told. */
  failureCount = 0;
  failure: TransferFailure | undefined;
  startedNs = 0;
  endedNs = 0;

  readonly #options: TransferOptions;
  readonly #source: BlockTarget;
  readonly #target: BlockTarget;
  readonly #slots: readonly Slot[];
  readonly #progressEvery: number;
  #active = 0;
  #isOut = false;
  #isStopped = false;
  #isStarting = false;
  #resolve: (() => void) | undefined;

  /**
   * @throws {CopyError} COPY_SETUP when chunk, depth, span and targets do not fit each other
   */
  constructor(options: TransferOptions) {
    const source = options.source ?? options.target;
    const target = options.target ?? options.source;
    assert(source !== null && target !== null, 'a transfer needs a target');
    checkSetup(options, [source, target]);
    this.#options = options;
    this.#source = source;
    this.#target = target;
    this.#slots = Array.from({ length: options.depth }, (_, i) => new Slot(i, options.chunkBytes));
    this.#progressEvery = Math.max(1, options.progressEvery ?? 1);
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Takes no more items; what is in flight is waited for. May be called at any time, also from `onProgress`. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when nothing is in flight any more; never rejects for a failed request (see `failure`). Call once. */
  run(): Promise<void> {
    assert(this.#resolve === undefined, 'a transfer is run once');
    const { nowNs } = this.#options;
    const onDone = (token: number, status: Status): void => this.#onDone(token, status);
    this.#source.onDone = onDone;
    this.#target.onDone = onDone;
    this.startedNs = nowNs();
    return new Promise((resolve) => {
      this.#resolve = resolve;
      // A target that completes at once must not end the run before all slots were started.
      this.#isStarting = true;
      for (const slot of this.#slots) {
        this.#active++;
        this.#take(slot);
      }
      this.#isStarting = false;
      this.#endIfIdle();
    });
  }

  /**
   * First target offset of all items that were taken and did not complete; infinite when all did. With work that is taken
   * in ascending order, everything below it is copied.
   */
  lowestUnfinishedTargetOffset(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (slot.state !== IDLE && slot.targetOffsetBytes < lowest) {
        lowest = slot.targetOffsetBytes;
      }
    }
    return lowest;
  }

  /** Takes items for one slot until one is pending, or there is nothing more to do for it. */
  #take(slot: Slot): void {
    for (;;) {
      if (this.#isOut || this.#isStopped || this.failure !== undefined) {
        this.#retire(slot);
        return;
      }
      if (!this.#options.work.next(slot, slot.spanOffsetBytes)) {
        this.#isOut = true;
        this.#retire(slot);
        return;
      }
      assert(
        slot.lengthBytes > 0 && slot.lengthBytes <= this.#options.chunkBytes,
        'an item does not fit its slot',
        {
          lengthBytes: slot.lengthBytes,
        },
      );
      slot.startedNs = this.#options.nowNs();
      const status = slot.kind === ITEM.WRITE ? this.#write(slot) : this.#read(slot);
      if (!this.#advance(slot, status)) {
        return;
      }
    }
  }

  /** Carries a slot on with the status of its request. @returns true when its item is complete */
  #advance(slot: Slot, first: Status): boolean {
    let status = first;
    for (;;) {
      if (status === PENDING) {
        return false;
      }
      if (status !== DONE) {
        this.#fail(slot, status);
        return false;
      }
      const now = this.#options.nowNs();
      if (slot.state === READING) {
        this.readLatency.record(now - slot.phaseStartedNs);
        this.bytesRead += slot.lengthBytes;
        if (slot.kind === ITEM.COPY) {
          status = this.#write(slot);
          continue;
        }
      } else {
        this.writeLatency.record(now - slot.phaseStartedNs);
        this.bytesWritten += slot.lengthBytes;
      }
      this.itemLatency.record(now - slot.startedNs);
      this.#options.work.done?.(slot, slot.spanOffsetBytes);
      slot.state = IDLE;
      this.itemsDone++;
      this.bytesDone += slot.lengthBytes;
      if (this.itemsDone % this.#progressEvery === 0) {
        this.#options.onProgress?.();
      }
      return true;
    }
  }

  // Tokens carry the phase, so that one object may be source and target.
  #read(slot: Slot): Status {
    slot.state = READING;
    slot.phaseStartedNs = this.#options.nowNs();
    return this.#source.read(
      slot.sourceOffsetBytes,
      this.#options.span,
      slot.spanOffsetBytes,
      slot.lengthBytes,
      slot.index * 2 + READING,
    );
  }

  #write(slot: Slot): Status {
    slot.state = WRITING;
    slot.phaseStartedNs = this.#options.nowNs();
    return this.#target.write(
      slot.targetOffsetBytes,
      this.#options.span,
      slot.spanOffsetBytes,
      slot.lengthBytes,
      slot.index * 2 + WRITING,
    );
  }

  #onDone(token: number, status: Status): void {
    const slot = this.#slots[Math.floor(token / 2)];
    assert(slot !== undefined && slot.state === token % 2, 'a request completed that is not in flight', {
      token,
      status,
    });
    if (this.#advance(slot, status)) {
      this.#take(slot);
    }
  }

  #fail(slot: Slot, status: Status): void {
    const isRead = slot.state === READING;
    const target = isRead ? this.#source : this.#target;
    this.failureCount++;
    if (this.failure === undefined) {
      const story = target.failure(slot.index * 2 + slot.state);
      this.failure = {
        status,
        code: story?.code ?? 'UNKNOWN',
        message: story?.message ?? `${target.label}: status ${status}`,
        phase: isRead ? 'read' : 'write',
        at: target.label,
        offsetBytes: isRead ? slot.sourceOffsetBytes : slot.targetOffsetBytes,
        lengthBytes: slot.lengthBytes,
      };
    }
    slot.state = FAILED;
    this.#active--;
    this.#endIfIdle();
  }

  #retire(slot: Slot): void {
    slot.state = IDLE;
    this.#active--;
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#active === 0 && !this.#isStarting) {
      this.endedNs = this.#options.nowNs();
      this.#resolve?.();
    }
  }
}

function checkSetup(options: TransferOptions, targets: readonly BlockTarget[]): void {
  const { chunkBytes, depth, span } = options;
  const problem = setupProblem(chunkBytes, depth, span, targets);
  if (problem !== undefined) {
    throw new CopyError('COPY_SETUP', {
      ...problem,
      detail: { chunkBytes, depth, spanBytes: span.lengthBytes },
    });
  }
}

function setupProblem(
  chunkBytes: number,
  depth: number,
  span: Span,
  targets: readonly BlockTarget[],
): { message: string; hint: string } | undefined {
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes <= 0) {
    return {
      message: `a chunk of ${chunkBytes} bytes`,
      hint: 'give a positive size, for example --chunk 1M',
    };
  }
  if (!Number.isSafeInteger(depth) || depth <= 0) {
    return { message: `a depth of ${depth}`, hint: 'give at least --depth 1' };
  }
  for (const target of targets) {
    if (chunkBytes % target.blockBytes !== 0) {
      return {
        message: `a chunk of ${chunkBytes} bytes is not a multiple of the ${target.blockBytes}-byte blocks of ${target.label}`,
        hint: `use a multiple of ${target.blockBytes}`,
      };
    }
    if (chunkBytes > target.maxTransferBytes) {
      return {
        message: `a chunk of ${chunkBytes} bytes is more than ${target.label} takes at once`,
        hint: `use at most ${target.maxTransferBytes}`,
      };
    }
    if (depth > target.depthMax) {
      return {
        message: `a depth of ${depth} is more than ${target.label} takes`,
        hint: `use at most ${target.depthMax}`,
      };
    }
  }
  if (chunkBytes * depth > span.lengthBytes) {
    return {
      message: `${depth} chunks of ${chunkBytes} bytes do not fit the buffer of ${span.lengthBytes} bytes`,
      hint: 'use a smaller --chunk or --depth',
    };
  }
  return undefined;
}
