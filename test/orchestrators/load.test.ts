import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { SeededRandom } from '../../src/base/index.ts';
import { ITEM, Load, type LoadOptions, type LoadPattern, LoadWork } from '../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from './fake-machine.ts';

const PATTERN: LoadPattern = {
  mode: 'read',
  blockBytes: 64,
  offsetBytes: 0,
  areaBytes: 4096,
  isRandom: false,
  seed: 1,
  readPercent: 70,
  count: 50,
  durationNs: undefined,
};

function take(pattern: LoadPattern, limit: number) {
  const work = new LoadWork(pattern, () => 0);
  const items: { kind: number; offset: number }[] = [];
  const item = { kind: -1, sourceOffsetBytes: -1, targetOffsetBytes: -1, lengthBytes: -1 };
  while (items.length < limit && work.next(item)) {
    expect(item.lengthBytes).toBe(pattern.blockBytes);
    expect(item.sourceOffsetBytes).toBe(item.targetOffsetBytes);
    items.push({ kind: item.kind, offset: item.sourceOffsetBytes });
  }
  return items;
}

function setUp(more: Partial<LoadOptions> = {}, faults: Faults = {}) {
  const random = new SeededRandom(5);
  const scheduler = new FakeScheduler(random);
  const target = new FakeTarget({ label: 'drive', sizeBytes: 8192, scheduler, random, faults });
  const order: string[] = [];
  const load = new Load({
    source: target,
    target,
    pattern: PATTERN,
    depth: 4,
    sides: [
      { label: 'peer', span: new FakeSpan(256) },
      { label: 'host', span: new FakeSpan(256) },
    ],
    rounds: 3,
    nowNs: () => scheduler.nowNs,
    onRound: (side, round) => order.push(`${side.label} ${round}`),
    ...more,
  });
  return { load, scheduler, target, order };
}

describe('what a load asks for', () => {
  it('walks through its area in order and wraps around', () => {
    const offsets = take({ ...PATTERN, offsetBytes: 128, areaBytes: 256, count: 6 }, 100).map(
      (item) => item.offset,
    );
    expect(offsets).toEqual([128, 192, 256, 320, 128, 192]);
  });

  it('stays in whole blocks of its area, whatever the seed', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 64, max: 1000 }), (seed, areaBytes) => {
        for (const { offset } of take({ ...PATTERN, isRandom: true, seed, areaBytes, offsetBytes: 64 }, 50)) {
          expect((offset - 64) % 64).toBe(0);
          expect(offset).toBeGreaterThanOrEqual(64);
          expect(offset + 64).toBeLessThanOrEqual(64 + areaBytes);
        }
      }),
    );
  });

  it('repeats with its seed and differs with another', () => {
    const random: LoadPattern = { ...PATTERN, isRandom: true, mode: 'mixed' };
    expect(take(random, 50)).toEqual(take(random, 50));
    expect(take(random, 50)).not.toEqual(take({ ...random, seed: 2 }, 50));
  });

  it('mixes reads and writes in the share that was asked for', () => {
    const items = take({ ...PATTERN, mode: 'mixed', readPercent: 70, count: 10_000 }, 10_000);
    const reads = items.filter((item) => item.kind === ITEM.READ).length;
    expect(reads).toBeGreaterThan(6700);
    expect(reads).toBeLessThan(7300);
    expect(
      take({ ...PATTERN, mode: 'mixed', readPercent: 0 }, 50).every((item) => item.kind === ITEM.WRITE),
    ).toBe(true);
    expect(
      take({ ...PATTERN, mode: 'mixed', readPercent: 100 }, 50).every((item) => item.kind === ITEM.READ),
    ).toBe(true);
  });

  it('ends by its clock', () => {
    let now = 0;
    const work = new LoadWork({ ...PATTERN, count: undefined, durationNs: 100 }, () => now);
    const item = { kind: 0, sourceOffsetBytes: 0, targetOffsetBytes: 0, lengthBytes: 0 };
    expect(work.next(item)).toBe(true);
    now = 99;
    expect(work.next(item)).toBe(true);
    now = 100;
    expect(work.next(item)).toBe(false);
  });
});

describe('a comparison', () => {
  it('alternates the sides, and gives both the same items and the ratio of their medians', async () => {
    const { load, scheduler, target, order } = setUp();
    const result = await scheduler.drive(load.run());
    expect(order).toEqual(['peer 0', 'host 0', 'peer 1', 'host 1', 'peer 2', 'host 2']);
    expect(target.reads).toBe(300);
    expect(target.writes).toBe(0);
    const [peer, host] = result.sides;
    expect(peer!.rounds.map((round) => round.items)).toEqual([50, 50, 50]);
    expect(peer!.latency.read.count).toBe(150);
    const middle = [...peer!.rounds].sort((a, b) => a.bytesPerSecond - b.bytesPerSecond)[1]!;
    expect(peer!.bytesPerSecond).toBe(middle.bytesPerSecond);
    expect(result.ratio).toBe(peer!.bytesPerSecond / host!.bytesPerSecond);
    expect(result.outcome).toBe('done');
  });

  it('never writes in read mode', async () => {
    const { load, scheduler, target } = setUp({ pattern: { ...PATTERN, isRandom: true } });
    const before = target.bytes.slice();
    await scheduler.drive(load.run());
    expect(target.bytes).toEqual(before);
  });

  it('ends with the first failure and names its side', async () => {
    const { load, scheduler } = setUp({}, { failRead: { at: 60, status: STATUS.UNREACHABLE } });
    const result = await scheduler.drive(load.run());
    expect(result).toMatchObject({
      outcome: 'failed',
      failedSide: 'host',
      failure: { status: STATUS.UNREACHABLE },
    });
    expect(scheduler.inFlight).toBe(0);
  });

  it('stops within a round', async () => {
    const { load, scheduler, target } = setUp();
    let completions = 0;
    const result = await scheduler.drive(load.run(), () => {
      if (++completions === 70) {
        load.stop();
      }
    });
    expect(result.outcome).toBe('stopped');
    expect(target.reads).toBeLessThan(80);
  });

  it.each([
    ['no end', { count: undefined }, 'COPY_SETUP'],
    ['no requests', { count: 0 }, 'COPY_SETUP'],
    ['an area smaller than a block', { areaBytes: 32 }, 'COPY_RANGE'],
    ['an area outside the target', { areaBytes: 8256 }, 'COPY_RANGE'],
    ['an offset within a block', { offsetBytes: 8 }, 'COPY_RANGE'],
    ['an impossible share', { mode: 'mixed', readPercent: 101 }, 'COPY_SETUP'],
  ] as const)('refuses %s', (_, change, code) => {
    expect(() => setUp({ pattern: { ...PATTERN, ...change } as LoadPattern })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
