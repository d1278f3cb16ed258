import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { SeededRandom } from '../../src/base/index.ts';
import { P2pCopy } from '../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from './fake-machine.ts';

const CHUNK = 64;
const number = fc.integer({ min: 1, max: 40 });
const faults: fc.Arbitrary<Faults> = fc.oneof(
  fc.constant({}),
  number.map((at) => ({ failRead: { at, status: STATUS.IO } })),
  number.map((at) => ({ failWrite: { at, status: STATUS.GONE } })),
  number.map((at) => ({ corruptWrite: at })),
  number.map((at) => ({ loseWrite: at })),
);

interface Run {
  readonly chunks: number;
  readonly threads: number;
  readonly seed: number;
  readonly ofSource: Faults;
  readonly ofTarget: Faults;
}

async function runOf({ chunks, threads, seed, ofSource, ofTarget }: Run) {
  const random = new SeededRandom(seed);
  const scheduler = new FakeScheduler(random);
  const common = { sizeBytes: 24 * CHUNK, scheduler, random, immediate: 0.3 };
  const source = new FakeTarget({ ...common, label: 'from', faults: ofSource });
  const target = new FakeTarget({ ...common, label: 'to', faults: ofTarget });
  const copy = new P2pCopy({
    source,
    target,
    span: new FakeSpan(CHUNK * threads, '0000:03:00.0' as never),
    chunkBytes: CHUNK,
    chunks,
    threads,
    isOverlapping: false,
    durationNs: undefined,
    check: { seed, span: new FakeSpan(CHUNK * threads) },
    nowNs: () => scheduler.nowNs,
  });
  const result = await scheduler.drive(copy.run());
  expect([source.violations, target.violations, scheduler.inFlight]).toEqual([0, 0, 0]);
  return { result, written: target.bytes.subarray(0, chunks * CHUNK) };
}

describe('a run with a check', () => {
  it('says done exactly when the destination holds every byte, whatever fails and in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.integer({ min: 1, max: 6 }),
        faults,
        faults,
        fc.integer(),
        async (chunks, threads, ofSource, ofTarget, seed) => {
          const { result, written } = await runOf({ chunks, threads, seed, ofSource, ofTarget });
          // What the check means is what a run without faults leaves behind, not what the source holds: the same
          // bit changed on the way into the source and again on the way out is no harm.
          const flawless = await runOf({ chunks, threads, seed, ofSource: {}, ofTarget: {} });
          expect(flawless.result.outcome).toBe('done');
          const isEqual = Buffer.compare(flawless.written, written) === 0;
          if (result.outcome === 'done') {
            expect(isEqual).toBe(true);
            expect(result.totalBytes).toBe(chunks * CHUNK);
          }
          if (result.outcome === 'mismatch') {
            expect(result.check?.badChunks).toBeGreaterThan(0);
          }
          if (result.outcome === 'failed') {
            expect(result.failure).toBeDefined();
          }
          expect(result.outcome).not.toBe('stopped');
          // A filling that lost a write is found too: the source itself does not hold what it should.
          const isHurt = 'corruptWrite' in ofTarget || 'loseWrite' in ofTarget;
          if (isHurt && !isEqual) {
            expect(result.outcome).not.toBe('done');
          }
        },
      ),
      {
        numRuns: 400,
        // Found by chance: the same change twice.
        examples: [[4, 1, { corruptWrite: 4 }, { corruptWrite: 4 }, 0]],
      },
    );
  });
});
