// Shares of flows that meet: the vectors of section 14, and what a tree of round robins does.
import { describe, expect, it } from 'vitest';
import { FlowEngine, type FlowEngineOptions } from '../../../src/fabric/timing/flow-engine.ts';
import type { TimedPath } from '../../../src/fabric/timing/path.ts';
import { runStreams, timedQueue } from './support/drive.ts';
import {
  makeLink,
  makePayloadStage,
  Net,
  postedCredits,
  readPath,
  Tree,
  writePath,
} from './support/paths.ts';

const g3x8 = { speedGTs: 8, width: 8 };
const g4x16 = { speedGTs: 16, width: 16 };
const g5x16 = { speedGTs: 32, width: 16 };

function goodputs(paths: readonly TimedPath[], options: FlowEngineOptions = {}): number[] {
  const queue = timedQueue();
  const streams = paths.map((path) => ({ path, lengthBytes: 16384, depth: 8 }));
  const results = runStreams(queue, new FlowEngine(queue, options), streams, 1e8, 1e9);
  return results.map(({ goodputGBs }) => goodputGBs);
}

/** Relative: 1 in 1000. */
function expectRates(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, rate] of actual.entries()) {
    expect(Math.abs(rate / expected[index]! - 1), `${actual} against ${expected}`).toBeLessThan(2e-3);
  }
}

describe('flows that meet at one link', () => {
  it.each([
    ['Q1', [4, 10, 20], [4, 10, 12.463788]],
    ['Q2', [4, 20, 20], [4, 11.231894, 11.231894]],
  ])('%s: nobody gets more than he can use, and the rest is shared', (_id, demands, expected) => {
    const net = new Net();
    const shared = makeLink(net, g4x16, 'shared').down;
    const paths = demands.map((gbs, source) =>
      writePath([makePayloadStage(net, 'root-complex', gbs, `limit ${source}`), shared], {
        source,
        requestBytes: 128,
      }),
    );
    expectRates(goodputs(paths), expected);
  });

  it('Q3, Q4: equal packet rates, so bytes follow the size of packets', () => {
    const net = new Net();
    const shared = makeLink(net, g3x8, 'shared').down;
    const paths = [64, 256].map((requestBytes, source) =>
      writePath([makeLink(net, g5x16, `in ${source}`).up, shared], { source, requestBytes }),
    );
    expectRates(goodputs(paths), [1.366337, 5.465347]);
  });

  it('Q3, Q4 again, when the small packets are small requests', () => {
    const net = new Net();
    const shared = makeLink(net, g3x8, 'shared').down;
    const paths = [0, 1].map((source) =>
      writePath([makeLink(net, g5x16, `in ${source}`).up, shared], { source }),
    );
    const queue = timedQueue();
    const streams = [
      { path: paths[0]!, lengthBytes: 64, depth: 32 },
      { path: paths[1]!, lengthBytes: 16384, depth: 8 },
    ];
    const results = runStreams(queue, new FlowEngine(queue), streams, 1e7, 1e8);
    expectRates(
      results.map(({ goodputGBs }) => goodputGBs),
      [1.366337, 5.465347],
    );
  });

  it('Y1: both directions full, each less by the acknowledgements of the other', () => {
    const net = new Net();
    const link = makeLink(net, g3x8, 'link');
    const paths = [writePath([link.up], { source: 1 }), writePath([link.down], { source: 2 })];
    expectRates(goodputs(paths), [7.112075, 7.112075]);
  });

  it('a read shares the direction of its data, and asks in the other', () => {
    const net = new Net();
    const link = makeLink(net, g3x8, 'link', { dllp: 'none' });
    const host = makeLink(net, g5x16, 'host', { dllp: 'none' });
    const read = readPath([link.up, host.down], [host.up, link.down], { source: 1, tags: 256 });
    const write = writePath([link.up, host.down], { source: 1 });
    const [readGBs, writeGBs] = goodputs([read, write]);
    // 24 bytes of requests for 512 of data go up, with the writes.
    const net3 = 1 / 0.126953125 / (1 + 0.0026148);
    expectRates([readGBs!], [7.28713]);
    expect((writeGBs! * 280) / 256 + (readGBs! * 24) / 512).toBeCloseTo(net3, 1);
  });
});

describe('flows that come through the same ingress', () => {
  /** Two behind one switch, one behind another, all to one endpoint. */
  function threeWriters(net: Net, sizes: readonly number[] = [256, 256, 256]) {
    const tree = new Tree(net);
    const left = tree.add(tree.root, g5x16, 'left');
    const right = tree.add(tree.root, g5x16, 'right');
    const target = tree.add(tree.root, g3x8, 'target');
    const writers = [left, left, right].map((parent, index) => tree.add(parent, g5x16, `w${index}`));
    return writers.map((writer, source) =>
      tree.write(writer, target, { source, requestBytes: sizes[source]! }),
    );
  }

  it('share its turn', () => {
    expectRates(goodputs(threeWriters(new Net())), [7.183028 / 4, 7.183028 / 4, 7.183028 / 2]);
  });

  it('share it by packets', () => {
    // Packets 1:1:2; 152, 280 and 280 bytes on the wire.
    const packets = 7.183028 / 256 / ((152 + 280 + 560) / 280);
    expectRates(goodputs(threeWriters(new Net(), [128, 256, 256])), [
      128 * packets,
      256 * packets,
      512 * packets,
    ]);
  });

  it('leave it to each other where one cannot use it', () => {
    const net = new Net();
    const tree = new Tree(net);
    const left = tree.add(tree.root, g5x16, 'left');
    const right = tree.add(tree.root, g5x16, 'right');
    const target = tree.add(tree.root, g3x8, 'target');
    const slow = tree.add(left, { speedGTs: 2.5, width: 1 }, 'slow');
    const fast = tree.add(left, g5x16, 'fast');
    const other = tree.add(right, g5x16, 'other');
    const paths = [slow, fast, other].map((node, source) => tree.write(node, target, { source }));
    const slowGBs = (0.25 * (1 - 4 / 1538) * 256) / 280;
    expectRates(goodputs(paths), [slowGBs, 7.183028 / 2 - slowGBs, 7.183028 / 2]);
  });

  it('have turns by weight where the arbitration says so', () => {
    const net = new Net();
    const target = makeLink(net, g3x8, 'target').down;
    const paths = [1, 3].map((weight, source) => {
      const options = { kind: 'link', occupancyPsPerByte: 10, latencyPsPerByte: 10, weight } as const;
      return writePath([net.add({ ...options, name: `in ${weight}` }), target], { source });
    });
    expectRates(goodputs(paths), [7.183028 / 2, 7.183028 / 2]);
    expectRates(goodputs(paths, { arbitration: 'weighted' }), [7.183028 / 4, (7.183028 * 3) / 4]);
  });
});

describe('a flow that is slow further on', () => {
  function twoTargets(hasCredits: boolean) {
    const net = new Net();
    const tree = new Tree(net);
    const options = hasCredits ? { credits: postedCredits(64, 1024), creditReturnPs: 10_000 } : {};
    const source = tree.add(tree.root, g4x16, 'source', options);
    const slow = tree.add(tree.root, { speedGTs: 8, width: 1 }, 'slow', options);
    const fast = tree.add(tree.root, g4x16, 'fast', options);
    return [slow, fast].map((target) => tree.write(source, target, { source: 1 }));
  }

  it.each([true, false])("is in nobody's way, whether buffers have an end (%s) or not", (hasCredits) => {
    expectRates(goodputs(twoTargets(hasCredits)), [7.183028 / 8, 28.732112 - 7.183028 / 8]);
  });

  it('holds its part of the tags of its source, and leaves the others to who can use them', () => {
    const net = new Net();
    const tree = new Tree(net);
    const reader = tree.add(tree.root, g4x16, 'reader');
    const slow = tree.add(tree.root, { speedGTs: 8, width: 1 }, 'slow');
    const fast = tree.add(tree.root, g4x16, 'fast');
    const paths = (tags: number) =>
      [slow, fast].map((target) => tree.read(reader, target, { source: 1, tags }));
    const alone = goodputs([paths(8)[1]!])[0]!;
    const [slowGBs, fastGBs] = goodputs(paths(16));
    expect(slowGBs!).toBeCloseTo(7.28713 / 8, 2);
    expect(fastGBs! / alone).toBeGreaterThan(0.98);
    expect(fastGBs! / alone).toBeLessThan(1.01);
  });
});

describe('completions of one completer', () => {
  it('have a turn each by requester, however many requests each has under way', () => {
    const net = new Net();
    const tree = new Tree(net);
    const memory = tree.add(tree.root, g3x8, 'memory');
    const paths = [32, 96].map((tags, source) =>
      tree.read(tree.add(tree.root, g4x16, `reader ${source}`), memory, { source, tags }),
    );
    const [few, many] = goodputs(paths);
    expect(many! / few!).toBeCloseTo(1, 2);
    expect(few! + many!).toBeCloseTo(7.28713, 1);
  });
});
