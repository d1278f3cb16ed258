/**
 * Runs of bytes that no register holds: strings, 128-bit counters, identifiers, arrays of entries.
 *
 * A run can stand among the parts of a `structure`, which then counts its bytes as taken; what is in them is read
 * through the run. Leaves out any meaning. Strings follow NVM Express Base 2.1, section 1.4.2 (ASCII, left justified,
 * padded with spaces); numbers are little-endian.
 */
import type { Reserved } from '../../base/index.ts';

/** Bytes with a name. `offset` counts from the start of the structure. */
export interface ByteRun extends Reserved {
  readonly name: string;
  readonly offset: number;
}

/** Equal entries, one after the other. */
export interface EntryRun extends ByteRun {
  readonly count: number;
  readonly strideBytes: number;
  /** Where entry `index` starts, from the start of the structure. The caller keeps `index` below `count`. */
  readonly at: (index: number) => number;
}

export function byteRun(name: string, offset: number, sizeBytes: number): ByteRun {
  return { name, offset, reservedOffset: offset, sizeBytes };
}

export function entryRun(name: string, offset: number, count: number, strideBytes: number): EntryRun {
  return {
    ...byteRun(name, offset, count * strideBytes),
    count,
    strideBytes,
    at: (index) => offset + index * strideBytes,
  };
}

/** The bytes of a run, shared with `view`, not copied. */
export function bytesOf(run: ByteRun, view: DataView, base = 0): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + base + run.offset, run.sizeBytes);
}

/** Text of a run without its padding. Bytes outside printable ASCII come out as `?`; a null byte ends the text. */
export function asciiOf(run: ByteRun, view: DataView, base = 0): string {
  let text = '';
  for (const byte of bytesOf(run, view, base)) {
    if (byte === 0) {
      break;
    }
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return text.trimEnd();
}

/** Writes text and pads it with spaces; what is too long is cut, what is not printable ASCII becomes `?`. */
export function setAscii(run: ByteRun, view: DataView, text: string, base = 0): void {
  const bytes = bytesOf(run, view, base);
  for (let i = 0; i < bytes.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x20;
    bytes[i] = code >= 0x20 && code < 0x7f ? code : 0x3f;
  }
}

/** The unsigned little-endian number in a run of any size, exactly. */
export function unsignedOf(run: ByteRun, view: DataView, base = 0): bigint {
  const bytes = bytesOf(run, view, base);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) {
    value = (value << 8n) | BigInt(bytes[i]!);
  }
  return value;
}

/** Writes an unsigned number (an integer, not negative) into a run; bits that do not fit are lost. */
export function setUnsigned(run: ByteRun, view: DataView, value: number | bigint, base = 0): void {
  const bytes = bytesOf(run, view, base);
  let rest = BigInt(value);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}
