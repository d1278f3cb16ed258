import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory, PENDING, TRAFFIC } from '../../../src/fabric/index.ts';
import { disturb, randomMachine } from '../routing/random-tree.ts';
import { TestEndpoint } from './machine.ts';

const seed = fc.integer({ min: 1, max: 1_000_000 });

describe('requests under way on random machines', () => {
  it('end once each, whatever software does meanwhile, and writes end in the order in which they were made', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const built = randomMachine(value, { jitterSeed: value });
        const { fabric, endpoints, addresses, random } = built;
        const pending = new Map<TestEndpoint, { readonly reads: number[]; readonly writes: number[] }>();
        const local = Memory.flat(8192);
        for (let token = 0; token < 60; token++) {
          const { model } = random.pick(endpoints);
          if (!(model instanceof TestEndpoint)) {
            continue;
          }
          const lists = pending.get(model) ?? { reads: [], writes: [] };
          pending.set(model, lists);
          const isWrite = random.below(2) === 0;
          const addr = random.pick(addresses);
          const length = 1 + random.below(5000);
          const status = isWrite
            ? model.port.dmaWrite(addr, local, 0, length, TRAFFIC.DATA, token)
            : model.port.dmaRead(addr, local, 0, length, TRAFFIC.DATA, token);
          if (status === PENDING) {
            (isWrite ? lists.writes : lists.reads).push(token);
          } else {
            expect(status).toBeLessThan(0);
          }
          if (random.below(8) === 0) {
            disturb(built);
          }
          fabric.queue.runUntilIdle(random.below(3));
        }
        fabric.queue.runUntilIdle();
        expect(fabric.inFlight.count).toBe(0);
        for (const [model, { reads, writes }] of pending) {
          const ended = model.ended.map(({ token }) => token);
          expect([...ended].sort((a, b) => a - b)).toEqual([...reads, ...writes].sort((a, b) => a - b));
          expect(ended.filter((token) => writes.includes(token))).toEqual(writes);
        }
      }),
      { numRuns: 80 },
    );
  });

  it('leave the same bytes as an untimed machine, when one requester works alone', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const contents = [undefined, value].map((jitterSeed) => {
          const options = jitterSeed === undefined ? {} : { jitterSeed };
          const { fabric, endpoints, random } = randomMachine(value, { isPermissive: true, ...options });
          const { model } = random.pick(endpoints);
          const sources: Memory[] = [];
          if (!(model instanceof TestEndpoint)) {
            return [];
          }
          for (let i = 0; i < 20; i++) {
            const target = random.pick(endpoints);
            const source = Memory.flat(256);
            source.fillPattern(0, 256, value, i * 256);
            sources.push(source);
            const addr = target.state.bars[0]!.start + random.below(300);
            model.port.dmaWrite(addr, source, 0, 1 + random.below(255), TRAFFIC.DATA, i);
          }
          fabric.queue.runUntilIdle();
          return endpoints.map(({ model: peer }) => {
            const bytes = new Uint8Array(600);
            (peer as unknown as TestEndpoint).memory.read(0, bytes, 0, 600);
            return [...bytes];
          });
        });
        expect(contents[1]).toEqual(contents[0]);
      }),
      { numRuns: 40 },
    );
  });
});
