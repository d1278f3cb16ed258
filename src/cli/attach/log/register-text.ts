/** Accesses to registers in the words of their table. */
import type { RegisterMeta, Structure } from '../../../base/index.ts';

/** A field as layout tables and decoded config spaces have it. */
interface NamedField {
  readonly name: string;
  readonly high: number;
  readonly low: number;
}

interface NamedRegister {
  readonly name: string;
  readonly offset: number;
  readonly widthBits: number;
  readonly fields: readonly NamedField[];
}

/** `0x00460001`, with two digits for each byte. */
export function hexValue(value: number, lengthBytes: number): string {
  return `0x${value.toString(16).padStart(2 * lengthBytes, '0')}`;
}

/** The register that holds all of an access; undefined for reserved places and accesses across registers. */
export function registerAt(
  { registers }: Structure,
  offset: number,
  lengthBytes: number,
): RegisterMeta | undefined {
  return registers.find(
    (register) =>
      register.offset <= offset && offset + lengthBytes <= register.offset + register.widthBits / 8,
  );
}

/** `CC`; of a part of a register `ASQ[63:32]`. */
export function accessName(register: NamedRegister, offset: number, lengthBytes: number): string {
  const low = 8 * (offset - register.offset);
  const widthBits = 8 * lengthBytes;
  return widthBits === register.widthBits ? register.name : `${register.name}[${low + widthBits - 1}:${low}]`;
}

/**
 * ` EN=1 IOSQES=6`: fields that lie in an access and are not as they were; with `before` undefined, those that are not zero.
 * Each with a blank before it.
 */
export function changedFields(
  register: NamedRegister,
  offset: number,
  lengthBytes: number,
  value: number,
  before: number | undefined,
): string {
  const first = 8 * (offset - register.offset);
  const last = first + 8 * lengthBytes - 1;
  let text = '';
  for (const field of register.fields) {
    if (field.low >= first && field.high <= last) {
      const now = part(value, field.low - first, field.high - first);
      if (now !== (before === undefined ? 0 : part(before, field.low - first, field.high - first))) {
        text += ` ${field.name}=${fieldValue(now)}`;
      }
    }
  }
  return text;
}

/** Small numbers as people write them, large ones as they are looked for in dumps. */
function fieldValue(value: number): string {
  return value < 4096 ? String(value) : `0x${value.toString(16)}`;
}

/** Bits of a number below 2^53, or the nearest that a number can be above. */
function part(value: number, low: number, high: number): number {
  return Math.floor(value / 2 ** low) % 2 ** (high - low + 1);
}
