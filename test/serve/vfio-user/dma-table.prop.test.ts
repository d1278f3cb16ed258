// The address space of a device against the simplest thing that could be right: an array with a place for each address.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../../../src/fabric/index.ts';
import { DmaTable } from '../../../src/serve/vfio-user/dma-table.ts';

const SPACE = 64;
const memories = [Memory.flat(SPACE), Memory.flat(SPACE)];

interface Step {
  readonly isAdd: boolean;
  readonly start: number;
  readonly length: number;
  /** Index of a memory; 2 for none. */
  readonly memory: number;
  readonly offset: number;
  readonly isReadOnly: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  isAdd: fc.boolean(),
  start: fc.nat(SPACE - 1),
  length: fc.integer({ min: 1, max: SPACE }),
  memory: fc.nat(2),
  offset: fc.nat(SPACE),
  isReadOnly: fc.boolean(),
});

describe('an address space', () => {
  it('leads every address where it was mapped to last, whatever was taken away around it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const table = new DmaTable();
        const places = new Array<string | null>(SPACE).fill(null);
        for (const { isAdd, start, length, memory, offset, isReadOnly } of steps) {
          const end = Math.min(SPACE, start + length);
          if (!isAdd) {
            const hadAny = places.slice(start, end).some((place) => place !== null);
            expect(table.remove(start, end)).toBe(hadAny);
            places.fill(null, start, end);
            continue;
          }
          const isTaken = places.slice(start, end).some((place) => place !== null);
          expect(table.overlaps(start, end)).toBe(isTaken);
          if (!isTaken) {
            const own = memories[memory] ?? null;
            table.add({ start, end, memory: own, memoryOffset: offset, isReadOnly });
            for (let at = start; at < end; at++) {
              places[at] = own === null ? 'messages' : `${memory}:${offset + at - start}:${isReadOnly}`;
            }
          }
        }
        let memoryBytes = 0;
        for (let at = 0; at < SPACE; at++) {
          const region = table.regionAt(at);
          const place = places[at];
          if (region === undefined) {
            expect(place === null || place === 'messages', `${at}`).toBe(true);
          } else {
            memoryBytes++;
            expect(region.start <= at && at < region.end).toBe(true);
            const index = memories.indexOf(region.memory);
            expect(`${index}:${region.memoryOffset + at - region.start}:${region.isReadOnly}`).toBe(place);
          }
        }
        expect(table.memoryBytes).toBe(memoryBytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes away ranges that reach far beyond everything', () => {
    const table = new DmaTable();
    table.add({ start: 0x1000, end: 0x3000, memory: memories[0]!, memoryOffset: 0, isReadOnly: false });
    expect(table.remove(0, Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(table.count).toBe(0);
    expect(table.remove(0, Number.MAX_SAFE_INTEGER)).toBe(false);
  });
});
