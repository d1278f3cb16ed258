import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  largestPacketBytes,
  packetCount,
  splitCompletions,
  splitRequest,
} from '../../../src/fabric/index.ts';

const limit = fc.constantFrom(128, 256, 512, 1024, 2048, 4096);
const addr = fc.oneof(
  fc.nat(0x4000),
  fc.nat(0x4000).map((offset) => 0x10_0000_0000 + offset),
);
const length = fc.integer({ min: 1, max: 20_000 });

describe('splitting (2.2.7)', () => {
  it('covers the range once, in order, and respects limit and 4 KiB', () => {
    fc.assert(
      fc.property(addr, length, limit, (start, lengthBytes, limitBytes) => {
        const pieces = splitRequest(start, lengthBytes, limitBytes);
        let at = start;
        for (const piece of pieces) {
          expect(piece.addr).toBe(at);
          expect(piece.lengthBytes).toBeLessThanOrEqual(limitBytes);
          expect(Math.floor(piece.addr / 4096)).toBe(Math.floor((piece.addr + piece.lengthBytes - 1) / 4096));
          at += piece.lengthBytes;
        }
        expect(at).toBe(start + lengthBytes);
        expect(pieces).toHaveLength(packetCount(start, lengthBytes, limitBytes));
        expect(largestPacketBytes(start, lengthBytes, limitBytes)).toBe(
          Math.max(...pieces.map((piece) => piece.lengthBytes)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('byte enables name exactly the bytes (2.2.5)', () => {
    fc.assert(
      fc.property(addr, length, limit, (start, lengthBytes, limitBytes) => {
        for (const piece of splitRequest(start, lengthBytes, limitBytes)) {
          const first = bits(piece.firstEnables);
          const last = piece.lengthDw === 1 ? 0 : bits(piece.lastEnables);
          const between = Math.max(0, piece.lengthDw - 2) * 4;
          expect(first + last + between).toBe(piece.lengthBytes);
          expect(piece.firstEnables & (1 << (piece.addr % 4))).not.toBe(0);
          if (piece.lengthDw === 1) {
            expect(piece.lastEnables).toBe(0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('completions are cut at multiples of the Read Completion Boundary only (2.3.1.1)', () => {
    fc.assert(
      fc.property(addr, length, limit, fc.constantFrom(64, 128), (start, lengthBytes, chunk, rcb) => {
        const pieces = splitCompletions(start, lengthBytes, chunk, rcb);
        for (const piece of pieces.slice(1)) {
          expect(piece.addr % rcb).toBe(0);
        }
        expect(pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0)).toBe(lengthBytes);
      }),
      { numRuns: 200 },
    );
  });
});

function bits(value: number): number {
  return [0, 1, 2, 3].filter((bit) => ((value >>> bit) & 1) === 1).length;
}
