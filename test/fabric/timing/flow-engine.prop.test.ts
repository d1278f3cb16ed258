// Laws of the flow engine on random trees of switches.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/index.ts';
import { PROGRESS } from '../../../src/fabric/timing/engine.ts';
import { FlowEngine } from '../../../src/fabric/timing/flow-engine.ts';
import { ResourceTable, Route } from '../../../src/fabric/timing/flow-route.ts';
import { ShareSolver } from '../../../src/fabric/timing/flow-share.ts';
import { cutRange } from '../../../src/fabric/timing/flow-train.ts';
import type { Stage } from '../../../src/fabric/timing/stage.ts';
import { runStreams, timedQueue } from './support/drive.ts';
import { type RandomFabric, randomFabric } from './support/random-fabric.ts';

const seeds = fc.integer({ min: 1, max: 1e9 });

/** Routes of the streams of a fabric, with the rates that the solver gives them. */
function solved({ streams }: RandomFabric) {
  const table = new ResourceTable(false);
  const routes = streams.map(({ path }) => new Route(path, table));
  for (const [index, route] of routes.entries()) {
    const shape = route.shapeOf(0, streams[index]!.lengthBytes, 0);
    route.share.costs = shape.costs;
    route.share.turns = shape.turns;
  }
  const solver = new ShareSolver();
  solver.solve(routes.map(({ share }) => share));
  return { routes };
}

/** Packets a picosecond at a stage of those whose last `depth` stages before it are `way`. */
function turnsOf(
  routes: readonly Route[],
  stage: Stage,
  way: readonly Stage[],
  beginsThere: boolean,
): Map<string, number> {
  const rates = new Map<string, number>();
  for (const [index, { path, share }] of routes.entries()) {
    const at = path.request.stages.indexOf(stage);
    const before = path.request.stages.slice(0, Math.max(0, at)).reverse();
    if (at < 0 || !way.every((other, depth) => before[depth] === other)) {
      continue;
    }
    const next = before[way.length];
    const key = next === undefined ? `lane ${index}` : `stage ${next.id}`;
    rates.set(key, (rates.get(key) ?? 0) + share.rate);
  }
  expect(rates.size > 0 || !beginsThere).toBe(true);
  return rates;
}

describe('shares', () => {
  it('never fill a resource beyond its capacity', () => {
    fc.assert(
      fc.property(seeds, fc.boolean(), fc.boolean(), (seed, hasCredits, reads) => {
        const fabric = randomFabric(seed, hasCredits ? { reads, credits: 64 } : { reads });
        const { routes } = solved(fabric);
        const loads = new Map<object, number>();
        for (const { share } of routes) {
          expect(share.rate).toBeGreaterThan(0);
          share.entries.forEach(({ resource }, e) => {
            loads.set(resource, (loads.get(resource) ?? 0) + share.rate * share.costs[e]!);
          });
        }
        for (const load of loads.values()) {
          expect(load).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are max-min: whoever is limited at a stage has no fewer turns there than any of its neighbours', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { routes } = solved(randomFabric(seed));
        for (const [index, { path, share }] of routes.entries()) {
          const { resource } = share.entries[share.limiter]!;
          let load = 0;
          for (const other of routes) {
            other.share.entries.forEach((entry, e) => {
              load += entry.resource === resource ? other.share.rate * other.share.costs[e]! : 0;
            });
          }
          expect(load).toBeGreaterThan(1 - 1e-4);
          const stage = resource.stage!;
          const before = path.request.stages.slice(0, path.request.stages.indexOf(stage)).reverse();
          for (let depth = 0; depth <= before.length; depth++) {
            const turns = turnsOf(routes, stage, before.slice(0, depth), true);
            const next = before[depth];
            const own = turns.get(next === undefined ? `lane ${index}` : `stage ${next.id}`)!;
            for (const other of turns.values()) {
              expect(other).toBeLessThanOrEqual(own * (1 + 1e-4));
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the flow engine', () => {
  it('ends every request once, in order, and counts every byte on every stage of its way', () => {
    fc.assert(
      fc.property(seeds, fc.boolean(), (seed, hasCredits) => {
        const { net, streams } = randomFabric(
          seed,
          hasCredits ? { reads: true, credits: 64 } : { reads: true },
        );
        const random = new SeededRandom(seed);
        const queue = timedQueue();
        const engine = new FlowEngine(queue);
        const heard: number[][] = [];
        const wire = net.stages.map(() => 0);
        let payload = 0;
        const sink = {
          onProgress(progress: number, token: number): void {
            heard[token]!.push(progress);
          },
        };
        const sender = {
          onEvent(_code: number, index: number): void {
            const { path } = streams[index]!;
            const addr = random.below(1 << 20);
            const length = random.below(random.below(8) === 0 ? 100_000 : 2000);
            const token = heard.push([]) - 1;
            engine.send(path, addr, length, random.below(4) === 0, sink, token);
            payload += length;
            const requests = cutRange(addr, length, path.requestBytes);
            const add = (stages: readonly Stage[], bytes: number) => {
              for (const stage of stages) {
                wire[stage.id]! += bytes;
              }
            };
            const count = requests.reduce((sum, run) => sum + run.count, 0);
            const padded = (runs: typeof requests) =>
              runs.reduce((sum, run) => sum + run.count * Math.ceil(run.payloadBytes / 4) * 4, 0);
            add(path.request.stages, count * 24 + (path.isWrite ? padded(requests) : 0));
            if (path.completion !== null) {
              const chunks = cutRange(addr, length, path.completionBytes);
              add(
                path.completion.stages,
                padded(chunks) + chunks.reduce((sum, run) => sum + run.count, 0) * 20,
              );
            }
          },
        };
        for (let i = 0; i < 60; i++) {
          queue.at(random.below(20_000_000), sender, 0, random.below(streams.length));
        }
        queue.runUntilIdle();
        expect(engine.pending).toBe(0);
        expect(heard.length).toBe(60);
        for (const moments of heard) {
          expect([
            [PROGRESS.TAKEN, PROGRESS.ARRIVED],
            [PROGRESS.ARRIVED, PROGRESS.COMPLETED],
          ]).toContainEqual(moments);
        }
        expect(payload).toBeGreaterThan(0);
        for (const stage of net.stages) {
          const acks = Math.floor(wire[stage.reverse!.id]! / stage.reverse!.ackEveryBytes) * 16;
          expect(stage.wireBytes).toBe(wire[stage.id]! + acks);
          // Acknowledgements are counted as whole ones, and their time as it passes.
          const apart = Math.abs(stage.busyPs / stage.occupancyPsPerByte - stage.wireBytes);
          expect(apart).toBeLessThan(stage.reverse!.ackBytes + 1e-3);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('keeps no stage busier than time passes, and is the same every time', () => {
    fc.assert(
      fc.property(seeds, fc.boolean(), (seed, reads) => {
        const run = () => {
          const { net, streams } = randomFabric(seed, { reads, credits: 64 });
          const queue = timedQueue();
          const results = runStreams(queue, new FlowEngine(queue), streams, 1e7, 5e7);
          return { results, endPs: queue.nowPs, busy: net.stages.map(({ busyPs }) => busyPs) };
        };
        const first = run();
        for (const busyPs of first.busy) {
          expect(busyPs).toBeLessThanOrEqual(first.endPs * (1 + 1e-9));
        }
        expect(run()).toEqual(first);
      }),
      { numRuns: 40 },
    );
  });

  it('says at any moment how long stages were busy, which is never more than has passed', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 20_000, max: 3_000_000 }), (seed, everyPs) => {
        const { net, streams } = randomFabric(seed, { reads: true, credits: 64 });
        const queue = timedQueue();
        const engine = new FlowEngine(queue);
        let busy = net.stages.map(() => 0);
        let most = 0;
        const watch = {
          onEvent(): void {
            engine.settle();
            for (const [index, { busyPs }] of net.stages.entries()) {
              most = Math.max(most, (busyPs - busy[index]!) / everyPs);
            }
            busy = net.stages.map(({ busyPs }) => busyPs);
            if (queue.nowPs < 4e7) {
              queue.at(queue.nowPs + everyPs, watch, 0, 0);
            }
          },
        };
        watch.onEvent();
        runStreams(queue, engine, streams, 1e7, 5e7);
        expect(most).toBeGreaterThan(0.1);
        expect(most).toBeLessThanOrEqual(1 + 1e-6);
      }),
      { numRuns: 40 },
    );
  });
});
