/** A memory BAR of a simulated function as the processor sees it: loads and stores that go through the fabric. */
import { type BarWindow, MMIO_PENDING, type MmioReader } from '../../access/index.ts';
import { assert, type BusAddr, type PhysAddr } from '../../base/index.ts';
import { TRAFFIC } from '../model.ts';

import type { MachineSide } from './machine-side.ts';
import type { SizedBar } from './sized-bar.ts';

export class FabricBarWindow implements BarWindow {
  readonly index: number;
  readonly lengthBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  readonly physAddr: PhysAddr;
  readonly busAddr: BusAddr;
  readonly #side: MachineSide;

  constructor(side: MachineSide, bar: SizedBar, addressOffset: number) {
    this.#side = side;
    this.index = bar.index;
    this.lengthBytes = bar.sizeBytes;
    this.is64Bit = bar.is64Bit;
    this.isPrefetchable = bar.isPrefetchable;
    this.busAddr = bar.start as BusAddr;
    this.physAddr = (bar.start + addressOffset) as PhysAddr;
  }

  read32(offsetBytes: number, reader: MmioReader): number {
    this.#check(offsetBytes, 4);
    return this.#side.cpuRead(this.physAddr + offsetBytes, 4, reader);
  }

  write32(offsetBytes: number, value: number): void {
    this.#check(offsetBytes, 4);
    this.#side.cpuWrite(this.physAddr + offsetBytes, 4, value);
  }

  writeBytes(
    offsetBytes: number,
    from: Uint8Array,
    fromOffset: number,
    lengthBytes: number,
    isPayload = false,
  ): void {
    this.#check(offsetBytes, lengthBytes);
    const traffic = isPayload ? TRAFFIC.DATA : TRAFFIC.CONTROL;
    this.#side.cpuWriteBytes(this.physAddr + offsetBytes, from, fromOffset, lengthBytes, traffic);
  }

  readBytes(
    offsetBytes: number,
    into: Uint8Array,
    intoOffset: number,
    lengthBytes: number,
    reader: MmioReader,
    isPayload = false,
  ): number {
    this.#check(offsetBytes, lengthBytes);
    if (this.#side.queue.isDelaying) {
      return new DwordLoads(this, offsetBytes, into, intoOffset, lengthBytes, reader).start();
    }
    const traffic = isPayload ? TRAFFIC.DATA : TRAFFIC.CONTROL;
    this.#side.cpuReadBytes(this.physAddr + offsetBytes, into, intoOffset, lengthBytes, traffic);
    return 0;
  }

  #check(offsetBytes: number, lengthBytes: number): void {
    if (
      !(
        offsetBytes % 4 === 0 &&
        lengthBytes % 4 === 0 &&
        offsetBytes >= 0 &&
        offsetBytes + lengthBytes <= this.lengthBytes
      )
    ) {
      assert(false, 'a driver accessed a BAR outside its length or not aligned', {
        bar: this.index,
        offsetBytes,
        lengthBytes,
        barBytes: this.lengthBytes,
      });
    }
  }
}

/** A run of loads, one dword after the other, as a processor makes them. */
class DwordLoads implements MmioReader {
  readonly #window: FabricBarWindow;
  readonly #offset: number;
  readonly #into: DataView;
  readonly #length: number;
  readonly #reader: MmioReader;
  #done = 0;

  constructor(
    window: FabricBarWindow,
    offset: number,
    into: Uint8Array,
    intoOffset: number,
    length: number,
    reader: MmioReader,
  ) {
    this.#window = window;
    this.#offset = offset;
    this.#into = new DataView(into.buffer, into.byteOffset + intoOffset, length);
    this.#length = length;
    this.#reader = reader;
  }

  /** @returns 0 when all were answered at once, else MMIO_PENDING */
  start(): number {
    while (this.#done < this.#length) {
      const value = this.#window.read32(this.#offset + this.#done, this);
      if (value === MMIO_PENDING) {
        return MMIO_PENDING;
      }
      this.#take(value);
    }
    return 0;
  }

  deliver(value: number): void {
    this.#take(value);
    if (this.start() === 0) {
      this.#reader.deliver(0);
    }
  }

  #take(value: number): void {
    this.#into.setUint32(this.#done, value, true);
    this.#done += 4;
  }
}
