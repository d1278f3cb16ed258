// Hardware that answers nonsense: firmware ends, reports, and does not throw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/index.ts';
import { assignHotAdded, enumerate } from '../../../src/fabric/firmware/index.ts';
import { PLENTY } from './fake-machine.ts';

describe('firmware on a machine that answers nonsense', () => {
  it.each(['random at every read', 'the same at every read'])('%s', (kind) => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(2 ** 32 - 1), fc.nat(3), (seed, constant, lastBus) => {
        const random = new SeededRandom(seed);
        const cycles = {
          configRead: (
            _domain: number,
            _bus: number,
            device: number,
            fn: number,
            offset: number,
            length: number,
          ) => {
            // A few functions only, or a test would find thousands.
            if (device > 1 || fn > 1) {
              return 2 ** (8 * length) - 1;
            }
            const value = kind.startsWith('random') ? random.below(2 ** 32) : constant;
            // Bus numbers of a bridge stay low for the same reason.
            const mask = offset === 0x0e ? 0x81 : offset >= 0x18 && offset < 0x1b ? 7 : 0xffff_ffff;
            return ((value & mask) >>> 0) % 2 ** (8 * length);
          },
          configWrite: () => {},
        };
        const report = enumerate(
          { ...cycles, hostBridges: [{ ...PLENTY, lastBus }] },
          { resizeBar: () => 'largest', virtualFunctions: () => 3 },
        );
        const added = assignHotAdded(cycles, { domain: 0, bus: 0, device: 0, function: 0 });
        for (const bar of [...report.assigned, ...added.assigned]) {
          expect(bar.address).toBeLessThan(2 ** 52);
        }
      }),
      { numRuns: 150 },
    );
  });
});
