// The translation cache of a device against a list of what may be used: no translation outlives its invalidation.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ATC, Atc } from '../../../src/fabric/index.ts';

const PAGE = 4096;
const page = fc.integer({ min: 0, max: 20 });
const step = fc.oneof(
  fc.record({ what: fc.constant('find' as const), page }),
  fc.record({ what: fc.constant('answered' as const), page, isKept: fc.boolean() }),
  fc.record({
    what: fc.constant('invalidate' as const),
    page,
    skew: fc.integer({ min: 0, max: PAGE - 1 }),
    lengthBytes: fc.oneof(fc.integer({ min: 1, max: 5 * PAGE }), fc.constant(2 ** 48)),
  }),
);

it('never returns a translation after its invalidation, and never holds more than it has entries', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 200 }), (entries, steps) => {
      const atc = new Atc({ entries, pageBytes: PAGE });
      /** Pages that were answered for and not invalidated since; asked for and not invalidated since. */
      const valid = new Set<number>();
      const asked = new Set<number>();
      for (const one of steps) {
        if (one.what === 'find') {
          const found = atc.find(one.page);
          if (found === ATC.HIT) {
            expect(valid.has(one.page)).toBe(true);
          } else {
            asked.add(one.page);
            valid.delete(one.page);
          }
        } else if (one.what === 'answered') {
          const isHeld = atc.answered(one.page, one.isKept);
          expect(isHeld && !(asked.has(one.page) && one.isKept)).toBe(false);
          if (isHeld) {
            valid.add(one.page);
          }
          asked.delete(one.page);
        } else {
          const start = one.page * PAGE + one.skew;
          atc.invalidate(start, one.lengthBytes);
          for (const set of [valid, asked]) {
            for (const held of set) {
              if (held * PAGE < start + one.lengthBytes && (held + 1) * PAGE > start) {
                set.delete(held);
              }
            }
          }
        }
        expect(atc.size).toBeLessThanOrEqual(entries);
        for (let at = 0; at <= 20; at++) {
          expect(atc.holds(at * PAGE) && !valid.has(at)).toBe(false);
        }
      }
    }),
  );
});
