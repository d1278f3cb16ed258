/** From an endpoint of a lab file to the device model that plays it, and the memory that its bytes live in. */
import {
  type BackingFile,
  type Codec,
  createAccelerator,
  DmaEngine,
  EthernetWire,
  MemoryEndpoint,
  type NamespaceOptions,
  NvmeController,
  type NvmeOptions,
  type NvmeVersion,
  Rnic,
} from '../../devices/index.ts';
import {
  type EndpointModel,
  type ExpressDescription,
  Memory,
  type MsixDescription,
  patternSeed,
  type SriovDescription,
} from '../../fabric/index.ts';
import type {
  LabAccelerator,
  LabBar,
  LabEndpoint,
  LabNvme,
  LabRnic,
  LabSriov,
  LabVmd,
} from '../file/index.ts';
import { mediaTiming } from './timing.ts';
import { acsWord, linkSpeedGTs } from './words.ts';

/** How bytes are kept: as extents, or all of them for real (`--bytes`). */
export type Storage = 'extents' | 'flat';

export interface ModelOptions {
  readonly storage: Storage;
  /** Of the lab. */
  readonly seed: number;
  /** Opens a namespace's image; the name is as the lab file has it. */
  readonly openImage: (name: string, sizeBytes: number) => BackingFile;
  /** What accelerators compress with; null: they offer checksums only. */
  readonly codec: Codec | null;
  /** Devices take time. */
  readonly isTimed: boolean;
  /** Wires between RDMA NICs, by name; grows as they are made. */
  readonly wires: Map<string, EthernetWire>;
  /** Memory of a BAR that somebody outside looks at too, by a name of its own; null or missing: it has its own. */
  readonly shareMemory?: (name: string, sizeBytes: number) => Memory | null;
}

/** MSI-X tables of devices that have no registers of their own lie here. */
const TABLE_OFFSET = 0x2000;
const PENDING_OFFSET = 0x3000;
const TABLE_ROOM = 0x4000;
/** A RAID controller, which is what a VMD calls itself. */
const VMD_CLASS = 0x01_04_00;
const VECTORS_MAX = (PENDING_OFFSET - TABLE_OFFSET) / 16;

/** @param isExpress false on a bus of conventional PCI */
export function modelOf(device: LabEndpoint, isExpress: boolean, options: ModelOptions): EndpointModel {
  const express = isExpress ? expressOf(device) : null;
  switch (device.kind) {
    case 'nvme':
      return new NvmeController(nvmeOptions(device, express, options));
    case 'accelerator':
      return createAccelerator({
        nvme: nvmeOptions(device, express, options),
        codec: device.compute.includes('compress') ? options.codec : null,
        hasChecksum: device.compute.includes('checksum'),
      });
    case 'dma-engine':
      return new DmaEngine(device.name, express, options.storage, { channels: device.channels });
    case 'rnic':
      return rnicModel(device, express, options);
    default:
      return plainModel(device, express, options);
  }
}

function rnicModel(device: LabRnic, express: ExpressDescription | null, options: ModelOptions): Rnic {
  const { name, address, wire } = device;
  // Locally administered, for one station.
  const mac = device.mac ?? { high: 0x0200, low: nameSeed(0, name) };
  const { vendorId, deviceId } = device.id;
  const rnic = new Rnic({ name, express, mac, gid: address, vendorId, deviceId });
  if (wire !== null) {
    let found = options.wires.get(wire);
    if (found === undefined) {
      found = new EthernetWire();
      options.wires.set(wire, found);
    }
    rnic.plug(found, {
      bitsPerSecond: device.bitsPerSecond,
      delayPs: device.delayPs,
      lossRate: device.lossRate,
      seed: nameSeed(options.seed, `${name}/wire`),
    });
  }
  return rnic;
}

function expressOf(device: LabEndpoint): ExpressDescription {
  const link = device.link ?? { generation: 1, width: 1 };
  return {
    maxPayloadBytes: device.maxPayloadBytes,
    canExtendTags: device.hasExtendedTags,
    canResetFunction: device.hasFlr,
    hasAer: true,
    hasAts: device.hasAts,
    hasPri: device.hasPri,
    acs: device.acs === null ? null : acsWord(device.acs.capability),
    linkSpeedGTs: linkSpeedGTs(link),
    linkWidth: link.width,
  };
}

/** What every drive of a lab has in common with the lab file's own words. */
export function nvmeOptions(
  device: LabNvme | LabAccelerator,
  express: ExpressDescription | null,
  options: ModelOptions,
): NvmeOptions {
  const { storage } = options;
  const has = new Set<string>(device.cmb?.flags ?? []);
  return {
    name: device.name,
    serial: device.serial,
    model: device.model,
    firmware: device.firmware,
    vendorId: device.id.vendorId,
    deviceId: device.id.deviceId,
    subsystemVendorId: device.subsystem?.vendorId ?? device.id.vendorId,
    subsystemDeviceId: device.subsystem?.deviceId ?? 0,
    version: device.version as NvmeVersion,
    namespaces: device.namespaces.map((namespace): NamespaceOptions => {
      const blockBytes = namespace.blockBytes + (namespace.isExtended ? namespace.metadataBytes : 0);
      const sizeBlocks = Math.floor(namespace.sizeBytes / namespace.blockBytes);
      const seed = namespace.seed ?? nameSeed(options.seed, `${device.serial}/${namespace.nsid}`);
      return {
        nsid: namespace.nsid,
        sizeBlocks,
        blockBytes: namespace.blockBytes,
        metadataBytes: namespace.metadataBytes,
        isExtended: namespace.isExtended,
        piType: namespace.protection as 0 | 1 | 2 | 3,
        ...(namespace.image === null
          ? { backing: Memory.extents(sizeBlocks * blockBytes, { seed, position: 0 }) }
          : { backing: options.openImage(namespace.image, sizeBlocks * blockBytes) }),
      };
    }),
    ...(device.cmb === null
      ? {}
      : {
          cmb: {
            sizeBytes: device.cmb.sizeBytes,
            bar: device.cmb.bar,
            offsetBytes: device.cmb.offsetBytes,
            barBytes: device.bars.find(({ index }) => index === device.cmb!.bar)!.sizeBytes,
            isLegacy: device.cmb.isLegacy,
            supports: {
              submissionQueues: has.has('SQS'),
              completionQueues: has.has('CQS'),
              lists: has.has('LISTS'),
              readData: has.has('RDS'),
              writeData: has.has('WDS'),
            },
            memory: barMemory(`${device.name}-cmb`, device.cmb.sizeBytes, options),
          },
        }),
    ...(device.pmr === null
      ? {}
      : {
          pmr: {
            sizeBytes: device.pmr.sizeBytes,
            bar: device.pmr.bar,
            memory: barMemory(`${device.name}-pmr`, device.pmr.sizeBytes, options),
          },
        }),
    ...(options.isTimed ? { timing: mediaTiming(device) } : {}),
    mdts: device.mdts,
    queueCount: device.queues,
    queueEntriesMax: device.queueEntries,
    vectorCount: device.interrupts === 'msi-x' ? device.vectors : 0,
    msiVectorCount: device.interrupts === 'msi' ? messageCount(device.vectors) : 0,
    volatileWriteCache: device.hasVolatileWriteCache,
    seed: nameSeed(options.seed, device.serial),
    express,
    revision: device.revision,
    sriov: device.sriov === null ? null : sriovOf(device, device.sriov, express, storage),
  };
}

function barMemory(name: string, sizeBytes: number, options: ModelOptions): Memory {
  return (
    options.shareMemory?.(name, sizeBytes) ??
    (options.storage === 'flat' ? Memory.flat(sizeBytes) : Memory.extents(sizeBytes))
  );
}

/** A seed for a named part of a lab, the same in every run. */
export function nameSeed(seed: number, name: string): number {
  let mixed = seed >>> 0;
  for (let i = 0; i < name.length; i++) {
    mixed = patternSeed(mixed, name.charCodeAt(i));
  }
  return mixed;
}

function plainModel(
  device: LabEndpoint,
  express: ExpressDescription | null,
  options: ModelOptions,
): MemoryEndpoint {
  const { storage, shareMemory } = options;
  const msix = device.interrupts === 'msi-x' ? tablePlace(device.bars, device.vectors) : null;
  const wantsMsi = device.interrupts === 'msi' || (device.interrupts === 'msi-x' && msix === null);
  return new MemoryEndpoint({
    name: device.name,
    vendorId: device.id.vendorId,
    deviceId: device.id.deviceId,
    subsystemVendorId: device.subsystem?.vendorId ?? device.id.vendorId,
    subsystemDeviceId: device.subsystem?.deviceId ?? 0,
    revision: device.revision,
    classCode: device.classCode,
    bars: device.bars.map(barOptions),
    express,
    msix,
    msiVectorCount: wantsMsi ? messageCount(device.vectors) : 0,
    interruptPin: device.interrupts === 'none' ? 0 : 1,
    sriov: device.sriov === null ? null : sriovOf(device, device.sriov, express, storage),
    isPersistent: device.kind === 'memory',
    storage,
    ...(shareMemory === undefined
      ? {}
      : { shareMemory: (bar, sizeBytes) => shareMemory(`${device.name}-bar${bar}`, sizeBytes) }),
  });
}

/** Messages that MSI can have of the vectors that are wanted: a power of two, 32 at most. PCIe Base 6.0, 7.7.1.2. */
function messageCount(vectors: number): number {
  return 2 ** Math.floor(Math.log2(Math.min(32, Math.max(1, vectors))));
}

function barOptions(bar: LabBar) {
  return {
    index: bar.index,
    kind: bar.kind,
    sizeBytes: bar.sizeBytes,
    is64Bit: bar.is64Bit,
    isPrefetchable: bar.isPrefetchable,
    ...(bar.resizableBytes === null ? {} : { resizableTo: bar.resizableBytes }),
  };
}

/**
 * The endpoint of a VMD: config space and its register BAR. The domain behind it has address windows of its own instead of
 * ranges of the VMD's memory BARs.
 */
export function vmdModel(vmd: LabVmd, storage: Storage): EndpointModel {
  return new MemoryEndpoint({
    name: vmd.name,
    vendorId: vmd.id.vendorId,
    deviceId: vmd.id.deviceId,
    subsystemVendorId: vmd.id.vendorId,
    subsystemDeviceId: 0,
    revision: 0,
    classCode: VMD_CLASS,
    bars: [{ index: 0, kind: 'memory', sizeBytes: 2 ** 25, is64Bit: true, isPrefetchable: false }],
    express: {
      maxPayloadBytes: vmd.maxPayloadBytes,
      canExtendTags: true,
      canResetFunction: false,
      hasAer: false,
      hasAts: false,
      hasPri: false,
      acs: vmd.acs === null ? null : acsWord(vmd.acs.capability),
      linkSpeedGTs: 2.5,
      linkWidth: 1,
    },
    msix: null,
    msiVectorCount: 0,
    interruptPin: 0,
    sriov: null,
    isPersistent: false,
    storage,
  });
}

/** In the smallest memory BAR that has room and is no peer memory of interest (prefetchable). */
function tablePlace(bars: readonly LabBar[], vectors: number): MsixDescription | null {
  const rooms = bars
    .filter((bar) => bar.kind === 'memory' && !bar.isPrefetchable && bar.sizeBytes >= TABLE_ROOM)
    .sort((a, b) => a.sizeBytes - b.sizeBytes);
  const bar = rooms[0];
  return bar === undefined
    ? null
    : {
        vectorCount: Math.min(Math.max(1, vectors), VECTORS_MAX),
        tableBar: bar.index,
        tableOffsetBytes: TABLE_OFFSET,
        pendingBar: bar.index,
        pendingOffsetBytes: PENDING_OFFSET,
      };
}

function sriovOf(
  device: LabEndpoint,
  sriov: LabSriov,
  express: ExpressDescription | null,
  storage: Storage,
): SriovDescription {
  const vf = (index: number): MemoryEndpoint =>
    new MemoryEndpoint({
      name: `${device.name}vf${index}`,
      vendorId: device.id.vendorId,
      deviceId: sriov.vfDeviceId,
      subsystemVendorId: device.subsystem?.vendorId ?? device.id.vendorId,
      subsystemDeviceId: device.subsystem?.deviceId ?? 0,
      revision: device.revision,
      classCode: device.classCode,
      bars: sriov.bars.map(barOptions),
      express,
      msix: null,
      msiVectorCount: 0,
      interruptPin: 0,
      sriov: null,
      isPersistent: false,
      storage,
    });
  return {
    totalVfs: sriov.total,
    firstVfOffset: sriov.offset,
    vfStride: sriov.stride,
    vfDeviceId: sriov.vfDeviceId,
    bars: vf(0).description.bars,
    createVf: vf,
  };
}
