/** Names and identifiers: NQNs, UUIDs, serial numbers. What nobody gave is derived, so that it survives a restart. */
import { asciiOf, type ByteRun } from '../../spec/nvme/index.ts';
import { NQN_BYTES_MAX } from '../../spec/nvmeof/index.ts';

/** The bytes of 32 hexadecimal digits with or without dashes. The caller has checked them (`isIdentifier`). */
export function identifierBytes(text: string): Uint8Array {
  const digits = text.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) {
    bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

export function isIdentifier(text: string): boolean {
  return /^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$/.test(text);
}

/** Bytes as 8-4-4-4-12 hexadecimal digits. */
export function identifierText(bytes: Uint8Array): string {
  const digits = hexOf(bytes);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ].join('-');
}

export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte.toString(16).padStart(2, '0');
  }
  return text;
}

/** 16 bytes that depend on the text only, in the form of a UUID of version 8 (RFC 9562: vendor's own). */
export function stableIdentifier(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let lane = 0; lane < 4; lane++) {
    // FNV-1a with a start of its own for each lane, then mixed as in murmur3.
    let hash = (0x811c_9dc5 ^ Math.imul(lane + 1, 0x9e37_79b1)) >>> 0;
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193) >>> 0;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35) >>> 0;
    hash = (hash ^ (hash >>> 16)) >>> 0;
    new DataView(bytes.buffer).setUint32(4 * lane, hash);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** A name as the specification wants it: up to 223 printable characters that begin with `nqn.`. */
export function isNqn(text: string): boolean {
  return text.length <= NQN_BYTES_MAX && /^nqn\.[\x21-\x7e]+$/.test(text);
}

/** The name in a field of 256 bytes; null when it is not ended or holds anything that is not printable. */
export function nqnOf(run: ByteRun, view: DataView): string | null {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + run.offset, run.sizeBytes);
  const end = bytes.indexOf(0);
  if (end <= 0 || end > NQN_BYTES_MAX) {
    return null;
  }
  for (let i = 0; i < end; i++) {
    if (bytes[i]! < 0x21 || bytes[i]! > 0x7e) {
      return null;
    }
  }
  return asciiOf(run, view);
}
