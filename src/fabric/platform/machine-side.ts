/**
 * The processor's side of the fabric: what an operating system has in its hands. `Fabric` is one; the platform needs no more
 * of it than this.
 */
import type { MmioReader } from '../../access/index.ts';
import type { EventQueue } from '../event-queue.ts';
import type { Traffic } from '../model.ts';

/** A host bridge as firmware tables describe it. */
export interface HostBridgeFacts {
  readonly domain: number;
  readonly rootBusNumber: number;
  readonly lastBus: number;
  readonly numaNode: number | null;
  /** Physical address minus bus address of what lies behind it; 0 on x86. */
  readonly addressOffset: number;
  /** Physical addresses that it sends down. */
  readonly windows: readonly { readonly start: number; readonly lengthBytes: number }[];
}

export interface MachineSide {
  readonly queue: EventQueue;
  readonly hostBridges: readonly HostBridgeFacts[];

  /** All ones when nothing answers. Accesses are 1, 2 or 4 aligned bytes. */
  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: number,
  ): number;
  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: number,
    value: number,
  ): void;

  /**
   * A load of 1, 2 or 4 aligned bytes at a physical address.
   * @returns the value, all ones when nothing answers, or MMIO_PENDING; then `reader.deliver` is called
   */
  cpuRead(phys: number, lengthBytes: number, reader: MmioReader): number;
  /** A store of 1, 2 or 4 aligned bytes. */
  cpuWrite(phys: number, lengthBytes: number, value: number): void;
  /** Stores in ascending order. */
  cpuWriteBytes(
    phys: number,
    from: Uint8Array,
    fromOffset: number,
    lengthBytes: number,
    traffic?: Traffic,
  ): void;
  /** Loads a run of bytes at once; only where requests are not delayed. What nothing answers reads as ones. */
  cpuReadBytes(
    phys: number,
    into: Uint8Array,
    intoOffset: number,
    lengthBytes: number,
    traffic?: Traffic,
  ): void;
}
