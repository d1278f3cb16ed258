import { describe, expect, it } from 'vitest';
import { EventQueue, noTurn } from '../../../src/fabric/event-queue.ts';
import { PROGRESS, type ProgressSink } from '../../../src/fabric/timing/engine.ts';
import type { TimedPath } from '../../../src/fabric/timing/path.ts';
import { TlpEngine } from '../../../src/fabric/timing/tlp-engine.ts';
import {
  BAR_PS,
  CACHE_PS,
  DRAM_PS,
  type Duplex,
  makeLink,
  Net,
  postedCredits,
  readPath,
  writePath,
} from './support/paths.ts';

const GEN3_X8 = { speedGTs: 8, width: 8 };
const GEN3_X4 = { speedGTs: 8, width: 4 };
const GEN4_X16 = { speedGTs: 16, width: 16 };
const NO_ACKS = { dllp: 'none' } as const;

/** Keeps a number of requests in flight and counts what has arrived. */
class Stream implements ProgressSink {
  bytes = 0;
  requests = 0;
  lastPs = 0;
  readonly #engine: TlpEngine;
  readonly #queue: EventQueue;
  readonly #path: TimedPath;
  readonly #lengthBytes: number;
  readonly #end: number;
  #left: number;
  #addr = 2 ** 33;

  constructor(
    engine: TlpEngine,
    queue: EventQueue,
    path: TimedPath,
    options: { lengthBytes: number; count: number; depth: number },
  ) {
    this.#engine = engine;
    this.#queue = queue;
    this.#path = path;
    this.#lengthBytes = options.lengthBytes;
    this.#left = options.count;
    this.#end = path.isWrite ? PROGRESS.ARRIVED : PROGRESS.COMPLETED;
    for (let i = 0; i < options.depth; i++) {
      this.#next();
    }
  }

  #next(): void {
    if (this.#left > 0) {
      this.#left--;
      this.#engine.send(this.#path, this.#addr, this.#lengthBytes, false, this, 0);
      this.#addr += this.#lengthBytes;
    }
  }

  onProgress(progress: number): void {
    if (progress === this.#end) {
      this.bytes += this.#lengthBytes;
      this.requests++;
      this.lastPs = this.#queue.nowPs;
      this.#next();
    }
  }
}

function setUp() {
  const queue = new EventQueue({ timed: true, turn: noTurn });
  return { queue, engine: new TlpEngine(queue), net: new Net() };
}

/** Nanoseconds until one request is over. */
function latencyNs(path: (net: Net) => TimedPath, lengthBytes: number): number {
  const { queue, engine, net } = setUp();
  const stream = new Stream(engine, queue, path(net), { lengthBytes, count: 1, depth: 1 });
  queue.runUntilIdle();
  return stream.lastPs / 1000;
}

function twoLinks(net: Net, first = GEN3_X8, second = GEN3_X8): readonly [Duplex, Duplex] {
  return [makeLink(net, first, 'a', NO_ACKS), makeLink(net, second, 'b', NO_ACKS)];
}

describe('latency of an idle path', () => {
  it.each([
    ['L3', 64, false, 243.171875],
    ['L4', 64, true, 254.34375],
    ['L5', 256, false, 267.546875],
    ['L6', 256, true, 303.09375],
  ] as const)('%s: a posted packet of %i bytes through a switch', (_id, bytes, storesWhole, ns) => {
    const got = latencyNs((net) => {
      const [a, b] = twoLinks(net);
      return writePath([a.up, b.down], { source: 1, storesWhole });
    }, bytes);
    expect(got).toBeCloseTo(ns, 2);
  });

  it.each([
    ['L7', GEN3_X8, GEN3_X4],
    ['L8', GEN3_X4, GEN3_X8],
  ] as const)('%s: the slower of two links governs', (_id, first, second) => {
    const got = latencyNs((net) => {
      const [a, b] = twoLinks(net, first, second);
      return writePath([a.up, b.down], { source: 1 });
    }, 256);
    expect(got).toBeCloseTo(303.09375, 2);
  });

  it.each([
    ['L9', CACHE_PS, 415.710938],
    ['L10', DRAM_PS, 485.710938],
  ] as const)('%s: a read of 64 bytes of host memory', (_id, latencyPs, ns) => {
    const got = latencyNs((net) => {
      const a = makeLink(net, GEN3_X8, 'a', NO_ACKS);
      return readPath([a.up], [a.down], { source: 1, access: { latencyPs } });
    }, 64);
    expect(got).toBeCloseTo(ns, 2);
  });

  it('L11: a read of 512 bytes from a peer behind a switch', () => {
    const got = latencyNs((net) => {
      const [a, b] = twoLinks(net);
      return readPath([a.up, b.down], [b.up, a.down], { source: 1, access: { latencyPs: BAR_PS } });
    }, 512);
    // Two completions behind each other, at the net rate between their starts.
    expect(Math.abs(got - 687.125)).toBeLessThan(0.2);
  });
});

/** GB/s of a stream in its steady state. */
function goodput(
  path: (net: Net) => TimedPath,
  lengthBytes: number,
  options: { count?: number; depth?: number } = {},
): number {
  const { queue, engine, net } = setUp();
  const count = options.count ?? 4000;
  const stream = new Stream(engine, queue, path(net), { lengthBytes, count, depth: options.depth ?? 64 });
  queue.runUntilIdle();
  expect(stream.requests).toBe(count);
  expect(engine.pending).toBe(0);
  return (stream.bytes / stream.lastPs) * 1000;
}

describe('goodput', () => {
  it.each([
    ['W1', GEN3_X8, 256, 7.183028],
    ['W4', GEN3_X8, 128, 6.615947],
    ['W9', GEN4_X16, 128, 26.463788],
    ['W10', GEN4_X16, 256, 28.732112],
  ] as const)('%s: full writes', (_id, speed, payload, gbs) => {
    const got = goodput(
      (net) => writePath([makeLink(net, speed, 'a', NO_ACKS).up], { source: 1, requestBytes: payload }),
      65536,
    );
    expect(Math.abs(got / gbs - 1)).toBeLessThan(0.001);
  });

  it.each([
    ['T1', 4, 2.048],
    ['T3', 14, 7.168],
    ['T5', 32, 7.28713],
  ] as const)('%s: reads with %i tags of a round trip of 1 us', (_id, tags, gbs) => {
    const speed = { speedGTs: 16, width: 4 };
    const got = goodput((net) => {
      const a = makeLink(net, speed, 'a', NO_ACKS);
      // The serialisation of what comes back is part of the round trip.
      const serialPs = ((512 + 2 * 20) * 1000) / (1.96923076923 * 4) + (24 * 1000) / (1.96923076923 * 4);
      return readPath([a.up], [a.down], {
        source: 1,
        tags,
        delayPs: 0,
        delaysPs: [0],
        backDelaysPs: [0],
        access: { latencyPs: 1e6 - serialPs },
      });
    }, 512);
    expect(Math.abs(got / gbs - 1)).toBeLessThan(0.005);
  });

  it('K1: credits limit posted writes', () => {
    const got = goodput((net) => {
      const a = makeLink(net, GEN4_X16, 'a', {
        dllp: 'none',
        credits: postedCredits(16, 64),
        // Start of the packet to its credits: serialisation, delay, return.
        creditReturnPs: 400_000 - 61_000 - 8887,
      });
      return writePath([a.up], { source: 1, delayPs: 0 });
    }, 65536);
    expect(Math.abs(got / 2.56 - 1)).toBeLessThan(0.01);
  });

  it('Y1: both directions saturated lose what acknowledgements take', () => {
    const { queue, engine, net } = setUp();
    const a = makeLink(net, GEN3_X8, 'a');
    const options = { lengthBytes: 65536, count: 2000, depth: 16 };
    const there = new Stream(engine, queue, writePath([a.up], { source: 1 }), options);
    const back = new Stream(engine, queue, writePath([a.down], { source: 2 }), options);
    queue.runUntilIdle();
    for (const { bytes, lastPs } of [there, back]) {
      expect(Math.abs(((bytes / lastPs) * 1000) / 7.112075 - 1)).toBeLessThan(0.002);
    }
  });

  it('Q3, Q4: a packet each, so that shares follow the size on the wire', () => {
    const { queue, engine, net } = setUp();
    const shared = makeLink(net, GEN3_X8, 'shared', NO_ACKS);
    const streams = [64, 256].map((requestBytes, index) => {
      const own = makeLink(net, GEN3_X8, `own ${index}`, { dllp: 'none', credits: postedCredits(64, 1024) });
      return new Stream(engine, queue, writePath([own.up, shared.up], { source: index, requestBytes }), {
        lengthBytes: requestBytes * 64,
        count: 1000,
        depth: 8,
      });
    });
    queue.runUntilIdle();
    const [small, large] = streams.map(({ bytes, lastPs }) => (bytes / lastPs) * 1000);
    expect(Math.abs(small! / 1.366337 - 1)).toBeLessThan(0.01);
    expect(Math.abs(large! / 5.465347 - 1)).toBeLessThan(0.01);
  });
});

describe('what a stage keeps', () => {
  it('counts exactly the payload and the overhead of every packet, and gets all credits back', () => {
    const { queue, engine, net } = setUp();
    const a = makeLink(net, GEN3_X8, 'a', {
      dllp: 'none',
      credits: postedCredits(3, 200),
      creditReturnPs: 50_000,
    });
    new Stream(engine, queue, writePath([a.up], { source: 1 }), { lengthBytes: 1000, count: 100, depth: 4 });
    queue.runUntilIdle();
    // Requests follow each other, so that packets begin at multiples of 256 or where a request begins.
    let packets = 0;
    for (let at = 2 ** 33; at < 2 ** 33 + 100_000; at += 1000) {
      packets += Math.floor((at + 999) / 256) - Math.floor(at / 256) + 1;
    }
    expect(a.up.packets).toBe(packets);
    expect(a.up.wireBytes).toBeGreaterThanOrEqual(100_000 + packets * 24);
    expect(a.up.creditStallPs).toBeGreaterThan(0);
    queue.nowPs += 1e6;
    expect(engine.creditsOf(a.up)!.headers[0]).toBe(3);
    expect(engine.creditsOf(a.up)!.data[0]).toBe(200);
    expect(engine.packetsUnderWay).toBe(0);
  });

  it('says how long a source had no tag', () => {
    const { queue, engine, net } = setUp();
    const a = makeLink(net, GEN3_X8, 'a', NO_ACKS);
    new Stream(
      engine,
      queue,
      readPath([a.up], [a.down], { source: 7, tags: 2, access: { latencyPs: 1e6 } }),
      {
        lengthBytes: 4096,
        count: 10,
        depth: 4,
      },
    );
    queue.runUntilIdle();
    const [source] = engine.stalls(queue.nowPs).sources;
    expect(source!.source).toBe(7);
    expect(source!.tagPs).toBeGreaterThan(0.9 * queue.nowPs * 0.5);
    expect(engine.tagsUsed(7)).toBe(0);
  });
});

describe('virtual output queues', () => {
  const speed = GEN3_X8;
  const slow = { speedGTs: 2.5, width: 1 };
  const credits = { dllp: 'none', credits: postedCredits(128, 2048), creditReturnPs: 61_000 } as const;

  it('a blocked egress does not block others', () => {
    const { queue, engine, net } = setUp();
    const [shared, exit, free] = [
      makeLink(net, speed, 'shared', credits),
      makeLink(net, slow, 'slow', credits),
      makeLink(net, speed, 'free', credits),
    ];
    const streams = [exit, free].map(
      (link, source) =>
        new Stream(engine, queue, writePath([shared.up, link.down], { source }), {
          lengthBytes: 16_384,
          count: source === 0 ? 100 : 2000,
          depth: 64,
        }),
    );
    queue.runUntilIdle(1e6);
    const [blocked, other] = streams.map(({ bytes, lastPs }) => (bytes / lastPs) * 1000);
    expect(blocked! / ((0.25 * 256) / 280)).toBeGreaterThan(0.98);
    expect(other! / 7.183028).toBeGreaterThan(0.95);
  });

  it('nor does one that is blocked two switches further on', () => {
    const { queue, engine, net } = setUp();
    const first = makeLink(net, speed, 'first', credits);
    const second = makeLink(net, speed, 'second', credits);
    const exits = [makeLink(net, slow, 'slow', credits), makeLink(net, speed, 'free', credits)];
    const streams = exits.map(
      (link, source) =>
        new Stream(engine, queue, writePath([first.up, second.down, link.down], { source }), {
          lengthBytes: 16_384,
          count: source === 0 ? 100 : 2000,
          depth: 64,
        }),
    );
    queue.runUntilIdle(1e6);
    expect(((streams[1]!.bytes / streams[1]!.lastPs) * 1000) / 7.183028).toBeGreaterThan(0.95);
  });

  it('keep what is on a long way to a slower stage from throttling it', () => {
    const few = { headers: [32, 32, 32], data: [2048, 2048, 2048] } as const;
    const got = goodput((net) => {
      const socket = net.add({
        kind: 'socket',
        name: 'socket',
        occupancyPsPerByte: 1000 / 30,
        latencyPsPerByte: 0,
        credits: few,
      });
      const link = makeLink(net, GEN3_X8, 'link', NO_ACKS);
      return writePath([socket, link.down], {
        source: 1,
        requestBytes: 64,
        delaysPs: [165_000, 61_000],
      });
    }, 65_536);
    expect(Math.abs(got / ((7.183028 * 280) / 256 / (88 / 64)) - 1)).toBeLessThan(0.01);
  });

  it('the credits of a link are those of all who use it', () => {
    const { queue, engine, net } = setUp();
    const few = { dllp: 'none', credits: postedCredits(16, 64), creditReturnPs: 400_000 - 111_000 } as const;
    const shared = makeLink(net, GEN4_X16, 'shared', few);
    const streams = [0, 1].map((source) => {
      const exit = makeLink(net, GEN4_X16, `exit ${source}`, NO_ACKS);
      return new Stream(engine, queue, writePath([shared.up, exit.down], { source }), {
        lengthBytes: 16_384,
        count: 300,
        depth: 8,
      });
    });
    queue.runUntilIdle();
    const sum = streams.reduce((gbs, { bytes, lastPs }) => gbs + (bytes / lastPs) * 1000, 0);
    // K1: four packets of 256 bytes in 400 ns.
    expect(Math.abs(sum / 2.56 - 1)).toBeLessThan(0.02);
    expect(shared.up.creditStallPs / queue.nowPs).toBeGreaterThan(0.5);
  });

  it('a control write passes no data that came through the same ingress before it', () => {
    const { queue, engine, net } = setUp();
    const up = makeLink(net, speed, 'up', credits);
    const exit = makeLink(net, slow, 'slow', credits);
    const data = writePath([up.up, exit.down], { source: 1 });
    const control = writePath([up.up, exit.down], { source: 1 });
    const order: string[] = [];
    const sink = (name: string): ProgressSink => ({
      onProgress: (progress) => {
        if (progress === PROGRESS.ARRIVED) {
          order.push(name);
        }
      },
    });
    engine.send(data, 0, 1024, false, sink('data'), 0);
    // Once all of it waits behind the slow exit.
    queue.at(
      2_000_000,
      { onEvent: () => void engine.send(control, 1 << 20, 16, true, sink('control'), 0) },
      0,
      0,
    );
    queue.runUntilIdle();
    expect(order).toEqual(['data', 'control']);
  });
});

describe('tags of a source', () => {
  it('are divided evenly among the paths that it reads over', () => {
    const alone = (tags: number): number =>
      goodput(
        (net) => {
          const a = makeLink(net, GEN3_X8, 'a', NO_ACKS);
          return readPath([a.up], [a.down], { source: 1, tags, access: { latencyPs: 2e6 } });
        },
        4096,
        { count: 1000 },
      );
    const { queue, engine, net } = setUp();
    const a = makeLink(net, GEN3_X8, 'a', NO_ACKS);
    const fast = readPath([a.up], [a.down], { source: 1, tags: 16, access: { latencyPs: 2e6 } });
    const slow = readPath([a.up], [a.down], { source: 1, tags: 16, access: { latencyPs: 4e7 } });
    const streams = [fast, slow].map(
      (path, index) =>
        new Stream(engine, queue, path, { lengthBytes: 4096, count: index === 0 ? 2000 : 200, depth: 32 }),
    );
    queue.runUntilIdle();
    const [first] = streams.map(({ bytes, lastPs }) => (bytes / lastPs) * 1000);
    expect(Math.abs(first! / alone(8) - 1)).toBeLessThan(0.02);
    expect(engine.tagsUsed(1)).toBe(0);
  });
});
