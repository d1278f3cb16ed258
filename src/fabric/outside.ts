/**
 * Where a fabric meets a host that is not its own: a guest of a virtual machine owns memory, processor and interrupt
 * controller, and the fabric has the devices and what is between them.
 *
 * Whoever brings the host implements these; a machine that is wholly simulated needs none of them.
 */
import type { Status } from '../access/index.ts';
import type { DramRegion } from './dram.ts';
import type { Memory } from './memory/memory.ts';
import type { Traffic } from './model.ts';
import type { FabricFunction } from './tree/fabric-function.ts';

/** System memory by physical address, as routing sees it. */
export interface SystemMemory {
  /** Grows whenever an address leads to another memory than before; resolved routes into it are stale then. */
  readonly generation: number;
  readonly sizeBytes: number;
  /**
   * What is behind an address; undefined where there is no memory.
   * @param requester  who asks, as each device may have an address space of its own; null for the CPU
   */
  regionAt(phys: number, requester: FabricFunction | null): DramRegion | undefined;
}

/** Is told the end of requests to `RemoteMemory`. */
export interface RemoteSink {
  /** @param status DONE, or a DMA_STATUS */
  onRemote(token: number, status: Status): void;
}

/**
 * Addresses that neither system memory nor a device of the fabric claims, where somebody beyond it may answer.
 * Requests are carried out in the order in which they were made; every PENDING one ends exactly once.
 */
export interface RemoteMemory {
  /** Whether requests of this function have anywhere to go now; false: Unsupported Request. */
  reaches(fn: FabricFunction): boolean;
  /** `local` from `localOffset` on is filled when it ends with DONE. @returns PENDING, or a DMA_STATUS */
  read(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status;
  /** The bytes are taken from `local` within the call. @returns PENDING, or a DMA_STATUS */
  write(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status;
}

/** Takes the interrupts of one function in place of its own messages and of its wire. */
export interface InterruptDelivery {
  /** A message vector that config space has enabled; masking is the other side's business. */
  message(mode: 'msi-x' | 'msi', vector: number): void;
  /** The level of the interrupt pin has changed. */
  pin(isAsserted: boolean): void;
}

/**
 * Looks at all DMA of one function, and may spoil it. `local` is only valid within the call.
 */
export interface DmaWatcher {
  /**
   * Before a write is sent.
   * @returns bytes to send instead, at offset 0 of a memory that stays untouched until the next call; null: as they are
   */
  onWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Memory | null;
  /** After a read has come, before its requester learns of it; may change `local`. `status` is DONE or a DMA_STATUS. */
  onRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    status: Status,
  ): void;
}
