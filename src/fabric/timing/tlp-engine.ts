/**
 * The packet engine: every TLP is serialised, credited, arbitrated and ordered on every stage of its way.
 *
 * A stage serves one packet at a time. What waits in front of it waits in one queue for each path and class (virtual output
 * queues), below its ingress, so that what is blocked further on blocks nobody else. Credits are those of the wire: they come
 * back when a packet has left the receive buffer for its queue, and a packet is only sent where its queue has room. PCIe
 * Base 6.0: 2.4.1 (ordering: data is relaxed, control passes no earlier posted packet), 2.6.1 (credits), 3.6 (Ack).
 *
 * Events of one packet: its start on each stage, and its arrival where somebody waits for it. Nothing is allocated for one:
 * moments are kept in arrays and fields and not passed to calls, where a float64 may become an object.
 * Read `tlp-state.ts` first; the timing of a stage is in the comment of `#transmit`.
 */
import type { EventHandler } from '../../access/index.ts';
import { assert } from '../../base/index.ts';
import { replayShare } from '../../rates/index.ts';
import type { EventQueue } from '../event-queue.ts';
import {
  type EngineStalls,
  NO_REQUEST,
  PROGRESS,
  type ProgressSink,
  type TimingListener,
  type TransportEngine,
} from './engine.ts';
import type { TimedPath } from './path.ts';
import { NONE } from './pool.ts';
import { CLASS, type Stage } from './stage.ts';
import { BLOCKED_BY_CREDITS, TlpArbiter } from './tlp-arbiter.ts';
import { PathTable } from './tlp-paths.ts';
import { JobPool, PacketPool, RequestPool } from './tlp-pools.ts';
import type { Queue } from './tlp-queue.ts';
import type { Holder, Slots } from './tlp-slots.ts';
import type { LegState, PathState, StageState } from './tlp-state.ts';

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
  readonly #paths = new PathTable();
  readonly #packets = new PacketPool();
  readonly #jobs = new JobPool();
  readonly #requests = new RequestPool();
  readonly #arbiter: TlpArbiter;
  #order = 0;
  #random: number;
  /** Packets that were put on a wire. */
  sent = 0;

  constructor(queue: EventQueue, options: TlpEngineOptions = {}) {
    this.#queue = queue;
    this.#arbiter = new TlpArbiter(
      queue,
      this.#packets,
      this.#jobs,
      this.#requests,
      options.arbitration === 'weighted',
    );
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
    const state = this.#paths.of(path);
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
      sources: [...this.#paths.sources.values()].map((source) => ({
        source: source.id,
        tagPs: source.tags.stallPs + lasting(source.tags.stallSincePs),
        orderPs: source.orderStallPs + lasting(source.orderStallSincePs),
      })),
      gates: [...this.#paths.gates].map(([{ name }, gate]) => ({
        name,
        stallPs: gate.stallPs + lasting(gate.stallSincePs),
      })),
    };
  }

  /** Free credits of a stage now, by class; for tests of conservation. Null where it has none. */
  creditsOf(stage: Stage): { readonly headers: readonly number[]; readonly data: readonly number[] } | null {
    const state = this.#paths.stages[stage.id];
    if (state === undefined) {
      return stage.credits;
    }
    state.collect(this.#queue);
    return state.hasCredits ? { headers: [...state.headers], data: [...state.data] } : null;
  }

  /** Tags in use of a source now. */
  tagsUsed(source: number): number {
    return this.#paths.sources.get(source)?.tags.used ?? 0;
  }

  onEvent(code: number, index: number): void {
    switch (code) {
      case EVENT.READY:
        this.#ready(index);
        return;
      case EVENT.WAKE:
        this.#wake(this.#paths.stages[index]!);
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
    if (lane.tail === NONE) {
      lane.head = job;
    } else {
      this.#jobs.nexts[lane.tail] = job;
    }
    lane.tail = job;
    lane.entered();
    if (lane.packetClass === CLASS.NON_POSTED && lane === state.dataLane) {
      state.source.tags.activate(state.tagHolders[0]!);
      state.gate?.activate(state.gateHolders[0]!);
    }
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
    this.#packets.nexts[packet] = NONE;
    this.#packets.orders[packet] = this.#order++;
    if (queue.tail === NONE) {
      queue.head = packet;
    } else {
      this.#packets.nexts[queue.tail] = packet;
    }
    queue.tail = packet;
    queue.entered();
    this.#giveBack(leg, position - 1, packet);
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
    while (stage.root.count > 0) {
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
    const chosen = this.#arbiter.choose(stage);
    if (chosen >= 0) {
      this.#transmit(stage, chosen);
      return true;
    }
    if (chosen === BLOCKED_BY_CREDITS && !stage.isStalled) {
      stage.isStalled = true;
      stage.stallSincePs = this.#queue.nowPs;
    }
    return false;
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
    stage.payloadBytes += payload;
    stage.packets += pieces;
    state.freeAtPs = startPs + busyPs;
    this.sent++;
    if (state.hasCredits) {
      const headers = state.headersFor(packetClass, pieces);
      const data = state.dataFor(packetClass, payload);
      state.headers[packetClass]! -= headers;
      state.data[packetClass]! -= data;
      if (position + 1 < leg.length) {
        const next = leg.queues[position + 1]!;
        next.roomHeaders -= headers;
        next.roomData -= data;
      }
    }
    if (position > 0) {
      this.#giveRoom(leg, position, packet);
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

  /** A packet has left the receive buffer of a link, into its queue. */
  #giveBack(leg: LegState, position: number, packet: number): void {
    const before = leg.stages[position]!;
    if (!before.hasCredits) {
      return;
    }
    const payload = this.#packets.payloads[packet]!;
    before.returnPs = this.#packets.readies[packet]! + before.stage.creditReturnPs;
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

  /** A packet has left its queue: the stage before may send another. */
  #giveRoom(leg: LegState, position: number, packet: number): void {
    const before = leg.stages[position - 1]!;
    if (!before.hasCredits) {
      return;
    }
    const payload = this.#packets.payloads[packet]!;
    const packetClass = this.#packets.classes[packet]!;
    const queue = leg.queues[position]!;
    const pieces = leg.isSplit ? leg.pieces(position - 1, payload) : 1;
    queue.roomHeaders += before.headersFor(packetClass, pieces);
    queue.roomData += before.dataFor(packetClass, payload);
    if (before.isStalled) {
      this.#serve(before);
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
    const probability = replayShare(wire, stage.bitErrorRate);
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
    const isControl = packets.isOrdered[packet] === 1;
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
      const completions = this.#jobs.take(request, length, isControl, true);
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
      const isControl = jobs.isControl[job]!;
      const tag = jobs.tags[job]!;
      jobs.give(job);
      if (isTagged) {
        state.source.tagNumbers.give(tag);
        this.#giveTag(state, isControl);
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

  #giveTag(state: PathState, isControl: number): void {
    const { source, gate } = state;
    assert(source.tags.used > 0, 'a tag was given back twice', { source: source.id });
    this.#giveSlot(source.tags, state.tagHolders[isControl]!);
    if (gate !== null) {
      this.#giveSlot(gate, state.gateHolders[isControl]!);
    }
  }

  #giveSlot(slots: Slots, holder: Holder): void {
    slots.give(holder);
    slots.endStall(this.#queue);
    for (let next = slots.next(); next !== null; next = slots.next()) {
      this.#serve(next.lane.stage);
      if (next.isWaiting) {
        return;
      }
    }
  }
}

/** Pages of one request that its sender asks for before the first packet. */
const PAGES_MAX = 64;
const PAGE_BYTES = 4096;
/** A packet straight from its lane was ready whenever the stage asked. */
const FROM_LANE = -1;
