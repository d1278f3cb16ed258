/**
 * The flow engine: requests move as trains, with closed forms for what they meet on an idle path and max-min shares of every
 * stage where they meet others. It knows no packets under way, so what it costs depends on requests and not on their bytes.
 *
 * A flow is all bulk requests of one path. Its head is served at the rate of `flow-share.ts`; when the service of a request
 * ends, what the idle path takes besides follows (`tail`), so that one request by itself takes what its packets would have.
 * Rates are worked out again when a flow begins, falls idle or changes the make of its packets, once for each moment. Control
 * requests do not wait for flows: they take the time of the idle path, queue among themselves where a stage is too small for
 * them (`flow-control.ts`), and their occupancy is taken from the flows which that stage limits.
 *
 * Not modelled: what control packets wait behind bulk ones; more than the first 64 pages of a request; queues without end where
 * credits are infinite.
 *
 * Read `flow-train.ts` (an idle path), `flow-share.ts` (shares), then this.
 */
import type { EventHandler } from '../../access/index.ts';
import type { EventQueue } from '../event-queue.ts';
import { PROGRESS, type ProgressSink, type TimingListener, type TransportEngine } from './engine.ts';
import { ControlLoad } from './flow-control.ts';
import { FlowLedger, type FlowStalls, StallLedger } from './flow-ledger.ts';
import { FlowRequests } from './flow-requests.ts';
import { ResourceTable, Route } from './flow-route.ts';
import type { Shape } from './flow-shape.ts';
import { type ShareFlow, ShareSolver } from './flow-share.ts';
import { Flow } from './flow-state.ts';
import { traceRequest } from './flow-trace.ts';
import { translationWaitPs } from './flow-translation.ts';
import type { TimedPath } from './path.ts';

/** Codes of events. */
const EVENT = {
  /** The service of a flow's head ends. */
  SERVED: 0,
  /** Rates have to be worked out. */
  SHARE: 1,
  TAKEN: 2,
  ARRIVED: 3,
  COMPLETED: 4,
} as const;

/** Control requests delay a bulk request by at most so many times its own service. */
const DEBT_MAX = 3;

export interface FlowEngineOptions {
  /** How a stage chooses among those who wait. Default `round-robin`: a packet each. */
  readonly arbitration?: 'round-robin' | 'weighted';
}

/** One writer at a time of a source that waits until each posted request is seen. */
interface StrictSource {
  isBusy: boolean;
  readonly waiting: Flow[];
}

export class FlowEngine implements TransportEngine, EventHandler {
  listener: TimingListener | null = null;
  readonly #queue: EventQueue;
  readonly #table: ResourceTable;
  readonly #ledger: FlowLedger;
  readonly #solver = new ShareSolver();
  readonly #control = new ControlLoad();
  readonly #requests = new FlowRequests();
  readonly #byPath = new Map<TimedPath, Flow>();
  readonly #flows: Flow[] = [];
  /** Flows that are served, and their shares in the same order. */
  readonly #running: Flow[] = [];
  readonly #shares: ShareFlow[] = [];
  readonly #strict = new Map<number, StrictSource>();
  /** Arrival of the last posted control request, by source. */
  readonly #controlArrivedPs = new Map<number, number>();
  readonly #stalls = new StallLedger();
  readonly #waits = new Float64Array(3);
  /** Of the stages' rates. */
  #version = 0;
  #isDirty = false;
  /** Times that rates were worked out. */
  solutions = 0;

  constructor(queue: EventQueue, options: FlowEngineOptions = {}) {
    this.#queue = queue;
    this.#table = new ResourceTable(options.arbitration === 'weighted');
    this.#ledger = new FlowLedger(this.#table);
  }

  get pending(): number {
    return this.#requests.pending;
  }

  send(
    path: TimedPath,
    addr: number,
    lengthBytes: number,
    isControl: boolean,
    sink: ProgressSink,
    token: number,
  ): number {
    const flow = this.#byPath.get(path) ?? this.#addFlow(path);
    const shape = flow.route.shapeOf(addr, lengthBytes, this.#version);
    // Within one component there is nothing to share.
    const isDirect = isControl || flow.route.share.entries.length === 0;
    const slot = this.#requests.take(flow, shape, sink, token, addr, isDirect, this.#queue.nowPs);
    if (isDirect) {
      this.#sendControl(path, shape, slot);
    } else {
      flow.push(slot);
      if (flow.place < 0 && flow.waitingSincePs < 0) {
        this.#next(flow, this.#queue.nowPs);
      }
    }
    return this.#requests.nameOf(slot);
  }

  forget(request: number): void {
    this.#requests.forget(request);
  }

  settle(): void {
    const { nowPs } = this.#queue;
    for (const flow of this.#running) {
      const shape = flow.shape!;
      const left = Math.max(0, flow.left - flow.route.share.rate * Math.max(0, nowPs - flow.clockPs));
      const part = Math.max(flow.countedPart, 1 - left / shape.units);
      this.#ledger.keepBusy(shape, part - flow.countedPart);
      flow.countedPart = part;
    }
  }

  /** The rate of a stage has changed (`occupancyPsPerByte`): from now on it counts. */
  ratesChanged(): void {
    this.#version++;
    this.#markDirty();
  }

  stalls(): FlowStalls {
    return this.#stalls.report();
  }

  /** Units a picosecond that a path's requests move at now; for tests. */
  rateOf(path: TimedPath): number {
    return this.#byPath.get(path)?.route.share.rate ?? 0;
  }

  onEvent(code: number, index: number): void {
    switch (code) {
      case EVENT.SERVED:
        this.#served(this.#flows[index]!);
        return;
      case EVENT.SHARE:
        this.#share();
        return;
      case EVENT.TAKEN:
        this.#requests.tell(index, PROGRESS.TAKEN);
        return;
      case EVENT.ARRIVED:
        this.#arrived(index);
        return;
      default:
        this.#end(index, PROGRESS.COMPLETED);
        return;
    }
  }

  #at(atPs: number, code: number, argument: number): void {
    this.#queue.at(Math.ceil(atPs), this, code, argument);
  }

  #addFlow(path: TimedPath): Flow {
    const flow = new Flow(new Route(path, this.#table), this.#flows.length);
    this.#flows.push(flow);
    this.#byPath.set(path, flow);
    return flow;
  }

  // Control

  #sendControl(path: TimedPath, shape: Shape, slot: number): void {
    const { nowPs } = this.#queue;
    const waits = this.#waits;
    this.#control.reckon(shape, nowPs, waits);
    this.#ledger.steal(shape);
    const waitPs = translationWaitPs(path, shape, this.#requests.addrs[slot]!, nowPs);
    if (path.isWrite) {
      const arrivedPs = Math.max(
        nowPs + shape.idlePs + waits[1]! + waitPs,
        this.#controlArrivedPs.get(path.source) ?? 0,
      );
      this.#controlArrivedPs.set(path.source, arrivedPs);
      this.#at(Math.min(nowPs + shape.requestTimes.takenPs + waits[0]!, arrivedPs), EVENT.TAKEN, slot);
      this.#at(arrivedPs, EVENT.ARRIVED, slot);
    } else {
      const servedPs = nowPs + shape.idlePs - shape.backPs + waits[1]! + waitPs;
      this.#at(servedPs, EVENT.ARRIVED, slot);
      this.#at(Math.max(servedPs, nowPs + shape.idlePs + waits[2]! + waitPs), EVENT.COMPLETED, slot);
    }
    this.#trace(slot, shape, nowPs, nowPs + shape.units * shape.unitPs);
  }

  // Bulk

  /** Begins the next request of a flow that serves none, if it has one and may. */
  #next(flow: Flow, fromPs: number): void {
    while (flow.count > 0 && this.#requests.sinks[flow.head] === null) {
      // Forgotten before its first byte was sent.
      this.#requests.give(flow.pop());
    }
    if (flow.count === 0) {
      this.#idle(flow);
      return;
    }
    const { path } = flow.route;
    if (path.isWrite && path.limits.waitsForPosted) {
      const strict = this.#strictOf(path.source);
      if (strict.isBusy) {
        this.#idle(flow);
        flow.waitingSincePs = this.#queue.nowPs;
        strict.waiting.push(flow);
        return;
      }
      strict.isBusy = true;
    }
    this.#begin(flow, fromPs);
  }

  #begin(flow: Flow, fromPs: number): void {
    const slot = flow.head;
    const shape = this.#requests.shapes[slot]!;
    flow.route.refresh(shape, this.#version);
    flow.left = shape.units;
    flow.countedPart = 0;
    flow.startedPs = Math.max(fromPs, this.#requests.sentPs[slot]!);
    if (flow.window !== null) {
      const { places, loopPs } = flow.route.placesOf(shape);
      flow.startedPs = Math.max(flow.startedPs, flow.window.opensPs(places, loopPs));
    }
    flow.clockPs = flow.startedPs;
    flow.debtPs = DEBT_MAX * shape.units * shape.unitPs;
    flow.waitPs = translationWaitPs(flow.route.path, shape, this.#requests.addrs[slot]!, flow.startedPs);
    const { share } = flow.route;
    if (flow.place < 0) {
      flow.place = this.#running.length;
      flow.served = 0;
      this.#running.push(flow);
      this.#shares.push(share);
      this.#adopt(flow, shape);
    } else if (flow.shape !== shape && !isAlike(flow.shape!, shape)) {
      this.#adopt(flow, shape);
    } else if (!this.#isDirty) {
      this.#plan(flow);
    }
  }

  #adopt(flow: Flow, shape: Shape): void {
    flow.shape = shape;
    flow.route.share.costs = shape.costs;
    flow.route.share.turns = shape.turns;
    this.#markDirty();
  }

  #idle(flow: Flow): void {
    const { place } = flow;
    if (place < 0) {
      return;
    }
    const last = this.#running.pop()!;
    const lastShare = this.#shares.pop()!;
    if (last !== flow) {
      this.#running[place] = last;
      this.#shares[place] = lastShare;
      last.place = place;
    }
    flow.place = -1;
    flow.route.share.rate = 0;
    this.#queue.cancel(flow.timer);
    flow.timer = 0;
    this.#markDirty();
  }

  #markDirty(): void {
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.#queue.at(this.#queue.nowPs, this, EVENT.SHARE, 0);
    }
  }

  #share(): void {
    this.#isDirty = false;
    const { nowPs } = this.#queue;
    for (const flow of this.#running) {
      const { share } = flow.route;
      if (share.rate > 0 && nowPs > flow.clockPs) {
        const paidPs = Math.min(this.#debtOf(flow), nowPs - flow.clockPs);
        flow.debtPs -= paidPs;
        flow.left = Math.max(0, flow.left - share.rate * (nowPs - flow.clockPs - paidPs));
        flow.clockPs = nowPs;
      }
      flow.route.refresh(flow.shape!, this.#version);
    }
    this.#solver.solve(this.#shares);
    this.solutions++;
    for (const flow of this.#running) {
      flow.paidPs = flow.route.share.entries[flow.route.share.limiter]!.resource.stolenPs;
      this.#plan(flow);
    }
  }

  /** What control requests took from a flow at the stage that limits it, and it has not lost yet. */
  #debtOf(flow: Flow): number {
    const { stolenPs } = flow.route.share.entries[flow.route.share.limiter]!.resource;
    const debt = Math.min(stolenPs - flow.paidPs, flow.debtPs);
    flow.paidPs = stolenPs;
    return debt;
  }

  #plan(flow: Flow): void {
    this.#queue.cancel(flow.timer);
    const endPs = flow.clockPs + flow.left / flow.route.share.rate;
    flow.timer = this.#queue.timer(Math.max(0, endPs - this.#queue.nowPs), this, EVENT.SERVED, flow.index);
  }

  #served(flow: Flow): void {
    flow.timer = 0;
    const debtPs = this.#debtOf(flow);
    if (debtPs > 0) {
      flow.debtPs -= debtPs;
      flow.clockPs += debtPs;
      this.#plan(flow);
      return;
    }
    const { share } = flow.route;
    const endPs = flow.clockPs + flow.left / share.rate;
    const slot = flow.pop();
    const shape = this.#requests.shapes[slot]!;
    this.#ledger.charge(shape);
    this.#ledger.keepBusy(shape, 1 - flow.countedPart);
    flow.window?.push(flow.startedPs, endPs, shape.units, flow.waitPs);
    this.#stalls.count(flow, shape, endPs);
    this.#trace(slot, shape, flow.startedPs, endPs);
    this.#finish(flow, shape, slot, endPs);
    flow.served += shape.units;
    this.#next(flow, endPs);
  }

  /** Service has ended; what the idle path takes besides is still to come. */
  #finish(flow: Flow, shape: Shape, slot: number, endPs: number): void {
    const { path } = flow.route;
    const servicePs = shape.units * shape.unitPs;
    const lastPs = endPs + Math.max(0, this.#tailPs(flow, shape)) + flow.waitPs;
    if (path.isWrite) {
      const arrivedPs = Math.max(lastPs, flow.lastArrivedPs);
      flow.lastArrivedPs = arrivedPs;
      this.#at(
        Math.min(endPs + Math.max(0, shape.requestTimes.takenPs - servicePs), arrivedPs),
        EVENT.TAKEN,
        slot,
      );
      this.#at(arrivedPs, EVENT.ARRIVED, slot);
    } else {
      this.#at(Math.max(endPs, lastPs - shape.backPs), EVENT.ARRIVED, slot);
      this.#at(lastPs, EVENT.COMPLETED, slot);
    }
  }

  /**
   * From the end of a request's service to its last progress.
   *
   * Where tags limit, units do not go one by one: as many as there are tags go at once and come back at once. The service
   * gives each its part of the round trip; unit m of such a round is at the requester a round trip after the round began,
   * behind the m before it.
   */
  #tailPs(flow: Flow, shape: Shape): number {
    const { slots } = flow.route.share;
    if (slots === Number.POSITIVE_INFINITY) {
      return shape.idlePs - shape.units * shape.unitPs;
    }
    const place = (flow.served + shape.units - 1) % slots;
    return (
      flow.route.path.request.delayPs +
      shape.roundTripPs * (1 - (place + 1) / slots) +
      place * shape.unitPs +
      (shape.backPs - shape.unitBackPs)
    );
  }

  #arrived(slot: number): void {
    const { path } = this.#requests.flows[slot]!.route;
    if (!path.isWrite) {
      this.#requests.tell(slot, PROGRESS.ARRIVED);
      return;
    }
    const isStrict = path.limits.waitsForPosted && !this.#requests.isControl[slot];
    this.#end(slot, PROGRESS.ARRIVED);
    if (isStrict) {
      const strict = this.#strictOf(path.source);
      const { nowPs } = this.#queue;
      strict.isBusy = false;
      while (strict.waiting.length > 0 && !strict.isBusy) {
        const flow = strict.waiting.shift()!;
        this.#stalls.countOrder(path.source, nowPs - flow.waitingSincePs);
        flow.waitingSincePs = -1;
        // It has been waiting at its pins.
        this.#next(flow, nowPs - flow.route.path.request.delayPs);
      }
    }
  }

  #end(slot: number, progress: number): void {
    if (this.#requests.isControl[slot]) {
      this.#ledger.charge(this.#requests.shapes[slot]!);
      this.#ledger.keepBusy(this.#requests.shapes[slot]!, 1);
    }
    this.#requests.end(slot, progress);
  }

  #strictOf(source: number): StrictSource {
    let strict = this.#strict.get(source);
    if (strict === undefined) {
      strict = { isBusy: false, waiting: [] };
      this.#strict.set(source, strict);
    }
    return strict;
  }

  // Traces

  #trace(slot: number, shape: Shape, startPs: number, endPs: number): void {
    if (this.listener !== null) {
      const { path } = this.#requests.flows[slot]!.route;
      const addr = this.#requests.addrs[slot]!;
      traceRequest(this.listener, path, shape, this.#requests.nameOf(slot), addr, startPs, endPs);
    }
  }
}

/** Whether units cost the same, so that shares stay what they are. */
function isAlike(a: Shape, b: Shape): boolean {
  for (let e = 0; e < a.costs.length; e++) {
    if (Math.abs(a.costs[e]! - b.costs[e]!) > 1e-9 * b.costs[e]!) {
      return false;
    }
  }
  return true;
}
