import { describe, expect, it } from 'vitest';
import { MappingError } from '../../src/base/index.ts';
import { allocateFitting, fitBuffer } from '../../src/orchestrators/index.ts';
import { FakeSpan } from './fake-machine.ts';

const MIB = 1024 * 1024;

function poolOf(largestBlock: number) {
  const asked: number[] = [];
  return {
    asked,
    allocate: (bytes: number) => {
      asked.push(bytes);
      if (bytes > largestBlock) {
        throw new MappingError('P2P_POOL_EXHAUSTED', { message: `no block of ${bytes}` });
      }
      return new FakeSpan(bytes);
    },
  };
}

describe('a buffer that fits', () => {
  it('keeps what was wanted when there is room', () => {
    expect(fitBuffer({ chunkBytes: MIB, depth: 8 }, 64 * MIB, 512)).toEqual({ chunkBytes: MIB, depth: 8 });
  });

  it('gives up depth before chunk size', () => {
    expect(fitBuffer({ chunkBytes: MIB, depth: 8 }, 3.5 * MIB, 512)).toEqual({ chunkBytes: MIB, depth: 3 });
  });

  it('makes one chunk of whole blocks from what is left', () => {
    expect(fitBuffer({ chunkBytes: MIB, depth: 8 }, 10_000, 4096)).toEqual({ chunkBytes: 8192, depth: 1 });
    expect(fitBuffer({ chunkBytes: MIB, depth: 8 }, 4095, 4096)).toBeUndefined();
  });
});

describe('allocating from a pool', () => {
  it('asks once when the free bytes are known and in one piece', () => {
    const pool = poolOf(4 * MIB);
    const buffer = allocateFitting({ chunkBytes: MIB, depth: 8 }, 4096, 4 * MIB, pool.allocate);
    expect(buffer).toMatchObject({ chunkBytes: MIB, depth: 4 });
    expect(pool.asked).toEqual([4 * MIB]);
  });

  it('halves until a fragmented pool has such a block', () => {
    const pool = poolOf(300_000);
    const buffer = allocateFitting({ chunkBytes: MIB, depth: 4 }, 4096, 16 * MIB, pool.allocate);
    expect(buffer).toMatchObject({ chunkBytes: 262144, depth: 1 });
    expect(buffer.span.lengthBytes).toBe(262144);
    expect(pool.asked).toEqual([4 * MIB, 2 * MIB, MIB, MIB / 2, MIB / 4]);
  });

  it('tells the pool’s own story when nothing is free', () => {
    const pool = poolOf(0);
    expect(() => allocateFitting({ chunkBytes: 8192, depth: 1 }, 4096, 0, pool.allocate)).toThrow(
      /no block of 4096/,
    );
    expect(pool.asked).toEqual([8192, 4096]);
  });

  it('does not retry what more room would not help', () => {
    let calls = 0;
    const refuse = (): never => {
      calls++;
      throw new MappingError('P2P_NO_PERMISSION', { message: 'no' });
    };
    expect(() => allocateFitting({ chunkBytes: MIB, depth: 8 }, 4096, undefined, refuse)).toThrow('no');
    expect(calls).toBe(1);
  });

  it.each([
    [{ chunkBytes: 1000, depth: 1 }],
    [{ chunkBytes: 0, depth: 1 }],
    [{ chunkBytes: 4096, depth: 0 }],
    [{ chunkBytes: Number.NaN, depth: 1 }],
  ])('refuses %j', (plan) => {
    expect(() => allocateFitting(plan, 4096, undefined, (bytes) => new FakeSpan(bytes))).toThrow(
      expect.objectContaining({ code: 'COPY_SETUP' }),
    );
  });
});
