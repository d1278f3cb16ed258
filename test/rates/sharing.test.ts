import { describe, expect, it } from 'vitest';
import { maxMinShares, packetRoundRobinGBs } from '../../src/rates/index.ts';

const NO_LIMIT = Number.POSITIVE_INFINITY;
const greedy = (...resources: number[]) => ({
  demand: NO_LIMIT,
  uses: resources.map((resource) => ({ resource, load: 1 })),
});

describe('max-min sharing', () => {
  it('names what stopped each flow: a resource, or its own demand', () => {
    const shares = maxMinShares([10, 4], [greedy(0), greedy(0, 1), { ...greedy(0), demand: 1 }]);
    expect(shares.rates).toEqual([5, 4, 1]);
    expect(shares.bottlenecks).toEqual([0, 1, null]);
    expect(shares.loads).toEqual([10, 4]);
  });

  it('gives what a slow flow cannot use to the others', () => {
    // The long flow is held to 2 by the second link; the first two share what is left of the first.
    const shares = maxMinShares([12, 2], [greedy(0), greedy(0), greedy(0, 1)]);
    expect(shares.rates).toEqual([5, 5, 2]);
  });

  it('shares by weight, and counts what a unit of each flow costs', () => {
    const store = { demand: NO_LIMIT, uses: [{ resource: 0, load: 2 }], weight: 4 };
    const shares = maxMinShares([90], [store, { ...greedy(0), weight: 1 }]);
    expect(shares.rates).toEqual([40, 10]);
    expect(shares.loads).toEqual([90]);
  });

  it('with no limit gives every flow its demand', () => {
    const shares = maxMinShares([NO_LIMIT], [{ ...greedy(0), demand: 3 }, greedy()]);
    expect(shares.rates).toEqual([3, NO_LIMIT]);
    expect(shares.bottlenecks).toEqual([null, null]);
  });

  it('gives nothing where nothing is, and ends', () => {
    const shares = maxMinShares([0, 5], [greedy(0, 1), greedy(1), { ...greedy(1), demand: 0 }]);
    expect(shares.rates).toEqual([0, 5, 0]);
    expect(shares.bottlenecks).toEqual([0, 1, null]);
    expect(maxMinShares([], []).rates).toEqual([]);
  });
});

describe('round robin by packet', () => {
  it('gives a stream that wants little what it wants, and the rest to the others', () => {
    const [small, large] = packetRoundRobinGBs(7.856437, [
      { payloadBytes: 64, overheadBytes: 24, demandGBs: 0.5 },
      { payloadBytes: 256, overheadBytes: 24 },
    ]);
    expect(small).toBe(0.5);
    expect(large).toBeCloseTo(((7.856437 - (0.5 * 88) / 64) * 256) / 280, 9);
  });
});
