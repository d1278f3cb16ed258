/** Allocating and giving back (spec p2pdma.md section 5; edge cases 84 and 90 to 106). */
import { describe, expect, it } from 'vitest';
import { ADDR_NOWHERE, type Bdf, type PhysAddr } from '../../../src/base/index.ts';
import type { PeerProvider, Provider } from '../../../src/p2pdma/index.ts';
import { BAR_START, bench, benchWithMemory, FakeFunction, MIB, PAGE, refusalOf } from './fake-function.ts';

const at = (offset: number): PhysAddr => (BAR_START + offset) as PhysAddr;

describe('alloc', () => {
  it('EC-090, EC-091: nothing for 0 bytes, a page for one', () => {
    const { provider } = benchWithMemory();
    expect(provider.alloc(0)).toBeNull();
    expect(provider.alloc(1)).toBe(at(0));
    expect(provider.availableBytes).toBe(64 * MIB - PAGE);
    expect(provider.alloc(1)).toBe(at(PAGE));
  });

  it('nothing for lengths that are none', () => {
    const { provider } = benchWithMemory();
    for (const length of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(provider.alloc(length)).toBeNull();
    }
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('EC-092: nothing when the holes together have enough but none alone', () => {
    const { provider } = benchWithMemory({}, {}, { lengthBytes: 2 * MIB });
    const blocks = Array.from({ length: 4 }, () => provider.alloc(MIB / 2)!);
    provider.free(blocks[0]!, MIB / 2);
    provider.free(blocks[2]!, MIB / 2);
    expect(provider.availableBytes).toBe(MIB);
    expect((provider as Provider).largestFreeBytes).toBe(MIB / 2);
    expect(provider.alloc(MIB)).toBeNull();
    expect(refusalOf(() => provider.allocSpan(MIB))).toMatchObject({ code: 'P2P_POOL_EXHAUSTED' });
    provider.free(blocks[1]!, MIB / 2);
    expect(provider.alloc(MIB + MIB / 2)).toBe(at(0));
  });

  it('EC-093, EC-094: the whole region when untouched, then nothing', () => {
    const { provider } = benchWithMemory();
    expect(provider.alloc(64 * MIB)).toBe(at(0));
    expect(provider.availableBytes).toBe(0);
    expect(provider.alloc(1)).toBeNull();
    expect(provider.allocSgl(1)).toBeNull();
  });

  it('EC-084: two regions are two chunks of one pool, the newer one first, and no block spans both', () => {
    const { p2pdma } = bench();
    const fn = new FakeFunction('03:00.0', {
      0: { lengthBytes: 2 * MIB },
      2: { start: BAR_START + 2 * MIB, lengthBytes: 2 * MIB },
    });
    p2pdma.addResource(fn, 0);
    p2pdma.addResource(fn, 2);
    const provider = p2pdma.provider(fn.bdf)!;
    expect(provider.sizeBytes).toBe(4 * MIB);
    expect(provider.alloc(3 * MIB)).toBeNull();
    expect(provider.alloc(MIB)).toBe(at(2 * MIB));
    expect(provider.alloc(2 * MIB)).toBe(at(0));
    expect(provider.alloc(MIB)).toBe(at(3 * MIB));
  });

  it('EC-105: a provider that has not published allocates all the same', () => {
    const { p2pdma, fn } = benchWithMemory();
    p2pdma.publish(fn.bdf, false);
    expect(p2pdma.alloc(fn.bdf, PAGE)).toBe(at(0));
  });

  it('EC-063: a function without a provider gives nothing', () => {
    const { p2pdma } = bench();
    expect(p2pdma.alloc('0000:03:00.0' as Bdf, PAGE)).toBeNull();
    expect(refusalOf(() => p2pdma.allocSpan('0000:03:00.0' as Bdf, PAGE)).code).toBe('P2P_NO_PROVIDER');
  });

  it('EC-106: memory comes as it is: the same address again, and nobody writes to it', () => {
    const { provider, fn } = benchWithMemory();
    let stores = 0;
    fn.bars.set(0, { ...fn.bars.get(0)!, write32: () => stores++, writeBytes: () => stores++ });
    const address = provider.alloc(PAGE)!;
    provider.free(address, PAGE);
    expect(provider.alloc(PAGE)).toBe(address);
    expect(stores).toBe(0);
  });
});

describe('free', () => {
  const unharmed = (provider: PeerProvider, available: number): void => {
    expect(provider.availableBytes).toBe(available);
    // The block that the wrong call was about is still there, whole.
    provider.free(at(PAGE), 2 * PAGE);
    expect(provider.availableBytes).toBe(available + 2 * PAGE);
  };
  const three = () => {
    const { provider } = benchWithMemory();
    for (const pages of [1, 2, 1]) {
      provider.alloc(pages * PAGE);
    }
    return { provider, available: 64 * MIB - 4 * PAGE };
  };

  it('EC-095: twice is refused', () => {
    const { provider, available } = three();
    provider.free(at(3 * PAGE), PAGE);
    expect(refusalOf(() => provider.free(at(3 * PAGE), PAGE))).toEqual({
      code: 'P2P_DOUBLE_FREE',
      edgeCase: 'EC-095',
      isWorse: true,
    });
    unharmed(provider, available + PAGE);
  });

  it('EC-096: an address of somebody else is refused', () => {
    const { provider, available } = three();
    for (const address of [at(-PAGE), at(64 * MIB), 0 as PhysAddr, ADDR_NOWHERE as PhysAddr]) {
      expect(refusalOf(() => provider.free(address, PAGE))).toMatchObject({
        code: 'P2P_FOREIGN_FREE',
        edgeCase: 'EC-096',
      });
    }
    unharmed(provider, available);
  });

  it('EC-097: less than was allocated is refused', () => {
    const { provider, available } = three();
    expect(refusalOf(() => provider.free(at(PAGE), PAGE))).toMatchObject({
      code: 'P2P_FREE_SIZE',
      edgeCase: 'EC-097',
    });
    unharmed(provider, available);
  });

  it('EC-098: more than was allocated is refused, and so is the middle of a block', () => {
    const { provider, available } = three();
    for (const [address, length] of [
      [at(PAGE), 3 * PAGE],
      [at(PAGE), 1000 * MIB],
      [at(2 * PAGE), PAGE],
    ] as const) {
      expect(refusalOf(() => provider.free(address, length))).toMatchObject({
        code: 'P2P_FREE_SIZE',
        edgeCase: 'EC-098',
      });
    }
    unharmed(provider, available);
  });

  it('takes any length that rounds to the same pages, as the kernel does', () => {
    const { provider } = benchWithMemory();
    provider.free(provider.alloc(PAGE + 1)!, 2 * PAGE);
    expect(provider.availableBytes).toBe(64 * MIB);
  });
});

describe('bus addresses and scatter lists', () => {
  it('EC-100, EC-101: 0 for no address, nowhere for a foreign one', () => {
    const { provider, p2pdma } = benchWithMemory({}, {}, { busOffset: 0x1000 });
    expect(provider.virtToBus(null)).toBe(0);
    expect(provider.virtToBus(at(0x123))).toBe(at(0x1123));
    expect(provider.virtToBus(at(64 * MIB))).toBe(ADDR_NOWHERE);
    expect(p2pdma.virtToBus('0000:04:00.0' as Bdf, at(0))).toBe(0);
  });

  it('is right in old kernels too: queues take it from the pool', () => {
    const { provider } = benchWithMemory({}, { rules: '4.20' }, { busOffset: 0x1000 });
    expect(provider.virtToBus(at(0))).toBe(at(0x1000));
  });

  it('EC-102: no list for 0 bytes; otherwise one entry, of the length that was asked for', () => {
    const { provider } = benchWithMemory();
    expect(provider.allocSgl(0)).toBeNull();
    const list = provider.allocSgl(5000)!;
    expect(list).toEqual([{ address: at(0), lengthBytes: 5000 }]);
    provider.freeSgl(list);
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('EC-103: 4 GiB and more are refused instead of cut to 32 bits', () => {
    const { provider } = benchWithMemory({}, {}, { lengthBytes: 2 ** 33 });
    expect(refusalOf(() => provider.allocSgl(2 ** 32 + PAGE))).toEqual({
      code: 'P2P_SGL_LENGTH',
      edgeCase: 'EC-103',
      isWorse: true,
    });
    expect(provider.allocSgl(2 ** 32 - 1)).not.toBeNull();
  });
});

describe('publish', () => {
  it('EC-065: is without effect on a function that registered nothing', () => {
    const { p2pdma } = bench();
    p2pdma.publish('0000:03:00.0' as Bdf);
    expect(p2pdma.isPublished('0000:03:00.0' as Bdf)).toBe(false);
  });

  it('EC-064: taking it back changes nothing for holders', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    const provider = p2pdma.find(client)!;
    const span = provider.allocSpan(PAGE);
    p2pdma.publish(fn.bdf, false);
    expect(p2pdma.find(client)).toBeNull();
    p2pdma.mapSpan(span, client).unmap();
    span.close();
    expect(provider.alloc(PAGE)).toBe(at(0));
  });
});
