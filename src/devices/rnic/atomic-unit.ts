/** Atomic operations, one at a time for the whole NIC: read, compute, write. IBA volume 1, 9.4.5. */
import { DONE, Memory, PENDING, type Status, TRAFFIC } from '../../fabric/index.ts';
import type { DmaClient, DmaTable } from './dma-table.ts';

export interface AtomicRequest {
  /** Bus address, a multiple of 8. */
  readonly address: number;
  readonly isSwap: boolean;
  readonly compareLow: number;
  readonly compareHigh: number;
  /** What is put there, or added. */
  readonly low: number;
  readonly high: number;
  /** Called once, with what was there before. */
  readonly done: AtomicClient;
}

export interface AtomicClient {
  onAtomic(status: Status, low: number, high: number): void;
}

const STEP = { READ: 0, WRITE: 1 } as const;

export class AtomicUnit implements DmaClient {
  readonly #dma: DmaTable;
  readonly #queue: AtomicRequest[] = [];
  #memory = Memory.flat(8);
  #view = new DataView(this.#memory.flat!.buffer, this.#memory.flat!.byteOffset, 8);
  #low = 0;
  #high = 0;
  #isBusy = false;

  constructor(dma: DmaTable) {
    this.#dma = dma;
  }

  submit(request: AtomicRequest): void {
    this.#queue.push(request);
    this.#serve();
  }

  onDmaDone(code: number, status: Status): void {
    if (code === STEP.READ) {
      this.#afterRead(status);
    } else {
      this.#finish(status);
    }
    this.#serve();
  }

  /** Requests are forgotten. */
  reset(): void {
    this.#queue.length = 0;
    this.#isBusy = false;
    this.#memory = Memory.flat(8);
    this.#view = new DataView(this.#memory.flat!.buffer, this.#memory.flat!.byteOffset, 8);
  }

  #serve(): void {
    while (!this.#isBusy && this.#queue.length > 0) {
      this.#isBusy = true;
      const { address } = this.#queue[0]!;
      const status = this.#dma.read(this, STEP.READ, address, this.#memory, 0, 8, TRAFFIC.DATA);
      if (status !== PENDING) {
        this.#afterRead(status);
      }
    }
  }

  #afterRead(status: Status): void {
    const { address, isSwap, compareLow, compareHigh, low, high } = this.#queue[0]!;
    this.#low = this.#view.getUint32(0, true);
    this.#high = this.#view.getUint32(4, true);
    const isUnequal = isSwap && (this.#low !== compareLow || this.#high !== compareHigh);
    if (status !== DONE || isUnequal) {
      this.#finish(status);
      return;
    }
    const sum = this.#low + low;
    this.#view.setUint32(0, isSwap ? low : sum, true);
    this.#view.setUint32(4, isSwap ? high : this.#high + high + (sum > 0xffff_ffff ? 1 : 0), true);
    const written = this.#dma.write(this, STEP.WRITE, address, this.#memory, 0, 8, TRAFFIC.DATA);
    if (written !== PENDING) {
      this.#finish(written);
    }
  }

  #finish(status: Status): void {
    const request = this.#queue.shift()!;
    this.#isBusy = false;
    request.done.onAtomic(status, this.#low, this.#high);
  }
}
