/**
 * Joins requests of the fabric and a timed engine: finds the route of a request, its timed path, and hands it over, a part
 * for each region that it touches.
 */
import type { EventHandler } from '../../access/index.ts';
import type { EventQueue } from '../event-queue.ts';
import { TRAFFIC, type Traffic } from '../model.ts';
import { ROUTE_KIND, type Route } from '../routing/route.ts';
import type { Requester } from '../tree/requester.ts';
import { DeviceTranslation, type DeviceTranslationOptions, type Launcher } from './device-translation.ts';
import { PROGRESS, type ProgressSink, type RequestListener, type TransportEngine } from './engine.ts';
import type { PathBuilder } from './path-builder.ts';

/** A requester gives up on a completion. PCIe Base 6.0, 2.8: 50 us to 50 ms by default. */
const COMPLETION_TIMEOUT_PS = 50e9;
/** What the completion of a refused read weighs. */
const REFUSED_BYTES = 4;

export class TimedTransport implements EventHandler, Launcher {
  listener: RequestListener | null = null;
  readonly engine: TransportEngine;
  readonly paths: PathBuilder;
  /** Devices that translate by themselves. */
  readonly translations: DeviceTranslation;
  readonly #queue: EventQueue;
  readonly #sink: ProgressSink;

  constructor(options: DeviceTranslationOptions, sink: ProgressSink) {
    this.#queue = options.queue;
    this.engine = options.engine;
    this.paths = options.paths;
    this.translations = new DeviceTranslation(options, this);
    this.#sink = sink;
  }

  /** @returns the number of parts, each of which makes its own progress */
  send(
    requester: Requester,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    traffic: Traffic,
    token: number,
  ): number {
    let parts = 0;
    for (let done = 0; done < lengthBytes || parts === 0; ) {
      const at = addr + done;
      const left = lengthBytes - done;
      const route = requester.routeOf(at, Math.max(1, left), isWrite, traffic);
      const isWhole = !(route.end - at < left);
      const length = isWhole ? left : route.end - at;
      if (!this.translations.holds(route, at, length, isWrite, traffic, token)) {
        this.launch(route, at, length, isWrite, traffic, token);
      }
      parts++;
      done += Math.max(1, length);
    }
    return parts;
  }

  /** The part of a read that nobody answers ends when its requester gives up. */
  onEvent(progress: number, token: number): void {
    this.#sink.onProgress(PROGRESS.ARRIVED, token);
    this.#sink.onProgress(progress, token);
  }

  /** A part of a request goes. */
  launch(
    route: Route,
    addr: number,
    lengthBytes: number,
    isWrite: boolean,
    traffic: Traffic,
    token: number,
  ): void {
    if (!isWrite && isUnanswered(route, lengthBytes)) {
      this.#queue.schedule(this.#queue.nowPs + COMPLETION_TIMEOUT_PS, this, PROGRESS.COMPLETED, token);
      return;
    }
    // A write goes with all its data as far as it gets, unless its sender may not even begin.
    const isRefused = route.kind === ROUTE_KIND.FAILED && (!isWrite || route.isUnsent);
    const path = this.paths.pathOf(route, traffic);
    const sentBytes = isRefused ? REFUSED_BYTES : Math.max(1, lengthBytes);
    const request = this.engine.send(
      path,
      isRefused ? 0 : addr,
      sentBytes,
      traffic === TRAFFIC.CONTROL,
      this.#sink,
      token,
    );
    this.listener?.onSent(request, path, route, addr, sentBytes, traffic, token);
  }
}

/** Nobody completes it, or its completions are larger than somebody on their way takes and end there. */
function isUnanswered(route: Route, lengthBytes: number): boolean {
  if (route.kind === ROUTE_KIND.FAILED) {
    return route.failure!.code === 'timeout';
  }
  const chunkBytes = Math.min(route.payloadBytes, route.readRequestBytes, lengthBytes);
  return chunkBytes > route.parts.payloadLimitBytes;
}
