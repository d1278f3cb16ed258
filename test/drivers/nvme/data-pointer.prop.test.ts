import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CoherentMemory, DmaView } from '../../../src/access/index.ts';
import type { DmaAddr } from '../../../src/base/index.ts';
import { LIST_FAILED, NO_LIST, writePrps, writeSgl } from '../../../src/drivers/nvme/data-pointer.ts';
import { ListPool } from '../../../src/drivers/nvme/list-pool.ts';
import { SpanMapping } from '../../../src/drivers/nvme/span-mapping.ts';
import { prpListEntries, SGL_TYPE } from '../../../src/spec/nvme/index.ts';

const PAGE = 4096;

/** Addresses of coherent memory, and what stands at each. */
class Lists {
  readonly #memories: CoherentMemory[] = [];
  #next = 0x10_0000_0000;
  left: number;

  constructor(left = Number.POSITIVE_INFINITY) {
    this.left = left;
  }

  readonly view = {
    allocCoherent: (lengthBytes: number): CoherentMemory => {
      const bytes = new Uint8Array(lengthBytes);
      const memory = {
        lengthBytes,
        bytes,
        view: new DataView(bytes.buffer),
        addr: this.#next as DmaAddr,
        free: () => {},
      };
      this.#next += lengthBytes + PAGE;
      this.#memories.push(memory);
      return memory;
    },
  } as unknown as DmaView;

  qword(address: number): number {
    return this.dword(address + 4) * 0x1_0000_0000 + this.dword(address);
  }

  dword(address: number): number {
    const memory = this.#memories.find(
      ({ addr, lengthBytes }) => address >= addr && address + 4 <= addr + lengthBytes,
    );
    if (memory === undefined) {
      throw new Error(`nothing at 0x${address.toString(16)}`);
    }
    return memory.view.getUint32(address - memory.addr, true);
  }
}

function qword(words: Uint32Array, at: number): number {
  return words[at + 1]! * 0x1_0000_0000 + words[at]!;
}

/** The bytes that a data pointer names, as the specification has it read (NVMe Base 4.3.1). */
function walkPrps(words: Uint32Array, lengthBytes: number, lists: Lists): [number, number][] {
  const first = qword(words, 6);
  const runs: [number, number][] = [[first, Math.min(lengthBytes, PAGE - (first % PAGE))]];
  let left = lengthBytes - runs[0]![1];
  if (left === 0) {
    expect(qword(words, 8)).toBe(0);
    return runs;
  }
  let list = qword(words, 8);
  if (left <= PAGE) {
    runs.push([list, left]);
    return runs;
  }
  while (left > 0) {
    const room = prpListEntries(list, PAGE);
    const due = Math.ceil(left / PAGE);
    for (let i = 0; i < Math.min(room, due); i++) {
      const entry = lists.qword(list + 8 * i);
      if (i === room - 1 && due > room) {
        list = entry;
        break;
      }
      runs.push([entry, Math.min(left, PAGE)]);
      left -= Math.min(left, PAGE);
    }
  }
  if (runs.slice(1).some(([entry]) => entry % PAGE !== 0)) {
    throw new Error('a PRP after the first does not start a page');
  }
  return runs;
}

interface Descriptor {
  readonly address: number;
  readonly length: number;
  readonly type: number;
}

function walkSgl(words: Uint32Array, lists: Lists): [number, number][] {
  const runs: [number, number][] = [];
  let descriptors: Descriptor[] = [{ address: qword(words, 6), length: words[8]!, type: words[9]! >>> 28 }];
  for (;;) {
    for (const { address, length, type } of descriptors) {
      if (type === SGL_TYPE.DATA_BLOCK) {
        runs.push([address, length]);
      }
    }
    const last = descriptors.at(-1)!;
    if (last.type === SGL_TYPE.DATA_BLOCK) {
      return runs;
    }
    const count = last.length / 16;
    expect(count).toBeLessThanOrEqual(256);
    descriptors = Array.from({ length: count }, (_, i) => ({
      address: lists.qword(last.address + 16 * i),
      length: lists.dword(last.address + 16 * i + 8),
      type: lists.dword(last.address + 16 * i + 12) >>> 28,
    }));
    expect(descriptors.slice(0, -1).every(({ type }) => type === SGL_TYPE.DATA_BLOCK)).toBe(true);
    expect(descriptors.at(-1)!.type === SGL_TYPE.DATA_BLOCK).toBe(last.type === SGL_TYPE.LAST_SEGMENT);
  }
}

/** Joins runs that touch. */
function joined(runs: readonly (readonly [number, number])[]): [number, number][] {
  const result: [number, number][] = [];
  for (const [start, length] of runs) {
    const last = result.at(-1);
    if (last !== undefined && last[0] + last[1] === start) {
      last[1] += length;
    } else {
      result.push([start, length]);
    }
  }
  return result;
}

function mappingOf(segments: readonly (readonly [number, number])[], lists: Lists): SpanMapping {
  return new SpanMapping(
    { segments: segments.map(([addr, lengthBytes]) => ({ addr: addr as DmaAddr, lengthBytes })), unmap() {} },
    lists.view,
    PAGE,
  );
}

/** What the segments have from an offset on. */
function expected(segments: readonly (readonly [number, number])[], offset: number, length: number) {
  const runs: [number, number][] = [];
  let start = 0;
  for (const [address, bytes] of segments) {
    const from = Math.max(offset, start);
    const to = Math.min(offset + length, start + bytes);
    if (to > from) {
      runs.push([address + from - start, to - from]);
    }
    start += bytes;
  }
  return joined(runs);
}

describe('data pointers (NVMe Base 4.3)', () => {
  it('describes any range of one segment by PRPs, whatever list it borrows or builds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1023 }),
        fc.integer({ min: 1, max: 2100 }),
        fc.integer({ min: 0, max: 2000 }),
        fc.integer({ min: 0, max: 1023 }),
        fc.integer({ min: 1, max: 4096 }),
        (skewDwords, pages, firstPage, offsetDwords, lastBytes) => {
          const lists = new Lists();
          const segments = [[0x7_0000_0000 + skewDwords * 4, 2200 * PAGE]] as const;
          const mapping = mappingOf(segments, lists);
          const offset = Math.min(firstPage * PAGE + offsetDwords * 4, 2199 * PAGE);
          const length = Math.min((pages - 1) * PAGE + lastBytes, 2200 * PAGE - offset);
          const words = new Uint32Array(16);
          const pool = new ListPool(lists.view, PAGE, 1000);
          const chain = writePrps(words, 0, mapping, offset, length, pool);
          expect(joined(walkPrps(words, length, lists))).toEqual(expected(segments, offset, length));
          pool.give(chain);
          expect(pool.used).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('borrows the list of the span at every place of it but where its entries would end on a link', () => {
    const lists = new Lists();
    const segments = [[0x7_0000_0000, 2000 * PAGE]] as const;
    const mapping = mappingOf(segments, lists);
    const pool = new ListPool(lists.view, PAGE, 1000);
    let own = 0;
    for (let first = 0; first < 1100; first += 1) {
      for (const pages of [3, 511, 512, 700]) {
        const words = new Uint32Array(16);
        const chain = writePrps(words, 0, mapping, first * PAGE, pages * PAGE, pool);
        own += chain === NO_LIST ? 0 : 1;
        const [run, ...more] = joined(walkPrps(words, pages * PAGE, lists));
        if (run![0] !== 0x7_0000_0000 + first * PAGE || run![1] !== pages * PAGE || more.length > 0) {
          throw new Error(`wrong PRPs for ${pages} pages from page ${first}`);
        }
        pool.give(chain);
      }
    }
    // One place in 511 for each length.
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThan(4 * 4);
  });

  it('describes any range of any segments by SGLs, and as much as it says by PRPs', () => {
    const segment = fc.record({
      skew: fc.constantFrom(0, 0, 0, 4, 512, 4092),
      bytes: fc.integer({ min: 1, max: 5000 }),
    });
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 600 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (pieces, from, to) => {
          const lists = new Lists();
          let address = 0x7_0000_0000;
          const segments = pieces.map(({ skew, bytes }): readonly [number, number] => {
            // Half of them are whole pages.
            const length = bytes % 2 === 0 ? bytes * 4 : (1 + (bytes % 4)) * PAGE;
            const start = address + skew;
            address = Math.ceil((start + length) / PAGE + 1) * PAGE;
            return [start, length];
          });
          const total = segments.reduce((sum, [, bytes]) => sum + bytes, 0);
          const mapping = mappingOf(segments, lists);
          expect(mapping.isUsable(total)).toBe(true);
          const offset = Math.floor((total * from) / 4) * 4;
          const length = Math.max(4, Math.floor(((total - offset) * to) / 4) * 4);
          const pool = new ListPool(lists.view, PAGE, 1000);
          const words = new Uint32Array(16);
          pool.give(writeSgl(words, 0, mapping, offset, length, pool));
          expect(joined(walkSgl(words, lists))).toEqual(expected(segments, offset, length));
          const run = mapping.prpRun(offset, length);
          expect(run).toBeGreaterThan(0);
          pool.give(writePrps(words, 0, mapping, offset, run, pool));
          expect(joined(walkPrps(words, run, lists))).toEqual(expected(segments, offset, run));
          expect(pool.used).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives back what it took when there is no memory for the rest of a chain', () => {
    const lists = new Lists();
    const pool = new ListPool(lists.view, PAGE, 2);
    const pieces = Array.from({ length: 2000 }, (_, i) => [0x7_0000_0000 + i * 2 * PAGE, PAGE] as const);
    const mapping = mappingOf(pieces, lists);
    const words = new Uint32Array(16);
    expect(writeSgl(words, 0, mapping, 0, 2000 * PAGE, pool)).toBe(LIST_FAILED);
    expect(pool.used).toBe(0);
    expect(writeSgl(words, 0, mapping, 0, 400 * PAGE, pool)).not.toBe(LIST_FAILED);
    expect(pool.used).toBe(2);
  });
});
