import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/orchestrators/index.ts';

const value = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.double({ min: 0, max: 2 ** 46, noNaN: true }),
);

describe('latency histogram', () => {
  it('gives percentiles that are at most one bucket (1.6 %) above the exact ones, never below', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const histogram = new LatencyHistogram();
          for (const ns of values) {
            histogram.record(ns);
          }
          const sorted = values.map(Math.floor).sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
          const told = histogram.percentile(share);
          expect(told).toBeGreaterThanOrEqual(exact);
          expect(told).toBeLessThanOrEqual(Math.max(exact, exact * (1 + 1 / 64)));
        },
      ),
    );
  });

  it('keeps count, extremes and mean exact, and merging is the same as recording together', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.array(value), (first, second) => {
        const apart = new LatencyHistogram();
        const other = new LatencyHistogram();
        const together = new LatencyHistogram();
        for (const ns of first) {
          apart.record(ns);
          together.record(ns);
        }
        for (const ns of second) {
          other.record(ns);
          together.record(ns);
        }
        apart.merge(other);
        expect({ ...apart.summary(), meanNs: 0 }).toEqual({ ...together.summary(), meanNs: 0 });
        const all = [...first, ...second].map(Math.floor);
        expect(together.summary().minNs).toBe(Math.min(...all));
        expect(together.summary().maxNs).toBe(Math.max(...all));
        expect(together.summary().meanNs).toBeCloseTo(all.reduce((a, b) => a + b, 0) / all.length, -3);
      }),
    );
  });

  it('takes values beyond its range and a clock that was set back without losing the count', () => {
    const histogram = new LatencyHistogram();
    histogram.record(2 ** 52);
    histogram.record(-5);
    expect(histogram.summary()).toMatchObject({ count: 2, minNs: 0, maxNs: 2 ** 52 });
  });

  it('is all zeros when empty', () => {
    expect(new LatencyHistogram().summary()).toEqual({
      count: 0,
      minNs: 0,
      meanNs: 0,
      p50Ns: 0,
      p90Ns: 0,
      p99Ns: 0,
      p999Ns: 0,
      maxNs: 0,
    });
  });
});
