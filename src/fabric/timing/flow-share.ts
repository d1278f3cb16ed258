/**
 * Who gets what of the stages: max-min shares of flows, as round robin over ingresses gives them packet by packet.
 *
 * A flow moves in units (packets of its requests). At each resource it crosses it has a cost (picoseconds of occupancy a unit),
 * a number of turns (packets a unit that are arbitrated there), and a place in a tree: an arbiter gives each ingress the same
 * packet rate; among those who come through the same ingress the arbiter behind it has decided the same way, and so on back to
 * the sources. Filling one resource raises all its flows at once, each by the product of its shares down the tree divided by its
 * turns, and takes a flow out where it gets all it can use, so that its neighbours in the tree, and then theirs, have its part.
 *
 * Who is slow further on is in nobody's way: each path has a queue of its own at each stage. Tags of a source are divided evenly
 * among its readers, so they are a limit of each by itself; only what is waited for while they are held depends on others
 * (`flow-wait.ts`).
 *
 * Over all resources this is a fixed point: what a flow can use at one is the least of what the others offer it. Each round
 * fills every contested resource in order with the offers of that moment (Charny's distributed max-min); rounds end when no
 * rate moves; where they never rest, after `ROUNDS`, the mean of the last ones counts. A last pass scales down whoever crosses a resource that is still a little too full, so that occupancies never exceed
 * the capacity. The order is fixed, hence the result too.
 */
import { assert } from '../../base/index.ts';
import { updateWaits } from './flow-wait.ts';
import { enter, leave, ShareNode, shareOf } from './share-tree.ts';
import { partOf } from './slot-parts.ts';
import type { Stage } from './stage.ts';

/** Times that waits and rates are worked out from each other. */
const WAIT_STEPS = 4;
const ROUNDS = 60;
/** Rounds that are asked to be exact, and to go the whole way. */
const EXACT_ROUNDS = 12;
/** Rates that move by less than this part are at rest; afterwards, ties are allowed to swing by so much. */
const REST_EXACT = 1e-9;
const REST_LATE = 1e-5;
/** Where rates never rest, the mean of the rounds after this one counts. */
const MEAN_FROM = 30;
/** Units a picosecond of a flow that nothing limits. */
const RATE_MAX = 1e6;
/** Acknowledgements never take more of a stage than this part. */
const PREEMPTED_MAX = 0.9;

/** `slots` are what reads hold from request to completion: tags of a source, places of a gate. */
export type ResourceKind = 'stage' | 'credits' | 'slots';

/** Something with a capacity of one picosecond a picosecond: a stage, its credits of a class, tags. */
export class Resource {
  /** Null for slots. */
  readonly stage: Stage | null;
  readonly kind: ResourceKind;
  readonly root = new ShareNode(null, 1);
  /** Control requests have taken this much; whoever is limited here loses it. Stages only. */
  stolenPs = 0;

  // Scratch of a solution.
  round = 0;
  step = 0;
  load = 0;
  isContested = false;
  readonly flows: ShareFlow[] = [];
  readonly entries: number[] = [];

  /** Slots there are. */
  readonly slots: number;

  constructor(kind: ResourceKind, stage: Stage | null, slots = 0) {
    this.kind = kind;
    this.stage = stage;
    this.slots = slots;
  }
}

/** One crossing of a flow and a resource. */
export interface ShareEntry {
  readonly resource: Resource;
  /** Null: takes capacity and is not arbitrated (acknowledgements). */
  readonly leaf: ShareNode | null;
  /** Entry of the stage before it; -1: none. */
  readonly before: number;
}

export class ShareFlow {
  readonly entries: readonly ShareEntry[];
  /** By entry: picoseconds a unit, and arbitrated packets a unit. */
  costs: Float64Array;
  turns: Float64Array;
  /** Units a picosecond. */
  rate = 0;
  /** The entry that limits it. */
  limiter = 0;

  readonly hasSlots: boolean;
  /** What a unit waits in queues, beyond its round trip alone. */
  waitPs = 0;
  /** Slots that it may have where those limit it; Infinity: others do. */
  slots = Number.POSITIVE_INFINITY;

  // Scratch of a solution.
  sum = 0;
  /** By entry: its part of slots. */
  readonly parts: Float64Array;
  alone = 0;
  aloneEntry = 0;
  readonly offers: Float64Array;
  demand = 0;
  level = 0;
  speed = 0;
  /** Height of the water at which it was taken out; below zero: still growing. */
  outAt = 0;

  /** Its place among those who share slots. */
  readonly order: number;

  constructor(entries: readonly ShareEntry[], order = 0) {
    this.order = order;
    this.hasSlots = entries.some(({ resource }) => resource.kind === 'slots');
    this.parts = new Float64Array(entries.length);
    this.entries = entries;
    this.costs = new Float64Array(entries.length);
    this.turns = new Float64Array(entries.length);
    this.offers = new Float64Array(entries.length);
  }
}

/** The least offer but that of entry `except`; -1: of all. */
function leastOffer(flow: ShareFlow, except: number): number {
  let least = flow.alone;
  for (let e = 0; e < flow.offers.length; e++) {
    if (e !== except && flow.offers[e]! < least) {
      least = flow.offers[e]!;
    }
  }
  return least;
}

/** What a flow could have if it were alone, but for its part of slots. */
function findAlone(flow: ShareFlow): void {
  let most = 1 / RATE_MAX;
  flow.aloneEntry = 0;
  for (let e = 0; e < flow.entries.length; e++) {
    const { kind, slots } = flow.entries[e]!.resource;
    const cost = kind === 'slots' ? (flow.costs[e]! * slots + flow.waitPs) / flow.parts[e]! : flow.costs[e]!;
    if (cost > most) {
      most = cost;
      flow.aloneEntry = e;
    }
  }
  flow.alone = 1 / most;
}

function findLimiter(flow: ShareFlow): void {
  flow.limiter = flow.aloneEntry;
  flow.rate = flow.alone;
  for (let e = 0; e < flow.offers.length; e++) {
    if (flow.offers[e]! < flow.rate) {
      flow.rate = flow.offers[e]!;
      flow.limiter = e;
    }
  }
}

export class ShareSolver {
  #round = 0;
  #step = 0;
  readonly #contested: Resource[] = [];
  /** Rounds of the last solution, for tests. */
  rounds = 0;

  /** Sets `rate` and `limiter` of all flows; flows not named here take nothing. */
  solve(flows: readonly ShareFlow[]): void {
    this.#collect(flows);
    this.rounds = 0;
    this.#fillAll(flows);
    for (let step = 0; step < WAIT_STEPS && updateWaits(flows, ++this.#step); step++) {
      for (const flow of flows) {
        findAlone(flow);
      }
      this.rounds = 0;
      this.#fillAll(flows);
    }
    this.#trim(flows);
    for (const flow of flows) {
      const isSlots = flow.entries[flow.limiter]!.resource.kind === 'slots';
      flow.slots = isSlots ? flow.parts[flow.limiter]! : Number.POSITIVE_INFINITY;
    }
  }

  #fillAll(flows: readonly ShareFlow[]): void {
    let isMoving = this.#contested.length > 0;
    while (isMoving && this.rounds < ROUNDS) {
      this.rounds++;
      const isEarly = this.rounds <= EXACT_ROUNDS;
      const rest = isEarly ? REST_EXACT : REST_LATE;
      isMoving = this.#fillOnce(flows, isEarly ? 1 : 0.5) > rest;
      for (const flow of flows) {
        flow.sum = this.rounds > MEAN_FROM ? flow.sum + flow.rate : 0;
      }
    }
    if (isMoving) {
      for (const flow of flows) {
        flow.rate = flow.sum / (ROUNDS - MEAN_FROM);
      }
    }
  }

  /** @returns the largest change of a rate, as a part of it */
  #fillOnce(flows: readonly ShareFlow[], step: number): number {
    for (const resource of this.#contested) {
      this.#fill(resource, step);
    }
    let most = 0;
    for (const flow of flows) {
      const before = flow.rate;
      findLimiter(flow);
      most = Math.max(most, Math.abs(flow.rate - before) / before);
    }
    return most;
  }

  /** Which resources can be too small, and what each flow could have by itself. */
  #collect(flows: readonly ShareFlow[]): void {
    this.#round++;
    this.#contested.length = 0;
    this.#divideSlots(flows);
    for (const flow of flows) {
      flow.waitPs = 0;
      findAlone(flow);
      flow.rate = flow.alone;
      flow.limiter = flow.aloneEntry;
      flow.offers.fill(Number.POSITIVE_INFINITY);
      for (let e = 0; e < flow.entries.length; e++) {
        if (flow.costs[e]! > 0 && flow.entries[e]!.resource.kind !== 'slots') {
          this.#enter(flow, e);
        }
      }
    }
  }

  #begin(resource: Resource): void {
    if (resource.round !== this.#round) {
      resource.round = this.#round;
      resource.load = 0;
      resource.isContested = false;
      resource.flows.length = 0;
      resource.entries.length = 0;
    }
  }

  #enter(flow: ShareFlow, e: number): void {
    const { resource } = flow.entries[e]!;
    this.#begin(resource);
    resource.load += flow.costs[e]! * flow.alone;
    resource.flows.push(flow);
    resource.entries.push(e);
    const canBind = resource.kind !== 'stage' || resource.load > 1 + 1e-12;
    if (!resource.isContested && canBind && resource.flows.length > 1) {
      resource.isContested = true;
      this.#contested.push(resource);
    }
  }

  /** An even part of the tags for each who reads; they only meet where there are more of them than tags. */
  #divideSlots(flows: readonly ShareFlow[]): void {
    for (const flow of flows) {
      for (let e = 0; e < flow.entries.length; e++) {
        const { resource } = flow.entries[e]!;
        if (resource.kind === 'slots') {
          this.#begin(resource);
          resource.flows.push(flow);
          resource.entries.push(e);
        }
      }
    }
    for (const flow of flows) {
      for (let e = 0; e < flow.entries.length; e++) {
        const { resource } = flow.entries[e]!;
        if (resource.kind === 'slots') {
          let place = 0;
          for (const other of resource.flows) {
            place += other.order < flow.order ? 1 : 0;
          }
          const { length } = resource.flows;
          flow.parts[e] = partOf(resource.slots, length, place);
          if (length > resource.slots && !resource.isContested) {
            resource.isContested = true;
            this.#contested.push(resource);
          }
        }
      }
    }
  }

  /** Fills one resource and writes down what it offers each of its flows. */
  #fill(resource: Resource, step: number): void {
    const { flows, entries } = resource;
    let preempted = 0;
    let growing = 0;
    for (let i = 0; i < flows.length; i++) {
      const flow = flows[i]!;
      const leaf = flow.entries[entries[i]!]!.leaf;
      if (leaf === null || flow.turns[entries[i]!] === 0) {
        flow.outAt = Number.POSITIVE_INFINITY;
        preempted += flow.costs[entries[i]!]! * leastOffer(flow, -1);
        continue;
      }
      flow.demand = leastOffer(flow, entries[i]!);
      flow.level = 0;
      flow.outAt = -1;
      enter(leaf);
      growing++;
    }
    let left = 1 - Math.min(preempted, PREEMPTED_MAX);
    let water = 0;
    while (growing > 0 && left > 0) {
      // Speeds first: they depend on who else still grows.
      let costRate = 0;
      let height = Number.POSITIVE_INFINITY;
      for (let i = 0; i < flows.length; i++) {
        const flow = flows[i]!;
        if (flow.outAt < 0) {
          const e = entries[i]!;
          flow.speed = shareOf(flow.entries[e]!.leaf!) / flow.turns[e]!;
          costRate += flow.speed * flow.costs[e]!;
          height = Math.min(height, (flow.demand - flow.level) / flow.speed);
        }
      }
      const isLast = left / costRate <= height;
      const rise = isLast ? left / costRate : height;
      water += rise;
      left = isLast ? 0 : left - rise * costRate;
      for (let i = 0; i < flows.length; i++) {
        const flow = flows[i]!;
        if (flow.outAt < 0) {
          const grown = flow.level + rise * flow.speed;
          if (!isLast && grown >= flow.demand * (1 - 1e-14)) {
            flow.level = flow.demand;
            flow.outAt = water;
            leave(flow.entries[entries[i]!]!.leaf!);
            growing--;
          } else {
            flow.level = grown;
          }
        }
      }
    }
    for (let i = 0; i < flows.length; i++) {
      const flow = flows[i]!;
      const e = entries[i]!;
      let offer = Number.POSITIVE_INFINITY;
      if (flow.outAt < 0) {
        offer = flow.level;
        leave(flow.entries[e]!.leaf!);
      } else if (flow.outAt < Number.POSITIVE_INFINITY) {
        // It has all it can use. Would it use more, it had this: the water above it, or what nobody took.
        const above = (water - flow.outAt) * flow.speed;
        offer = flow.level + Math.max(above, left / flow.costs[e]!);
      }
      const before = flow.offers[e]!;
      flow.offers[e] =
        step === 1 || before === Number.POSITIVE_INFINITY ? offer : before + (offer - before) * step;
    }
    assert(resource.root.live === 0, 'a flow was left in the tree of shares');
  }

  #trim(flows: readonly ShareFlow[]): void {
    for (const resource of this.#contested) {
      resource.load = 0;
      for (let i = 0; i < resource.flows.length; i++) {
        resource.load += resource.flows[i]!.costs[resource.entries[i]!]! * resource.flows[i]!.rate;
      }
    }
    for (const flow of flows) {
      let most = 1;
      for (const { resource } of flow.entries) {
        if (resource.round === this.#round && resource.isContested) {
          most = Math.max(most, resource.load);
        }
      }
      flow.rate /= most;
    }
  }
}
