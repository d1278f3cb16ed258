/** Config space of one function through config cycles, as its driver sees it, and what is found out with it. */
import type { ConfigSpace } from '../../access/index.ts';
import { type Bdf, bdfParts } from '../../base/index.ts';
import {
  BAR_TYPE,
  CAPABILITIES_POINTER,
  COMMAND,
  HEADER_LAYOUT,
  HEADER_TYPE,
  STATUS,
  TYPE0_BARS,
  TYPE1_BARS,
} from '../../spec/index.ts';
import type { MachineSide } from './machine-side.ts';

/** Capabilities of a function are at most this many, else its list loops. */
const CAPABILITIES_MAX = 48;
const EXTENDED_MAX = 960;

const DECODE_IO = 1 << COMMAND.IO_Space_Enable.low;
const DECODE_MEMORY = 1 << COMMAND.Memory_Space_Enable.low;
const BAR_IO = 1;
const BAR_PREFETCHABLE = 8;
const BAR_ADDRESS = ~15;

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

export function functionConfigAt(side: MachineSide, bdf: Bdf): FunctionConfig {
  const { domain, bus, device, function: fn } = bdfParts(bdf);
  return new FunctionConfig(side, domain, bus, device, fn);
}

/** A memory BAR as its registers have it. */
export interface SizedBar {
  readonly index: number;
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** The bus address in the register. */
  readonly start: number;
}

/**
 * Finds out the size of each memory BAR: decoding off, all ones, read back, all as before. Only before a driver runs.
 */
export function sizeMemoryBars(config: ConfigSpace): SizedBar[] {
  const isBridge = HEADER_TYPE.Header_Layout.of(config.read8(HEADER_TYPE.offset)) === HEADER_LAYOUT.BRIDGE;
  const registers = isBridge ? TYPE1_BARS : TYPE0_BARS;
  const command = config.read16(COMMAND.offset);
  config.write16(COMMAND.offset, command & ~(DECODE_IO | DECODE_MEMORY));
  const bars = sizeBarRegisters(
    config,
    registers.map(({ offset }) => offset),
  );
  config.write16(COMMAND.offset, command);
  return bars;
}

/** Sizes a run of BAR registers, whose decoding is off. */
export function sizeBarRegisters(config: ConfigSpace, offsets: readonly number[]): SizedBar[] {
  const bars: SizedBar[] = [];
  for (let index = 0; index < offsets.length; index++) {
    const offset = offsets[index]!;
    const low = config.read32(offset);
    const isMemory = (low & BAR_IO) === 0;
    const is64Bit = isMemory && ((low >>> 1) & 3) === BAR_TYPE.BITS_64 && index + 1 < offsets.length;
    const lowMask = probe(config, offset, low);
    const high = is64Bit ? config.read32(offset + 4) : 0;
    const highMask = is64Bit ? probe(config, offset + 4, high) : 0xffff_ffff;
    if (isMemory && lowMask !== 0 && lowMask !== 0xffff_ffff) {
      bars.push({
        index,
        sizeBytes: sizeFromMasks((lowMask & BAR_ADDRESS) >>> 0, highMask),
        is64Bit,
        isPrefetchable: (low & BAR_PREFETCHABLE) !== 0,
        start: ((low & BAR_ADDRESS) >>> 0) + high * 2 ** 32,
      });
    }
    index += is64Bit ? 1 : 0;
  }
  return bars;
}

/** What stays zero when all ones are written is below the size. */
function probe(config: ConfigSpace, offset: number, value: number): number {
  config.write32(offset, 0xffff_ffff);
  const mask = config.read32(offset);
  config.write32(offset, value);
  return mask;
}

/** The lowest writable address bit is the size. */
function sizeFromMasks(low: number, high: number): number {
  return low !== 0 ? (low & -low) >>> 0 : ((high & -high) >>> 0) * 2 ** 32;
}
