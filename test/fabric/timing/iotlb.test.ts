import { describe, expect, it } from 'vitest';
import { Atc, Iotlb } from '../../../src/fabric/index.ts';

const OPTIONS = {
  entries: 2,
  pageBytes: 4096,
  walkPs: 290_000,
  hitPs: 1000,
  readWalkers: 2,
  writeWalkers: 1,
} as const;

describe('the IOTLB', () => {
  it('walks once for a page, whoever of its packets comes first', () => {
    const iotlb = new Iotlb(OPTIONS);
    expect(iotlb.ready(1, 0x1000, false, 0)).toBe(291_000);
    // The next packet of the page waits for the same walk.
    expect(iotlb.ready(1, 0x1040, false, 100_000)).toBe(291_000);
    expect(iotlb.ready(1, 0x1fff, false, 500_000)).toBe(501_000);
    expect([iotlb.hits, iotlb.misses]).toEqual([2, 1]);
  });

  it('knows pages of each requester apart', () => {
    const iotlb = new Iotlb(OPTIONS);
    iotlb.ready(1, 0x1000, false, 0);
    iotlb.ready(2, 0x1000, false, 0);
    expect(iotlb.misses).toBe(2);
  });

  it('forgets the page that was not used for longest', () => {
    const iotlb = new Iotlb(OPTIONS);
    iotlb.ready(1, 0x1000, false, 0);
    iotlb.ready(1, 0x2000, false, 0);
    iotlb.ready(1, 0x1000, false, 1e6);
    iotlb.ready(1, 0x3000, false, 1e6);
    iotlb.ready(1, 0x1000, false, 2e6);
    expect(iotlb.misses).toBe(3);
    iotlb.ready(1, 0x2000, false, 2e6);
    expect(iotlb.misses).toBe(4);
  });

  it('walks for so many at once, reads and writes apart', () => {
    const iotlb = new Iotlb(OPTIONS);
    expect(iotlb.ready(1, 0x1000, false, 0)).toBe(291_000);
    expect(iotlb.ready(1, 0x2000, false, 0)).toBe(291_000);
    expect(iotlb.ready(1, 0x3000, false, 0)).toBe(581_000);
    expect(iotlb.ready(1, 0x4000, true, 0)).toBe(291_000);
    expect(iotlb.ready(1, 0x5000, true, 0)).toBe(581_000);
  });

  it('lets walks below one table wait for each other where the platform does', () => {
    const iotlb = new Iotlb({ ...OPTIONS, serialTableBytes: 2 ** 21 });
    expect(iotlb.ready(1, 0x1000, false, 0)).toBe(291_000);
    expect(iotlb.ready(1, 0x2000, false, 0)).toBe(581_000);
    expect(iotlb.ready(1, 2 ** 21, false, 0)).toBe(581_000);
  });
});

describe('the translation cache of a device', () => {
  it('asks the IOMMU once for a page, and pays the way there and back', () => {
    const behind = new Iotlb(OPTIONS);
    const atc = new Atc({ entries: 2, pageBytes: 4096, roundTripPs: 400_000, behind });
    expect(atc.ready(1, 0x1000, false, 0)).toBe(400_000 + 291_000);
    expect(atc.ready(1, 0x1800, false, 1e6)).toBe(1e6);
    expect([atc.misses, behind.misses]).toEqual([1, 1]);
    // Two others drive it out; the IOTLB, no larger, has lost it too.
    atc.ready(1, 0x2000, false, 1e6);
    atc.ready(1, 0x3000, false, 1e6);
    expect(atc.ready(1, 0x1000, false, 2e6)).toBe(2e6 + 691_000);
    expect(atc.misses).toBe(4);
  });
});
