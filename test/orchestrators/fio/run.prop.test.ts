import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/index.ts';
import { blockProblem, FioError, FioRun, makeBlock, parseFioJobs } from '../../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget } from '../fake-machine.ts';

const SIZE = 16_384;

const options = fc.record({
  rw: fc.constantFrom('read', 'write', 'randread', 'randwrite', 'rw', 'randrw'),
  bs: fc.constantFrom('64', '128', '64,256', '256,64', '1k'),
  iodepth: fc.integer({ min: 1, max: 5 }),
  numjobs: fc.integer({ min: 1, max: 3 }),
  size: fc.constantFrom('1k', '4k', '5000', '30%', '50%'),
  offset: fc.constantFrom('0', '1k', '8k', '20%'),
  loops: fc.integer({ min: 1, max: 3 }),
  stonewall: fc.constantFrom('0', '1'),
  norandommap: fc.constantFrom('0', '1'),
  verify: fc.constantFrom('0', '0', '0', 'crc32c'),
  randseed: fc.nat(),
});

function textOf(jobs: readonly Record<string, string | number>[]): string {
  return jobs
    .map((job, i) => {
      const lines = Object.entries(job).map(([key, value]) => `${key}=${value}`);
      return [`[j${i}]`, ...lines].join('\n');
    })
    .join('\n');
}

describe('jobs of any kind', () => {
  let ran = 0;

  it('stay in their area and depth, move what they should, and leave nothing in flight', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(options, { minLength: 1, maxLength: 3 }),
        fc.integer(),
        async (jobs, seed) => {
          const random = new SeededRandom(seed);
          const scheduler = new FakeScheduler(random);
          const target = new FakeTarget({
            label: 'drive',
            sizeBytes: SIZE,
            scheduler,
            random,
            immediate: 0.3,
          });
          let run: FioRun;
          try {
            run = new FioRun({
              jobs: parseFioJobs(textOf(jobs), 'x').jobs,
              targetOf: () => target,
              allocate: (_, lengthBytes) => new FakeSpan(lengthBytes),
              nowNs: () => scheduler.nowNs,
            });
          } catch (error) {
            expect(error).toBeInstanceOf(FioError);
            return;
          }
          ran++;
          const { threads } = await scheduler.drive(run.run());
          expect([target.violations, scheduler.inFlight]).toEqual([0, 0]);
          const depth = jobs.reduce((sum, job) => sum + job.iodepth * job.numjobs, 0);
          expect(scheduler.inFlightMax).toBeLessThanOrEqual(depth);
          for (const { job, read, write, testedBlocks } of threads) {
            const isMix = job.reads && job.writes;
            expect(job.reads || testedBlocks > 0 || read.bytes === 0).toBe(true);
            expect(job.writes || write.bytes === 0).toBe(true);
            // Several jobs that write one area spoil each other's checks, here as in fio; alone nothing may be found.
            if (!isMix && job.writes) {
              expect(write.bytes).toBe(expectedBytes(job.size, job.writeBytes, job.loops));
            }
            expect(read.ios).toBe(read.latency.count);
            expect(read.bytes + write.bytes).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 300 },
    );
    // Not most of them may be refused, or this shows nothing.
    expect(ran).toBeGreaterThan(100);
  });

  it('that write and verify alone find nothing wrong', async () => {
    await fc.assert(
      fc.asyncProperty(options, fc.integer(), async (job, seed) => {
        const random = new SeededRandom(seed);
        const scheduler = new FakeScheduler(random);
        const target = new FakeTarget({ label: 'drive', sizeBytes: SIZE, scheduler, random, immediate: 0.3 });
        const rw = job.rw.startsWith('rand') ? 'randwrite' : 'write';
        const text = textOf([{ ...job, rw, verify: 'crc32c', offset: '1k', size: '4k' }]);
        const run = new FioRun({
          jobs: parseFioJobs(text, 'x').jobs,
          targetOf: () => target,
          allocate: (_, lengthBytes) => new FakeSpan(lengthBytes),
          nowNs: () => scheduler.nowNs,
        });
        const { outcome, threads } = await scheduler.drive(run.run());
        expect(outcome).toBe('done');
        expect(threads.every(({ testedBlocks }) => testedBlocks > 0)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

function expectedBytes(
  size: { readonly bytes: number } | { readonly percent: number } | undefined,
  blockBytes: number,
  loops: number,
): number {
  const area =
    size === undefined ? SIZE : 'bytes' in size ? size.bytes : Math.floor((SIZE * size.percent) / 100);
  const wanted = area * loops;
  return wanted - (wanted % blockBytes);
}

describe('a block with a checksum', () => {
  it('is good where it was made for, and bad with any byte changed or anywhere else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.integer(),
        fc.integer({ min: 0, max: 511 }),
        fc.integer({ min: 1, max: 255 }),
        (block, seed, at, change) => {
          const bytes = new Uint8Array(512);
          makeBlock(bytes, block * 512, seed, false);
          expect(blockProblem(bytes, block * 512)).toBeUndefined();
          expect(blockProblem(bytes, block * 512 + 512)).toBeDefined();
          bytes[at]! ^= change;
          expect(blockProblem(bytes, block * 512)).toBeDefined();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has the checksum of CRC-32C', () => {
    // The catalogued check value of CRC-32C, then the sum of the block with its own field as 0.
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe306_9283);
    const bytes = new Uint8Array(64);
    makeBlock(bytes, 0, 1, true);
    const view = new DataView(bytes.buffer);
    const sum = view.getUint32(20, true);
    view.setUint32(20, 0, true);
    expect(sum).toBe(crc32c(bytes));
  });
});

/** Bit by bit, unlike the table of the source. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}
