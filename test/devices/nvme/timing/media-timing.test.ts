import { describe, expect, it } from 'vitest';
import { Dies } from '../../../../src/devices/nvme/timing/dies.ts';
import { MediaTiming } from '../../../../src/devices/nvme/timing/index.ts';
import { resolveMediaTiming } from '../../../../src/devices/nvme/timing/options.ts';
import { Server } from '../../../../src/devices/nvme/timing/server.ts';

const US = 1e6;

describe('a server', () => {
  it('works on one thing after the other, and counts no work that is still to be done', () => {
    const server = new Server();
    expect(server.take(100, 50)).toBe(100);
    expect(server.take(110, 50)).toBe(150);
    expect(server.busyPs(120)).toBe(20);
    expect(server.busyPs(1000)).toBe(100);
    expect(server.take(1000, 10)).toBe(1000);
    server.resetCounts(1004);
    expect(server.busyPs(1004)).toBe(0);
    expect(server.busyPs(2000)).toBe(6);
  });

  it('forgets what nobody wants any more', () => {
    const server = new Server();
    server.take(0, 100);
    server.drop(30);
    expect(server.busyPs(500)).toBe(30);
    expect(server.take(40, 10)).toBe(40);
  });
});

describe('dies', () => {
  const timing = resolveMediaTiming({ readLatencyPs: 50 * US, readPs: 40 * US, channels: 4, dies: 8 });

  it('each have one page of every row of the stripe', () => {
    const dies = new Dies(timing);
    for (const row of [0, 1, 17, 2 ** 31, 2 ** 33 + 5]) {
      const found = Array.from({ length: 32 }, (_, i) => dies.dieOf(1, row * 32 + i));
      expect(new Set(found).size).toBe(32);
    }
  });

  it('lie elsewhere in another row and another namespace, and where they lay before', () => {
    const dies = new Dies(timing);
    const firsts = Array.from({ length: 64 }, (_, row) => dies.dieOf(1, row * 32));
    expect(new Set(firsts).size).toBeGreaterThan(20);
    expect(firsts).not.toEqual(Array.from({ length: 64 }, (_, row) => dies.dieOf(2, row * 32)));
    expect(firsts).toEqual(Array.from({ length: 64 }, (_, row) => new Dies(timing).dieOf(1, row * 32)));
  });

  it('read at the same time, and one page of a die after the other', () => {
    const dies = new Dies(timing);
    expect(dies.read(1, 0, 32 * 16_384, 0)).toBe(40 * US);
    const other = Array.from({ length: 32 }, (_, i) => 32 + i).find(
      (page) => dies.dieOf(1, page) === dies.dieOf(1, 0),
    )!;
    expect(dies.read(1, other * 16_384, 4096, 10 * US)).toBe(80 * US);
    // What the die holds is there at once.
    expect(dies.read(1, other * 16_384 + 8192, 4096, 90 * US)).toBe(90 * US);
    expect(dies.busyPs(100 * US)).toBe(33 * 40 * US);
  });

  it('take turns on their channel', () => {
    const slow = new Dies(
      resolveMediaTiming({ readLatencyPs: 0, readPs: 0, channels: 1, dies: 8, channelGBs: 1 }),
    );
    slow.read(1, 0, 16_384, 0);
    expect(slow.read(1, 16_384, 16_384, 0)).toBe(16_384_000);
    expect(slow.channelBusyPs(20_000_000)).toBe(20_000_000);
  });

  it('are suspended while they are programmed', () => {
    const dies = new Dies(
      resolveMediaTiming({
        readLatencyPs: 50 * US,
        readPs: 40 * US,
        programPs: 500 * US,
        suspendPs: 20 * US,
        programBytes: 65_536,
        channels: 1,
        dies: 1,
      }),
    );
    dies.program(65_535, 0);
    expect(dies.read(1, 0, 4096, 0)).toBe(40 * US);
    dies.program(1, 100 * US);
    expect(dies.read(1, 2 ** 20, 4096, 150 * US)).toBe(210 * US);
    // Ten before its end it is not worth it.
    expect(dies.read(1, 2 ** 22, 4096, 590 * US)).toBe(640 * US);
  });
});

describe('what follows from the data sheet', () => {
  it('lets the dies do twice the IOPS and 1.25 times the drain', () => {
    const one = resolveMediaTiming({
      readIops: 1e6,
      readLatencyPs: 90 * US,
      writeGBs: 12,
      channels: 8,
      dies: 4,
    });
    expect(one.readPs).toBe(16 * US);
    expect((32 * one.programBytes * 1000) / one.programPs).toBeCloseTo(15, 9);
    expect(one.drainPsPerByte).toBeCloseTo(1000 / 12, 9);
  });

  it('is nothing where nothing is said', () => {
    const one = resolveMediaTiming({});
    for (const name of [
      ...['readPsPerByte', 'writePsPerByte', 'readCommandPs', 'writeCommandPs', 'readLatencyPs', 'readPs'],
      ...['writeLatencyPs', 'drainPsPerByte', 'programPs', 'channelPsPerByte', 'suspendPs', 'adminPs'],
    ]) {
      expect(one[name as keyof typeof one], name).toBe(0);
    }
  });

  it('gives way to what is said of the dies', () => {
    const one = resolveMediaTiming({ writeGBs: 4, programPs: 1000 * US, channels: 1, dies: 8 });
    // 8 dies, 64 KiB in 1 ms each.
    expect(1000 / one.drainPsPerByte).toBeCloseTo((8 * 65_536) / 1e6, 9);
  });
});

describe('pieces of a read', () => {
  it('leave in order, and the last when the whole would have', () => {
    const media = new MediaTiming({ readGBs: 4, readLatencyPs: 80 * US }, 4);
    media.read(0, 2, 1, 0, 2 ** 20);
    expect(media.pieceCount(2)).toBe(8);
    for (let i = 0; i < 8; i++) {
      expect(media.pieceEndBytes(2, i)).toBe((i + 1) * 131_072);
      expect(media.pieceReadyPs(2, i)).toBeCloseTo(80 * US + (i + 1) * 131_072 * 250, 3);
    }
  });

  it('are pages at least', () => {
    const media = new MediaTiming({ readGBs: 4, readLatencyPs: 80 * US }, 4);
    media.read(0, 0, 1, 0, 20_000);
    expect(media.pieceCount(0)).toBe(2);
    media.read(0, 1, 1, 512, 512);
    expect(media.pieceCount(1)).toBe(1);
  });
});

describe('a reset', () => {
  it('forgets the commands under way, and leaves the cache to drain', () => {
    const media = new MediaTiming(
      { readIops: 1e6, readLatencyPs: 80 * US, readGBs: 1, writeGBs: 1, cacheBytes: 2 ** 20 },
      4,
    );
    for (let i = 0; i < 100; i++) {
      media.begin(0, true);
      media.read(0, 0, 1, i * 65_536, 65_536);
    }
    media.takeRoom(0, 2 ** 20);
    expect(media.begin(0, true)).toBe(100 * US);
    media.reset(5 * US, false);
    expect(media.begin(5 * US, true)).toBe(5 * US);
    media.read(5 * US, 0, 1, 0, 4096);
    expect(media.pieceReadyPs(0, 0)).toBeCloseTo(85 * US + 4096 * 1000, 3);
    expect(media.flushedPs(5 * US)).toBeGreaterThan(1000 * US);
    media.reset(6 * US, true);
    expect(media.flushedPs(6 * US)).toBe(6 * US);
  });
});
