/**
 * The routes of one function, or of the CPU: what is known, and finding what is not. Everything is forgotten when anything
 * that routing depends on has changed: a register, the tree, the memory map, the IOMMU.
 */
import { TRAFFIC, type Traffic } from '../model.ts';
import { ADDRESS_TYPE } from '../routing/acs.ts';
import { resolveCpuRoute, resolveRoute } from '../routing/resolve.ts';
import type { RequestShape, Route } from '../routing/route.ts';
import { RouteCache } from '../routing/route-cache.ts';
import type { Fabric } from './fabric.ts';
import type { FabricFunction } from './fabric-function.ts';

const WRITE: RequestShape = { isWrite: true, addressType: ADDRESS_TYPE.UNTRANSLATED, isRelaxed: false };
const READ: RequestShape = { ...WRITE, isWrite: false };
const RELAXED_READ: RequestShape = { ...READ, isRelaxed: true };

export class RouteFinder {
  readonly writes = new RouteCache();
  readonly #reads = new RouteCache();
  readonly #relaxedReads = new RouteCache();
  readonly #fabric: Fabric;
  readonly #fn: FabricFunction | null;
  #epoch = -1;
  #dramGeneration = -1;
  #translatorGeneration = -1;

  constructor(fabric: Fabric, fn: FabricFunction | null) {
    this.#fabric = fabric;
    this.#fn = fn;
  }

  /** The cache for reads; those of command data may be sent with relaxed ordering, and answered by another way. */
  readsFor(traffic: Traffic): RouteCache {
    const fn = this.#fn;
    return traffic === TRAFFIC.DATA &&
      fn?.device.usesRelaxedOrdering === true &&
      fn.state.enablesRelaxedOrdering
      ? this.#relaxedReads
      : this.#reads;
  }

  /** The route that is known for an address; null when there is none or it may be stale. */
  known(cache: RouteCache, addr: number): Route | null {
    return this.#isFresh() ? cache.find(addr) : null;
  }

  /** The route for an exact address or ADDR_NOWHERE. */
  find(cache: RouteCache, addr: number, lengthBytes: number): Route {
    if (!this.#isFresh()) {
      this.forget();
      this.#epoch = this.#fabric.epoch;
      this.#dramGeneration = this.#fabric.dram.generation;
      this.#translatorGeneration = this.#translatorNow();
    }
    const known = cache.find(addr);
    if (known !== null) {
      return known;
    }
    const shape = cache === this.writes ? WRITE : cache === this.#relaxedReads ? RELAXED_READ : READ;
    const route = this.resolve(addr, lengthBytes, shape);
    cache.add(route, this.#fabric.counters.fold);
    return route;
  }

  resolve(addr: number, lengthBytes: number, shape: RequestShape, requesterId?: number): Route {
    return this.#fn === null
      ? resolveCpuRoute(this.#fabric, addr, lengthBytes, shape.isWrite)
      : resolveRoute(this.#fabric, this.#fn, addr, lengthBytes, shape, requesterId);
  }

  /** The next request takes the slow path. */
  distrust(): void {
    this.#epoch = -1;
  }

  /** Forgets the routes; what they have counted goes where it belongs. */
  forget(): void {
    for (const cache of [this.writes, this.#reads, this.#relaxedReads]) {
      cache.clear(this.#fabric.counters.fold);
    }
  }

  forEach(visit: (route: Route) => void): void {
    this.writes.forEach(visit);
    this.#reads.forEach(visit);
    this.#relaxedReads.forEach(visit);
  }

  #isFresh(): boolean {
    const fabric = this.#fabric;
    return (
      this.#epoch === fabric.epoch &&
      this.#dramGeneration === fabric.dram.generation &&
      this.#translatorGeneration === this.#translatorNow()
    );
  }

  #translatorNow(): number {
    const fn = this.#fn;
    const translator = fn === null ? null : fn.device.bus.hostBridge.translator;
    return translator === null ? 0 : translator.generation;
  }
}
