/**
 * What every stream of a workload has in common: when it may issue a request, how many are in flight, what was measured.
 *
 * A stream has slots, `depth` for each job; a slot issues a request, waits until it is over, and asks again. Rate limit, duty
 * cycle, start and stop decide when it may. A job is a thread of the processor: submitting and completing a request takes its
 * time there.
 */
import type { EventHandler } from '../../access/index.ts';
import { SeededRandom } from '../../base/index.ts';
import type { EventQueue } from '../../fabric/index.ts';
import { LatencyHistogram } from '../../orchestrators/index.ts';
import type { CpuTiming } from '../../rates/index.ts';
import type { LabBlockSize, LabStream, LabStreamCpu } from '../file/index.ts';
import type { LabMachine } from '../machine/index.ts';
import { type Moved, MovedInWindow } from './moved.ts';

/** What the run gives every stream. */
export interface StreamContext {
  readonly machine: LabMachine;
  readonly cpu: CpuTiming;
  readonly seed: number;
}

/** The way that a stream's data takes, for the report. */
export interface StreamRoute {
  readonly kind: 'p2p' | 'host' | 'staged' | 'mmio';
  /** Name or address of the function whose memory it is; null for system memory. */
  readonly provider: string | null;
  /** For people: `nvme0 to memory of gpu0`. */
  readonly text: string;
  /** What the kernel says where it matters; null where nobody asks it. */
  readonly verdict: string | null;
}

/** Hears of the requests of a stream, for traces. Called only while somebody listens. */
export interface StreamListener {
  onBegan(stream: Stream, slot: number, lengthBytes: number): void;
  /** A slot's request asks a drive for blocks: `startBlock` is in the drive's own. */
  onIssued(stream: Stream, slot: number, device: string, isRead: boolean, startBlock: number): void;
  /** @param lengthBytes 0 when it failed */
  onEnded(stream: Stream, slot: number, lengthBytes: number): void;
}

const EVENT = { ASK: 0, SUBMIT: 1, COMPLETE: 2, WOKEN: 3 } as const;

/** One thread of the processor. */
class Thread {
  freeAtPs = 0;
  busyPs = 0;

  /** Work that begins when what was asked before is done. @returns when it ends */
  run(nowPs: number, costPs: number): number {
    this.freeAtPs = Math.max(this.freeAtPs, nowPs) + costPs;
    this.busyPs += costPs;
    return this.freeAtPs;
  }
}

/** Processor time of one request, submission and completion. */
function requestCostNs(how: LabStreamCpu, cpu: CpuTiming): number {
  switch (how) {
    case 'kernel':
      return cpu.kernelRequestNs;
    case 'polled':
      return cpu.polledRequestNs;
    case 'gpu-direct':
      return cpu.gpuDirectRequestNs;
    default:
      return 0;
  }
}

export abstract class Stream implements EventHandler {
  readonly description: LabStream;
  readonly name: string;
  abstract readonly route: StreamRoute;
  listener: StreamListener | null = null;
  readonly latency = new LatencyHistogram();
  /** Measured: requests that ended. */
  requests = 0;
  failures = 0;
  firstFailure: string | null = null;
  /** Since the run began, measured or not. */
  bytesTotal = 0;
  /** The moment at which the last request that was measured was over. */
  lastPs = 0;
  /** Told when nothing is in flight and nothing will be; more than once. */
  onOver: () => void = () => {};
  protected readonly context: StreamContext;
  protected readonly queue: EventQueue;
  protected readonly random: SeededRandom;
  readonly #slotCount: number;
  readonly #perJob: number;
  readonly #threads: Thread[];
  readonly #costPs: number;
  /** From the completion until the thread looks at it. */
  readonly #wakePs: number;
  readonly #startedPs: Float64Array;
  readonly #sizes: Float64Array;
  /** 1: the slot has a request under way. */
  readonly #isOut: Uint8Array;
  readonly #blocks: readonly LabBlockSize[];
  readonly #shareTotal: number;
  #beginPs = 0;
  #left: number;
  #leftBytes: number;
  #nextPs = 0;
  #inFlight = 0;
  #isStopped = false;
  #busyBeforePs = 0;
  #softwarePs = 0;
  readonly #moved = new MovedInWindow();
  #fromPs = Number.POSITIVE_INFINITY;
  #untilPs = Number.POSITIVE_INFINITY;

  constructor(
    context: StreamContext,
    description: LabStream,
    options: {
      readonly depth: number;
      readonly blocks: readonly LabBlockSize[];
      readonly cpu: LabStreamCpu;
      /** Instead of what `cpu` costs. */
      readonly requestNs?: number;
    },
  ) {
    this.context = context;
    this.description = description;
    this.name = description.name;
    this.queue = context.machine.queue;
    this.random = new SeededRandom(context.seed);
    this.#perJob = options.depth;
    this.#slotCount = options.depth * description.jobs;
    this.#threads = Array.from({ length: description.jobs }, () => new Thread());
    this.#costPs = 1000 * (options.requestNs ?? requestCostNs(options.cpu, context.cpu));
    this.#wakePs = options.cpu === 'kernel' ? context.cpu.interruptNs * 1000 : 0;
    this.#startedPs = new Float64Array(this.#slotCount);
    this.#sizes = new Float64Array(this.#slotCount);
    this.#isOut = new Uint8Array(this.#slotCount);
    this.#blocks = options.blocks;
    this.#shareTotal = options.blocks.reduce((sum, { share }) => sum + share, 0);
    this.#left = description.count ?? Number.POSITIVE_INFINITY;
    this.#leftBytes = description.sizeBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Requests of one job at once. */
  get depth(): number {
    return this.#perJob;
  }

  get slotCount(): number {
    return this.#slotCount;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Nothing is in flight and nothing will be. */
  get isOver(): boolean {
    return this.#inFlight === 0 && (this.#isStopped || this.#hasEnded);
  }

  /** Whether it ends by itself: after a number of requests or bytes, or at a moment of its own. */
  get isBounded(): boolean {
    const { count, sizeBytes, stopPs } = this.description;
    return count !== null || sizeBytes !== null || stopPs !== null;
  }

  /** Picoseconds in which nothing moved because software had to look first, since the measurement began; of all jobs. */
  get softwarePs(): number {
    return this.#softwarePs;
  }

  /** Processor time since the measurement began. */
  get cpuBusyPs(): number {
    return this.#busyPs() - this.#busyBeforePs;
  }

  /** The run begins now. */
  begin(): void {
    this.#beginPs = this.queue.nowPs;
    this.#nextPs = this.#beginPs + this.description.startPs;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      this.queue.schedule(this.#nextPs, this, EVENT.ASK, slot);
    }
  }

  /** The warm-up is over: requests that end between the two moments are measured. */
  setWindow(fromPs: number, untilPs: number): void {
    this.#fromPs = fromPs;
    this.#untilPs = untilPs;
    this.#moved.setWindow(fromPs, untilPs);
    this.#busyBeforePs = this.#busyPs();
    this.#softwarePs = 0;
  }

  /** What was moved since the measurement began, of requests that began before or have not ended their part. */
  movedUntil(untilPs: number): Moved {
    let oldestPs = Number.POSITIVE_INFINITY;
    let inFlightBytes = 0;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      if (this.#isOut[slot] === 1) {
        oldestPs = Math.min(oldestPs, this.#startedPs[slot]!);
        inFlightBytes += this.#sizes[slot]!;
      }
    }
    return this.#moved.until(untilPs, oldestPs, inFlightBytes);
  }

  /** No request is issued any more; those in flight end. */
  stop(): void {
    this.#isStopped = true;
  }

  onEvent(code: number, slot: number): void {
    switch (code) {
      case EVENT.ASK:
        this.#ask(slot);
        return;
      case EVENT.SUBMIT:
        this.issue(slot, this.#sizes[slot]!);
        return;
      case EVENT.COMPLETE:
        this.#complete(slot);
        return;
      case EVENT.WOKEN:
        this.#handle(slot);
        return;
      default:
        this.onStep(code, slot);
        return;
    }
  }

  /** System memory that its data goes through; what of it stays in the cache never reaches DRAM. */
  abstract readonly hostBytes: number;

  /** Gives back what it holds. */
  abstract close(): Promise<void>;

  /** Starts the request of a slot; `over` must be called for it, later or at once. */
  protected abstract issue(slot: number, lengthBytes: number): void;

  /** Events of a stream's own, from code `FIRST_STEP` on. */
  protected onStep(_code: number, _slot: number): void {}

  protected jobOf(slot: number): number {
    return Math.floor(slot / this.#perJob);
  }

  /** Whether the next request of a mix reads. Nothing is drawn where there is no choice. */
  protected drawsRead(readPercent: number): boolean {
    return readPercent === 100 || (readPercent > 0 && this.random.below(100) < readPercent);
  }

  /** Bytes of the request that a slot has under way. */
  protected lengthOf(slot: number): number {
    return this.#sizes[slot]!;
  }

  protected waitedForSoftware(ps: number): void {
    this.#softwarePs += ps;
  }

  /** Further processor work of a slot's job. @returns when it is done */
  protected work(slot: number, costPs: number): number {
    return this.#threads[this.jobOf(slot)]!.run(this.queue.nowPs, costPs);
  }

  /** The request of a slot is over as far as its device is concerned. */
  protected over(slot: number, failure: string | null = null): void {
    if (failure !== null) {
      this.failures++;
      this.firstFailure ??= failure;
      // A device that refuses everything at once must not keep the clock standing.
      this.queue.schedule(this.queue.nowPs + 1e6, this, EVENT.COMPLETE, slot);
      this.#sizes[slot] = 0;
      return;
    }
    if (this.#wakePs > 0) {
      this.queue.schedule(this.queue.nowPs + this.#wakePs, this, EVENT.WOKEN, slot);
    } else {
      this.#handle(slot);
    }
  }

  /** The thread looks at a completion. */
  #handle(slot: number): void {
    const donePs = this.#threads[this.jobOf(slot)]!.run(this.queue.nowPs, this.#costPs / 2);
    this.queue.schedule(donePs, this, EVENT.COMPLETE, slot);
  }

  get #hasEnded(): boolean {
    const { stopPs } = this.description;
    return (
      this.#left <= 0 ||
      this.#leftBytes <= 0 ||
      (stopPs !== null && this.queue.nowPs >= this.#beginPs + stopPs)
    );
  }

  #busyPs(): number {
    return this.#threads.reduce((sum, { busyPs }) => sum + busyPs, 0);
  }

  #ask(slot: number): void {
    if (this.#isStopped || this.#hasEnded) {
      if (this.isOver) {
        this.onOver();
      }
      return;
    }
    const { nowPs } = this.queue;
    const laterPs = Math.max(this.#dutyPs(nowPs), this.#nextPs);
    if (laterPs > nowPs) {
      this.queue.schedule(laterPs, this, EVENT.ASK, slot);
      return;
    }
    const lengthBytes = Math.min(this.#size(), this.#leftBytes);
    const { rateGBs } = this.description;
    if (rateGBs !== null) {
      this.#nextPs = Math.max(this.#nextPs, nowPs - 1e6) + (lengthBytes * 1000) / rateGBs;
    }
    this.#left--;
    this.#leftBytes -= lengthBytes;
    this.#sizes[slot] = lengthBytes;
    this.#startedPs[slot] = nowPs;
    this.#inFlight++;
    this.#isOut[slot] = 1;
    this.listener?.onBegan(this, slot, lengthBytes);
    if (this.#costPs === 0) {
      this.issue(slot, lengthBytes);
    } else {
      this.queue.schedule(
        this.#threads[this.jobOf(slot)]!.run(nowPs, this.#costPs / 2),
        this,
        EVENT.SUBMIT,
        slot,
      );
    }
  }

  /** When a duty cycle lets the next request go: now, or when it is on again. */
  #dutyPs(nowPs: number): number {
    const { duty, startPs } = this.description;
    if (duty === null) {
      return nowPs;
    }
    const sincePs = nowPs - this.#beginPs - startPs;
    const cyclePs = duty.onPs + duty.offPs;
    const intoPs = sincePs % cyclePs;
    return intoPs < duty.onPs ? nowPs : nowPs + cyclePs - intoPs;
  }

  #size(): number {
    const blocks = this.#blocks;
    if (blocks.length === 1) {
      return blocks[0]!.sizeBytes;
    }
    let drawn = this.random.below(this.#shareTotal);
    for (const { sizeBytes, share } of blocks) {
      drawn -= share;
      if (drawn < 0) {
        return sizeBytes;
      }
    }
    return blocks.at(-1)!.sizeBytes;
  }

  #complete(slot: number): void {
    const { nowPs } = this.queue;
    const lengthBytes = this.#sizes[slot]!;
    this.#inFlight--;
    this.#isOut[slot] = 0;
    this.bytesTotal += lengthBytes;
    this.listener?.onEnded(this, slot, lengthBytes);
    if (lengthBytes > 0) {
      this.#moved.ended(nowPs, this.#startedPs[slot]!, lengthBytes);
    }
    if (nowPs >= this.#fromPs && nowPs <= this.#untilPs && lengthBytes > 0) {
      this.requests++;
      this.lastPs = nowPs;
      this.latency.record((nowPs - this.#startedPs[slot]!) / 1000);
    }
    this.#ask(slot);
  }
}

/** The first code of events that a stream may use for itself. */
export const FIRST_STEP = 8;

/** Offsets in an area: one after the other, or by chance. */
export class Offsets {
  readonly #areaBytes: number;
  readonly #isRandom: boolean;
  readonly #random: SeededRandom;
  #nextBytes = 0;

  constructor(areaBytes: number, isRandom: boolean, random: SeededRandom) {
    this.#areaBytes = areaBytes;
    this.#isRandom = isRandom;
    this.#random = random;
  }

  /** A multiple of the request's own size, or of `alignBytes` where that is larger. */
  take(lengthBytes: number, alignBytes: number): number {
    const step = Math.ceil(lengthBytes / alignBytes) * alignBytes;
    const places = Math.max(1, Math.floor(this.#areaBytes / step));
    if (this.#isRandom) {
      return this.#random.below(places) * step;
    }
    if (this.#nextBytes + step > this.#areaBytes) {
      this.#nextBytes = 0;
    }
    const at = this.#nextBytes;
    this.#nextBytes += step;
    return at;
  }
}
