/**
 * Who goes next at a stage: round its ingresses, and in each round those behind it, down to the packets of one path or a lane; of
 * those, whom the rules of ordering, credits, room, and what a source holds let go.
 *
 * PCIe Base 6.0: 2.4.1 (ordering), 2.6.1 (credits), 6.3.3 (arbitration).
 */
import type { EventQueue } from '../event-queue.ts';
import { NONE } from './pool.ts';
import { CLASS } from './stage.ts';
import type { JobPool, PacketPool, RequestPool } from './tlp-pools.ts';
import type { Queue } from './tlp-queue.ts';
import type { LegState, PathState, StageState } from './tlp-state.ts';

/** Somebody could go but for credits of the stage, or room behind it. */
export const BLOCKED_BY_CREDITS = -2;
/** Nobody could go: there are no tags, or earlier posted packets are waited for. */
const BLOCKED_BY_SOURCE = -3;

export class TlpArbiter {
  readonly #queue: EventQueue;
  readonly #packets: PacketPool;
  readonly #jobs: JobPool;
  readonly #requests: RequestPool;
  readonly #isWeighted: boolean;
  /** Classes, as bits, in which somebody whose turn it is has too few credits at the stage that is served. */
  #short = 0;

  constructor(
    queue: EventQueue,
    packets: PacketPool,
    jobs: JobPool,
    requests: RequestPool,
    isWeighted: boolean,
  ) {
    this.#queue = queue;
    this.#packets = packets;
    this.#jobs = jobs;
    this.#requests = requests;
    this.#isWeighted = isWeighted;
  }

  /** Takes the next packet of a stage out of its queue; below zero, why nobody may go: credits, where it is that for somebody. */
  choose(stage: StageState): number {
    this.#short = 0;
    return this.#pick(stage, stage.root);
  }

  /** A packet of whoever has the turn in a place; below zero, why nobody may go: credits, where it is that for one of them. */
  #pick(stage: StageState, place: Queue): number {
    const { children } = place;
    const count = children.length;
    let why = BLOCKED_BY_SOURCE;
    for (let step = 0; step < count; step++) {
      let index = place.turn + step;
      if (index >= count) {
        index -= count;
      }
      const child = children[index]!;
      if (child.count === 0) {
        child.turns = 0;
        continue;
      }
      const chosen = child.isLane
        ? this.#fromLane(stage, child)
        : child.head === NONE
          ? this.#pick(stage, child)
          : this.#fromQueue(stage, child);
      if (chosen < 0) {
        why = Math.max(why, chosen);
        continue;
      }
      if (this.#isWeighted && ++child.turns < child.weight) {
        place.turn = index;
      } else {
        child.turns = 0;
        place.turn = index + 1 === count ? 0 : index + 1;
      }
      return chosen;
    }
    return why;
  }

  /** The first packet of a path's queue, if the rules and the credits let it go. */
  #fromQueue(stage: StageState, queue: Queue): number {
    const packet = queue.head;
    if (this.#packets.isOrdered[packet] === 1 && this.#isBehindPosted(stage, queue, packet)) {
      return BLOCKED_BY_SOURCE;
    }
    if (!this.#hasCredits(stage, packet)) {
      return BLOCKED_BY_CREDITS;
    }
    const next = this.#packets.nexts[packet]!;
    queue.head = next;
    if (next === NONE) {
      queue.tail = NONE;
    }
    queue.left();
    return packet;
  }

  /** Whether a posted packet came before this one through the same ingress, and still waits. */
  #isBehindPosted(stage: StageState, queue: Queue, packet: number): boolean {
    let ingress = queue;
    while (ingress.parent !== stage.root) {
      ingress = ingress.parent!;
    }
    return this.#hasPostedBefore(ingress, this.#packets.orders[packet]!);
  }

  #hasPostedBefore(place: Queue, order: number): boolean {
    if (place.count === 0) {
      return false;
    }
    if (place.head !== NONE) {
      return place.packetClass === CLASS.POSTED && this.#packets.orders[place.head]! < order;
    }
    for (let i = 0; i < place.children.length; i++) {
      if (this.#hasPostedBefore(place.children[i]!, order)) {
        return true;
      }
    }
    return false;
  }

  #hasCredits(stage: StageState, packet: number): boolean {
    if (!stage.hasCredits) {
      return true;
    }
    const leg = this.#packets.legs[packet]!;
    const position = this.#packets.positions[packet]!;
    const payload = this.#packets.payloads[packet]!;
    const pieces = leg.isSplit ? leg.pieces(position, payload) : 1;
    return this.#takesCredits(stage, leg, position, this.#packets.classes[packet]!, pieces, payload);
  }

  /**
   * Whether a packet may go as far as credits are concerned. Who has too few keeps its turn: credits of its class that are
   * there wait for it, or small packets of others would take them again and again and large ones never go.
   */
  #takesCredits(
    stage: StageState,
    leg: LegState,
    position: number,
    packetClass: number,
    pieces: number,
    payload: number,
  ): boolean {
    const headers = stage.headersFor(packetClass, pieces);
    const data = stage.dataFor(packetClass, payload);
    if (position + 1 < leg.length) {
      const queue = leg.queues[position + 1]!;
      if (queue.roomHeaders < headers || queue.roomData < data) {
        return false;
      }
    }
    const bit = 1 << packetClass;
    if (
      (this.#short & bit) === 0 &&
      stage.headers[packetClass]! >= headers &&
      stage.data[packetClass]! >= data
    ) {
      return true;
    }
    this.#short |= bit;
    return false;
  }

  /** The next packet of the first job of a lane. */
  #fromLane(stage: StageState, lane: Queue): number {
    const job = lane.head;
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
      if (!this.#takesCredits(stage, leg, 0, packetClass, pieces, payload)) {
        return BLOCKED_BY_CREDITS;
      }
    }
    if (packetClass === CLASS.NON_POSTED && !this.#takeTag(state, jobs.isControl[job]!)) {
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
    this.#packets.isOrdered[packet] = jobs.isControl[job]!;
    if (packetClass !== CLASS.POSTED) {
      this.#packets.tags[packet] =
        packetClass === CLASS.NON_POSTED ? source.tagNumbers.take() : jobs.tags[job]!;
    }
    jobs.addrs[job] = addr + length;
    if (isLast) {
      const next = jobs.nexts[job]!;
      lane.head = next;
      if (next === NONE) {
        lane.tail = NONE;
      }
      lane.left();
      if (packetClass !== CLASS.COMPLETION) {
        jobs.give(job);
      }
    }
    return packet;
  }

  /** A tag, and a place in the gate where there is one; both or none. */
  #takeTag(state: PathState, isControl: number): boolean {
    const { source, gate } = state;
    const tag = state.tagHolders[isControl]!;
    if (!source.tags.mayTake(tag)) {
      source.tags.wait(tag, this.#queue);
      return false;
    }
    if (gate !== null) {
      const place = state.gateHolders[isControl]!;
      if (!gate.mayTake(place)) {
        gate.wait(place, this.#queue);
        return false;
      }
      gate.take(place);
    }
    source.tags.take(tag);
    return true;
  }

  #await(lane: Queue, waiting: Queue[]): void {
    if (!lane.isWaiting) {
      lane.isWaiting = true;
      waiting.push(lane);
    }
  }
}
