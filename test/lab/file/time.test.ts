import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import {
  LAB_TIME_DEFAULT,
  type LabDownstreamPort,
  type LabFile,
  type LabNvme,
  type LabSwitch,
  parseLab,
  printLab,
} from '../../../src/lab/index.ts';
import { DEVICE_PRESET_NAMES, MEDIA_PRESET_NAMES, PLATFORM_NAMES } from '../../../src/rates/index.ts';

const lab = (text: string): LabFile => parseLab(`peerlane: lab/1\n${text}`, 'x.yaml');

/** Code, place and message of what is wrong with a lab of one more line. */
function errorOf(text: string): string {
  try {
    lab(text);
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).exitStatus).toBe(2);
    return `${(error as LabError).code} ${(error as LabError).message}`;
  }
  throw new Error(`read without an error:\n${text}`);
}

function isPrinted(text: string): void {
  const first = lab(text);
  const printed = printLab(first);
  expect(parseLab(printed, 'printed')).toEqual(first);
  expect(printLab(parseLab(printed, 'printed'))).toBe(printed);
}

const WHOLE = `time:
  platform: intel-xeon-bdw
  engine: tlp
  forwarding: store-and-forward
  arbitration: weighted
  dllp: pciebench
  memory: {channels: 4, type: ddr4-2400, ddio: 2M}
  credits: {posted-headers: 64, posted-data: 1024, non-posted-headers: 32, completion-headers: inf, completion-data: inf}
  error-rate: 1e-12
  latency: {pin: 60ns, link: 1ns, switch: 110ns, cache: 160ns, memory: 70ns, remote: 105ns, bar: 150ns, turn: 150ns, mmio: 100.5ns}
  iommu: {entries: 64, hit: 0, walk: 290ns, walkers: 6, page-request: 30us}
  socket: 19.2GB/s`;

describe('time', () => {
  it('is the platform of the processor where nothing is said', () => {
    expect(lab('').time).toEqual(LAB_TIME_DEFAULT);
    expect(lab('time: {}').time).toEqual(LAB_TIME_DEFAULT);
  });

  it('may be one word', () => {
    expect(lab('time: amd-zen3').time).toEqual({ ...LAB_TIME_DEFAULT, platform: 'amd-zen3' });
  });

  it('says all that it can in a block', () => {
    expect(lab(WHOLE).time).toEqual({
      platform: 'intel-xeon-bdw',
      engine: 'tlp',
      forwarding: 'store-and-forward',
      arbitration: 'weighted',
      dllp: 'pciebench',
      memory: { channels: 4, type: 'ddr4-2400', channelGBs: 19.2, bandwidthGBs: null, ddioBytes: 2097152 },
      credits: {
        postedHeaders: 64,
        postedData: 1024,
        nonPostedHeaders: 32,
        nonPostedData: null,
        completionHeaders: Number.POSITIVE_INFINITY,
        completionData: Number.POSITIVE_INFINITY,
      },
      errorRate: 1e-12,
      latency: {
        pinPs: 60_000,
        linkPs: 1000,
        switchPs: 110_000,
        cachePs: 160_000,
        memoryPs: 70_000,
        remotePs: 105_000,
        barPs: 150_000,
        turnPs: 150_000,
        mmioPs: 100_500,
      },
      iommu: { entries: 64, hitPs: 0, walkPs: 290_000, walkers: 6, pageRequestPs: 30_000_000 },
      socketGBs: 19.2,
    });
    isPrinted(WHOLE);
    isPrinted('time: {memory: {bandwidth: 60GB/s}}');
    isPrinted('time: generic');
  });

  it('takes every preset that rates have', () => {
    for (const name of PLATFORM_NAMES) {
      expect(lab(`time: ${name}`).time.platform).toBe(name);
    }
    for (const name of DEVICE_PRESET_NAMES) {
      isPrinted(`below: {gpu: g, timing: ${name}}`);
    }
    for (const name of MEDIA_PRESET_NAMES) {
      isPrinted(`below: {nvme: n, media: ${name}}`);
    }
  });

  it.each([
    [
      'time: intel-xeon-bdv',
      /^LAB_VALUE x\.yaml:2:7: .*'intel-xeon-bdv' is not among .*did you mean 'intel-xeon-bdw'/,
    ],
    ['time: {engine: fast}', /^LAB_VALUE x\.yaml:2:16: .*none of auto, tlp, flow/],
    ['time: {latency: {pin: 60}}', /2:23: time\.latency\.pin: '60' is no duration .*write 10ms/],
    ['time: {latency: {pin: -1ns}}', /2:23: .*'-1ns' is no duration of 0 to 1s/],
    ['time: {latency: {pin: NaN}}', /no duration/],
    ['time: {latency: {pin: 0.5ps}}', /whole picoseconds/],
    ['time: {latency: {pin: 2s}}', /no duration of 0 to 1s/],
    ['time: {latency: {swich: 1ns}}', /^LAB_UNKNOWN_KEY x\.yaml:2:18: .*did you mean 'switch'/],
    ['time: {socket: 0GB/s}', /'0GB\/s' is no rate of 1kB\/s to 10TB\/s/],
    ['time: {socket: 32}', /'32' is no rate .*write 3\.2GB\/s/],
    ['time: {socket: 1e400GB/s}', /no rate/],
    ['time: {credits: {posted-headers: 0}}', /'0' is no whole number from 1 to 1000000, or inf/],
    ['time: {error-rate: 0.5}', /no bit error rate from 0 to 0\.00001/],
    ['time: {error-rate: -1e-12}', /no bit error rate/],
    [
      'time: {memory: {channels: 4, bandwidth: 60GB/s}}',
      /2:41: time\.memory\.bandwidth: say either that, or channels/,
    ],
    ['time: {memory: {type: ddr4-2401}}', /did you mean 'ddr4-2400'/],
    ['time: [a]', /a block of keys is expected/],
    ['below: {nvme: n, media: gen9}', /^LAB_VALUE x\.yaml:2:25: .*none of .*did you mean 'gen3'/],
    ['below: {nvme: n, media: {read-iops: 0}}', /no number from 1 to 10G/],
    ['below: {nvme: n, media: {mixed: 100%}}', /no share from 0 to 0\.99/],
    ['below: {gpu: n, media: gen4}', /^LAB_UNKNOWN_KEY .*'media'/],
    ['below: {gpu: n, timing: gpu-gen7}', /did you mean 'gpu-gen5'/],
    ['below: {gpu: n, timing: {payload: 100}}', /no power of two from 64 to 4K/],
    ['below: {gpu: n, timing: {tags: 0}}', /no whole number from 1 to 14336/],
    ['below: {gpu: n, timing: {write-efficiency: 1.2}}', /no share from 0\.01 to 1/],
    ['below: {switch: s, timing: {weight: 0}}', /no whole number from 1 to 1024/],
    ['below: {switch: s, timing: gpu}', /a block of keys is expected/],
    ['below: {nvme: n, link: gen3 x3}', /'gen3 x3' is no link like gen4 x16; gen1 to gen6, x1 to x32/],
    ['below: {nvme: n, link: gen7 x4}', /no link/],
  ])('refuses %s', (text, message) => {
    expect(errorOf(text)).toMatch(message);
  });
});

describe('timing and media', () => {
  const text = `below:
  - switch: s
    timing: {latency: 105ns, forwarding: cut-through}
    below:
      - port:
        timing: {weight: 3, credits: {posted-headers: inf}, error-rate: 1e-9}
        below:
          nvme: n
          timing: {preset: nfp-6000, tags: 32, transactions: 47M, write-efficiency: 94.75%, start: 1.5us, strict: no, read-bandwidth: 100Gb/s}
          media: {preset: gen3, read-bandwidth: 3.4GB/s, read-iops: 812345, read-latency: 78us, cache: 0, mixed: 30%}
      - nvme: m`;

  it('are read where they stand, and are null where nothing is said', () => {
    const { below } = lab(text).hostBridges[0]!.below[0] as unknown as { below: readonly LabSwitch[] };
    const sw = below[0]!;
    const [first, second] = sw.below as readonly [LabDownstreamPort, LabDownstreamPort];
    expect(sw.timing).toMatchObject({
      latencyPs: 105_000,
      forwarding: 'cut-through',
      credits: null,
      weight: null,
    });
    expect(first.timing).toMatchObject({ latencyPs: null, weight: 3, errorRate: 1e-9 });
    expect(first.timing!.credits!.postedHeaders).toBe(Number.POSITIVE_INFINITY);
    expect(second.timing).toBeNull();
    const [n, m] = [first.below[0] as LabNvme, second.below[0] as LabNvme];
    expect(n.timing).toMatchObject({
      preset: 'nfp-6000',
      tags: 32,
      transactionsPerSecond: 47e6,
      writeEfficiency: 0.9475,
      startPs: 1_500_000,
      isStrict: false,
      readGBs: 12.5,
      writeGBs: null,
    });
    expect(n.media).toMatchObject({
      preset: 'gen3',
      readGBs: 3.4,
      readIops: 812_345,
      cacheBytes: 0,
      mixedPenalty: 0.3,
    });
    expect([m.timing, m.media]).toEqual([null, null]);
    isPrinted(text);
  });

  it('that say nothing are none', () => {
    const nvme = lab('below: {nvme: n, timing: {}, media: {}}').hostBridges[0]!.below[0] as unknown as {
      below: readonly LabNvme[];
    };
    expect([nvme.below[0]!.timing, nvme.below[0]!.media]).toEqual([null, null]);
  });
});
