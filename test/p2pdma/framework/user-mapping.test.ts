/** `p2pmem/allocate` (spec p2pdma.md sections 7 and 8; edge cases 107 to 122, 139, 142). */
import { describe, expect, it } from 'vitest';
import { startTask } from '../../../src/access/index.ts';
import type { Bdf, PhysAddr } from '../../../src/base/index.ts';
import type { MmapRequest, Provider } from '../../../src/p2pdma/index.ts';
import { BAR_START, bench, benchWithMemory, MIB, PAGE, refusalOf } from './fake-function.ts';

const direct = { takesPeerPages: true };

function mapped(request: Partial<MmapRequest> = {}, options: Parameters<typeof benchWithMemory>[1] = {}) {
  const made = benchWithMemory({}, options);
  made.lines.length = 0;
  return { ...made, map: () => made.p2pdma.mmap(made.fn.bdf, { lengthBytes: 4 * PAGE, ...request }) };
}

describe('mmap', () => {
  it('EC-107, EC-108: private mappings and offsets are refused, and logged', () => {
    const isPrivate = mapped({ isPrivate: true, offsetBytes: PAGE, command: 'fio' });
    expect(refusalOf(isPrivate.map)).toEqual({
      code: 'P2P_ALLOCATE_USE',
      errno: 'EINVAL',
      edgeCase: 'EC-107',
    });
    expect(isPrivate.lines).toEqual(['0000:03:00.0|fio: fail, attempted private mapping']);
    const offset = mapped({ offsetBytes: PAGE, command: 'fio' });
    expect(refusalOf(offset.map)).toEqual({ code: 'P2P_ALLOCATE_USE', errno: 'EINVAL', edgeCase: 'EC-108' });
    expect(offset.lines).toEqual(['0000:03:00.0|fio: fail, attempted mapping with non-zero offset']);
  });

  it('EC-109, EC-110: length 0 is refused, others are rounded up to pages', () => {
    for (const lengthBytes of [0, -PAGE, Number.NaN, 2 ** 60]) {
      expect(refusalOf(mapped({ lengthBytes }).map)).toEqual({
        code: 'P2P_ALLOCATE_USE',
        errno: 'EINVAL',
        edgeCase: 'EC-109',
      });
    }
    const { map, provider } = mapped({ lengthBytes: PAGE + 1 });
    expect(map().lengthBytes).toBe(2 * PAGE);
    expect(provider.availableBytes).toBe(64 * MIB - 2 * PAGE);
  });

  it('EC-111: without a block in one piece there is none', () => {
    expect(refusalOf(mapped({ lengthBytes: 65 * MIB }).map)).toEqual({
      code: 'P2P_POOL_EXHAUSTED',
      errno: 'ENOMEM',
      edgeCase: 'EC-111',
    });
  });

  it('EC-112: there is no such file before 6.2', () => {
    expect(refusalOf(mapped({}, { rules: '6.1.10' }).map)).toMatchObject({
      code: 'P2P_NO_ALLOCATE',
      edgeCase: 'EC-112',
    });
    expect(refusalOf(mapped({}, { rules: '6.2' }).map).code).toBe('none');
  });

  it('EC-113: root only', () => {
    expect(refusalOf(mapped({ isRoot: false }).map)).toEqual({
      code: 'P2P_NO_PERMISSION',
      errno: 'EACCES',
      edgeCase: 'EC-113',
    });
  });

  it('EC-114: published or not does not matter', () => {
    const { map, p2pdma, fn } = mapped();
    p2pdma.publish(fn.bdf, false);
    expect(map().mappedBytes).toBe(4 * PAGE);
  });

  it('EC-115: the file can neither be read nor written', () => {
    const { p2pdma, fn } = mapped();
    expect(refusalOf(() => p2pdma.readAllocate(fn.bdf))).toEqual({
      code: 'P2P_ALLOCATE_USE',
      errno: 'EIO',
      edgeCase: 'EC-115',
    });
  });

  it('every call is memory of its own', () => {
    const { map } = mapped();
    const [first, second] = [map().pin(0, PAGE, direct), map().pin(0, PAGE, direct)];
    expect(first.entries[0]!.address).toBe(BAR_START);
    expect(second.entries[0]!.address).toBe(BAR_START + 4 * PAGE);
  });

  it('EC-120: where inserting pages fails half-way, nothing is leaked and the provider can go', () => {
    const { map, provider } = mapped({ failInsertAfterPages: 2 }, { rules: '6.12' });
    expect(refusalOf(map)).toEqual({
      code: 'P2P_ALLOCATE_USE',
      errno: 'ENOMEM',
      edgeCase: 'EC-120',
      isWorse: true,
    });
    expect(provider.availableBytes).toBe(64 * MIB);
    expect(isOverAfterRemoval(provider as Provider)).toBe(true);
  });

  it('EC-122: nothing like lockdown is asked: root is enough', () => {
    expect(mapped({ isRoot: true }).map().mappedBytes).toBe(4 * PAGE);
  });

  it('needs a provider', () => {
    const { p2pdma } = bench();
    expect(refusalOf(() => p2pdma.mmap('0000:04:00.0' as Bdf, { lengthBytes: PAGE }))).toMatchObject({
      code: 'P2P_NO_PROVIDER',
      errno: 'ENODEV',
    });
  });
});

describe('pages', () => {
  it('EC-116: the middle page goes back alone and can be had again at once', () => {
    const { map, provider } = mapped();
    const mapping = map();
    mapping.munmap(PAGE, PAGE);
    expect(provider.availableBytes).toBe(64 * MIB - 3 * PAGE);
    expect(provider.alloc(PAGE)).toBe(BAR_START + PAGE);
    mapping.touch(0);
    mapping.touch(2 * PAGE);
    expect(refusalOf(() => mapping.touch(PAGE + 5)).code).toBe('P2P_FAULT');
    mapping.munmap(PAGE, PAGE);
    mapping.munmap();
    expect(provider.availableBytes).toBe(64 * MIB - PAGE);
  });

  it('EC-117: a request in flight keeps its pages when they are unmapped', () => {
    const { map, provider, p2pdma, client } = mapped();
    const mapping = map();
    const pinned = mapping.pin(PAGE + 512, PAGE, direct);
    const dma = p2pdma.mapSg(pinned.entries, client);
    expect(dma.segments).toEqual([{ addr: BAR_START + PAGE + 512, lengthBytes: PAGE }]);
    mapping.munmap();
    expect(provider.availableBytes).toBe(64 * MIB - 2 * PAGE);
    dma.unmap();
    expect(provider.availableBytes).toBe(64 * MIB - 2 * PAGE);
    pinned.release();
    pinned.release();
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('EC-118: parent and child share the pages until both have unmapped them', () => {
    const { map, provider } = mapped();
    const parent = map();
    const child = parent.fork();
    parent.munmap();
    child.touch(0);
    expect(provider.availableBytes).toBe(64 * MIB - 4 * PAGE);
    child.munmap();
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('EC-121: a mapping that was made larger has no pages there', () => {
    const { map, provider } = mapped();
    const mapping = map();
    mapping.grow(8 * PAGE);
    expect(mapping.lengthBytes).toBe(8 * PAGE);
    expect(refusalOf(() => mapping.touch(4 * PAGE))).toMatchObject({ code: 'P2P_FAULT', edgeCase: 'EC-121' });
    mapping.munmap();
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('EC-119: removal takes the mapping away and waits for requests in flight only', () => {
    const { map, provider } = mapped();
    const mapping = map();
    const pinned = mapping.pin(0, PAGE, direct);
    const task = provider.remove('wait');
    let isOver = false;
    startTask(
      task,
      () => {
        isOver = true;
      },
      () => {},
    );
    expect(refusalOf(() => mapping.touch(0))).toEqual({
      code: 'P2P_FAULT',
      edgeCase: 'EC-119',
      isWorse: true,
    });
    expect(provider.availableBytes).toBe(64 * MIB - PAGE);
    expect(isOver).toBe(false);
    expect(refusalOf(map)).toMatchObject({ code: 'P2P_PROVIDER_GONE', errno: 'ENODEV' });
    pinned.release();
    expect(isOver).toBe(true);
    mapping.munmap();
  });

  it('a revoked provider forgets pins; releasing them later is harmless', () => {
    const { map, provider } = mapped();
    const pinned = map().pin(0, 2 * PAGE, direct);
    expect(isOverAfterRemoval(provider as Provider, 'revoke')).toBe(true);
    pinned.release();
    expect(provider.availableBytes).toBe(64 * MIB);
  });

  it('a page of a user mapping cannot be freed as a block', () => {
    const { map, provider } = mapped();
    map();
    expect(refusalOf(() => provider.free(BAR_START as PhysAddr, 4 * PAGE)).code).toBe('P2P_FREE_SIZE');
  });

  it('EC-139: who does not know peer pages gets none', () => {
    const mapping = mapped().map();
    expect(refusalOf(() => mapping.pin(0, PAGE, { takesPeerPages: false }))).toEqual({
      code: 'P2P_PIN',
      errno: 'EREMOTEIO',
      edgeCase: 'EC-139',
    });
    expect(refusalOf(() => mapping.pin(3 * PAGE, 2 * PAGE, direct)).code).toBe('P2P_FAULT');
  });

  it('EC-141, EC-142, EC-143, EC-144: pages stay revocable, so nobody pins them for long', () => {
    const mapping = mapped().map();
    expect(refusalOf(() => mapping.pin(0, PAGE, { takesPeerPages: false, isLongTerm: true }))).toMatchObject({
      errno: 'EREMOTEIO',
      edgeCase: 'EC-141',
    });
    expect(refusalOf(() => mapping.pin(0, PAGE, { takesPeerPages: true, isLongTerm: true }))).toMatchObject({
      errno: 'EINVAL',
      edgeCase: 'EC-142',
    });
  });
});

function isOverAfterRemoval(provider: Provider, mode: 'wait' | 'revoke' = 'wait'): boolean {
  let isOver = false;
  startTask(
    provider.remove(mode),
    () => {
      isOver = true;
    },
    () => {},
  );
  return isOver;
}
