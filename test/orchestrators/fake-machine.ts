/**
 * Block targets and spans in memory, with a scheduler that completes requests in a random order at a virtual time, and
 * with faults to order. A second implementation of the waist, so that orchestrators are tested against its contract.
 */
import {
  type BlockTarget,
  DONE,
  type Failure,
  PENDING,
  type Span,
  STATUS,
  type Status,
} from '../../src/access/index.ts';
import { assert, type Bdf, type SeededRandom } from '../../src/base/index.ts';

export class FakeSpan implements Span {
  readonly kind: 'host' | 'peer';
  readonly provider: Bdf | null;
  readonly bytes: Uint8Array;
  isClosed = false;

  constructor(lengthBytes: number, provider: Bdf | null = null) {
    this.bytes = new Uint8Array(lengthBytes);
    this.provider = provider;
    this.kind = provider === null ? 'host' : 'peer';
  }

  get lengthBytes(): number {
    return this.bytes.length;
  }

  get isReadable(): boolean {
    return this.kind === 'host';
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    assert(this.isReadable, 'peer memory was looked at');
    into.set(this.bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    assert(this.isReadable, 'peer memory was touched');
    this.bytes.set(from, offsetBytes);
  }

  fill(value: number): void {
    assert(this.isReadable, 'peer memory was touched');
    this.bytes.fill(value);
  }

  close(): void {
    this.isClosed = true;
  }
}

interface Pending {
  readonly complete: () => void;
}

/** Completes requests one by one, in an order that the seed decides. */
export class FakeScheduler {
  nowNs = 0;
  readonly #random: SeededRandom;
  readonly #pending: Pending[] = [];
  inFlightMax = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get inFlight(): number {
    return this.#pending.length;
  }

  add(complete: () => void): void {
    this.#pending.push({ complete });
    this.inFlightMax = Math.max(this.inFlightMax, this.#pending.length);
  }

  /** Completes requests until the promise settles. Fails when it waits for something that is not in flight. */
  async drive<T>(promise: Promise<T>, afterEach?: () => void): Promise<T> {
    let isSettled = false;
    const watched = promise.finally(() => {
      isSettled = true;
    });
    watched.catch(() => {});
    let idleTurns = 0;
    while (!isSettled) {
      if (this.#pending.length === 0) {
        idleTurns++;
        assert(idleTurns < 100, 'a run waits for something that nobody works on');
        await Promise.resolve();
        continue;
      }
      idleTurns = 0;
      this.nowNs += 1 + this.#random.below(1000);
      const [next] = this.#pending.splice(this.#random.below(this.#pending.length), 1);
      next!.complete();
      afterEach?.();
    }
    return promise;
  }
}

export interface Faults {
  /** Requests are counted from 1, reads and writes apart. */
  readonly failRead?: { readonly at: number; readonly status: Status };
  readonly failWrite?: { readonly at: number; readonly status: Status };
  /** Every write from this one on. */
  readonly failWritesFrom?: { readonly at: number; readonly status: Status };
  readonly failFlush?: Status;
  /** This write lands with one byte changed. */
  readonly corruptWrite?: number;
  /** This write claims success and moves nothing. */
  readonly loseWrite?: number;
}

export interface FakeTargetOptions {
  readonly label: string;
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  readonly depthMax?: number;
  readonly scheduler: FakeScheduler;
  readonly random: SeededRandom;
  /** Share of requests that complete at once, 0 to 1. */
  readonly immediate?: number;
  readonly faults?: Faults;
  readonly isReadOnly?: boolean;
}

/** Each write as it landed. */
export interface Landed {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export class FakeTarget implements BlockTarget {
  readonly label: string;
  readonly requesters: readonly Bdf[] = [];
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly maxTransferBytes = 1 << 20;
  readonly depthMax: number;
  readonly isReadOnly: boolean;
  readonly bytes: Uint8Array;
  readonly landed: Landed[] = [];
  onDone: (token: number, status: Status) => void = () => {};
  reads = 0;
  writes = 0;
  flushes = 0;
  inFlight = 0;
  /** Times that more requests than `depthMax` were made, or one outside the target. */
  violations = 0;

  readonly #options: FakeTargetOptions;
  readonly #failures = new Map<number, Failure>();

  constructor(options: FakeTargetOptions) {
    this.#options = options;
    this.label = options.label;
    this.sizeBytes = options.sizeBytes;
    this.blockBytes = options.blockBytes ?? 16;
    this.depthMax = options.depthMax ?? 64;
    this.isReadOnly = options.isReadOnly ?? false;
    this.bytes = new Uint8Array(options.sizeBytes);
    for (let i = 0; i < this.bytes.length; i++) {
      this.bytes[i] = options.random.next32();
    }
  }

  read(offset: number, span: Span, at: number, length: number, token: number): Status {
    this.reads++;
    const fault = this.#options.faults?.failRead;
    const status = fault?.at === this.reads ? fault.status : DONE;
    return this.#request(offset, length, token, status, () => {
      (span as FakeSpan).bytes.set(this.bytes.subarray(offset, offset + length), at);
    });
  }

  write(offset: number, span: Span, at: number, length: number, token: number): Status {
    const number = ++this.writes;
    const faults = this.#options.faults ?? {};
    const status =
      faults.failWrite?.at === number
        ? faults.failWrite.status
        : faults.failWritesFrom !== undefined && number >= faults.failWritesFrom.at
          ? faults.failWritesFrom.status
          : DONE;
    return this.#request(offset, length, token, status, () => {
      if (faults.loseWrite !== number) {
        this.bytes.set((span as FakeSpan).bytes.subarray(at, at + length), offset);
      }
      if (faults.corruptWrite === number) {
        this.bytes[offset + length - 1]! ^= 0x10;
      }
      this.landed.push({ offsetBytes: offset, lengthBytes: length });
    });
  }

  flush(token: number): Status {
    this.flushes++;
    return this.#request(0, this.blockBytes, token, this.#options.faults?.failFlush ?? DONE, () => {});
  }

  failure(token: number): Failure | undefined {
    return this.#failures.get(token);
  }

  async close(): Promise<void> {}

  #request(offset: number, length: number, token: number, status: Status, effect: () => void): Status {
    const isOutside = offset < 0 || length <= 0 || offset + length > this.sizeBytes;
    if (isOutside || this.inFlight >= this.depthMax || offset % this.blockBytes !== 0) {
      this.violations++;
      return STATUS.INVALID;
    }
    const finish = (): void => {
      if (status === DONE) {
        effect();
      } else {
        this.#failures.set(token, {
          status,
          code: `FAULT${status}`,
          message: `${this.label} failed on purpose`,
        });
      }
    };
    if (this.#options.random.fraction() < (this.#options.immediate ?? 0)) {
      finish();
      return status;
    }
    this.inFlight++;
    this.#options.scheduler.add(() => {
      this.inFlight--;
      finish();
      this.onDone(token, status);
    });
    return PENDING;
  }
}
