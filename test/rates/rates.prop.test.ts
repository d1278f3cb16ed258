import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkGoodputGBs, netGBs, pathGoodput, rawGBs } from '../../src/rates/index.ts';

const link = fc.record({
  speedGTs: fc.constantFrom(2.5, 5, 8, 16, 32, 64),
  width: fc.constantFrom(1, 2, 4, 8, 12, 16, 32),
  isTwice: fc.boolean(),
});
const payload = fc.constantFrom(64, 128, 256, 512, 1024, 2048, 4096);
const operation = fc.constantFrom('write' as const, 'read' as const);

describe('goodput', () => {
  it('is positive, below the net rate, which is below the raw rate', () => {
    fc.assert(
      fc.property(link, payload, payload, operation, (one, mps, mrrs, kind) => {
        const goodput = linkGoodputGBs(one, kind, mps, mrrs);
        expect(goodput).toBeGreaterThan(0);
        expect(goodput).toBeLessThan(netGBs(one));
        expect(netGBs(one)).toBeLessThan(rawGBs(one));
      }),
    );
  });

  it('of a path never rises when a link is added, and is that of one of its links', () => {
    fc.assert(
      fc.property(
        fc.array(link, { minLength: 1, maxLength: 9 }),
        link,
        payload,
        operation,
        (links, extra, mps, kind) => {
          const ask = (list: typeof links) =>
            pathGoodput({ links: list, mpsBytes: mps, mrrsBytes: 512, operation: kind });
          const before = ask(links);
          expect(ask([...links, extra]).goodputGBs).toBeLessThanOrEqual(before.goodputGBs!);
          expect(links).toContain(before.narrowest);
        },
      ),
    );
  });
});
