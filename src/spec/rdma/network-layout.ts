/**
 * Layout tables of headers on a network: as `base/layout.ts`, but most significant byte first and without access types.
 *
 * Tables check themselves when they are loaded: fields must lie inside their header, must not overlap, and must leave no
 * hole that is not declared `RESERVED…`.
 */
import { assert } from '../../base/index.ts';

/** A field of a header: its first bit counted from the start of the header, most significant first, and its width. */
export interface NetworkFieldSpec {
  readonly bit: number;
  readonly widthBits: number;
}

/** A field at a byte; `highBit` counts within that byte from the most significant (0) on. */
export function at(byte: number, widthBits: number, highBit = 0): NetworkFieldSpec {
  return { bit: byte * 8 + highBit, widthBits };
}

export interface NetworkField {
  readonly name: string;
  /** Of the byte with its first bit. */
  readonly offset: number;
  readonly widthBits: number;
  /** Unsigned. `base` is where the header starts in `view`. */
  readonly read: (view: DataView, base?: number) => number;
  /** Replaces this field and leaves the other bits. */
  readonly write: (view: DataView, value: number, base?: number) => void;
}

export type NetworkHeader<Names extends string = string> = {
  readonly name: string;
  /** Document, revision and section. */
  readonly source: string;
  readonly sizeBytes: number;
  /** In order of their first bit. */
  readonly fields: readonly NetworkField[];
} & { readonly [N in Names]: NetworkField };

/** Declares a header. Fields are at most 32 bits wide; longer ones are two. Names that start with RESERVED stay out of the type. */
export function networkHeader<const Specs extends Record<string, NetworkFieldSpec>>(
  name: string,
  source: string,
  sizeBytes: number,
  specs: Specs,
): NetworkHeader<Exclude<Extract<keyof Specs, string>, `RESERVED${string}`>> {
  const owner: (string | undefined)[] = new Array<string | undefined>(sizeBytes * 8).fill(undefined);
  const byName: Record<string, NetworkField> = {};
  const fields: NetworkField[] = [];
  for (const [fieldName, { bit, widthBits }] of Object.entries(specs)) {
    assert(bit >= 0 && bit + widthBits <= sizeBytes * 8, 'a field lies outside its header', {
      name,
      fieldName,
    });
    for (let i = bit; i < bit + widthBits; i++) {
      assert(owner[i] === undefined, 'two fields overlap', { name, fieldName, other: owner[i] });
      owner[i] = fieldName;
    }
    if (!fieldName.startsWith('RESERVED')) {
      const field = makeField(fieldName, bit, widthBits);
      byName[fieldName] = field;
      fields.push(field);
    }
  }
  const hole = owner.indexOf(undefined);
  assert(hole === -1, 'a header has a hole that is not declared reserved', { name, bit: hole });
  return Object.assign({}, byName, { name, source, sizeBytes, fields }) as unknown as NetworkHeader<
    Exclude<Extract<keyof Specs, string>, `RESERVED${string}`>
  >;
}

function makeField(name: string, bit: number, widthBits: number): NetworkField {
  const offset = Math.floor(bit / 8);
  const shared = { name, offset, widthBits };
  const startBit = bit % 8;
  if (startBit === 0 && widthBits === 32) {
    return {
      ...shared,
      read: (view, base = 0) => view.getUint32(base + offset),
      write: (view, value, base = 0) => view.setUint32(base + offset, value),
    };
  }
  if (startBit === 0 && widthBits === 24) {
    return {
      ...shared,
      read: (view, base = 0) => view.getUint8(base + offset) * 0x1_0000 + view.getUint16(base + offset + 1),
      write: (view, value, base = 0) => {
        view.setUint8(base + offset, value >>> 16);
        view.setUint16(base + offset + 1, value);
      },
    };
  }
  if (startBit === 0 && widthBits === 16) {
    return {
      ...shared,
      read: (view, base = 0) => view.getUint16(base + offset),
      write: (view, value, base = 0) => view.setUint16(base + offset, value),
    };
  }
  assert(startBit + widthBits <= 32, 'a field is spread over more than four bytes', { name, bit, widthBits });
  const bytes = Math.ceil((startBit + widthBits) / 8);
  const shift = bytes * 8 - startBit - widthBits;
  const mask = widthBits === 32 ? 0xffff_ffff : 2 ** widthBits - 1;
  const whole = (view: DataView, at: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      value = value * 256 + view.getUint8(at + i);
    }
    return value;
  };
  return {
    ...shared,
    read: (view, base = 0) => ((whole(view, base + offset) >>> shift) & mask) >>> 0,
    write: (view, value, base = 0) => {
      const kept = whole(view, base + offset) & ~(mask << shift);
      const next = (kept | ((value & mask) << shift)) >>> 0;
      for (let i = 0; i < bytes; i++) {
        view.setUint8(base + offset + i, next >>> (8 * (bytes - 1 - i)));
      }
    },
  };
}
