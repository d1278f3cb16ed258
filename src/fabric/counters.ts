/**
 * What has travelled, by link and direction, and what DRAM has seen. Always on; the evidence of where bytes went.
 *
 * Command data and all else are counted apart. Bytes are payload, without headers. Reading folds in what routes have
 * counted on their own, so it costs as much as there are routes and links, and requests cost next to nothing.
 */
import type { Bdf } from '../base/index.ts';
import { ROUTE_KIND, type Route } from './routing/route.ts';
import type { Bus } from './tree/bus.ts';
import type { Fabric } from './tree/fabric.ts';
import type { FabricFunction } from './tree/fabric-function.ts';
import type { LinkDirection } from './tree/link.ts';

export interface TrafficCount {
  readonly dataBytes: number;
  /** Queue entries, lists, doorbells, interrupts, registers, configuration. */
  readonly controlBytes: number;
}

export interface DirectionCount extends TrafficCount {
  readonly packets: number;
}

/** One link, or one conventional bus, by the bridge above it. */
export interface LinkCount {
  readonly port: FabricFunction;
  readonly bdf: Bdf;
  readonly up: DirectionCount;
  readonly down: DirectionCount;
}

export interface FabricCounts {
  readonly links: readonly LinkCount[];
  readonly dramRead: TrafficCount;
  readonly dramWrite: TrafficCount;
  /** Both directions of all links below root ports together. */
  readonly rootPorts: TrafficCount;
}

/** What one function has read and written, by whose memory or registers it was. */
export interface RequesterCount {
  readonly read: TrafficCount;
  readonly written: TrafficCount;
}

export interface RequesterCounts {
  readonly dram: RequesterCount;
  /** BARs of functions in the fabric. */
  readonly functions: RequesterCount;
  /** Beyond the fabric: see `RemoteMemory`. */
  readonly remote: RequesterCount;
}

interface MutableCount {
  dataBytes: number;
  controlBytes: number;
}

type MutableRequesterCounts = Readonly<
  Record<keyof RequesterCounts, Readonly<Record<keyof RequesterCount, MutableCount>>>
>;

export class FabricCounters {
  readonly #fabric: Fabric;
  #dramRead: MutableCount = { dataBytes: 0, controlBytes: 0 };
  #dramWrite: MutableCount = { dataBytes: 0, controlBytes: 0 };
  #requesters = new WeakMap<FabricFunction, MutableRequesterCounts>();

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** Takes over what a route has counted. */
  readonly fold = (route: Route): void => {
    const { isDram } = route;
    const { requester, shape } = route.parts;
    const { dataBytes, controlBytes } = route.fold();
    // The CPU's own accesses to memory are not the fabric's.
    if (requester === null || dataBytes + controlBytes === 0) {
      return;
    }
    if (isDram) {
      add(shape.isWrite ? this.#dramWrite : this.#dramRead, dataBytes, controlBytes);
    }
    const place = isDram
      ? 'dram'
      : route.kind === ROUTE_KIND.REMOTE
        ? 'remote'
        : route.completer === null
          ? null
          : 'functions';
    if (place !== null) {
      let counts = this.#requesters.get(requester);
      if (counts === undefined) {
        counts = noCounts();
        this.#requesters.set(requester, counts);
      }
      add(counts[place][shape.isWrite ? 'written' : 'read'], dataBytes, controlBytes);
    }
  };

  /** Everything since the machine was built or `reset`. */
  read(): FabricCounts {
    this.#foldAll();
    const links = this.#links();
    const rootPorts = { dataBytes: 0, controlBytes: 0 };
    for (const { port, up, down } of links) {
      if (port.kind === 'root-port') {
        rootPorts.dataBytes += up.dataBytes + down.dataBytes;
        rootPorts.controlBytes += up.controlBytes + down.controlBytes;
      }
    }
    return { links, dramRead: { ...this.#dramRead }, dramWrite: { ...this.#dramWrite }, rootPorts };
  }

  /** Requests of one function, since it was made or `reset`; failed ones and interrupts are not among them. */
  of(fn: FabricFunction): RequesterCounts {
    this.#foldAll();
    return structuredClone(this.#requesters.get(fn) ?? noCounts());
  }

  /** The link below one port; undefined for what has no link below it. */
  below(port: FabricFunction): LinkCount | undefined {
    this.#foldAll();
    return linkCount(port);
  }

  /** Back to zero. */
  reset(): void {
    this.#foldAll();
    this.#dramRead = { dataBytes: 0, controlBytes: 0 };
    this.#dramWrite = { dataBytes: 0, controlBytes: 0 };
    this.#requesters = new WeakMap();
    for (const { port } of this.#links()) {
      for (const direction of [port.secondaryBus!.link!.up, port.secondaryBus!.link!.down]) {
        direction.dataBytes = 0;
        direction.controlBytes = 0;
        direction.packets = 0;
      }
    }
  }

  #foldAll(): void {
    for (const requester of this.#fabric.requesters) {
      requester.forEachRoute(this.fold);
    }
  }

  #links(): readonly LinkCount[] {
    const counts: LinkCount[] = [];
    const visit = (bus: Bus): void => {
      for (const device of bus.devices) {
        for (const fn of device.functions.values()) {
          const count = linkCount(fn);
          if (count !== undefined) {
            counts.push(count);
          }
          if (fn.secondaryBus !== null) {
            visit(fn.secondaryBus);
          }
        }
      }
    };
    for (const hostBridge of this.#fabric.hostBridges) {
      visit(hostBridge.rootBus);
    }
    return counts;
  }
}

function add(count: MutableCount, dataBytes: number, controlBytes: number): void {
  count.dataBytes += dataBytes;
  count.controlBytes += controlBytes;
}

function noCounts(): MutableRequesterCounts {
  const none = () => ({
    read: { dataBytes: 0, controlBytes: 0 },
    written: { dataBytes: 0, controlBytes: 0 },
  });
  return { dram: none(), functions: none(), remote: none() };
}

function linkCount(port: FabricFunction): LinkCount | undefined {
  const link = port.secondaryBus?.link ?? null;
  return link === null
    ? undefined
    : { port, bdf: port.bdf, up: directionCount(link.up), down: directionCount(link.down) };
}

function directionCount(direction: LinkDirection): DirectionCount {
  return {
    dataBytes: direction.dataBytes,
    controlBytes: direction.controlBytes,
    packets: direction.packets,
  };
}
