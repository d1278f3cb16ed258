/**
 * Who gets what of the stages: max-min shares of flows, as round robin over ingresses gives them packet by packet.
 *
 * A flow moves in units (packets of its requests). At each resource it crosses it has a cost (picoseconds of occupancy a unit),
 * a number of turns (packets a unit that are arbitrated there), and a place in a tree: an arbiter gives each ingress the same
 * packet rate; among those who come through the same ingress the arbiter behind it has decided the same way, and so on back to
 * the sources. Filling one resource raises all its flows at once, each by the product of its shares down the tree divided by its
 * turns, and takes a flow out where it gets all it can use, so that its neighbours in the tree, and then theirs, have its part.
 *
 * A stage whose buffers behind it are finite stands still when they are full of a flow that is limited further on. Then nobody
 * gets more turns there than that flow: filling the credits of a stage stops where the first such flow has what it can use. The
 * tags of a source are given in turns as well: a read that is slow elsewhere ends up with most of them, and the others wait.
 *
 * Where reads take part, time spent in queues matters too, because tags and buffers are held for it: `flow-queue.ts`. There the
 * cost of credits and tags includes the waits of that moment, and nothing else has to be said about full buffers.
 *
 * Over all resources this is a fixed point: what a flow can use at one is the least of what the others offer it. Each round
 * fills every contested resource in order with the offers of that moment (Charny's distributed max-min); rounds end when no
 * rate moves. With full buffers a few machines in a thousand never rest; there, after `ROUNDS`, the mean of the last ones
 * counts. A last pass scales down whoever crosses a resource that is still a little too full, so that occupancies never exceed
 * the capacity. The order is fixed, hence the result too.
 */
import { assert } from '../../base/index.ts';
import type { Crossing, WaitQueue } from './flow-queue.ts';
import { CLASS, type Stage } from './stage.ts';

const ROUNDS = 60;
/** Rounds that are asked to be exact, and to go the whole way. */
const EXACT_ROUNDS = 12;
/** Rates that move by less than this part are at rest; afterwards, ties are allowed to swing by so much. */
const REST_EXACT = 1e-9;
const REST_LATE = 1e-5;
/** Where rates never rest, the mean of the rounds after this one counts. */
const MEAN_FROM = 30;
/** Rounds of shares and waits together, and when they are at rest. */
const BALANCE_ROUNDS = 500;
const BALANCED = 1e-5;
/** Steps of waits get shorter from a round on: what each queue lets through depends on the others. */
const GAIN = 0.1;
const GAIN_ROUNDS = 300;
/** Where shares and waits never rest, the mean of the rounds after this one counts. */
const BALANCE_MEAN_FROM = 375;
/** Levels this near to each other are the same, where buffers are full. */
const TIE = 1e-3;
/** Buffers that fill by less than this part in a loop of credits (400 ns) take longer than a flow is looked at (1 ms). */
const FILLED_A_LOOP = 4e-4;
/** Shorter waits are not named as what limits a flow. */
const NAMED_FROM_PS = 100_000;
/** Units a picosecond of a flow that nothing limits. */
const RATE_MAX = 1e6;
/** Acknowledgements never take more of a stage than this part. */
const PREEMPTED_MAX = 0.9;

/** A place in the tree of ingresses of a resource. */
export class ShareNode {
  readonly parent: ShareNode | null;
  /** Its part of the turns beside its siblings. */
  readonly weight: number;
  readonly #children = new Map<number, ShareNode>();
  /** Children with a flow that can still grow, and their weight together. Scratch. */
  live = 0;
  liveWeight = 0;

  constructor(parent: ShareNode | null, weight: number) {
    this.parent = parent;
    this.weight = weight;
  }

  child(key: number, weight: number): ShareNode {
    let node = this.#children.get(key);
    if (node === undefined) {
      node = new ShareNode(this, weight);
      this.#children.set(key, node);
    }
    return node;
  }
}

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
  load = 0;
  isContested = false;
  readonly flows: ShareFlow[] = [];
  readonly entries: number[] = [];

  constructor(kind: ResourceKind, stage: Stage | null) {
    this.kind = kind;
    this.stage = stage;
  }
}

/** One crossing of a flow and a resource. */
export interface ShareEntry {
  readonly resource: Resource;
  /** Null: takes capacity and is not arbitrated (acknowledgements). */
  readonly leaf: ShareNode | null;
  /** Which leg, and which stage of it; -1: of none. */
  readonly leg: number;
  readonly position: number;
  /** Of credits: the last position from which a queue grows back to here, because buffers on the way are finite. */
  readonly reach: number;
}

export class ShareFlow {
  readonly entries: readonly ShareEntry[];
  /** By entry: picoseconds a unit, and arbitrated packets a unit. */
  costs: Float64Array;
  turns: Float64Array;
  /** By entry of credits and slots: the part of all of them that a unit keeps. */
  holds: Float64Array;
  readonly crossings: readonly Crossing[];
  /** Units a picosecond. */
  rate = 0;
  /** The entry that limits it. */
  limiter = 0;

  // Scratch of a solution.
  sum = 0;
  /** Costs with the time in queues. */
  readonly loaded: Float64Array;
  alone = 0;
  aloneEntry = 0;
  readonly offers: Float64Array;
  demand = 0;
  level = 0;
  speed = 0;
  /** Height of the water at which it was taken out; below zero: still growing. */
  outAt = 0;

  constructor(entries: readonly ShareEntry[], crossings: readonly Crossing[] = []) {
    this.entries = entries;
    this.crossings = crossings;
    this.holds = new Float64Array(entries.length);
    this.loaded = new Float64Array(entries.length);
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

/** Whether a flow, limited as it is but for entry `e`, fills the buffers behind the stage of that entry. */
function isStalledAt(flow: ShareFlow, e: number): boolean {
  const entry = flow.entries[e]!;
  if (entry.resource.kind !== 'credits') {
    // Whatever limits a read elsewhere, in the end it holds all tags it can get.
    return entry.resource.kind === 'slots';
  }
  let least = flow.alone;
  let at = flow.aloneEntry;
  for (let i = 0; i < flow.offers.length; i++) {
    if (i !== e && flow.offers[i]! < least) {
      least = flow.offers[i]!;
      at = i;
    }
  }
  const limiter = flow.entries[at]!;
  return (
    limiter.leg === entry.leg &&
    limiter.position > entry.position &&
    limiter.position <= entry.reach &&
    fillsBuffers(flow, e, least)
  );
}

/**
 * Whether so much more of a flow comes through the stages before entry `e` than goes on behind it that buffers fill. The cost of
 * credits is what a loop takes, over what the buffers hold; so many of what is too much a loop are a part of the buffers.
 */
function fillsBuffers(flow: ShareFlow, e: number, rate: number): boolean {
  const entry = flow.entries[e]!;
  let comes = Number.POSITIVE_INFINITY;
  for (let i = 0; i < flow.entries.length; i++) {
    const { leg, position, resource } = flow.entries[i]!;
    if (leg === entry.leg && position < entry.position && resource.kind === 'stage') {
      comes = Math.min(comes, flow.offers[i]!, 1 / flow.costs[i]!);
    }
  }
  return (comes - rate) * flow.costs[e]! > FILLED_A_LOOP;
}

function enter(leaf: ShareNode): void {
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    node.live++;
    node.liveWeight += weight;
    if (node.live > 1) {
      return;
    }
    weight = node.weight;
  }
}

function leave(leaf: ShareNode): void {
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    node.live--;
    // Exactly nothing when nobody is left, whatever fractions the weights have.
    node.liveWeight = node.live === 0 ? 0 : node.liveWeight - weight;
    if (node.live > 0) {
      return;
    }
    weight = node.weight;
  }
}

function shareOf(leaf: ShareNode): number {
  let share = 1;
  let { weight } = leaf;
  for (let node = leaf.parent; node !== null; node = node.parent) {
    share *= weight / node.liveWeight;
    weight = node.weight;
  }
  return share;
}

/** Costs with the waits of this moment. */
function load(flow: ShareFlow): void {
  const { loaded, holds, costs, entries } = flow;
  loaded.set(costs);
  let all = 0;
  for (const { queue, packetClass, buffers } of flow.crossings) {
    const wait = queue.waitOf(packetClass);
    all += wait;
    if (buffers >= 0) {
      loaded[buffers]! += holds[buffers]! * wait;
    }
  }
  let most = 1 / RATE_MAX;
  for (let e = 0; e < entries.length; e++) {
    if (entries[e]!.resource.kind === 'slots') {
      loaded[e]! += holds[e]! * all;
    }
    if (loaded[e]! > most) {
      most = loaded[e]!;
      flow.aloneEntry = e;
    }
  }
  flow.alone = 1 / most;
}

/** Who waits in a queue is limited by the stage behind it, whatever it is that is used up meanwhile. */
function nameQueue(flow: ShareFlow): void {
  let longest = 0;
  const { kind } = flow.entries[flow.limiter]!.resource;
  for (const { queue, packetClass, stage } of flow.crossings) {
    const wait = queue.waitOf(packetClass);
    if (kind !== 'stage' && wait > longest && wait > NAMED_FROM_PS) {
      longest = wait;
      flow.limiter = stage;
    }
  }
}

export class ShareSolver {
  #round = 0;
  readonly #contested: Resource[] = [];
  readonly #queues: WaitQueue[] = [];
  #queueRound = 0;
  /** Queues have waits, and credits and tags are taken for as long as those are. */
  #isQueueing = false;
  /** Rounds of the last solution, for tests. */
  rounds = 0;

  /** Sets `rate` and `limiter` of all flows; flows not named here take nothing. */
  solve(flows: readonly ShareFlow[]): void {
    for (const flow of flows) {
      flow.loaded.set(flow.costs);
    }
    this.#collect(flows);
    this.rounds = 0;
    this.#isQueueing =
      this.#contested.length > 0 &&
      flows.some((flow) => flow.entries.some(({ resource }) => resource.kind === 'slots'));
    if (this.#isQueueing) {
      this.#balance(flows);
    } else {
      this.#fillAll(flows);
    }
    this.#trim(flows);
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

  /** Shares and waits at once; see `flow-queue.ts`. */
  #balance(flows: readonly ShareFlow[]): void {
    for (const flow of flows) {
      for (const { queue } of flow.crossings) {
        queue.waitsPs.fill(0);
      }
    }
    let moved = 1;
    while (this.rounds < BALANCE_ROUNDS && moved > BALANCED) {
      this.rounds++;
      moved = this.#fillOnce(flows, 1);
      moved = Math.max(moved, this.#fillOnce(flows, 1));
      moved = Math.max(moved, this.#wait(flows, Math.min(GAIN, (GAIN * GAIN_ROUNDS) / this.rounds)));
      for (const flow of flows) {
        load(flow);
        flow.sum = this.rounds > BALANCE_MEAN_FROM ? flow.sum + flow.rate : 0;
      }
    }
    for (const flow of flows) {
      if (moved > BALANCED) {
        flow.rate = flow.sum / (BALANCE_ROUNDS - BALANCE_MEAN_FROM);
      }
      nameQueue(flow);
    }
  }

  /** One step of all queues. */
  #wait(flows: readonly ShareFlow[], gain: number): number {
    this.#queues.length = 0;
    const round = ++this.#queueRound;
    for (const resource of this.#contested) {
      resource.load = 0;
    }
    for (const flow of flows) {
      for (let e = 0; e < flow.entries.length; e++) {
        const { resource } = flow.entries[e]!;
        if (resource.isContested && resource.round === this.#round) {
          resource.load += flow.loaded[e]! * flow.rate;
        }
      }
    }
    for (const flow of flows) {
      for (const crossing of flow.crossings) {
        const { queue } = crossing;
        if (queue.round !== round) {
          queue.begin(round);
          this.#queues.push(queue);
        }
        if (crossing.packetClass === CLASS.POSTED && crossing.buffers < 0) {
          // Nothing makes its sender wait: the queue has no end.
          continue;
        }
        this.#ask(flow, crossing, CLASS.POSTED);
        if (crossing.credits >= 0 && crossing.packetClass !== CLASS.POSTED) {
          this.#ask(flow, crossing, crossing.packetClass);
        }
      }
    }
    let most = 0;
    for (const queue of this.#queues) {
      most = Math.max(most, queue.step(gain));
    }
    return most;
  }

  /** What a flow could send through a queue if it were not held back there, and what it may. */
  #ask(flow: ShareFlow, { queue, packetClass, stage, credits, buffers }: Crossing, held: number): void {
    const withCredits = held === packetClass && credits >= 0;
    const withStage = held === CLASS.POSTED;
    let could = Number.POSITIVE_INFINITY;
    let at = -1;
    const { leg, position } = flow.entries[stage]!;
    const reach = credits < 0 ? position : flow.entries[credits]!.reach;
    for (let e = 0; e < flow.entries.length; e++) {
      const entry = flow.entries[e]!;
      // What limits it further on does so by tags that wait there, and by credits here once those are used up.
      const isBehind = entry.leg === leg && entry.position > position && entry.position <= reach;
      if (e === stage || e === credits || isBehind || flow.loaded[e] === 0) {
        continue;
      }
      const offer = Math.min(flow.offers[e]!, 1 / flow.loaded[e]!);
      if (offer < could) {
        could = offer;
        at = e;
      }
    }
    // The other of the two holds it back as much as anything else.
    if (!withStage) {
      could = Math.min(could, flow.offers[stage]!, 1 / flow.loaded[stage]!);
    }
    if (!withCredits && credits >= 0) {
      could = Math.min(could, flow.offers[credits]!, 1 / flow.loaded[credits]!);
    }
    let may = could;
    let left = Number.POSITIVE_INFINITY;
    const cost = flow.costs[stage]!;
    if (withStage) {
      may = Math.min(may, flow.offers[stage]!, 1 / flow.loaded[stage]!);
      const { resource } = flow.entries[stage]!;
      left =
        resource.isContested && resource.round === this.#round ? 1 - resource.load : 1 - cost * flow.rate;
    }
    if (withCredits) {
      may = Math.min(may, flow.offers[credits]!, 1 / flow.loaded[credits]!);
      const { resource } = flow.entries[credits]!;
      const free =
        resource.isContested && resource.round === this.#round
          ? 1 - resource.load
          : 1 - flow.loaded[credits]! * flow.rate;
      left = Math.min(left, (free / flow.loaded[credits]!) * cost);
    }
    queue.could[held]! += could * cost;
    queue.may[held]! += may * cost;
    queue.left[held] = Math.min(queue.left[held]!, left);
    if (at >= 0 && (at === buffers || flow.entries[at]!.resource.kind === 'slots')) {
      queue.slope[held]! += (could * cost * flow.holds[at]!) / flow.loaded[at]!;
    }
  }

  /** Which resources can be too small, and what each flow could have by itself. */
  #collect(flows: readonly ShareFlow[]): void {
    this.#round++;
    this.#contested.length = 0;
    for (const flow of flows) {
      let most = 1 / RATE_MAX;
      flow.aloneEntry = 0;
      for (let e = 0; e < flow.entries.length; e++) {
        if (flow.loaded[e]! > most) {
          most = flow.loaded[e]!;
          flow.aloneEntry = e;
        }
      }
      flow.alone = 1 / most;
      flow.rate = flow.alone;
      flow.limiter = flow.aloneEntry;
      flow.offers.fill(Number.POSITIVE_INFINITY);
      for (let e = 0; e < flow.entries.length; e++) {
        const cost = flow.loaded[e]!;
        if (cost === 0) {
          continue;
        }
        const { resource } = flow.entries[e]!;
        if (resource.round !== this.#round) {
          resource.round = this.#round;
          resource.load = 0;
          resource.isContested = false;
          resource.flows.length = 0;
          resource.entries.length = 0;
        }
        resource.load += cost * flow.alone;
        resource.flows.push(flow);
        resource.entries.push(e);
        const canBind = resource.kind !== 'stage' || resource.load > 1 + 1e-12;
        if (!resource.isContested && canBind && resource.flows.length > 1) {
          resource.isContested = true;
          this.#contested.push(resource);
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
        preempted += flow.loaded[entries[i]!]! * leastOffer(flow, -1);
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
    let isStopped = false;
    while (growing > 0 && left > 0 && !isStopped) {
      // Speeds first: they depend on who else still grows.
      let costRate = 0;
      let height = Number.POSITIVE_INFINITY;
      for (let i = 0; i < flows.length; i++) {
        const flow = flows[i]!;
        if (flow.outAt < 0) {
          const e = entries[i]!;
          flow.speed = shareOf(flow.entries[e]!.leaf!) / flow.turns[e]!;
          costRate += flow.speed * flow.loaded[e]!;
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
            isStopped ||= this.#isStalled(flow, entries[i]!);
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
        // Who has nearly what he can use is as much the reason as who was first: no swinging between two that are equal.
        const isReason = isStopped && flow.level >= flow.demand * (1 - TIE) && this.#isStalled(flow, e);
        offer = isReason ? Number.POSITIVE_INFINITY : flow.level;
        leave(flow.entries[e]!.leaf!);
      } else if (flow.outAt < Number.POSITIVE_INFINITY) {
        // It has all it can use. Would it use more, it had this: the water above it, or what nobody took.
        const above = (water - flow.outAt) * flow.speed;
        offer = flow.level + (isStopped ? above : Math.max(above, left / flow.loaded[e]!));
        if (isStopped && this.#isStalled(flow, e)) {
          offer = Number.POSITIVE_INFINITY;
        }
      }
      const before = flow.offers[e]!;
      flow.offers[e] =
        step === 1 || before === Number.POSITIVE_INFINITY ? offer : before + (offer - before) * step;
    }
    assert(resource.root.live === 0, 'a flow was left in the tree of shares');
  }

  /** With waits the cost of credits says how full they are. */
  #isStalled(flow: ShareFlow, e: number): boolean {
    return (!this.#isQueueing || flow.entries[e]!.resource.kind === 'slots') && isStalledAt(flow, e);
  }

  #trim(flows: readonly ShareFlow[]): void {
    for (const resource of this.#contested) {
      resource.load = 0;
      for (let i = 0; i < resource.flows.length; i++) {
        resource.load += resource.flows[i]!.loaded[resource.entries[i]!]! * resource.flows[i]!.rate;
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
