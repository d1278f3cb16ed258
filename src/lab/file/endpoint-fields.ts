/** What every device that is no bridge can say of itself, with the defaults of its kind. */
import type * as z from 'zod';
import { acs, printAcs } from './acs-field.ts';
import { bars, printBars } from './bar-field.ts';
import { choice, count, deviceAddress, flag, hex, id, link, powerOfTwo, shortBlock } from './field.ts';
import type { LabId } from './lab-file.ts';
import {
  INTERRUPT_KINDS,
  type LabBar,
  type LabEndpointBase,
  type LabLink,
  type LabSriov,
} from './lab-function.ts';
import { endpointTiming, fillEndpointTiming, printEndpointTiming } from './timing-fields.ts';
import type { LabBlock } from './values.ts';

export interface EndpointDefaults {
  readonly id: string;
  readonly classCode: string;
  readonly link: string;
  /** Undefined: `vectors` are counted by the kind. */
  readonly vectors: number | undefined;
  readonly vectorsText?: string;
  readonly bars: LabBlock;
  readonly barsText: string;
}

export const at = () =>
  deviceAddress().optional().meta({
    description:
      'Device and function on its bus, like `1c.0`; `.1` is function 1 of device 0. Default: the next free device, function 0.',
  });

export const maxPayload = () =>
  powerOfTwo(128, 4096)
    .prefault('512')
    .meta({ description: 'Largest payload supported (Device Capabilities), 128 to 4096.' });

export const trained = () =>
  link().optional().meta({
    description: 'What the link above came up with, where that is less than both ends could: `gen3 x8`.',
  });

const sriovFields = () => ({
  vfs: count(0, 256).prefault('0').meta({ description: 'Virtual functions that are enabled.' }),
  total: count(1, 256).optional().meta({ description: 'TotalVFs. Default: as many as are enabled.' }),
  offset: count(1, 256).prefault('1').meta({ description: 'First VF Offset.' }),
  stride: count(1, 256).prefault('1').meta({ description: 'VF Stride.' }),
  device: hex(0xffff, 'device id')
    .optional()
    .meta({ description: 'Device id of VFs. Default: that of the function plus 1.' }),
  bars: bars().prefault({ 0: '16K' }).meta({ description: 'BARs of one VF.' }),
});

export function endpointFields(defaults: EndpointDefaults) {
  return {
    at: at(),
    id: id().prefault(defaults.id).meta({ description: 'Vendor and device id.' }),
    subsystem: id().optional().meta({ description: 'Subsystem vendor and device id. Default: none.' }),
    revision: hex(0xff, 'revision').prefault('0').meta({ description: 'Revision id, hexadecimal.' }),
    class: hex(0xffffff, 'class code')
      .prefault(defaults.classCode)
      .meta({ description: 'Class code, six hexadecimal digits.' }),
    link: link()
      .optional()
      .meta({
        description: `Fastest and widest that its end of the link can; not on conventional PCI or a root bus. Default: ${defaults.link}.`,
      }),
    trained: trained(),
    acs: acs()
      .prefault('none')
      .meta({ description: 'Access Control Services of the function itself: as for ports.' }),
    'max-payload': maxPayload(),
    bars: bars()
      .prefault(defaults.bars)
      .meta({ description: `BARs by index. ${defaults.barsText}` }),
    interrupts: choice(INTERRUPT_KINDS)
      .prefault('msi-x')
      .meta({ description: 'The best kind of interrupt it has.' }),
    vectors:
      defaults.vectors === undefined
        ? count(1, 2048)
            .optional()
            .meta({ description: `Interrupt vectors. Default: ${defaults.vectorsText}.` })
        : count(1, 2048).prefault(String(defaults.vectors)).meta({ description: 'Interrupt vectors.' }),
    'address-bits': count(24, 64).prefault('64').meta({ description: 'Address bits that its DMA has.' }),
    'extended-tags': flag().prefault('yes').meta({ description: '8-bit tags.' }),
    'relaxed-ordering': flag().prefault('yes').meta({ description: 'May set Relaxed Ordering.' }),
    'no-snoop': flag().prefault('yes').meta({ description: 'May set No Snoop.' }),
    ats: flag().prefault('no').meta({
      description:
        'Address Translation Services: it translates by itself, with a cache, where `iommu` translates and has `ats`.',
    }),
    pri: flag().prefault('no').meta({
      description:
        'Page Request Interface capability; needs `ats`. Linux leaves it off: nothing of a lab touches a page that is not there.',
    }),
    flr: flag().prefault('yes').meta({ description: 'Function Level Reset.' }),
    'sr-iov': shortBlock(sriovFields(), { type: 'integer', minimum: 0, maximum: 256 }, (value) => ({
      vfs: value,
      ...(value === '0' ? { total: '1' } : {}),
    }))
      .optional()
      .meta({
        description: 'Single Root I/O Virtualization: the number of enabled VFs, or a block. Default: none.',
      }),
    timing: endpointTiming(),
    integrated: flag().prefault('no').meta({
      description: 'It sits on the root bus itself (RCiEP) and has no root port above it. Host bridges only.',
    }),
  };
}

export type EndpointFields = ReturnType<typeof endpointFields>;
export type EndpointRaw = z.output<z.ZodObject<EndpointFields>>;

/** Where a function stands, as far as its fields depend on it. */
export interface FunctionPlace {
  readonly name: string;
  readonly device: number;
  readonly function: number;
  /** It hangs on a link: not on conventional PCI, not on a root bus. */
  readonly hasLink: boolean;
}

export function fillEndpoint(
  raw: EndpointRaw,
  place: FunctionPlace,
  linkDefault: LabLink,
  vectors: number,
): LabEndpointBase {
  return {
    name: place.name,
    device: place.device,
    function: place.function,
    id: raw.id,
    subsystem: raw.subsystem ?? null,
    revision: raw.revision,
    classCode: raw.class,
    link: place.hasLink ? (raw.link ?? linkDefault) : null,
    trained: raw.trained ?? null,
    acs: raw.acs,
    maxPayloadBytes: raw['max-payload'],
    bars: raw.bars,
    interrupts: raw.interrupts,
    vectors,
    addressBits: raw['address-bits'],
    hasExtendedTags: raw['extended-tags'],
    hasRelaxedOrdering: raw['relaxed-ordering'],
    hasNoSnoop: raw['no-snoop'],
    hasAts: raw.ats,
    hasPri: raw.pri,
    hasFlr: raw.flr,
    sriov: raw['sr-iov'] === undefined ? null : fillSriov(raw['sr-iov'], raw.id),
    timing: fillEndpointTiming(raw.timing),
  };
}

function fillSriov(raw: NonNullable<EndpointRaw['sr-iov']>, functionId: LabId): LabSriov {
  return {
    vfs: raw.vfs,
    total: raw.total ?? Math.max(1, raw.vfs),
    offset: raw.offset,
    stride: raw.stride,
    vfDeviceId: raw.device ?? (functionId.deviceId + 1) & 0xffff,
    bars: raw.bars,
  };
}

export const printLink = (value: LabLink) => `gen${value.generation} x${value.width}`;
export const printId = (value: LabId) => `${hexText(value.vendorId, 4)}:${hexText(value.deviceId, 4)}`;
export const hexText = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
export const flagText = (value: boolean) => (value ? 'yes' : 'no');

/** Every field, whether or not a default says the same; the printer leaves out what it can. */
export function printEndpoint(node: LabEndpointBase): LabBlock {
  return {
    id: printId(node.id),
    ...(node.subsystem === null ? {} : { subsystem: printId(node.subsystem) }),
    revision: hexText(node.revision, 2),
    class: hexText(node.classCode, 6),
    ...(node.link === null ? {} : { link: printLink(node.link) }),
    ...(node.trained === null ? {} : { trained: printLink(node.trained) }),
    acs: printAcs(node.acs),
    'max-payload': String(node.maxPayloadBytes),
    bars: printBars(node.bars),
    interrupts: node.interrupts,
    vectors: String(node.vectors),
    'address-bits': String(node.addressBits),
    'extended-tags': flagText(node.hasExtendedTags),
    'relaxed-ordering': flagText(node.hasRelaxedOrdering),
    'no-snoop': flagText(node.hasNoSnoop),
    ats: flagText(node.hasAts),
    pri: flagText(node.hasPri),
    flr: flagText(node.hasFlr),
    ...(node.sriov === null ? {} : { 'sr-iov': printSriov(node.sriov) }),
    ...printEndpointTiming(node.timing),
  };
}

function printSriov(value: LabSriov): LabBlock {
  return {
    vfs: String(value.vfs),
    total: String(value.total),
    offset: String(value.offset),
    stride: String(value.stride),
    device: hexText(value.vfDeviceId, 4),
    bars: printBars(value.bars),
  };
}

/** A BAR that a kind cannot do without, when the file's list has none at that index or just below it. */
export function withBar(list: readonly LabBar[], needed: LabBar): readonly LabBar[] {
  const isTaken = list.some(
    (each) =>
      each.index === needed.index ||
      (each.is64Bit && each.index === needed.index - 1) ||
      (needed.is64Bit && each.index === needed.index + 1),
  );
  return isTaken ? list : [...list, needed].sort((a, b) => a.index - b.index);
}
