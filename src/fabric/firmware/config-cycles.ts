/** How firmware touches a machine: config cycles to addresses, nothing else. */
import { type BdfParts, type Field, formatBdf, type RegisterMeta } from '../../base/index.ts';
import {
  CAPABILITIES_POINTER,
  CAPABILITY_ID_NONE,
  CONFIG_SPACE_BYTES,
  EXTENDED_CONFIG_SPACE_BYTES,
  HEADER_BYTES,
  STATUS,
} from '../../spec/pci/index.ts';
import { EXTENDED_CAPABILITIES_START, EXTENDED_CAPABILITY_HEADER } from '../../spec/pcie/index.ts';

/** Config cycles, routed by bus number as ECAM does; all ones when nothing answers. */
export interface ConfigCycles {
  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
  ): number;
  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
    value: number,
  ): void;
}

/** A chain that is longer than it can be is a loop. */
const CONVENTIONAL_MAX = (CONFIG_SPACE_BYTES - HEADER_BYTES) / 4;
const EXTENDED_MAX = (EXTENDED_CONFIG_SPACE_BYTES - CONFIG_SPACE_BYTES) / 4;

/** Config cycles to one function. */
export class FunctionCycles {
  readonly address: BdfParts;
  readonly bdf: string;
  readonly #machine: ConfigCycles;

  constructor(machine: ConfigCycles, address: BdfParts) {
    this.#machine = machine;
    this.address = address;
    this.bdf = formatBdf(address);
  }

  read(offset: number, lengthBytes: 1 | 2 | 4): number {
    const { domain, bus, device, function: fn } = this.address;
    return this.#machine.configRead(domain, bus, device, fn, offset, lengthBytes) >>> 0;
  }

  write(offset: number, lengthBytes: 1 | 2 | 4, value: number): void {
    const { domain, bus, device, function: fn } = this.address;
    this.#machine.configWrite(domain, bus, device, fn, offset, lengthBytes, value >>> 0);
  }

  /** A whole register of 8, 16 or 32 bits. `base` is where its structure starts. */
  get(register: RegisterMeta, base = 0): number {
    return this.read(base + register.offset, lengthOf(register));
  }

  put(register: RegisterMeta, value: number, base = 0): void {
    this.write(base + register.offset, lengthOf(register), value);
  }

  /** Changes fields of a register and leaves the others. Not for registers with bits that a one clears. */
  change(register: RegisterMeta, base: number, ...fields: readonly (readonly [Field, number])[]): void {
    const before = this.get(register, base);
    let after = before;
    for (const [field, value] of fields) {
      const mask = 2 ** field.widthBits - 1;
      after = ((after & ~(mask << field.low)) | ((value & mask) << field.low)) >>> 0;
    }
    if (after !== before) {
      this.put(register, after, base);
    }
  }

  /** Where a capability is; 0 when the function has none. */
  findCapability(id: number): number {
    if (STATUS.Capabilities_List.of(this.get(STATUS)) === 0) {
      return 0;
    }
    let at = this.get(CAPABILITIES_POINTER) & ~3;
    for (let count = 0; at >= HEADER_BYTES && count < CONVENTIONAL_MAX; count++) {
      const header = this.read(at, 2);
      if ((header & 0xff) === CAPABILITY_ID_NONE) {
        return 0;
      }
      if ((header & 0xff) === id) {
        return at;
      }
      at = (header >>> 8) & ~3;
    }
    return 0;
  }

  findExtended(id: number): number {
    let at: number = EXTENDED_CAPABILITIES_START;
    for (let count = 0; at >= EXTENDED_CAPABILITIES_START && count < EXTENDED_MAX; count++) {
      const header = this.read(at, 4);
      if (header === 0 || header === 0xffff_ffff) {
        return 0;
      }
      if (EXTENDED_CAPABILITY_HEADER.PCI_Express_Extended_Capability_ID.of(header) === id) {
        return at;
      }
      at = EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset.of(header) & ~3;
    }
    return 0;
  }
}

function lengthOf(register: RegisterMeta): 1 | 2 | 4 {
  return (register.widthBits / 8) as 1 | 2 | 4;
}
