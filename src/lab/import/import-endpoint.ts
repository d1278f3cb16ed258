/** Devices of a machine, for the lab: drives become `nvme`, what lends memory without being one `memory`, the rest plain devices. */
import {
  CAPABILITY_ID,
  DEVICE_CAPABILITIES,
  EXTENDED_ID,
  INTERRUPT_PIN,
  MSI_MESSAGE_CONTROL,
  MSIX_MESSAGE_CONTROL,
  TRANSFER_SIZE_BYTES,
} from '../../spec/index.ts';
import { factsFromConfig, type MachineFunction } from '../../topology/index.ts';
import { withBar } from '../file/endpoint-fields.ts';
import type {
  LabBar,
  LabCmb,
  LabEndpoint,
  LabEndpointBase,
  LabId,
  LabLink,
  LabMemoryDevice,
  LabNvme,
  LabPlainDevice,
  LabSriov,
} from '../file/index.ts';
import { ConfigRegisters } from './config-registers.ts';
import { importAcs } from './import-acs.ts';
import { importBars, importVfBars } from './import-bars.ts';
import { importLink, importTrained } from './import-link.ts';
import type { ImportNames } from './import-names.ts';
import type { ImportNotes } from './notes.ts';

/** What an endpoint is imported with. */
export interface EndpointContext {
  readonly names: ImportNames;
  readonly notes: ImportNotes;
  /** Virtual functions of this one that are there, in the order of their addresses. */
  readonly vfs: readonly MachineFunction[];
  /** Where it stands in the lab. */
  readonly device: number;
  readonly function: number;
  /** Of the port above; null on a root bus and on conventional PCI, where there are no links. */
  readonly portLink: LabLink | null;
  /** On a bus where virtual functions can be: not conventional PCI. */
  readonly isExpress: boolean;
}

const NVME_CLASS = 0x010802;
const DEFAULT_PAYLOAD_BYTES = 512;
const SRIOV_MAX = 256;
const ASSUMED_NAMESPACE_BYTES = 64 * 2 ** 30;
const QUEUES_MAX = 1024;
/** NVMe Base 2.1, 3.1.4: registers and doorbells, as the lab's controllers have them. */
const NVME_REGISTERS: LabBar = {
  index: 0,
  kind: 'memory',
  is64Bit: true,
  isPrefetchable: false,
  sizeBytes: 16384,
  resizableBytes: null,
};
/** Those behind the registers first. */
const CMB_BARS: readonly number[] = [2, 3, 4, 5, 0];
const ANY_BAR: readonly number[] = [0, 1, 2, 3, 4, 5];
/** CMBSZ.SZU. NVMe Base 2.1, 3.1.4.12. */
const CMB_UNITS = [0, 1, 2, 3, 4, 5, 6].map((szu) => 4096 * 16 ** szu);

export function importEndpoint(fn: MachineFunction, context: EndpointContext): LabEndpoint {
  const { names, notes } = context;
  if (fn.classCode === NVME_CLASS) {
    return importNvme(fn, context);
  }
  if (fn.p2pmem != null) {
    const base = importBase(fn, context, names.nameOf(fn, 'mem'));
    const publishedBar = barOf(base.bars, fn.p2pmem.sizeBytes ?? 0, ANY_BAR);
    notes.add('it lends memory and is no NVMe drive; it becomes a plain memory device', fn.bdf);
    return { kind: 'memory', ...base, publishedBar } satisfies LabMemoryDevice;
  }
  const baseClass = (fn.classCode ?? 0xff0000) >>> 16;
  const kind: LabPlainDevice['kind'] = baseClass === 0x02 ? 'nic' : baseClass === 0x03 ? 'gpu' : 'generic';
  return { kind, ...importBase(fn, context, names.nameOf(fn, kind === 'generic' ? 'dev' : kind)) };
}

function importBase(fn: MachineFunction, context: EndpointContext, name: string): LabEndpointBase {
  const { notes, portLink } = context;
  const registers = new ConfigRegisters(fn);
  const express = registers.capability(CAPABILITY_ID.PCI_EXPRESS, DEVICE_CAPABILITIES);
  if (!registers.isKnown) {
    notes.add(
      'config space behind the header was not readable; assumed: MSI-X, 512 bytes of payload, no ATS',
      fn.bdf,
    );
  } else if (portLink !== null && express === undefined) {
    notes.add('a conventional function on a link; in the lab it is a PCI Express one', fn.bdf);
  }
  const link = portLink === null ? null : importLink(fn, notes);
  const hasAts = registers.hasExtended(EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES);
  const interrupts = importInterrupts(registers);
  return {
    name,
    device: context.device,
    function: context.function,
    id: importId(fn, notes),
    subsystem: importSubsystem(fn),
    revision: fn.revision ?? 0,
    classCode: fn.classCode ?? 0xff0000,
    link,
    trained: link === null || portLink === null ? null : importTrained(fn, link, portLink),
    acs: importAcs(fn, false, notes),
    maxPayloadBytes: payloadOf(express),
    bars: importBars(fn, notes),
    ...interrupts,
    addressBits: fn.driver == null ? 64 : Math.min(64, Math.max(24, fn.dmaMaskBits ?? 64)),
    hasExtendedTags:
      express === undefined || DEVICE_CAPABILITIES.Extended_Tag_Field_Supported.of(express) === 1,
    hasRelaxedOrdering: true,
    hasNoSnoop: true,
    hasAts,
    hasPri: hasAts && registers.hasExtended(EXTENDED_ID.PAGE_REQUEST),
    hasFlr: express === undefined || DEVICE_CAPABILITIES.Function_Level_Reset_Capability.of(express) === 1,
    sriov: context.isExpress ? importSriov(fn, context) : null,
    timing: null,
  };
}

export function importId(fn: MachineFunction, notes: ImportNotes): LabId {
  if (fn.vendorId === undefined || fn.deviceId === undefined) {
    notes.add('vendor and device id are not known; assumed: 1b36:0005', fn.bdf);
    return { vendorId: 0x1b36, deviceId: 0x0005 };
  }
  return { vendorId: fn.vendorId, deviceId: fn.deviceId };
}

function importSubsystem(fn: MachineFunction): LabId | null {
  return fn.subsystemVendorId == null || fn.subsystemDeviceId == null
    ? null
    : { vendorId: fn.subsystemVendorId, deviceId: fn.subsystemDeviceId };
}

/** @param deviceCapabilities  undefined: not known, or conventional PCI */
export function payloadOf(deviceCapabilities: number | undefined): number {
  return deviceCapabilities === undefined
    ? DEFAULT_PAYLOAD_BYTES
    : (TRANSFER_SIZE_BYTES[DEVICE_CAPABILITIES.Max_Payload_Size_Supported.of(deviceCapabilities)] ??
        DEFAULT_PAYLOAD_BYTES);
}

function importInterrupts(registers: ConfigRegisters): Pick<LabEndpointBase, 'interrupts' | 'vectors'> {
  const msix = registers.capability(CAPABILITY_ID.MSI_X, MSIX_MESSAGE_CONTROL);
  if (msix !== undefined) {
    return { interrupts: 'msi-x', vectors: MSIX_MESSAGE_CONTROL.Table_Size.of(msix) + 1 };
  }
  const msi = registers.capability(CAPABILITY_ID.MSI, MSI_MESSAGE_CONTROL);
  if (msi !== undefined) {
    const vectors = 2 ** Math.min(5, MSI_MESSAGE_CONTROL.Multiple_Message_Capable.of(msi));
    return { interrupts: 'msi', vectors };
  }
  const pin = registers.header(INTERRUPT_PIN);
  return { interrupts: !registers.isKnown ? 'msi-x' : pin === 0 ? 'none' : 'intx', vectors: 1 };
}

function importSriov(fn: MachineFunction, { vfs, notes }: EndpointContext): LabSriov | null {
  const state = fn.config === undefined ? undefined : factsFromConfig(fn.config, { isWhole: true }).sriov;
  if (state == null && vfs.length === 0) {
    return null;
  }
  const total = Math.min(SRIOV_MAX, Math.max(1, state?.totalVfs ?? vfs.length, vfs.length));
  if (vfs.length > SRIOV_MAX || (state?.totalVfs ?? 0) > SRIOV_MAX) {
    notes.add(`a lab has at most ${SRIOV_MAX} virtual functions of one function`, fn.bdf);
  }
  if (vfs.some((vf) => vf.acs != null)) {
    notes.add('ACS of virtual functions was left out', fn.bdf);
  }
  const distances = vfs.map((vf) => routingDistance(fn, vf)).sort((a, b) => a - b);
  const first = state?.firstVfOffset ?? distances[0] ?? 1;
  const offset = Math.min(SRIOV_MAX, Math.max(1, first));
  const stride = Math.min(SRIOV_MAX, Math.max(1, state?.vfStride ?? (distances[1] ?? first + 1) - first));
  // The addresses of a lab's virtual functions follow from these two; what stands elsewhere cannot be had.
  const strayed = distances.findIndex((distance, index) => distance !== offset + index * stride);
  const enabled = Math.min(total, strayed === -1 ? vfs.length : strayed);
  if (enabled < vfs.length) {
    notes.add('virtual functions that are not at First VF Offset and VF Stride were left out', fn.bdf);
  }
  return {
    vfs: enabled,
    total,
    offset,
    stride,
    vfDeviceId: state?.vfDeviceId ?? vfs[0]?.deviceId ?? ((fn.deviceId ?? 0) + 1) & 0xffff,
    bars: importVfBars(fn, vfs[0], Math.max(1, state?.totalVfs ?? total), notes),
  };
}

function routingDistance(fn: MachineFunction, vf: MachineFunction): number {
  const idOf = ({ bdf }: MachineFunction): number => {
    const [bus, device, number] = bdf
      .slice(-7)
      .split(/[:.]/)
      .map((part) => Number.parseInt(part, 16));
    return bus! * 256 + device! * 8 + number!;
  };
  return idOf(vf) - idOf(fn);
}

function importNvme(fn: MachineFunction, context: EndpointContext): LabNvme {
  const base = importBase(fn, context, context.names.nameOf(fn, 'nvme'));
  const { notes } = context;
  let bars = withBar(base.bars, NVME_REGISTERS);
  const cmb = importCmb(fn, bars, notes);
  if (cmb !== null && !bars.some(({ index }) => index === cmb.bar)) {
    const sizeBytes = 2 ** Math.ceil(Math.log2(cmb.sizeBytes));
    const made: LabBar = { ...NVME_REGISTERS, index: cmb.bar, isPrefetchable: true, sizeBytes };
    bars = withBar(bars, made);
  }
  const disks = fn.classNames.filter(({ subsystem }) => subsystem === 'block').length;
  notes.add(
    'capacity, serial numbers and firmware of drives are not in a reading; assumed: 64 GiB a namespace',
    fn.bdf,
  );
  return {
    kind: 'nvme',
    ...base,
    bars,
    namespaces: Array.from({ length: Math.min(128, Math.max(1, disks)) }, (_, index) => ({
      nsid: index + 1,
      sizeBytes: ASSUMED_NAMESPACE_BYTES,
      blockBytes: 512,
      metadataBytes: 0,
      protection: 0,
      isExtended: false,
      image: null,
      seed: null,
    })),
    cmb,
    pmr: null,
    mdts: 7,
    queues: Math.min(QUEUES_MAX, Math.max(1, base.vectors - 1)),
    queueEntries: 1024,
    serial: `LAB-${base.name}`.slice(0, 20),
    model: modelOf(fn),
    firmware: '1.0',
    version: '1.4',
    hasVolatileWriteCache: false,
    media: null,
  };
}

/** Its registers lie in a BAR that no reading touches; what the kernel lends out tells the size. */
function importCmb(fn: MachineFunction, bars: readonly LabBar[], notes: ImportNotes): LabCmb | null {
  const lent = fn.p2pmem?.sizeBytes;
  if (lent === undefined || lent < 4096) {
    return null;
  }
  const bar = barOf(bars, lent, CMB_BARS) ?? 2;
  notes.add(
    'the CMB is as large as the peer memory that the kernel offers; assumed: at the start of its BAR',
    fn.bdf,
  );
  const unit = CMB_UNITS.find((each) => lent % each === 0 && lent / each < 2 ** 20) ?? CMB_UNITS.at(-1)!;
  return {
    sizeBytes: Math.max(unit, Math.floor(lent / unit) * unit),
    offsetBytes: 0,
    bar,
    isLegacy: false,
    flags: ['SQS', 'LISTS', 'RDS', 'WDS'],
  };
}

/** The first of `indices` that is a memory BAR and can hold so much; null when there is none. */
function barOf(bars: readonly LabBar[], neededBytes: number, indices: readonly number[]): number | null {
  const index = indices.find((each) =>
    bars.some((bar) => bar.index === each && bar.kind === 'memory' && bar.sizeBytes >= neededBytes),
  );
  return index ?? null;
}

/** 40 ASCII characters, as Identify has them. */
function modelOf(fn: MachineFunction): string {
  const name = (fn.deviceName ?? '').replace(/[^\x20-\x7e]/g, '').trim();
  return name === '' ? 'Peerlane NVMe' : name.slice(0, 40).trim();
}
