/**
 * A namespace in memory: a `BlockTarget` whose blocks are pages of JavaScript, made when they are first written.
 *
 * Every request is done when the call returns. Host memory only: it is nobody's requester, so peer memory is UNREACHABLE.
 */
import { type BlockTarget, DONE, type Failure, type Span, STATUS, type Status } from '../../access/index.ts';
import { ByteSpan } from './memory.ts';

const PAGE_BYTES = 1 << 16;

export interface MemoryTargetOptions {
  readonly label: string;
  /** A multiple of `blockBytes`. */
  readonly sizeBytes: number;
  /** 512 or 4096; default 4096. */
  readonly blockBytes?: number;
  readonly isReadOnly?: boolean;
  readonly maxTransferBytes?: number;
}

export class MemoryTarget implements BlockTarget {
  readonly label: string;
  readonly requesters = [];
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly maxTransferBytes: number;
  readonly depthMax = 1024;
  readonly isReadOnly: boolean;
  onDone: (token: number, status: Status) => void = () => {};
  readonly #pages = new Map<number, Uint8Array>();
  readonly #failures = new Map<number, Failure>();
  #isClosed = false;

  constructor(options: MemoryTargetOptions) {
    this.label = options.label;
    this.sizeBytes = options.sizeBytes;
    this.blockBytes = options.blockBytes ?? 4096;
    this.maxTransferBytes = options.maxTransferBytes ?? 1 << 20;
    this.isReadOnly = options.isReadOnly ?? false;
  }

  /** Bytes that are really there. */
  get heldBytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status {
    const refused = this.#check(offsetBytes, span, lengthBytes, token);
    if (refused !== DONE) {
      return refused;
    }
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done;
      const within = at % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - within, lengthBytes - done);
      const page = this.#pages.get((at - within) / PAGE_BYTES);
      const from = spanOffsetBytes + done;
      if (span instanceof ByteSpan) {
        if (page === undefined) {
          span.bytes.fill(0, from, from + part);
        } else {
          span.bytes.set(page.subarray(within, within + part), from);
        }
      } else {
        span.copyIn(from, page === undefined ? new Uint8Array(part) : page.subarray(within, within + part));
      }
      done += part;
    }
    return DONE;
  }

  write(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    const refused = this.#check(offsetBytes, span, lengthBytes, token);
    if (refused !== DONE || this.isReadOnly) {
      return refused !== DONE ? refused : this.#fail(token, STATUS.INVALID, 'EROFS', 'it is read only');
    }
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done;
      const within = at % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - within, lengthBytes - done);
      const page = this.#pageOf((at - within) / PAGE_BYTES);
      span.copyOut(spanOffsetBytes + done, page.subarray(within, within + part));
      done += part;
    }
    return DONE;
  }

  flush(token: number): Status {
    return this.#isClosed ? this.#fail(token, STATUS.ABORTED, 'EBADF', 'it is closed') : DONE;
  }

  /** Whole pages are given back; what lies within a page becomes zero. Reads as zero. */
  deallocate(offsetBytes: number, lengthBytes: number, token: number): Status {
    const refused = this.#checkRange(offsetBytes, lengthBytes, token);
    if (refused !== DONE || this.isReadOnly) {
      return refused !== DONE ? refused : this.#fail(token, STATUS.INVALID, 'EROFS', 'it is read only');
    }
    // Where few pages are there and the range is large, the pages are walked and not the range.
    if (lengthBytes > this.heldBytes) {
      for (const index of this.#pages.keys()) {
        this.#zeroWithin(index, offsetBytes, lengthBytes);
      }
    } else {
      const last = Math.floor((offsetBytes + lengthBytes - 1) / PAGE_BYTES);
      for (let index = Math.floor(offsetBytes / PAGE_BYTES); index <= last; index++) {
        this.#zeroWithin(index, offsetBytes, lengthBytes);
      }
    }
    return DONE;
  }

  failure(token: number): Failure | undefined {
    return this.#failures.get(token);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pages.clear();
  }

  #zeroWithin(index: number, offsetBytes: number, lengthBytes: number): void {
    const page = this.#pages.get(index);
    if (page === undefined) {
      return;
    }
    const from = Math.max(0, offsetBytes - index * PAGE_BYTES);
    const to = Math.min(PAGE_BYTES, offsetBytes + lengthBytes - index * PAGE_BYTES);
    if (from === 0 && to === PAGE_BYTES) {
      this.#pages.delete(index);
    } else if (to > from) {
      page.fill(0, from, to);
    }
  }

  #pageOf(index: number): Uint8Array {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = new Uint8Array(PAGE_BYTES);
      this.#pages.set(index, page);
    }
    return page;
  }

  #check(offsetBytes: number, span: Span, lengthBytes: number, token: number): Status {
    if (span.kind === 'peer') {
      return this.#fail(token, STATUS.UNREACHABLE, 'EREMOTEIO', 'it does no DMA');
    }
    return lengthBytes > this.maxTransferBytes
      ? this.#fail(token, STATUS.INVALID, 'EINVAL', 'the request is too large')
      : this.#checkRange(offsetBytes, lengthBytes, token);
  }

  #checkRange(offsetBytes: number, lengthBytes: number, token: number): Status {
    if (this.#isClosed) {
      return this.#fail(token, STATUS.ABORTED, 'EBADF', 'it is closed');
    }
    const isWhole = offsetBytes % this.blockBytes === 0 && lengthBytes % this.blockBytes === 0;
    if (!isWhole || offsetBytes < 0 || offsetBytes + lengthBytes > this.sizeBytes) {
      return this.#fail(
        token,
        STATUS.INVALID,
        'EINVAL',
        `${lengthBytes} bytes at ${offsetBytes} are not in it`,
      );
    }
    return DONE;
  }

  #fail(token: number, status: Status, code: string, why: string): Status {
    this.#failures.set(token, { status, code, message: `${this.label}: ${why}` });
    return status;
  }
}
