import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import type { Command } from '../../../../src/devices/nvme/command.ts';
import { PENDING } from '../../../../src/fabric/index.ts';
import { NVM_OPCODE, NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { HOST_BYTES, MODES } from '../data/bench.ts';
import { IoBench } from './io-bench.ts';

const KNOWN = new Set<number>(Object.values(NVME_STATUS));

it('any 64 bytes end once, with a status of the specification, whatever others are under way', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(...MODES), (seed, mode) => {
      const random = new SeededRandom(seed);
      const bench = new IoBench({ mode, seed }, [
        { sizeBlocks: 64 },
        { sizeBlocks: 2 ** 40, blockBytes: 4096, metadataBytes: 8, piType: 1 },
        { sizeBlocks: 64, blockBytes: 4096, metadataBytes: 64, isExtended: true },
      ]);
      bench.settings.copyFormatsAllowed = 0xffff;
      for (let at = 0; at < 8192; at += 4) {
        bench.port.host.setValue(at, 4, random.pick([0, 1, 8, random.next32()]));
      }
      const word = (): number => random.pick([0, 1, random.below(64), random.next32(), 0xffff_ffff]);
      const started: Command[] = [];
      const done: Command[] = [];
      for (let i = 0; i < 12; i++) {
        const dwords: Record<number, number> = {};
        for (let number = 0; number < 16; number++) {
          dwords[number] = word();
        }
        const opcode = random.pick([...Object.values(NVM_OPCODE), random.below(256)]);
        dwords[0] = (opcode | (random.below(4) << 14) | (i << 16)) >>> 0;
        dwords[1] = random.pick([1, 2, 3, 1, 2, 3, 4, 0, 0xffff_ffff]);
        if (random.below(3) > 0) {
          // A buffer that is there, and a range that may be.
          dwords[6] = 4 * random.below(2048);
          dwords[7] = 1;
          dwords[8] = random.pick([4096 * random.below(HOST_BYTES / 4096), 8 * random.below(1024)]);
          dwords[9] = 1;
          dwords[11] = 0;
        }
        const command = bench.command(dwords);
        started.push(command);
        if (bench.io.execute(command) !== PENDING) {
          done.push(command);
        }
        for (let steps = random.below(3); steps > 0; steps--) {
          bench.port.step();
        }
        if (random.below(6) === 0) {
          bench.io.cancel(random.pick(started.filter((one) => !done.includes(one)).concat(command)));
        }
      }
      bench.port.run();
      expect([...done, ...bench.completed].sort((a, b) => a.cid - b.cid)).toEqual(started);
      for (const command of started) {
        expect(KNOWN.has(command.status), `${command.status.toString(16)}h`).toBe(true);
        expect(bench.data.isBusy(command)).toBe(false);
      }
      expect([1, 2, 3].every((nsid) => bench.io.isIdle(nsid))).toBe(true);
    }),
    { numRuns: 150 },
  );
});
