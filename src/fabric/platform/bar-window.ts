/** A memory BAR of a simulated function as the processor sees it: loads and stores that go through the fabric. */
import type { BarWindow, MmioReader } from '../../access/index.ts';
import { assert, type BusAddr, type PhysAddr } from '../../base/index.ts';
import type { SizedBar } from './function-config.ts';
import type { MachineSide } from './machine-side.ts';

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

  writeBytes(offsetBytes: number, from: Uint8Array, fromOffset: number, lengthBytes: number): void {
    this.#check(offsetBytes, lengthBytes);
    this.#side.cpuWriteBytes(this.physAddr + offsetBytes, from, fromOffset, lengthBytes);
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
