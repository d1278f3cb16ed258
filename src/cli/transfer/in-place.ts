/**
 * A copy whose one end is memory that the device of the other end can do DMA to, as a drive to an iopmem disk: the drive reads
 * or writes that memory where it lies, and nothing is in between.
 */
import type { BlockTarget, Failure, Span, Status } from '../../access/index.ts';
import { AssertionFailure, type Bdf } from '../../base/index.ts';

/** Either end of such a copy: its requests go to the memory of the disk, at the place that the disk has them at. */
export class InPlaceTarget implements BlockTarget {
  readonly #inner: BlockTarget;
  readonly #memory: Span;

  /** @param memory  all of the disk: its offsets are those of the disk */
  constructor(inner: BlockTarget, memory: Span) {
    this.#inner = inner;
    this.#memory = memory;
  }

  get label(): string {
    return this.#inner.label;
  }

  get requesters(): readonly Bdf[] {
    return this.#inner.requesters;
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  get blockBytes(): number {
    return this.#inner.blockBytes;
  }

  get maxTransferBytes(): number {
    return this.#inner.maxTransferBytes;
  }

  get depthMax(): number {
    return this.#inner.depthMax;
  }

  get isReadOnly(): boolean {
    return this.#inner.isReadOnly;
  }

  get onDone(): (token: number, status: Status) => void {
    return this.#inner.onDone;
  }

  set onDone(onDone: (token: number, status: Status) => void) {
    this.#inner.onDone = onDone;
  }

  read(offsetBytes: number, _: Span, _at: number, lengthBytes: number, token: number): Status {
    return this.#inner.read(offsetBytes, this.#memory, offsetBytes, lengthBytes, token);
  }

  write(offsetBytes: number, _: Span, _at: number, lengthBytes: number, token: number): Status {
    return this.#inner.write(offsetBytes, this.#memory, offsetBytes, lengthBytes, token);
  }

  flush(token: number): Status {
    return this.#inner.flush(token);
  }

  failure(token: number): Failure | undefined {
    return this.#inner.failure(token);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** The buffer that such a copy does not have; its targets do not look at it. */
export class NoBuffer implements Span {
  readonly kind = 'peer';
  readonly isReadable = false;
  readonly lengthBytes: number;
  readonly provider: Bdf;

  constructor(provider: Bdf, lengthBytes: number) {
    this.provider = provider;
    this.lengthBytes = lengthBytes;
  }

  copyOut(): never {
    throw new AssertionFailure('a copy in place has no buffer');
  }

  copyIn(): never {
    throw new AssertionFailure('a copy in place has no buffer');
  }

  fill(): never {
    throw new AssertionFailure('a copy in place has no buffer');
  }

  close(): void {}
}
