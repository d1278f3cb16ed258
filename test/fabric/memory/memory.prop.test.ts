import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Memory, PAGE_BYTES, patternBytes, patternSeed } from '../../../src/fabric/index.ts';

const SIZE = 3 * 2 ** 20 + 5 * PAGE_BYTES + 100;

const blockNumber = fc.oneof(
  fc.integer({ min: 0, max: Math.floor(SIZE / 512) }),
  fc.constantFrom(0, 2 ** 20 / 512, 2 ** 21 / 512),
);

/** Ranges that like page edges and chunk edges. */
const range = fc
  .tuple(
    blockNumber,
    fc.constantFrom(0, 0, 0, 1, 511),
    fc.constantFrom(1, 64, 512, PAGE_BYTES, 2 * PAGE_BYTES, 3 * PAGE_BYTES + 17, 2 ** 20, 2 ** 21),
  )
  .map(([block, skew, length]) => {
    const offset = Math.min(block * 512 + skew, SIZE - 1);
    return { offset, length: Math.min(length, SIZE - offset) };
  });

const step = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), range, value: fc.nat(255) }),
  fc.record({ kind: fc.constant('fill' as const), range, value: fc.constantFrom(0, 0xff) }),
  fc.record({ kind: fc.constant('pattern' as const), range, value: fc.nat(0xffff) }),
  fc.record({
    kind: fc.constant('copy' as const),
    range,
    // Whole chunks move as one: often enough the target is where a chunk begins.
    value: fc.oneof(fc.nat(SIZE - 1), fc.constantFrom(0, 2 ** 20, 2 ** 21)),
  }),
);

test('an extent memory reads like plain bytes after any mix of writes, fills, patterns and copies between memories', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, hasBackground) => {
      const memories = [
        Memory.extents(SIZE, hasBackground ? { seed: 7, position: 12_288 } : null),
        Memory.extents(SIZE),
      ];
      const plain = [new Uint8Array(SIZE), new Uint8Array(SIZE)];
      if (hasBackground) {
        patternBytes(7, 12_288, plain[0]!, 0, SIZE);
      }
      for (const [index, { kind, range: at, value }] of steps.entries()) {
        const memory = memories[index % 2]!;
        const bytes = plain[index % 2]!;
        if (kind === 'write') {
          const data = new Uint8Array(at.length).map((_, i) => i * 7 + value);
          memory.write(at.offset, data, 0, at.length);
          bytes.set(data, at.offset);
        } else if (kind === 'fill') {
          memory.fill(at.offset, at.length, value);
          bytes.fill(value, at.offset, at.offset + at.length);
        } else if (kind === 'pattern') {
          memory.fillPattern(at.offset, at.length, value, at.offset);
          patternBytes(value, at.offset, bytes, at.offset, at.length);
        } else {
          const length = Math.min(at.length, SIZE - value);
          memory.copyTo(at.offset, memories[(index + 1) % 2]!, value, length);
          plain[(index + 1) % 2]!.set(bytes.subarray(at.offset, at.offset + length), value);
        }
      }
      for (const [index, memory] of memories.entries()) {
        const seen = new Uint8Array(SIZE);
        memory.read(0, seen, 0, SIZE);
        expect(Buffer.compare(seen, plain[index]!)).toBe(0);
      }
      const [a, b] = plain as [Uint8Array, Uint8Array];
      const different = a.findIndex((byte, i) => byte !== b[i]);
      expect(memories[0]!.firstDifference(0, memories[1]!, 0, SIZE)).toBe(different);
    }),
    { numRuns: 120 },
  );
});

test('the pattern is one stream: any piece of it equals that piece of the whole', () => {
  const whole = new Uint8Array(20_000);
  patternBytes(99, 2 ** 40, whole, 0, whole.length);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(9_000), (start, wanted) => {
      const length = Math.min(wanted, whole.length - start);
      const piece = new Uint8Array(length);
      patternBytes(99, 2 ** 40 + start, piece, 0, length);
      expect(Buffer.compare(piece, whole.subarray(start, start + length))).toBe(0);
    }),
  );
});

test('different seeds, and places far apart, give different bytes', () => {
  const pieces = [
    [1, 0],
    [2, 0],
    [1, 2 ** 34],
    [1, 2 ** 45],
    [patternSeed(1, 1), 0],
  ].map(([seed, position]) => {
    const bytes = new Uint8Array(64);
    patternBytes(seed!, position!, bytes, 0, 64);
    return Buffer.from(bytes).toString('hex');
  });
  expect(new Set(pieces).size).toBe(pieces.length);
});

test('whole pages of a pattern move without becoming bytes', () => {
  const drive = Memory.extents(2 ** 40, { seed: 5, position: 0 });
  const controllerMemory = Memory.extents(2 ** 26);
  const other = Memory.extents(2 ** 40, { seed: 6, position: 0 });
  drive.copyTo(2 ** 39, controllerMemory, 8192, 2 ** 25);
  controllerMemory.copyTo(8192, other, 2 ** 38, 2 ** 25);
  expect(drive.committedBytes + controllerMemory.committedBytes + other.committedBytes).toBe(0);
  expect(other.firstDifference(2 ** 38, drive, 2 ** 39, 2 ** 25)).toBe(-1);
  expect(other.firstDifference(2 ** 38, drive, 2 ** 39 + 4096, 2 ** 25)).toBe(0);
});

test('an access outside is a bug and says so', () => {
  expect(() => Memory.flat(64).getValue(62, 4)).toThrow('outside its memory');
  expect(() => Memory.extents(64).fill(Number.POSITIVE_INFINITY, 1, 0)).toThrow('outside its memory');
});

test('values are little-endian at any alignment, flat or not', () => {
  for (const memory of [Memory.flat(64), Memory.extents(64)]) {
    memory.setValue(3, 4, 0xdead_beef);
    expect(memory.getValue(3, 4)).toBe(0xdead_beef);
    expect(memory.getValue(3, 1)).toBe(0xef);
    expect(memory.getValue(4, 2)).toBe(0xadbe);
  }
});
