/** Fields of every NVMe controller: drives and accelerators. */
import type * as z from 'zod';
import {
  type EndpointDefaults,
  type EndpointFields,
  type EndpointRaw,
  endpointFields,
  type FunctionPlace,
  fillEndpoint,
  flagText,
  printEndpoint,
  withBar,
} from '../endpoint-fields.ts';
import {
  asciiText,
  choice,
  count,
  flag,
  isPowerOfTwo,
  listOf,
  NOT_TAKEN,
  printSize,
  scalar,
  shortBlock,
  size,
  text,
} from '../field.ts';
import {
  barSizeBytes,
  CMB_FLAGS,
  type LabCmb,
  type LabNamespace,
  type LabNvmeBase,
  type LabPmr,
} from '../lab-device.ts';
import type { LabBar, LabLink } from '../lab-function.ts';
import type { Report } from '../report.ts';
import { fillMedia, media, printMedia } from '../timing-fields.ts';
import type { LabBlock, LabValue } from '../values.ts';

const SIZE_JSON = { type: ['string', 'integer'], examples: ['64M', '1.92TB'] };

const namespaceFields = {
  size: size(512, 2 ** 50)
    .prefault('64G')
    .meta({ description: 'Capacity, a multiple of the block.' }),
  block: choice(['512', '4096']).prefault('512').meta({ description: 'Bytes of a logical block.' }),
  metadata: count(0, 256).prefault('0').meta({ description: 'Bytes of metadata with each block.' }),
  protection: count(0, 3).prefault('0').meta({
    description: 'Protection information type; 0 is none. Needs 8 bytes of metadata.',
  }),
  extended: flag().prefault('no').meta({
    description: 'Metadata follows its block in the same buffer instead of lying in its own.',
  }),
  image: text(1024, 'path').optional().meta({
    description: 'File with the first content, relative to the lab file. Default: a seeded pattern.',
  }),
  seed: count(0, 2 ** 32 - 1)
    .optional()
    .meta({
      description: 'Of the pattern it starts with. Default: made of the lab’s seed and the names.',
    }),
};
const namespace = () => shortBlock(namespaceFields, SIZE_JSON, (value) => ({ size: value }));

const cmbFields = {
  size: size(4096, 2 ** 48)
    .prefault('64M')
    .meta({ description: 'Length; 4 KiB times a whole number.' }),
  offset: size(0, 2 ** 48)
    .prefault('0')
    .meta({ description: 'Where it begins in its BAR.' }),
  bar: choice(['0', '2', '3', '4', '5']).prefault('2').meta({
    description:
      'BAR that holds it. Where `bars` has none at this index, one is made: 64-bit, prefetchable, as large as needed.',
  }),
  legacy: flag().prefault('no').meta({
    description: 'Registers tell of it from reset on, without CMBMSC, as before NVMe 1.4.',
  }),
  flags: listOf(choice(CMB_FLAGS), CMB_FLAGS.length).prefault(['SQS', 'LISTS', 'RDS', 'WDS']).meta({
    description:
      'What may lie in it: submission queues, completion queues, PRP and SGL lists, data of reads, data of writes.',
  }),
};

const pmrFields = {
  size: size(4096, 2 ** 48)
    .prefault('64M')
    .meta({ description: 'Length, a power of two.' }),
  bar: choice(['2', '3', '4', '5'])
    .prefault('4')
    .meta({ description: 'BAR that it fills; made as for `cmb`.' }),
  flags: listOf(choice(['RDS', 'WDS']), 2)
    .prefault(['RDS', 'WDS'])
    .meta({ description: 'Data of reads, data of writes.' }),
};

const version = () =>
  scalar(
    'NVMe version like 1.4 or 2.1',
    (value) => (/^[1-9]\.\d(?:\.\d)?$/.test(value) ? value : NOT_TAKEN),
    { type: ['string', 'number'], examples: ['1.4', '2.0'] },
  );

const controllerOnly = () => ({
  namespaces: listOf(namespace(), 128).prefault(['64G']).meta({
    description: 'Namespaces 1, 2, …: sizes or blocks. One value stands for one namespace; `[]` is none.',
  }),
  cmb: shortBlock(cmbFields, SIZE_JSON, (value) => ({ size: value }))
    .optional()
    .meta({ description: 'Controller Memory Buffer: its size, or a block. Default: none.' }),
  pmr: shortBlock(pmrFields, SIZE_JSON, (value) => ({ size: value }))
    .optional()
    .meta({ description: 'Persistent Memory Region: its size, or a block. Default: none.' }),
  mdts: count(0, 15).prefault('7').meta({
    description: 'Maximum data transfer size, 2^mdts times 4 KiB; 7 is 512 KiB, 0 no limit.',
  }),
  queues: count(1, 1024).prefault('64').meta({ description: 'I/O queue pairs.' }),
  'queue-entries': count(2, 65536)
    .prefault('1024')
    .meta({ description: 'Entries of a queue: CAP.MQES + 1.' }),
  serial: asciiText(20, 'serial number').optional().meta({
    description: 'Serial number. Default: `LAB-` and the name.',
  }),
  model: asciiText(40, 'model').optional().meta({ description: 'Model number. Default: by kind.' }),
  firmware: asciiText(8, 'firmware revision').prefault('1.0').meta({ description: 'Firmware revision.' }),
  version: version().prefault('1.4').meta({ description: 'NVMe version that it reports.' }),
  'volatile-write-cache': flag().prefault('no').meta({
    description: 'What was not flushed is lost when it is pulled out.',
  }),
  media: media(),
});

export type ControllerFields = EndpointFields & ReturnType<typeof controllerOnly>;
export type ControllerRaw = EndpointRaw & z.output<z.ZodObject<ReturnType<typeof controllerOnly>>>;

export function controllerFields(
  defaults: Pick<EndpointDefaults, 'id' | 'classCode' | 'link'>,
): ControllerFields {
  return {
    ...endpointFields({
      ...defaults,
      vectors: undefined,
      vectorsText: 'one more than queues',
      bars: {},
      barsText: 'BAR 0 (16 KiB of registers, 64-bit) is there always, and those that `cmb` and `pmr` need.',
    }),
    ...controllerOnly(),
  };
}

/** Registers, doorbells of 1,024 queues with stride 0, MSI-X. */
const REGISTERS: LabBar = {
  index: 0,
  kind: 'memory',
  is64Bit: true,
  isPrefetchable: false,
  sizeBytes: 16384,
  resizableBytes: null,
};

export function fillController(
  raw: ControllerRaw,
  place: FunctionPlace,
  link: LabLink,
  model: string,
  report: Report,
): LabNvmeBase {
  const cmb = raw.cmb === undefined ? null : fillCmb(raw.cmb);
  const pmr: LabPmr | null =
    raw.pmr === undefined
      ? null
      : { sizeBytes: raw.pmr.size, bar: Number(raw.pmr.bar), flags: ordered(['RDS', 'WDS'], raw.pmr.flags) };
  let bars = withBar(raw.bars, REGISTERS);
  bars = cmb === null ? bars : withBar(bars, memoryBar(cmb.bar, cmb.offsetBytes + cmb.sizeBytes));
  bars = pmr === null ? bars : withBar(bars, memoryBar(pmr.bar, pmr.sizeBytes));
  checkCmb(cmb, bars, report);
  checkPmr(pmr, cmb, bars, report);
  return {
    ...fillEndpoint({ ...raw, bars }, place, link, raw.vectors ?? raw.queues + 1),
    namespaces: raw.namespaces.map((each, index) => fillNamespace(each, index, report)),
    cmb,
    pmr,
    mdts: raw.mdts,
    queues: raw.queues,
    queueEntries: raw['queue-entries'],
    serial: raw.serial ?? `LAB-${place.name}`.slice(0, 20),
    model: raw.model ?? model,
    firmware: raw.firmware,
    version: raw.version,
    hasVolatileWriteCache: raw['volatile-write-cache'],
    media: fillMedia(raw.media),
  };
}

function ordered<Flag extends string>(all: readonly Flag[], given: readonly Flag[]): readonly Flag[] {
  return all.filter((each) => given.includes(each));
}

function fillCmb(raw: NonNullable<ControllerRaw['cmb']>): LabCmb {
  return {
    sizeBytes: raw.size,
    offsetBytes: raw.offset,
    bar: Number(raw.bar),
    isLegacy: raw.legacy,
    flags: ordered(CMB_FLAGS, raw.flags),
  };
}

function memoryBar(index: number, neededBytes: number): LabBar {
  return {
    index,
    kind: 'memory',
    // The last BAR cannot be a pair.
    is64Bit: index < 5,
    isPrefetchable: true,
    sizeBytes: 2 ** Math.ceil(Math.log2(Math.max(neededBytes, 4096))),
    resizableBytes: null,
  };
}

function fillNamespace(
  raw: ControllerRaw['namespaces'][number],
  index: number,
  report: Report,
): LabNamespace {
  const blockBytes = Number(raw.block);
  const path = ['namespaces', index];
  if (raw.size % blockBytes !== 0) {
    report('LAB_VALUE', path, `${printSize(raw.size)} is no multiple of the block of ${blockBytes} bytes`);
  }
  if (raw.protection > 0 && raw.metadata < 8) {
    report('LAB_VALUE', path, 'protection information needs 8 bytes of metadata: write metadata: 8');
  }
  return {
    nsid: index + 1,
    sizeBytes: raw.size,
    blockBytes,
    metadataBytes: raw.metadata,
    protection: raw.protection,
    isExtended: raw.extended,
    image: raw.image ?? null,
    seed: raw.seed ?? null,
  };
}

/** CMBSZ.SZ has 20 bits and its unit, which OFST shares, is 4 KiB times a power of 16. */
const CMB_UNITS = [0, 1, 2, 3, 4, 5, 6].map((szu) => 4096 * 16 ** szu);

function checkCmb(cmb: LabCmb | null, bars: readonly LabBar[], report: Report): void {
  if (cmb === null) {
    return;
  }
  const end = cmb.offsetBytes + cmb.sizeBytes;
  checkMemoryBar('cmb', cmb.bar, end, bars, report);
  const fits = CMB_UNITS.some(
    (unit) =>
      cmb.sizeBytes % unit === 0 &&
      cmb.offsetBytes % unit === 0 &&
      cmb.sizeBytes / unit < 2 ** 20 &&
      cmb.offsetBytes / unit < 2 ** 20,
  );
  if (!fits) {
    report(
      'LAB_BAR',
      ['cmb'],
      'CMBSZ and CMBLOC cannot hold size and offset: both are multiples of one unit (4K, 64K, 1M, 16M …), below 2^20 of it',
    );
  }
}

function checkPmr(pmr: LabPmr | null, cmb: LabCmb | null, bars: readonly LabBar[], report: Report): void {
  if (pmr === null) {
    return;
  }
  if (!isPowerOfTwo(pmr.sizeBytes)) {
    report(
      'LAB_BAR',
      ['pmr'],
      `a PMR fills its BAR, so its size is a power of two, not ${printSize(pmr.sizeBytes)}`,
    );
  }
  if (cmb?.bar === pmr.bar) {
    report('LAB_BAR', ['pmr'], `CMB and PMR are both in BAR ${pmr.bar}`);
  }
  checkMemoryBar('pmr', pmr.bar, pmr.sizeBytes, bars, report);
}

function checkMemoryBar(
  key: string,
  index: number,
  neededBytes: number,
  bars: readonly LabBar[],
  report: Report,
): void {
  const bar = bars.find((each) => each.index === index);
  if (bar === undefined || bar.kind === 'io') {
    report(
      'LAB_BAR',
      [key],
      `BAR ${index} is no memory BAR of its own; is it the upper half of a 64-bit one?`,
    );
  } else if (neededBytes > barSizeBytes(bars, index)) {
    report(
      'LAB_BAR',
      [key],
      `${key} ends at ${printSize(neededBytes)} of BAR ${index}, which has ${printSize(bar.sizeBytes)}`,
    );
  } else if (!bar.is64Bit && bar.sizeBytes > 2 ** 31) {
    // One that was made for it at the last index.
    report('LAB_BAR', [key], `BAR ${index} is 32-bit and has at most 2G`);
  }
}

export function printController(node: LabNvmeBase): LabBlock {
  return {
    namespaces: node.namespaces.map(printNamespace),
    ...(node.cmb === null ? {} : { cmb: printCmb(node.cmb) }),
    ...(node.pmr === null
      ? {}
      : {
          pmr: {
            size: printSize(node.pmr.sizeBytes),
            bar: String(node.pmr.bar),
            flags: node.pmr.flags,
          },
        }),
    ...printEndpoint(node),
    mdts: String(node.mdts),
    queues: String(node.queues),
    'queue-entries': String(node.queueEntries),
    serial: node.serial,
    model: node.model,
    firmware: node.firmware,
    version: node.version,
    'volatile-write-cache': flagText(node.hasVolatileWriteCache),
    ...printMedia(node.media),
  };
}

function printCmb(value: LabCmb): LabBlock {
  return {
    size: printSize(value.sizeBytes),
    offset: printSize(value.offsetBytes),
    bar: String(value.bar),
    legacy: flagText(value.isLegacy),
    flags: value.flags,
  };
}

function printNamespace(value: LabNamespace): LabValue {
  const plain = printSize(value.sizeBytes);
  const rest: LabBlock = {
    ...(value.blockBytes === 512 ? {} : { block: String(value.blockBytes) }),
    ...(value.metadataBytes === 0 ? {} : { metadata: String(value.metadataBytes) }),
    ...(value.protection === 0 ? {} : { protection: String(value.protection) }),
    ...(value.isExtended ? { extended: 'yes' } : {}),
    ...(value.image === null ? {} : { image: value.image }),
    ...(value.seed === null ? {} : { seed: String(value.seed) }),
  };
  return Object.keys(rest).length === 0 ? plain : { size: plain, ...rest };
}
