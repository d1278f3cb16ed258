/** Stores to a function's config space, as lines of a log. */
import { type DecodedRegister, decodeConfig } from '../../../topology/index.ts';
import { changedFields, hexValue } from './register-text.ts';

interface PlacedRegister {
  /** Of the structure that it belongs to; empty for the header's. */
  readonly prefix: string;
  readonly register: DecodedRegister;
}

export class ConfigLog {
  readonly #name: string;
  readonly #bytes: Uint8Array;
  /** As it was when it was last looked at. */
  readonly #before: Uint8Array;
  readonly #registers: readonly PlacedRegister[];

  /** @param bytes config space itself, not a copy */
  constructor(name: string, bytes: Uint8Array) {
    this.#name = name;
    this.#bytes = bytes;
    this.#before = bytes.slice();
    this.#registers = decodeConfig(this.#before, { isWhole: true }).structures.flatMap(
      ({ kind, name: structure, registers }) =>
        registers.map((register) => ({
          prefix: kind === 'header' ? '' : `${structure}: `,
          register,
        })),
    );
  }

  /** Looks again without saying so, after a reset. */
  forget(): void {
    this.#before.set(this.#bytes);
  }

  /**
   * After a store. One line for each register that it reaches: what it holds now, fields that have changed, and what was written
   * where that is something else. `nvme0 config Command = 0x0406 Memory_Space_Enable=1 Bus_Master_Enable=1`
   */
  lines(offset: number, lengthBytes: number, written: number): readonly string[] {
    const end = offset + lengthBytes;
    const lines: string[] = [];
    for (const { prefix, register } of this.#registers) {
      const size = register.widthBits / 8;
      const start = Math.max(register.offset, offset);
      const stop = Math.min(register.offset + size, end);
      if (start >= stop) {
        continue;
      }
      const now = bytesAt(this.#bytes, register.offset, size);
      const fields = changedFields(
        register,
        register.offset,
        size,
        now,
        bytesAt(this.#before, register.offset, size),
      );
      const told = part(written, start - offset, stop - start);
      const kept = bytesAt(this.#bytes, start, stop - start);
      const wrote = told === kept ? '' : ` (${hexValue(told, stop - start)} was written)`;
      const { instance } = register;
      const index = instance === null ? '' : ` ${instance}`;
      lines.push(
        `${this.#name} config ${prefix}${register.name}${index} = ${hexValue(now, size)}${fields}${wrote}`,
      );
    }
    this.#before.set(this.#bytes.subarray(offset, end), offset);
    return lines.length === 0
      ? [`${this.#name} config 0x${offset.toString(16).padStart(3, '0')} = ${hexValue(written, lengthBytes)}`]
      : lines;
  }
}

function bytesAt(bytes: Uint8Array, offset: number, lengthBytes: number): number {
  let value = 0;
  for (let i = lengthBytes - 1; i >= 0; i--) {
    value = value * 256 + (bytes[offset + i] ?? 0);
  }
  return value;
}

/** Bytes of a little-endian number. */
function part(value: number, firstByte: number, lengthBytes: number): number {
  return Math.floor(value / 256 ** firstByte) % 256 ** lengthBytes;
}
