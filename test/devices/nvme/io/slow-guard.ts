/** Guards one bit at a time, from the parameters in the specification: slow and without tables, so that nothing is shared. */
import { GUARD_CHECKS } from '../../../../src/spec/nvme/index.ts';

/** The guard of bytes as it is stored, big-endian. */
export function slowGuard(guardFormat: number, bytes: Uint8Array): Uint8Array {
  const { widthBits, polynomial, initial, reflected, finalXor } = GUARD_CHECKS[guardFormat]!;
  const width = BigInt(widthBits);
  const top = 1n << (width - 1n);
  const mask = (1n << width) - 1n;
  let crc = initial;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const input = BigInt((byte >> (reflected ? bit : 7 - bit)) & 1);
      const isSet = (crc & top) !== 0n;
      crc = (crc << 1n) & mask;
      if ((isSet ? 1n : 0n) !== input) {
        crc ^= polynomial;
      }
    }
  }
  if (reflected) {
    let turned = 0n;
    for (let bit = 0n; bit < width; bit++) {
      turned |= ((crc >> bit) & 1n) << (width - 1n - bit);
    }
    crc = turned;
  }
  crc ^= finalXor;
  return Uint8Array.from({ length: widthBits / 8 }, (_, i) =>
    Number((crc >> (width - 8n * BigInt(i + 1))) & 0xffn),
  );
}
