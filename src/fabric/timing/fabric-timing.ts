/** Time in a fabric: its stages, its translations, and the engine that requests travel by. */

import type { EventQueue } from '../event-queue.ts';
import type { Fabric } from '../tree/fabric.ts';
import type { TransportEngine } from './engine.ts';
import { FlowEngine } from './flow-engine.ts';
import { Iotlb } from './iotlb.ts';
import { Network, type TimingOptions } from './network.ts';
import { PathBuilder } from './path-builder.ts';
import { TimedTransport } from './timed-transport.ts';
import { TlpEngine } from './tlp-engine.ts';

export type EngineName = 'tlp' | 'flow';

export interface FabricTimingOptions extends TimingOptions {
  readonly engine: EngineName;
  readonly arbitration?: 'round-robin' | 'weighted';
  /** Of bit errors. */
  readonly seed?: number;
  /** Smallest page of the IOMMU's tables. Default 4 KiB. */
  readonly pageBytes?: number;
}

/** Picoseconds that somebody waited. */
export interface StallTimes {
  /** Of the requester, or of the gate. */
  readonly name: string;
  readonly tagPs: number;
  readonly orderPs: number;
  readonly gatePs: number;
}

const PS_PER_NS = 1000;

export class FabricTiming {
  readonly options: FabricTimingOptions;
  readonly network: Network;
  readonly iotlb: Iotlb;
  readonly paths: PathBuilder;
  readonly engine: TransportEngine;
  readonly #queue: EventQueue;
  /** Stalls before the last reset. */
  #before: ReadonlyMap<string, StallTimes> = new Map();

  constructor(fabric: Fabric, options: FabricTimingOptions) {
    this.options = options;
    this.network = new Network(fabric, options);
    const { iommu } = options.platform;
    this.iotlb = new Iotlb({
      entries: iommu.entries,
      pageBytes: options.pageBytes ?? 4096,
      walkPs: iommu.walkNs * PS_PER_NS,
      hitPs: iommu.hitNs * PS_PER_NS,
      readWalkers: iommu.readWalkers,
      writeWalkers: iommu.writeWalkers,
      serialTableBytes: iommu.serialTableBytes,
    });
    this.paths = new PathBuilder(this.network, this.iotlb);
    this.engine = makeEngine(fabric, options);
    this.#queue = fabric.queue;
    fabric.inFlight.transport = new TimedTransport(fabric.queue, this.engine, this.paths, fabric.inFlight);
  }

  /** Counters of stages, translations and stalls back to zero. */
  resetCounts(): void {
    for (const stage of this.network.stages) {
      stage.resetCounts();
    }
    this.iotlb.resetCounts();
    this.#before = new Map(this.#stalls().map((one) => [one.name, one]));
  }

  /** Who waited for tags, for the order of posted writes, or at a gate, since the last reset. */
  stallsByName(): readonly StallTimes[] {
    return this.#stalls().map((now) => {
      const before = this.#before.get(now.name);
      return {
        name: now.name,
        tagPs: now.tagPs - (before?.tagPs ?? 0),
        orderPs: now.orderPs - (before?.orderPs ?? 0),
        gatePs: now.gatePs - (before?.gatePs ?? 0),
      };
    });
  }

  #stalls(): readonly StallTimes[] {
    const stalls = this.engine.stalls(this.#queue.nowPs);
    return [
      ...stalls.sources.map(({ source, tagPs, orderPs }) => ({
        name: this.paths.functionOf(source)?.model?.name ?? 'the processor',
        tagPs,
        orderPs,
        gatePs: 0,
      })),
      ...stalls.gates.map(({ name, stallPs }) => ({ name, tagPs: 0, orderPs: 0, gatePs: stallPs })),
    ];
  }
}

function makeEngine(fabric: Fabric, options: FabricTimingOptions): TransportEngine {
  const arbitration = options.arbitration ?? 'round-robin';
  return options.engine === 'flow'
    ? new FlowEngine(fabric.queue, { arbitration })
    : new TlpEngine(fabric.queue, { arbitration, seed: options.seed ?? 1 });
}
