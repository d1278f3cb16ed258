import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Region } from '../../../src/fabric/routing/region.ts';

const range = fc.tuple(fc.nat(200), fc.nat(60)).map(([start, length]) => ({ start, end: start + length }));

describe('a region', () => {
  it('is exactly where every comparison would have had the same answer', () => {
    fc.assert(
      fc.property(fc.nat(250), fc.array(range, { maxLength: 6 }), (addr, ranges) => {
        const region = Region.around(addr);
        const answers = ranges.map(({ start, end }) => region.contains(addr, start, end));
        for (let other = 0; other <= 300; other++) {
          const same = ranges.every(
            ({ start, end }, index) => (other >= start && other < end) === answers[index],
          );
          const isInside = other >= addr - region.below && other < addr + region.above;
          // The region is one run of addresses around `addr`, so equal answers further away may lie outside it.
          if (isInside) {
            expect(same).toBe(true);
          }
        }
        const before = addr - region.below - 1;
        const after = addr + region.above;
        for (const outside of [before, after]) {
          if (outside >= 0 && outside <= 300) {
            expect(
              ranges.every(({ start, end }, index) => (outside >= start && outside < end) === answers[index]),
            ).toBe(false);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it('around no exact address keeps nothing for others', () => {
    const region = Region.around(Number.POSITIVE_INFINITY);
    expect(region.contains(Number.POSITIVE_INFINITY, 0, 2 ** 52)).toBe(false);
    expect(region.below).toBe(0);
  });
});
