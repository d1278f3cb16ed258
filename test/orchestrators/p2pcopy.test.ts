import { describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { SeededRandom } from '../../src/base/index.ts';
import { checkHostAccess, fillChunk, P2pCopy, type P2pCopyOptions } from '../../src/orchestrators/index.ts';
import { FakeScheduler, FakeSpan, FakeTarget, type Faults } from './fake-machine.ts';

const CHUNK = 64;
const PEER = '0000:03:00.0' as never;

interface Setting extends Partial<Omit<P2pCopyOptions, 'check'>> {
  readonly sourceFaults?: Faults;
  readonly targetFaults?: Faults;
  readonly checks?: boolean;
  readonly sizeBytes?: number;
}

function setUp(setting: Setting = {}) {
  const { sourceFaults, targetFaults, checks, sizeBytes, ...options } = setting;
  const random = new SeededRandom(3);
  const scheduler = new FakeScheduler(random);
  const common = { scheduler, random, sizeBytes: sizeBytes ?? 4096, immediate: 0.3 };
  const source = new FakeTarget({ ...common, label: 'from', faults: sourceFaults ?? {} });
  const target = new FakeTarget({ ...common, label: 'to', faults: targetFaults ?? {} });
  const copy = new P2pCopy({
    source,
    target,
    span: new FakeSpan(CHUNK * 4, PEER),
    chunkBytes: CHUNK,
    chunks: 32,
    threads: 4,
    isOverlapping: false,
    durationNs: undefined,
    check: checks === true ? { seed: 9, span: new FakeSpan(CHUNK * 4) } : undefined,
    nowNs: () => scheduler.nowNs,
    ...options,
  });
  return { copy, source, target, scheduler };
}

describe('chunks through one piece of memory', () => {
  it('moves all of them, each in a slot of its own, and counts what each leg moved', async () => {
    const { copy, source, target, scheduler } = setUp();
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({
      outcome: 'done',
      chunksDone: 32,
      totalBytes: 2048,
      bytesRead: 2048,
      bytesWritten: 2048,
      check: undefined,
    });
    expect(target.bytes.subarray(0, 2048)).toEqual(source.bytes.subarray(0, 2048));
    expect(scheduler.inFlightMax).toBeLessThanOrEqual(4);
    expect([source.violations, target.violations, source.writes]).toEqual([0, 0, 0]);
  });

  it('counts the bytes of one leg alone', async () => {
    const reading = setUp({ target: null });
    expect(await reading.scheduler.drive(reading.copy.run())).toMatchObject({
      outcome: 'done',
      totalBytes: 2048,
      bytesRead: 2048,
      bytesWritten: 0,
    });
    const writing = setUp({ source: null });
    expect(await writing.scheduler.drive(writing.copy.run())).toMatchObject({
      outcome: 'done',
      totalBytes: 2048,
      bytesRead: 0,
      bytesWritten: 2048,
    });
    expect(writing.source.reads).toBe(0);
  });

  it('starts again at the beginning of a drive that is too small, when told', async () => {
    const { copy, target, source, scheduler } = setUp({ sizeBytes: 640, isOverlapping: true });
    expect(await scheduler.drive(copy.run())).toMatchObject({ outcome: 'done', totalBytes: 2048 });
    expect([source.violations, target.violations]).toEqual([0, 0]);
    expect(target.writes).toBe(32);
    expect(Math.max(...target.landed.map(({ offsetBytes }) => offsetBytes))).toBe(576);
  });

  it('takes a total that is exactly the size of the drives', async () => {
    const { copy, scheduler } = setUp({ sizeBytes: 2048, checks: true });
    expect(await scheduler.drive(copy.run())).toMatchObject({ outcome: 'done', check: { outcome: 'match' } });
  });

  it('ends when the time is over, and says so', async () => {
    const { copy, scheduler } = setUp({ durationNs: 5000 });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'done', isTimeUp: true });
    expect(result.chunksDone).toBeGreaterThan(0);
    expect(result.chunksDone).toBeLessThan(32);
    expect(result.totalBytes).toBe(result.chunksDone * CHUNK);
  });

  it('stops with what is in flight', async () => {
    const { copy, scheduler, target } = setUp();
    const result = await scheduler.drive(copy.run(), () => {
      if (target.writes === 8) {
        copy.stop();
      }
    });
    expect(result.outcome).toBe('stopped');
    expect(result.chunksDone).toBeLessThan(16);
    expect(scheduler.inFlight).toBe(0);
  });

  it('tells the first failure and its leg', async () => {
    const { copy, scheduler } = setUp({ sourceFaults: { failRead: { at: 3, status: STATUS.UNREACHABLE } } });
    expect(await scheduler.drive(copy.run())).toMatchObject({
      outcome: 'failed',
      stage: 'transfer',
      failure: { phase: 'read', at: 'from', status: STATUS.UNREACHABLE },
    });
  });

  it('fails when the destination cannot make it durable', async () => {
    const { copy, scheduler } = setUp({ targetFaults: { failFlush: STATUS.IO } });
    expect(await scheduler.drive(copy.run())).toMatchObject({
      outcome: 'failed',
      failure: { phase: 'flush' },
    });
  });
});

describe('the check', () => {
  it('fills the source, and finds every byte at the destination', async () => {
    const { copy, scheduler, source, target } = setUp({ checks: true });
    expect(await scheduler.drive(copy.run())).toMatchObject({
      outcome: 'done',
      check: { outcome: 'match', comparedBytes: 2048, badChunks: 0, mismatchAtBytes: undefined },
    });
    const expected = new Uint8Array(CHUNK);
    fillChunk(9, 5, expected);
    expect(source.bytes.subarray(5 * CHUNK, 6 * CHUNK)).toEqual(expected);
    expect(target.bytes.subarray(5 * CHUNK, 6 * CHUNK)).toEqual(expected);
  });

  it('gives no two chunks the same bytes, on drives of any size', () => {
    const seen = new Set<string>();
    const numbers = [0, 1, 2, 3, 255, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40];
    for (const number of numbers) {
      const bytes = new Uint8Array(16);
      fillChunk(1, number, bytes);
      seen.add(bytes.join());
    }
    expect(seen.size).toBe(numbers.length);
  });

  it.each([
    ['a changed byte', { corruptWrite: 7 }],
    ['a write that moved nothing', { loseWrite: 7 }],
  ] satisfies readonly (readonly [string, Faults])[])('finds %s', async (_, targetFaults) => {
    const { copy, scheduler } = setUp({ checks: true, targetFaults });
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'mismatch', check: { outcome: 'mismatch', badChunks: 1 } });
    expect(result.check?.mismatchAtBytes).toBeGreaterThanOrEqual(0);
    expect(result.check?.expected).not.toBe(result.check?.found);
  });

  it('finds two chunks that were swapped, which a sum over all bytes would not', async () => {
    const { copy, scheduler, target } = setUp({ checks: true, threads: 1 });
    const flush = target.flush.bind(target);
    target.flush = (token) => {
      const first = target.bytes.slice(0, CHUNK);
      target.bytes.copyWithin(0, CHUNK, 2 * CHUNK);
      target.bytes.set(first, CHUNK);
      return flush(token);
    };
    const result = await scheduler.drive(copy.run());
    expect(result).toMatchObject({ outcome: 'mismatch', check: { badChunks: 2 } });
  });

  it('does not take a read that moves nothing for a match', async () => {
    const { copy, scheduler, target } = setUp({ checks: true, threads: 1, chunks: 1 });
    const read = target.read.bind(target);
    target.read = (offset, _span, at, length, token) => read(offset, new FakeSpan(64), at, length, token);
    expect(await scheduler.drive(copy.run())).toMatchObject({ outcome: 'mismatch' });
  });

  it('is not reported as passed when its own read fails', async () => {
    const { copy, scheduler } = setUp({
      checks: true,
      targetFaults: { failRead: { at: 2, status: STATUS.IO } },
    });
    expect(await scheduler.drive(copy.run())).toMatchObject({
      outcome: 'failed',
      stage: 'check',
      check: { outcome: 'not-finished' },
    });
  });

  it('does not start copying when the source could not be filled', async () => {
    const { copy, scheduler, target } = setUp({
      checks: true,
      sourceFaults: { failWrite: { at: 2, status: STATUS.IO } },
    });
    expect(await scheduler.drive(copy.run())).toMatchObject({
      outcome: 'failed',
      stage: 'fill',
      totalBytes: 0,
    });
    expect(target.writes).toBe(0);
  });
});

describe('what is refused before anything moves', () => {
  it.each([
    ['both legs skipped', { source: null, target: null }, 'COPY_SETUP'],
    ['a check of one leg', { checks: true, target: null }, 'COPY_SETUP'],
    ['a check with overlap', { checks: true, isOverlapping: true, sizeBytes: 640 }, 'COPY_SETUP'],
    ['a check with an end by time', { checks: true, durationNs: 5 }, 'COPY_SETUP'],
    ['a total larger than a drive', { sizeBytes: 640 }, 'COPY_RANGE'],
    ['overlap where all fits', { isOverlapping: true }, 'COPY_RANGE'],
    ['a drive smaller than a chunk', { isOverlapping: true, sizeBytes: 32 }, 'COPY_RANGE'],
    ['no chunks', { chunks: 0 }, 'COPY_SETUP'],
    ['no threads', { threads: 0 }, 'COPY_SETUP'],
    ['chunks beyond 2^53', { chunks: 2 ** 53 }, 'COPY_SETUP'],
  ] satisfies readonly (readonly [string, Setting, string])[])('%s', (_, setting, code) => {
    expect(() => setUp(setting)).toThrow(expect.objectContaining({ code }));
  });
});

describe('accesses of the processor', () => {
  it('find memory that does not keep what was written', () => {
    const span = new FakeSpan(256);
    expect(checkHostAccess(span, 64, 10, false, 1)).toEqual({ accesses: 10, mismatchAtBytes: undefined });
    const copyIn = span.copyIn.bind(span);
    span.copyIn = (offset, from) => {
      copyIn(offset, from);
      if (offset === 128) {
        span.bytes[130]! ^= 1;
      }
    };
    expect(checkHostAccess(span, 64, 10, false, 1)).toEqual({ accesses: 3, mismatchAtBytes: 130 });
    expect(checkHostAccess(span, 64, 10, true, 1)).toEqual({ accesses: 10, mismatchAtBytes: undefined });
  });
});
