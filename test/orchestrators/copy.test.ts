import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { type CopyError, SeededRandom, toBdf } from '../../src/base/index.ts';
import { Copy, type CopyOptions } from '../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from './fake-machine.ts';

interface Setup {
  readonly sizeBytes?: number;
  readonly chunkBytes?: number;
  readonly depth?: number;
  readonly seed?: number;
  readonly sourceFaults?: Faults;
  readonly targetFaults?: Faults;
  readonly immediate?: number;
  readonly verify?: boolean;
  readonly more?: Partial<CopyOptions>;
}

function setUp(options: Setup = {}) {
  const random = new SeededRandom(options.seed ?? 1);
  const scheduler = new FakeScheduler(random);
  const sizeBytes = options.sizeBytes ?? 4096;
  const chunkBytes = options.chunkBytes ?? 256;
  const depth = options.depth ?? 4;
  const shared = { sizeBytes, scheduler, random, immediate: options.immediate ?? 0 };
  const source = new FakeTarget({ ...shared, label: 'source', faults: options.sourceFaults ?? {} });
  const target = new FakeTarget({ ...shared, label: 'target', faults: options.targetFaults ?? {} });
  const span = new FakeSpan(chunkBytes * depth, toBdf('0000:03:00.0')!);
  const verify = {
    sourceSpan: new FakeSpan(chunkBytes * depth),
    targetSpan: new FakeSpan(chunkBytes * depth),
  };
  const copy = new Copy({
    source,
    target,
    span,
    sourceOffsetBytes: 0,
    targetOffsetBytes: 0,
    lengthBytes: sizeBytes,
    chunkBytes,
    depth,
    nowNs: () => scheduler.nowNs,
    ...(options.verify === true ? { verify } : {}),
    ...options.more,
  });
  return { copy, source, target, scheduler, depth, chunkBytes };
}

describe('a copy that works', () => {
  it('moves every byte and flushes once', async () => {
    const { copy, source, target, scheduler } = setUp();
    const result = await scheduler.drive(copy.run());
    expect(target.bytes).toEqual(source.bytes);
    expect(target.flushes).toBe(1);
    expect(result).toMatchObject({
      outcome: 'done',
      copiedBytes: 4096,
      certainBytes: 4096,
      isFlushed: true,
      trust: 'transferred',
      failure: undefined,
      failureCount: 0,
    });
    expect(result.latency.read.count).toBe(16);
    expect(result.latency.write.count).toBe(16);
    expect(result.bytesPerSecond).toBeCloseTo((4096 / result.elapsedNs) * 1e9);
  });

  it('keeps depth requests in flight and never more', async () => {
    const { copy, scheduler, depth } = setUp({ depth: 7 });
    await scheduler.drive(copy.run());
    expect(scheduler.inFlightMax).toBe(depth);
  });

  it('copies a last chunk that is shorter', async () => {
    const { copy, source, target, scheduler } = setUp({ sizeBytes: 1040, chunkBytes: 256 });
    const result = await scheduler.drive(copy.run());
    expect(target.bytes).toEqual(source.bytes);
    expect(target.landed.map((write) => write.lengthBytes).sort()).toEqual([16, 256, 256, 256, 256]);
    expect(result.copiedBytes).toBe(1040);
  });

  it('leaves everything outside its range alone', async () => {
    const more = { sourceOffsetBytes: 512, targetOffsetBytes: 1024, lengthBytes: 768 };
    const { copy, source, target, scheduler } = setUp({ more });
    const before = target.bytes.slice();
    await scheduler.drive(copy.run());
    expect(target.bytes.subarray(1024, 1792)).toEqual(source.bytes.subarray(512, 1280));
    expect(target.bytes.subarray(0, 1024)).toEqual(before.subarray(0, 1024));
    expect(target.bytes.subarray(1792)).toEqual(before.subarray(1792));
  });

  it('does not grow the stack when every request completes at once', async () => {
    const { copy, source, target, scheduler } = setUp({
      sizeBytes: 1 << 19,
      chunkBytes: 16,
      depth: 2,
      immediate: 1,
    });
    const result = await scheduler.drive(copy.run());
    expect(result.outcome).toBe('done');
    expect(target.bytes).toEqual(source.bytes);
  });

  it('reports progress that only grows and ends with the whole', async () => {
    const seen: number[] = [];
    const { copy, scheduler } = setUp({
      more: { progressEvery: 1, onProgress: (progress) => seen.push(progress.doneBytes) },
    });
    await scheduler.drive(copy.run());
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(4096);
    expect(seen).toHaveLength(16);
  });

  it('limits progress reports to some two hundred whatever the number of chunks', async () => {
    let calls = 0;
    const { copy, scheduler } = setUp({
      sizeBytes: 65536,
      chunkBytes: 16,
      more: {
        onProgress: () => {
          calls++;
        },
      },
    });
    await scheduler.drive(copy.run());
    expect(calls).toBeLessThanOrEqual(205);
    expect(calls).toBeGreaterThan(100);
  });
});

describe('a copy that fails', () => {
  it('tells the first failed request and stops taking chunks', async () => {
    const { copy, scheduler, source, target } = setUp({
      targetFaults: { failWrite: { at: 5, status: STATUS.IO } },
    });
    const result = await scheduler.drive(copy.run());
    expect(result.outcome).toBe('failed');
    expect(result.failure).toMatchObject({
      phase: 'write',
      at: 'target',
      status: STATUS.IO,
      code: 'FAULT-3',
      lengthBytes: 256,
    });
    expect(source.reads).toBeLessThan(16);
    // The certain prefix really is there, and the failed chunk lies behind it.
    expect(target.bytes.subarray(0, result.certainBytes)).toEqual(
      source.bytes.subarray(0, result.certainBytes),
    );
    expect(result.failure!.offsetBytes).toBeGreaterThanOrEqual(result.certainBytes);
    expect(result.copiedBytes).toBe(target.landed.length * 256);
  });

  it('waits for everything in flight before it ends', async () => {
    const { copy, scheduler, source, target } = setUp({
      depth: 8,
      sourceFaults: { failRead: { at: 1, status: STATUS.UNREACHABLE } },
    });
    const result = await scheduler.drive(copy.run());
    expect(source.inFlight + target.inFlight + scheduler.inFlight).toBe(0);
    expect(result.failure).toMatchObject({
      phase: 'read',
      at: 'source',
      status: STATUS.UNREACHABLE,
      offsetBytes: 0,
    });
    expect(result.certainBytes).toBe(0);
  });

  it('says granted, not transferred, when nothing moved', async () => {
    const { copy, scheduler, target } = setUp({
      depth: 1,
      sourceFaults: { failRead: { at: 1, status: STATUS.UNREACHABLE } },
    });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ trust: 'granted', copiedBytes: 0, outcome: 'failed' });
    expect(target.writes).toBe(0);
    expect(target.flushes).toBe(0);
  });

  it('counts further failures but tells the first', async () => {
    const { copy, scheduler } = setUp({
      depth: 8,
      targetFaults: { failWritesFrom: { at: 3, status: STATUS.GONE } },
    });
    const result = await scheduler.drive(copy.run());
    expect(result.failureCount).toBeGreaterThan(1);
    expect(result.failure!.status).toBe(STATUS.GONE);
  });

  it('does not flush a target that is gone, and says so', async () => {
    const { copy, scheduler, target } = setUp({
      depth: 1,
      targetFaults: { failWrite: { at: 3, status: STATUS.GONE } },
    });
    const result = await scheduler.drive(copy.run());
    expect(target.flushes).toBe(0);
    expect(result).toMatchObject({ isFlushed: false, certainBytes: 512, copiedBytes: 512 });
  });

  it('flushes what was copied when the source failed', async () => {
    const { copy, scheduler, target } = setUp({
      depth: 1,
      sourceFaults: { failRead: { at: 3, status: STATUS.GONE } },
    });
    const result = await scheduler.drive(copy.run());
    expect(target.flushes).toBe(1);
    expect(result).toMatchObject({ isFlushed: true, certainBytes: 512, outcome: 'failed' });
  });

  it('is failed when only the flush fails', async () => {
    const { copy, scheduler } = setUp({ targetFaults: { failFlush: STATUS.IO } });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'failed', isFlushed: false, certainBytes: 4096 });
    expect(result.failure).toMatchObject({ phase: 'flush', at: 'target' });
  });
});

describe('stop', () => {
  it('drains what is in flight and reports the certain prefix', async () => {
    const { copy, scheduler, source, target } = setUp({ depth: 4, sizeBytes: 65536 });
    let completions = 0;
    const result = await scheduler.drive(copy.run(), () => {
      if (++completions === 41) {
        copy.stop();
      }
    });
    expect(result.outcome).toBe('stopped');
    expect(scheduler.inFlight).toBe(0);
    expect(result.certainBytes).toBe(result.copiedBytes);
    expect(result.copiedBytes).toBeLessThan(65536);
    expect(target.bytes.subarray(0, result.certainBytes)).toEqual(
      source.bytes.subarray(0, result.certainBytes),
    );
    expect(target.flushes).toBe(1);
  });

  it('before the start copies nothing', async () => {
    const { copy, scheduler, source } = setUp();
    copy.stop();
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'stopped', copiedBytes: 0, certainBytes: 0 });
    expect(source.reads).toBe(0);
  });
});

describe('verify', () => {
  it('reads both sides again and calls the copy verified', async () => {
    const { copy, scheduler, source, target } = setUp({ verify: true });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'done', trust: 'verified' });
    expect(result.verify).toMatchObject({
      outcome: 'equal',
      comparedBytes: 4096,
      mismatchAtBytes: undefined,
    });
    expect(source.reads).toBe(32);
    expect(target.reads).toBe(16);
  });

  it('finds the first byte that differs', async () => {
    const { copy, scheduler, source, target } = setUp({
      verify: true,
      depth: 1,
      targetFaults: { corruptWrite: 3 },
    });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'mismatch', trust: 'transferred' });
    expect(result.verify).toMatchObject({
      outcome: 'mismatch',
      mismatchAtBytes: 767,
      mismatch: { source: source.bytes[767], target: target.bytes[767] },
    });
  });

  it('finds a write that was lost', async () => {
    const { copy, scheduler } = setUp({ verify: true, depth: 1, targetFaults: { loseWrite: 2 } });
    const result = await scheduler.drive(copy.run());
    expect(result.outcome).toBe('mismatch');
    expect(result.verify!.mismatchAtBytes).toBeGreaterThanOrEqual(256);
    expect(result.verify!.mismatchAtBytes).toBeLessThan(512);
  });

  it('fails when the second read fails', async () => {
    const { copy, scheduler } = setUp({
      verify: true,
      targetFaults: { failRead: { at: 4, status: STATUS.IO } },
    });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'failed', trust: 'transferred' });
    expect(result.failure).toMatchObject({ phase: 'read', at: 'target' });
  });

  it('is not begun after a failure', async () => {
    const { copy, scheduler, target } = setUp({
      verify: true,
      targetFaults: { failWrite: { at: 1, status: STATUS.IO } },
    });
    const result = await scheduler.drive(copy.run());
    expect(result.verify).toBeUndefined();
    expect(target.reads).toBe(0);
  });

  it('refuses to look through peer memory', async () => {
    const peer = new FakeSpan(1024, toBdf('0000:03:00.0')!);
    const { copy, scheduler } = setUp({ more: { verify: { sourceSpan: peer, targetSpan: peer } } });
    await expect(scheduler.drive(copy.run())).rejects.toMatchObject({ code: 'COPY_SETUP' });
  });
});

describe('a range that cannot be copied is refused before anything moves', () => {
  const cases: readonly [string, Partial<CopyOptions>, string][] = [
    ['a size that is no multiple of the block', { lengthBytes: 100 }, 'COPY_RANGE'],
    ['an offset that is no multiple of the block', { sourceOffsetBytes: 8, lengthBytes: 256 }, 'COPY_RANGE'],
    ['past the end of the source', { sourceOffsetBytes: 16 }, 'COPY_RANGE'],
    ['past the end of the target', { targetOffsetBytes: 4096, lengthBytes: 16 }, 'COPY_RANGE'],
    ['nothing', { lengthBytes: 0 }, 'COPY_RANGE'],
    ['a chunk that is no multiple of the block', { chunkBytes: 24, depth: 1 }, 'COPY_SETUP'],
    ['a chunk of nothing', { chunkBytes: 0 }, 'COPY_SETUP'],
    ['a depth of nothing', { depth: 0 }, 'COPY_SETUP'],
    ['more than the buffer holds', { depth: 5 }, 'COPY_SETUP'],
    ['more at once than the target takes', { depth: 65, chunkBytes: 16 }, 'COPY_SETUP'],
  ];
  it.each(cases)('%s', (_, more, code) => {
    let thrown: unknown;
    try {
      setUp({ more });
    } catch (error) {
      thrown = error;
    }
    expect((thrown as CopyError | undefined)?.code).toBe(code);
    expect((thrown as CopyError).hint).toBeTruthy();
  });

  it('ranges that overlap on one target', () => {
    const random = new SeededRandom(3);
    const scheduler = new FakeScheduler(random);
    const one = new FakeTarget({ label: 'one', sizeBytes: 4096, scheduler, random });
    expect(() =>
      setUp({
        more: { source: one, target: one, sourceOffsetBytes: 0, targetOffsetBytes: 512, lengthBytes: 1024 },
      }),
    ).toThrow(/overlap/);
  });

  it('a target that is read-only', () => {
    const random = new SeededRandom(3);
    const scheduler = new FakeScheduler(random);
    const target = new FakeTarget({ label: 'ro', sizeBytes: 4096, scheduler, random, isReadOnly: true });
    expect(() => setUp({ more: { target } })).toThrow(/not open for writing/);
  });
});
