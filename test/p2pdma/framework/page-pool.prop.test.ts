/** The pool against a naive model: first fit, newest chunk first, no page given twice, no page lost (lib/genalloc.c). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_PAGES, PagePool } from '../../../src/p2pdma/index.ts';
import { PAGE } from './fake-function.ts';

/** One flag a page, searched page by page. */
class NaivePool {
  readonly chunks: { start: number; taken: boolean[] }[] = [];

  addChunk(start: number, pages: number): void {
    this.chunks.unshift({ start, taken: Array.from({ length: pages }, () => false) });
  }

  alloc(lengthBytes: number): number {
    const pages = Math.ceil(lengthBytes / PAGE);
    for (const { start, taken } of pages > 0 ? this.chunks : []) {
      for (let first = 0; first + pages <= taken.length; first++) {
        if (!taken.slice(first, first + pages).includes(true)) {
          taken.fill(true, first, first + pages);
          return start + first * PAGE;
        }
      }
    }
    return NO_PAGES;
  }

  free(address: number, lengthBytes: number): void {
    const chunk = this.chunks.find(
      ({ start, taken }) => address >= start && address < start + taken.length * PAGE,
    )!;
    const first = (address - chunk.start) / PAGE;
    chunk.taken.fill(false, first, first + Math.ceil(lengthBytes / PAGE));
  }

  get availableBytes(): number {
    return this.chunks.flatMap((chunk) => chunk.taken).filter((taken) => !taken).length * PAGE;
  }

  get largestFreeBytes(): number {
    const runs = this.chunks.map(({ taken }) =>
      taken
        .map((one) => (one ? ' ' : 'x'))
        .join('')
        .split(' '),
    );
    return Math.max(0, ...runs.flat().map((run) => run.length)) * PAGE;
  }
}

type Step =
  | { readonly do: 'alloc'; readonly lengthBytes: number }
  | { readonly do: 'free'; readonly which: number };

const lengths = fc.oneof(
  fc.integer({ min: 0, max: 3 * PAGE }),
  fc.integer({ min: 0, max: 100 * PAGE }),
  fc.constantFrom(32 * PAGE, 64 * PAGE),
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('alloc' as const), lengthBytes: lengths }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('free' as const), which: fc.nat() }) },
  ),
  { maxLength: 80 },
);

describe('the pool', () => {
  it('gives the same addresses as a search page by page, and counts the same free bytes', () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(chunks, steps, (sizes, plan) => {
        const pool = new PagePool(PAGE);
        const naive = new NaivePool();
        sizes.forEach((pages, i) => {
          pool.addChunk((i + 1) * 2 ** 30, pages * PAGE);
          naive.addChunk((i + 1) * 2 ** 30, pages);
        });
        const out: { address: number; lengthBytes: number }[] = [];
        for (const step of plan) {
          if (step.do === 'alloc') {
            const address = pool.alloc(step.lengthBytes);
            expect(address).toBe(naive.alloc(step.lengthBytes));
            if (address !== NO_PAGES) {
              out.push({ address, lengthBytes: step.lengthBytes });
            }
          } else if (out.length > 0) {
            const [block] = out.splice(step.which % out.length, 1);
            pool.free(block!.address, block!.lengthBytes);
            naive.free(block!.address, block!.lengthBytes);
          }
          expect(pool.availableBytes).toBe(naive.availableBytes);
        }
        expect(pool.largestFreeBytes).toBe(naive.largestFreeBytes);
        for (const block of out) {
          pool.free(block.address, block.lengthBytes);
        }
        expect(pool.availableBytes).toBe(pool.sizeBytes);
        expect(pool.largestFreeBytes).toBe(Math.max(...sizes) * PAGE);
      }),
      { numRuns: 200 },
    );
  });

  it('has no room for what is no whole page at the end of a chunk, but counts it', () => {
    const pool = new PagePool(PAGE);
    pool.addChunk(0, PAGE + 100);
    expect(pool.alloc(PAGE + 1)).toBe(NO_PAGES);
    expect(pool.alloc(PAGE)).toBe(0);
    expect([pool.sizeBytes, pool.availableBytes]).toEqual([PAGE + 100, 100]);
    expect(pool.alloc(1)).toBe(NO_PAGES);
  });
});
