import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import { NVME_STATUS as S } from '../../../../src/spec/nvme/index.ts';
import { MODES } from '../data/bench.ts';
import { blocks, copy } from './copy-list.ts';
import { IoBench } from './io-bench.ts';

describe('random copies against a naive model', () => {
  it('blocks are where they would be, and everything else is as before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(...MODES), (seed, mode) => {
        const random = new SeededRandom(seed);
        const count = 60;
        const bench = new IoBench({ mode, seed }, [{ sizeBlocks: count }, { sizeBlocks: count }]);
        bench.settings.copyFormatsAllowed = 0xc;
        // One name for the content of each block; a copy moves names.
        const names = [1, 2].map((nsid) =>
          Array.from({ length: count }, (_, lba) => blocks(bench, nsid, lba, 1).join()),
        );
        for (let step = 0; step < 6; step++) {
          const nsid = 1 + random.below(2);
          const format = random.pick([0, 2]);
          const to = random.below(count);
          const ranges = Array.from({ length: 1 + random.below(4) }, () => ({
            nsid: 1 + random.below(2),
            slba: random.below(count),
            blocks: 1 + random.below(12),
          }));
          const total = ranges.reduce((sum, range) => sum + range.blocks, 0);
          let at = to;
          let wanted = 0;
          let copied = 0;
          for (const range of ranges) {
            const source = format === 0 ? nsid : range.nsid;
            const end = range.slba + range.blocks;
            if (format === 2 && source === nsid && end > to && end < to + total) {
              wanted = S.OVERLAPPING_IO_RANGE;
            } else if (end > count || at + range.blocks > count) {
              wanted = S.LBA_OUT_OF_RANGE;
            }
            if (wanted !== 0) {
              break;
            }
            names[nsid - 1]!.splice(at, range.blocks, ...names[source - 1]!.slice(range.slba, end));
            at += range.blocks;
            copied++;
          }
          const result = copy(bench, { format, nsid, to }, ranges);
          expect(result).toMatchObject({ status: wanted, dw0: wanted === 0 ? 0 : copied });
        }
        for (const nsid of [1, 2]) {
          for (let lba = 0; lba < count; lba++) {
            expect(blocks(bench, nsid, lba, 1).join() === names[nsid - 1]![lba]).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
