/**
 * Both engines tell the same: of a single stream on an idle path within 1 %, of streams that share stages and tags within 5 % each
 * (timing model, sections 8, 14 and 16), on random trees of switches with links of all generations and widths.
 *
 * The class is that of the specification: steady streams, credits from K3 up, shares by the size on the wire. What is compared is
 * the mean of each stream over 1.5 ms, after the queues have filled; streams that end fewer than eight requests in that time are
 * not steady.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransportEngine } from '../../../src/fabric/timing/engine.ts';
import { FlowEngine } from '../../../src/fabric/timing/flow-engine.ts';
import { Iotlb } from '../../../src/fabric/timing/iotlb.ts';
import { TlpEngine } from '../../../src/fabric/timing/tlp-engine.ts';
import { netGBs } from '../../../src/rates/index.ts';
import { runStreams, sendAlone, timedQueue } from './support/drive.ts';
import { BAR_PS, makeLink, Net, postedCredits, readPath, writePath } from './support/paths.ts';
import { type SteadyFabric, type SteadyStream, steadyFabric } from './support/random-steady.ts';

const RUNS = Number(process.env.PEERLANE_TIMED_FABRICS ?? 40);
const SEED = Number(process.env.PEERLANE_TIMED_SEED ?? 1);
const END_PS = 2e9;
/** Fabrics of each kind with contention. */
const CONTENDED = Math.ceil(RUNS * 0.4);
/** Only ends a test that hangs. */
const HANGS_MS = 120_000 + RUNS * 2000;

const ENGINES = {
  tlp: (queue: ReturnType<typeof timedQueue>): TransportEngine => new TlpEngine(queue),
  flow: (queue: ReturnType<typeof timedQueue>): TransportEngine => new FlowEngine(queue),
};
type EngineName = keyof typeof ENGINES;

function goodputs(make: () => SteadyFabric, engine: EngineName, endPs = END_PS): number[] {
  const queue = timedQueue();
  const { streams } = make();
  return runStreams(queue, ENGINES[engine](queue), streams, endPs / 4, endPs).map(
    ({ goodputGBs, requests }) => (requests < 8 ? Number.NaN : goodputGBs),
  );
}

/** Largest difference of a stream, as a part of what the packet engine says; streams too slow to be steady do not count. */
function difference(make: () => SteadyFabric, endPs?: number): number {
  const tlp = goodputs(make, 'tlp', endPs);
  const flow = goodputs(make, 'flow', endPs);
  return Math.max(
    0,
    ...tlp.map((gbs, i) => Math.abs(flow[i]! / gbs - 1)).filter((part) => !Number.isNaN(part)),
  );
}

function alone(fabric: SteadyFabric, index: number): SteadyFabric {
  return { net: fabric.net, streams: [fabric.streams[index]!] };
}

const seeds = fc.integer({ min: 1, max: 2 ** 30 });

describe('both engines', () => {
  it(
    'agree on a single stream within 1 %',
    () => {
      fc.assert(
        fc.property(seeds, fc.nat(7), (seed, which) => {
          const make = () => {
            const fabric = steadyFabric(seed);
            return alone(fabric, which % fabric.streams.length);
          };
          expect(difference(make, 2e8)).toBeLessThan(0.01);
        }),
        { numRuns: RUNS * 2, seed: SEED },
      );
    },
    HANGS_MS,
  );

  it(
    'agree on when a single request is over within 1 %',
    () => {
      fc.assert(
        fc.property(seeds, fc.integer({ min: 1, max: 65_536 }), fc.nat(8191), (seed, length, addr) => {
          const ended = (['tlp', 'flow'] as const).map((engine) => {
            const queue = timedQueue();
            const { path } = steadyFabric(seed).streams[0]!;
            const moments = sendAlone(queue, ENGINES[engine](queue), path, length, addr);
            return path.isWrite ? moments.arrivedPs : moments.completedPs;
          });
          expect(Math.abs(ended[1]! / ended[0]! - 1)).toBeLessThan(0.01);
        }),
        { numRuns: RUNS * 4, seed: SEED },
      );
    },
    HANGS_MS,
  );

  it.each([
    { kinds: 'writes', whose: 'of their own', sharesSources: false },
    { kinds: 'writes', whose: 'that they share', sharesSources: true },
    { kinds: 'reads', whose: 'of their own', sharesSources: false },
    { kinds: 'reads', whose: 'that they share', sharesSources: true },
    { kinds: 'both', whose: 'of their own', sharesSources: false },
    { kinds: 'both', whose: 'that they share', sharesSources: true },
  ] as const)(
    'agree on contending $kinds of sources $whose within 5 %',
    ({ kinds, sharesSources }) => {
      const apart: string[] = [];
      for (let seed = SEED; seed < SEED + CONTENDED; seed++) {
        const part = difference(() => steadyFabric(seed, { kinds, sharesSources }));
        if (part > 0.05) {
          apart.push(`seed ${seed}: ${(part * 100).toFixed(1)} %`);
        }
      }
      expect(apart).toEqual([]);
    },
    HANGS_MS,
  );

  it(
    'agree on readers that share a trunk within 5 %',
    () => {
      fc.assert(
        fc.property(
          fc.constantFrom(8, 16, 32),
          fc.constantFrom(4, 8, 16),
          fc.array(
            fc.record({
              mrrs: fc.constantFrom(256, 512, 4096),
              mps: fc.constantFrom(128, 256),
              tags: fc.constantFrom(64, 256),
            }),
            { minLength: 2, maxLength: 4 },
          ),
          (speedGTs, width, readers) => {
            const make = (): SteadyFabric => {
              const net = new Net();
              const trunk = makeLink(net, { speedGTs, width }, 'trunk');
              const streams = readers.map(({ mrrs, mps, tags }, source): SteadyStream => {
                const own = makeLink(net, { speedGTs: 32, width: 16 }, `reader ${source}`);
                const far = makeLink(net, { speedGTs: 32, width: 16 }, `completer ${source}`);
                return {
                  name: `${source}`,
                  path: readPath([own.up, trunk.up, far.down], [far.up, trunk.down, own.down], {
                    source,
                    tags,
                    requestBytes: mrrs,
                    completionBytes: mps,
                    access: { latencyPs: BAR_PS },
                  }),
                  lengthBytes: 16_384,
                  depth: 64,
                };
              });
              return { net, streams };
            };
            expect(difference(make, 2e8)).toBeLessThan(0.05);
          },
        ),
        { numRuns: Math.ceil(RUNS / 2), seed: SEED },
      );
    },
    HANGS_MS,
  );
});

describe('counterexamples that taught something', () => {
  it('large packets are not starved of credits by small ones: a packet each', () => {
    for (const engine of ['tlp', 'flow'] as const) {
      const net = new Net();
      const speed = { speedGTs: 8, width: 8 };
      const slow = { speedGTs: 8, width: 1 };
      // Both come through one trunk whose buffers are full of what waits for a slow link.
      const credits = {
        credits: postedCredits(32, Math.ceil((netGBs(speed) * 400) / 16)),
        creditReturnPs: 100_000,
      };
      const trunk = makeLink(net, speed, 'trunk', { ...credits, dllp: 'none' });
      const exit = makeLink(net, slow, 'exit', { ...credits, dllp: 'none' });
      const streams = [512, 128].map((requestBytes, source): SteadyStream => {
        const own = makeLink(net, speed, `own ${source}`, { ...credits, dllp: 'none' });
        return {
          name: `${requestBytes}`,
          path: writePath([own.up, trunk.up, exit.down], { source, requestBytes }),
          lengthBytes: 16_384,
          depth: 64,
        };
      });
      const [large, small] = goodputs(() => ({ net, streams }), engine, 2e9);
      expect(large! / small!).toBeGreaterThan(4 * 0.95);
      expect(large! / small!).toBeLessThan(4 * 1.05);
    }
  });

  it.each([
    ['writes of 64 bytes', true, 64, 1],
    ['reads of 64 bytes', false, 64, 1],
    ['writes of 16 KiB', true, 16_384, 3],
    ['reads of 16 KiB', false, 16_384, 3],
  ] as const)(
    'walkers of the IOMMU limit %s alike, each to another page',
    (_name, isWrite, lengthBytes, walkers) => {
      const [tlp, flow] = (['tlp', 'flow'] as const).map((engine) => {
        const net = new Net();
        const inf = Number.POSITIVE_INFINITY;
        const credits = { headers: [128, 128, 128], data: [2048, inf, 2048] } as const;
        const link = makeLink(net, { speedGTs: 16, width: 16 }, 'link', { credits, creditReturnPs: 61_000 });
        const memory = net.add({
          kind: 'memory',
          name: 'memory',
          occupancyPsPerByte: 5,
          latencyPsPerByte: 0,
        });
        const translation = new Iotlb({
          entries: 64,
          pageBytes: 4096,
          walkPs: 290_000,
          hitPs: 10_000,
          readWalkers: walkers,
          writeWalkers: walkers,
        });
        const options = {
          source: 1,
          translation,
          translationAt: 1,
          tags: 256,
          access: { latencyPs: 230_000 },
        };
        const path = isWrite
          ? writePath([link.up, memory], options)
          : readPath([link.up, memory], [memory, link.down], options);
        return goodputs(
          () => ({ net, streams: [{ name: '', path, lengthBytes, depth: 64 }] }),
          engine,
          2e8,
        )[0]!;
      });
      // A walk every 290 ns for each walker; so much data for each.
      expect(tlp!).toBeLessThan(((Math.min(4096, lengthBytes) * walkers) / 290) * 1.02);
      expect(Math.abs(flow! / tlp! - 1)).toBeLessThan(0.05);
    },
  );

  it('a packet in more pieces than there are headers, or larger than the buffers, still gets through', () => {
    const queue = timedQueue();
    const net = new Net();
    const engine = new TlpEngine(queue);
    const link = makeLink(net, { speedGTs: 8, width: 4 }, 'link', {
      credits: postedCredits(6, 8),
      dllp: 'none',
    });
    const path = writePath([link.up], { source: 1, requestBytes: 512, splitBytes: [64] });
    expect(sendAlone(queue, engine, path, 8192).arrivedPs).toBeGreaterThan(0);
    queue.nowPs += 1e6;
    expect(engine.creditsOf(link.up)).toMatchObject({
      headers: [6, Infinity, Infinity],
      data: [8, Infinity, Infinity],
    });
  });

  it.each([
    // A stream whose exit is slower by acknowledgements alone, beside one of 3.9 GB/s.
    ['what nearly fills a buffer keeps nobody waiting', 'writes', false, 10],
    // Deep buffers of a fast link in front of a slow one.
    ['what fills a buffer keeps nobody else waiting', 'writes', true, 35],
    // As many tags as the link takes, and packets of others in the way of the requests.
    ['waits cost most where tags are just enough', 'reads', false, 56],
    ['and where writes are in the way', 'both', false, 96],
    // Eight tags each, one of the two paths far slower.
    ['a path on which data comes slowly has its part of the tags and no more', 'reads', true, 25],
    ['a reader waits for a turn each time, not for a whole queue', 'reads', true, 47],
    ['packets behind each other do not wait for each other again', 'both', true, 51],
  ] as const)('%s', (_name, kinds, sharesSources, seed) => {
    expect(difference(() => steadyFabric(seed, { kinds, sharesSources }))).toBeLessThan(0.05);
  });
});
