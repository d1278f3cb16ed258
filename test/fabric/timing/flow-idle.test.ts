// One flow by itself against the closed forms: latencies of section 7, goodput of sections 5, 6 and 8.
import { describe, expect, it } from 'vitest';
import { FlowEngine } from '../../../src/fabric/timing/flow-engine.ts';
import type { TimedPath } from '../../../src/fabric/timing/path.ts';
import { Stage } from '../../../src/fabric/timing/stage.ts';
import {
  readGoodputGBs,
  readRoundTripNs,
  speedOfGeneration,
  taggedReadGoodputGBs,
  writeGoodputGBs,
  writeTransferGoodputGBs,
} from '../../../src/rates/index.ts';
import { runStreams, sendAlone, timedQueue } from './support/drive.ts';
import {
  BAR_PS,
  CACHE_PS,
  DRAM_PS,
  makeEngine,
  makeLink,
  Net,
  PIN_PS,
  PROPAGATION_PS,
  postedCredits,
  readPath,
  writePath,
} from './support/paths.ts';

const link = (generation: number, width: number) => ({ speedGTs: speedOfGeneration(generation)!, width });
const g3x8 = link(3, 8);
const g3x4 = link(3, 4);

/** Two links with a switch between them. */
function twoLinks(first = g3x8, second = g3x8) {
  const net = new Net();
  return { net, a: makeLink(net, first, 'a'), b: makeLink(net, second, 'b') };
}

function alone(path: TimedPath, lengthBytes: number, addr = 0, isControl = false) {
  const queue = timedQueue();
  const engine = new FlowEngine(queue);
  const moments = sendAlone(queue, engine, path, lengthBytes, addr, isControl);
  expect(engine.pending).toBe(0);
  return moments;
}

function goodput(path: TimedPath, lengthBytes = 65536, depth = 16): number {
  const queue = timedQueue();
  const stream = { path, lengthBytes, depth };
  return runStreams(queue, new FlowEngine(queue), [stream], 5e7, 5e8)[0]!.goodputGBs;
}

describe('an idle posted write', () => {
  it.each([
    ['L3', g3x8, g3x8, 64, false, 243.171875],
    ['L4', g3x8, g3x8, 64, true, 254.34375],
    ['L5', g3x8, g3x8, 256, false, 267.546875],
    ['L6', g3x8, g3x8, 256, true, 303.09375],
    ['L7', g3x8, g3x4, 256, false, 303.09375],
    ['L8', g3x4, g3x8, 256, false, 303.09375],
  ])('%s arrives when the closed form says', (_id, first, second, bytes, storesWhole, ns) => {
    const { a, b } = twoLinks(first, second);
    const path = writePath([a.up, b.down], { source: 1, storesWhole });
    expect(alone(path, bytes).arrivedPs).toBe(Math.ceil(ns * 1000));
    expect(alone(path, bytes, 0, true).arrivedPs).toBe(Math.ceil(ns * 1000));
  });

  it('has left its sender a serialisation after the pins', () => {
    const { a, b } = twoLinks();
    const { takenPs } = alone(writePath([a.up, b.down], { source: 1 }), 256);
    expect(takenPs).toBe(Math.ceil(PIN_PS + 280 * a.up.latencyPsPerByte));
  });

  it('of many packets takes one occupancy of the bottleneck more for each', () => {
    const { a, b } = twoLinks(g3x8, g3x4);
    const path = writePath([a.up, b.down], { source: 1 });
    const { arrivedPs } = alone(path, 16 * 256);
    expect(arrivedPs).toBeCloseTo(303_093.75 + 15 * 280 * b.down.occupancyPsPerByte, -1);
  });

  it('without any stage takes its delay', () => {
    const path = writePath([], { source: 1, delayPs: 1234 });
    expect(alone(path, 4096).arrivedPs).toBe(1234);
  });

  it('of no bytes is one packet', () => {
    const { net, a } = twoLinks();
    alone(writePath([a.up], { source: 1 }), 0);
    expect([net.stages[0]!.packets, net.stages[0]!.wireBytes]).toEqual([1, 24]);
  });
});

describe('an idle read', () => {
  it.each([
    ['L9', CACHE_PS, 415.710938],
    ['L10', DRAM_PS, 485.710938],
  ])('%s is back when the closed form says', (_id, latencyPs, ns) => {
    const net = new Net();
    const a = makeLink(net, g3x8, 'a');
    const path = readPath([a.up], [a.down], { source: 1, access: { latencyPs }, tags: 32 });
    const moments = alone(path, 64);
    expect(moments.completedPs / 1000).toBeCloseTo(ns, 2);
    expect(moments.arrivedPs).toBe(
      Math.ceil(2 * PIN_PS + PROPAGATION_PS + 24 * a.up.latencyPsPerByte + latencyPs),
    );
  });

  it('L11: 512 bytes through a switch, whose one-tag goodput is L12', () => {
    const { a, b } = twoLinks();
    const access = { latencyPs: BAR_PS };
    const roundTripNs = readRoundTripNs([g3x8, g3x8], 512, 256, BAR_PS / 1000);
    const path = readPath([a.up, b.down], [b.up, a.down], { source: 1, access, tags: 1 });
    expect(alone(path, 512).completedPs / 1000 / roundTripNs).toBeCloseTo(1, 2);
    // One request after the other: all of the round trip, the sender's own pins included.
    expect(goodput(path, 512, 1)).toBeCloseTo(
      taggedReadGoodputGBs(readGoodputGBs(g3x8, 256), 1, 512, roundTripNs),
      2,
    );
  });

  it('with few tags goes in rounds', () => {
    const { a, b } = twoLinks();
    const path = readPath([a.up, b.down], [b.up, a.down], { source: 1, tags: 3, delayPs: 0 });
    const one = alone(path, 512).completedPs;
    const dataPs = 552 * a.down.occupancyPsPerByte;
    // Eight requests: three, three, and the second of the third round.
    expect(alone(path, 8 * 512).completedPs / (3 * one + dataPs)).toBeCloseTo(1, 3);
  });
});

describe('a steady flow', () => {
  it.each([
    ['W1', g3x8, 256, 24],
    ['W2', g3x8, 256, 28],
    ['W4', g3x8, 128, 24],
    ['W6', g3x4, 256, 24],
    ['W9', link(4, 16), 128, 24],
    ['W13', link(5, 16), 256, 24],
    ['W16', link(1, 16), 128, 24],
  ])('%s writes at the goodput of its link', (_id, speed, requestBytes, requestOverhead) => {
    const net = new Net();
    const path = writePath([makeLink(net, speed, 'a').up], { source: 1, requestBytes, requestOverhead });
    const expected = writeGoodputGBs(speed, requestBytes, { ecrc: requestOverhead === 28 });
    expect(goodput(path) / expected).toBeCloseTo(1, 3);
  });

  it('W17: written in pieces of 64 bytes behind a root complex', () => {
    const { a, b } = twoLinks(link(3, 16), link(3, 16));
    const path = writePath([a.up, b.down], { source: 1, splitBytes: [Number.POSITIVE_INFINITY, 64] });
    expect(goodput(path) / 11.427545).toBeCloseTo(1, 3);
    expect(b.down.packets).toBe(4 * a.up.packets);
  });

  it('S513: requests that end in a short packet', () => {
    const net = new Net();
    const path = writePath([makeLink(net, g3x8, 'a').up], { source: 1 });
    expect(goodput(path, 513, 64) / writeTransferGoodputGBs(g3x8, 513, 256)).toBeCloseTo(1, 3);
  });

  it.each([
    ['D1', g3x8, 256],
    ['D2', g3x8, 64],
    ['D5', link(4, 4), 64],
    ['D7', link(5, 16), 256],
  ])('%s reads at the goodput of its link', (_id, speed, completionBytes) => {
    const net = new Net();
    const a = makeLink(net, speed, 'a');
    const path = readPath([a.up], [a.down], { source: 1, completionBytes });
    // Acknowledgements of the requests share the direction of the data: less than 1 in 1000.
    expect(Math.abs(goodput(path) / readGoodputGBs(speed, completionBytes) - 1)).toBeLessThan(1e-3);
  });

  it.each([
    ['T1', 4, 2.048],
    ['T2', 8, 4.096],
    ['T3', 14, 7.168],
    ['T4', 15, 7.28713],
    ['T5', 32, 7.28713],
  ])('%s reads as fast as its tags let it', (_id, tags, expected) => {
    const net = new Net();
    const a = makeLink(net, link(4, 4), 'a', { dllp: 'none' });
    const serialPs = (24 + 276) * a.up.latencyPsPerByte + 276 * a.up.occupancyPsPerByte;
    const path = readPath([a.up], [a.down], {
      source: 1,
      tags,
      delayPs: 0,
      delaysPs: [0],
      backDelaysPs: [0],
      access: { latencyPs: 1e6 - serialPs },
    });
    expect(goodput(path) / expected).toBeCloseTo(1, 3);
  });

  it('a gate of four reads of 256 bytes lets 1.2 GB/s by (calibration row C10)', () => {
    const { a, b } = twoLinks(link(3, 16), link(3, 16));
    const options = { source: 1, requestBytes: 256, tags: 64, access: { latencyPs: 420_000 } };
    const gate = { name: 'bridge', requestsMax: 4 };
    const path = readPath([a.up, b.down], [b.up, a.down], { ...options, gate });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const [result] = runStreams(queue, engine, [{ path, lengthBytes: 65536, depth: 4 }], 5e7, 5e8);
    const holdNs = alone(path, 256).completedPs / 1000 - PIN_PS / 1000;
    expect(result!.goodputGBs / ((4 * 256) / holdNs)).toBeCloseTo(1, 3);
    expect(engine.stalls().gates[0]!.stallPs).toBeGreaterThan(3e8);
  });

  it.each([
    ['K1', 16, 64, 2.56],
    ['K2', 64, 512, 20.48],
    ['K3', 719, 719, 28.732112],
  ])('%s writes as fast as the credits let it', (_id, headers, data, expected) => {
    const net = new Net();
    const speed = link(4, 16);
    const options = { credits: postedCredits(headers, data), creditReturnPs: 0, dllp: 'none' } as const;
    const draft = makeLink(new Net(), speed, 'x');
    const lagPs = 280 * draft.up.latencyPsPerByte;
    const a = makeLink(net, speed, 'a', { ...options, creditReturnPs: 400_000 - lagPs - 1000 });
    const path = writePath([a.up], { source: 1, delaysPs: [1000] });
    expect(goodput(path) / expected).toBeCloseTo(1, 3);
    expect(a.up.creditStallPs > 0).toBe(expected < 28);
  });

  it('strictly ordered writes wait for each other', () => {
    const { a, b } = twoLinks();
    const path = writePath([a.up, b.down], { source: 1, waitsForPosted: true });
    const other = writePath([a.up, b.down], { source: 1, waitsForPosted: true, requestBytes: 128 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const streams = [path, other].map((p) => ({ path: p, lengthBytes: 128, depth: 4 }));
    const results = runStreams(queue, engine, streams, 5e7, 5e8);
    // One at a time, from the pins to the far end.
    const stepNs = (alone(path, 128).arrivedPs - PIN_PS) / 1000;
    for (const { goodputGBs } of results) {
      expect(goodputGBs / (128 / (2 * stepNs))).toBeCloseTo(1, 2);
    }
    expect(engine.stalls().sources[0]!.orderPs).toBeGreaterThan(4e8);
  });

  it('a device makes no more packets than its engine can', () => {
    const net = new Net();
    const path = writePath([makeEngine(net, 47e6, 'nfp'), makeLink(net, g3x8, 'a').up], { source: 1 });
    expect(goodput(path, 64, 64) / (47e6 * 64e-9)).toBeCloseTo(1, 3);
  });

  it('bit errors take what they cost on average', () => {
    const net = new Net();
    const a = makeLink(net, g3x8, 'a', { bitErrorRate: 1e-5, dllp: 'none' });
    const path = writePath([a.up], { source: 1 });
    const p = 8 * 280 * 1e-5;
    expect(goodput(path) / (writeGoodputGBs(g3x8, 256) * (1 - p))).toBeCloseTo(1, 3);
    expect(a.up.replays / ((a.up.packets * p) / (1 - p))).toBeCloseTo(1, 2);
  });
});

describe('counters', () => {
  it('an unaligned write counts what its packets would have', () => {
    const { net, a, b } = twoLinks();
    // 156, 18 x 256 and 236 bytes; 4 B padding is none here.
    alone(writePath([a.up, b.down], { source: 1 }), 5000, 100);
    expect(a.up.packets).toBe(20);
    expect(a.up.wireBytes).toBe(5000 + 20 * 24);
    expect(b.down.wireBytes).toBe(a.up.wireBytes);
    expect(b.down.busyPs).toBeCloseTo(b.down.wireBytes * b.down.occupancyPsPerByte, 3);
    // An Ack and an UpdateFC each 1624 bytes.
    expect(net.stages[1]!.wireBytes).toBe(Math.floor(5480 / (203 * 8)) * 16);
  });

  it('a read counts requests there and completions back', () => {
    const net = new Net();
    const a = makeLink(net, g3x8, 'a', { dllp: 'none' });
    alone(readPath([a.up], [a.down], { source: 1, requestBytes: 512, completionBytes: 128 }), 1000, 300);
    // Requests end at 512, 1024, 1300; completions at multiples of 128 besides.
    expect([a.up.packets, a.up.wireBytes]).toEqual([3, 72]);
    expect([a.down.packets, a.down.wireBytes]).toEqual([9, 1000 + 9 * 20]);
  });
});

describe('control requests', () => {
  it('of a source arrive in the order in which they were sent', () => {
    const { a, b } = twoLinks();
    const near = writePath([a.up], { source: 1 });
    const far = writePath([a.up, b.down], { source: 1 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const order: number[] = [];
    const sink = { onProgress: (progress: number, token: number) => progress === 1 && order.push(token) };
    engine.send(far, 0, 16, true, sink, 0);
    engine.send(near, 0, 4, true, sink, 1);
    engine.send(far, 0, 16, true, sink, 2);
    queue.runUntilIdle();
    expect(order).toEqual([0, 1, 2]);
  });

  it('never pass faster than their stages can', () => {
    const { a, b } = twoLinks();
    const path = writePath([a.up, b.down], { source: 1 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    let lastPs = 0;
    const sink = {
      onProgress: () => {
        lastPs = queue.nowPs;
      },
    };
    for (let i = 0; i < 1000; i++) {
      engine.send(path, 0, 16, true, sink, i);
    }
    queue.runUntilIdle();
    expect(lastPs).toBeGreaterThanOrEqual(1000 * 40 * a.up.occupancyPsPerByte);
    expect(lastPs).toBeLessThan(1000 * 40 * a.up.occupancyPsPerByte + 300_000);
  });

  it('take their occupancy from the flows they meet', () => {
    const { a, b } = twoLinks();
    const bulk = writePath([a.up, b.down], { source: 1 });
    const doorbell = writePath([a.up, b.down], { source: 1 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const moments = { bulk: 0 };
    const nothing = { onProgress: () => undefined };
    engine.send(
      bulk,
      0,
      1 << 20,
      false,
      {
        onProgress: () => {
          moments.bulk = queue.nowPs;
        },
      },
      0,
    );
    const ring = {
      onEvent: (_code: number, token: number) => {
        engine.send(doorbell, 0, 4, true, nothing, token);
      },
    };
    for (let i = 0; i < 100; i++) {
      queue.at(1_000_000 + i * 100_000, ring, 0, i);
    }
    queue.runUntilIdle();
    const by = alone(bulk, 1 << 20).arrivedPs;
    expect(moments.bulk - by).toBeCloseTo(100 * 28 * a.up.occupancyPsPerByte, -1);
  });
});

describe('requests', () => {
  it('that were forgotten are not heard of, and one that was not begun is not sent', () => {
    const { a, b } = twoLinks();
    const path = writePath([a.up, b.down], { source: 1 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const heard: number[] = [];
    const sink = { onProgress: (_: number, token: number) => heard.push(token) };
    const names = [0, 1, 2].map((token) => engine.send(path, 0, 4096, false, sink, token));
    engine.forget(names[0]!);
    engine.forget(names[1]!);
    engine.forget(names[1]!);
    expect(engine.pending).toBe(1);
    queue.runUntilIdle();
    expect(heard).toEqual([2, 2]);
    expect(a.up.wireBytes).toBe(2 * 4480);
    expect(engine.pending).toBe(0);
  });

  it('feel a stage whose rate changes in the middle', () => {
    const stage = new Stage(0, {
      kind: 'memory',
      name: 'memory',
      occupancyPsPerByte: 100,
      latencyPsPerByte: 0,
    });
    const path = writePath([stage], { source: 1, delayPs: 0 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    let endPs = 0;
    engine.send(
      path,
      0,
      1 << 20,
      false,
      {
        onProgress: () => {
          endPs = queue.nowPs;
        },
      },
      0,
    );
    const slowDown = {
      onEvent: () => {
        stage.occupancyPsPerByte = 200;
        engine.ratesChanged();
      },
    };
    queue.at(50 * 2 ** 20, slowDown, 0, 0);
    queue.runUntilIdle();
    expect(endPs / (50 * 2 ** 20 + 100 * 2 ** 20)).toBeCloseTo(1, 3);
  });

  it('wait for the translation that is latest', () => {
    const asked: number[] = [];
    const translation = {
      ready: (_s: number, addr: number, _w: boolean, atPs: number) => {
        asked.push(addr);
        return atPs + (addr === 8192 ? 290_000 : 0);
      },
    };
    const net = new Net();
    const a = makeLink(net, g3x8, 'a');
    const plain = writePath([a.up], { source: 1 });
    const path = writePath([a.up], { source: 1, translation, translationAt: 1 });
    expect(alone(path, 8192, 4096 + 64).arrivedPs - alone(plain, 8192, 4096 + 64).arrivedPs).toBe(290_000);
    expect(asked).toEqual([4160, 8192, 12288]);
  });

  it('tell a listener of their trains', () => {
    const net = new Net();
    const a = makeLink(net, g3x8, 'a');
    const path = readPath([a.up], [a.down], { source: 1 });
    const queue = timedQueue();
    const engine = new FlowEngine(queue);
    const seen: number[][] = [];
    engine.listener = {
      onOccupied: (stage, startPs, endPs, wire) => seen.push([stage, wire, endPs > startPs ? 1 : 0]),
    };
    sendAlone(queue, engine, path, 4096);
    expect(seen).toEqual([
      [0, 8 * 24, 1],
      [1, 4096 + 16 * 20, 1],
    ]);
  });
});
