import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { SeededRandom } from '../../src/base/index.ts';
import { Copy } from '../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from './fake-machine.ts';

const BLOCK = 16;

const scenario = fc.record({
  seed: fc.integer(),
  blocks: fc.integer({ min: 1, max: 200 }),
  chunkBlocks: fc.integer({ min: 1, max: 9 }),
  depth: fc.integer({ min: 1, max: 12 }),
  immediate: fc.constantFrom(0, 0.3, 1),
  sourceShift: fc.integer({ min: 0, max: 5 }),
  targetShift: fc.integer({ min: 0, max: 5 }),
  failRead: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  failWritesFrom: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  stopAfter: fc.option(fc.integer({ min: 1, max: 80 }), { nil: undefined }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

async function play(s: Scenario) {
  const random = new SeededRandom(s.seed);
  const scheduler = new FakeScheduler(random);
  const lengthBytes = s.blocks * BLOCK;
  const faultsOfSource: Faults =
    s.failRead === undefined ? {} : { failRead: { at: s.failRead, status: STATUS.IO } };
  const faultsOfTarget: Faults =
    s.failWritesFrom === undefined ? {} : { failWritesFrom: { at: s.failWritesFrom, status: STATUS.IO } };
  const shared = { scheduler, random, immediate: s.immediate, blockBytes: BLOCK, depthMax: s.depth };
  const source = new FakeTarget({
    ...shared,
    label: 'source',
    sizeBytes: lengthBytes + s.sourceShift * BLOCK,
    faults: faultsOfSource,
  });
  const target = new FakeTarget({
    ...shared,
    label: 'target',
    sizeBytes: lengthBytes + s.targetShift * BLOCK,
    faults: faultsOfTarget,
  });
  const before = target.bytes.slice();
  const chunkBytes = s.chunkBlocks * BLOCK;
  const copy = new Copy({
    source,
    target,
    span: new FakeSpan(chunkBytes * s.depth),
    sourceOffsetBytes: s.sourceShift * BLOCK,
    targetOffsetBytes: s.targetShift * BLOCK,
    lengthBytes,
    chunkBytes,
    depth: s.depth,
    nowNs: () => scheduler.nowNs,
  });
  let completions = 0;
  const result = await scheduler.drive(copy.run(), () => {
    if (++completions === s.stopAfter) {
      copy.stop();
    }
  });
  return { result, source, target, before, scheduler, lengthBytes };
}

describe('copy, whatever completes when and fails where', () => {
  it('writes no byte twice, nothing outside the range, and what it writes is right', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const { source, target, before, lengthBytes } = await play(s);
        const base = s.targetShift * BLOCK;
        const written = new Uint8Array(target.bytes.length);
        for (const write of target.landed) {
          for (let i = 0; i < write.lengthBytes; i++) {
            written[write.offsetBytes + i]!++;
          }
        }
        for (let i = 0; i < written.length; i++) {
          expect(written[i]).toBeLessThanOrEqual(i >= base && i < base + lengthBytes ? 1 : 0);
          const expected = written[i] === 0 ? before[i] : source.bytes[i - base + s.sourceShift * BLOCK];
          expect(target.bytes[i]).toBe(expected);
        }
      }),
    );
  });

  it('reports exactly what was copied, and a prefix that is as long as it can be', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const { result, target, lengthBytes } = await play(s);
        const landed = target.landed.reduce((sum, write) => sum + write.lengthBytes, 0);
        expect(result.copiedBytes).toBe(landed);
        const starts = new Map(target.landed.map((write) => [write.offsetBytes, write.lengthBytes]));
        let prefix = 0;
        for (
          let next = starts.get(s.targetShift * BLOCK);
          next !== undefined;
          next = starts.get(s.targetShift * BLOCK + prefix)
        ) {
          prefix += next;
        }
        expect(result.certainBytes).toBe(prefix);
        expect(result.outcome === 'done').toBe(landed === lengthBytes && result.failure === undefined);
      }),
    );
  });

  it('ends with nothing in flight, within the depth, and breaks no rule of the waist', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const { result, source, target, scheduler } = await play(s);
        expect(scheduler.inFlight).toBe(0);
        expect(scheduler.inFlightMax).toBeLessThanOrEqual(s.depth);
        expect(source.violations + target.violations).toBe(0);
        expect(result.failure === undefined).toBe(result.failureCount === 0);
      }),
    );
  });
});
