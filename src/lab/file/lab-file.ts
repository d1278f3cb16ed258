/**
 * What a lab file says of the machine as a whole, with every default filled in. Names are those of the hardware; `null` is
 * "the machine has none". The devices are in `lab-function.ts` and `lab-device.ts`.
 */
import type { LabRootBusNode } from './lab-device.ts';
import type { LabFault } from './lab-fault.ts';
import type { LabTime } from './lab-time.ts';
import type { LabWorkload } from './lab-workload.ts';

export interface LabFile {
  /** Of the format: `peerlane: lab/1`. */
  readonly version: 1;
  /** For people. */
  readonly title: string | null;
  /** Contents of drives and everything else that is random come from it. */
  readonly seed: number;
  readonly kernel: LabKernel;
  readonly cpu: LabCpu;
  readonly iommu: LabIommu;
  /** Firmware switches end-to-end checksums on in every function that has them. */
  readonly firmwareEcrc: boolean;
  /** Index is the NUMA node; at least one. */
  readonly memory: readonly LabMemory[];
  readonly hostBridges: readonly LabHostBridge[];
  readonly iopmem: readonly LabIopmem[];
  /** What things cost, where the lab is run in time. */
  readonly time: LabTime;
  /** What goes wrong on purpose, in the order in which rules are asked. */
  readonly faults: readonly LabFault[];
  /** What to run; null: nothing is said. */
  readonly workload: LabWorkload | null;
}

export interface LabKernel {
  /** As `uname -r` prints it. */
  readonly release: string;
  readonly commandLine: string;
  /** Options of the build, `CONFIG_PCI_P2PDMA: y`. */
  readonly config: Readonly<Record<string, string>>;
  /** By `module.parameter`. */
  readonly moduleParameters: Readonly<Record<string, string>>;
}

export const CPU_VENDORS = ['intel', 'amd', 'hygon', 'zhaoxin', 'arm', 'ibm'] as const;
export type LabCpuVendor = (typeof CPU_VENDORS)[number];
export const ARCHITECTURES = ['x86', 'arm64', 'ppc64', 'riscv64'] as const;

export interface LabCpu {
  readonly vendor: LabCpuVendor;
  /** Null where the architecture has no such number. */
  readonly family: number | null;
  readonly model: number | null;
  readonly name: string;
  readonly sockets: number;
  readonly architecture: (typeof ARCHITECTURES)[number];
}

export const IOMMU_MODES = ['off', 'passthrough', 'translated'] as const;
export const IOMMU_VENDORS = ['intel', 'amd', 'arm-smmu'] as const;

export interface LabIommu {
  readonly mode: (typeof IOMMU_MODES)[number];
  readonly vendor: (typeof IOMMU_VENDORS)[number];
  readonly pageBytes: number;
  /** Answers translation requests of devices, and believes what they send translated. */
  readonly hasAts: boolean;
}

/** System memory of one NUMA node. */
export interface LabMemory {
  readonly sizeBytes: number;
}

/** What a host bridge does with a request from one of its root ports to another: all, posted writes only, nothing. */
export const PEER_POLICIES = ['routes', 'writes-only', 'none'] as const;
export type LabPeerPolicy = (typeof PEER_POLICIES)[number];

/** Vendor and device id. */
export interface LabId {
  readonly vendorId: number;
  readonly deviceId: number;
}

export interface LabHostBridge {
  readonly name: string | null;
  readonly domain: number;
  readonly rootBus: number;
  readonly numaNode: number;
  /** The function 00.0 that stands for the bridge; null when the root bus has none. */
  readonly identity: LabId | null;
  /** Between two root ports of this bridge. */
  readonly peers: LabPeerPolicy;
  /** From and to other host bridges; both ends must allow it. */
  readonly peersAcross: LabPeerPolicy;
  /** CPU address minus bus address of its memory windows. */
  readonly translationOffsetBytes: number;
  /** Below 4 GiB, for 32-bit and not prefetchable BARs. */
  readonly window32Bytes: number;
  /** Above 4 GiB. */
  readonly window64Bytes: number;
  /** Functions of the root bus. */
  readonly below: readonly LabRootBusNode[];
}

/** A block device over memory of a function. */
export interface LabIopmem {
  readonly name: string;
  /** Name of the function. */
  readonly function: string;
  readonly bar: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
}
