/** What firmware was asked for, and what it says of its work. */
import type { BdfParts } from '../../base/index.ts';
import type { AddressRange } from './address-pool.ts';
import type { ConfigCycles } from './config-cycles.ts';

/** A root bus and the ranges that lead to it. */
export interface FirmwareHostBridge {
  readonly domain: number;
  readonly rootBus: number;
  /** Last bus number it answers for. */
  readonly lastBus: number;
  /** Physical addresses, the CPU's view. */
  readonly memoryWindows: readonly AddressRange[];
  /** I/O port addresses. Missing: none. */
  readonly ioWindows?: readonly AddressRange[];
  /** Physical minus bus address. Missing: 0. */
  readonly addressOffset?: number;
}

export interface FirmwareMachine extends ConfigCycles {
  readonly hostBridges: readonly FirmwareHostBridge[];
}

/** What callbacks are told of a function. */
export interface FirmwareFunction {
  readonly bdf: string;
  readonly address: BdfParts;
  /** Of a virtual function: those of its physical function and of the SR-IOV capability. */
  readonly vendorId: number;
  readonly deviceId: number;
  /** 24 bits. */
  readonly classCode: number;
  readonly isBridge: boolean;
  /** Device/Port Type; null for a conventional function. */
  readonly portType: number | null;
  /** BDF of the physical function; null for any other. */
  readonly physicalFunction: string | null;
  /** BDF of the bridge above; null on a root bus. */
  readonly parent: string | null;
}

export interface AcsFacts extends FirmwareFunction {
  /** The capability register. */
  readonly capability: number;
  /** The control register as it was found: what straps or firmware left. */
  readonly control: number;
}

export interface FirmwareOptions {
  /** Bus numbers kept free below a slot that takes hot plug. Missing: 1. */
  readonly spareBuses?: number;
  /** Room kept below such a slot, like Linux's `pci=hpmmiosize=` and `hpmmioprefsize=`. Missing: 2 MiB each. */
  readonly spareMemoryBytes?: number;
  readonly sparePrefetchableBytes?: number;
  /** A size from `sizes`, `largest`, or undefined to leave a Resizable BAR as it is. Missing: leave all. */
  readonly resizeBar?: (
    fn: FirmwareFunction,
    barIndex: number,
    sizes: readonly number[],
  ) => number | 'largest' | undefined;
  /** Virtual functions to enable; more than there are is all of them. Missing: none. */
  readonly virtualFunctions?: (fn: FirmwareFunction, totalVfs: number) => number;
  /**
   * Max_Payload_Size. `default`: the least that any function below the same root port takes, as firmware sets it and
   * Linux leaves it. `safe` (`pci=pcie_bus_safe`): the same, but 128 where a switch has a hot-plug slot. `performance`
   * (`pcie_bus_perf`): each the least of its own path. `peer2peer` (`pcie_bus_peer2peer`): 128 everywhere.
   */
  readonly payload?: 'default' | 'safe' | 'performance' | 'peer2peer';
  /** Max_Read_Request_Size for endpoints; missing: what they come up with, 512. `performance` limits it to the payload. */
  readonly maxReadRequestBytes?: number;
  /** Missing: wherever supported, as Linux does. */
  readonly extendedTags?: boolean;
  /** Error messages of functions with AER, and their way up. Missing: true. */
  readonly reportErrors?: boolean;
  /** The ACS control word of a function. Missing: `acsWithIommu`. */
  readonly acsFor?: (facts: AcsFacts) => number;
}

export type UnassignedReason =
  /** The host bridge has no range of this kind at all. */
  | 'no-window'
  /** It did not fit; larger BARs give way to smaller ones. */
  | 'no-room'
  /** A bridge above has no I/O window. */
  | 'no-io-at-bridge';

export interface UnassignedBar {
  readonly bdf: string;
  readonly barIndex: number;
  readonly isVirtualFunctionBar: boolean;
  readonly kind: 'io' | 'memory';
  /** Everything that was wanted: of VF BARs that of all virtual functions together. */
  readonly sizeBytes: number;
  readonly reason: UnassignedReason;
}

export interface AssignedBar {
  readonly bdf: string;
  readonly barIndex: number;
  readonly isVirtualFunctionBar: boolean;
  readonly kind: 'io' | 'memory';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** Bus address. */
  readonly address: number;
  readonly sizeBytes: number;
}

export interface FirmwareProblem {
  readonly bdf: string;
  readonly code: /** What is behind this bridge was not looked at. */
    | 'no-bus-number'
    /** The buses of its virtual functions do not fit; they stay off. */
    | 'no-bus-for-virtual-functions'
    /** A virtual function has a number that only ARI reaches, and the port above has none. */
    | 'virtual-functions-need-ari'
    /** A size was asked for that the BAR does not offer. */
    | 'no-such-bar-size'
    /** A Resizable BAR went back to its first size, for lack of room. */
    | 'bar-not-grown'
    /** What was plugged in takes a smaller payload than what runs around it sends. */
    | 'payload-too-large'
    /** Nothing answers at this address, or it is no bridge. */
    | 'not-a-port';
  readonly text: string;
}

export interface FirmwareReport {
  /** Every function found, in the order of discovery; virtual ones behind the others. */
  readonly functions: readonly FirmwareFunction[];
  readonly assigned: readonly AssignedBar[];
  readonly unassigned: readonly UnassignedBar[];
  readonly problems: readonly FirmwareProblem[];
  /** What was done, line by line. */
  readonly log: readonly string[];
}
