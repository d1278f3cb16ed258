/**
 * The processor's loads and stores, by physical address: to DRAM, or through a host bridge to a BAR.
 *
 * Stores are posted and arrive in order; a load waits behind them. A load that nothing answers gives all ones.
 */
import { MMIO_PENDING, type MmioReader } from '../../access/index.ts';
import { Memory } from '../memory/memory.ts';
import { TRAFFIC, type Traffic } from '../model.ts';
import { ROUTE_KIND } from '../routing/route.ts';
import type { Fabric } from './fabric.ts';
import { Requester } from './requester.ts';

export class Cpu {
  readonly requester: Requester;
  readonly #fabric: Fabric;
  readonly #scratch = Memory.flat(8);
  /** Callers store from the same buffer again and again. */
  #buffer: Uint8Array = new Uint8Array(0);
  #bufferMemory = Memory.flat(0);

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
    this.requester = new Requester(fabric, null);
  }

  /**
   * Loads 1, 2 or 4 aligned bytes.
   * @returns the value, unsigned; or MMIO_PENDING, then `reader.deliver` is called
   */
  read(phys: number, lengthBytes: number, reader: MmioReader): number {
    if (this.#fabric.isDelaying && !this.#isDram(phys)) {
      this.#fabric.inFlight.cpuRead(this.requester, phys, lengthBytes, reader);
      return MMIO_PENDING;
    }
    this.requester.readNow(phys, this.#scratch, 0, lengthBytes, TRAFFIC.CONTROL);
    return this.#scratch.getValue(0, lengthBytes);
  }

  /** Stores 1, 2 or 4 aligned bytes. */
  write(phys: number, lengthBytes: number, value: number): void {
    const { requester } = this;
    const fabric = this.#fabric;
    // A doorbell: the commonest store of all, to a register of a known place.
    if (!fabric.isDelaying && fabric.listener === null) {
      const route = requester.routeOf(phys, lengthBytes, true, TRAFFIC.CONTROL);
      if (route.kind === ROUTE_KIND.REGISTERS && phys + lengthBytes <= route.end) {
        route.controlBytes += lengthBytes;
        route.payloadPackets++;
        route.handler!.writeRegister(
          route.bar,
          route.offset + (phys - route.start),
          lengthBytes,
          value >>> 0,
        );
        return;
      }
    }
    this.#scratch.setValue(0, lengthBytes, value);
    this.writeMemory(phys, this.#scratch, 0, lengthBytes, TRAFFIC.CONTROL);
  }

  /** Stores a run of bytes in ascending order. */
  writeBytes(
    phys: number,
    from: Uint8Array,
    fromOffset: number,
    lengthBytes: number,
    traffic: Traffic = TRAFFIC.CONTROL,
  ): void {
    if (from !== this.#buffer) {
      this.#buffer = from;
      this.#bufferMemory = Memory.over(from);
    }
    this.writeMemory(phys, this.#bufferMemory, fromOffset, lengthBytes, traffic);
  }

  /** Loads a run of bytes at once, also in a machine with delays. */
  readBytes(phys: number, into: Uint8Array, intoOffset: number, lengthBytes: number, traffic: Traffic): void {
    this.requester.readNow(phys, Memory.over(into), intoOffset, lengthBytes, traffic);
  }

  writeMemory(phys: number, from: Memory, fromOffset: number, lengthBytes: number, traffic: Traffic): void {
    if (this.#fabric.isDelaying && !this.#isDram(phys)) {
      this.#fabric.inFlight.cpuWrite(this.requester, phys, from, fromOffset, lengthBytes, traffic);
    } else {
      this.requester.writeNow(phys, from, fromOffset, lengthBytes, traffic);
    }
  }

  /** The processor's own memory answers at once. */
  #isDram(phys: number): boolean {
    return this.#fabric.dram.regionAt(phys, null) !== undefined;
  }
}
