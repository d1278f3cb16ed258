/** Presets of the media of drives, by the generation of their link. Where each constant comes from: docs/timing.md. */
import { InputError } from '../base/index.ts';
import type { MediaTiming } from './device-timing.ts';

const MIB = 1024 * 1024;

const GEN3: MediaTiming = {
  name: 'gen3',
  readGBs: 3.4,
  writeGBs: 2.8,
  readIops: 800_000,
  writeIops: 350_000,
  readLatencyNs: 90_000,
  writeLatencyNs: 14_000,
  commandWriteGBs: null,
  channels: 8,
  dies: 16,
  cacheBytes: 64 * MIB,
  mixedPenalty: 0.2,
  note: 'NAND behind a Gen3 x4 link',
  setBy: [],
};

const GEN4: MediaTiming = {
  ...GEN3,
  name: 'gen4',
  readGBs: 6.9,
  writeGBs: 5,
  readIops: 1_250_000,
  writeIops: 700_000,
  readLatencyNs: 75_000,
  writeLatencyNs: 12_000,
  note: 'NAND behind a Gen4 x4 link',
};

const GEN5: MediaTiming = {
  ...GEN4,
  name: 'gen5',
  readGBs: 13.5,
  writeGBs: 10,
  readIops: 2_500_000,
  writeIops: 1_200_000,
  readLatencyNs: 57_500,
  writeLatencyNs: 10_000,
  channels: 16,
  note: 'NAND behind a Gen5 x4 link',
};

const LOW_LATENCY: MediaTiming = {
  ...GEN4,
  name: 'low-latency',
  readGBs: 6.9,
  writeGBs: 6,
  readIops: 1_500_000,
  writeIops: 1_500_000,
  readLatencyNs: 7500,
  writeLatencyNs: 7500,
  dies: 8,
  cacheBytes: 0,
  mixedPenalty: 0,
  note: 'media without erasing (3D XPoint and the like)',
};

const NO_LIMIT = Number.POSITIVE_INFINITY;

const INSTANT: MediaTiming = {
  ...LOW_LATENCY,
  name: 'instant',
  readGBs: NO_LIMIT,
  writeGBs: NO_LIMIT,
  readIops: NO_LIMIT,
  writeIops: NO_LIMIT,
  readLatencyNs: 0,
  writeLatencyNs: 0,
  note: 'no media: the link and the host are all that counts',
};

/** Every preset, in the order in which they are shown. */
export const MEDIA_PRESETS: readonly MediaTiming[] = [
  GEN3,
  GEN4,
  GEN5,
  LOW_LATENCY,
  INSTANT,
  {
    ...GEN3,
    name: 'gen3-dgx2',
    readGBs: 3.56,
    note: 'the drives of a DGX-2, by their own statistics',
    setBy: ['C21'],
  },
  { ...GEN3, name: 'gen3-p4600', readGBs: 3.2, note: 'Intel P4600', setBy: ['C11'] },
  { ...GEN3, name: 'gen3-2900', readGBs: 2.9, note: 'a drive of 2.9 GB/s', setBy: ['C30'] },
  {
    ...GEN3,
    name: 'smartssd',
    writeGBs: 3.25,
    writeLatencyNs: 14_000,
    commandWriteGBs: 1.04,
    note: 'the drive of a SmartSSD; one write at a time does not fill it',
    setBy: ['C24', 'C25'],
  },
];

export const MEDIA_PRESET_NAMES: readonly string[] = MEDIA_PRESETS.map((one) => one.name);

/** The preset of that name. @throws {InputError} INPUT_PRESET */
export function mediaNamed(name: string): MediaTiming {
  const found = MEDIA_PRESETS.find((one) => one.name === name);
  if (found === undefined) {
    throw new InputError('INPUT_PRESET', {
      message: `there is no media preset ${name}`,
      hint: `media presets: ${MEDIA_PRESET_NAMES.join(', ')}`,
      detail: { name },
    });
  }
  return found;
}

/** The usual drive behind a link of that generation, 1 to 6: up to Gen3 alike, from Gen5 on alike. */
export function mediaOfGeneration(generation: number): MediaTiming {
  return generation >= 5 ? GEN5 : generation === 4 ? GEN4 : GEN3;
}
