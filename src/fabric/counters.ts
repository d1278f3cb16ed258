/**
 * What has travelled, by link and direction, and what DRAM has seen. Always on; the evidence of where bytes went.
 *
 * Command data and all else are counted apart. Bytes are payload, without headers. Reading folds in what routes have
 * counted on their own, so it costs as much as there are routes and links, and requests cost next to nothing.
 */
import type { Bdf } from '../base/index.ts';
import type { Route } from './routing/route.ts';
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

interface MutableCount {
  dataBytes: number;
  controlBytes: number;
}

export class FabricCounters {
  readonly #fabric: Fabric;
  #dramRead: MutableCount = { dataBytes: 0, controlBytes: 0 };
  #dramWrite: MutableCount = { dataBytes: 0, controlBytes: 0 };

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** Takes over what a route has counted. */
  readonly fold = (route: Route): void => {
    const { isDram } = route;
    const { dataBytes, controlBytes } = route.fold();
    // The CPU's own accesses to memory are not the fabric's.
    if (isDram && route.parts.requester !== null) {
      const count = route.parts.shape.isWrite ? this.#dramWrite : this.#dramRead;
      count.dataBytes += dataBytes;
      count.controlBytes += controlBytes;
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
