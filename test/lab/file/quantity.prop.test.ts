import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  printAmount,
  printDuration,
  printRate,
  RATE_MAX_GBS,
  RATE_MIN_GBS,
  readAmount,
  readDuration,
  readRate,
} from '../../../src/lab/file/quantity.ts';

describe('quantities', () => {
  it('are printed so that they read as exactly the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3600e12 }), (ps) => readDuration(printDuration(ps)) === ps),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), (count) => readAmount(printAmount(count)) === count),
    );
    fc.assert(
      fc.property(
        fc.double({ min: RATE_MIN_GBS, max: RATE_MAX_GBS, noNaN: true }),
        (gbs) => readRate(printRate(gbs)) === gbs,
      ),
    );
  });

  it('have the same value in every unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3600 }), (number) => {
        expect(readDuration(`${number}s`)).toBe(readDuration(`${number * 1000}ms`));
        expect(readDuration(`${number}us`)).toBe(readDuration(`${number * 1000}ns`));
        expect(readRate(`${number * 1000}MB/s`)).toBe(readRate(`${number}GB/s`));
        expect(readRate(`${number * 8}Gb/s`)).toBe(readRate(`${number}GB/s`));
      }),
    );
  });

  it.each([
    ['14.3us', 14_300_000],
    ['1.5us', 1_500_000],
    ['100 ns', 100_000],
    ['2s', 2e12],
    ['0', 0],
    ['0ms', 0],
  ])('reads %s as %d ps', (text, ps) => {
    expect(readDuration(text)).toBe(ps);
  });

  it.each([
    ['3.2GB/s', 3.2],
    ['100Gb/s', 12.5],
    ['25Gbit/s', 3.125],
    ['500MB/s', 0.5],
    ['20GiB/s', 21.47483648],
    ['1TB/s', 1000],
  ])('reads %s as %d GB/s', (text, gbs) => {
    expect(readRate(text)).toBe(gbs);
  });

  it.each(['', '10', 'ms', '-1ms', '1e3ms', '1.5', '0.5ps', 'NaNms', 'infs', '1ms 2us'])(
    'takes no %j for a duration',
    (text) => {
      expect(typeof readDuration(text)).toBe('symbol');
    },
  );

  it.each(['', '10', 'GB/s', '-1GB/s', '1e3GB/s', '3GT/s', '3.2GB', '3gb/s', 'infGB/s'])(
    'takes no %j for a rate',
    (text) => {
      expect(typeof readRate(text)).toBe('symbol');
    },
  );
});
