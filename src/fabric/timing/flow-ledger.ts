/** Counters of stages: a request counts, when it ends, exactly what its packets would have. */
import type { ResourceTable } from './flow-route.ts';
import { replaysOf, type Shape, type Train, trainOccupancyPs } from './flow-shape.ts';
import type { Flow } from './flow-state.ts';

export class FlowLedger {
  readonly #table: ResourceTable;
  /** By stage: forward bytes that no acknowledgement has answered, and parts of packets sent again. */
  readonly #unacknowledged: number[] = [];
  readonly #replays: number[] = [];

  constructor(table: ResourceTable) {
    this.#table = table;
  }

  /** All that a request counts but time. */
  charge(shape: Shape): void {
    this.#chargeTrain(shape.request);
    if (shape.completion !== null) {
      this.#chargeTrain(shape.completion);
    }
  }

  /** Time of a part of a request, 0 to 1. */
  keepBusy(shape: Shape, part: number): void {
    keepTrainBusy(shape.request, part);
    if (shape.completion !== null) {
      keepTrainBusy(shape.completion, part);
    }
  }

  /** Takes the occupancy of a control request from the flows that its stages limit. */
  steal(shape: Shape): void {
    this.#stealTrain(shape.request);
    if (shape.completion !== null) {
      this.#stealTrain(shape.completion);
    }
  }

  #chargeTrain(train: Train): void {
    const { stages } = train.leg;
    for (let j = 0; j < stages.length; j++) {
      const stage = stages[j]!;
      const wireBytes = train.wireBytes[j]!;
      stage.wireBytes += wireBytes;
      stage.payloadBytes += train.payloadBytes;
      stage.packets += train.pieces[j]!;
      if (stage.bitErrorRate > 0) {
        const replays = (this.#replays[stage.id] ?? 0) + replaysOf(train, j) * train.packets;
        stage.replays += Math.floor(replays);
        this.#replays[stage.id] = replays - Math.floor(replays);
      }
      const { reverse } = stage;
      if (reverse !== null && stage.ackEveryBytes < Number.POSITIVE_INFINITY) {
        const open = (this.#unacknowledged[stage.id] ?? 0) + wireBytes;
        const count = Math.floor(open / stage.ackEveryBytes);
        this.#unacknowledged[stage.id] = open - count * stage.ackEveryBytes;
        reverse.wireBytes += count * stage.ackBytes;
      }
    }
  }

  #stealTrain(train: Train): void {
    for (let j = 0; j < train.leg.stages.length; j++) {
      this.#table.stage(train.leg.stages[j]!).stolenPs += trainOccupancyPs(train, j);
    }
  }
}

function keepTrainBusy(train: Train, part: number): void {
  for (let j = 0; j < train.leg.stages.length; j++) {
    const stage = train.leg.stages[j]!;
    stage.busyPs += trainOccupancyPs(train, j) * part;
    const { reverse } = stage;
    if (reverse !== null && stage.ackEveryBytes < Number.POSITIVE_INFINITY) {
      const backBytes = ((train.wireBytes[j]! * part) / stage.ackEveryBytes) * stage.ackBytes;
      reverse.busyPs += backBytes * reverse.occupancyPsPerByte;
    }
  }
}

/** What kept requests from going; the packet engine counts the same. */
export interface FlowStalls {
  /** Picoseconds, by source: no tag free; an earlier posted request not seen yet. */
  readonly sources: readonly { readonly source: number; readonly tagPs: number; readonly orderPs: number }[];
  readonly gates: readonly { readonly name: string; readonly stallPs: number }[];
}

/** Where the time of requests goes that do not go as fast as the slowest stage of their path. */
export class StallLedger {
  readonly #sources = new Map<number, { tagPs: number; orderPs: number }>();
  readonly #gates = new Map<string, number>();

  report(): FlowStalls {
    return {
      sources: [...this.#sources].map(([source, { tagPs, orderPs }]) => ({ source, tagPs, orderPs })),
      gates: [...this.#gates].map(([name, stallPs]) => ({ name, stallPs })),
    };
  }

  /** A request whose service has ended: it waited for what limits the flow now. */
  count(flow: Flow, shape: Shape, endPs: number): void {
    const { share, path } = flow.route;
    const { kind, stage } = share.entries[share.limiter]!.resource;
    if (kind === 'credits') {
      // A stage waits when it does nothing; who has no tag waits whether it does or not.
      stage!.creditStallPs += Math.max(0, endPs - flow.startedPs - shape.units * shape.unitPs);
    } else if (kind === 'slots') {
      const stallPs = endPs - flow.startedPs;
      if (path.gate !== null && path.gate.requestsMax < path.limits.tags) {
        this.#gates.set(path.gate.name, (this.#gates.get(path.gate.name) ?? 0) + stallPs);
      } else {
        this.#of(path.source).tagPs += stallPs;
      }
    }
  }

  countOrder(source: number, stallPs: number): void {
    this.#of(source).orderPs += stallPs;
  }

  #of(source: number): { tagPs: number; orderPs: number } {
    let stalls = this.#sources.get(source);
    if (stalls === undefined) {
      stalls = { tagPs: 0, orderPs: 0 };
      this.#sources.set(source, stalls);
    }
    return stalls;
  }
}
