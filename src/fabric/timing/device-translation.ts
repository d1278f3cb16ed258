/**
 * Devices with ATS in time: a request whose translations a device does not hold waits for them, and each is asked for over the
 * links as any other read. PCIe Base 6.0, 10.2 (translation) and 10.3 (invalidation).
 *
 * What an address means is not decided here: when a request has its translations its route is found anew, and again when its
 * bytes move, so that a translation that has become stale carries nothing. The order of posted requests of a function is kept:
 * one behind another that waits, waits too, unless it is command data with relaxed ordering.
 */
import { ATC_ENTRIES } from '../../rates/index.ts';
import type { EventQueue } from '../event-queue.ts';
import { TRAFFIC, type Traffic } from '../model.ts';
import { ADDRESS_TYPE } from '../routing/acs.ts';
import type { Route } from '../routing/route.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { ATC, Atc } from './atc.ts';
import { ATS_PAYLOAD_BYTES, type AtsPaths, atsPaths, linksUp } from './ats-paths.ts';
import { PROGRESS, type ProgressSink, type RequestListener, type TransportEngine } from './engine.ts';
import type { TranslationStage } from './path.ts';
import type { PathBuilder } from './path-builder.ts';

/** Pages that a request waits for before its first packet; those behind are asked for, and are there before it gets to them. */
const PAGES_AWAITED = 64;
/** What is asked for is smallest this large. PCIe Base 6.0, 10.5.1.3: Smallest Translation Unit 0. */
const PAGE_BYTES_MIN = 4096;

/** Takes requests that have their translations. */
export interface Launcher {
  readonly listener: RequestListener | null;
  launch(
    route: Route,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    traffic: Traffic,
    token: number,
  ): void;
}

/** A request that waits. */
class Held {
  fn: FabricFunction | null = null;
  addr = 0;
  lengthBytes = 0;
  isWrite = false;
  traffic: Traffic = TRAFFIC.DATA;
  token = 0;
  /** Translations that are not there yet. */
  missing = 0;
  isOrdered = false;
  next: Held | null = null;
}

const ERRAND = { TRANSLATION: 0, INVALIDATE_REQUEST: 1, INVALIDATE_COMPLETION: 2 } as const;

/** A request or message of ATS under way. */
class Errand {
  kind: (typeof ERRAND)[keyof typeof ERRAND] = ERRAND.TRANSLATION;
  device: DeviceAts | null = null;
  page = 0;
  /** The answer will be of use to nobody: there is no translation. */
  isRefused = false;
  /** The range was invalidated after it was asked for. */
  isStale = false;
  /** Who waits for the answer, the oldest first. */
  readonly waiters: Held[] = [];
  sincePs = 0;
}

/** What one function has of it. */
export class DeviceAts {
  readonly fn: FabricFunction;
  readonly atc: Atc;
  readonly paths: AtsPaths;
  /** Requests that were answered for before a reset are nobody's any more. */
  readonly run: number;
  /** By page: who asks for it. */
  readonly asking = new Map<number, Errand>();
  /** Posted requests in their order, the oldest first. */
  first: Held | null = null;
  last: Held | null = null;
  heldCount = 0;
  heldSincePs = 0;
  heldPs = 0;
  /** Invalidations that have been completed, and how long they took. */
  invalidations = 0;
  invalidationPs = 0;

  constructor(fn: FabricFunction, atc: Atc, paths: AtsPaths) {
    this.fn = fn;
    this.atc = atc;
    this.paths = paths;
    this.run = fn.requester.run;
  }
}

export interface DeviceTranslationOptions {
  readonly queue: EventQueue;
  readonly engine: TransportEngine;
  readonly paths: PathBuilder;
  /** The IOMMU that a function asks. */
  readonly agentOf: (fn: FabricFunction) => TranslationStage;
  /** Page of its tables: what one translation covers. */
  readonly pageBytes: number;
}

export class DeviceTranslation implements ProgressSink {
  readonly #options: DeviceTranslationOptions;
  readonly #launcher: Launcher;
  readonly #devices = new Map<FabricFunction, DeviceAts>();
  readonly #errands: Errand[] = [];
  readonly #freeErrands: number[] = [];
  readonly #freeHeld: Held[] = [];

  constructor(options: DeviceTranslationOptions, launcher: Launcher) {
    this.#options = options;
    this.#launcher = launcher;
  }

  /** Functions that have asked for translations, with what they hold. */
  get devices(): readonly DeviceAts[] {
    return [...this.#devices.values()];
  }

  /** Picoseconds in which requests of a function waited for translations, what lasts included. */
  heldPs(device: DeviceAts): number {
    return device.heldPs + (device.heldCount > 0 ? this.#options.queue.nowPs - device.heldSincePs : 0);
  }

  resetCounts(): void {
    for (const device of this.#devices.values()) {
      device.atc.resetCounts();
      device.heldPs = 0;
      device.heldSincePs = this.#options.queue.nowPs;
      device.invalidations = 0;
      device.invalidationPs = 0;
    }
  }

  /**
   * Keeps a request back until its translations are there, and those of posted requests before it.
   * @returns false: it may go now
   */
  holds(
    route: Route,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    traffic: Traffic,
    token: number,
  ): boolean {
    const fn = route.parts.requester;
    if (fn?.state.enablesAts !== true) {
      return false;
    }
    const code = route.failure?.code;
    const isTranslated =
      route.parts.shape.addressType === ADDRESS_TYPE.TRANSLATED &&
      // What a port blocks, and what a root complex does not answer, is no translation request that comes back with one.
      code !== 'acs-violation' &&
      code !== 'unsupported';
    const device = this.#device(fn);
    const missing = isTranslated
      ? this.#missing(device, addr, lengthBytes, code === 'iommu-fault', route, token)
      : null;
    const isOrdered = isWrite && !(traffic === TRAFFIC.DATA && isRelaxed(fn));
    if (missing === null && !(isOrdered && device.first !== null)) {
      return false;
    }
    const held = missing ?? this.#takeHeld();
    held.fn = fn;
    held.addr = addr;
    held.lengthBytes = lengthBytes;
    held.isWrite = isWrite;
    held.traffic = traffic;
    held.token = token;
    held.isOrdered = isOrdered;
    if (isOrdered) {
      if (device.last === null) {
        device.first = held;
      } else {
        device.last.next = held;
      }
      device.last = held;
    }
    if (device.heldCount++ === 0) {
      device.heldSincePs = this.#options.queue.nowPs;
    }
    return true;
  }

  /** Translations of a range are not valid any more; the root complex says so to a function that may hold some. */
  invalidate(fn: FabricFunction, addr: number, lengthBytes: number): void {
    const device = this.#devices.get(fn);
    if (device === undefined || device.run !== fn.requester.run) {
      return;
    }
    const { atc } = device;
    atc.invalidate(addr, lengthBytes);
    const [first, last] = [atc.pageOf(addr), atc.pageOf(addr + Math.max(1, lengthBytes) - 1)];
    for (const errand of device.asking.values()) {
      errand.isStale ||= errand.page >= first && errand.page <= last;
    }
    this.#message(device, ERRAND.INVALIDATE_REQUEST, this.#options.queue.nowPs);
  }

  /** ATS of a function was switched: what it held is gone. */
  forget(fn: FabricFunction): void {
    const device = this.#devices.get(fn);
    if (device !== undefined && device.heldCount === 0) {
      this.#devices.delete(fn);
    } else {
      device?.atc.invalidate(0, Number.MAX_SAFE_INTEGER);
    }
  }

  onProgress(progress: number, token: number): void {
    const errand = this.#errands[token]!;
    const { kind, device, sincePs } = errand;
    if (kind === ERRAND.TRANSLATION) {
      if (progress === PROGRESS.COMPLETED) {
        this.#answered(device!, errand, token);
      }
      return;
    }
    if (progress !== PROGRESS.ARRIVED) {
      return;
    }
    this.#giveErrand(token);
    if (kind === ERRAND.INVALIDATE_REQUEST) {
      this.#message(device!, ERRAND.INVALIDATE_COMPLETION, sincePs);
    } else {
      device!.invalidations++;
      device!.invalidationPs += this.#options.queue.nowPs - sincePs;
    }
  }

  #device(fn: FabricFunction): DeviceAts {
    const known = this.#devices.get(fn);
    if (known !== undefined && (known.run === fn.requester.run || known.heldCount > 0)) {
      return known;
    }
    const { paths, agentOf, pageBytes } = this.#options;
    const device = new DeviceAts(
      fn,
      new Atc({
        entries: paths.network.options.endpoint?.(fn)?.atcEntries ?? ATC_ENTRIES,
        pageBytes: Math.max(PAGE_BYTES_MIN, pageBytes),
      }),
      atsPaths(paths, fn, agentOf(fn)),
    );
    paths.noteTranslated(fn.device.bus.hostBridge.domain, fn.requesterId, paths.sourceOf(fn));
    this.#devices.set(fn, device);
    return device;
  }

  /** Looks the pages of a request up and asks for those that are not held. @returns null when none is waited for */
  #missing(
    device: DeviceAts,
    addr: number,
    lengthBytes: number,
    isRefused: boolean,
    route: Route,
    token: number,
  ): Held | null {
    const { atc, asking } = device;
    const first = atc.pageOf(addr);
    const last = atc.pageOf(addr + Math.max(1, lengthBytes) - 1);
    let held: Held | null = null;
    for (let page = first; page <= last; page++) {
      const found = atc.find(page);
      if (found === ATC.HIT) {
        continue;
      }
      let errand = found === ATC.PENDING ? asking.get(page) : undefined;
      if (errand === undefined) {
        errand = this.#ask(device, page, isRefused, route, token);
      }
      if (page - first < PAGES_AWAITED) {
        held ??= this.#takeHeld();
        held.missing++;
        errand.waiters.push(held);
      }
    }
    return held;
  }

  #ask(device: DeviceAts, page: number, isRefused: boolean, route: Route, token: number): Errand {
    const index = this.#takeErrand(device, ERRAND.TRANSLATION, this.#options.queue.nowPs);
    const errand = this.#errands[index]!;
    errand.page = page;
    errand.isRefused = isRefused;
    device.asking.set(page, errand);
    this.#sendAsk(device, errand, index, route, token);
    return errand;
  }

  /** @param token of the request that it is for */
  #sendAsk(device: DeviceAts, { page }: Errand, index: number, route: Route, token: number): void {
    const { engine } = this.#options;
    const { atc, paths } = device;
    const addr = page * atc.pageBytes;
    const bytes = ATS_PAYLOAD_BYTES.TRANSLATION;
    for (const { link } of linksUp(device.fn)) {
      link.up.add(0, 0, 1);
      link.down.add(0, bytes, 1);
    }
    const request = engine.send(paths.translation, addr, bytes, true, this, index);
    this.#launcher.listener?.onSent(request, paths.translation, route, addr, bytes, TRAFFIC.CONTROL, token);
  }

  #answered(device: DeviceAts, errand: Errand, index: number): void {
    const { atc, asking } = device;
    const { page } = errand;
    if (errand.isStale && errand.waiters.length > 0) {
      // Invalidated while it was on its way: whoever waits for it asks once more, and may be refused now.
      const { fn, addr, isWrite, traffic, token } = errand.waiters[0]!;
      const route = fn!.requester.routeOf(Math.max(addr, page * atc.pageBytes), 1, isWrite, traffic);
      errand.isStale = false;
      errand.isRefused = route.failure?.code === 'iommu-fault';
      if (asking.get(page) === errand) {
        atc.find(page);
      }
      this.#sendAsk(device, errand, index, route, token);
      return;
    }
    if (asking.get(page) === errand) {
      asking.delete(page);
      atc.answered(page, !errand.isRefused && !errand.isStale);
    }
    for (const held of errand.waiters) {
      held.missing--;
      if (held.missing === 0 && !held.isOrdered) {
        this.#release(device, held);
      }
    }
    this.#giveErrand(index);
    this.#releaseOrdered(device);
  }

  #releaseOrdered(device: DeviceAts): void {
    while (device.first !== null && device.first.missing === 0) {
      const held = device.first;
      device.first = held.next;
      if (held.next === null) {
        device.last = null;
      }
      held.next = null;
      this.#release(device, held);
    }
  }

  /** Its way is found again: mappings may have changed while it waited. */
  #release(device: DeviceAts, held: Held): void {
    if (--device.heldCount === 0) {
      device.heldPs += this.#options.queue.nowPs - device.heldSincePs;
    }
    const { fn, addr, lengthBytes, isWrite, traffic, token } = held;
    held.fn = null;
    this.#freeHeld.push(held);
    const route = fn!.requester.routeOf(addr, Math.max(1, lengthBytes), isWrite, traffic);
    this.#launcher.launch(route, addr, lengthBytes, isWrite, traffic, token);
  }

  #message(device: DeviceAts, kind: 1 | 2, sincePs: number): void {
    const isRequest = kind === ERRAND.INVALIDATE_REQUEST;
    const path = isRequest ? device.paths.invalidate : device.paths.invalidated;
    const bytes = isRequest ? ATS_PAYLOAD_BYTES.INVALIDATE_REQUEST : ATS_PAYLOAD_BYTES.INVALIDATE_COMPLETION;
    const index = this.#takeErrand(device, kind, sincePs);
    const request = this.#options.engine.send(path, 0, bytes, true, this, index);
    this.#launcher.listener?.onMessage(request, path, device.fn);
  }

  #takeErrand(device: DeviceAts, kind: Errand['kind'], sincePs: number): number {
    let index = this.#freeErrands.pop();
    if (index === undefined) {
      index = this.#errands.length;
      this.#errands.push(new Errand());
    }
    const errand = this.#errands[index]!;
    errand.kind = kind;
    errand.device = device;
    errand.isRefused = false;
    errand.isStale = false;
    errand.sincePs = sincePs;
    return index;
  }

  #giveErrand(index: number): void {
    const errand = this.#errands[index]!;
    errand.device = null;
    errand.waiters.length = 0;
    this.#freeErrands.push(index);
  }

  #takeHeld(): Held {
    const held = this.#freeHeld.pop() ?? new Held();
    held.missing = 0;
    return held;
  }
}

/** Whether command data of a function carries the Relaxed Ordering attribute. */
function isRelaxed(fn: FabricFunction): boolean {
  return fn.device.usesRelaxedOrdering && fn.state.enablesRelaxedOrdering;
}
