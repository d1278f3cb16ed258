import { describe, expect, it } from 'vitest';
import {
  dllpShare,
  flitNs,
  generationOf,
  kernelBandwidthMbps,
  linkGoodputGBs,
  narrowest,
  netGBs,
  packetLatencyNs,
  paddedPayloadBytes,
  pathGoodput,
  rawGBs,
  readLoad,
  replayShare,
  requestOverheadBytes,
  serialiseNs,
  strictWriteGoodputGBs,
  writeGoodputGBs,
  writeLoad,
} from '../../src/rates/index.ts';

const g3x4 = { speedGTs: 8, width: 4 };
const g3x8 = { speedGTs: 8, width: 8 };
const g3x16 = { speedGTs: 8, width: 16 };
const g5x4 = { speedGTs: 32, width: 4 };

describe('link rates', () => {
  it('refuse a speed that PCI Express does not have', () => {
    expect(() => netGBs({ speedGTs: 10, width: 4 })).toThrow(
      expect.objectContaining({ code: 'INPUT_LINK_SPEED' }),
    );
    expect(() => generationOf(0)).toThrow(expect.objectContaining({ code: 'INPUT_LINK_SPEED' }));
  });

  it('give the megabits that the kernel prints: 4.000 Gb/s for 5 GT/s x1, 252.048 for 16 GT/s x16', () => {
    expect(kernelBandwidthMbps({ speedGTs: 5, width: 1 })).toBe(4000);
    expect(kernelBandwidthMbps({ speedGTs: 16, width: 16 })).toBe(252_048);
  });

  it('are 0 for a link without lanes, never NaN', () => {
    expect(netGBs({ speedGTs: 8, width: 0 })).toBe(0);
  });
});

describe('flits', () => {
  const g6x16 = { speedGTs: 64, width: 16 };

  it('cost each link up to one flit and 2 ns of error correction', () => {
    // 256 bytes at 128 GB/s.
    expect(flitNs(g6x16)).toBe(2 + 2);
    expect(flitNs({ speedGTs: 64, width: 4 })).toBe(8 + 2);
    expect(flitNs(g5x4)).toBe(0);
    const bare = 2 * 60 + 2 * 1 + 110 + serialiseNs(g6x16, 272);
    expect(packetLatencyNs([g6x16, g6x16], 272)).toBeCloseTo(bare + 2 * 4, 9);
    expect(packetLatencyNs([g5x4, g6x16], 272) - packetLatencyNs([g5x4, g5x4], 272)).toBeCloseTo(4, 9);
  });
});

describe('bit errors', () => {
  it('send a packet again as often as one of its bits is wrong, and no link goes on above one half', () => {
    expect(replayShare(280, 0)).toBe(0);
    expect(replayShare(280, 1e-9)).toBeCloseTo(2.24e-6, 12);
    expect(replayShare(1e6, 1e-3)).toBe(0.5);
  });
});

describe('strictly ordered writes', () => {
  it('go one at a time', () => {
    expect(strictWriteGoodputGBs(256, 512)).toBe(0.5);
  });
});

describe('packets', () => {
  it('need 24 bytes around a 64-bit write, 4 more with ECRC or a prefix, 16 in flit mode', () => {
    expect(requestOverheadBytes()).toBe(24);
    expect(requestOverheadBytes({ ecrc: true, prefixes: 1 })).toBe(32);
    expect(requestOverheadBytes({ isFlit: true })).toBe(16);
  });

  it('carry payload in whole dwords', () => {
    expect([0, 1, 4, 5].map(paddedPayloadBytes)).toEqual([0, 4, 4, 8]);
  });
});

describe('DLLPs', () => {
  it('take about 1 % of the other direction at x8, more in the pessimistic model, nothing in flit mode', () => {
    expect(dllpShare(g3x8, 256)).toBeCloseTo(0.00985, 4);
    expect(dllpShare(g3x8, 256, 'pciebench')).toBeCloseTo(0.0788, 3);
    expect(dllpShare(g3x8, 256, 'none')).toBe(0);
    expect(dllpShare({ speedGTs: 64, width: 8 }, 256)).toBe(0);
  });
});

describe('a path', () => {
  it('is as narrow as its narrowest link, whatever the generation', () => {
    expect(narrowest([g3x16, g5x4, g3x8])).toBe(g3x8);
    expect(narrowest([])).toBeUndefined();
  });

  it('delivers what its worst link delivers', () => {
    const answer = pathGoodput({
      links: [g3x16, g3x4, g3x8],
      mpsBytes: 256,
      mrrsBytes: 512,
      operation: 'write',
    });
    expect(answer.narrowest).toBe(g3x4);
    expect(answer.goodputGBs).toBeCloseTo(3.591514, 5);
  });

  it('without links has no goodput rather than an endless one', () => {
    expect(pathGoodput({ links: [], mpsBytes: 256, mrrsBytes: 512, operation: 'read' })).toEqual({
      narrowest: null,
      goodputGBs: null,
    });
  });

  it('over a link that is passed up and down pays the acknowledgements of both directions', () => {
    const once = linkGoodputGBs(g3x8, 'write', 256, 512);
    const twice = linkGoodputGBs({ ...g3x8, isTwice: true }, 'write', 256, 512);
    expect(once).toBeCloseTo(7.183028, 5);
    expect(twice).toBeCloseTo(7.112075, 5);
  });

  it('counts the size in which writes come down a link after a split; reads keep theirs', () => {
    const split = { ...g3x16, writeBytesMax: 64 };
    // W17 of the timing model.
    expect(linkGoodputGBs(split, 'write', 256, 512)).toBeCloseTo(11.427545, 5);
    expect(linkGoodputGBs(split, 'write', 32, 512)).toBe(linkGoodputGBs(g3x16, 'write', 32, 512));
    expect(linkGoodputGBs(split, 'read', 256, 512)).toBe(linkGoodputGBs(g3x16, 'read', 256, 512));
    const narrow = pathGoodput({ links: [g3x16, split], mpsBytes: 256, mrrsBytes: 512, operation: 'write' });
    expect(narrow.narrowest).toBe(split);
  });

  it('up and down with a split is limited by the way down, beside the acknowledgements of large packets', () => {
    const goodput = linkGoodputGBs({ ...g3x16, isTwice: true, writeBytesMax: 64 }, 'write', 256, 512);
    const capacity = netGBs(g3x16) - rawGBs(g3x16) * dllpShare(g3x16, 256);
    expect(goodput).toBeCloseTo((capacity * 64) / (64 + 24), 9);
    expect(goodput).toBeLessThan(linkGoodputGBs({ ...g3x16, isTwice: true }, 'write', 256, 512));
  });

  it('that is read over a link up and down also pays the requests beside the data', () => {
    const twice = linkGoodputGBs({ ...g3x8, isTwice: true }, 'read', 256, 512);
    const load = readLoad(g3x8, 256, 512);
    expect(load).toEqual({ dataDirection: 1 + 20 / 256, otherDirection: 24 / 512 });
    expect(twice).toBeLessThan(linkGoodputGBs(g3x8, 'read', 256, 512));
  });

  it('has a smaller goodput with a smaller payload, ECRC, or a split in the root complex', () => {
    expect(writeGoodputGBs(g3x16, 64)).toBeLessThan(writeGoodputGBs(g3x16, 128));
    expect(writeGoodputGBs(g3x16, 256, { ecrc: true })).toBeLessThan(writeGoodputGBs(g3x16, 256));
    expect(writeLoad(g3x16, 128).dataDirection).toBe(1 + 24 / 128);
  });
});
