import { describe, expect, it } from 'vitest';
import { formatQuantity, prefixFor, quantityOfMetric } from '../../src/report/index.ts';

describe('numbers for people', () => {
  it.each([
    [7.183e9, 'B/s', '7.18 GB/s'],
    [26.4638e9, 'B/s', '26.5 GB/s'],
    [475_482, 'IOPS', '475 k IOPS'],
    [1.2e6, 'IOPS', '1.2 M IOPS'],
    [158.9e-6, 's', '159 us'],
    [290e-9, 's', '290 ns'],
    [2, 's', '2 s'],
    [98.4, '%', '98.4%'.replace('%', ' %')],
    [0, 'B/s', '0 B/s'],
    [12, '', '12'],
    [3e-13, 's', '0.3 ps'],
  ])('%d %s is %s', (value, unit, shown) => {
    expect(formatQuantity(value, unit)).toBe(shown);
  });

  it('takes the prefix of the largest, rounding errors of conversions forgiven', () => {
    expect(prefixFor(999.999_999_999_9, 'B').symbol).toBe('k');
    expect(prefixFor(999, 'B').symbol).toBe('');
    expect(prefixFor(Number.POSITIVE_INFINITY, 'B').symbol).toBe('');
  });

  it.each([
    ['goodputGBs', 'B/s', 1e9],
    ['streams.r0.latencyNs.p99', 's', 1e-9],
    ['iops', 'IOPS', 1],
    ['measuredPs', 's', 1e-12],
    ['dramBytes', 'B', 1],
    ['cpu.share', '%', 100],
    ['links.0000:03:00.0.up.utilisation', '%', 100],
    ['cpu.cores', '', 1],
  ])('a metric called %s is in %s', (name, unit, factor) => {
    expect(quantityOfMetric(name)).toEqual({ unit, factor });
  });
});
