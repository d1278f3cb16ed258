/** What the operating system knows of a booted machine beyond its config spaces. */
import type { Bdf } from '../../base/index.ts';
import type { MachineSide } from '../../fabric/index.ts';
import type { ClassName } from '../../topology/index.ts';
import type { LabCpu, LabIommu, LabKernel } from '../file/index.ts';
import type { SizedResource } from './sized-resource.ts';

export interface SysfsState {
  /** For messages: the path of the lab file. */
  readonly label: string;
  /** Firmware has run: bus numbers, BARs and windows are assigned. */
  readonly side: MachineSide;
  readonly kernel: LabKernel;
  readonly cpu: LabCpu;
  readonly iommu: LabIommu;
  /** Host bridges that lie behind an endpoint. */
  readonly vmds: readonly VmdPlace[];
  /** Functions that are not named here have no driver and no names. */
  readonly functions: ReadonlyMap<Bdf, FunctionState>;
  /**
   * What `measureResources` found at boot. Functions that are missing are measured when the tree is made, which turns their
   * decoding off for a moment: not while their driver works.
   */
  readonly resources: ReadonlyMap<Bdf, readonly SizedResource[]>;
  /** The kernel's list where it is not the order of the buses: what was plugged in later stands last. */
  readonly order?: readonly Bdf[];
  /** Text of the system's `pci.ids`, for names of vendors and devices. */
  readonly pciIds?: string;
}

/** A PCI domain whose root bus lies behind an endpoint: Intel VMD. */
export interface VmdPlace {
  readonly domain: number;
  readonly endpoint: Bdf;
}

export interface FunctionState {
  /** Null: none is bound. */
  readonly driver: string | null;
  /** In the order of the kernel's classes; block devices below their controller. */
  readonly names: readonly ClassName[];
  /** Null: its driver registered none. */
  readonly peerMemory: PeerMemoryState | null;
  /** Bits of the DMA mask that the driver set; 32 before one did. */
  readonly dmaMaskBits: number;
}

/** What a provider has registered, for `p2pmem/`. */
export interface PeerMemoryState {
  readonly sizeBytes: number;
  readonly availableBytes: number;
  readonly isPublished: boolean;
}
