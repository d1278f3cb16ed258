/**
 * Max-min sharing by progressive filling: all flows grow together, each in proportion to its weight, until something is
 * full; who uses it stays as it is, the others go on.
 */

/** What one flow takes of one resource: units of the resource for one unit of the flow's rate. */
export interface ResourceUse {
  readonly resource: number;
  /** Above 0: wire bytes for a byte of payload, bytes of memory traffic for a byte ... */
  readonly load: number;
}

export interface Flow {
  /** The rate it asks for; Infinity: as much as there is. */
  readonly demand: number;
  /** Each resource at most once. A flow without resources gets its demand. */
  readonly uses: readonly ResourceUse[];
  /**
   * Growth beside other flows; default 1. Equal weights share bytes of payload equally. Round robin by packet gives each
   * flow a packet a turn: then the weight is the payload of a packet.
   */
  readonly weight?: number;
}

export interface Shares {
  /** A rate a flow, in the units of the capacities. */
  readonly rates: readonly number[];
  /** The resource that stopped each flow; null: its own demand did. */
  readonly bottlenecks: readonly (number | null)[];
  /** Load of each resource, at most its capacity (to rounding). */
  readonly loads: readonly number[];
}

/** Two levels closer than this are one: what is left is rounding. */
const SAME_LEVEL = 1e-12;

/**
 * Shares capacities among flows. The same flows give the same rates bit for bit; equal flows get equal rates.
 *
 * @param capacities  of each resource; Infinity: never full
 */
export function maxMinShares(capacities: readonly number[], flows: readonly Flow[]): Shares {
  const filling = new Filling(capacities, flows);
  while (filling.growingCount > 0) {
    filling.fill();
  }
  return filling.shares();
}

class Filling {
  readonly #capacities: readonly number[];
  readonly #flows: readonly Flow[];
  readonly #rates: number[];
  readonly #bottlenecks: (number | null)[];
  readonly #isGrowing: boolean[];
  /** Load of a resource by flows that do not grow any more. */
  readonly #settled: number[];
  /** Load of a resource for one unit of the common level, by those that do. */
  readonly #slopes: number[];
  growingCount: number;

  constructor(capacities: readonly number[], flows: readonly Flow[]) {
    this.#capacities = capacities;
    this.#flows = flows;
    this.#rates = flows.map(() => 0);
    this.#bottlenecks = flows.map(() => null);
    this.#isGrowing = flows.map(() => true);
    this.#settled = capacities.map(() => 0);
    this.#slopes = capacities.map(() => 0);
    this.growingCount = flows.length;
  }

  /** Raises the level to where the next resource is full or the next demand met, and settles those flows. */
  fill(): void {
    this.#sumSlopes();
    const level = this.#nextLevel();
    if (level === Number.POSITIVE_INFINITY) {
      this.#settleWhere(() => true, level, null);
      return;
    }
    const reach = level * (1 + SAME_LEVEL);
    const before = this.growingCount;
    // The slopes are those of the round, so that resources that fill at the same moment all count.
    const full = this.#capacities.map((_, resource) => this.#levelWhenFull(resource) <= reach);
    this.#flows.forEach((flow, index) => {
      if (this.#isGrowing[index] === true && flow.demand <= level * weightOf(flow) * (1 + SAME_LEVEL)) {
        this.#settle(index, flow.demand, null);
      }
    });
    full.forEach((isFull, resource) => {
      if (isFull) {
        this.#settleWhere((flow) => flow.uses.some((use) => use.resource === resource), level, resource);
      }
    });
    if (this.growingCount === before) {
      // Rounding hid the resource or demand that set the level; without this the loop would never end.
      this.#settleWhere(() => true, level, null);
    }
  }

  shares(): Shares {
    return { rates: this.#rates, bottlenecks: this.#bottlenecks, loads: this.#settled };
  }

  #sumSlopes(): void {
    this.#slopes.fill(0);
    this.#flows.forEach((flow, index) => {
      if (this.#isGrowing[index] === true) {
        for (const use of flow.uses) {
          this.#slopes[use.resource]! += use.load * weightOf(flow);
        }
      }
    });
  }

  #nextLevel(): number {
    let level = Number.POSITIVE_INFINITY;
    for (let resource = 0; resource < this.#capacities.length; resource += 1) {
      level = Math.min(level, this.#levelWhenFull(resource));
    }
    this.#flows.forEach((flow, index) => {
      if (this.#isGrowing[index] === true) {
        level = Math.min(level, flow.demand / weightOf(flow));
      }
    });
    return level;
  }

  #levelWhenFull(resource: number): number {
    const slope = this.#slopes[resource]!;
    return slope === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(0, this.#capacities[resource]! - this.#settled[resource]!) / slope;
  }

  #settleWhere(isMeant: (flow: Flow) => boolean, level: number, bottleneck: number | null): void {
    this.#flows.forEach((flow, index) => {
      if (this.#isGrowing[index] === true && isMeant(flow)) {
        this.#settle(index, Math.min(flow.demand, level * weightOf(flow)), bottleneck);
      }
    });
  }

  #settle(index: number, rate: number, bottleneck: number | null): void {
    this.#isGrowing[index] = false;
    this.growingCount -= 1;
    this.#rates[index] = rate;
    this.#bottlenecks[index] = bottleneck;
    for (const use of this.#flows[index]!.uses) {
      this.#settled[use.resource]! += use.load * rate;
    }
  }
}

function weightOf(flow: Flow): number {
  return flow.weight ?? 1;
}

/** Streams of one link whose arbiter takes a packet of each in turn. */
export interface PacketStream {
  readonly payloadBytes: number;
  readonly overheadBytes: number;
  /** GB/s of payload it asks for. Default: as much as there is. */
  readonly demandGBs?: number;
}

/** Payload that each of several streams gets of a link by round robin over packets, in GB/s. */
export function packetRoundRobinGBs(netGBs: number, streams: readonly PacketStream[]): readonly number[] {
  const flows = streams.map((stream) => ({
    demand: stream.demandGBs ?? Number.POSITIVE_INFINITY,
    uses: [{ resource: 0, load: (stream.payloadBytes + stream.overheadBytes) / stream.payloadBytes }],
    weight: stream.payloadBytes,
  }));
  return maxMinShares([netGBs], flows).rates;
}
