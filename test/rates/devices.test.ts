import { describe, expect, it } from 'vitest';
import {
  burstGoodputGBs,
  DEFAULT_LATENCY,
  DEVICE_PRESET_NAMES,
  DEVICE_PRESETS,
  deviceNamed,
  directionGBs,
  dmaReadNs,
  engineGoodputGBs,
  gpuOfGeneration,
  MEDIA_PRESET_NAMES,
  MEDIA_PRESETS,
  mediaNamed,
  mediaOfGeneration,
  netGBs,
  platformNamed,
  readGoodputGBs,
  readRoundTripNs,
  taggedReadGoodputGBs,
  writeEngine,
} from '../../src/rates/index.ts';

const g3x8 = { speedGTs: 8, width: 8 };
const nfp = deviceNamed('nfp-6000');

/** Within so many per cent. */
function within(percent: number, value: number, expected: number): void {
  expect(Math.abs(value / expected - 1) * 100, `${value} against ${expected}`).toBeLessThan(percent);
}

describe('the card of pcie-bench', () => {
  const write = (bytes: number) =>
    Math.min(
      engineGoodputGBs(writeEngine(nfp, netGBs(g3x8), 256, 24), bytes, 256, 24),
      burstGoodputGBs(nfp.writeBursts, bytes),
    );
  const readNs = (bytes: number) =>
    readRoundTripNs([g3x8], bytes, bytes <= 256 ? 64 : 256, DEFAULT_LATENCY.cacheNs);

  it('is set by 64, 128, 129 and 512 B of C01, and then has other sizes right', () => {
    within(0.5, write(64), 3.034);
    within(5, write(128), 5.301);
    within(5, write(129), 3.395);
    within(2, write(512), 6.806);
    within(2, write(256), 6.318);
    within(0.5, write(2048), 6.806);
    within(2, write(257), 4.673);
    within(2, write(513), 5.764);
  });

  it('keeps 22 reads in flight by C02, and so much does it read from a remote socket (C06) and cold lines (C07)', () => {
    const tagged = (extraNs: number) =>
      // A tag is taken as the request leaves the pins.
      taggedReadGoodputGBs(
        readGoodputGBs(g3x8, 64),
        nfp.tags,
        64,
        readNs(64) - DEFAULT_LATENCY.pinNs + extraNs,
      );
    within(2, tagged(0), 4.012);
    within(8, tagged(DEFAULT_LATENCY.remoteSocketNs), 3.048);
    within(5, tagged(DEFAULT_LATENCY.dramNs), 3.45);
  });

  it('takes as long as C04 says for what its DMA engine reads, set at 64 B alone', () => {
    const engineGBs = 1 / nfp.readBursts!.nsPerByte;
    within(1, dmaReadNs(nfp, 64, readNs(64), engineGBs), 560);
    within(5, dmaReadNs(nfp, 512, readNs(512), engineGBs), 707);
    within(5, dmaReadNs(nfp, 2048, readNs(2048), engineGBs), 1133);
  });

  it('gets its small reads line by line, and 512 B in full completions (C02)', () => {
    const { completion } = platformNamed('intel-xeon-snb');
    const read = (bytes: number) => {
      const chunk = bytes <= completion.smallRequestBytes ? completion.smallChunkBytes : 256;
      return Math.min(readGoodputGBs(g3x8, chunk), burstGoodputGBs(nfp.readBursts, bytes));
    };
    within(1, read(128), 5.439);
    within(1, read(256), 5.975);
    within(1, read(512), 6.965);
  });

  it('on Broadwell is slower than its engine, by the acknowledgements of that host (C05)', () => {
    const capacity = directionGBs(g3x8, 256, platformNamed('intel-xeon-bdw').dllpModel, false);
    within(1, Math.min(write(512), (capacity * 256) / 280), 6.627);
    within(4, Math.min(readGoodputGBs(g3x8, 256), (capacity * 256) / 276), 6.879);
  });

  it('acknowledges only beside traffic of the other direction where they are spread over the lanes', () => {
    expect(directionGBs(g3x8, 256, 'symbol', false)).toBe(netGBs(g3x8));
    expect(directionGBs(g3x8, 256, 'symbol', true)).toBeLessThan(netGBs(g3x8));
    expect(directionGBs(g3x8, 256, 'none', true)).toBe(netGBs(g3x8));
  });
});

describe('an engine', () => {
  it('without limits is none', () => {
    expect(writeEngine(deviceNamed('generic'), 7, 256)).toBeNull();
    expect(engineGoodputGBs(null, 512, 256, 24)).toBe(Number.POSITIVE_INFINITY);
  });

  it('with a rate of its own delivers that rate in full packets', () => {
    const card = deviceNamed('connectx-6');
    const engine = writeEngine(card, 31.4, 256);
    expect(engineGoodputGBs(engine, 1024, 256, 24)).toBeCloseTo(card.writeGBs!, 9);
  });
});

describe('presets', () => {
  it('are named once each, and an unknown name lists them', () => {
    expect(new Set(DEVICE_PRESET_NAMES).size).toBe(DEVICE_PRESET_NAMES.length);
    expect(new Set(MEDIA_PRESET_NAMES).size).toBe(MEDIA_PRESET_NAMES.length);
    expect(() => deviceNamed('gpu-gen9')).toThrow(
      expect.objectContaining({ code: 'INPUT_PRESET', hint: expect.stringContaining('gpu-gen5') }),
    );
    expect(() => mediaNamed('gen9')).toThrow(
      expect.objectContaining({ code: 'INPUT_PRESET', hint: expect.stringContaining('low-latency') }),
    );
  });

  it('follow from the generation of a link', () => {
    expect([1, 3, 4, 5, 6].map((gen) => mediaOfGeneration(gen).name)).toEqual([
      'gen3',
      'gen3',
      'gen4',
      'gen5',
      'gen5',
    ]);
    expect([3, 4, 5, 6].map((gen) => gpuOfGeneration(gen).payloadBytes)).toEqual([128, 128, 256, 256]);
  });

  it('have enough dies for the requests that their controllers serve', () => {
    for (const one of MEDIA_PRESETS.filter((media) => Number.isFinite(media.readIops))) {
      const dies = (one.readIops * one.readLatencyNs) / 1e9;
      expect(one.channels * one.dies, one.name).toBeGreaterThanOrEqual(dies);
    }
  });

  it('hold positive numbers or nothing', () => {
    for (const one of DEVICE_PRESETS) {
      for (const limit of [one.payloadBytes, one.readRequestBytes, one.tags, one.writeGBs, one.readGBs]) {
        expect(limit === null || limit > 0, one.name).toBe(true);
      }
    }
  });
});
