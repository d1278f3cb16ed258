/**
 * What functions have in common: addresses, links, ACS, BARs, the PCI Express capabilities of ports and of endpoints.
 * Functions of bridges and devices are in `lab-device.ts`.
 */
import type { LabId } from './lab-file.ts';
import type { LabEndpointTiming } from './lab-time.ts';

export interface LabLink {
  /** 1 to 6: 2.5 to 64 GT/s. */
  readonly generation: number;
  readonly width: number;
}

/** Bits of the ACS capability, by the specification's letters (PCIe Base 6.0, 7.7.11). */
export const ACS_BITS = ['SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT'] as const;
export type LabAcsBit = (typeof ACS_BITS)[number];

/** Access Control Services. Lists are in the order of `ACS_BITS`. */
export interface LabAcs {
  readonly capability: readonly LabAcsBit[];
  /** What firmware leaves in ACS Control. */
  readonly firmware: readonly LabAcsBit[];
  /** What stands in ACS Control once the system runs; null: firmware's value and what the operating system does to it. */
  readonly control: readonly LabAcsBit[] | null;
  /** Ports (of a switch or root complex) or functions (of an endpoint) whose bit in the egress control vector is set. */
  readonly egress: readonly number[];
}

export interface LabBar {
  /** 0 to 5; a 64-bit BAR takes the next index too. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  readonly sizeBytes: number;
  /** Sizes that the Resizable BAR capability offers; null without it. `sizeBytes` is what stands there at reset. */
  readonly resizableBytes: readonly number[] | null;
}

/** Every function of a lab. */
export interface LabFunctionBase {
  readonly name: string | null;
  /** On its bus. */
  readonly device: number;
  readonly function: number;
  readonly id: LabId;
  /** Null for those that have no ACS capability. */
  readonly acs: LabAcs | null;
  /** Of the largest payload that Device Capabilities names. */
  readonly maxPayloadBytes: number;
}

/** Link of a function that has one. */
export interface LabLinkEnd {
  /** Link Capabilities. */
  readonly link: LabLink;
}

/** Interrupts that a device offers, the best of them. */
export const INTERRUPT_KINDS = ['msi-x', 'msi', 'intx', 'none'] as const;

export interface LabSriov {
  /** VFs that are enabled: NumVFs. */
  readonly vfs: number;
  /** TotalVFs. */
  readonly total: number;
  readonly offset: number;
  readonly stride: number;
  readonly vfDeviceId: number;
  /** Of one VF. */
  readonly bars: readonly LabBar[];
}

/** Every device function: all but bridges. */
export interface LabEndpointBase extends LabFunctionBase {
  /** Names are given where the file has none. VFs are called `<name>vf0` and so on. */
  readonly name: string;
  /** Null for the default of the kind of bus: none. */
  readonly subsystem: LabId | null;
  readonly revision: number;
  /** 24 bits. */
  readonly classCode: number;
  /** Null on conventional PCI and on a root bus. */
  readonly link: LabLink | null;
  /** What the link came up with where that is less than both ends could. */
  readonly trained: LabLink | null;
  readonly bars: readonly LabBar[];
  readonly interrupts: (typeof INTERRUPT_KINDS)[number];
  readonly vectors: number;
  readonly addressBits: number;
  readonly hasExtendedTags: boolean;
  readonly hasRelaxedOrdering: boolean;
  readonly hasNoSnoop: boolean;
  readonly hasAts: boolean;
  readonly hasPri: boolean;
  readonly hasFlr: boolean;
  readonly sriov: LabSriov | null;
  /** Null: by kind. */
  readonly timing: LabEndpointTiming | null;
}
