/** Registering memory (spec p2pdma.md section 4; edge cases 67 to 88). */
import { describe, expect, it } from 'vitest';
import { lacksOption, pageStructBytes, X86_64 } from '../../../src/p2pdma/index.ts';
import {
  BAR_START,
  bench,
  benchWithMemory,
  type FakeBar,
  FakeFunction,
  MIB,
  refusalOf,
} from './fake-function.ts';

const GIB = 2 ** 30;

function add(
  bars: Readonly<Record<number, FakeBar>>,
  call: readonly [bar: number, sizeBytes?: number, offsetBytes?: number],
  options: Parameters<typeof bench>[1] = {},
) {
  const made = bench({}, options);
  const fn = new FakeFunction('03:00.0', bars);
  return { ...made, fn, refused: refusalOf(() => made.p2pdma.addResource(fn, ...call)) };
}

describe('the BAR and the range in it', () => {
  it('EC-067: an I/O BAR is refused', () => {
    const made = bench();
    const fn = new FakeFunction('03:00.0');
    fn.registers.set(0x10 + 4 * 4, 0x0000_e001);
    expect(refusalOf(() => made.p2pdma.addResource(fn, 4))).toEqual({
      code: 'P2P_BAR_NOT_MEMORY',
      errno: 'EINVAL',
      edgeCase: 'EC-067',
    });
  });

  it('EC-068: the upper half of a 64-bit BAR and a BAR that is not there are refused', () => {
    const refused = { code: 'P2P_BAR_NOT_MEMORY', errno: 'EINVAL', edgeCase: 'EC-068' };
    const { fn, p2pdma } = bench2();
    // The upper half holds address bits that look like an I/O BAR.
    fn.registers.set(0x14, 0x0000_0011);
    expect(refusalOf(() => p2pdma.addResource(fn, 1))).toEqual(refused);
    expect(refusalOf(() => p2pdma.addResource(fn, 3))).toEqual(refused);
  });

  it('EC-076: a BAR without an address is refused', () => {
    const { fn, p2pdma } = bench2();
    fn.registers.set(0x10 + 4 * 2, 0x0000_000c);
    expect(refusalOf(() => p2pdma.addResource(fn, 2))).toEqual({
      code: 'P2P_BAR_NOT_MEMORY',
      errno: 'ENXIO',
      edgeCase: 'EC-076',
    });
  });

  it('EC-077: there is no record for the ROM, from 6.19 on', () => {
    const { fn, p2pdma } = bench2();
    expect(refusalOf(() => p2pdma.addResource(fn, 6))).toEqual({
      code: 'P2P_BAR_INDEX',
      edgeCase: 'EC-077',
      isWorse: true,
    });
    expect(refusalOf(() => p2pdma.addResource(fn, -1)).code).toBe('P2P_BAR_INDEX');
    expect(refusalOf(() => p2pdma.addResource(fn, 0.5)).code).toBe('P2P_BAR_INDEX');
    expect(add({ 0: {} }, [6], { rules: '6.12' }).refused).toEqual({
      code: 'P2P_BAR_INDEX',
      errno: 'EINVAL',
    });
  });

  it('EC-069: neither 64 bits nor prefetchable is asked for', () => {
    const bar = { start: 0xc000_0000, is64Bit: false, isPrefetchable: false };
    expect(add({ 2: bar }, [2]).refused.code).toBe('none');
  });

  it('EC-070, EC-071, EC-073: offset and size must lie inside the BAR', () => {
    const range = (edgeCase: string) => ({ code: 'P2P_BAR_RANGE', errno: 'EINVAL', edgeCase });
    expect(add({ 0: {} }, [0, 2 * MIB, 64 * MIB]).refused).toEqual(range('EC-070'));
    expect(add({ 0: {} }, [0, 0, 66 * MIB]).refused).toEqual(range('EC-071'));
    expect(add({ 0: {} }, [0, 4 * MIB + 1, 60 * MIB]).refused).toEqual(range('EC-073'));
    expect(add({ 0: { lengthBytes: 0 } }, [0]).refused).toEqual(range('EC-070'));
    expect(add({ 0: {} }, [0, 4 * MIB, 60 * MIB]).refused.code).toBe('none');
  });

  it('EC-072: size 0 takes the rest of the BAR', () => {
    const { p2pdma, fn } = add({ 0: {} }, [0, 0, 6 * MIB]);
    expect(p2pdma.provider(fn.bdf)!.sizeBytes).toBe(58 * MIB);
  });

  it('EC-074: a size with which offset + size would wrap is refused', () => {
    for (const size of [2 ** 64 - 2 * MIB, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, -4096]) {
      expect(add({ 0: {} }, [0, size, 4 * MIB]).refused).toEqual({
        code: 'P2P_BAR_RANGE',
        edgeCase: 'EC-074',
        isWorse: true,
      });
    }
  });

  it('EC-075: memory decode is not looked at', () => {
    const made = benchWithMemory();
    made.fn.registers.set(0x04, 0);
    expect(made.provider.sizeBytes).toBe(64 * MIB);
  });

  it('EC-085: BARs flagged as not mappable are refused from 7.2.12 on, before there is a provider', () => {
    const platform = { hasUnmappableBars: () => true };
    const refused = add({ 0: {} }, [0], { rules: '7.2.12', platform });
    expect(refused.refused).toEqual({
      code: 'P2P_BAR_NOT_MAPPABLE',
      errno: 'EOPNOTSUPP',
      edgeCase: 'EC-085',
    });
    expect(refused.p2pdma.provider(refused.fn.bdf)).toBeUndefined();
    expect(add({ 0: {} }, [0], { rules: '7.1.5', platform }).refused.code).toBe('none');
  });

  function bench2() {
    return { ...bench(), fn: new FakeFunction('03:00.0') };
  }
});

describe('the page map', () => {
  it('EC-078: from 5.3 on start and size must be multiples of 2 MiB', () => {
    const refused = { code: 'P2P_REGION_ALIGNMENT', errno: 'EINVAL', edgeCase: 'EC-078' };
    expect(add({ 0: {} }, [0, MIB], { rules: '7.2.12' }).refused).toEqual(refused);
    expect(add({ 0: {} }, [0, 2 * MIB, MIB], { rules: '5.3.1' }).refused).toEqual(refused);
    expect(add({ 0: {} }, [0, MIB], { rules: '5.2.1' }).refused.code).toBe('none');
    const powerpc = { subsectionBytes: 16 * MIB };
    expect(add({ 0: {} }, [0, 2 * MIB], { platform: powerpc }).refused).toEqual(refused);
  });

  it('EC-079: up to 5.2 two regions need a section of 128 MiB each, as the iopmem letter says', () => {
    const [first, second] = [new FakeFunction('03:00.0'), neighbour(64 * MIB)];
    const old = bench({}, { rules: '5.2.1' });
    old.p2pdma.addResource(first, 0);
    expect(refusalOf(() => old.p2pdma.addResource(second, 0))).toEqual({
      code: 'P2P_REGION_CONFLICT',
      errno: 'ENOMEM',
      edgeCase: 'EC-079',
    });
    old.p2pdma.addResource(new FakeFunction('05:00.0', { 0: { start: BAR_START + 128 * MIB } }), 0);
    const newer = bench({}, { rules: '5.3.1' });
    newer.p2pdma.addResource(first, 0);
    newer.p2pdma.addResource(second, 0);
    const arm = bench({}, { rules: '5.2.1', platform: { sectionBytes: 512 * MIB } });
    arm.p2pdma.addResource(first, 0);
    expect(refusalOf(() => arm.p2pdma.addResource(neighbour(256 * MIB), 0)).edgeCase).toBe('EC-079');
  });

  it('EC-080: the same range twice is refused', () => {
    const { p2pdma, fn } = benchWithMemory();
    expect(refusalOf(() => p2pdma.addResource(fn, 0))).toEqual({
      code: 'P2P_REGION_CONFLICT',
      errno: 'ENOMEM',
      edgeCase: 'EC-080',
    });
    expect(p2pdma.provider(fn.bdf)!.sizeBytes).toBe(64 * MIB);
  });

  it('EC-081: a range around another one is refused too', () => {
    const { p2pdma } = bench();
    const fn = new FakeFunction('03:00.0');
    p2pdma.addResource(fn, 0, 2 * MIB, 4 * MIB);
    expect(refusalOf(() => p2pdma.addResource(fn, 0))).toEqual({
      code: 'P2P_REGION_CONFLICT',
      errno: 'EEXIST',
      edgeCase: 'EC-081',
    });
    p2pdma.addResource(fn, 0, 4 * MIB, 0);
    p2pdma.addResource(fn, 0, 0, 6 * MIB);
    expect(p2pdma.provider(fn.bdf)!.sizeBytes).toBe(64 * MIB);
  });

  it('EC-076: an address inside system memory is refused', () => {
    const platform = { ram: [{ first: 0, last: 4 * GIB - 1 }] };
    expect(add({ 0: { start: 0 } }, [0], { platform }).refused).toEqual({
      code: 'P2P_REGION_IN_RAM',
      errno: 'ENXIO',
      edgeCase: 'EC-076',
    });
  });

  it('up to 5.2 a region must not share its section with system memory', () => {
    const platform = { ram: [{ first: 0, last: BAR_START + 64 * MIB - 1 }] };
    const bars = { 0: { start: BAR_START + 64 * MIB } };
    expect(add(bars, [0], { rules: '5.2.1', platform }).refused.code).toBe('P2P_REGION_IN_RAM');
    expect(add(bars, [0], { rules: '5.3.1', platform }).refused.code).toBe('none');
  });

  it('asks in the order of the kernel: conflict, system memory, reach, alignment', () => {
    const platform = {
      ram: [{ first: BAR_START, last: BAR_START + 4 * MIB - 1 }],
      physLimit: BAR_START + 16 * MIB,
    };
    const { p2pdma, fn } = add({ 0: {} }, [0, 2 * MIB, 8 * MIB], { platform });
    const ask = (size: number, offset: number) =>
      refusalOf(() => p2pdma.addResource(fn, 0, size, offset)).code;
    expect(ask(9 * MIB, 3 * MIB)).toBe('P2P_REGION_CONFLICT');
    expect(ask(3 * MIB, 3 * MIB)).toBe('P2P_REGION_IN_RAM');
    expect(ask(9 * MIB, 11 * MIB)).toBe('P2P_REGION_OUT_OF_REACH');
    expect(ask(MIB, 11 * MIB)).toBe('P2P_REGION_ALIGNMENT');
    expect(ask(2 * MIB, 12 * MIB)).toBe('none');
  });

  it('EC-082: an address beyond what can be added as memory is refused', () => {
    const refused = { code: 'P2P_REGION_OUT_OF_REACH', errno: 'EINVAL', edgeCase: 'EC-082' };
    expect(add({ 0: { start: 2 ** 46 - 32 * MIB } }, [0]).refused).toEqual(refused);
    const platform = { physLimit: 2 ** 52 };
    expect(add({ 0: { start: 2 ** 46 } }, [0], { platform }).refused.code).toBe('none');
    expect(add({ 0: { start: 2 ** 52 - 64 * MIB } }, [0], { platform }).refused.code).toBe('none');
    expect(add({ 0: { start: 2 ** 53 } }, [0], { platform }).refused).toEqual(refused);
  });

  it('EC-083: a first registration that fails leaves an empty pool behind', () => {
    const { p2pdma, fn } = add({ 0: {} }, [0, MIB]);
    expect(p2pdma.provider(fn.bdf)).toMatchObject({ sizeBytes: 0, availableBytes: 0, isPublished: false });
    expect(p2pdma.alloc(fn.bdf, 1)).toBeNull();
    const early = add({ 0: {} }, [0, 0, 64 * MIB]);
    expect(early.p2pdma.provider(early.fn.bdf)).toBeUndefined();
  });

  it('EC-086: page structures cost 64 bytes a page, 8 GiB for 512 GiB', () => {
    expect(pageStructBytes(512 * GIB, X86_64)).toBe(8 * GIB);
    const bars = { 0: { lengthBytes: 512 * GIB } };
    expect(add(bars, [0], { platform: { pageStructBudgetBytes: 8 * GIB - 1 } }).refused).toEqual({
      code: 'P2P_NO_PAGE_MEMORY',
      errno: 'ENOMEM',
      edgeCase: 'EC-086',
    });
    expect(add(bars, [0, 2 * GIB], { platform: { pageStructBudgetBytes: GIB } }).refused.code).toBe('none');
  });

  it('EC-087: without ZONE_DEVICE, or on 32 bits from 6.0 on, there is no framework', () => {
    const refused = { code: 'P2P_NOT_BUILT', errno: 'EOPNOTSUPP', edgeCase: 'EC-087' };
    expect(add({ 0: {} }, [0], { platform: { hasZoneDevice: false } }).refused).toEqual(refused);
    const platform = { is64Bit: false };
    expect(add({ 0: {} }, [0], { rules: '6.0.1', platform }).refused).toEqual(refused);
    expect(add({ 0: {} }, [0], { rules: '5.19', platform }).refused.code).toBe('none');
  });

  it('EC-066: a kernel before 4.20, or built without the option, has stubs', () => {
    const kernel = { release: '7.2.12', config: { CONFIG_PCI_P2PDMA: 'n' } };
    for (const made of [bench({}, { rules: '4.19' }), bench({ kernel })]) {
      const { p2pdma } = made;
      const fn = new FakeFunction('03:00.0');
      expect(refusalOf(() => p2pdma.addResource(fn, 0))).toEqual({
        code: 'P2P_NOT_BUILT',
        errno: 'EOPNOTSUPP',
        edgeCase: 'EC-066',
      });
      expect(p2pdma.isBuilt).toBe(false);
      expect(p2pdma.distance(fn.bdf, fn)).toBe(-1);
      expect(p2pdma.findMany([fn])).toBeNull();
      expect(p2pdma.alloc(fn.bdf, 4096)).toBeNull();
      expect(p2pdma.allocSgl(fn.bdf, 4096)).toBeNull();
      expect(p2pdma.virtToBus(fn.bdf, null)).toBe(0);
      expect(p2pdma.supportsPeerPages(fn.bdf)).toBe(false);
      expect(p2pdma.enableStore('nonsense')).toEqual({ use: 'none' });
      expect(p2pdma.attribute().show()).toBe('none\n');
    }
    expect(lacksOption(bench({ kernel }).machine, bench({ kernel }).p2pdma.rules)).toBe(true);
  });

  it('says what was added, in the style of the kernel', () => {
    expect(benchWithMemory().lines).toEqual([
      '0000:03:00.0|added peer-to-peer DMA memory 0x1000000000-0x1003ffffff',
    ]);
    expect(benchWithMemory({}, { rules: '5.9.1' }).lines).toEqual([
      '0000:03:00.0|added peer-to-peer DMA memory [mem 0x1000000000-0x1003ffffff 64bit pref]',
    ]);
  });

  function neighbour(offset: number): FakeFunction {
    return new FakeFunction('04:00.0', { 0: { start: BAR_START + offset } });
  }
});

describe('a provider without memory', () => {
  it('EC-058: can be published and found, and allocating from it is refused', () => {
    const { p2pdma } = bench({}, { rules: '6.19.10' });
    const fn = new FakeFunction('03:00.0');
    p2pdma.initProvider(fn);
    p2pdma.publish(fn.bdf);
    expect(p2pdma.find(new FakeFunction('04:00.0'))?.bdf).toBe(fn.bdf);
    expect(refusalOf(() => p2pdma.alloc(fn.bdf, 4096))).toEqual({
      code: 'P2P_NO_POOL',
      edgeCase: 'EC-058',
      isWorse: true,
    });
    expect(refusalOf(() => p2pdma.mmap(fn.bdf, { lengthBytes: 4096 })).code).toBe('P2P_NO_PROVIDER');
    p2pdma.addResource(fn, 0);
    expect(p2pdma.alloc(fn.bdf, 4096)).toBe(BAR_START);
  });

  it('does not exist before 6.19', () => {
    const { p2pdma } = bench({}, { rules: '6.18.33' });
    expect(refusalOf(() => p2pdma.initProvider(new FakeFunction('03:00.0'))).code).toBe('P2P_NOT_BUILT');
  });
});
