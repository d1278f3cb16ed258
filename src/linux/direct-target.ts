/** Requests on one open file with O_DIRECT: the `BlockTarget` of a real machine. */
import { closeSync } from 'node:fs';
import {
  type BlockTarget,
  DONE,
  type Failure,
  PENDING,
  type Span,
  STATUS,
  type Status,
} from '../access/index.ts';
import type { Bdf } from '../base/index.ts';
import {
  ASYNC_READ,
  ASYNC_SYNC,
  ASYNC_WRITE,
  type AsyncQueue,
  blockGeometry,
  errnoMeaning,
  errnoName,
} from '../host/index.ts';
import type { FileTree } from '../topology/index.ts';
import type { Backing } from './backing.ts';
import { LinuxSpan } from './span.ts';

/** A target with what Linux knows of it. */
export interface LinuxBlockTarget extends BlockTarget {
  readonly backing: Backing;
  /** Same for two names of one disk, partition or not, or of one file. */
  readonly identity: string;
  /**
   * Takes back what opening did to a file: one that was made is removed, one that was lengthened gets its length back.
   * Only before the first write, and before `close`.
   */
  undoOpening(): void;
  /** Opened so that nobody else can mount or claim it. */
  readonly isExclusive: boolean;
}

/** The kernel moves at most this in one call (MAX_RW_COUNT), rounded down to a power of two. */
const CALL_LIMIT_BYTES = 1024 * 1024 * 1024;

/** What an opened target is made of; it owns the descriptor and the queue. */
export interface DirectTargetParts {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly path: string;
  readonly fd: number;
  readonly look: () => FileTree;
  readonly backing: Backing;
  readonly identity: string;
  readonly isExclusive: boolean;
  readonly isReadOnly: boolean;
  readonly queue: AsyncQueue;
  readonly undoOpening: () => void;
}

export class DirectTarget implements LinuxBlockTarget {
  readonly label: string;
  readonly requesters: readonly Bdf[];
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly maxTransferBytes: number;
  readonly depthMax: number;
  readonly isReadOnly: boolean;
  readonly backing: Backing;
  readonly identity: string;
  readonly isExclusive: boolean;
  onDone: (token: number, status: Status) => void = () => {};

  readonly #fd: number;
  readonly #look: () => FileTree;
  readonly #undoOpening: () => void;
  readonly #queue: AsyncQueue;
  // What each slot of the queue is about, so that a completion finds its request without a lookup.
  readonly #tokens: Float64Array;
  readonly #lengths: Float64Array;
  readonly #spans: (LinuxSpan | null)[];
  readonly #failures = new Map<number, Failure>();
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: DirectTargetParts) {
    this.label = parts.path;
    this.requesters = parts.backing.requesters.functions;
    this.sizeBytes = parts.sizeBytes;
    this.blockBytes = parts.blockBytes;
    this.maxTransferBytes = CALL_LIMIT_BYTES;
    this.depthMax = parts.queue.depth;
    this.isReadOnly = parts.isReadOnly;
    this.backing = parts.backing;
    this.identity = parts.identity;
    this.isExclusive = parts.isExclusive;
    this.#fd = parts.fd;
    this.#look = parts.look;
    this.#undoOpening = parts.undoOpening;
    this.#queue = parts.queue;
    this.#tokens = new Float64Array(parts.queue.depth);
    this.#lengths = new Float64Array(parts.queue.depth);
    this.#spans = new Array<LinuxSpan | null>(parts.queue.depth).fill(null);
    this.#queue.onDone = (slot, result) => this.#complete(slot, result);
  }

  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status {
    return this.#transfer(ASYNC_READ, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  write(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    if (this.isReadOnly) {
      return this.#fail(token, STATUS.INVALID, 'EROFS', `${this.label} was opened for reading`);
    }
    return this.#transfer(ASYNC_WRITE, offsetBytes, span, spanOffsetBytes, lengthBytes, token);
  }

  flush(token: number): Status {
    if (this.isReadOnly) {
      return DONE;
    }
    if (this.#isClosed) {
      return this.#fail(token, STATUS.ABORTED, 'ECANCELED', `${this.label} is closed`);
    }
    return this.#submitted(this.#queue.submit(ASYNC_SYNC, this.#fd, 0, 0, 0), token, 0, null);
  }

  failure(token: number): Failure | undefined {
    return this.#failures.get(token);
  }

  undoOpening(): void {
    if (!this.#isClosed) {
      this.#undoOpening();
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    if (this.#queue.inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#queue.close();
    closeSync(this.#fd);
  }

  #transfer(
    operation: number,
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    if (this.#isClosed) {
      return this.#fail(token, STATUS.ABORTED, 'ECANCELED', `${this.label} is closed`);
    }
    if (!(span instanceof LinuxSpan) || span.mapping.isClosed) {
      return this.#fail(token, STATUS.INVALID, 'EFAULT', 'the memory is closed or not of this machine');
    }
    if (
      offsetBytes % this.blockBytes !== 0 ||
      lengthBytes % this.blockBytes !== 0 ||
      spanOffsetBytes % this.blockBytes !== 0 ||
      lengthBytes <= 0 ||
      lengthBytes > this.maxTransferBytes ||
      offsetBytes < 0 ||
      offsetBytes + lengthBytes > this.sizeBytes ||
      spanOffsetBytes < 0 ||
      spanOffsetBytes + lengthBytes > span.lengthBytes
    ) {
      return this.#fail(
        token,
        STATUS.INVALID,
        'EINVAL',
        `${lengthBytes} bytes at ${offsetBytes} of ${this.label} (memory offset ${spanOffsetBytes}) are out of range or not in blocks of ${this.blockBytes}`,
      );
    }
    const address = span.mapping.pin() + spanOffsetBytes;
    return this.#submitted(
      this.#queue.submit(operation, this.#fd, address, lengthBytes, offsetBytes),
      token,
      lengthBytes,
      span,
    );
  }

  #submitted(slot: number, token: number, lengthBytes: number, span: LinuxSpan | null): Status {
    if (slot < 0) {
      span?.mapping.unpin();
      return this.#failed(token, -slot, span);
    }
    if (this.#failures.size > 0) {
      this.#failures.delete(token);
    }
    this.#tokens[slot] = token;
    this.#lengths[slot] = lengthBytes;
    this.#spans[slot] = span;
    return PENDING;
  }

  #complete(slot: number, result: number): void {
    const token = this.#tokens[slot]!;
    const lengthBytes = this.#lengths[slot]!;
    const span = this.#spans[slot]!;
    this.#spans[slot] = null;
    span?.mapping.unpin();
    let status: Status = DONE;
    if (result < 0) {
      status = this.#failed(token, -result, span);
    } else if (result !== lengthBytes) {
      const moved = `${result} of ${lengthBytes} bytes were moved`;
      status = this.#isGone()
        ? this.#fail(token, STATUS.GONE, 'SHORT', `${this.label} is gone; ${moved}`)
        : this.#fail(token, STATUS.IO, 'SHORT', `${moved}; ${this.label} ends early or failed in between`);
    }
    this.onDone(token, status);
    if (this.#queue.inFlight === 0) {
      this.#onIdle?.();
    }
  }

  /** Gives an errno its meaning; only failures come here, so looking at sysfs is affordable. */
  #failed(token: number, errno: number, span: LinuxSpan | null): Status {
    const name = errnoName(errno);
    const isPeer = span?.kind === 'peer';
    if (isPeer && name === 'EFAULT') {
      return this.#fail(
        token,
        STATUS.GONE,
        name,
        `the peer memory of ${span.provider} was taken away (driver unbound or device removed)`,
      );
    }
    if (isPeer && (name === 'EREMOTEIO' || name === 'EINVAL')) {
      // Host memory with the same alignment is accepted, so EINVAL here is the block layer refusing the mapping (6.17 and later).
      return this.#fail(
        token,
        STATUS.UNREACHABLE,
        name,
        `${this.label} cannot use the memory of ${span.provider}: the kernel refused to map it (${name})`,
      );
    }
    if (this.#isGone()) {
      return this.#fail(token, STATUS.GONE, name, `${this.label} is gone (${name})`);
    }
    const status =
      name === 'ENOSPC' || name === 'EDQUOT' || name === 'EAGAIN'
        ? STATUS.FULL
        : name === 'EINVAL' || name === 'EFAULT'
          ? STATUS.INVALID
          : name === 'ENODEV' || name === 'ENXIO' || name === 'ESHUTDOWN'
            ? STATUS.GONE
            : STATUS.IO;
    return this.#fail(token, status, name, `${this.label}: ${errnoMeaning(errno)} (${name})`);
  }

  /** A disk whose driver lets go has no size at first (writes get ENOSPC, reads end early), then no place in sysfs. */
  #isGone(): boolean {
    const number = this.backing.device?.number;
    if (number !== undefined && this.#look().kind(`sys/dev/block/${number}`) === 'absent') {
      return true;
    }
    try {
      return this.backing.kind === 'block' && blockGeometry(this.#fd, this.label).sizeBytes === 0;
    } catch {
      return true;
    }
  }

  #fail(token: number, status: Status, code: string, message: string): Status {
    this.#failures.set(token, { status, code, message });
    return status;
  }
}
