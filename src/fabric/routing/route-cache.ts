/**
 * The routes that a requester has used: the last one first, then the others by address.
 *
 * Holds no failures, since each of those is an event of its own (an error to log, a fault to record), and no requests that
 * leave the fabric, since what answers there may be another thing next time.
 */
import { ROUTE_KIND, type Route } from './route.ts';

/** More regions than a requester uses at a time; past it all are forgotten. */
const ROUTES_MAX = 256;

/** Whether a route carries further requests. */
export function isKept(route: Route): boolean {
  return route.kind < ROUTE_KIND.FAILED && Number.isFinite(route.start);
}

export class RouteCache {
  /** Where the next request most likely goes; null when nothing is known. */
  #last: Route | null = null;
  /** Ascending by start. */
  readonly #routes: Route[] = [];

  /** The route that an address takes; null when it is not known. */
  find(addr: number): Route | null {
    const last = this.#last;
    return last !== null && addr >= last.start && addr < last.end ? last : this.#search(addr);
  }

  /** @param drop takes routes that are forgotten, with what they have counted */
  add(route: Route, drop: (route: Route) => void): void {
    if (!isKept(route)) {
      return;
    }
    if (this.#routes.length >= ROUTES_MAX) {
      this.clear(drop);
    }
    let index = this.#routes.length;
    while (index > 0 && this.#routes[index - 1]!.start > route.start) {
      index--;
    }
    this.#routes.splice(index, 0, route);
    this.#last = route;
  }

  clear(drop: (route: Route) => void): void {
    this.#last = null;
    for (const route of this.#routes) {
      drop(route);
    }
    this.#routes.length = 0;
  }

  forEach(visit: (route: Route) => void): void {
    for (const route of this.#routes) {
      visit(route);
    }
  }

  #search(addr: number): Route | null {
    const routes = this.#routes;
    let low = 0;
    let high = routes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (routes[middle]!.start <= addr) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const route = routes[low - 1];
    if (route === undefined || !(addr < route.end)) {
      return null;
    }
    this.#last = route;
    return route;
  }
}
