/**
 * What the packet engine keeps: pools of packets, jobs and requests in typed arrays, and the queues in front of stages.
 *
 * A job is what emits packets: a posted request, a read request, or the completions of one read request packet. Packets exist
 * only between their first stage and their arrival, so memory grows with the machine and not with what is sent.
 */
import type { Leg, TimedPath } from './path.ts';
import { CREDIT_UNIT_BYTES, type PacketClass, type Stage } from './stage.ts';

export const NONE = -1;

/** Indices that are given out and taken back. */
export class Pool {
  #free = new Int32Array(256);
  #freeCount = 0;
  #size = 0;

  /** Slots that were ever in use; arrays of their fields have to be at least as long. */
  get size(): number {
    return this.#size;
  }

  get inUse(): number {
    return this.#size - this.#freeCount;
  }

  take(): number {
    return this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#size++;
  }

  give(index: number): void {
    if (this.#freeCount === this.#free.length) {
      const next = new Int32Array(this.#free.length * 2);
      next.set(this.#free);
      this.#free = next;
    }
    this.#free[this.#freeCount++] = index;
  }
}

/** A leg with what is worked out for it: the queue in front of each stage but the first. */
export class LegState {
  readonly leg: Leg;
  readonly stages: readonly StageState[];
  /** In front of stage i for what comes from stage i - 1; entry 0 is unused. */
  readonly queues: readonly (Queue | null)[];
  readonly length: number;
  readonly delaysPs: Float64Array;
  readonly overheads: Float64Array;
  readonly splits: Float64Array;
  readonly storesWhole: readonly boolean[];
  readonly isSplit: boolean;

  constructor(leg: Leg, stages: readonly StageState[]) {
    this.leg = leg;
    this.stages = stages;
    this.length = stages.length;
    this.queues = stages.map((stage, index) => (index === 0 ? null : stage.transit(stages[index - 1]!)));
    this.delaysPs = Float64Array.from(leg.delaysPs);
    this.overheads = Float64Array.from(leg.overheadBytes);
    this.splits = Float64Array.from(leg.splitBytes);
    this.storesWhole = [...leg.storesWhole];
    this.isSplit = leg.splitBytes.some((bytes) => Number.isFinite(bytes));
  }

  /** Packets that travel at a stage for one of the sender's. */
  pieces(index: number, payloadBytes: number): number {
    const limit = this.splits[index]!;
    return payloadBytes > limit ? Math.ceil(payloadBytes / limit) : 1;
  }
}

/** Everything of one source that shares its tags and its order. */
export class SourceState {
  readonly id: number;
  tagsUsed = 0;
  /** Which ones: the number of a tag names a read among those of its source, as on the wire. */
  readonly tags = new Pool();
  /** Posted requests that nobody has seen yet, of a source that waits for them. */
  postedUnseen = 0;
  /** Lanes that had to wait for a posted request. */
  readonly waiting: Queue[] = [];
  /** Lanes that had no tag: who has waited longest has the next one. */
  readonly waitingForTag: Queue[] = [];
  tagStallSincePs = -1;
  tagStallPs = 0;
  orderStallSincePs = -1;
  orderStallPs = 0;
  tagsUsedMax = 0;

  constructor(id: number) {
    this.id = id;
  }
}

export class GateState {
  readonly max: number;
  used = 0;
  stallSincePs = -1;
  stallPs = 0;
  readonly waiting: Queue[] = [];

  constructor(max: number) {
    this.max = max;
  }
}

/** What a path needs while it is in use. */
export class PathState {
  readonly path: TimedPath;
  readonly source: SourceState;
  readonly gate: GateState | null;
  readonly request: LegState;
  readonly completion: LegState | null;
  /** Lanes in front of the first stage of each leg; null for a leg without stages. */
  readonly dataLane: Queue | null;
  readonly controlLane: Queue | null;
  readonly completionLane: Queue | null;
  /** When the last posted packet was translated: they do not pass each other there. */
  postedTranslatedPs = 0;

  constructor(
    path: TimedPath,
    source: SourceState,
    gate: GateState | null,
    request: LegState,
    completion: LegState | null,
    lanes: readonly [data: Queue | null, control: Queue | null, completion: Queue | null],
  ) {
    this.path = path;
    this.source = source;
    this.gate = gate;
    this.request = request;
    this.completion = completion;
    this.dataLane = lanes[0];
    this.controlLane = lanes[1];
    this.completionLane = lanes[2];
  }
}

/**
 * A queue in front of a stage. In transit: packets of one ingress, by class, so that posted ones can pass blocked others. A
 * lane: jobs of a source, which make packets when it is their turn.
 */
export class Queue {
  readonly stage: StageState;
  readonly weight: number;
  readonly isLane: boolean;
  /** Of a lane; packets in transit carry their own. */
  readonly packetClass: PacketClass;
  /** First and last packet by class, or in entry 0 first and last job. */
  readonly heads = new Int32Array(3).fill(NONE);
  readonly tails = new Int32Array(3).fill(NONE);
  count = 0;
  /** Turns it has left where the stage is weighted. */
  turns = 0;
  isWaiting = false;
  /** A tag that came back is this lane's. */
  hasTag = false;

  constructor(stage: StageState, weight: number, isLane: boolean, packetClass: PacketClass) {
    this.stage = stage;
    this.weight = weight;
    this.isLane = isLane;
    this.packetClass = packetClass;
  }
}

/** More than any packet takes, where credits have no limit. */
const CREDITS_MAX = 2 ** 30;

export class StageState {
  readonly stage: Stage;
  readonly queues: Queue[] = [];
  readonly #transit = new Map<StageState | string, Queue>();
  readonly hasCredits: boolean;
  readonly headers = new Float64Array(3);
  readonly data = new Float64Array(3);
  /** All there are. */
  readonly #headersMax = new Int32Array(3);
  readonly #dataMax = new Int32Array(3);
  reverse: StageState | null = null;
  /** Free again; keeps fractions of a picosecond. */
  freeAtPs = 0;
  /** Packets and jobs that wait. */
  waiting = 0;
  /** Whose turn it is. */
  turn = 0;
  /** A wake-up is queued for this moment; Infinity: none. */
  wakeAtPs = Number.POSITIVE_INFINITY;
  ackBytes = 0;
  isStalled = false;
  stallSincePs = 0;
  /** The moment for `giveBack`. A field, because a number that is passed to a call may have to be allocated. */
  returnPs = 0;

  // Credits on their way back: a ring with a power of two entries.
  #returnTimes = new Float64Array(16);
  #returnClasses = new Uint8Array(16);
  #returnHeaders = new Float64Array(16);
  #returnData = new Float64Array(16);
  #returnHead = 0;
  #returnCount = 0;
  #returnLastPs = 0;

  constructor(stage: Stage) {
    this.stage = stage;
    this.hasCredits = stage.credits !== null;
    if (stage.credits !== null) {
      this.headers.set(stage.credits.headers);
      this.data.set(stage.credits.data);
      this.#headersMax.set(stage.credits.headers.map((count) => Math.min(count, CREDITS_MAX)));
      this.#dataMax.set(stage.credits.data.map((count) => Math.min(count, CREDITS_MAX)));
    }
  }

  /** Headers that a packet takes: one a piece, or all where its pieces have to follow each other through fewer buffers. */
  headersFor(packetClass: number, pieces: number): number {
    return Math.min(pieces, this.#headersMax[packetClass]!);
  }

  /** Units of data that a packet takes; all where buffers are smaller than it, which nothing else would ever get out of. */
  dataFor(packetClass: number, payloadBytes: number): number {
    return Math.min(Math.ceil(payloadBytes / CREDIT_UNIT_BYTES), this.#dataMax[packetClass]!);
  }

  /** The queue for what comes from another stage. */
  transit(from: StageState): Queue {
    let queue = this.#transit.get(from);
    if (queue === undefined) {
      queue = new Queue(this, from.stage.weight, false, 0);
      this.#transit.set(from, queue);
      this.queues.push(queue);
    }
    return queue;
  }

  /** The lane of a source; the same for the same key. */
  lane(key: string, packetClass: PacketClass): Queue {
    let queue = this.#transit.get(key);
    if (queue === undefined) {
      queue = new Queue(this, 1, true, packetClass);
      this.#transit.set(key, queue);
      this.queues.push(queue);
    }
    return queue;
  }

  /** Credits that come back at `returnPs`; moments of one stage do not go backwards. */
  giveBack(packetClass: number, headers: number, data: number): void {
    if (this.#returnCount === this.#returnTimes.length) {
      this.#growReturns();
    }
    const index = (this.#returnHead + this.#returnCount++) & (this.#returnTimes.length - 1);
    this.#returnLastPs = Math.max(this.#returnLastPs, this.returnPs);
    this.#returnTimes[index] = this.#returnLastPs;
    this.#returnClasses[index] = packetClass;
    this.#returnHeaders[index] = headers;
    this.#returnData[index] = data;
  }

  /** Takes what has come back by now. */
  collect(clock: { readonly nowPs: number }): void {
    const { nowPs } = clock;
    const mask = this.#returnTimes.length - 1;
    while (this.#returnCount > 0 && this.#returnTimes[this.#returnHead]! <= nowPs) {
      const index = this.#returnHead;
      const packetClass = this.#returnClasses[index]!;
      this.headers[packetClass]! += this.#returnHeaders[index]!;
      this.data[packetClass]! += this.#returnData[index]!;
      this.#returnHead = (index + 1) & mask;
      this.#returnCount--;
    }
  }

  /** When the next credits come back; Infinity: none are on their way. */
  get nextReturnPs(): number {
    return this.#returnCount === 0 ? Number.POSITIVE_INFINITY : this.#returnTimes[this.#returnHead]!;
  }

  #growReturns(): void {
    const size = this.#returnTimes.length;
    const times = new Float64Array(size * 2);
    const classes = new Uint8Array(size * 2);
    const headers = new Float64Array(size * 2);
    const data = new Float64Array(size * 2);
    for (let i = 0; i < size; i++) {
      const from = (this.#returnHead + i) & (size - 1);
      times[i] = this.#returnTimes[from]!;
      classes[i] = this.#returnClasses[from]!;
      headers[i] = this.#returnHeaders[from]!;
      data[i] = this.#returnData[from]!;
    }
    this.#returnTimes = times;
    this.#returnClasses = classes;
    this.#returnHeaders = headers;
    this.#returnData = data;
    this.#returnHead = 0;
  }
}
