/** Fields of `time`, and how they become values and text again. Those of ports and devices are in `timing-fields.ts`. */
import type * as z from 'zod';
import { block, choice, count, printSize, shortBlock, size } from './field.ts';
import {
  ARBITRATIONS,
  FORWARDINGS,
  LAB_TIME_DEFAULT,
  type LabCredits,
  type LabMemoryType,
  type LabTime,
  MEMORY_TYPES,
  TIME_ENGINES,
} from './lab-time.ts';
import { PLATFORM_NAMES } from './preset-names.ts';
import { credits, duration, errorRate, printCredits, printDuration, printRate, rate } from './quantity.ts';
import type { LabBlock } from './values.ts';

/** Longest latency of hardware; software may take longer. */
const LATENCY_MAX_PS = 1e12;
export const latency = () => duration(0, LATENCY_MAX_PS);
export const optional = <Schema extends z.ZodType>(schema: Schema, description: string) =>
  schema.optional().meta({ description });

const CREDITS_MAX = 1e6;
const creditFields = () => ({
  'posted-headers': optional(credits(CREDITS_MAX), 'Packets of posted writes that fit.'),
  'posted-data': optional(
    credits(CREDITS_MAX),
    'Their data, in units of 16 bytes. Never less than one largest payload: PCI Express wants that.',
  ),
  'non-posted-headers': optional(credits(CREDITS_MAX), 'Read requests.'),
  'non-posted-data': optional(credits(CREDITS_MAX), 'Data of non-posted requests (atomics).'),
  'completion-headers': optional(credits(CREDITS_MAX), 'Completions.'),
  'completion-data': optional(credits(CREDITS_MAX), 'Their data.'),
});
export const creditBlock = () => block(creditFields());
export const CREDITS_WORDS =
  'Each is a whole number or `inf`. Default: enough for twice the loop of the link.';

const platformNames = ['auto', ...PLATFORM_NAMES];

const memoryFields = {
  channels: optional(count(1, 64), 'Channels of each socket.'),
  type: optional(choice(MEMORY_TYPES), 'What is in them; gives the bandwidth of a channel.'),
  bandwidth: optional(rate(), 'Instead of `channels` and `type`: the peak of each socket.'),
  ddio: optional(
    size(0, 2 ** 34),
    'Cache that takes writes of devices while what is staged fits (DDIO); 0 is none.',
  ),
};

/** A block of which two fields may not say the same thing. */
const memoryBlock = () =>
  block(memoryFields).superRefine((raw, context) => {
    if (raw.bandwidth !== undefined && (raw.channels !== undefined || raw.type !== undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['bandwidth'],
        message: 'say either that, or channels and type',
      });
    }
  });

const latencyFields = {
  pin: optional(latency(), 'Endpoint or root core to its pins, either way.'),
  link: optional(latency(), 'Flight time of one link.'),
  switch: optional(latency(), 'Switch, pin to pin.'),
  cache: optional(latency(), 'Root complex to the last level cache.'),
  memory: optional(latency(), 'On top of the cache: DRAM.'),
  remote: optional(latency(), 'On top: memory of another socket.'),
  bar: optional(latency(), 'Memory behind a BAR.'),
  turn: optional(latency(), 'Root complex, between two of its root ports.'),
  mmio: optional(latency(), 'Loads and stores of the processor, on top, each way.'),
};

const iommuFields = {
  entries: optional(count(1, 2 ** 20), 'Of the IOTLB, one page each.'),
  hit: optional(latency(), 'A hit.'),
  walk: optional(latency(), 'A walk of the tables.'),
  walkers: optional(count(1, 1024), 'Walks at once.'),
  'page-request': optional(latency(), 'A page request (PRI), which software serves.'),
};

export const timeFields = {
  platform: choice(platformNames as [string, ...string[]])
    .prefault('auto')
    .meta({
      description:
        'Whose constants hold; `auto` is the platform of the lab’s `cpu`. They are listed in docs/timing.md.',
    }),
  engine: choice(TIME_ENGINES).prefault('auto').meta({
    description: '`tlp`: packet by packet; `flow`: in trains; `auto`: flow for bulk.',
  }),
  forwarding: choice(FORWARDINGS).prefault('cut-through').meta({ description: 'Of switches.' }),
  arbitration: choice(ARBITRATIONS).prefault('round-robin').meta({
    description: 'Among ports that send to one; `weighted` by `weight` of their `timing`.',
  }),
  dllp: optional(
    choice(['symbol', 'pciebench', 'none']),
    'How much acknowledgements and credit returns take from the other direction. Default: by platform.',
  ),
  memory: optional(memoryBlock(), 'System memory: `{channels: 4, type: ddr4-2400}`. Default: by platform.'),
  credits: optional(creditBlock(), `Receive buffers of every end of a link. ${CREDITS_WORDS}`),
  'error-rate': errorRate().prefault('0').meta({ description: 'Bit error rate of every link.' }),
  latency: optional(block(latencyFields), 'What each part of the way takes. Default: by platform.'),
  iommu: optional(block(iommuFields), 'Translation. Default: by platform.'),
  socket: optional(rate(), 'Link between two sockets, each direction. Default: by platform.'),
};

export const timeSchema = shortBlock(timeFields, { enum: platformNames }, (value) => ({ platform: value }));
type TimeRaw = z.output<typeof timeSchema>;

/** MT/s times eight bytes. */
function channelGBs(type: LabMemoryType | undefined): number | null {
  return type === undefined ? null : (Number(type.split('-')[1]) * 8) / 1000;
}

export function fillTime(raw: TimeRaw): LabTime {
  const { memory, latency: ways, iommu } = raw;
  return {
    platform: raw.platform,
    engine: raw.engine,
    forwarding: raw.forwarding,
    arbitration: raw.arbitration,
    dllp: raw.dllp ?? null,
    memory: {
      channels: memory?.channels ?? null,
      type: memory?.type ?? null,
      channelGBs: channelGBs(memory?.type),
      bandwidthGBs: memory?.bandwidth ?? null,
      ddioBytes: memory?.ddio ?? null,
    },
    credits: fillCredits(raw.credits),
    errorRate: raw['error-rate'],
    latency: {
      pinPs: ways?.pin ?? null,
      linkPs: ways?.link ?? null,
      switchPs: ways?.switch ?? null,
      cachePs: ways?.cache ?? null,
      memoryPs: ways?.memory ?? null,
      remotePs: ways?.remote ?? null,
      barPs: ways?.bar ?? null,
      turnPs: ways?.turn ?? null,
      mmioPs: ways?.mmio ?? null,
    },
    iommu: {
      entries: iommu?.entries ?? null,
      hitPs: iommu?.hit ?? null,
      walkPs: iommu?.walk ?? null,
      walkers: iommu?.walkers ?? null,
      pageRequestPs: iommu?.['page-request'] ?? null,
    },
    socketGBs: raw.socket ?? null,
  };
}

export function fillCredits(raw: z.output<ReturnType<typeof creditBlock>> | undefined): LabCredits {
  return {
    postedHeaders: raw?.['posted-headers'] ?? null,
    postedData: raw?.['posted-data'] ?? null,
    nonPostedHeaders: raw?.['non-posted-headers'] ?? null,
    nonPostedData: raw?.['non-posted-data'] ?? null,
    completionHeaders: raw?.['completion-headers'] ?? null,
    completionData: raw?.['completion-data'] ?? null,
  };
}

/** Only what is said, and a platform alone as its word. */
export function printMachineTime(value: LabTime): LabBlock {
  const fields = printTime(value);
  const keys = Object.keys(fields);
  return keys.length === 0
    ? {}
    : { time: keys.length === 1 && keys[0] === 'platform' ? fields.platform! : fields };
}

function printTime(value: LabTime): LabBlock {
  const usual = LAB_TIME_DEFAULT;
  return {
    ...(value.platform === usual.platform ? {} : { platform: value.platform }),
    ...(value.engine === usual.engine ? {} : { engine: value.engine }),
    ...(value.forwarding === usual.forwarding ? {} : { forwarding: value.forwarding }),
    ...(value.arbitration === usual.arbitration ? {} : { arbitration: value.arbitration }),
    ...said('dllp', value.dllp, String),
    ...sub('memory', {
      ...said('channels', value.memory.channels, String),
      ...said('type', value.memory.type, String),
      ...said('bandwidth', value.memory.bandwidthGBs, printRate),
      ...said('ddio', value.memory.ddioBytes, printSize),
    }),
    ...sub('credits', printCreditFields(value.credits)),
    ...(value.errorRate === 0 ? {} : { 'error-rate': String(value.errorRate) }),
    ...sub('latency', {
      ...said('pin', value.latency.pinPs, printDuration),
      ...said('link', value.latency.linkPs, printDuration),
      ...said('switch', value.latency.switchPs, printDuration),
      ...said('cache', value.latency.cachePs, printDuration),
      ...said('memory', value.latency.memoryPs, printDuration),
      ...said('remote', value.latency.remotePs, printDuration),
      ...said('bar', value.latency.barPs, printDuration),
      ...said('turn', value.latency.turnPs, printDuration),
      ...said('mmio', value.latency.mmioPs, printDuration),
    }),
    ...sub('iommu', {
      ...said('entries', value.iommu.entries, String),
      ...said('hit', value.iommu.hitPs, printDuration),
      ...said('walk', value.iommu.walkPs, printDuration),
      ...said('walkers', value.iommu.walkers, String),
      ...said('page-request', value.iommu.pageRequestPs, printDuration),
    }),
    ...said('socket', value.socketGBs, printRate),
  };
}

/** `{key: text}`, or nothing where nothing is said. */
export function said<Value>(key: string, value: Value | null, print: (value: Value) => string): LabBlock {
  return value === null ? {} : { [key]: print(value) };
}

export function sub(key: string, fields: LabBlock): LabBlock {
  return Object.keys(fields).length === 0 ? {} : { [key]: fields };
}

export function printCreditFields(value: LabCredits | null): LabBlock {
  return value === null
    ? {}
    : {
        ...said('posted-headers', value.postedHeaders, printCredits),
        ...said('posted-data', value.postedData, printCredits),
        ...said('non-posted-headers', value.nonPostedHeaders, printCredits),
        ...said('non-posted-data', value.nonPostedData, printCredits),
        ...said('completion-headers', value.completionHeaders, printCredits),
        ...said('completion-data', value.completionData, printCredits),
      };
}
