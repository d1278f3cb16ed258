/** The tree of a lab: bridges and devices. Children are in `below`, in order of their address. */
import type { LabBar, LabEndpointBase, LabFunctionBase, LabLink, LabLinkEnd } from './lab-function.ts';
import type { LabMedia, LabPortTiming } from './lab-time.ts';

/** On the root bus of a host bridge. Endpoints there are integrated (RCiEP). */
export type LabRootBusNode = LabRootPort | LabEndpoint | LabVmd;
/** On the bus below a port: one device, of one or more functions. */
export type LabSlotNode = LabSwitch | LabPciBridge | LabEndpoint;

/** A root port or a switch's downstream port. */
export interface LabPortBase extends LabFunctionBase, LabLinkEnd {
  /** Port Number of Link Capabilities; the egress control vector counts by it. */
  readonly port: number;
  /** Physical Slot Number; null when no slot is implemented. */
  readonly slot: number | null;
  readonly isHotPlug: boolean;
  /** Null: nothing is said. */
  readonly timing: LabPortTiming | null;
  /** Empty: nothing is plugged in. */
  readonly below: readonly LabSlotNode[];
}

export interface LabRootPort extends LabPortBase {
  readonly kind: 'root-port';
}

export interface LabDownstreamPort extends LabPortBase {
  readonly kind: 'port';
}

/** A switch, named by its upstream port, which the fields describe. */
export interface LabSwitch extends LabFunctionBase, LabLinkEnd {
  readonly kind: 'switch';
  readonly trained: LabLink | null;
  /** Of its ports that do not say otherwise, too; null: nothing is said. */
  readonly timing: LabPortTiming | null;
  readonly below: readonly LabDownstreamPort[];
}

/** PCI Express to conventional PCI. */
export interface LabPciBridge extends LabFunctionBase, LabLinkEnd {
  readonly kind: 'pci-bridge';
  readonly trained: LabLink | null;
  /** Conventional PCI functions. */
  readonly below: readonly LabEndpoint[];
}

/** Intel Volume Management Device: an integrated endpoint whose root ports are a domain of their own. */
export interface LabVmd extends LabFunctionBase {
  readonly kind: 'vmd';
  readonly name: string;
  readonly domain: number;
  /** MEMBAR1, for 32-bit windows below it. */
  readonly window32Bytes: number;
  /** MEMBAR2. */
  readonly window64Bytes: number;
  readonly below: readonly LabRootPort[];
}

export interface LabNamespace {
  readonly nsid: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly metadataBytes: number;
  /** Protection information type; 0 is none. */
  readonly protection: number;
  /** Metadata lies behind each block, not in a buffer of its own. */
  readonly isExtended: boolean;
  /** First content: a file, as the lab file names it. Null: the pattern of `seed`. */
  readonly image: string | null;
  /** Null: from the lab's seed and the names. */
  readonly seed: number | null;
}

export const CMB_FLAGS = ['SQS', 'CQS', 'LISTS', 'RDS', 'WDS'] as const;

/** Controller Memory Buffer. NVMe Base 2.1, 3.1.4.11 and on. */
export interface LabCmb {
  readonly sizeBytes: number;
  readonly offsetBytes: number;
  readonly bar: number;
  /** CMBSZ and CMBLOC tell it from reset on, as before NVMe 1.4. */
  readonly isLegacy: boolean;
  readonly flags: readonly (typeof CMB_FLAGS)[number][];
}

/** Persistent Memory Region. */
export interface LabPmr {
  readonly sizeBytes: number;
  readonly bar: number;
  readonly flags: readonly ('RDS' | 'WDS')[];
}

/** What every NVMe controller has. */
export interface LabNvmeBase extends LabEndpointBase {
  readonly namespaces: readonly LabNamespace[];
  readonly cmb: LabCmb | null;
  readonly pmr: LabPmr | null;
  /** Of the specification: 2^mdts times 4 KiB; 0 is no limit. */
  readonly mdts: number;
  /** I/O queue pairs. */
  readonly queues: number;
  /** Entries of a queue: CAP.MQES + 1. */
  readonly queueEntries: number;
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  /** `1.4`: NVMe version. */
  readonly version: string;
  readonly hasVolatileWriteCache: boolean;
  /** Null: by the generation of its link. */
  readonly media: LabMedia | null;
}

export interface LabNvme extends LabNvmeBase {
  readonly kind: 'nvme';
}

export const COMPUTE_FUNCTIONS = ['compress', 'checksum'] as const;

/** NVMe whose compute namespace works on its CMB. */
export interface LabAccelerator extends LabNvmeBase {
  readonly kind: 'accelerator';
  readonly compute: readonly (typeof COMPUTE_FUNCTIONS)[number][];
}

/** BARs and nothing else. */
export interface LabMemoryDevice extends LabEndpointBase {
  readonly kind: 'memory';
  /** BAR that its driver publishes as peer memory; null for none. */
  readonly publishedBar: number | null;
}

export interface LabDmaEngine extends LabEndpointBase {
  readonly kind: 'dma-engine';
  readonly channels: number;
}

/** An RDMA NIC, with one port on a wire. */
export interface LabRnic extends LabEndpointBase {
  readonly kind: 'rnic';
  /** As a GID, most significant dword first; an IPv4 address is ::ffff:a.b.c.d. */
  readonly address: readonly [number, number, number, number];
  /** Null: made from its name. */
  readonly mac: { readonly high: number; readonly low: number } | null;
  /** Two NICs that name the same wire are joined by it; null: nothing is plugged in. */
  readonly wire: string | null;
  /** Of what it sends. */
  readonly bitsPerSecond: number;
  readonly delayPs: number;
  readonly lossRate: number;
}

/** Config space and BARs, so far. */
export interface LabPlainDevice extends LabEndpointBase {
  readonly kind: 'nic' | 'gpu' | 'generic';
}

export type LabEndpoint =
  | LabNvme
  | LabAccelerator
  | LabMemoryDevice
  | LabDmaEngine
  | LabRnic
  | LabPlainDevice;
export type LabBridge = LabRootPort | LabDownstreamPort | LabSwitch | LabPciBridge | LabVmd;
export type LabNode = LabBridge | LabEndpoint;
export type LabKind = LabNode['kind'];

/** Length of a BAR that a list has; 0 when it has none. */
export function barSizeBytes(bars: readonly LabBar[], index: number): number {
  return bars.find((bar) => bar.index === index)?.sizeBytes ?? 0;
}
