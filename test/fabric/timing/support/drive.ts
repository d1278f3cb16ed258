// Drives a transport engine: closed loops of requests, and when each was taken, arrived and completed.
import { EventQueue, noTurn } from '../../../../src/fabric/event-queue.ts';
import { PROGRESS, type TransportEngine } from '../../../../src/fabric/timing/engine.ts';
import type { TimedPath } from '../../../../src/fabric/timing/path.ts';

export interface Moments {
  takenPs: number;
  arrivedPs: number;
  completedPs: number;
}

/** A queue driven by hand, with model work taking time. */
export function timedQueue(): EventQueue {
  return new EventQueue({ timed: true, turn: noTurn });
}

/** One request by itself; runs the queue until nothing is left. */
export function sendAlone(
  queue: EventQueue,
  engine: TransportEngine,
  path: TimedPath,
  lengthBytes: number,
  addr = 0,
  isControl = false,
): Moments {
  const startPs = queue.nowPs;
  const moments: Moments = { takenPs: -1, arrivedPs: -1, completedPs: -1 };
  engine.send(
    path,
    addr,
    lengthBytes,
    isControl,
    {
      onProgress(progress) {
        const atPs = queue.nowPs - startPs;
        if (progress === PROGRESS.TAKEN) {
          moments.takenPs = atPs;
        } else if (progress === PROGRESS.ARRIVED) {
          moments.arrivedPs = atPs;
        } else {
          moments.completedPs = atPs;
        }
      },
    },
    0,
  );
  queue.runUntilIdle();
  return moments;
}

export interface StreamOptions {
  readonly path: TimedPath;
  readonly lengthBytes: number;
  /** Requests under way at once. */
  readonly depth: number;
  readonly startPs?: number;
}

/** What a stream has moved between two moments. */
export interface StreamResult {
  /** Bytes per nanosecond. */
  readonly goodputGBs: number;
  readonly requests: number;
}

/**
 * Runs streams side by side as closed loops and measures each between `warmUpPs` and `endPs`, by what ended in between.
 * Afterwards everything under way is let run out.
 */
export function runStreams(
  queue: EventQueue,
  engine: TransportEngine,
  streams: readonly StreamOptions[],
  warmUpPs: number,
  endPs: number,
): StreamResult[] {
  const firstPs = streams.map(() => -1);
  const lastPs = streams.map(() => -1);
  const bytes = streams.map(() => 0);
  const requests = streams.map(() => 0);
  const addrs = streams.map(() => 0);
  const sendNext = (index: number): void => {
    const { path, lengthBytes } = streams[index]!;
    const addr = addrs[index]!;
    addrs[index] = addr + Math.ceil(lengthBytes / 4096) * 4096;
    engine.send(path, addr, lengthBytes, false, sink, index);
  };
  const sink = {
    onProgress(progress: number, index: number): void {
      const { path, lengthBytes } = streams[index]!;
      if (progress !== (path.isWrite ? PROGRESS.ARRIVED : PROGRESS.COMPLETED)) {
        return;
      }
      const { nowPs } = queue;
      if (nowPs >= warmUpPs && nowPs < endPs) {
        if (firstPs[index]! < 0) {
          firstPs[index] = nowPs;
        } else {
          bytes[index]! += lengthBytes;
          requests[index]!++;
        }
        lastPs[index] = nowPs;
      }
      if (nowPs < endPs) {
        sendNext(index);
      }
    },
  };
  const starter = {
    onEvent(_code: number, index: number): void {
      for (let i = 0; i < streams[index]!.depth; i++) {
        sendNext(index);
      }
    },
  };
  streams.forEach((stream, index) => {
    queue.at(stream.startPs ?? 0, starter, 0, index);
  });
  queue.runUntilIdle();
  return streams.map((_, index) => ({
    goodputGBs: (bytes[index]! * 1000) / Math.max(1, lastPs[index]! - firstPs[index]!),
    requests: requests[index]!,
  }));
}
