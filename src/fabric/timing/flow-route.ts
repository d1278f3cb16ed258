/** A path as the flow engine sees it: the resources it crosses, where it stands in their trees, shapes of its requests. */

import {
  classOf,
  makeShape,
  type Shape,
  type Train,
  timeShape,
  trainCreditPart,
  trainCreditPs,
  trainOccupancyPs,
} from './flow-shape.ts';
import { Resource, type ShareEntry, ShareFlow } from './flow-share.ts';
import type { Gate, Leg, TimedPath } from './path.ts';
import type { ShareNode } from './share-tree.ts';
import type { Stage } from './stage.ts';

/** Shapes kept for a path; workloads with more lengths and alignments work them out again. */
const SHAPES_MAX = 256;

// Keys of a place in a tree: which stage, which flow.
const STAGE_KEY = 0;
const FLOW_KEY = 1;

/** All resources of the machine, made when a path first crosses them. */
export class ResourceTable {
  readonly #stages: Resource[] = [];
  readonly #credits: Resource[] = [];
  readonly #tags = new Map<number, Resource>();
  readonly #gates = new Map<Gate, Resource>();
  readonly isWeighted: boolean;
  #flows = 0;

  constructor(isWeighted: boolean) {
    this.isWeighted = isWeighted;
  }

  stage(stage: Stage): Resource {
    let resource = this.#stages[stage.id];
    if (resource === undefined) {
      resource = new Resource('stage', stage);
      this.#stages[stage.id] = resource;
    }
    return resource;
  }

  credits(stage: Stage, packetClass: number): Resource {
    const index = stage.id * 3 + packetClass;
    let resource = this.#credits[index];
    if (resource === undefined) {
      resource = new Resource('credits', stage);
      this.#credits[index] = resource;
    }
    return resource;
  }

  tags(source: number, tags: number): Resource {
    let resource = this.#tags.get(source);
    if (resource === undefined) {
      resource = new Resource('slots', null, tags);
      this.#tags.set(source, resource);
    }
    return resource;
  }

  gate(gate: Gate): Resource {
    let resource = this.#gates.get(gate);
    if (resource === undefined) {
      resource = new Resource('slots', null, gate.requestsMax);
      this.#gates.set(gate, resource);
    }
    return resource;
  }

  nextFlow(): number {
    return this.#flows++;
  }
}

/** Entries of one leg, by stage; -1 where there is none. */
interface LegEntries {
  readonly occupancy: number[];
  readonly credits: number[];
  readonly acks: number[];
}

function hasCredits(stage: Stage, packetClass: number): boolean {
  const { credits } = stage;
  return (
    credits !== null &&
    (credits.headers[packetClass]! < Number.POSITIVE_INFINITY ||
      credits.data[packetClass]! < Number.POSITIVE_INFINITY)
  );
}

export class Route {
  readonly path: TimedPath;
  readonly share: ShareFlow;
  readonly #tagEntry: number;
  readonly #gateEntry: number;
  readonly #request: LegEntries;
  readonly #completion: LegEntries | null;
  readonly #shapes = new Map<number, Shape>();
  #lastShape: Shape | null = null;

  constructor(path: TimedPath, table: ResourceTable) {
    this.path = path;
    const draft = new RouteDraft(path, table);
    this.#request = draft.addLeg(path.request, 0);
    this.#completion = path.completion === null ? null : draft.addLeg(path.completion, 1);
    const { tags } = path.limits;
    // What a function reads of its own memory is no request: it leaves nothing and needs no tag.
    const isRequest = !path.isWrite && path.request.stages.length > 0;
    this.#tagEntry =
      isRequest && tags < Number.POSITIVE_INFINITY ? draft.addSlots(table.tags(path.source, tags)) : -1;
    this.#gateEntry = isRequest && path.gate !== null ? draft.addSlots(table.gate(path.gate)) : -1;
    this.share = new ShareFlow(draft.entries, draft.flow);
  }

  /** The shape of a request, its costs those of the stages' rates at `version`. */
  shapeOf(addr: number, lengthBytes: number, version: number): Shape {
    const { requestBytes } = this.path;
    const offset = requestBytes === Number.POSITIVE_INFINITY ? 0 : addr % requestBytes;
    let shape = this.#lastShape;
    if (shape === null || shape.lengthBytes !== lengthBytes || shape.offset !== offset) {
      // Keys of very long requests may fall together, which only costs the work.
      const key = lengthBytes * 8192 + offset;
      shape = this.#shapes.get(key) ?? null;
      if (shape === null || shape.lengthBytes !== lengthBytes || shape.offset !== offset) {
        if (this.#shapes.size >= SHAPES_MAX) {
          this.#shapes.clear();
        }
        shape = makeShape(this.path, addr, lengthBytes, this.share.entries.length);
        this.#shapes.set(key, shape);
      }
      this.#lastShape = shape;
    }
    this.refresh(shape, version);
    return shape;
  }

  /** Brings costs and times up to the stages' rates at `version`. */
  refresh(shape: Shape, version: number): void {
    if (shape.version === version) {
      return;
    }
    shape.version = version;
    timeShape(shape, this.path);
    const { costs, turns } = shape;
    costs.fill(0);
    turns.fill(0);
    shape.unitPs = 0;
    this.#charge(shape, shape.request, this.#request, classOf(this.path, false));
    if (shape.completion !== null) {
      this.#charge(shape, shape.completion, this.#completion!, classOf(this.path, true));
    }
    if (this.#tagEntry >= 0) {
      costs[this.#tagEntry] = shape.roundTripPs / this.path.limits.tags;
      turns[this.#tagEntry] = 1;
    }
    if (this.#gateEntry >= 0) {
      costs[this.#gateEntry] = shape.roundTripPs / this.path.gate!.requestsMax;
      turns[this.#gateEntry] = 1;
    }
    for (let e = 0; e < costs.length; e++) {
      if (this.share.entries[e]!.resource.kind === 'stage') {
        shape.unitPs = Math.max(shape.unitPs, costs[e]!);
      }
    }
  }

  /** How many units may be under way as far as the place of translation, and how long each is on an idle path. */
  placesOf(shape: Shape): { readonly places: number; readonly loopPs: number } {
    if (this.#tagEntry >= 0) {
      return { places: this.share.parts[this.#tagEntry]!, loopPs: shape.roundTripPs };
    }
    const before = this.path.translationAt - 1;
    const credits = before < 0 ? -1 : this.#request.credits[before]!;
    if (credits < 0) {
      return { places: Number.POSITIVE_INFINITY, loopPs: 0 };
    }
    const part = trainCreditPart(shape.request, before, classOf(this.path, false)) / shape.units;
    return { places: 1 / part, loopPs: shape.costs[credits]! / part };
  }

  #charge(shape: Shape, train: Train, entries: LegEntries, packetClass: number): void {
    const { costs, turns, units } = shape;
    for (let j = 0; j < train.leg.stages.length; j++) {
      const stage = train.leg.stages[j]!;
      const own = entries.occupancy[j]!;
      costs[own]! += trainOccupancyPs(train, j) / units;
      turns[own]! += train.packets / units;
      const credits = entries.credits[j]!;
      if (credits >= 0) {
        costs[credits]! += trainCreditPs(train, j, packetClass) / units;
        turns[credits]! += train.packets / units;
      }
      const acks = entries.acks[j]!;
      if (acks >= 0) {
        const backBytes = (train.wireBytes[j]! / stage.ackEveryBytes) * stage.ackBytes;
        costs[acks]! += (backBytes * stage.reverse!.occupancyPsPerByte) / units;
      }
    }
  }
}

/** Collects the entries of a route; one for each resource, however often the path crosses it. */
class RouteDraft {
  readonly entries: ShareEntry[] = [];
  readonly #path: TimedPath;
  readonly #table: ResourceTable;
  readonly flow: number;
  readonly #indexes = new Map<Resource, number>();

  constructor(path: TimedPath, table: ResourceTable) {
    this.#path = path;
    this.#table = table;
    this.flow = table.nextFlow() * 2 + FLOW_KEY;
  }

  addLeg(leg: Leg, legIndex: number): LegEntries {
    const packetClass = classOf(this.#path, legIndex === 1);
    const made: LegEntries = { occupancy: [], credits: [], acks: [] };
    for (const [position, stage] of leg.stages.entries()) {
      const own = this.#table.stage(stage);
      made.occupancy.push(this.#add(own, this.#leaf(own, leg, position), made.occupancy[position - 1]));
      const credits = hasCredits(stage, packetClass) ? this.#table.credits(stage, packetClass) : null;
      made.credits.push(credits === null ? -1 : this.#add(credits, this.#leaf(credits, leg, position)));
      const hasAcks = stage.reverse !== null && stage.ackEveryBytes < Number.POSITIVE_INFINITY;
      made.acks.push(hasAcks ? this.#add(this.#table.stage(stage.reverse!), null) : -1);
    }
    return made;
  }

  addSlots(resource: Resource): number {
    return this.#add(resource, resource.root.child(this.flow, 1));
  }

  #add(resource: Resource, leaf: ShareNode | null, before = -1): number {
    let index = this.#indexes.get(resource);
    if (index === undefined) {
      index = this.entries.length;
      this.#indexes.set(resource, index);
      this.entries.push({ resource, leaf, before });
    } else if (this.entries[index]!.leaf === null && leaf !== null) {
      this.entries[index] = { resource, leaf, before };
    }
    return index;
  }

  /** Back through the stages before it to the lane: each path has one, requests and completions alike. */
  #leaf(resource: Resource, leg: Leg, position: number): ShareNode {
    let node = resource.root;
    for (let i = position - 1; i >= 0; i--) {
      const stage = leg.stages[i]!;
      node = node.child(stage.id * 2 + STAGE_KEY, this.#table.isWeighted ? stage.weight : 1);
    }
    return node.child(this.flow, 1);
  }
}
