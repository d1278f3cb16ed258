/** Config space of one function through config cycles, as its driver sees it. */
import type { ConfigSpace } from '../../access/index.ts';
import { CAPABILITIES_POINTER, STATUS } from '../../spec/index.ts';
import type { MachineSide } from './machine-side.ts';

/** Capabilities of a function are at most this many, else its list loops. */
const CAPABILITIES_MAX = 48;
const EXTENDED_MAX = 960;

/** Capabilities are in the upper 192 bytes of the first 256, extended ones behind. */
const CAPABILITIES_START = 0x40;
const EXTENDED_START = 0x100;

export class FunctionConfig implements ConfigSpace {
  readonly #side: MachineSide;
  readonly #domain: number;
  readonly #bus: number;
  readonly #device: number;
  readonly #fn: number;

  constructor(side: MachineSide, domain: number, bus: number, device: number, fn: number) {
    this.#side = side;
    this.#domain = domain;
    this.#bus = bus;
    this.#device = device;
    this.#fn = fn;
  }

  read8(offset: number): number {
    return this.#read(offset, 1);
  }

  read16(offset: number): number {
    return this.#read(offset, 2);
  }

  read32(offset: number): number {
    return this.#read(offset, 4);
  }

  write8(offset: number, value: number): void {
    this.#write(offset, 1, value);
  }

  write16(offset: number, value: number): void {
    this.#write(offset, 2, value);
  }

  write32(offset: number, value: number): void {
    this.#write(offset, 4, value);
  }

  findCapability(id: number): number {
    // All ones: nobody answers. The ids cannot tell that of a virtual function, which has ffff there (9.3.4.1.1).
    const status = this.read16(STATUS.offset);
    if (STATUS.Capabilities_List.of(status) === 0 || status === 0xffff) {
      return 0;
    }
    let offset = this.read8(CAPABILITIES_POINTER.offset) & 0xfc;
    for (let count = 0; offset >= CAPABILITIES_START && count < CAPABILITIES_MAX; count++) {
      const header = this.read16(offset);
      if ((header & 0xff) === id) {
        return offset;
      }
      offset = (header >>> 8) & 0xfc;
    }
    return 0;
  }

  findExtendedCapability(id: number): number {
    let offset = EXTENDED_START;
    for (let count = 0; offset >= EXTENDED_START && count < EXTENDED_MAX; count++) {
      const header = this.read32(offset);
      if (header === 0 || header === 0xffff_ffff) {
        return 0;
      }
      if ((header & 0xffff) === id) {
        return offset;
      }
      offset = (header >>> 20) & 0xffc;
    }
    return 0;
  }

  #read(offset: number, lengthBytes: number): number {
    return this.#side.configRead(this.#domain, this.#bus, this.#device, this.#fn, offset, lengthBytes);
  }

  #write(offset: number, lengthBytes: number, value: number): void {
    this.#side.configWrite(this.#domain, this.#bus, this.#device, this.#fn, offset, lengthBytes, value);
  }
}
