/**
 * What the packet engine keeps: pools of packets, jobs and requests in typed arrays, and the queues in front of stages.
 *
 * A job is what emits packets: a posted request, a read request, or the completions of one read request packet. Packets exist
 * only between their first stage and their arrival, so memory grows with the machine and not with what is sent.
 */
import type { Leg, TimedPath } from './path.ts';
import { Pool } from './pool.ts';
import { CREDIT_UNIT_BYTES, type PacketClass, type Stage } from './stage.ts';
import { Queue } from './tlp-queue.ts';
import { type Holder, Slots } from './tlp-slots.ts';

/** Payload of a small packet: nothing limits how many of those are on their way but headers. */
const SMALL_BYTES = 64;

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

  /** @param largestBytes  payload of its largest packets */
  constructor(leg: Leg, stages: readonly StageState[], packetClass: PacketClass, largestBytes: number) {
    this.leg = leg;
    this.stages = stages;
    this.length = stages.length;
    this.delaysPs = Float64Array.from(leg.delaysPs);
    this.overheads = Float64Array.from(leg.overheadBytes);
    this.splits = Float64Array.from(leg.splitBytes);
    this.storesWhole = [...leg.storesWhole];
    this.isSplit = leg.splitBytes.some((bytes) => Number.isFinite(bytes));
    this.queues = stages.map((stage, index) =>
      index === 0
        ? null
        : stage.queue(
            stages.slice(0, index),
            packetClass,
            this.delaysPs[index - 1]!,
            Math.max(1, Math.min(SMALL_BYTES, largestBytes) + this.overheads[index]!),
            { pieces: this.pieces(index - 1, largestBytes), bytes: largestBytes },
          ),
    );
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
  /** How many it has. */
  readonly tags = new Slots(0);
  /** Which ones: the number of a tag names a read among those of its source, as on the wire. */
  readonly tagNumbers = new Pool();
  /** Posted requests that nobody has seen yet, of a source that waits for them. */
  postedUnseen = 0;
  /** Lanes that had to wait for a posted request. */
  readonly waiting: Queue[] = [];
  orderStallSincePs = -1;
  orderStallPs = 0;

  constructor(id: number) {
    this.id = id;
  }
}

/** What a path needs while it is in use. */
export class PathState {
  readonly path: TimedPath;
  readonly source: SourceState;
  readonly gate: Slots | null;
  readonly request: LegState;
  readonly completion: LegState | null;
  /** Lanes in front of the first stage of each leg; null for a leg without stages. */
  readonly dataLane: Queue | null;
  readonly controlLane: Queue | null;
  readonly completionLane: Queue | null;
  /** By kind of its read requests: data, control. Null where they leave nothing. */
  readonly tagHolders: readonly [Holder | null, Holder | null];
  readonly gateHolders: readonly [Holder | null, Holder | null];
  /** When the last posted packet was translated: they do not pass each other there. */
  postedTranslatedPs = 0;

  constructor(
    path: TimedPath,
    source: SourceState,
    gate: Slots | null,
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
    const isRead = !path.isWrite;
    const holders = (slots: Slots | null): readonly [Holder | null, Holder | null] => [
      isRead && this.dataLane !== null ? (slots?.holder(this.dataLane, true) ?? null) : null,
      isRead && this.controlLane !== null ? (slots?.holder(this.controlLane, false) ?? null) : null,
    ];
    this.tagHolders = holders(source.tags);
    this.gateHolders = holders(gate);
  }
}

/** More than any packet takes, where credits have no limit. */
const CREDITS_MAX = 2 ** 30;

export class StageState {
  readonly stage: Stage;
  /** Who waits. */
  readonly root = new Queue(this, null, 1, false, 0);
  /** Inner places, by their parent and the stage that packets come from; and lanes by their key. */
  readonly #ingresses = new Map<Queue, Map<StageState, Queue>>();
  readonly #lanes = new Map<string, Queue>();
  readonly hasCredits: boolean;
  readonly headers = new Float64Array(3);
  readonly data = new Float64Array(3);
  /** All there are. */
  readonly #headersMax = new Int32Array(3);
  readonly #dataMax = new Int32Array(3);
  reverse: StageState | null = null;
  /** Free again; keeps fractions of a picosecond. */
  freeAtPs = 0;
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

  /**
   * A queue for the packets of one path. It has room for what is on its way to it, for what this stage takes in the time for which
   * the credits behind last, and for two of the largest packets; and never for more than those credits.
   * @param before  the stages that they have passed, in that order; not empty
   * @param flightPs  from a packet leaving the stage before until it can go on here
   * @param wireBytes  of a small packet
   */
  queue(
    before: readonly StageState[],
    packetClass: PacketClass,
    flightPs: number,
    wireBytes: number,
    largest: { readonly pieces: number; readonly bytes: number },
  ): Queue {
    let place = this.root;
    for (let i = before.length - 1; i >= 0; i--) {
      place = this.#ingress(place, before[i]!);
    }
    const queue = new Queue(this, place, 1, false, packetClass);
    const last = before[before.length - 1]!;
    if (last.hasCredits) {
      const ownPs = this.stage.occupancyPsPerByte;
      const isSlower = ownPs > last.stage.occupancyPsPerByte;
      const part = isSlower ? last.stage.occupancyPsPerByte / ownPs : 1;
      const flightBytes = isSlower ? flightPs / ownPs : 0;
      const headersMax = last.#headersMax[packetClass]!;
      const dataMax = last.#dataMax[packetClass]!;
      queue.roomHeaders = Math.min(
        headersMax,
        Math.ceil(headersMax * part + flightBytes / wireBytes) +
          2 * last.headersFor(packetClass, largest.pieces),
      );
      queue.roomData = Math.min(
        dataMax,
        Math.ceil(dataMax * part + flightBytes / CREDIT_UNIT_BYTES) +
          2 * last.dataFor(packetClass, largest.bytes),
      );
    }
    return queue;
  }

  #ingress(place: Queue, from: StageState): Queue {
    let ingresses = this.#ingresses.get(place);
    if (ingresses === undefined) {
      ingresses = new Map();
      this.#ingresses.set(place, ingresses);
    }
    let ingress = ingresses.get(from);
    if (ingress === undefined) {
      ingress = new Queue(this, place, from.stage.weight, false, 0);
      ingresses.set(from, ingress);
    }
    return ingress;
  }

  /** The lane of a source; the same for the same key. */
  lane(key: string, packetClass: PacketClass): Queue {
    let queue = this.#lanes.get(key);
    if (queue === undefined) {
      queue = new Queue(this, this.root, 1, true, packetClass);
      this.#lanes.set(key, queue);
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
