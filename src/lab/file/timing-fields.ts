/** Fields of `timing` of ports, switches and devices and of `media`, and how they become values and text again. */
import type * as z from 'zod';
import { block, choice, count, flag, powerOfTwo, printSize, shortBlock, size } from './field.ts';
import { FORWARDINGS, type LabEndpointTiming, type LabMedia, type LabPortTiming } from './lab-time.ts';
import { DEVICE_PRESET_NAMES, MEDIA_PRESET_NAMES } from './preset-names.ts';
import {
  amount,
  duration,
  errorRate,
  printAmount,
  printDuration,
  printRate,
  rate,
  share,
} from './quantity.ts';
import {
  CREDITS_WORDS,
  creditBlock,
  fillCredits,
  latency,
  optional,
  printCreditFields,
  said,
  sub,
} from './time-fields.ts';
import type { LabBlock, LabValue } from './values.ts';

const preset = (names: readonly string[], description: string) =>
  choice([...names] as [string, ...string[]])
    .optional()
    .meta({ description });

/** Null where no field says anything, so that `timing: {}` is the same as none. */
function orNull<Fields extends object>(value: Fields): Fields | null {
  return Object.values(value).every((each) => each === null) ? null : value;
}

export const portTimingFields = {
  latency: optional(latency(), 'Pin to pin, of packets that come in here. Default: `time.latency.switch`.'),
  forwarding: optional(choice(FORWARDINGS), 'Default: `time.forwarding`.'),
  credits: optional(creditBlock(), `Receive buffers of this end of the link. ${CREDITS_WORDS}`),
  weight: optional(
    count(1, 1024),
    'Share of packets that come in here, beside those of other ports, where arbitration is `weighted`. Default: 1.',
  ),
  'error-rate': optional(errorRate(), 'Bit error rate of the link. Default: `time.error-rate`.'),
};
const portTimingBlock = block(portTimingFields);

/** `timing` of a port or switch. */
export const portTiming = (description: string) => optional(portTimingBlock, description);

export function fillPortTiming(raw: z.output<typeof portTimingBlock> | undefined): LabPortTiming | null {
  return orNull({
    latencyPs: raw?.latency ?? null,
    forwarding: raw?.forwarding ?? null,
    credits: orNull(fillCredits(raw?.credits)),
    weight: raw?.weight ?? null,
    errorRate: raw?.['error-rate'] ?? null,
  });
}

export function printPortTiming(value: LabPortTiming | null): LabBlock {
  return value === null
    ? {}
    : sub('timing', {
        ...said('latency', value.latencyPs, printDuration),
        ...said('forwarding', value.forwarding, String),
        ...sub('credits', printCreditFields(value.credits)),
        ...said('weight', value.weight, String),
        ...said('error-rate', value.errorRate, String),
      });
}

const endpointTimingFields = {
  preset: preset(DEVICE_PRESET_NAMES, 'Whose values hold where none is given. Default: by kind of device.'),
  payload: optional(powerOfTwo(64, 4096), 'Largest payload of the packets that it makes.'),
  'read-request': optional(powerOfTwo(64, 4096), 'Largest read request that it makes.'),
  tags: optional(count(1, 14_336), 'Reads that it has under way at once.'),
  transactions: optional(amount(1, 1e12), 'Packets a second that it can make: `47M`.'),
  'write-bandwidth': optional(rate(), 'What it writes at most.'),
  'read-bandwidth': optional(rate(), 'What it reads at most.'),
  start: optional(duration(0, 1e12), 'Before each transfer.'),
  'write-efficiency': optional(share(0.01, 1), 'Share of the link’s goodput that its writes reach.'),
  'read-efficiency': optional(share(0.01, 1), 'Share of the link’s goodput that its reads reach.'),
  'memory-latency': optional(latency(), 'Its memory behind BARs. Default: `time.latency.bar`.'),
  strict: optional(flag(), 'It never sets Relaxed Ordering for data.'),
  credits: optional(creditBlock(), `Receive buffers of its end of the link. ${CREDITS_WORDS}`),
};
const endpointTimingBlock = shortBlock(endpointTimingFields, { enum: [...DEVICE_PRESET_NAMES] }, (value) => ({
  preset: value,
}));

/** `timing` of a device. */
export const endpointTiming = () =>
  optional(
    endpointTimingBlock,
    'What its engine can, where the lab is run in time: a preset, or a block. Default: by kind.',
  );

export function fillEndpointTiming(
  raw: z.output<typeof endpointTimingBlock> | undefined,
): LabEndpointTiming | null {
  return orNull({
    preset: raw?.preset ?? null,
    payloadBytes: raw?.payload ?? null,
    readRequestBytes: raw?.['read-request'] ?? null,
    tags: raw?.tags ?? null,
    transactionsPerSecond: raw?.transactions ?? null,
    writeGBs: raw?.['write-bandwidth'] ?? null,
    readGBs: raw?.['read-bandwidth'] ?? null,
    startPs: raw?.start ?? null,
    readEfficiency: raw?.['read-efficiency'] ?? null,
    writeEfficiency: raw?.['write-efficiency'] ?? null,
    memoryLatencyPs: raw?.['memory-latency'] ?? null,
    isStrict: raw?.strict ?? null,
    credits: orNull(fillCredits(raw?.credits)),
  });
}

/** A preset alone is its word. */
function shortest(key: string, fields: LabBlock): LabBlock {
  const keys = Object.keys(fields);
  const value: LabValue | undefined = keys.length === 1 && keys[0] === 'preset' ? fields.preset : fields;
  return keys.length === 0 ? {} : { [key]: value! };
}

const yesOrNo = (value: boolean) => (value ? 'yes' : 'no');

export function printEndpointTiming(value: LabEndpointTiming | null): LabBlock {
  return value === null
    ? {}
    : shortest('timing', {
        ...said('preset', value.preset, String),
        ...said('payload', value.payloadBytes, printSize),
        ...said('read-request', value.readRequestBytes, printSize),
        ...said('tags', value.tags, String),
        ...said('transactions', value.transactionsPerSecond, printAmount),
        ...said('write-bandwidth', value.writeGBs, printRate),
        ...said('read-bandwidth', value.readGBs, printRate),
        ...said('start', value.startPs, printDuration),
        ...said('write-efficiency', value.writeEfficiency, String),
        ...said('read-efficiency', value.readEfficiency, String),
        ...said('memory-latency', value.memoryLatencyPs, printDuration),
        ...said('strict', value.isStrict, yesOrNo),
        ...sub('credits', printCreditFields(value.credits)),
      });
}

const mediaFields = {
  preset: preset(
    MEDIA_PRESET_NAMES,
    'Whose values hold where none is given. Default: by the generation of its link.',
  ),
  'read-bandwidth': optional(rate(), 'What it reads at most.'),
  'write-bandwidth': optional(rate(), 'What it writes at most.'),
  'read-iops': optional(amount(1, 1e10), 'Read commands a second at most: `800k`.'),
  'write-iops': optional(amount(1, 1e10), 'Write commands a second at most.'),
  'read-latency': optional(duration(0, 10e12), 'Of one read command, the medium alone.'),
  'write-latency': optional(duration(0, 10e12), 'Of one write command, the medium alone.'),
  channels: optional(count(1, 256), 'Channels of the medium.'),
  dies: optional(count(1, 256), 'Dies on each channel.'),
  cache: optional(size(0, 2 ** 40), 'Cache that takes writes before the medium does; 0 is none.'),
  mixed: optional(
    share(0, 0.99),
    'Share of the throughput that is lost where half of the commands are reads and half writes.',
  ),
};
const mediaBlock = shortBlock(mediaFields, { enum: [...MEDIA_PRESET_NAMES] }, (value) => ({ preset: value }));

/** `media` of a drive. */
export const media = () =>
  optional(
    mediaBlock,
    'What its medium can, where the lab is run in time: a preset, or a block. Default: by the generation of its link.',
  );

export function fillMedia(raw: z.output<typeof mediaBlock> | undefined): LabMedia | null {
  return orNull({
    preset: raw?.preset ?? null,
    readGBs: raw?.['read-bandwidth'] ?? null,
    writeGBs: raw?.['write-bandwidth'] ?? null,
    readIops: raw?.['read-iops'] ?? null,
    writeIops: raw?.['write-iops'] ?? null,
    readLatencyPs: raw?.['read-latency'] ?? null,
    writeLatencyPs: raw?.['write-latency'] ?? null,
    channels: raw?.channels ?? null,
    dies: raw?.dies ?? null,
    cacheBytes: raw?.cache ?? null,
    mixedPenalty: raw?.mixed ?? null,
  });
}

export function printMedia(value: LabMedia | null): LabBlock {
  return value === null
    ? {}
    : shortest('media', {
        ...said('preset', value.preset, String),
        ...said('read-bandwidth', value.readGBs, printRate),
        ...said('write-bandwidth', value.writeGBs, printRate),
        ...said('read-iops', value.readIops, printAmount),
        ...said('write-iops', value.writeIops, printAmount),
        ...said('read-latency', value.readLatencyPs, printDuration),
        ...said('write-latency', value.writeLatencyPs, printDuration),
        ...said('channels', value.channels, String),
        ...said('dies', value.dies, String),
        ...said('cache', value.cacheBytes, printSize),
        ...said('mixed', value.mixedPenalty, String),
      });
}
