/** Fields of `workload` and of its streams, by kind. What they refer to is looked up in `workload.ts`. */
import * as z from 'zod';
import {
  block,
  choice,
  count,
  flag,
  listOf,
  NAME_TAKES,
  NOT_TAKEN,
  nameText,
  readName,
  scalar,
  shortBlock,
  size,
} from './field.ts';
import { type LabStreamKind, STREAM_CPU, STREAM_PATTERNS } from './lab-workload.ts';
import { amount, duration, rate } from './quantity.ts';
import { optional } from './time-fields.ts';

/** Nothing that is measured is shorter than a packet. */
const PERIOD_MIN_PS = 1e3;
const BLOCK_MAX = 2 ** 30;
const AREA_MAX = 2 ** 50;
export const SECTOR_BYTES = 512;
export const STREAMS_MAX = 1024;

const blockSizeFields = {
  size: size(1, BLOCK_MAX).meta({ description: 'Bytes of a request.' }),
  share: count(1, 1e6).prefault('1').meta({ description: 'How many of them, beside the other sizes.' }),
};
const blockSize = () =>
  shortBlock(blockSizeFields, { type: ['string', 'integer'], examples: ['4K', '1M'] }, (value) => ({
    size: value,
  }));

const dutyFields = {
  on: duration(PERIOD_MIN_PS).meta({ description: 'It runs so long, …' }),
  off: duration(PERIOD_MIN_PS).meta({ description: '… then pauses so long.' }),
};

const memoryLoadFields = {
  node: count(0, 63).prefault('0').meta({ description: 'NUMA node whose memory it is.' }),
  read: rate(0).prefault('0').meta({ description: 'What cores read from memory.' }),
  write: rate(0).prefault('0').meta({ description: 'What cores write to memory.' }),
  cores: optional(count(1, 4096), 'Cores that do it. Default: as many as the rates need.'),
};
const memoryLoad = () => block(memoryLoadFields);

export const workloadSchema = block({
  duration: optional(
    duration(PERIOD_MIN_PS),
    'How long is measured. Default: 10ms; where every stream has `count` or `size`: until all have ended.',
  ),
  'warm-up': optional(
    duration(0),
    'Runs before that and is not measured. Default: 1ms; where every stream has `count` or `size`: 0.',
  ),
  'memory-load': listOf(memoryLoad(), 64).prefault([]).meta({
    description: 'What the processor does to memory meanwhile: a block, or a list with one for each node.',
  }),
  streams: z.unknown().optional().meta({ description: 'What runs, all at the same time. Required.' }),
});
export type WorkloadRaw = z.output<typeof workloadSchema>;

const PLACE_TAKES = 'place; host, node0, cmb, or the name of a drive or device';

/** Where data is; what the word means depends on the machine. */
const place = () =>
  scalar(PLACE_TAKES, readName, { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' });
const PLACE_WORDS =
  '`host` (memory of the node of the device), `node1`, the name of a drive with a controller memory buffer (`cmb`: its own), or the name ' +
  'of a function with a memory BAR';

/** A reference to something that the file or the machine gives a name; those of virtual functions may be longer. */
const reference = () =>
  scalar(
    NAME_TAKES,
    (text) =>
      readName(text) === NOT_TAKEN && !/^[A-Za-z][A-Za-z0-9_-]{0,37}$/.test(text) ? NOT_TAKEN : text,
    { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_-]{0,37}$' },
  );

const common = () => ({
  name: optional(nameText(), 'Its name in reports. Default: kind and device, `read-nvme0`.'),
  jobs: count(1, 4096).prefault('1').meta({ description: 'So many alike at the same time.' }),
  rate: optional(rate(), 'Limit of all its jobs together. Default: none.'),
  duty: optional(block(dutyFields), 'Runs and pauses in turn. Default: it runs.'),
  start: duration(0)
    .prefault('0')
    .meta({ description: 'When it starts, counted from the start of the run, warm-up included.' }),
  stop: optional(duration(PERIOD_MIN_PS), 'When it stops. Default: at the end.'),
  count: optional(amount(1, 1e12), 'Ends after so many requests, of all jobs together.'),
  size: optional(size(1, 2 ** 50), 'Ends after so many bytes, of all jobs together.'),
});

export type CommonRaw = z.output<z.ZodObject<ReturnType<typeof common>>>;

const blocks = (usual: string) =>
  listOf(blockSize(), 64, 1)
    .prefault([usual])
    .meta({ description: 'Bytes of a request, or a list of sizes with their shares.' });
const requests = (usual: string, pattern: (typeof STREAM_PATTERNS)[number], area: string) => ({
  block: blocks(usual),
  pattern: choice(STREAM_PATTERNS).prefault(pattern).meta({ description: 'Order of the addresses.' }),
  depth: count(1, 65_535).prefault('32').meta({ description: 'Requests in flight, of each job.' }),
  area: optional(size(1, AREA_MAX), `Bytes that are used, from the start. Default: ${area}.`),
});
const cpu = () =>
  choice(STREAM_CPU).prefault('kernel').meta({
    description:
      'What a request costs the processor: `kernel` (system call and interrupt), `polled` (a program that polls), `gpu-direct` (GPUDirect Storage), `none`.',
  });
const cpuCopies = (what: string) => ({
  'cpu-copies': count(0, 8)
    .prefault('0')
    .meta({ description: `Copies that the processor makes of ${what}.` }),
});
const device = (description: string) => reference().meta({ description });

const DRIVE = 'a drive, or an iopmem disk';
const DRIVE_AREA = 'namespace 1, or the disk';
const FUNCTION = 'Name of a function that is no bridge';
const WINDOW_AREA = '64 MiB, or what there is of it; of a CMB at most half';
const CORE = 'The processor: `cpu`, or `cpu1` for one of its sockets.';

/** Fields of each kind; the first is the kind itself, whose value says who. */
export const streamFields = {
  read: {
    read: device(`Reads from ${DRIVE}: its name.`),
    to: place()
      .prefault('host')
      .meta({ description: `Where the data goes: ${PLACE_WORDS}.` }),
    ...requests('4K', 'random', DRIVE_AREA),
    cpu: cpu(),
    ...cpuCopies('the data, such as out of the page cache'),
    ...common(),
  },
  write: {
    write: device(`Writes to ${DRIVE}: its name.`),
    from: place()
      .prefault('host')
      .meta({ description: `Where the data comes from: ${PLACE_WORDS}.` }),
    ...requests('4K', 'random', DRIVE_AREA),
    cpu: cpu(),
    ...cpuCopies('the data'),
    ...common(),
  },
  mix: {
    mix: device(`Reads from and writes to ${DRIVE}: its name.`),
    memory: place()
      .prefault('host')
      .meta({ description: `Where the buffers are: ${PLACE_WORDS}.` }),
    reads: count(0, 100).prefault('70').meta({ description: 'Of 100 requests, so many read.' }),
    ...requests('4K', 'random', DRIVE_AREA),
    cpu: cpu(),
    ...cpuCopies('the data'),
    ...common(),
  },
  copy: {
    copy: device(`Copies from ${DRIVE}: its name.`),
    to: device('The other drive or disk.'),
    via: place().prefault('auto').meta({
      description:
        'Memory that both use: `auto` (as `peerlane copy` chooses), `host`, `node1`, or whose it is.',
    }),
    ...requests('128K', 'sequential', 'the smaller of the two'),
    cpu: cpu(),
    ...common(),
  },
  'dma-write': {
    'dma-write': device(`${FUNCTION}, which writes by itself, without a driver.`),
    to: place()
      .prefault('host')
      .meta({ description: `Where to: ${PLACE_WORDS}.` }),
    ...requests('64K', 'sequential', WINDOW_AREA),
    ...common(),
  },
  'dma-read': {
    'dma-read': device(`${FUNCTION}, which reads by itself, without a driver.`),
    from: place()
      .prefault('host')
      .meta({ description: `Where from: ${PLACE_WORDS}.` }),
    writes: count(0, 100)
      .prefault('0')
      .meta({ description: 'Of 100 requests, so many write there instead, in even turns.' }),
    ...requests('64K', 'sequential', WINDOW_AREA),
    ...common(),
  },
  stage: {
    stage: device(`${FUNCTION}, which writes to system memory, from where \`to\` reads.`),
    to: device('The other function.'),
    via: place().prefault('host').meta({ description: 'The system memory: `host` or `node1`.' }),
    chunk: size(SECTOR_BYTES, BLOCK_MAX).prefault('2M').meta({ description: 'Bytes at a time.' }),
    sync: optional(duration(0, 1e12), 'Software between the two steps of a chunk. Default: by platform.'),
    overlap: flag()
      .prefault('yes')
      .meta({ description: 'The next chunk is written while the last one is read.' }),
    ...cpuCopies('each chunk'),
    ...common(),
  },
  'mmio-write': {
    'mmio-write': device(CORE),
    to: place().meta({ description: 'Whose memory it stores to: a device by name.' }),
    block: blocks('64'),
    area: optional(size(1, AREA_MAX), `Bytes that are used, from the start. Default: ${WINDOW_AREA}.`),
    ...common(),
  },
  'mmio-read': {
    'mmio-read': device(CORE),
    from: place().meta({ description: 'Whose memory it loads from: a device by name.' }),
    block: blocks('64'),
    area: optional(size(1, AREA_MAX), `Bytes that are used, from the start. Default: ${WINDOW_AREA}.`),
    ...common(),
  },
};

export const STREAM_KINDS = Object.keys(streamFields) as readonly LabStreamKind[];

export const streamSchemas = {
  read: block(streamFields.read),
  write: block(streamFields.write),
  mix: block(streamFields.mix),
  copy: block(streamFields.copy),
  'dma-write': block(streamFields['dma-write']),
  'dma-read': block(streamFields['dma-read']),
  stage: block(streamFields.stage),
  'mmio-write': block(streamFields['mmio-write']),
  'mmio-read': block(streamFields['mmio-read']),
} satisfies Record<LabStreamKind, z.ZodType>;

export type StreamRaw<Kind extends LabStreamKind> = z.output<(typeof streamSchemas)[Kind]>;

export const streamAbout: Readonly<Record<LabStreamKind, string>> = {
  read: 'Reads of a drive by its driver.',
  write: 'Writes of a drive by its driver.',
  mix: 'Reads and writes of a drive.',
  copy: 'A copy from one drive to another, as `peerlane copy` makes it.',
  'dma-write': 'Writes that a function makes by itself.',
  'dma-read': 'Reads that a function makes by itself.',
  stage: 'From one function to another with a stop in system memory (bounced).',
  'mmio-write': 'Stores of the processor to memory of a device.',
  'mmio-read': 'Loads of the processor from memory of a device.',
};
