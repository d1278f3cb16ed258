// A target in memory whose requests end when the executor is settled, with few of them at once; and one that fails.
import {
  type BlockTarget,
  type EventHandler,
  type Failure,
  PENDING,
  type Span,
  STATUS,
  type Status,
} from '../../../../src/access/index.ts';
import { MemoryTarget } from '../../../../src/orchestrators/nvmet/index.ts';
import type { ManualExecutor } from './manual-executor.ts';

export class DelayedTarget implements BlockTarget, EventHandler {
  readonly label = 'delayed';
  readonly requesters = [];
  readonly depthMax: number;
  readonly isReadOnly = false;
  readonly maxTransferBytes: number;
  onDone: (token: number, status: Status) => void = () => {};
  /** What the next requests end with. */
  fails: Status | null = null;
  inFlightMax = 0;
  isClosed = false;
  readonly inner: MemoryTarget;
  readonly #executor: ManualExecutor;
  readonly #work = new Map<number, () => Status>();

  constructor(
    executor: ManualExecutor,
    blocks: number,
    blockBytes: number,
    depthMax = 4,
    maxTransferBytes = 8192,
  ) {
    this.#executor = executor;
    this.depthMax = depthMax;
    this.maxTransferBytes = maxTransferBytes;
    this.inner = new MemoryTarget({ label: 'inner', sizeBytes: blocks * blockBytes, blockBytes });
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  get blockBytes(): number {
    return this.inner.blockBytes;
  }

  get inFlight(): number {
    return this.#work.size;
  }

  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status {
    return this.#later(token, () => this.inner.read(offsetBytes, span, spanOffsetBytes, lengthBytes, token));
  }

  write(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    return this.#later(token, () => this.inner.write(offsetBytes, span, spanOffsetBytes, lengthBytes, token));
  }

  flush(token: number): Status {
    return this.#later(token, () => this.inner.flush(token));
  }

  deallocate(offsetBytes: number, lengthBytes: number, token: number): Status {
    return this.#later(token, () => this.inner.deallocate(offsetBytes, lengthBytes, token));
  }

  failure(): Failure | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.inner.close();
  }

  onEvent(_code: number, token: number): void {
    const work = this.#work.get(token)!;
    this.#work.delete(token);
    this.onDone(token, this.fails ?? work());
  }

  #later(token: number, work: () => Status): Status {
    if (this.isClosed) {
      throw new Error('a request after close');
    }
    if (this.#work.size >= this.depthMax) {
      return STATUS.FULL;
    }
    if (this.#work.has(token)) {
      throw new Error('a token twice');
    }
    this.#work.set(token, work);
    this.inFlightMax = Math.max(this.inFlightMax, this.#work.size);
    this.#executor.after(0, this, 0, token);
    return PENDING;
  }
}
