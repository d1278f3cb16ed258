import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dram, type DramRegion } from '../../src/fabric/dram.ts';
import { Memory } from '../../src/fabric/index.ts';

const NODES = [
  { numaNode: 0, start: 0, lengthBytes: 2 ** 20 },
  { numaNode: 0, start: 2 ** 32, lengthBytes: 2 ** 20 },
  { numaNode: 1, start: 2 ** 33, lengthBytes: 2 ** 19 },
];

test('every address of DRAM leads to exactly one memory, through any allocations and frees', () => {
  const step = fc.record({
    lengthBytes: fc.constantFrom(1, 4096, 10_000, 65_536, 300_000),
    alignBytes: fc.constantFrom(1, 4096, 65_536),
    node: fc.constantFrom(null, 0, 1),
    isLow: fc.boolean(),
    frees: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const dram = new Dram(NODES);
      const held: DramRegion[] = [];
      for (const { lengthBytes, alignBytes, node, isLow, frees } of steps) {
        try {
          const region = dram.allocate(Memory.flat(lengthBytes), alignBytes, node, isLow ? 2 ** 32 : 2 ** 60);
          expect(region.start % Math.max(4096, alignBytes)).toBe(0);
          expect(region.start).toBeGreaterThan(0);
          expect(isLow && region.end > 2 ** 32).toBe(false);
          expect(node === null || region.numaNode === node).toBe(true);
          for (const other of held) {
            expect(region.start < other.end && other.start < region.end).toBe(false);
          }
          held.push(region);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DMA_NO_MEMORY' });
        }
        if (frees && held.length > 0) {
          const gone = held.splice(lengthBytes % held.length, 1)[0]!;
          const { generation } = dram;
          dram.free(gone);
          dram.free(gone);
          expect(dram.generation).toBe(generation + 1);
        }
      }
      for (const { start, lengthBytes } of NODES) {
        let at = start;
        while (at < start + lengthBytes) {
          const region = dram.regionAt(at)!;
          expect(region.start).toBe(at);
          const owner = held.find((other) => at >= other.start && at < other.end);
          expect(owner === undefined || region.memory === owner.memory).toBe(true);
          expect(held.some((other) => other !== owner && other.start < region.end && at < other.end)).toBe(
            false,
          );
          at = region.end;
        }
        expect(at).toBe(start + lengthBytes);
        expect(dram.regionAt(start + lengthBytes)).toBe(undefined);
      }
      expect(dram.regionAt(Number.POSITIVE_INFINITY)).toBe(undefined);
    }),
    { numRuns: 200 },
  );
});
