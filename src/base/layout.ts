/**
 * Layout tables: a register or a structure is declared once as data, and views, decoders, masks and generators are
 * derived from it.
 *
 * Tables check themselves when they are loaded: overlapping bits, a field outside its register, registers of a
 * structure that overlap or leave a hole that is not declared reserved.
 *
 * All multi-byte values are little-endian, as on PCI.
 */
import { assert } from './assert.ts';

/** Access types of the PCI Express Base Specification, section 7.4 (attributes of register bits). */
export type Access = 'RO' | 'RW' | 'RW1C' | 'ROS' | 'RWS' | 'RW1CS' | 'HwInit' | 'RsvdP' | 'RsvdZ';

/** What a declaration says of one field: its highest and lowest bit, and how software may write it. */
export interface FieldSpec {
  readonly high: number;
  readonly low: number;
  readonly access: Access | undefined;
}

export function bits(high: number, low: number, access?: Access): FieldSpec {
  return { high, low, access };
}

export function bit(index: number, access?: Access): FieldSpec {
  return { high: index, low: index, access };
}

/** One field of a register: reads from and writes to bytes at the place of its register. */
export interface Field {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly widthBits: number;
  readonly access: Access | undefined;
  /** The value; unsigned. `base` is where the structure starts in `view`. */
  readonly read: (view: DataView, base?: number) => number;
  /** Replaces this field and leaves the other bits. */
  readonly write: (view: DataView, value: number, base?: number) => void;
  /** The value in a register that was already read. */
  readonly of: (registerValue: number) => number;
}

export interface RegisterMeta {
  readonly name: string;
  /** Bytes from the start of its structure. */
  readonly offset: number;
  readonly widthBits: 8 | 16 | 24 | 32 | 64;
  /** Of a register without fields: how software may write the whole of it. Undefined: it may not. */
  readonly access: Access | undefined;
  /** In order of their lowest bit. */
  readonly fields: readonly Field[];
  /** The whole register, unsigned. 64-bit registers lose precision from 2^53 on: read their two dwords instead. */
  readonly value: (view: DataView, base?: number) => number;
  readonly setValue: (view: DataView, value: number, base?: number) => void;
}

export type Register<Names extends string = string> = RegisterMeta & { readonly [N in Names]: Field };

/** Declares a register. Fields keep the specification's spelling, so `CMBSZ.SZU` means "look it up". */
export function register<const Specs extends Record<string, FieldSpec>>(
  name: string,
  offset: number,
  widthBits: 8 | 16 | 24 | 32 | 64,
  specs: Specs,
  access?: Access,
): Register<Extract<keyof Specs, string>> {
  const fields: Field[] = [];
  const byName: Record<string, Field> = {};
  for (const [fieldName, spec] of Object.entries(specs)) {
    assert(
      spec.high >= spec.low && spec.low >= 0 && spec.high < widthBits,
      'a field lies outside its register',
      {
        register: name,
        field: fieldName,
        ...spec,
      },
    );
    for (const other of fields) {
      assert(spec.low > other.high || spec.high < other.low, 'two fields overlap', {
        register: name,
        field: fieldName,
        other: other.name,
      });
    }
    const field = makeField(fieldName, offset, widthBits, spec);
    fields.push(field);
    byName[fieldName] = field;
  }
  fields.sort((a, b) => a.low - b.low);
  const meta: RegisterMeta = {
    name,
    offset,
    widthBits,
    access,
    fields,
    value: makeReader(offset, widthBits),
    setValue: makeWriter(offset, widthBits),
  };
  return Object.assign({}, byName, meta) as unknown as Register<Extract<keyof Specs, string>>;
}

/** A register without fields of its own: a counter, an address, a log. Without an access type it is read-only. */
export function plain(
  name: string,
  offset: number,
  widthBits: 8 | 16 | 24 | 32 | 64,
  access?: Access,
): Register<never> {
  return register(name, offset, widthBits, {}, access);
}

/** Bytes that the specification keeps for itself; named so that a hole is always a mistake. */
export interface Reserved {
  readonly reservedOffset: number;
  readonly sizeBytes: number;
}

export function reserved(offset: number, sizeBytes: number): Reserved {
  return { reservedOffset: offset, sizeBytes };
}

/** A run of registers: a header, a capability. */
export interface Structure {
  readonly name: string;
  /** Document, revision and section. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly registers: readonly RegisterMeta[];
}

/** Declares a structure. Registers and reserved runs must fill exactly `sizeBytes`. */
export function structure(
  name: string,
  source: string,
  sizeBytes: number,
  parts: readonly (RegisterMeta | Reserved)[],
): Structure {
  const owner: (string | undefined)[] = new Array<string | undefined>(sizeBytes).fill(undefined);
  for (const part of parts) {
    const isReserved = 'reservedOffset' in part;
    const start = isReserved ? part.reservedOffset : part.offset;
    const length = isReserved ? part.sizeBytes : part.widthBits / 8;
    const label = isReserved ? 'reserved' : part.name;
    assert(start + length <= sizeBytes, 'a register lies outside its structure', {
      structure: name,
      register: label,
    });
    for (let i = start; i < start + length; i++) {
      assert(owner[i] === undefined, 'two registers overlap', {
        structure: name,
        register: label,
        other: owner[i],
      });
      owner[i] = label;
    }
  }
  const hole = owner.indexOf(undefined);
  assert(hole === -1, 'a structure has a hole that is not declared reserved', {
    structure: name,
    offset: hole,
  });
  const registers = parts.filter((part): part is RegisterMeta => !('reservedOffset' in part));
  return { name, source, sizeBytes, registers: registers.sort((a, b) => a.offset - b.offset) };
}

function makeField(name: string, offset: number, registerBits: number, spec: FieldSpec): Field {
  const widthBits = spec.high - spec.low + 1;
  const shared = { name, high: spec.high, low: spec.low, widthBits, access: spec.access };
  const base0 = offset + (spec.low >= 32 ? 4 : 0);
  const crossesDwords = spec.low < 32 && spec.high >= 32;
  if (crossesDwords) {
    assert(widthBits <= 52, 'a field is wider than a number can hold', { field: name });
    const lowBits = 32 - spec.low;
    const highMask = maskOf(spec.high - 31);
    return {
      ...shared,
      read: (view, base = 0) =>
        (view.getUint32(base + offset, true) >>> spec.low) +
        ((view.getUint32(base + offset + 4, true) & highMask) >>> 0) * 2 ** lowBits,
      write: (view, value, base = 0) => {
        const lowMask = maskOf(lowBits);
        const low = view.getUint32(base + offset, true) & ~(lowMask << spec.low);
        view.setUint32(base + offset, (low | ((value % 2 ** lowBits) << spec.low)) >>> 0, true);
        const high = view.getUint32(base + offset + 4, true) & ~highMask;
        view.setUint32(base + offset + 4, (high | (Math.floor(value / 2 ** lowBits) & highMask)) >>> 0, true);
      },
      of: (registerValue) => Math.floor(registerValue / 2 ** spec.low) % 2 ** widthBits,
    };
  }
  const shift = spec.low % 32;
  const mask = maskOf(widthBits);
  const dwordBits = registerBits === 64 ? 32 : registerBits;
  const get = makeReader(base0, dwordBits as 8 | 16 | 24 | 32);
  const set = makeWriter(base0, dwordBits as 8 | 16 | 24 | 32);
  return {
    ...shared,
    read: (view, base = 0) => ((get(view, base) >>> shift) & mask) >>> 0,
    write: (view, value, base = 0) => {
      set(view, ((get(view, base) & ~(mask << shift)) | ((value & mask) << shift)) >>> 0, base);
    },
    of:
      registerBits === 64
        ? (registerValue) => Math.floor(registerValue / 2 ** spec.low) % 2 ** widthBits
        : (registerValue) => ((registerValue >>> shift) & mask) >>> 0,
  };
}

function maskOf(widthBits: number): number {
  return widthBits >= 32 ? 0xffff_ffff : (1 << widthBits) - 1;
}

function makeReader(
  offset: number,
  widthBits: 8 | 16 | 24 | 32 | 64,
): (view: DataView, base?: number) => number {
  switch (widthBits) {
    case 8:
      return (view, base = 0) => view.getUint8(base + offset);
    case 16:
      return (view, base = 0) => view.getUint16(base + offset, true);
    case 24:
      return (view, base = 0) =>
        view.getUint16(base + offset, true) | (view.getUint8(base + offset + 2) << 16);
    case 32:
      return (view, base = 0) => view.getUint32(base + offset, true);
    case 64:
      return (view, base = 0) =>
        view.getUint32(base + offset + 4, true) * 0x1_0000_0000 + view.getUint32(base + offset, true);
  }
}

function makeWriter(
  offset: number,
  widthBits: 8 | 16 | 24 | 32 | 64,
): (view: DataView, value: number, base?: number) => void {
  switch (widthBits) {
    case 8:
      return (view, value, base = 0) => view.setUint8(base + offset, value);
    case 16:
      return (view, value, base = 0) => view.setUint16(base + offset, value, true);
    case 24:
      return (view, value, base = 0) => {
        view.setUint16(base + offset, value & 0xffff, true);
        view.setUint8(base + offset + 2, value >>> 16);
      };
    case 32:
      return (view, value, base = 0) => view.setUint32(base + offset, value, true);
    case 64:
      return (view, value, base = 0) => {
        view.setUint32(base + offset, value % 0x1_0000_0000, true);
        view.setUint32(base + offset + 4, Math.floor(value / 0x1_0000_0000), true);
      };
  }
}
