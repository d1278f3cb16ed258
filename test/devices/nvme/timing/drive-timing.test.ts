import { describe, expect, it } from 'vitest';
import { type MediaTimingOptions, NvmeController } from '../../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE } from '../../../../src/spec/nvme/index.ts';
import { TimedDrive, US } from './timed-drive.ts';

const MIB = 2 ** 20;

/** A drive of Gen4, timing model section 13. */
const GEN4: MediaTimingOptions = {
  readGBs: 6.9,
  writeGBs: 5,
  readIops: 1e6,
  writeIops: 400_000,
  readLatencyPs: 75 * US,
  writeLatencyPs: 12 * US,
  channels: 16,
  dies: 16,
  cacheBytes: 64 * MIB,
};

/** `what` is within `share` of `wanted`. */
function expectNear(what: number, wanted: number, share: number): void {
  expect(what / wanted).toBeGreaterThan(1 - share);
  expect(what / wanted).toBeLessThan(1 + share);
}

describe('one command of an idle drive (timing model, 13)', () => {
  it('takes the latency of the media and its bytes the bandwidth', () => {
    const drive = new TimedDrive(GEN4);
    expectNear(drive.once('read', 77), 75 * US + 4096 / 0.0069, 1e-6);
    expectNear(drive.once('write', 77), 12 * US + 4096 / 0.005, 1e-6);
  });

  it('reads 128 KiB in the time of one tR, not of eight', () => {
    const drive = new TimedDrive(GEN4);
    expectNear(drive.once('read', 64, 32), 75 * US + (128 * 1024) / 0.0069, 1e-6);
  });

  it.each([
    ['N4', 4096, 0.1579],
    ['N3', 65_536, 0.7709],
  ])('%s: moves %i bytes at a time with 22 us and 1.04 GB/s', (_id, sizeBytes, goodputGBs) => {
    for (const kind of ['read', 'write'] as const) {
      const rate = { readGBs: 1.04, writeGBs: 1.04, readLatencyPs: 22 * US, writeLatencyPs: 22 * US };
      const drive = new TimedDrive({ ...rate, cacheBytes: kind === 'write' ? 2 ** 30 : 0 });
      const outcome = drive.run({ kind, depth: 1, count: 50, sizeBytes });
      expectNear(outcome.goodputGBs, goodputGBs, 5e-4);
    }
  });

  it('sends the first piece of a large read while the last is read', () => {
    const timing = { readGBs: 2, readLatencyPs: 80 * US };
    const drive = new TimedDrive(timing);
    drive.host.port.linkPsPerByte = 250;
    const ps = drive.once('read', 0, 256);
    const mediaPs = 80 * US + MIB * 500;
    // Fetch and completion take the link as well; sending all of it afterwards would take 262 us more.
    expect(ps).toBeGreaterThan(mediaPs);
    expect(ps).toBeLessThan(mediaPs + (MIB / 8) * 250 + US);
  });

  it('takes in data while earlier data pass the media path', () => {
    const drive = new TimedDrive({ writeGBs: 2, writeLatencyPs: 10 * US, cacheBytes: 64 * MIB });
    drive.host.port.linkPsPerByte = 250;
    const ps = drive.once('write', 0, 256);
    expect(ps).toBeGreaterThan(10 * US + MIB * 500);
    expect(ps).toBeLessThan(11 * US + MIB * 500);
  });

  it('takes no time at all where the media are instant, or nothing is said of them', () => {
    for (const timing of [{}, null]) {
      const drive = new TimedDrive(timing);
      expect(drive.once('read', 5, 8)).toBe(0);
      expect(drive.once('write', 5, 8)).toBe(0);
      expect(drive.nowPs).toBe(0);
    }
  });
});

describe('a closed loop', () => {
  it.each([
    ['N1', 16, 158.9, 100_692.26],
    ['N2', 64, 134.6, 475_482.91],
  ])('%s: %i in flight at %f us do QD / latency', (_id, depth, latencyUs, iops) => {
    const drive = new TimedDrive({ readLatencyPs: latencyUs * US, readPs: 0, readIops: 1e6 });
    expectNear(drive.run({ depth, count: 16_000 }).iops, iops, 0.002);
  });

  it('does QD / latency with dies that are in each other’s way now and then', () => {
    const drive = new TimedDrive({ ...GEN4, readLatencyPs: 134.6 * US, readGBs: 20, dies: 64 });
    const { iops } = drive.run({ depth: 64, count: 6400 });
    expect(iops).toBeLessThan(475_483);
    expectNear(iops, 475_483, 0.06);
  });

  it('does not go beyond the IOPS of the controller, and then latency is QD / IOPS', () => {
    const drive = new TimedDrive(GEN4);
    const outcome = drive.run({ depth: 256, count: 20_000 });
    expectNear(outcome.iops, 1e6, 0.01);
    expectNear(outcome.meanPs, 256 * US, 0.02);
    const writes = new TimedDrive(GEN4).run({ kind: 'write', depth: 64, count: 10_000 });
    expectNear(writes.iops, 400_000, 0.01);
  });

  it('waits for dies where there are few of them', () => {
    const drive = new TimedDrive({ readLatencyPs: 80 * US, readPs: 60 * US, channels: 4, dies: 1 });
    const { iops } = drive.run({ depth: 256, count: 8000 });
    // Four dies, 60 us each; at the end not all of them have work.
    expect(iops).toBeLessThan(4 / 60e-6);
    expectNear(iops, 4 / 60e-6, 0.06);
    const { busyPs, elapsedPs, busiest } = drive.model.mediaUtilisation()!;
    expect(busiest.part).toBe('dies');
    expect(busyPs.dies / elapsedPs).toBeGreaterThan(0.9);
  });
});

describe('bandwidth', () => {
  it.each(['sequential', 'random'] as const)(
    '%s reads of 128 KiB reach the cap and stay below',
    (pattern) => {
      const outcome = new TimedDrive(GEN4).run({ depth: 16, count: 2000, sizeBytes: 131_072, pattern });
      expect(outcome.goodputGBs).toBeLessThan(6.9);
      expectNear(outcome.goodputGBs, 6.9, 0.02);
    },
  );

  it('reads small blocks in sequence with one tR a page', () => {
    const sequential = new TimedDrive(GEN4).run({ depth: 1, count: 400, pattern: 'sequential' });
    const random = new TimedDrive(GEN4).run({ depth: 1, count: 400 });
    // Three of four blocks are in the register of the die, and save half of the latency.
    expectNear(sequential.meanPs / random.meanPs, 1 - 0.75 * 0.5, 0.02);
  });

  it('is shared by reads and writes', () => {
    const drive = new TimedDrive({ ...GEN4, writeGBs: 6.9, drainGBs: 100, programPs: 0 });
    const outcome = drive.run({ readShare: 0.5, depth: 32, count: 2000, sizeBytes: 131_072 });
    expectNear(outcome.goodputGBs, 6.9, 0.02);
    const { busyPs, elapsedPs } = drive.model.mediaUtilisation()!;
    expectNear(busyPs.pipe, elapsedPs, 0.03);
    expectNear(busyPs.read, busyPs.write, 0.15);
    expectNear(busyPs.read + busyPs.write, busyPs.pipe, 1e-9);
  });

  it('and IOPS lose what the penalty says to a load of half reads, half writes', () => {
    const timing = { ...GEN4, readIops: 500_000, writeIops: 500_000 };
    const run = (mixedPenalty: number, readShare: number) =>
      new TimedDrive({ ...timing, mixedPenalty }).run({ readShare, depth: 128, count: 10_000 }).iops;
    const alone = run(0.3, 1);
    expectNear(alone, run(0, 1), 1e-9);
    expectNear(run(0.3, 0.5) / run(0, 0.5), 0.7, 0.02);
    const uneven = run(0.3, 0.9) / run(0, 0.9);
    expect(uneven).toBeGreaterThan(0.85);
    expect(uneven).toBeLessThan(0.95);
  });
});

describe('the write cache', () => {
  const CACHED: MediaTimingOptions = {
    writeGBs: 4,
    drainGBs: 1,
    writeLatencyPs: 10 * US,
    programPs: 500 * US,
    cacheBytes: 16 * MIB,
  };

  it('takes writes at its own speed until it is full, and then at the drain’s', () => {
    const drive = new TimedDrive(CACHED);
    // 16 MiB at 4 GB/s while 1 GB/s leave: 21.3 MiB go in before it is full.
    const burst = drive.run({ kind: 'write', depth: 8, count: 160, sizeBytes: 131_072 });
    expectNear(burst.goodputGBs, 4, 0.03);
    drive.run({ kind: 'write', depth: 8, count: 40, sizeBytes: 131_072 });
    const steady = drive.run({ kind: 'write', depth: 8, count: 400, sizeBytes: 131_072 });
    expectNear(steady.goodputGBs, 1, 0.02);
    expect(drive.model.mediaUtilisation()!.busiest.part).toBe('drain');
  });

  it('is empty again after a pause', () => {
    const drive = new TimedDrive(CACHED);
    drive.run({ kind: 'write', depth: 8, count: 300, sizeBytes: 131_072 });
    drive.once('flush');
    expectNear(drive.run({ kind: 'write', depth: 8, count: 100, sizeBytes: 131_072 }).goodputGBs, 4, 0.05);
  });

  it('makes a flush wait until what is in it is on the media, and no flush of nothing', () => {
    const drive = new TimedDrive(CACHED);
    expect(drive.once('flush')).toBe(0);
    const writes = drive.run({ kind: 'write', depth: 64, count: 64, sizeBytes: 131_072 });
    const left = 8 * MIB * 1000 - writes.elapsedPs;
    expectNear(drive.once('flush'), left + 500 * US, 1e-6);
    expect(drive.once('flush')).toBe(0);
  });

  it('that power cannot empty needs no flush', () => {
    const drive = new TimedDrive(CACHED, { volatileWriteCache: false });
    drive.run({ kind: 'write', depth: 64, count: 64, sizeBytes: 131_072 });
    expect(drive.once('flush')).toBe(0);
    expectNear(drive.once('write', 0, 1, true), 10 * US + 4096 * 250, 1e-6);
  });

  it('does not help a write with FUA, nor the drive that has none', () => {
    const drive = new TimedDrive(CACHED);
    expectNear(drive.once('write', 0, 1, true), 510 * US + 4096 * 250, 1e-6);
    const bare = new TimedDrive({ ...CACHED, cacheBytes: 0 });
    const steady = bare.run({ kind: 'write', depth: 8, count: 100, sizeBytes: 131_072 });
    expectNear(steady.goodputGBs, 1, 0.02);
  });
});

describe('other commands', () => {
  it('Verify and Compare read the media', () => {
    const drive = new TimedDrive(GEN4);
    expectNear(drive.once('verify', 1000, 1), 75 * US + 4096 / 0.0069, 1e-6);
    drive.once('read', 2000, 1);
    expectNear(drive.once('compare', 2000, 1), 37.5 * US + 4096 / 0.0069, 1e-6);
  });

  it('of the admin queue cost a little', () => {
    const drive = new TimedDrive({ ...GEN4, adminPs: 15 * US });
    const fromPs = drive.nowPs;
    drive.host.admin({ opcode: ADMIN_OPCODE.GET_FEATURES, cdw10: 7 });
    expect(drive.nowPs - fromPs).toBe(15 * US);
  });
});

describe('options', () => {
  it.each([
    ['readGBs', 0],
    ['readIops', -1],
    ['readLatencyPs', Number.POSITIVE_INFINITY],
    ['channels', 0],
    ['dies', 1.5],
    ['mixedPenalty', 1],
    ['cacheBytes', -1],
    ['writeLatencyPs', Number.NaN],
    ['readPs', 80 * US],
  ])('%s of %d makes no drive', (name, value) => {
    expect(() => new NvmeController({ timing: { ...GEN4, [name]: value } })).toThrow(
      expect.objectContaining({ code: 'DEVICE_OPTIONS', message: expect.stringContaining(name) }),
    );
  });
});
