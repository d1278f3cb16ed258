/** What a job asks for, request by request: direction, offset and length as its options say. */
import { SeededRandom } from '../../base/index.ts';
import { ITEM, type Work, type WorkItem } from '../transfer.ts';
import { BlockOrder } from './block-order.ts';

/** One of the `numjobs` of a job, on a target whose size is known. */
export interface JobPlan {
  readonly offsetBytes: number;
  /** From the offset on; at least one block of each direction that is used. */
  readonly areaBytes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly isRandom: boolean;
  /** Random blocks all come once before any comes again. */
  readonly isMapped: boolean;
  /** 100: only reads; 0: only writes. */
  readonly readPercent: number;
  /** Ends after so many bytes; undefined: not by bytes. */
  readonly bytesMax: number | undefined;
  readonly iosMax: number | undefined;
  readonly durationNs: number | undefined;
  readonly seed: number;
}

/** Offsets of one direction. */
class Offsets {
  readonly #plan: JobPlan;
  readonly #blockBytes: number;
  readonly #count: number;
  readonly #random: SeededRandom | undefined;
  readonly #order: BlockOrder | undefined;
  #next = 0;

  constructor(plan: JobPlan, blockBytes: number, seed: number) {
    this.#plan = plan;
    this.#blockBytes = blockBytes;
    this.#count = Math.floor(plan.areaBytes / blockBytes);
    this.#order = plan.isRandom && plan.isMapped ? new BlockOrder(this.#count, seed) : undefined;
    this.#random = plan.isRandom && !plan.isMapped ? new SeededRandom(seed) : undefined;
  }

  next(): number {
    const block = this.#order?.next() ?? this.#random?.below(this.#count) ?? this.#next;
    this.#next = (this.#next + 1) % this.#count;
    return this.#plan.offsetBytes + block * this.#blockBytes;
  }
}

export class JobWork implements Work {
  readonly #plan: JobPlan;
  readonly #mix: SeededRandom;
  readonly #reads: Offsets;
  readonly #writes: Offsets;
  readonly #nowNs: () => number;
  #startedNs: number | undefined;
  #takenBytes = 0;
  #takenIos = 0;

  constructor(plan: JobPlan, nowNs: () => number) {
    this.#plan = plan;
    this.#nowNs = nowNs;
    this.#mix = new SeededRandom(plan.seed ^ 0x5eed);
    this.#reads = new Offsets(plan, plan.readBytes, plan.seed);
    // A mix goes through its blocks once, whatever is done to each.
    this.#writes =
      plan.isRandom && plan.readBytes === plan.writeBytes
        ? this.#reads
        : new Offsets(plan, plan.writeBytes, plan.seed);
  }

  get takenIos(): number {
    return this.#takenIos;
  }

  next(item: WorkItem): boolean {
    const { bytesMax, iosMax, durationNs, readPercent, readBytes, writeBytes } = this.#plan;
    if (bytesMax !== undefined && this.#takenBytes >= bytesMax) {
      return false;
    }
    if (iosMax !== undefined && this.#takenIos >= iosMax) {
      return false;
    }
    if (durationNs !== undefined) {
      this.#startedNs ??= this.#nowNs();
      if (this.#nowNs() - this.#startedNs >= durationNs) {
        return false;
      }
    }
    const isRead = readPercent >= 100 || (readPercent > 0 && this.#mix.below(100) < readPercent);
    const offset = (isRead ? this.#reads : this.#writes).next();
    item.kind = isRead ? ITEM.READ : ITEM.WRITE;
    item.sourceOffsetBytes = offset;
    item.targetOffsetBytes = offset;
    item.lengthBytes = isRead ? readBytes : writeBytes;
    this.#takenBytes += item.lengthBytes;
    this.#takenIos++;
    return true;
  }
}
