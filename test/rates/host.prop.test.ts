import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dramEfficiency,
  engineGoodputGBs,
  engineOccupancy,
  loadedLatencyNs,
  overlappedStagingGBs,
  PLATFORMS,
  serialStagingGBs,
  translatedGoodputGBs,
} from '../../src/rates/index.ts';

const platform = fc.constantFrom(...PLATFORMS);
const rate = fc.integer({ min: 1, max: 6400 }).map((whole) => whole / 100);
const size = fc.constantFrom(4, 64, 256, 512, 4096, 65_536);
const pages = fc.constantFrom(4096, 2 * 1024 * 1024, 1024 * 1024 * 1024);
const windowBytes = fc.integer({ min: 12, max: 40 }).map((power) => 2 ** power);

describe('translation', () => {
  it('never adds goodput, and never takes all of it', () => {
    fc.assert(
      fc.property(platform, rate, size, pages, windowBytes, (of, limit, sizeBytes, pageBytes, window) => {
        for (const operation of ['read', 'write'] as const) {
          const goodput = translatedGoodputGBs(limit, of.iommu, {
            operation,
            sizeBytes,
            pageBytes,
            windowBytes: window,
          });
          expect(goodput).toBeGreaterThan(0);
          expect(goodput).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  it('falls with the window and with smaller pages, where walks do not wait for each other', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PLATFORMS.filter((one) => one.iommu.serialTableBytes === 0)),
        rate,
        size,
        windowBytes,
        (of, limit, sizeBytes, window) => {
          const at = (windowSize: number, pageBytes: number) =>
            translatedGoodputGBs(limit, of.iommu, {
              operation: 'write',
              sizeBytes,
              pageBytes,
              windowBytes: windowSize,
            });
          expect(at(2 * window, 4096)).toBeLessThanOrEqual(at(window, 4096));
          expect(at(window, 4096)).toBeLessThanOrEqual(at(window, 2 * 1024 * 1024));
        },
      ),
    );
  });
});

describe('memory', () => {
  it('never delivers more for a mix with more writes', () => {
    const share = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);
    fc.assert(
      fc.property(platform, share, share, (of, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        expect(dramEfficiency(of.memory, less)).toBeLessThanOrEqual(dramEfficiency(of.memory, more) + 1e-12);
        expect(loadedLatencyNs(70, less)).toBeLessThanOrEqual(loadedLatencyNs(70, more));
      }),
    );
  });
});

describe('staging', () => {
  it('is slower than its slower hop, and slower still one hop after the other', () => {
    fc.assert(
      fc.property(rate, rate, fc.integer({ min: 12, max: 24 }), rate, (inGBs, outGBs, power, micros) => {
        const pipe = { chunkBytes: 2 ** power, inGBs, outGBs, syncNs: micros * 1000 };
        expect(overlappedStagingGBs(pipe)).toBeLessThan(Math.min(inGBs, outGBs));
        expect(serialStagingGBs(pipe)).toBeLessThan(overlappedStagingGBs(pipe));
      }),
    );
  });
});

describe('an engine', () => {
  it('meets both of its limits, or the slower where they contradict each other, and no packet takes negative time', () => {
    const limit = fc.option(rate, { nil: null });
    fc.assert(
      fc.property(
        rate,
        fc.option(fc.integer({ min: 1, max: 400 }), { nil: null }),
        limit,
        fc.option(fc.constantFrom(0.5, 0.9, 1), { nil: null }),
        fc.constantFrom(64, 128, 256, 512),
        (net, millions, gbs, efficiency, payload) => {
          const transactionsPerSecond = millions === null ? null : millions * 1e6;
          const engine = engineOccupancy({ transactionsPerSecond, gbs, efficiency }, net, payload, 24);
          if (engine === null) {
            expect([millions, gbs, efficiency]).toEqual([null, null, null]);
            return;
          }
          expect(engine.packetNs).toBeGreaterThanOrEqual(0);
          expect(engine.nsPerWireByte).toBeGreaterThanOrEqual(0);
          const full = engineGoodputGBs(engine, payload, payload, 24);
          const close = 1 + 1e-9;
          expect(full).toBeLessThanOrEqual((gbs ?? Infinity) * close);
          expect(full).toBeLessThanOrEqual(
            (((efficiency ?? Infinity) * net * payload) / (payload + 24)) * close,
          );
          if (millions !== null) {
            expect(engineGoodputGBs(engine, 64, payload, 24) / 64).toBeLessThanOrEqual(
              (millions / 1e3) * close,
            );
          }
        },
      ),
    );
  });
});
