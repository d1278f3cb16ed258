import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSets, sweepPoints } from '../../../src/cli/sweep/sets.ts';

describe('--set', () => {
  it('is a path and values at commas, but not at those inside brackets and quotes', () => {
    expect(parseSets(['a.b=1,2, 4K'])).toEqual([{ path: 'a.b', values: ['1', '2', '4K'] }]);
    expect(parseSets(['time.latency={pin: 1ns, link: 2ns},{pin: 3ns}'])[0]!.values).toEqual([
      '{pin: 1ns, link: 2ns}',
      '{pin: 3ns}',
    ]);
    expect(parseSets(['x=[{size: 4K, share: 70}, {size: 64K}],4K'])[0]!.values).toHaveLength(2);
    expect(parseSets(['title="a,b",c=d,""'])[0]!.values).toEqual(['"a,b"', 'c=d', '""']);
  });

  it.each([['a'], ['=1'], ['a='], ['a=1,,2'], ['a=1,2,1']])('%s is refused with a hint', (text) => {
    expect(() => parseSets([text])).toThrow(
      expect.objectContaining({ code: 'USAGE_SWEEP_SET', exitStatus: 2 }),
    );
  });

  it('is refused when a path is there twice, or when there are too many points', () => {
    expect(() => parseSets(['a=1', 'a=2'])).toThrow(/twice/);
    const many = Array.from({ length: 400 }, (_, index) => index).join(',');
    expect(() => parseSets([`a=${many}`, `b=${many}`])).toThrow(/160000 points/);
  });

  it('makes every combination once, the last set changing fastest', () => {
    expect(sweepPoints(parseSets(['a=1,2', 'b=x,y'])).map(({ values }) => values.join(''))).toEqual([
      '1x',
      '1y',
      '2x',
      '2y',
    ]);
    const sets = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 5 }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(sets, (values) => {
        const points = sweepPoints(
          values.map((each, index) => ({ path: `p${index}`, values: each.map(String) })),
        );
        expect(points.length).toBe(values.reduce((product, { length }) => product * length, 1));
        expect(new Set(points.map((point) => point.values.join(' '))).size).toBe(points.length);
        expect(points.map(({ index }) => index)).toEqual(points.map((_, index) => index));
      }),
    );
  });
});
