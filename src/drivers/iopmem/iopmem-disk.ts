/**
 * iopmem: memory of a BAR as a block device (Bates and Cameron, 2016: "[RFC 0/3] iopmem: A block device for PCIe memory").
 *
 * The CPU copies between host memory and the BAR, block by block; whoever can do DMA to peer memory goes round the CPU and
 * uses `direct`, the whole device as one span, as the original did with DAX. Requests of the CPU are done when they return,
 * except where a load has to wait for its completion.
 */
import {
  type BarWindow,
  type BlockTarget,
  DONE,
  type Failure,
  MMIO_PENDING,
  type MmioReader,
  type PciFunction,
  PENDING,
  type Span,
  STATUS,
  type Status,
} from '../../access/index.ts';
import { type Bdf, IopmemError } from '../../base/index.ts';

export interface IopmemOptions {
  /** What a person calls it: `iopmem0`. */
  readonly label: string;
  readonly fn: PciFunction;
  readonly bar: number;
  /** A multiple of `blockBytes`. */
  readonly offsetBytes: number;
  /** A multiple of `blockBytes`; 0 takes the rest of the BAR. */
  readonly sizeBytes: number;
  /** A power of two, at least 512. */
  readonly blockBytes: number;
  /** The same memory for devices: a span of the peer-to-peer framework over all of it; null when nothing may map it. */
  readonly direct: Span | null;
}

/** The CPU moves this much before somebody else gets a turn. */
const REQUEST_BYTES_MAX = 2 ** 20;
const DEPTH = 64;

export class IopmemDisk implements BlockTarget {
  readonly label: string;
  /** The processor does the copying. */
  readonly requesters: readonly Bdf[] = [];
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly maxTransferBytes = REQUEST_BYTES_MAX;
  readonly depthMax = DEPTH;
  readonly isReadOnly = false;
  onDone: (token: number, status: Status) => void = () => {};

  /** The whole device as peer memory: offsets are those of the device. Null when nothing may map it. */
  readonly direct: Span | null;
  /** The function whose memory it is. */
  readonly provider: Bdf;
  readonly #fn: PciFunction;
  readonly #window: BarWindow;
  readonly #base: number;
  readonly #failures = new Map<number, Failure>();
  readonly #loads = new Set<PendingLoad>();
  #isClosed = false;
  #closing: (() => void)[] = [];

  /**
   * Takes over the function's memory decoding; nothing is written.
   * @throws {IopmemError} IOPMEM_NO_BAR, IOPMEM_RANGE, IOPMEM_BLOCK
   */
  constructor(options: IopmemOptions) {
    const { label, fn, bar, offsetBytes, blockBytes } = options;
    const window = fn.bar(bar);
    if (window === undefined) {
      throw new IopmemError('IOPMEM_NO_BAR', {
        message: `${label}: ${fn.bdf} has no memory BAR ${bar}`,
        hint: 'peerlane show lists its BARs; the upper half of a 64-bit BAR is none',
        detail: { function: fn.bdf, bar },
      });
    }
    if (!(blockBytes >= 512 && Number.isInteger(Math.log2(blockBytes)))) {
      throw new IopmemError('IOPMEM_BLOCK', {
        message: `${label}: blocks of ${blockBytes} bytes`,
        hint: 'a power of two from 512 on',
      });
    }
    const sizeBytes = options.sizeBytes === 0 ? window.lengthBytes - offsetBytes : options.sizeBytes;
    const isInside = offsetBytes >= 0 && sizeBytes > 0 && offsetBytes + sizeBytes <= window.lengthBytes;
    if (!isInside || offsetBytes % blockBytes !== 0 || sizeBytes % blockBytes !== 0) {
      throw new IopmemError('IOPMEM_RANGE', {
        message: `${label}: ${sizeBytes} bytes at ${offsetBytes} are not whole blocks within BAR ${bar} of ${fn.bdf}, which has ${window.lengthBytes} bytes`,
        hint: 'give an offset and a size that are multiples of the block size and lie inside',
        detail: { offsetBytes, sizeBytes, barBytes: window.lengthBytes },
      });
    }
    this.label = label;
    this.provider = fn.bdf;
    this.sizeBytes = sizeBytes;
    this.blockBytes = blockBytes;
    this.direct = options.direct;
    this.#fn = fn;
    this.#window = window;
    this.#base = offsetBytes;
    fn.enable({ memory: true });
  }

  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status {
    const refused = this.#refuse(offsetBytes, span, spanOffsetBytes, lengthBytes, token);
    if (refused !== DONE) {
      return refused;
    }
    if (span === this.direct) {
      return this.#isInPlace(offsetBytes, spanOffsetBytes, token);
    }
    const load = new PendingLoad(this, span, spanOffsetBytes, lengthBytes, token);
    const isPending =
      this.#window.readBytes(this.#base + offsetBytes, load.bytes, 0, lengthBytes, load, true) ===
      MMIO_PENDING;
    if (isPending) {
      this.#loads.add(load);
      return PENDING;
    }
    return this.#land(load);
  }

  write(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    const refused = this.#refuse(offsetBytes, span, spanOffsetBytes, lengthBytes, token);
    if (refused !== DONE) {
      return refused;
    }
    if (span === this.direct) {
      return this.#isInPlace(offsetBytes, spanOffsetBytes, token);
    }
    const bytes = new Uint8Array(lengthBytes);
    span.copyOut(spanOffsetBytes, bytes);
    this.#window.writeBytes(this.#base + offsetBytes, bytes, 0, lengthBytes, true);
    return this.#fn.isPresent
      ? DONE
      : this.#fail(token, STATUS.GONE, 'GONE', `${this.label}: the function is gone`);
  }

  /** Stores are posted; a load from the device pushes them before it. */
  flush(token: number): Status {
    if (this.#isClosed || !this.#fn.isPresent) {
      return this.#fail(token, STATUS.GONE, 'GONE', `${this.label}: the function is gone`);
    }
    const load = new PendingLoad(this, null, 0, 0, token);
    if (this.#window.read32(this.#base, load) === MMIO_PENDING) {
      this.#loads.add(load);
      return PENDING;
    }
    return DONE;
  }

  failure(token: number): Failure | undefined {
    return this.#failures.get(token);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#loads.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#closing.push(resolve);
        });
  }

  /** A load that had to wait is over. */
  arrived(load: PendingLoad): void {
    this.#loads.delete(load);
    const status = this.#land(load);
    this.onDone(load.token, status);
    if (this.#loads.size === 0) {
      const closing = this.#closing;
      this.#closing = [];
      for (const resolve of closing) {
        resolve();
      }
    }
  }

  #land(load: PendingLoad): Status {
    // All ones may be content; that the function is there tells.
    if (!this.#fn.isPresent) {
      return this.#fail(load.token, STATUS.GONE, 'GONE', `${this.label}: the function is gone`);
    }
    load.span?.copyIn(load.spanOffset, load.bytes);
    return DONE;
  }

  /** Over its own memory a transfer has nothing to do, if it is the same place. */
  #isInPlace(offsetBytes: number, spanOffsetBytes: number, token: number): Status {
    return offsetBytes === spanOffsetBytes
      ? DONE
      : this.#fail(token, STATUS.INVALID, 'INVALID', `${this.label} cannot copy within itself`);
  }

  #refuse(
    offsetBytes: number,
    span: Span,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): Status {
    this.#failures.delete(token);
    if (this.#isClosed) {
      return this.#fail(token, STATUS.ABORTED, 'ABORTED', `${this.label} is closed`);
    }
    if (span.kind === 'peer' && span !== this.direct) {
      return this.#fail(
        token,
        STATUS.UNREACHABLE,
        'UNREACHABLE',
        `${this.label} has no DMA engine: it cannot reach memory of ${span.provider}`,
      );
    }
    const isWhole = offsetBytes % this.blockBytes === 0 && lengthBytes % this.blockBytes === 0;
    const isInside =
      lengthBytes > 0 &&
      lengthBytes <= this.maxTransferBytes &&
      offsetBytes >= 0 &&
      offsetBytes + lengthBytes <= this.sizeBytes &&
      spanOffsetBytes >= 0 &&
      spanOffsetBytes + lengthBytes <= span.lengthBytes;
    return isWhole && isInside
      ? DONE
      : this.#fail(
          token,
          STATUS.INVALID,
          'INVALID',
          `${this.label}: ${lengthBytes} bytes at ${offsetBytes} are not whole blocks within it`,
        );
  }

  #fail(token: number, status: Status, code: string, message: string): Status {
    this.#failures.set(token, { status, code, message });
    return status;
  }
}

class PendingLoad implements MmioReader {
  readonly span: Span | null;
  readonly spanOffset: number;
  readonly bytes: Uint8Array;
  readonly token: number;
  readonly #disk: IopmemDisk;

  constructor(disk: IopmemDisk, span: Span | null, spanOffset: number, lengthBytes: number, token: number) {
    this.#disk = disk;
    this.span = span;
    this.spanOffset = spanOffset;
    this.bytes = new Uint8Array(lengthBytes);
    this.token = token;
  }

  deliver(): void {
    this.#disk.arrived(this);
  }
}
