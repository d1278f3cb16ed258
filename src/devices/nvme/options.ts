/**
 * What a controller is made of: identity, limits, namespaces, controller memory.
 *
 * Everything has a default but nothing is guessed later: `resolveOptions` fills in what is missing and refuses what no
 * drive could be. Sizes are bytes. Leaves out faults (`fault-plan.ts`).
 */
import { PeerlaneError } from '../../base/index.ts';
import type { ExpressDescription, Memory, SriovDescription } from '../../fabric/index.ts';
import { COPY_FORMATS } from '../../spec/nvme/index.ts';
import type { Backing } from './media/backing.ts';
import type { MediaTimingOptions } from './timing/index.ts';

/** A device that cannot be made as described. Code DEVICE_OPTIONS. */
export class DeviceError extends PeerlaneError {}

export type NvmeVersion = '1.3' | '1.4' | '2.0' | '2.1';

/** One namespace as it comes from the factory. */
export interface NamespaceOptions {
  /** Default: the next free one from 1 on. */
  readonly nsid?: number;
  readonly sizeBlocks: number;
  /** A power of two, 512 to 65536; default 512. */
  readonly blockBytes?: number;
  /** Metadata of a block; default 0. */
  readonly metadataBytes?: number;
  /** Metadata behind the data of each block instead of a buffer of its own. */
  readonly isExtended?: boolean;
  /** Protection information: 0 is none. */
  readonly piType?: 0 | 1 | 2 | 3;
  /** Protection information in the first bytes of the metadata. */
  readonly isPiFirst?: boolean;
  /** Guard of 16, 32 or 64 bits. */
  readonly guardBits?: 16 | 32 | 64;
  readonly storageTagBits?: number;
  /** 16 bytes as 32 hexadecimal digits, dashes allowed; default: made from the seed. */
  readonly uuid?: string;
  readonly nguid?: string;
  /** 8 bytes as 16 hexadecimal digits. */
  readonly eui64?: string;
  /** Several controllers of the subsystem may use it at once. */
  readonly isShared?: boolean;
  readonly isWriteProtected?: boolean;
  /** Blocks are given back when deallocated and read as zeroes; default true. */
  readonly isThin?: boolean;
  /** Its blocks; at least `sizeBlocks * blockBytes` bytes. Default: extents, a pattern from the seed. */
  readonly backing?: Backing;
  /** Whether a default backing starts with a pattern (true, default) or zeroes. */
  readonly isPatterned?: boolean;
  /** Limits of Copy: blocks of one range, blocks of one command, ranges. */
  readonly copy?: {
    readonly rangeBlocksMax?: number;
    readonly totalBlocksMax?: number;
    readonly rangesMax?: number;
  };
}

export interface CmbOptions {
  readonly sizeBytes: number;
  /** 0, 2, 3, 4 or 5; default 2. On BAR 0 an offset behind the doorbells is needed. */
  readonly bar?: number;
  /** From the start of the BAR; a multiple of the unit. Default 0. */
  readonly offsetBytes?: number;
  /** Size of the BAR, a power of two; default: the smallest that holds it. */
  readonly barBytes?: number;
  /** As before revision 1.4: registers are there from reset and the BAR address is the CMB's. */
  readonly isLegacy?: boolean;
  /** Default: all but CQS, as drives that are sold. */
  readonly supports?: Partial<CmbSupport>;
  /** Permissions to mix CMB and host memory (CMBLOC bits 8:3); default all. */
  readonly mayMix?: boolean;
  readonly elasticityBytes?: number;
  readonly writeBytesPerSecond?: number;
  /** Its bytes; default flat up to 1 MiB, extents above. */
  readonly memory?: Memory;
}

export interface CmbSupport {
  readonly submissionQueues: boolean;
  readonly completionQueues: boolean;
  readonly lists: boolean;
  /** RDS: data that the controller sends. */
  readonly readData: boolean;
  /** WDS: data that the controller takes. */
  readonly writeData: boolean;
}

export interface PmrOptions {
  /** A power of two: the PMR is a whole BAR. */
  readonly sizeBytes: number;
  /** 2 to 5; default 4. */
  readonly bar?: number;
  readonly memory?: Memory;
}

export interface NvmeOptions {
  /** For people; default `nvme0`. */
  readonly name?: string;
  readonly serial?: string;
  readonly model?: string;
  /** Up to 8 characters. */
  readonly firmware?: string;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemDeviceId?: number;
  /** 24 bits as in an EUI-64. */
  readonly oui?: number;
  readonly version?: NvmeVersion;
  readonly namespaces?: readonly NamespaceOptions[];
  /** Capacity for Namespace Management; default: what the namespaces take, or more when given. */
  readonly capacityBytes?: number;
  readonly namespaceCountMax?: number;
  readonly cmb?: CmbOptions;
  readonly pmr?: PmrOptions;
  /** Largest transfer: 4096 << mdts bytes; 0 for no limit. Default 7. */
  readonly mdts?: number;
  /** I/O queue pairs; default 64. */
  readonly queueCount?: number;
  /** Entries of a queue, 2 to 65536; default 2048. */
  readonly queueEntriesMax?: number;
  /** MSI-X vectors; default queueCount + 1. 0: no MSI-X. */
  readonly vectorCount?: number;
  /** MSI vectors, a power of two up to 32; default 0. */
  readonly msiVectorCount?: number;
  readonly volatileWriteCache?: boolean;
  /** A loss of power may undo writes that were not flushed; costs a copy of every block that is written. Default false. */
  readonly losesUnflushedWrites?: boolean;
  /** SGLs; default true. */
  readonly hasSgl?: boolean;
  /** Distance of doorbells: 4 << doorbellStride bytes. */
  readonly doorbellStride?: number;
  /** Commands in work at once; default 1024. */
  readonly commandSlots?: number;
  /** Host memory buffer that the drive would like to have (HMPRE); default 0: none. */
  readonly hostMemoryBytes?: number;
  /** Identifiers and patterns come from it alone. */
  readonly seed?: number;
  readonly linkSpeedGTs?: number;
  readonly linkWidth?: number;
  readonly maxPayloadBytes?: number;
  /** Instead of the three above and the usual rest; null for a controller on conventional PCI. */
  readonly express?: ExpressDescription | null;
  /** Revision ID; default 1. */
  readonly revision?: number;
  /** Virtual functions: config space and BARs, with no controller behind them. Default none. */
  readonly sriov?: SriovDescription | null;
  /** What media and controller cost in a timed machine; default nothing. */
  readonly timing?: MediaTimingOptions | null;
}

/** What NvmeOptions says, with nothing missing. */
export interface ResolvedOptions {
  readonly name: string;
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  readonly oui: number;
  readonly version: NvmeVersion;
  readonly namespaces: readonly NamespaceOptions[];
  readonly capacityBytes: number;
  readonly namespaceCountMax: number;
  readonly cmb: ResolvedCmb | null;
  readonly pmr: ResolvedPmr | null;
  readonly mdts: number;
  readonly queueCount: number;
  readonly queueEntriesMax: number;
  readonly vectorCount: number;
  readonly msiVectorCount: number;
  readonly volatileWriteCache: boolean;
  readonly losesUnflushedWrites: boolean;
  readonly hasSgl: boolean;
  readonly doorbellStride: number;
  readonly commandSlots: number;
  readonly hostMemoryBytes: number;
  readonly seed: number;
  readonly linkSpeedGTs: number;
  readonly linkWidth: number;
  readonly maxPayloadBytes: number;
  readonly express: ExpressDescription | null | undefined;
  readonly revision: number;
  readonly sriov: SriovDescription | null;
  readonly timing: MediaTimingOptions | null;
  /** OCFS: bit n for Copy descriptor format n. */
  readonly copyFormats: number;
}

export interface ResolvedCmb {
  readonly sizeBytes: number;
  readonly bar: number;
  readonly offsetBytes: number;
  readonly barBytes: number;
  readonly isLegacy: boolean;
  readonly supports: CmbSupport;
  readonly mayMix: boolean;
  readonly elasticityBytes: number;
  readonly writeBytesPerSecond: number;
  readonly memory: Memory | null;
  /** CMBSZ.SZU. */
  readonly unit: number;
}

export interface ResolvedPmr {
  readonly sizeBytes: number;
  readonly bar: number;
  readonly memory: Memory | null;
}

/** VS: major << 16 | minor << 8. */
export const VERSION_VALUE: Readonly<Record<NvmeVersion, number>> = {
  '1.3': 0x0001_0300,
  '1.4': 0x0001_0400,
  '2.0': 0x0002_0000,
  '2.1': 0x0002_0100,
};

/**
 * Fills in what is missing.
 * @throws {DeviceError} DEVICE_OPTIONS when no drive could be so
 */
export function resolveOptions(options: NvmeOptions): ResolvedOptions {
  const queueCount = whole('queueCount', options.queueCount ?? 64, 1, 65_534);
  const namespaces = options.namespaces ?? [{ sizeBlocks: 2 ** 21 }];
  let bytes = 0;
  for (const namespace of namespaces) {
    checkNamespace(namespace);
    bytes +=
      namespace.sizeBlocks *
      ((namespace.blockBytes ?? 512) + (namespace.isExtended === true ? (namespace.metadataBytes ?? 0) : 0));
  }
  const doorbellStride = whole('doorbellStride', options.doorbellStride ?? 0, 0, 15);
  return {
    name: options.name ?? 'nvme0',
    serial: text('serial', options.serial ?? 'PL00000001', 20),
    model: text('model', options.model ?? 'Peerlane NVMe', 40),
    firmware: text('firmware', options.firmware ?? '1.0', 8),
    vendorId: whole('vendorId', options.vendorId ?? 0x1de5, 0, 0xffff),
    deviceId: whole('deviceId', options.deviceId ?? 0x4000, 0, 0xffff),
    subsystemVendorId: whole(
      'subsystemVendorId',
      options.subsystemVendorId ?? options.vendorId ?? 0x1de5,
      0,
      0xffff,
    ),
    subsystemDeviceId: whole('subsystemDeviceId', options.subsystemDeviceId ?? 0, 0, 0xffff),
    oui: whole('oui', options.oui ?? 0x02_504c, 0, 0xff_ffff),
    version: options.version ?? '2.0',
    namespaces,
    capacityBytes: Math.max(bytes, whole('capacityBytes', options.capacityBytes ?? bytes, 0, 2 ** 52)),
    namespaceCountMax: whole('namespaceCountMax', options.namespaceCountMax ?? 128, namespaces.length, 1024),
    cmb: options.cmb === undefined ? null : resolveCmb(options.cmb, queueCount, doorbellStride),
    pmr: options.pmr === undefined ? null : resolvePmr(options.pmr),
    mdts: whole('mdts', options.mdts ?? 7, 0, 20),
    queueCount,
    queueEntriesMax: whole('queueEntriesMax', options.queueEntriesMax ?? 2048, 2, 65_536),
    vectorCount: whole('vectorCount', options.vectorCount ?? Math.min(queueCount + 1, 2048), 0, 2048),
    msiVectorCount: powerOrNone('msiVectorCount', options.msiVectorCount ?? 0, 32),
    volatileWriteCache: options.volatileWriteCache ?? true,
    losesUnflushedWrites: options.losesUnflushedWrites ?? false,
    hasSgl: options.hasSgl ?? true,
    doorbellStride,
    commandSlots: whole('commandSlots', options.commandSlots ?? 1024, 32, 65_536),
    hostMemoryBytes: whole('hostMemoryBytes', options.hostMemoryBytes ?? 0, 0, 2 ** 40),
    seed: options.seed ?? 1,
    linkSpeedGTs: options.linkSpeedGTs ?? 16,
    linkWidth: options.linkWidth ?? 4,
    maxPayloadBytes: options.maxPayloadBytes ?? 512,
    express: options.express,
    revision: whole('revision', options.revision ?? 1, 0, 0xff),
    sriov: options.sriov ?? null,
    timing: options.timing ?? null,
    copyFormats: (1 << COPY_FORMATS.length) - 1,
  };
}

function checkNamespace(namespace: NamespaceOptions): void {
  whole('sizeBlocks', namespace.sizeBlocks, 1, 2 ** 52);
  const blockBytes = namespace.blockBytes ?? 512;
  if (powerOrNone('blockBytes', blockBytes, 65_536) < 512) {
    refuse('blockBytes', blockBytes, 'a power of two from 512 to 65536');
  }
  whole('metadataBytes', namespace.metadataBytes ?? 0, 0, 4096);
  if (namespace.backing !== undefined && namespace.backing.sizeBytes < namespace.sizeBlocks * blockBytes) {
    refuse('backing', `${namespace.backing.sizeBytes} bytes`, `${namespace.sizeBlocks * blockBytes} or more`);
  }
  if (namespace.nsid !== undefined) {
    whole('nsid', namespace.nsid, 1, 1024);
  }
  const piBytes = (namespace.guardBits ?? 16) === 16 ? 8 : 16;
  if ((namespace.piType ?? 0) !== 0 && (namespace.metadataBytes ?? 0) < piBytes) {
    refuse('piType', namespace.piType, `${piBytes} or more bytes of metadata`);
  }
}

function resolveCmb(cmb: CmbOptions, queueCount: number, doorbellStride: number): ResolvedCmb {
  const sizeBytes = whole('cmb.sizeBytes', cmb.sizeBytes, 4096, 2 ** 46);
  const bar = cmb.bar ?? 2;
  if (![0, 2, 3, 4, 5].includes(bar)) {
    refuse('cmb.bar', bar, '0, 2, 3, 4 or 5');
  }
  const offsetBytes = whole('cmb.offsetBytes', cmb.offsetBytes ?? 0, 0, 2 ** 46);
  // The largest unit that both divide by; SZ and OFST have 20 bits each.
  let unit = 6;
  while (unit > 0 && (sizeBytes % cmbUnit(unit) !== 0 || offsetBytes % cmbUnit(unit) !== 0)) {
    unit--;
  }
  const isExact = sizeBytes % cmbUnit(unit) === 0 && offsetBytes % cmbUnit(unit) === 0;
  if (!isExact || sizeBytes / cmbUnit(unit) >= 2 ** 20 || offsetBytes / cmbUnit(unit) >= 2 ** 20) {
    refuse('cmb.sizeBytes', sizeBytes, 'sizes and offsets that CMBSZ and CMBLOC can say');
  }
  if (bar === 0 && offsetBytes < registerBytes(queueCount, doorbellStride)) {
    refuse('cmb.offsetBytes', offsetBytes, 'an offset behind the doorbells on BAR 0');
  }
  const barBytes = cmb.barBytes ?? 2 ** Math.ceil(Math.log2(offsetBytes + sizeBytes));
  return {
    sizeBytes,
    bar,
    offsetBytes,
    barBytes: powerOrNone('cmb.barBytes', barBytes, 2 ** 47),
    isLegacy: cmb.isLegacy ?? false,
    supports: {
      submissionQueues: cmb.supports?.submissionQueues ?? true,
      completionQueues: cmb.supports?.completionQueues ?? false,
      lists: cmb.supports?.lists ?? true,
      readData: cmb.supports?.readData ?? true,
      writeData: cmb.supports?.writeData ?? true,
    },
    mayMix: cmb.mayMix ?? true,
    elasticityBytes: cmb.elasticityBytes ?? 0,
    writeBytesPerSecond: cmb.writeBytesPerSecond ?? 0,
    memory: cmb.memory ?? null,
    unit,
  };
}

function resolvePmr(pmr: PmrOptions): ResolvedPmr {
  const sizeBytes = powerOrNone('pmr.sizeBytes', pmr.sizeBytes, 2 ** 46);
  const bar = whole('pmr.bar', pmr.bar ?? 4, 2, 5);
  if (sizeBytes < 4096) {
    refuse('pmr.sizeBytes', sizeBytes, '4096 or more');
  }
  return { sizeBytes, bar, memory: pmr.memory ?? null };
}

function cmbUnit(unit: number): number {
  return 4096 * 16 ** unit;
}

/** Bytes of BAR 0 that properties and doorbells take. */
export function registerBytes(queueCount: number, doorbellStride: number): number {
  return 0x1000 + 2 * (queueCount + 1) * (4 << doorbellStride);
}

function whole(name: string, value: number, min: number, max: number): number {
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    refuse(name, value, `a whole number from ${min} to ${max}`);
  }
  return value;
}

function powerOrNone(name: string, value: number, max: number): number {
  const isPower = Number.isInteger(value) && value > 0 && value <= max && Number.isInteger(Math.log2(value));
  if (!isPower && value !== 0) {
    refuse(name, value, `a power of two up to ${max}`);
  }
  return value;
}

function text(name: string, value: string, lengthMax: number): string {
  if (!(value.length <= lengthMax && /^[\x20-\x7e]*$/.test(value))) {
    refuse(name, value, `up to ${lengthMax} printable ASCII characters`);
  }
  return value;
}

function refuse(name: string, value: unknown, wanted: string): never {
  throw new DeviceError('DEVICE_OPTIONS', {
    message: `NVMe option ${name} is ${String(value)}, not ${wanted}`,
    detail: { option: name, value, wanted },
    hint: 'see docs/lab-file.md for the options of a drive',
  });
}
