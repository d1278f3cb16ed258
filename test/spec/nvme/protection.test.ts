// Protection information. NVM Command Set 1.1, 5.3.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

describe('protection information', () => {
  it('fills its 8 or 16 bytes without a hole (NVM Command Set 1.1, 5.3.1)', () => {
    for (const layout of nvme.PROTECTION_LAYOUTS) {
      expect(layout.applicationTagOffset).toBe(layout.guardBytes);
      expect(layout.storageReferenceOffset).toBe(layout.applicationTagOffset + 2);
      expect(layout.storageReferenceOffset + layout.storageReferenceBytes).toBe(layout.sizeBytes);
      expect(layout.storageTagBitsMax).toBeLessThanOrEqual(8 * layout.storageReferenceBytes);
    }
  });

  it('is guarded by checks whose parameters give the known value of 123456789', () => {
    nvme.GUARD_CHECKS.forEach((check, pif) => {
      expect(check.widthBits).toBe(nvme.PROTECTION_LAYOUTS[pif]!.guardBytes * 8);
      expect(crc(check, '123456789')).toBe(check.check);
    });
  });
});

/** Bit by bit, as slow and plain as the definition. */
function crc(check: nvme.GuardCheck, text: string): bigint {
  const width = BigInt(check.widthBits);
  const top = 1n << (width - 1n);
  const mask = (1n << width) - 1n;
  const reversed = (value: bigint, bits: number): bigint => {
    let result = 0n;
    for (let i = 0; i < bits; i++) {
      result = (result << 1n) | ((value >> BigInt(i)) & 1n);
    }
    return result;
  };
  let register = check.initial;
  for (const character of text) {
    const byte = BigInt(character.charCodeAt(0));
    register ^= (check.reflected ? reversed(byte, 8) : byte) << (width - 8n);
    for (let i = 0; i < 8; i++) {
      register =
        (register & top) === 0n ? (register << 1n) & mask : ((register << 1n) & mask) ^ check.polynomial;
    }
  }
  return (check.reflected ? reversed(register, check.widthBits) : register) ^ check.finalXor;
}
