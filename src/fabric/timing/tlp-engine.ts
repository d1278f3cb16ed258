/**
 * The packet engine: every TLP is serialised, credited, arbitrated and ordered on every stage of its way.
 *
 * A stage serves one packet at a time. What waits in front of it waits in one queue for each ingress, so that a blocked egress
 * blocks nobody else (virtual output queues), and by class within it. PCIe Base 6.0: 2.4.1 (ordering: posted packets may pass
 * blocked others, others do not pass earlier posted ones), 2.6.1 (credits), 3.6 (Ack), 6.3.3 (arbitration).
 *
 * Events of one packet: its start on each stage, and its arrival where somebody waits for it. Nothing is allocated for one:
 * moments are kept in arrays and fields and not passed to calls, where a float64 may become an object.
 * Read `tlp-state.ts` first; the timing of a stage is in the comment of `#transmit`.
 */
import type { EventHandler } from '../../access/index.ts';
import { assert } from '../../base/index.ts';
import type { EventQueue } from '../event-queue.ts';
import {
  type EngineStalls,
  NO_REQUEST,
  PROGRESS,
  type ProgressSink,
  type TimingListener,
  type TransportEngine,
} from './engine.ts';
import type { Gate, TimedPath } from './path.ts';
import { CLASS, type PacketClass, type Stage } from './stage.ts';
import { JobPool, PacketPool, RequestPool } from './tlp-pools.ts';
import { GateState, LegState, NONE, PathState, type Queue, SourceState, StageState } from './tlp-state.ts';

/** Codes of events. */
const EVENT = {
  /** A packet may go to its next stage. */
  READY: 0,
  /** A stage is free again, or credits are back. */
  WAKE: 1,
  /** A packet is at the end of its leg. */
  ARRIVE: 2,
  /** A job is ready in front of its first stage. */
  JOB: 3,
  /** The last byte of a posted request has left. */
  TAKEN: 4,
  /** A read request was served; its job sends the completions. */
  SERVED: 5,
  /** A read is over. */
  COMPLETED: 6,
} as const;

export interface TlpEngineOptions {
  /** How a stage chooses among those who wait. Default `round-robin`: a packet each. */
  readonly arbitration?: 'round-robin' | 'weighted';
  /** For bit errors, where links have any. */
  readonly seed?: number;
}

export class TlpEngine implements TransportEngine, EventHandler {
  listener: TimingListener | null = null;
  readonly #queue: EventQueue;
  readonly #isWeighted: boolean;
  readonly #stages: (StageState | undefined)[] = [];
  readonly #paths = new Map<TimedPath, PathState>();
  readonly #sources = new Map<number, SourceState>();
  readonly #gates = new Map<Gate, GateState>();
  readonly #packets = new PacketPool();
  readonly #jobs = new JobPool();
  readonly #requests = new RequestPool();
  #order = 0;
  /** Classes, as bits, in which somebody whose turn it is has too few credits at the stage that is served. */
  #short = 0;
  #random: number;
  /** Packets that were put on a wire. */
  sent = 0;

  constructor(queue: EventQueue, options: TlpEngineOptions = {}) {
    this.#queue = queue;
    this.#isWeighted = options.arbitration === 'weighted';
    this.#random = (options.seed ?? 1) >>> 0 || 1;
  }

  get pending(): number {
    return this.#requests.inUse;
  }

  /** Packets between their first stage and their arrival. */
  get packetsUnderWay(): number {
    return this.#packets.inUse;
  }

  send(
    path: TimedPath,
    addr: number,
    lengthBytes: number,
    isControl: boolean,
    sink: ProgressSink,
    token: number,
  ): number {
    const state = this.#paths.get(path) ?? this.#addPath(path);
    const request = this.#requests.take(state, sink, token, lengthBytes);
    const job = this.#jobs.take(request, lengthBytes, isControl, false);
    this.#jobs.addrs[job] = addr;
    this.#jobs.ends[job] = addr + lengthBytes;
    this.#queue.schedule(this.#readyPs(path, addr, lengthBytes), this, EVENT.JOB, job);
    return request;
  }

  /** When the first packet can leave: its sender, and where it translates by itself, its own cache. */
  #readyPs(path: TimedPath, addr: number, lengthBytes: number): number {
    const { translation, translationAt, source, isWrite } = path;
    const readyPs = this.#queue.nowPs + path.request.delayPs;
    if (translation === null || translationAt !== 0) {
      return readyPs;
    }
    let atPs = readyPs;
    const end = addr + Math.min(lengthBytes, PAGES_MAX * PAGE_BYTES);
    for (let at = addr; at < end; at += PAGE_BYTES) {
      atPs = Math.max(atPs, translation.ready(source, at, isWrite, readyPs));
    }
    return atPs;
  }

  forget(request: number): void {
    this.#requests.sinks[request] = null;
  }

  stalls(nowPs: number): EngineStalls {
    const lasting = (sincePs: number): number => (sincePs < 0 ? 0 : nowPs - sincePs);
    return {
      sources: [...this.#sources.values()].map((source) => ({
        source: source.id,
        tagPs: source.tagStallPs + lasting(source.tagStallSincePs),
        orderPs: source.orderStallPs + lasting(source.orderStallSincePs),
      })),
      gates: [...this.#gates].map(([{ name }, gate]) => ({
        name,
        stallPs: gate.stallPs + lasting(gate.stallSincePs),
      })),
    };
  }

  /** Free credits of a stage now, by class; for tests of conservation. Null where it has none. */
  creditsOf(stage: Stage): { readonly headers: readonly number[]; readonly data: readonly number[] } | null {
    const state = this.#stages[stage.id];
    if (state === undefined) {
      return stage.credits;
    }
    state.collect(this.#queue);
    return state.hasCredits ? { headers: [...state.headers], data: [...state.data] } : null;
  }

  /** Tags in use of a source now. */
  tagsUsed(source: number): number {
    return this.#sources.get(source)?.tagsUsed ?? 0;
  }

  onEvent(code: number, index: number): void {
    switch (code) {
      case EVENT.READY:
        this.#ready(index);
        return;
      case EVENT.WAKE:
        this.#wake(this.#stages[index]!);
        return;
      case EVENT.ARRIVE:
        this.#arrive(index);
        return;
      case EVENT.JOB:
        this.#jobReady(index);
        return;
      case EVENT.TAKEN:
        this.#tell(index, PROGRESS.TAKEN);
        return;
      case EVENT.COMPLETED:
        this.#finish(index, PROGRESS.COMPLETED);
        return;
      default:
        this.#served(index);
        return;
    }
  }

  #tell(request: number, progress: number): void {
    this.#requests.sinks[request]?.onProgress(progress, this.#requests.tokens[request]!);
  }

  // Jobs

  #jobReady(job: number): void {
    const { requests } = this.#jobs;
    const state = this.#requests.paths[requests[job]!]!;
    const isCompletion = this.#jobs.isCompletion[job] === 1;
    const lane = isCompletion
      ? state.completionLane
      : this.#jobs.isControl[job] === 1
        ? state.controlLane
        : state.dataLane;
    if (lane === null) {
      this.#withoutStages(job, state, isCompletion);
      return;
    }
    this.#jobs.nexts[job] = NONE;
    if (lane.tails[0] === NONE) {
      lane.heads[0] = job;
    } else {
      this.#jobs.nexts[lane.tails[0]!] = job;
    }
    lane.tails[0] = job;
    lane.count++;
    lane.stage.waiting++;
    this.#serve(lane.stage);
  }

  /** Inside one component: no packet goes anywhere, and delays are all there is. */
  #withoutStages(job: number, state: PathState, isCompletion: boolean): void {
    const request = this.#jobs.requests[job]!;
    if (isCompletion) {
      this.#completed(request, state, job, this.#jobs.remaining[job]!);
    } else if (state.path.isWrite) {
      this.#jobs.give(job);
      this.#tell(request, PROGRESS.TAKEN);
      this.#finish(request, PROGRESS.ARRIVED);
    } else {
      this.#jobs.isCompletion[job] = 1;
      this.#queue.schedule(this.#queue.nowPs + state.path.access.latencyPs, this, EVENT.SERVED, job);
    }
  }

  #served(job: number): void {
    const request = this.#jobs.requests[job]!;
    const state = this.#requests.paths[request]!;
    this.#requests.unserved[request]! -= this.#jobs.ends[job]! - this.#jobs.addrs[job]!;
    if (this.#requests.unserved[request] === 0) {
      this.#tell(request, PROGRESS.ARRIVED);
    }
    const delayPs = state.completion!.leg.delayPs;
    if (delayPs > 0) {
      this.#queue.schedule(this.#queue.nowPs + delayPs, this, EVENT.JOB, job);
    } else {
      this.#jobReady(job);
    }
  }

  #finish(request: number, progress: number): void {
    const sink = this.#requests.sinks[request];
    const token = this.#requests.tokens[request]!;
    this.#requests.give(request);
    sink?.onProgress(progress, token);
  }

  // Stages

  #ready(packet: number): void {
    const leg = this.#packets.legs[packet]!;
    const position = this.#packets.positions[packet]!;
    const queue = leg.queues[position]!;
    const packetClass = this.#packets.classes[packet]!;
    this.#packets.nexts[packet] = NONE;
    this.#packets.orders[packet] = this.#order++;
    if (queue.tails[packetClass] === NONE) {
      queue.heads[packetClass] = packet;
    } else {
      this.#packets.nexts[queue.tails[packetClass]!] = packet;
    }
    queue.tails[packetClass] = packet;
    queue.count++;
    queue.stage.waiting++;
    if (this.#queue.nowPs >= queue.stage.freeAtPs) {
      this.#serve(queue.stage);
    } else {
      this.#wakeWhenFree(queue.stage);
    }
  }

  #wakeWhenFree(stage: StageState): void {
    if (stage.freeAtPs < stage.wakeAtPs) {
      stage.wakeAtPs = stage.freeAtPs;
      this.#queue.schedule(stage.freeAtPs, this, EVENT.WAKE, stage.stage.id);
    }
  }

  /** When the next credits come back, if any are on their way. */
  #wakeAtReturn(stage: StageState): void {
    const atPs = stage.nextReturnPs;
    if (atPs < stage.wakeAtPs) {
      stage.wakeAtPs = atPs;
      this.#queue.schedule(atPs, this, EVENT.WAKE, stage.stage.id);
    }
  }

  /** One that was asked for before an earlier one was is stale: without this each would ask again, and none would ever end. */
  #wake(stage: StageState): void {
    if (Math.ceil(stage.wakeAtPs) <= this.#queue.nowPs) {
      stage.wakeAtPs = Number.POSITIVE_INFINITY;
      this.#serve(stage);
    }
  }

  /** Lets those go who may. */
  #serve(stage: StageState): void {
    const { nowPs } = this.#queue;
    while (stage.waiting > 0) {
      if (nowPs < stage.freeAtPs) {
        this.#wakeWhenFree(stage);
        return;
      }
      if (stage.hasCredits) {
        stage.collect(this.#queue);
      }
      if (!this.#sendOne(stage)) {
        if (stage.isStalled) {
          this.#wakeAtReturn(stage);
        }
        return;
      }
    }
  }

  /** @returns false when nobody may go */
  #sendOne(stage: StageState): boolean {
    const { queues } = stage;
    const count = queues.length;
    let isBlocked = false;
    this.#short = 0;
    for (let step = 0; step < count; step++) {
      let index = stage.turn + step;
      if (index >= count) {
        index -= count;
      }
      const queue = queues[index]!;
      if (queue.count === 0) {
        queue.turns = 0;
        continue;
      }
      const chosen = queue.isLane ? this.#fromLane(stage, queue) : this.#fromTransit(stage, queue);
      if (chosen < 0) {
        isBlocked ||= chosen === BLOCKED_BY_CREDITS;
        continue;
      }
      if (this.#isWeighted && ++queue.turns < queue.weight) {
        stage.turn = index;
      } else {
        queue.turns = 0;
        stage.turn = index + 1 === count ? 0 : index + 1;
      }
      this.#transmit(stage, chosen);
      return true;
    }
    if (isBlocked && !stage.isStalled) {
      stage.isStalled = true;
      stage.stallSincePs = this.#queue.nowPs;
    }
    return false;
  }

  /** The packet of a queue in transit that goes next: the oldest that the rules and the credits let go. */
  #fromTransit(stage: StageState, queue: Queue): number {
    const { orders, nexts } = this.#packets;
    const posted = queue.heads[CLASS.POSTED]!;
    const postedOrder = posted === NONE ? Number.POSITIVE_INFINITY : orders[posted]!;
    let best = NONE;
    let bestOrder = Number.POSITIVE_INFINITY;
    for (let packetClass = 0; packetClass < 3; packetClass++) {
      const head = queue.heads[packetClass]!;
      if (head === NONE) {
        continue;
      }
      const order = orders[head]!;
      if (order < bestOrder && order <= postedOrder && this.#hasCredits(stage, head)) {
        best = head;
        bestOrder = order;
      }
    }
    if (best === NONE) {
      return BLOCKED_BY_CREDITS;
    }
    const packetClass = this.#packets.classes[best]!;
    const next = nexts[best]!;
    queue.heads[packetClass] = next;
    if (next === NONE) {
      queue.tails[packetClass] = NONE;
    }
    queue.count--;
    stage.waiting--;
    return best;
  }

  #hasCredits(stage: StageState, packet: number): boolean {
    if (!stage.hasCredits) {
      return true;
    }
    const leg = this.#packets.legs[packet]!;
    const payload = this.#packets.payloads[packet]!;
    const pieces = leg.isSplit ? leg.pieces(this.#packets.positions[packet]!, payload) : 1;
    return this.#takesCredits(stage, this.#packets.classes[packet]!, pieces, payload);
  }

  /**
   * Whether a packet may go as far as credits are concerned. Who has too few keeps its turn: credits of its class that are
   * there wait for it, or small packets of others would take them again and again and large ones never go.
   */
  #takesCredits(stage: StageState, packetClass: number, pieces: number, payload: number): boolean {
    const bit = 1 << packetClass;
    if (
      (this.#short & bit) === 0 &&
      stage.headers[packetClass]! >= stage.headersFor(packetClass, pieces) &&
      stage.data[packetClass]! >= stage.dataFor(packetClass, payload)
    ) {
      return true;
    }
    this.#short |= bit;
    return false;
  }

  /** The next packet of the first job of a lane. */
  #fromLane(stage: StageState, lane: Queue): number {
    const job = lane.heads[0]!;
    const jobs = this.#jobs;
    const request = jobs.requests[job]!;
    const state = this.#requests.paths[request]!;
    const { path, source } = state;
    const packetClass = lane.packetClass;
    const addr = jobs.addrs[job]!;
    const end = jobs.ends[job]!;
    const limit =
      packetClass === CLASS.COMPLETION
        ? jobs.isSmall[job] === 1
          ? path.smallCompletionBytes!
          : path.completionBytes
        : path.requestBytes;
    const length = Math.min(end - addr, limit - (addr % limit));
    const payload = packetClass === CLASS.NON_POSTED ? 0 : length;
    const leg = packetClass === CLASS.COMPLETION ? state.completion! : state.request;
    if (stage.hasCredits) {
      const pieces = leg.isSplit ? leg.pieces(0, payload) : 1;
      if (!this.#takesCredits(stage, packetClass, pieces, payload)) {
        return BLOCKED_BY_CREDITS;
      }
    }
    if (packetClass === CLASS.NON_POSTED && !this.#takeTag(lane, state)) {
      return BLOCKED_BY_SOURCE;
    }
    const isFirst = jobs.isStarted[job] === 0;
    if (packetClass === CLASS.POSTED && isFirst && path.limits.waitsForPosted) {
      if (source.postedUnseen > 0) {
        this.#await(lane, source.waiting);
        if (source.orderStallSincePs < 0) {
          source.orderStallSincePs = this.#queue.nowPs;
        }
        return BLOCKED_BY_SOURCE;
      }
      source.postedUnseen++;
    }
    jobs.isStarted[job] = 1;
    const isLast = addr + length === end;
    const packet = this.#packets.take(leg, packetClass, request, payload, length, isLast, job);
    this.#packets.addrs[packet] = addr;
    if (packetClass !== CLASS.POSTED) {
      this.#packets.tags[packet] = packetClass === CLASS.NON_POSTED ? source.tags.take() : jobs.tags[job]!;
    }
    jobs.addrs[job] = addr + length;
    if (isLast) {
      const next = jobs.nexts[job]!;
      lane.heads[0] = next;
      if (next === NONE) {
        lane.tails[0] = NONE;
      }
      lane.count--;
      stage.waiting--;
      if (packetClass !== CLASS.COMPLETION) {
        jobs.give(job);
      }
    }
    return packet;
  }

  #takeTag(lane: Queue, state: PathState): boolean {
    const { source, gate, path } = state;
    const isBehind = !lane.hasTag && source.waitingForTag.length > 0;
    if (isBehind || source.tagsUsed >= path.limits.tags) {
      lane.hasTag = false;
      this.#await(lane, source.waitingForTag);
      if (source.tagStallSincePs < 0) {
        source.tagStallSincePs = this.#queue.nowPs;
      }
      return false;
    }
    if (gate !== null) {
      if (gate.used >= gate.max) {
        this.#await(lane, gate.waiting);
        if (gate.stallSincePs < 0) {
          gate.stallSincePs = this.#queue.nowPs;
        }
        return false;
      }
      gate.used++;
    }
    lane.hasTag = false;
    source.tagsUsed++;
    source.tagsUsedMax = Math.max(source.tagsUsedMax, source.tagsUsed);
    return true;
  }

  #await(lane: Queue, waiting: Queue[]): void {
    if (!lane.isWaiting) {
      lane.isWaiting = true;
      waiting.push(lane);
    }
  }

  /** Something that lanes waited for is there: each asks again. */
  #release(waiting: Queue[]): void {
    while (waiting.length > 0) {
      const lane = waiting.shift()!;
      lane.isWaiting = false;
      this.#serve(lane.stage);
      if (lane.isWaiting) {
        return;
      }
    }
  }

  /**
   * Puts a packet on a stage, now.
   *
   * It starts when it was ready and the stage free. Its last byte has left after its serialisation (raw rate), the stage is
   * free after its occupancy (net rate). Behind a stage that cuts through, the next one may start with the first byte, but
   * not so early that it would run dry; behind one that stores, with the last.
   */
  #transmit(state: StageState, packet: number): void {
    const packets = this.#packets;
    const { stage } = state;
    const leg = packets.legs[packet]!;
    const position = packets.positions[packet]!;
    const payload = packets.payloads[packet]!;
    const packetClass = packets.classes[packet]!;
    const pieces = leg.isSplit ? leg.pieces(position, payload) : 1;
    const wire = ((payload + 3) & ~3) + pieces * leg.overheads[position]!;
    let busyPs = wire * stage.occupancyPsPerByte + pieces * stage.packetPs;
    if (stage.requestPs > 0 && packets.isLast[packet] === 1) {
      busyPs += stage.requestPs;
    }
    const { nowPs } = this.#queue;
    let startPs = Math.max(packets.readies[packet]!, state.freeAtPs);
    if (state.isStalled) {
      state.isStalled = false;
      stage.creditStallPs += nowPs - state.stallSincePs;
      startPs = Math.max(startPs, nowPs);
    }
    if (packets.readies[packet] === FROM_LANE) {
      // A lane makes packets when it is asked: at this moment, or when the stage became free within it.
      startPs = state.freeAtPs > nowPs - 1 ? state.freeAtPs : nowPs;
    }
    let againPs = 0;
    if (stage.bitErrorRate > 0) {
      againPs = this.#replays(stage, wire, busyPs);
      busyPs += againPs;
    }
    const lastPs = startPs + againPs + wire * stage.latencyPsPerByte + stage.flitPs;
    packets.starts[packet] = startPs;
    packets.lasts[packet] = lastPs;
    stage.busyPs += busyPs;
    stage.wireBytes += wire;
    stage.packets += pieces;
    state.freeAtPs = startPs + busyPs;
    this.sent++;
    if (state.hasCredits) {
      state.headers[packetClass]! -= state.headersFor(packetClass, pieces);
      state.data[packetClass]! -= state.dataFor(packetClass, payload);
    }
    if (position > 0) {
      this.#giveBack(leg, position - 1, packet);
    }
    if (state.reverse !== null) {
      this.#acknowledge(state, wire, packet);
    }
    if (this.listener !== null) {
      this.listener.onOccupied(
        stage.id,
        startPs,
        startPs + busyPs,
        wire,
        packets.requests[packet]!,
        packetClass,
        packets.addrs[packet]!,
        packets.lengths[packet]!,
        packetClass === CLASS.POSTED ? NO_REQUEST : packets.tags[packet]!,
      );
    }
    if (position === 0 && packetClass === CLASS.POSTED && packets.isLast[packet] === 1) {
      this.#queue.schedule(lastPs, this, EVENT.TAKEN, packets.requests[packet]!);
    }
    if (position + 1 === leg.length) {
      this.#toArrival(state, leg, position, packet, pieces);
      return;
    }
    this.#toNext(state, leg, position, packet, wire);
  }

  #toNext(state: StageState, leg: LegState, position: number, packet: number, wire: number): void {
    const packets = this.#packets;
    const payload = packets.payloads[packet]!;
    const lastPs = packets.lasts[packet]!;
    const next = leg.stages[position + 1]!;
    const delayPs = leg.delaysPs[position]!;
    let readyPs = lastPs + delayPs;
    if (!leg.storesWhole[position]) {
      const nextPieces = leg.isSplit ? leg.pieces(position + 1, payload) : 1;
      const nextWire = ((payload + 3) & ~3) + nextPieces * leg.overheads[position + 1]!;
      const firstPs = lastPs - wire * state.stage.latencyPsPerByte;
      readyPs = Math.max(firstPs, lastPs - nextWire * next.stage.latencyPsPerByte) + delayPs;
    }
    packets.positions[packet] = position + 1;
    packets.readies[packet] = readyPs;
    this.#translate(leg, position + 1, packet);
    this.#queue.schedule(packets.readies[packet]!, this, EVENT.READY, packet);
  }

  /** A packet that gets to a place where addresses are translated is ready when that is done. */
  #translate(leg: LegState, position: number, packet: number): void {
    const packets = this.#packets;
    const state = this.#requests.paths[packets.requests[packet]!]!;
    const { translation, translationAt, source, isWrite } = state.path;
    if (translation === null || translationAt !== position || leg !== state.request) {
      return;
    }
    const afterPs = translation.ready(source, packets.addrs[packet]!, isWrite, packets.readies[packet]!);
    if (packets.classes[packet] === CLASS.POSTED) {
      state.postedTranslatedPs = Math.max(state.postedTranslatedPs, afterPs);
      packets.readies[packet] = state.postedTranslatedPs;
    } else {
      packets.readies[packet] = afterPs;
    }
  }

  #toArrival(state: StageState, leg: LegState, position: number, packet: number, pieces: number): void {
    const packets = this.#packets;
    packets.readies[packet] = packets.lasts[packet]! + leg.delaysPs[position]!;
    this.#translate(leg, position + 1, packet);
    const atPs = packets.readies[packet]!;
    const packetClass = packets.classes[packet]!;
    if (state.hasCredits) {
      state.returnPs = atPs + state.stage.creditReturnPs;
      state.giveBack(
        packetClass,
        state.headersFor(packetClass, pieces),
        state.dataFor(packetClass, packets.payloads[packet]!),
      );
      if (state.isStalled) {
        this.#wakeAtReturn(state);
      }
    }
    // Of a posted request only the last packet is awaited; they arrive in order.
    if (packetClass === CLASS.POSTED && packets.isLast[packet] === 0) {
      packets.give(packet);
      return;
    }
    this.#queue.schedule(atPs, this, EVENT.ARRIVE, packet);
  }

  /** The receive buffer that a packet leaves can take another. */
  #giveBack(leg: LegState, position: number, packet: number): void {
    const before = leg.stages[position]!;
    if (!before.hasCredits) {
      return;
    }
    const payload = this.#packets.payloads[packet]!;
    before.returnPs = this.#packets.starts[packet]! + before.stage.creditReturnPs;
    const packetClass = this.#packets.classes[packet]!;
    before.giveBack(
      packetClass,
      before.headersFor(packetClass, leg.isSplit ? leg.pieces(position, payload) : 1),
      before.dataFor(packetClass, payload),
    );
    if (before.isStalled) {
      this.#wakeAtReturn(before);
    }
  }

  /** Acks and credit updates go the other way and take their time there. */
  #acknowledge(state: StageState, wire: number, packet: number): void {
    const { stage, reverse } = state;
    state.ackBytes += wire;
    if (state.ackBytes >= stage.ackEveryBytes) {
      const count = Math.floor(state.ackBytes / stage.ackEveryBytes);
      state.ackBytes -= count * stage.ackEveryBytes;
      const bytes = count * stage.ackBytes;
      const takenPs = bytes * reverse!.stage.occupancyPsPerByte;
      const fromPs = Math.max(reverse!.freeAtPs, this.#packets.starts[packet]!);
      reverse!.freeAtPs = fromPs + takenPs;
      this.listener?.onOccupied(
        reverse!.stage.id,
        fromPs,
        fromPs + takenPs,
        bytes,
        NO_REQUEST,
        NO_REQUEST,
        0,
        0,
        NO_REQUEST,
      );
      reverse!.stage.busyPs += takenPs;
      reverse!.stage.wireBytes += bytes;
    }
  }

  /** What a packet loses to bit errors: everything sent until the Nak is there, and itself again. */
  #replays(stage: Stage, wire: number, busyPs: number): number {
    let lostPs = 0;
    const probability = Math.min(0.5, 8 * wire * stage.bitErrorRate);
    while (this.#draw() < probability) {
      stage.replays++;
      lostPs += busyPs + stage.replayPs;
    }
    return lostPs;
  }

  /** 0 to 1, the same for the same seed. */
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return this.#random / 0x1_0000_0000;
  }

  #arrive(packet: number): void {
    const packets = this.#packets;
    const request = packets.requests[packet]!;
    const state = this.#requests.paths[request]!;
    const packetClass = packets.classes[packet]!;
    const addr = packets.addrs[packet]!;
    const length = packets.lengths[packet]!;
    const job = packets.jobs[packet]!;
    const tag = packets.tags[packet]!;
    packets.give(packet);
    if (packetClass === CLASS.POSTED) {
      const { source, path } = state;
      if (path.limits.waitsForPosted) {
        source.postedUnseen--;
        if (source.orderStallSincePs >= 0) {
          source.orderStallPs += this.#queue.nowPs - source.orderStallSincePs;
          source.orderStallSincePs = -1;
        }
      }
      this.#finish(request, PROGRESS.ARRIVED);
      if (path.limits.waitsForPosted) {
        this.#release(source.waiting);
      }
    } else if (packetClass === CLASS.NON_POSTED) {
      const completions = this.#jobs.take(request, length, false, true);
      this.#jobs.addrs[completions] = addr;
      this.#jobs.ends[completions] = addr + length;
      this.#jobs.isTagged[completions] = 1;
      this.#jobs.tags[completions] = tag;
      this.#jobs.isSmall[completions] = length <= (state.path.smallRequestBytes ?? 0) ? 1 : 0;
      this.#queue.schedule(this.#queue.nowPs + state.path.access.latencyPs, this, EVENT.SERVED, completions);
    } else {
      this.#completed(request, state, job, length);
    }
  }

  /** A completion is with its requester. */
  #completed(request: number, state: PathState, job: number, length: number): void {
    const jobs = this.#jobs;
    jobs.remaining[job]! -= length;
    if (jobs.remaining[job] === 0) {
      const isTagged = jobs.isTagged[job] === 1;
      const tag = jobs.tags[job]!;
      jobs.give(job);
      if (isTagged) {
        state.source.tags.give(tag);
        this.#giveTag(state);
      }
    }
    this.#requests.remaining[request]! -= length;
    if (this.#requests.remaining[request] === 0) {
      const drainPs = (state.path.drainPsPerByte ?? 0) * this.#requests.lengths[request]!;
      if (drainPs > 0) {
        this.#queue.schedule(this.#queue.nowPs + drainPs, this, EVENT.COMPLETED, request);
      } else {
        this.#finish(request, PROGRESS.COMPLETED);
      }
    }
  }

  #giveTag({ source, gate }: PathState): void {
    source.tagsUsed--;
    assert(source.tagsUsed >= 0, 'a tag was given back twice', { source: source.id });
    const { nowPs } = this.#queue;
    if (source.tagStallSincePs >= 0) {
      source.tagStallPs += nowPs - source.tagStallSincePs;
      source.tagStallSincePs = -1;
    }
    const lane = source.waitingForTag.shift();
    if (lane !== undefined) {
      lane.isWaiting = false;
      lane.hasTag = true;
      this.#serve(lane.stage);
    }
    if (gate !== null) {
      gate.used--;
      if (gate.stallSincePs >= 0) {
        gate.stallPs += nowPs - gate.stallSincePs;
        gate.stallSincePs = -1;
      }
      this.#release(gate.waiting);
    }
  }

  // Paths

  #addPath(path: TimedPath): PathState {
    const source = this.#sourceOf(path.source);
    const request = this.#leg(path.request);
    const completion = path.completion === null ? null : this.#leg(path.completion);
    const number = this.#paths.size;
    const packetClass: PacketClass = path.isWrite ? CLASS.POSTED : CLASS.NON_POSTED;
    const first = request.stages[0];
    const state = new PathState(
      path,
      source,
      path.gate === null ? null : this.#gateOf(path.gate),
      request,
      completion,
      [
        first?.lane(`${packetClass} ${path.source} data ${number}`, packetClass) ?? null,
        first?.lane(`${packetClass} ${path.source} control`, packetClass) ?? null,
        // Completions of different requests may pass each other: a blocked requester does not block the others.
        completion?.stages[0]?.lane(`completions ${number}`, CLASS.COMPLETION) ?? null,
      ],
    );
    this.#paths.set(path, state);
    return state;
  }

  #leg(leg: TimedPath['request']): LegState {
    return new LegState(
      leg,
      leg.stages.map((stage) => this.#stage(stage)),
    );
  }

  #stage(stage: Stage): StageState {
    let state = this.#stages[stage.id];
    if (state === undefined) {
      state = new StageState(stage);
      this.#stages[stage.id] = state;
      if (stage.reverse !== null && stage.ackEveryBytes !== Number.POSITIVE_INFINITY) {
        state.reverse = this.#stage(stage.reverse);
      }
    }
    return state;
  }

  #sourceOf(id: number): SourceState {
    let source = this.#sources.get(id);
    if (source === undefined) {
      source = new SourceState(id);
      this.#sources.set(id, source);
    }
    return source;
  }

  #gateOf(gate: Gate): GateState {
    let state = this.#gates.get(gate);
    if (state === undefined) {
      state = new GateState(gate.requestsMax);
      this.#gates.set(gate, state);
    }
    return state;
  }
}

/** Pages of one request that its sender asks for before the first packet. */
const PAGES_MAX = 64;
const PAGE_BYTES = 4096;
const BLOCKED_BY_CREDITS = -2;
const BLOCKED_BY_SOURCE = -3;
/** A packet straight from its lane was ready whenever the stage asked. */
const FROM_LANE = -1;
