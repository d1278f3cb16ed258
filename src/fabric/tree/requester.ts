/**
 * Everything that one function (or the CPU) sends: finds the route of a request, carries it out and counts it.
 *
 * The hot path is a request that stays within a known route to memory: a few comparisons, a copy, two additions. Whatever
 * is unusual (another region, registers, a failure, a listener) takes the slow path below it, a piece for each region.
 */

import { DONE, PENDING, type Status } from '../../access/index.ts';
import { ADDR_NOWHERE, assert } from '../../base/index.ts';
import { reportFailure } from '../errors/report.ts';
import { Memory } from '../memory/memory.ts';
import { DMA_STATUS, TRAFFIC, type Traffic } from '../model.ts';
import { ADDRESS_TYPE, type AddressType } from '../routing/acs.ts';
import { isExactAddress } from '../routing/region.ts';
import { ROUTE_KIND, type Route } from '../routing/route.ts';
import { isKept, type RouteCache } from '../routing/route-cache.ts';
import { traceRead, traceWrite } from '../tlp/emit.ts';
import { largestPacketBytes, packetCount, splitRequest } from '../tlp/split.ts';
import type { Fabric } from './fabric.ts';
import type { FabricFunction } from './fabric-function.ts';
import { readRegisters, writeRegisters } from './register-access.ts';
import { RouteFinder } from './route-finder.ts';

/** What a request is unless something else is said. */
const PLAIN = { addressType: ADDRESS_TYPE.UNTRANSLATED, isRelaxed: false } as const;

/** Register writes inside register writes. */
const NESTING_MAX = 16;

export class Requester {
  readonly fabric: Fabric;
  /** Null for the CPU. */
  readonly fn: FabricFunction | null;
  /** When the last posted request of this function arrives; later ones must not be earlier. */
  lastPostedPs = 0;
  /** Counts up when what is under way must never end: a reset, a removal. */
  run = 0;
  /** Who answered the last read; null for DRAM and failures. */
  lastCompleter: FabricFunction | null = null;

  readonly #finder: RouteFinder;
  readonly #message = Memory.flat(4);
  #poisonsNextWrite = false;

  constructor(fabric: Fabric, fn: FabricFunction | null) {
    this.fabric = fabric;
    this.fn = fn;
    this.#finder = new RouteFinder(fabric, fn);
    fabric.requesters.add(this);
  }

  /**
   * Carries out a write.
   * @returns DONE, or the status of a request that was not sent; PENDING: it leaves the fabric, and `RemoteRequests` has to
   * carry it out
   */
  writeNow(addr: number, local: Memory, localOffset: number, lengthBytes: number, traffic: Traffic): Status {
    const route = this.#finder.known(this.#finder.writes, addr);
    if (route?.isPlain === true && addr + lengthBytes <= route.end && this.fabric.listener === null) {
      local.copyTo(localOffset, route.memory!, route.offset + (addr - route.start), lengthBytes);
      if (traffic === TRAFFIC.DATA) {
        route.dataBytes += lengthBytes;
      } else {
        route.controlBytes += lengthBytes;
      }
      route.payloadPackets += packetCount(addr, lengthBytes, route.payloadBytes);
      return DONE;
    }
    return this.#writePieces(addr, local, localOffset, lengthBytes, traffic);
  }

  /** Carries out a read. @returns DONE, or a failure: then `local` holds all ones; or PENDING as a write */
  readNow(addr: number, local: Memory, localOffset: number, lengthBytes: number, traffic: Traffic): Status {
    const cache = this.#finder.readsFor(traffic);
    const route = this.#finder.known(cache, addr);
    if (route?.isPlain === true && addr + lengthBytes <= route.end && this.fabric.listener === null) {
      route.memory!.copyTo(route.offset + (addr - route.start), local, localOffset, lengthBytes);
      if (traffic === TRAFFIC.DATA) {
        route.dataBytes += lengthBytes;
      } else {
        route.controlBytes += lengthBytes;
      }
      route.requestPackets += packetCount(addr, lengthBytes, route.readRequestBytes);
      route.payloadPackets += packetCount(addr, lengthBytes, completionChunk(route));
      this.lastCompleter = route.completer;
      return DONE;
    }
    return this.#readPieces(cache, addr, local, localOffset, lengthBytes, traffic);
  }

  /** Sends a message signalled interrupt: a posted write of one dword. */
  sendMessage(addr: number, data: number): void {
    if (this.fabric.isDelaying) {
      this.fabric.inFlight.sendMessage(this, addr, data);
    } else {
      this.messageNow(addr, data);
    }
  }

  messageNow(addr: number, data: number): void {
    this.#message.setValue(0, 4, data);
    this.writeNow(addr, this.#message, 0, 4, TRAFFIC.CONTROL);
  }

  /** The route that a request takes, from the cache when it is there. */
  routeOf(addr: number, lengthBytes: number, isWrite: boolean, traffic: Traffic): Route {
    const cache = isWrite ? this.#finder.writes : this.#finder.readsFor(traffic);
    return this.#finder.find(cache, exact(addr), lengthBytes);
  }

  /** The route of a request as a test wants it sent; nothing is kept. */
  probe(
    addr: number,
    lengthBytes: number,
    shape: { readonly isWrite: boolean; readonly addressType?: AddressType; readonly isRelaxed?: boolean },
    requesterId?: number,
  ): Route {
    return this.#finder.resolve(exact(addr), lengthBytes, { ...PLAIN, ...shape }, requesterId);
  }

  /** The next write is sent poisoned: a fault that tests inject. */
  poisonNextWrite(): void {
    this.#poisonsNextWrite = true;
    this.#finder.distrust();
  }

  forEachRoute(visit: (route: Route) => void): void {
    this.#finder.forEach(visit);
  }

  /** Requests under way never end, and nothing is known any more. */
  abandon(): void {
    this.run++;
    this.lastPostedPs = 0;
    this.#finder.forget();
  }

  #writePieces(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Status {
    assert(lengthBytes >= 0, 'a request has a negative length', { lengthBytes });
    const from = exact(addr);
    let done = 0;
    while (done < lengthBytes) {
      const at = from + done;
      const route = this.#finder.find(this.#finder.writes, at, lengthBytes - done);
      if (route.isUnsent) {
        reportFailure(route, route.failure!.code, at, lengthBytes - done, true);
        return route.status;
      }
      const length = pieceLength(route, at, lengthBytes - done);
      if (route.kind === ROUTE_KIND.REMOTE && length === lengthBytes) {
        this.#countWrite(route, at, length, traffic);
        this.#settle(route);
        return PENDING;
      }
      this.#writePiece(route, at, local, localOffset + done, length, traffic);
      this.#settle(route);
      done += length;
    }
    return DONE;
  }

  #writePiece(
    route: Route,
    at: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): void {
    const { payloadLimitBytes, maxPayloadBytes } = route.parts;
    if (payloadLimitBytes < maxPayloadBytes && lengthBytes > payloadLimitBytes) {
      for (const { addr, lengthBytes: length } of splitRequest(at, lengthBytes, maxPayloadBytes)) {
        if (length > payloadLimitBytes) {
          reportMalformed(route, addr, length, traffic);
        } else {
          this.#deliver(route, addr, local, localOffset + (addr - at), length, traffic);
        }
      }
      return;
    }
    this.#deliver(route, at, local, localOffset, lengthBytes, traffic);
  }

  #deliver(
    route: Route,
    at: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): void {
    this.#countWrite(route, at, lengthBytes, traffic);
    if (this.#poisonsNextWrite) {
      this.#poisonsNextWrite = false;
      reportFailure(route, 'poisoned', at, lengthBytes, true);
      return;
    }
    const offset = route.offset + (at - route.start);
    switch (route.kind) {
      case ROUTE_KIND.MEMORY:
        local.copyTo(localOffset, route.memory!, offset, lengthBytes);
        return;
      case ROUTE_KIND.REGISTERS:
        this.#toRegisters(route, offset, local, localOffset, lengthBytes);
        return;
      case ROUTE_KIND.INTERRUPT:
        this.#interrupt(route, at, local, localOffset, lengthBytes);
        return;
      case ROUTE_KIND.FAILED:
        reportFailure(route, route.failure!.code, at, lengthBytes, true);
        return;
      case ROUTE_KIND.REMOTE:
        // A part of a request that ends elsewhere too.
        reportFailure(route, 'unsupported', at, lengthBytes, true);
        return;
      case ROUTE_KIND.EMPTY:
        return;
    }
  }

  #countWrite(route: Route, at: number, lengthBytes: number, traffic: Traffic): void {
    if (traffic === TRAFFIC.DATA) {
      route.dataBytes += lengthBytes;
    } else {
      route.controlBytes += lengthBytes;
    }
    route.payloadPackets += isExactAddress(at) ? packetCount(at, lengthBytes, route.payloadBytes) : 1;
    const { listener } = this.fabric;
    if (listener !== null) {
      traceWrite(this.fabric, listener, route, at, lengthBytes, traffic);
    }
  }

  /** A register may make its model write to another, and so on round: past a depth the rest waits its turn. */
  #toRegisters(route: Route, offset: number, local: Memory, localOffset: number, lengthBytes: number): void {
    const { fabric } = this;
    const { handler, bar } = route;
    if (fabric.nesting >= NESTING_MAX) {
      const copy = Memory.flat(lengthBytes);
      local.copyTo(localOffset, copy, 0, lengthBytes);
      fabric.inFlight.postAction(this, () => writeRegisters(handler!, bar, offset, copy, 0, lengthBytes));
      return;
    }
    fabric.nesting++;
    try {
      writeRegisters(handler!, bar, offset, local, localOffset, lengthBytes);
    } finally {
      fabric.nesting--;
    }
  }

  #interrupt(route: Route, at: number, local: Memory, localOffset: number, lengthBytes: number): void {
    if (lengthBytes === 4 && at % 4 === 0) {
      const { root, requesterId } = route.parts;
      this.fabric.interruptSink(root!.domain, requesterId, at, local.getValue(localOffset, 4));
    }
  }

  #readPieces(
    cache: RouteCache,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Status {
    assert(lengthBytes >= 0, 'a request has a negative length', { lengthBytes });
    const from = exact(addr);
    let done = 0;
    let status: Status = DONE;
    this.lastCompleter = null;
    while (done < lengthBytes) {
      const at = from + done;
      const route = this.#finder.find(cache, at, lengthBytes - done);
      if (route.status === DMA_STATUS.DISABLED || route.status === DMA_STATUS.GONE) {
        status = route.status;
        break;
      }
      const length = pieceLength(route, at, lengthBytes - done);
      const ended = this.#readPiece(route, at, local, localOffset + done, length, traffic);
      this.#settle(route);
      if (ended === PENDING) {
        if (length === lengthBytes) {
          return PENDING;
        }
        // A part of a request that ends elsewhere too.
        reportFailure(route, 'unsupported', at, length, false);
        status = DMA_STATUS.UNSUPPORTED_REQUEST;
        break;
      }
      this.lastCompleter = route.completer;
      status = status === DONE ? ended : status;
      done += length;
    }
    if (status !== DONE) {
      local.fill(localOffset, lengthBytes, 0xff);
    }
    return status;
  }

  #readPiece(
    route: Route,
    at: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Status {
    const isExact = isExactAddress(at);
    route.requestPackets += isExact ? packetCount(at, lengthBytes, route.readRequestBytes) : 1;
    const { listener } = this.fabric;
    if (listener !== null) {
      traceRead(this.fabric, listener, route, at, lengthBytes, traffic);
    }
    if (route.kind === ROUTE_KIND.FAILED) {
      route.payloadPackets += isExact ? packetCount(at, lengthBytes, route.readRequestBytes) : 1;
      reportFailure(route, route.failure!.code, at, lengthBytes, false);
      return route.status;
    }
    const { payloadLimitBytes } = route.parts;
    const chunk = completionChunk(route);
    if (chunk > payloadLimitBytes && largestPacketBytes(at, lengthBytes, chunk) > payloadLimitBytes) {
      reportMalformed(route, at, largestPacketBytes(at, lengthBytes, chunk), traffic);
      reportFailure(route, 'timeout', at, lengthBytes, false);
      return DMA_STATUS.TIMEOUT;
    }
    if (traffic === TRAFFIC.DATA) {
      route.dataBytes += lengthBytes;
    } else {
      route.controlBytes += lengthBytes;
    }
    route.payloadPackets += packetCount(at, lengthBytes, chunk);
    const offset = route.offset + (at - route.start);
    switch (route.kind) {
      case ROUTE_KIND.MEMORY:
        route.memory!.copyTo(offset, local, localOffset, lengthBytes);
        break;
      case ROUTE_KIND.REGISTERS:
        readRegisters(route.handler!, route.bar, offset, local, localOffset, lengthBytes);
        break;
      case ROUTE_KIND.REMOTE:
        return PENDING;
      default:
        local.fill(localOffset, lengthBytes, 0);
        break;
    }
    return DONE;
  }

  /** A route that is not kept gives its counts away at once. */
  #settle(route: Route): void {
    if (!isKept(route)) {
      this.fabric.counters.fold(route);
    }
  }
}

/** Whatever a driver programmed, as an address: what is no exact number from 0 on is nowhere. */
function exact(addr: number): number {
  return isExactAddress(addr) ? addr : ADDR_NOWHERE;
}

function pieceLength(route: Route, at: number, lengthBytes: number): number {
  return isExactAddress(at) ? Math.min(lengthBytes, route.end - at) : lengthBytes;
}

/** What a completer sends at most in one completion. */
function completionChunk(route: Route): number {
  return Math.min(route.payloadBytes, route.readRequestBytes);
}

/** A packet larger than somebody on its way takes: it ends there. 2.2.2. */
function reportMalformed(route: Route, at: number, lengthBytes: number, traffic: Traffic): void {
  const { shape, requestLinks, completionLinks, payloadLimitLinks } = route.parts;
  const links = shape.isWrite ? requestLinks : completionLinks;
  for (const direction of links.slice(0, payloadLimitLinks)) {
    direction.add(traffic === TRAFFIC.DATA ? lengthBytes : 0, traffic === TRAFFIC.DATA ? 0 : lengthBytes, 1);
  }
  reportFailure(route, 'malformed', at, lengthBytes, shape.isWrite);
}
