import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DONE } from '../../../src/access/index.ts';
import { SeededRandom } from '../../../src/base/index.ts';
import type { NvmeOptions } from '../../../src/drivers/nvme/index.ts';
import { type BenchOptions, Requests, started } from './harness.ts';

interface Step {
  readonly isWrite: boolean;
  readonly block: number;
  readonly blocks: number;
  readonly spanBlock: number;
  readonly skew: number;
}

const BLOCKS = 512;

const step: fc.Arbitrary<Step> = fc.record({
  isWrite: fc.boolean(),
  block: fc.nat(BLOCKS - 1),
  blocks: fc.integer({ min: 1, max: 400 }),
  spanBlock: fc.nat(300),
  skew: fc.constantFrom(0, 0, 4, 512, 2048, 4092),
});

const driver: fc.Arbitrary<NvmeOptions> = fc.record({
  queueCount: fc.integer({ min: 1, max: 4 }),
  queueDepth: fc.constantFrom(1, 2, 7, 63),
  completion: fc.constantFrom('interrupt', 'poll') as fc.Arbitrary<'interrupt' | 'poll'>,
  dataPointer: fc.constantFrom('prp', 'sgl', 'auto') as fc.Arbitrary<'prp' | 'sgl' | 'auto'>,
  queuesInCmb: fc.boolean(),
  shadowDoorbells: fc.boolean(),
  pageShift: fc.constantFrom(undefined, 12, 13),
});

/** One request after the other: what is read is what was written, and nothing else was touched. */
function checkAgainstBytes(
  options: BenchOptions,
  steps: readonly Step[],
  pieces: readonly number[] | null,
): void {
  const bench = started(options);
  const namespace = bench.controller.openNamespace(1);
  const requests = new Requests(bench, namespace);
  const block = namespace.blockBytes;
  const spanBytes = 720 * block;
  const span =
    pieces === null
      ? bench.platform.hostSpan(spanBytes)
      : bench.platform.scatteredSpan(cut(spanBytes, pieces, block));
  const media = new Uint8Array(BLOCKS * block);
  const memory = new Uint8Array(spanBytes);
  const random = new SeededRandom(steps.length);
  for (let i = 0; i < memory.length; i++) {
    memory[i] = random.next32();
  }
  span.bytes.set(memory);
  for (const { isWrite, block: first, blocks, spanBlock, skew } of steps) {
    const length = Math.min(blocks, BLOCKS - first) * block;
    const at = spanBlock * block + (pieces === null ? skew : 0);
    if (isWrite) {
      expect(requests.write(first * block, span, at, length)).toBe(DONE);
      media.set(memory.subarray(at, at + length), first * block);
    } else {
      expect(requests.read(first * block, span, at, length)).toBe(DONE);
      memory.set(media.subarray(first * block, first * block + length), at);
    }
  }
  expect(Buffer.compare(span.bytes, memory)).toBe(0);
  const held = new Uint8Array(media.length);
  bench.fake.namespaces.get(1)!.media.read(0, held, 0, held.length);
  expect(Buffer.compare(held, media)).toBe(0);
  expect(requests.wrong).toEqual([]);
  expect(bench.platform.strayRequests).toBe(0);
  expect(bench.controller.anomalies.told).toEqual([]);
  bench.run(bench.controller.closing());
  expect(span.mapCount).toBe(0);
  span.close();
  expect(bench.platform.hostPlaces).toBe(0);
}

function cut(total: number, pieces: readonly number[], block: number): { lengthBytes: number }[] {
  const cutPieces: { lengthBytes: number }[] = [];
  let left = total;
  for (let i = 0; left > 0; i++) {
    const lengthBytes = Math.min(left, pieces[i % pieces.length]! * block);
    cutPieces.push({ lengthBytes });
    left -= lengthBytes;
  }
  return cutPieces;
}

const fake = { cmbBytes: 65_536, sgl: true, shadowDoorbells: true, mdts: 4 };

describe('reads and writes against a byte array', () => {
  it('moves the right bytes for any options, in one piece of memory', () => {
    fc.assert(
      fc.property(
        driver,
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.integer(),
        (options, steps, seed) => {
          checkAgainstBytes(
            {
              fake: { ...fake, namespaces: [{ nsid: 1, blocks: BLOCKS, blockShift: 9 }] },
              driver: options,
              ...(seed % 2 === 0 ? {} : { seed }),
            },
            steps,
            null,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('splits at MDTS and at the pieces of scattered memory, with PRPs or SGLs', () => {
    fc.assert(
      fc.property(
        driver,
        fc.array(step, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 4 }),
        fc.integer(),
        (options, steps, pieces, seed) => {
          checkAgainstBytes(
            {
              fake: { ...fake, namespaces: [{ nsid: 1, blocks: BLOCKS, blockShift: 9 }] },
              driver: options,
              ...(seed % 2 === 0 ? {} : { seed }),
            },
            steps,
            pieces,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('builds chained lists for transfers of several MiB', () => {
    for (const dataPointer of ['prp', 'sgl'] as const) {
      checkAgainstBytes(
        {
          fake: { ...fake, mdts: 0, namespaces: [{ nsid: 1, blocks: BLOCKS, blockShift: 14 }] },
          driver: { dataPointer },
        },
        [
          { isWrite: true, block: 1, blocks: 300, spanBlock: 0, skew: 512 },
          { isWrite: false, block: 3, blocks: 290, spanBlock: 2, skew: 2048 },
          { isWrite: true, block: 0, blocks: 256, spanBlock: 5, skew: 0 },
          { isWrite: false, block: 100, blocks: 255, spanBlock: 7, skew: 4 },
        ],
        null,
      );
    }
  });
});
