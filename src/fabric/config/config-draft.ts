/**
 * A config space in the making: structures are put at offsets, the capability chains are linked, and the masks come from
 * the access types of their fields.
 *
 * Everything starts read-only and zero. `place` opens what the spec tables let software write, `hardwire` closes what this
 * function does not implement, `set` gives reset values.
 */
import { assert, type Field, type RegisterMeta, type Structure } from '../../base/index.ts';
import {
  CAPABILITIES_POINTER,
  CAPABILITY_ID_REGISTER,
  CONFIG_SPACE_BYTES,
  EXTENDED_CONFIG_SPACE_BYTES,
  HEADER_BYTES,
  NEXT_CAPABILITY_POINTER,
  STATUS,
} from '../../spec/pci/index.ts';
import { EXTENDED_CAPABILITIES_START, EXTENDED_CAPABILITY_HEADER } from '../../spec/pcie/index.ts';
import { BarRegister, type BarShape } from './bar-register.ts';
import { type ConfigChange, configChangeIndex } from './config-change.ts';
import { type ConfigOffsets, type ConfigRule, ConfigSpace } from './config-space.ts';

/** Which change a register reports, where its structure has several kinds. */
export type ChangeOf = (register: RegisterMeta) => ConfigChange;

export class ConfigDraft {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #writable: DataView;
  readonly #clearable: DataView;
  readonly #sticky: DataView;
  readonly #kept: DataView;
  readonly #changes: Uint8Array;
  readonly #offsets: { -readonly [Name in keyof ConfigOffsets]: number } = {
    pm: 0,
    msi: 0,
    msix: 0,
    express: 0,
    bridgeSubsystem: 0,
    vendor: 0,
    aer: 0,
    acs: 0,
    ari: 0,
    ats: 0,
    pri: 0,
    pasid: 0,
    sriov: 0,
    rebar: 0,
    serial: 0,
    virtualChannel: 0,
  };
  readonly #bars: BarRegister[] = [];
  readonly #vfBars: BarRegister[] = [];
  readonly #rules = new Map<number, ConfigRule[]>();
  /** Where the next pointer of the conventional chain stands. */
  #link = CAPABILITIES_POINTER.offset;
  #nextFree = HEADER_BYTES;
  #lastExtended = 0;
  #nextExtended = EXTENDED_CAPABILITIES_START;

  constructor(isExpress: boolean) {
    const sizeBytes = isExpress ? EXTENDED_CONFIG_SPACE_BYTES : CONFIG_SPACE_BYTES;
    const mask = () => new DataView(new ArrayBuffer(sizeBytes));
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
    this.#writable = mask();
    this.#clearable = mask();
    this.#sticky = mask();
    this.#kept = mask();
    this.#changes = new Uint8Array(sizeBytes);
  }

  /** Opens what software may write in a structure. */
  place(structure: Structure, base: number, change: ConfigChange | ChangeOf): this {
    for (const register of structure.registers) {
      const what = typeof change === 'string' ? change : change(register);
      const start = base + register.offset;
      this.#changes.fill(configChangeIndex(what), start, start + register.widthBits / 8);
      for (const part of register.fields.length > 0 ? register.fields : [register]) {
        switch (part.access) {
          case 'RW':
            fill(part, this.#writable, base, true);
            break;
          case 'RWS':
            fill(part, this.#writable, base, true);
            fill(part, this.#sticky, base, true);
            break;
          case 'RW1C':
            fill(part, this.#clearable, base, true);
            break;
          case 'RW1CS':
            fill(part, this.#clearable, base, true);
            fill(part, this.#sticky, base, true);
            break;
          case 'ROS':
            fill(part, this.#sticky, base, true);
            break;
          default:
            break;
        }
      }
    }
    return this;
  }

  /** A reset value. */
  set(part: Field | RegisterMeta, value: number, base = 0): this {
    if ('setValue' in part) {
      part.setValue(this.view, value, base);
    } else {
      part.write(this.view, value, base);
    }
    return this;
  }

  /** Not implemented here, or with one possible value: software cannot change it. */
  hardwire(base: number, ...parts: readonly (Field | RegisterMeta)[]): this {
    for (const part of parts) {
      fill(part, this.#writable, base, false);
      fill(part, this.#clearable, base, false);
    }
    return this;
  }

  /** Opens again what was hardwired, by its access type. */
  open(base: number, ...fields: readonly Field[]): this {
    for (const field of fields) {
      fill(field, field.access === 'RW1C' ? this.#clearable : this.#writable, base, true);
    }
    return this;
  }

  /** Of a writable or clearable dword, only these bits are implemented. */
  restrict(register: RegisterMeta, base: number, implemented: number): this {
    for (const mask of [this.#writable, this.#clearable, this.#sticky]) {
      register.setValue(mask, (register.value(mask, base) & implemented) >>> 0, base);
    }
    return this;
  }

  /** Survives a Function Level Reset. */
  keep(base: number, ...parts: readonly (Field | RegisterMeta)[]): this {
    for (const part of parts) {
      fill(part, this.#kept, base, true);
    }
    return this;
  }

  /** Adds a capability to the chain. @returns where it starts */
  capability(
    name: keyof ConfigOffsets,
    id: number,
    structure: Structure,
    change: ConfigChange | ChangeOf,
    sizeBytes = structure.sizeBytes,
  ): number {
    const base = this.#nextFree;
    this.#nextFree = (base + sizeBytes + 3) & ~3;
    assert(this.#nextFree <= CONFIG_SPACE_BYTES, 'the capabilities do not fit', { id, base, sizeBytes });
    this.set(STATUS.Capabilities_List, 1);
    this.view.setUint8(this.#link, base);
    this.place(structure, base, change);
    CAPABILITY_ID_REGISTER.setValue(this.view, id, base);
    this.#link = base + NEXT_CAPABILITY_POINTER.offset;
    this.#offsets[name] = base;
    return base;
  }

  /** Adds an extended capability to the chain. @returns where it starts */
  extended(
    name: keyof ConfigOffsets,
    id: number,
    version: number,
    structure: Structure,
    change: ConfigChange | ChangeOf,
    sizeBytes = structure.sizeBytes,
  ): number {
    const base = this.#nextExtended;
    this.#nextExtended = (base + sizeBytes + 3) & ~3;
    assert(this.#nextExtended <= this.bytes.length, 'the extended capabilities do not fit', { id, base });
    if (this.#lastExtended !== 0) {
      this.set(EXTENDED_CAPABILITY_HEADER.Next_Capability_Offset, base, this.#lastExtended);
    }
    this.place(structure, base, change);
    this.set(EXTENDED_CAPABILITY_HEADER.PCI_Express_Extended_Capability_ID, id, base);
    this.set(EXTENDED_CAPABILITY_HEADER.Capability_Version, version, base);
    this.#lastExtended = base;
    this.#offsets[name] = base;
    return base;
  }

  /** Base address registers, the first of which would be at `firstOffset`; the others are hardwired to zero. */
  bars(shapes: readonly BarShape[], firstOffset: number, registers: readonly RegisterMeta[], base = 0): this {
    this.hardwire(base, ...registers);
    const taken = new Set<number>();
    const list = base === 0 ? this.#bars : this.#vfBars;
    for (const shape of [...shapes].sort((a, b) => a.index - b.index)) {
      const indices = shape.is64Bit ? [shape.index, shape.index + 1] : [shape.index];
      for (const index of indices) {
        assert(
          index >= 0 && index < registers.length && !taken.has(index),
          'two BARs overlap or a BAR lies outside',
          { index },
        );
        taken.add(index);
      }
      list.push(new BarRegister(shape, base + firstOffset + 4 * shape.index));
    }
    return this;
  }

  rule(offset: number, rule: ConfigRule): this {
    const dword = offset & ~3;
    this.#rules.set(dword, [...(this.#rules.get(dword) ?? []), rule]);
    return this;
  }

  finish(): ConfigSpace {
    return new ConfigSpace({
      bytes: this.bytes,
      masks: {
        writable: new Uint8Array(this.#writable.buffer),
        clearable: new Uint8Array(this.#clearable.buffer),
        sticky: new Uint8Array(this.#sticky.buffer),
        kept: new Uint8Array(this.#kept.buffer),
        changes: this.#changes,
      },
      offsets: this.#offsets,
      bars: this.#bars,
      vfBars: this.#vfBars,
      rules: this.#rules,
    });
  }
}

/** A mask is written like a register: ones or zeroes at the place of a field. */
function fill(part: Field | RegisterMeta, mask: DataView, base: number, isSet: boolean): void {
  const value = isSet ? 2 ** part.widthBits - 1 : 0;
  if ('setValue' in part) {
    part.setValue(mask, value, base);
  } else {
    part.write(mask, value, base);
  }
}
