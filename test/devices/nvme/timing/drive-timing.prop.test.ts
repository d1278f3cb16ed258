import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEDIA_PARTS, type MediaTimingOptions } from '../../../../src/devices/nvme/index.ts';
import { Server } from '../../../../src/devices/nvme/timing/server.ts';
import { TimedDrive, US } from './timed-drive.ts';

const seed = fc.integer({ min: 1, max: 1_000_000 });

const timings: fc.Arbitrary<MediaTimingOptions> = fc.record({
  readGBs: fc.constantFrom(0.5, 3.4, 6.9, Number.POSITIVE_INFINITY),
  writeGBs: fc.constantFrom(0.4, 2, 5, Number.POSITIVE_INFINITY),
  readIops: fc.constantFrom(50_000, 1e6, Number.POSITIVE_INFINITY),
  writeIops: fc.constantFrom(30_000, 4e5, Number.POSITIVE_INFINITY),
  readLatencyPs: fc.constantFrom(0, 5 * US, 80 * US),
  writeLatencyPs: fc.constantFrom(0, 12 * US),
  channels: fc.constantFrom(1, 3, 16),
  dies: fc.constantFrom(1, 4, 32),
  cacheBytes: fc.constantFrom(0, 100_000, 2 ** 24),
  drainGBs: fc.constantFrom(0.3, 2),
  suspendPs: fc.constantFrom(0, 20 * US),
});

const loads = fc.record({
  readShare: fc.constantFrom(0, 0.3, 0.7, 1),
  depth: fc.integer({ min: 1, max: 64 }),
  count: fc.integer({ min: 1, max: 120 }),
  sizeBytes: fc.constantFrom(4096, 8192, 36_864, 131_072),
  pattern: fc.constantFrom('random' as const, 'sequential' as const),
  hasFua: fc.boolean(),
  seed,
});

describe('any load on any drive', () => {
  it('completes, each command once, and no part of the drive is busier than the clock allows', () => {
    fc.assert(
      fc.property(
        timings,
        fc.array(loads, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(0, 140, 500),
        (timing, list, linkPsPerByte) => {
          const drive = new TimedDrive(timing);
          drive.host.port.linkPsPerByte = linkPsPerByte;
          for (const load of list) {
            // `run` throws unless every command completed, and once.
            const outcome = drive.run(load);
            expect(outcome.failures).toBe(0);
            expect(Math.min(...outcome.latenciesPs)).toBeGreaterThanOrEqual(0);
            const { elapsedPs, busyPs, busiest } = drive.model.mediaUtilisation()!;
            expect(elapsedPs).toBe(drive.nowPs);
            for (const part of MEDIA_PARTS) {
              expect(busyPs[part], part).toBeGreaterThanOrEqual(0);
              expect(busyPs[part], part).toBeLessThanOrEqual(elapsedPs);
            }
            expect(busiest.share).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps to the limits of the data sheet, and is counted to the last picosecond', () => {
    fc.assert(
      fc.property(timings, loads, (timing, load) => {
        const drive = new TimedDrive({ ...timing, readIops: 1e6, writeIops: 1e6, readGBs: 3, writeGBs: 3 });
        drive.model.resetMediaCounts();
        const { elapsedPs, latenciesPs } = drive.run(load);
        const bytes = load.count * load.sizeBytes;
        expect(elapsedPs).toBeGreaterThanOrEqual((bytes / 3) * 1000 * (1 - 1e-9));
        expect(elapsedPs).toBeGreaterThanOrEqual((load.count - 1) * US);
        const readPs = timing.readLatencyPs!;
        if (load.readShare === 1 && load.pattern === 'random') {
          // A die may hold the page already: then tR is spared, half of the latency here.
          expect(Math.min(...latenciesPs)).toBeGreaterThanOrEqual(readPs / 2);
        }
        const { busyPs } = drive.model.mediaUtilisation()!;
        const alone = (load.count * US) / 1;
        // What was reserved of the controller has passed, unless the last command cost more than it took.
        expect(busyPs.controller).toBeLessThanOrEqual(alone + 1);
        expect(busyPs.controller).toBeGreaterThanOrEqual(alone - US - 1);
        expect(busyPs.pipe / ((bytes / 3) * 1000)).toBeCloseTo(1, 6);
      }),
      { numRuns: 60 },
    );
  });

  it('goes the same way twice, bit for bit', () => {
    fc.assert(
      fc.property(timings, loads, (timing, load) => {
        const once = new TimedDrive(timing).run(load);
        expect(new TimedDrive(timing).run(load)).toEqual(once);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a server', () => {
  it('is never busier than the clock, however it is asked', () => {
    const step = fc.tuple(fc.constantFrom('take', 'look', 'reset', 'drop'), fc.nat(1000), fc.nat(300));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const server = new Server();
        let nowPs = 0;
        let fromPs = 0;
        for (const [what, passPs, workPs] of steps) {
          nowPs += passPs;
          if (what === 'take') {
            expect(server.take(nowPs, workPs)).toBeGreaterThanOrEqual(nowPs);
          } else if (what === 'reset') {
            server.resetCounts(nowPs);
            fromPs = nowPs;
          } else if (what === 'drop') {
            server.drop(nowPs);
          }
          expect(server.busyPs(nowPs)).toBeLessThanOrEqual(nowPs - fromPs);
          expect(server.busyPs(nowPs)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
