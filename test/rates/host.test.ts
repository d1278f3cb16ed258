// Memory, translation, bounce buffers, drives, and the processor's own accesses.
import { describe, expect, it } from 'vitest';
import {
  commandNs,
  DEFAULT_LATENCY,
  dramChannelGBs,
  dramEfficiency,
  dramUsableGBs,
  driveGoodputGBs,
  fifoStallNs,
  isAbsorbedByCache,
  loadedLatencyNs,
  mmioLoadGoodputGBs,
  mmioRoundTripNs,
  mmioStoreGoodputGBs,
  networkGoodputGBs,
  nonPostedCreditGoodputGBs,
  platformNamed,
  prpLists,
  stagedCopyNs,
  stagedDramCost,
  translatedGoodputGBs,
  walksAtOnce,
  wholeWalkers,
} from '../../src/rates/index.ts';

const broadwell = platformNamed('intel-xeon-bdw');
const sandyBridge = platformNamed('intel-xeon-snb');
const g3x8 = { speedGTs: 8, width: 8 };
const g3x16 = { speedGTs: 8, width: 16 };
const KIB = 1024;
const MIB = KIB * KIB;

describe('memory', () => {
  it('reaches 0.88, 0.82 and 0.75 of its peak as writes come in, with straight lines between', () => {
    const { memory } = broadwell;
    expect([1, 2 / 3, 0.5, 0].map((share) => dramEfficiency(memory, share))).toEqual([
      0.88, 0.82, 0.75, 0.75,
    ]);
    expect(dramEfficiency(memory, 5 / 6)).toBeCloseTo(0.85, 9);
    expect(dramEfficiency(memory, 7 / 12)).toBeCloseTo(0.785, 9);
    expect(dramUsableGBs(memory, 1)).toBeCloseTo(4 * 19.2 * 0.88, 9);
  });

  it('refuses a type whose rate it does not know, the names of objects among them', () => {
    for (const type of ['ddr2-800', 'toString', '']) {
      expect(() => dramChannelGBs(type)).toThrow(expect.objectContaining({ code: 'INPUT_MEMORY_TYPE' }));
    }
  });

  it('answers later under load, five times at most', () => {
    expect([0, 0.5, 0.8, 0.9, 1, 2].map((load) => loadedLatencyNs(70, load))).toEqual([
      70,
      140,
      expect.closeTo(350, 6),
      350,
      350,
      350,
    ]);
  });

  it('is spared by a cache that takes device writes, as long as these fit', () => {
    expect(isAbsorbedByCache(broadwell.memory, 2 * MIB)).toBe(true);
    expect(isAbsorbedByCache(broadwell.memory, 3 * MIB)).toBe(false);
    expect(isAbsorbedByCache(platformNamed('amd-zen4').memory, 1)).toBe(false);
    expect(stagedDramCost({ isAbsorbed: true })).toBe(0);
  });
});

describe('translation', () => {
  const read = (iommu: typeof broadwell.iommu, windowBytes: number, sizeBytes = 64, pageBytes = 4096) =>
    translatedGoodputGBs(3.5, iommu, { operation: 'read', sizeBytes, pageBytes, windowBytes });

  it('with 2 MiB pages costs nothing in a window of 64 MiB (C08)', () => {
    expect(read(broadwell.iommu, 64 * MIB, 64, 2 * MIB)).toBe(3.5);
  });

  it('of large requests needs one walk a page', () => {
    const limit = translatedGoodputGBs(30, broadwell.iommu, {
      operation: 'read',
      sizeBytes: MIB,
      pageBytes: 4096,
      windowBytes: 1024 * MIB,
    });
    expect(limit).toBe(30);
  });

  it('of Sandy Bridge collapses at 2 MiB and recovers beyond, as C09 does', () => {
    const [small, collapsed, four, large] = [256 * KIB, 2 * MIB, 4 * MIB, 64 * MIB].map((windowBytes) =>
      read(sandyBridge.iommu, windowBytes),
    );
    expect(small).toBe(3.5);
    expect(Math.abs(collapsed! - 0.32)).toBeLessThan(0.32 * 0.4);
    expect(Math.abs(four! - 0.45)).toBeLessThan(0.45 * 0.25);
    expect(Math.abs(large! - 1.06)).toBeLessThan(1.06 * 0.25);
  });

  it('has one walk at once below one table, and up to all walkers in many', () => {
    expect(walksAtOnce(sandyBridge.iommu, 6, 2 * MIB)).toBe(1);
    expect(walksAtOnce(sandyBridge.iommu, 6, 4096 * MIB)).toBeGreaterThan(5.9);
    expect(walksAtOnce(broadwell.iommu, 5.6, 2 * MIB)).toBe(5.6);
    expect([5.6, 6.35, 0.2].map(wholeWalkers)).toEqual([6, 6, 1]);
  });
});

describe('a staged copy', () => {
  it('of one chunk passes both hops one after the other', () => {
    const pipe = { chunkBytes: 2 * MIB, inGBs: 20, outGBs: 10, syncNs: 14_300 };
    expect(stagedCopyNs(pipe, MIB)).toBeCloseTo(MIB / 20 + MIB / 10 + 14_300, 6);
  });

  it('of many chunks approaches the rate of the pipeline', () => {
    const pipe = { chunkBytes: 2 * MIB, inGBs: 20, outGBs: 10, syncNs: 14_300 };
    const bytes = 4096 * MIB;
    expect(bytes / stagedCopyNs(pipe, bytes)).toBeCloseTo((2 * MIB) / ((2 * MIB) / 10 + 14_300), 2);
  });
});

describe('a drive', () => {
  it('is limited by latency, then by its controller, then by its media', () => {
    const at = (depth: number, sizeBytes: number) => driveGoodputGBs(sizeBytes, depth, 90_000, 3.4, 800_000);
    expect(at(1, 4096)).toBeCloseTo(4096 / (90_000 + 4096 / 3.4), 9);
    expect(at(1000, 512)).toBeCloseTo((800_000 * 512) / 1e9, 9);
    expect(at(1000, 131_072)).toBe(3.4);
  });

  it('fetches no entry where its queue is in its own memory, and lists beyond two pages', () => {
    const steps = { doorbellNs: 250, fetchNs: 480, lists: 0, completionNs: 250 };
    expect(commandNs(steps, 90_000, 500)).toBe(91_480);
    expect(commandNs({ ...steps, fetchNs: 0 }, 90_000, 500)).toBe(91_000);
    expect([4096, 8192, 12_288, 2 * MIB, 4 * MIB, 4 * MIB + 1].map(prpLists)).toEqual([0, 0, 1, 1, 2, 3]);
  });
});

describe("the processor's own accesses", () => {
  const v100 = DEFAULT_LATENCY.barMemoryNs;

  it('store at 9.6 GB/s over Gen3 x16 and load at 0.53 (C19), and slower over less', () => {
    expect(mmioStoreGoodputGBs([g3x16], broadwell.cpu)).toBe(9.6);
    expect(mmioStoreGoodputGBs([g3x8], broadwell.cpu)).toBeCloseTo(5.713772, 5);
    const roundTrip = mmioRoundTripNs([g3x16], 64, v100, broadwell.mmioNs);
    expect(mmioLoadGoodputGBs([g3x16], broadwell.cpu, roundTrip)).toBeCloseTo(0.53, 1);
  });

  it('take 790 ns across a switch into another host, within 12 % (C20)', () => {
    const ns = mmioRoundTripNs([g3x8, g3x8], 4, DEFAULT_LATENCY.cacheNs, broadwell.mmioNs);
    expect(Math.abs(ns / 790 - 1)).toBeLessThan(0.12);
  });
});

describe('outside of PCI Express', () => {
  it('a network card carries payload after its headers, a FIFO lasts as long as it holds', () => {
    expect(networkGoodputGBs(100, 1024, 74)).toBeCloseTo(11.658, 3);
    expect(fifoStallNs(65_536, 3)).toBeCloseTo(21_845, 0);
  });

  it('credits for reads limit like tags', () => {
    expect(nonPostedCreditGoodputGBs(4, 256, 850)).toBeCloseTo(1.2, 2);
  });
});
