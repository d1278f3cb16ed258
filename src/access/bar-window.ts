/**
 * The CPU's side of a base address register: loads and stores of a driver.
 *
 * Stores are posted: they return at once and nobody hears of one that went nowhere. Loads may have to wait for their
 * completion. A load that nothing answers gives all ones, as on a real machine.
 */
import type { BusAddr, PhysAddr } from '../base/index.ts';

/** What `read32` returns when the value comes later. */
export const MMIO_PENDING = -1;

/** Takes the value of a load that had to wait. A `Delivery<number>` is one. */
export interface MmioReader {
  /** Called once, never before the load has returned. */
  deliver(value: number): void;
}

export interface BarWindow {
  /** Lower index of the BAR, 0 to 5. */
  readonly index: number;
  readonly lengthBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** What the CPU uses; equal to `busAddr` unless the host bridge translates. */
  readonly physAddr: PhysAddr;
  /** What stands in the register and is seen on the bus. */
  readonly busAddr: BusAddr;

  /**
   * Loads an aligned dword.
   * @returns the value, or MMIO_PENDING; then `reader.deliver` is called
   */
  read32(offsetBytes: number, reader: MmioReader): number;
  /** Stores an aligned dword. */
  write32(offsetBytes: number, value: number): void;
  /**
   * Stores `lengthBytes` (a multiple of 4, as is the offset) in ascending order, as one or more posted writes.
   * @param isPayload the bytes are data of a person and not a command; a simulated machine counts the two apart
   */
  writeBytes(
    offsetBytes: number,
    from: Uint8Array,
    fromOffset: number,
    lengthBytes: number,
    isPayload?: boolean,
  ): void;
  /**
   * Loads `lengthBytes` (a multiple of 4, as is the offset). `into` belongs to the window until it is over.
   * @returns 0 when the bytes are there, or MMIO_PENDING; then `reader.deliver(0)` is called
   */
  readBytes(
    offsetBytes: number,
    into: Uint8Array,
    intoOffset: number,
    lengthBytes: number,
    reader: MmioReader,
    isPayload?: boolean,
  ): number;
}
