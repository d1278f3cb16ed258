import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BlockSet } from '../../../../src/devices/nvme/media/index.ts';

const CHUNK = 2 ** 18;

it('a block set is a set, also across chunks', () => {
  // Blocks near the edges of chunks; between them everything is alike.
  const size = 3 * CHUNK - 5;
  const points = [0, 1, 31, 32, 33, CHUNK - 2, CHUNK, CHUNK + 40, 2 * CHUNK - 1, 2 * CHUNK, size - 33, size];
  const steps = fc.array(fc.tuple(fc.nat(points.length - 1), fc.nat(points.length - 1), fc.boolean()), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.boolean(), steps, (isFull, list) => {
      const set = new BlockSet(size, isFull);
      // The model: one flag for each stretch between two points.
      const model = points.slice(1).map(() => isFull);
      for (const [a, b, isIn] of list) {
        const [from, to] = a < b ? [a, b] : [b, a];
        set[isIn ? 'add' : 'remove'](points[from]!, points[to]! - points[from]!);
        model.fill(isIn, from, to);
        let count = 0;
        for (const [i, flag] of model.entries()) {
          count += flag ? points[i + 1]! - points[i]! : 0;
          expect(set.has(points[i]!)).toBe(flag);
          expect(set.has(points[i + 1]! - 1)).toBe(flag);
        }
        expect(set.count).toBe(count);
        for (const wanted of [true, false]) {
          const first = model.findIndex((flag, i) => i >= from && i < to && flag === wanted);
          const found = set.firstWhere(points[from]!, points[to]! - points[from]!, wanted);
          expect(found).toBe(first < 0 ? -1 : points[first]!);
        }
      }
    }),
    { numRuns: 200 },
  );
});
