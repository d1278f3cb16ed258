/**
 * The first step of reading: bytes with a length, no judgement.
 *
 * Config space arrives cut at 64, 256 or any other number of bytes, so every look at it asks first whether it is there.
 */
import type { Field, RegisterMeta } from '../../base/index.ts';
import { EXTENDED_CONFIG_SPACE_BYTES } from '../../spec/pci/index.ts';

export interface ConfigView {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  readonly lengthBytes: number;
}

/** A view of at most 4096 bytes; what follows them is no config space. The bytes stay the caller's. */
export function configView(bytes: Uint8Array): ConfigView {
  const lengthBytes = Math.min(bytes.byteLength, EXTENDED_CONFIG_SPACE_BYTES);
  return {
    bytes: bytes.subarray(0, lengthBytes),
    data: new DataView(bytes.buffer, bytes.byteOffset, lengthBytes),
    lengthBytes,
  };
}

/** Whether all bytes of a register are there. `base` is where its structure starts. */
export function holds(view: ConfigView, register: RegisterMeta, base = 0): boolean {
  return base + register.offset + register.widthBits / 8 <= view.lengthBytes;
}

/** A register's value; undefined when the bytes end before it. */
export function readRegister(view: ConfigView, register: RegisterMeta, base = 0): number | undefined {
  return holds(view, register, base) ? register.value(view.data, base) : undefined;
}

/** A field's value; undefined when the bytes end before its register does. */
export function readField(
  view: ConfigView,
  register: RegisterMeta,
  field: Field,
  base = 0,
): number | undefined {
  return holds(view, register, base) ? field.read(view.data, base) : undefined;
}

/** Whether every byte of a run is 0xff: what an absent or powered-down device answers. False for an empty run. */
export function isAllOnes(view: ConfigView, start: number, end: number): boolean {
  const last = Math.min(end, view.lengthBytes);
  for (let i = start; i < last; i++) {
    if (view.bytes[i] !== 0xff) {
      return false;
    }
  }
  return last > start;
}

export function isAllZeros(view: ConfigView, start: number, end: number): boolean {
  const last = Math.min(end, view.lengthBytes);
  for (let i = start; i < last; i++) {
    if (view.bytes[i] !== 0) {
      return false;
    }
  }
  return last > start;
}
