import { describe, expect, it } from 'vitest';
import { ATC, Atc, Iotlb } from '../../../src/fabric/index.ts';

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

describe('what walkers and mappings do to it', () => {
  it('tells how busy its walkers were, of reads or of writes, whichever are busier', () => {
    const iotlb = new Iotlb(OPTIONS);
    iotlb.ready(1, 0x1000, false, 0);
    expect(iotlb.utilisation(580_000)).toBe(0.25);
    iotlb.ready(1, 0x2000, true, 0);
    expect(iotlb.utilisation(580_000)).toBe(0.5);
    // Two walks one after the other, by the one walker that writes have.
    iotlb.ready(1, 0x3000, true, 0);
    expect(iotlb.utilisation(580_000)).toBe(1);
    iotlb.resetCounts();
    expect(iotlb.utilisation(580_000)).toBe(0);
  });

  it.each([0x1000, 2 ** 40])(
    'walks again for what was unmapped, of that source alone (%d bytes)',
    (bytes) => {
      const iotlb = new Iotlb({ ...OPTIONS, entries: 8 });
      iotlb.ready(1, 0x1000, false, 0);
      iotlb.ready(2, 0x1000, false, 0);
      iotlb.invalidate(1, 0x1000, bytes);
      iotlb.ready(2, 0x1000, false, 1e6);
      expect(iotlb.misses).toBe(2);
      iotlb.ready(1, 0x1000, false, 1e6);
      expect(iotlb.misses).toBe(3);
    },
  );
});

describe('the translation cache of a device', () => {
  const small = () => new Atc({ entries: 2, pageBytes: 4096 });

  it('asks once for a page, and holds it when it was answered', () => {
    const atc = small();
    expect([atc.find(1), atc.find(1)]).toEqual([ATC.MISS, ATC.PENDING]);
    expect(atc.holds(0x1fff)).toBe(false);
    expect(atc.answered(1, true)).toBe(true);
    expect(atc.find(1)).toBe(ATC.HIT);
    expect(atc.holds(0x1fff)).toBe(true);
    expect([atc.hits, atc.misses]).toEqual([1, 1]);
  });

  it('keeps no refusal, and nothing that was invalidated while it was asked for (10.3)', () => {
    const atc = small();
    atc.find(1);
    expect(atc.answered(1, false)).toBe(false);
    expect(atc.find(1)).toBe(ATC.MISS);
    atc.invalidate(0x1800, 1);
    expect(atc.answered(1, true)).toBe(false);
    expect(atc.find(1)).toBe(ATC.MISS);
  });

  it('forgets the page that was not used for longest', () => {
    const atc = small();
    for (const page of [1, 2, 1, 3]) {
      atc.find(page);
      atc.answered(page, true);
    }
    expect([atc.find(1), atc.find(2)]).toEqual([ATC.HIT, ATC.MISS]);
  });
});
