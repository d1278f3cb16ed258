/** Time in a fabric: its stages, its translations, and the engine that requests travel by. */

import type { EventQueue } from '../event-queue.ts';
import type { Fabric } from '../tree/fabric.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { DeviceAts } from './device-translation.ts';
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
/** Smallest page of the IOMMU's tables. */
const PAGE_BYTES = 4096;

export class FabricTiming {
  readonly options: FabricTimingOptions;
  readonly network: Network;
  readonly paths: PathBuilder;
  readonly engine: TransportEngine;
  readonly transport: TimedTransport;
  readonly #iotlbs = new Map<HostBridge, Iotlb>();
  readonly #queue: EventQueue;
  /** Stalls before the last reset. */
  #before: ReadonlyMap<string, StallTimes> = new Map();

  constructor(fabric: Fabric, options: FabricTimingOptions) {
    this.options = options;
    this.network = new Network(fabric, options);
    this.paths = new PathBuilder(this.network, (root) => this.#iotlb(root));
    this.engine = makeEngine(fabric, options);
    this.#queue = fabric.queue;
    this.transport = new TimedTransport(
      {
        queue: fabric.queue,
        engine: this.engine,
        paths: this.paths,
        agentOf: (fn) => this.#iotlb(fn.device.bus.hostBridge),
        pageBytes: options.pageBytes ?? PAGE_BYTES,
      },
      fabric.inFlight,
    );
    fabric.inFlight.transport = this.transport;
  }

  /** IOTLBs that were asked: one for each host bridge, as each has an IOMMU in front of it. */
  get iotlbs(): readonly Iotlb[] {
    return [...this.#iotlbs.values()];
  }

  /** Functions with ATS that were active, with their translation caches. */
  get devices(): readonly DeviceAts[] {
    return this.transport.translations.devices;
  }

  /** Translations of a range of a requester are not valid any more: whatever keeps them here walks, or asks, anew. */
  onUnmap(domain: number, requesterId: number, addr: number, lengthBytes: number): void {
    for (const source of this.paths.sourcesBehind(domain, requesterId)) {
      const root = this.paths.functionOf(source)?.device.bus.hostBridge;
      if (root !== undefined) {
        this.#iotlbs.get(root)?.invalidate(source, addr, lengthBytes);
      }
    }
  }

  /** Counters of stages, translations and stalls back to zero. */
  resetCounts(): void {
    this.engine.settle?.();
    for (const stage of this.network.stages) {
      stage.resetCounts();
    }
    for (const iotlb of this.#iotlbs.values()) {
      iotlb.resetCounts();
    }
    this.transport.translations.resetCounts();
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

  #iotlb(root: HostBridge): Iotlb {
    let iotlb = this.#iotlbs.get(root);
    if (iotlb === undefined) {
      const { iommu } = this.options.platform;
      iotlb = new Iotlb({
        name: root.name,
        entries: iommu.entries,
        pageBytes: this.options.pageBytes ?? PAGE_BYTES,
        walkPs: iommu.walkNs * PS_PER_NS,
        hitPs: iommu.hitNs * PS_PER_NS,
        readWalkers: iommu.readWalkers,
        writeWalkers: iommu.writeWalkers,
        serialTableBytes: iommu.serialTableBytes,
      });
      this.#iotlbs.set(root, iotlb);
    }
    return iotlb;
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
