/**
 * What a device model is to the fabric, and what the fabric is to a device model.
 *
 * A model describes one PCI function (identity, BARs, capabilities), answers accesses to its registers, and does DMA
 * through the `FunctionPort` it is given. Everything else is the fabric's: config space and its access rules, BAR decoding,
 * the MSI-X table, routing, the IOMMU, error registers.
 *
 * Every request returns DONE, PENDING or a negative status, and a model must be right for all three: in an untimed machine
 * nearly everything is DONE, in a delayed or timed one nearly everything is PENDING.
 */
import type { Executor, Status } from '../access/index.ts';
import type { Bdf } from '../base/index.ts';
import type { Memory } from './memory/memory.ts';

/** What bytes are: payload of commands, or what it takes to move it (queue entries, lists, doorbells, interrupts). */
export const TRAFFIC = { DATA: 0, CONTROL: 1 } as const;
export type Traffic = (typeof TRAFFIC)[keyof typeof TRAFFIC];

/**
 * What a requester learns of its own request when it was not DONE. Of a posted write it learns
 * only what it knows without an answer: DISABLED, GONE, and that its translation was refused (ATS).
 */
export const DMA_STATUS = {
  /** Completion with Unsupported Request: nothing decodes the address, or the IOMMU refused. */
  UNSUPPORTED_REQUEST: -101,
  COMPLETER_ABORT: -102,
  /** No completion came. */
  TIMEOUT: -103,
  /** The completion was marked poisoned. */
  POISONED: -104,
  /** Bus Master Enable is clear, or the function is not in D0: nothing was sent. */
  DISABLED: -105,
  /** The function or its link is gone. */
  GONE: -106,
} as const;

export type DmaStatusName = keyof typeof DMA_STATUS;

/** Kinds of reset, mildest first. */
export type ResetKind =
  /** Function Level Reset: this function alone. */
  | 'function'
  /** Hot reset or Secondary Bus Reset: everything below a port. */
  | 'bus'
  /** Power was off. Sticky registers are lost too. */
  | 'power';

/** A range of a BAR that is memory: CPU and peers read and write it without the model. */
export interface BarMemory {
  readonly kind: 'memory';
  /** From the start of the BAR. */
  readonly offsetBytes: number;
  readonly memory: Memory;
  /** Where in `memory` it starts. */
  readonly memoryOffset: number;
  readonly lengthBytes: number;
  /** A closed range answers nothing (Unsupported Request): a CMB before CMSE. Change it with `FunctionPort.setOpen`. */
  isOpen: boolean;
}

/** A range of a BAR whose every access is a call of the model. */
export interface BarRegisters {
  readonly kind: 'registers';
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface BarDescription {
  /** 0 to 5; a 64-bit BAR takes the next index too. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  /** A power of two, at least 16 (memory) or 4 (I/O). */
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** Ascending, not overlapping. What is in none of them reads as zero and ignores writes. */
  readonly regions: readonly (BarMemory | BarRegisters)[];
  /** Sizes that a Resizable BAR capability offers, powers of two in bytes; missing: none. */
  readonly resizableTo?: readonly number[];
}

export interface MsixDescription {
  readonly vectorCount: number;
  /** The fabric keeps table and pending bits and lays them over these places. */
  readonly tableBar: number;
  readonly tableOffsetBytes: number;
  readonly pendingBar: number;
  readonly pendingOffsetBytes: number;
}

export interface SriovDescription {
  readonly totalVfs: number;
  readonly firstVfOffset: number;
  readonly vfStride: number;
  readonly vfDeviceId: number;
  /** VF BARs: regions come from each VF's own description. */
  readonly bars: readonly BarDescription[];
  /** Called when VF Enable is set, once for each VF, in order. */
  readonly createVf: (index: number) => EndpointModel;
}

/** One function, as the config space template wants it. */
export interface FunctionDescription {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly bars: readonly BarDescription[];
  /** 1 to 4 for INTA to INTD, 0 for none. */
  readonly interruptPin: number;
  readonly msix: MsixDescription | null;
  /** A power of two up to 32; 0 for none. */
  readonly msiVectorCount: number;
  /** Null for a conventional PCI function. */
  readonly express: ExpressDescription | null;
  readonly sriov: SriovDescription | null;
  /** Serial number for the Device Serial Number capability, two dwords; null for none. */
  readonly serialNumber: { readonly low: number; readonly high: number } | null;
}

export interface ExpressDescription {
  /** 128 to 4096. */
  readonly maxPayloadBytes: number;
  readonly canExtendTags: boolean;
  readonly canResetFunction: boolean;
  readonly hasAer: boolean;
  readonly hasAts: boolean;
  readonly hasPri: boolean;
  /** ACS capability bits of a multi-function endpoint; null for no capability. */
  readonly acs: number | null;
  /** Transfer rate in GT/s and lanes that the function can do. */
  readonly linkSpeedGTs: number;
  readonly linkWidth: number;
}

/** The fabric as one function's model sees it. Valid from `attach` to `detach`. */
export interface FunctionPort {
  readonly executor: Executor;
  /** The address it has now: it changes when buses are renumbered. */
  readonly bdf: Bdf;
  /** COMMAND.Bus Master Enable. */
  readonly isBusMaster: boolean;

  /**
   * Reads from the bus. `local` from `localOffset` on belongs to the fabric until the request is over.
   * @param addr any number, ADDR_NOWHERE included: what the driver programmed, unchecked
   * @returns DONE; PENDING, then `model.onDma(token, status)`; or a DMA_STATUS: then `local` holds all ones
   */
  dmaRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status;
  /**
   * Writes to the bus: posted, so DONE and the `onDma` of a PENDING write mean that the bytes have been taken from
   * `local`, in order behind earlier writes of this function, and not that they arrived anywhere.
   */
  dmaWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status;

  /** Which kind of interrupt software has enabled. */
  readonly interruptMode: 'msi-x' | 'msi' | 'intx';
  /** Sends the message of a vector, in order behind earlier writes; a masked MSI-X vector becomes pending instead. */
  interrupt(vector: number): void;
  /** The level of the interrupt pin. */
  setIntx(isAsserted: boolean): void;

  /** The bus address in a BAR, ADDR_NOWHERE while it is not assigned or not decoded. */
  barAddress(index: number): number;
  /** Opens or closes a memory range of a BAR. */
  setOpen(range: BarMemory, isOpen: boolean): void;
  /** Puts an uncorrectable internal error into AER and tells the root port. */
  reportInternalError(): void;
}

/** A device model: one PCI function. */
export interface EndpointModel {
  /** For people: `nvme0`. */
  readonly name: string;
  readonly description: FunctionDescription;

  /** Called once, before any access. */
  attach(port: FunctionPort): void;
  /** The function was taken away; no call of the port has an effect any more, requests under way never end. */
  detach(): void;
  /** Drop everything that the kind of reset drops; requests under way never end. */
  reset(kind: ResetKind): void;

  /**
   * A load of 1, 2 or 4 aligned bytes from a `registers` range, `offsetBytes` from the start of the BAR.
   * Values are unsigned. 8-byte accesses come as two, low first.
   */
  readRegister(bar: number, offsetBytes: number, lengthBytes: number): number;
  writeRegister(bar: number, offsetBytes: number, lengthBytes: number, value: number): void;

  /** A PENDING request of `dmaRead` or `dmaWrite` is over. */
  onDma(token: number, status: Status): void;
  /** Software changed COMMAND, the interrupt mode or a mask. Optional. */
  onConfigChange?(): void;
}
