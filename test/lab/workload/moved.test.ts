/** Bytes within a window, from the ends of requests: nothing is lost at its edges, and nothing is made up. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MovedInWindow } from '../../../src/lab/workload/moved.ts';

describe('what moved within a window', () => {
  it('has of a request that began before it the part that fell into it', () => {
    const moved = new MovedInWindow();
    moved.ended(1000, 0, 100);
    moved.setWindow(1500, 3000);
    moved.ended(2000, 0, 100);
    expect(moved.until(2000, Number.POSITIVE_INFINITY, 0)).toEqual({ bytes: 50, requests: 0.5 });
  });

  it('has of what is being served as much as its rate gives, and no more than was ever served at once', () => {
    const moved = new MovedInWindow();
    moved.setWindow(0, 10_000);
    moved.ended(1000, 0, 100);
    moved.ended(2000, 0, 100);
    expect(moved.until(2500, 0, 800)).toEqual({ bytes: 250, requests: 2.5 });
    expect(moved.until(9000, 0, 800)).toEqual({ bytes: 300, requests: 3 });
    expect(moved.until(9000, Number.POSITIVE_INFINITY, 0)).toEqual({ bytes: 200, requests: 2 });
  });

  it('takes those that end at one moment as served together', () => {
    const moved = new MovedInWindow();
    moved.setWindow(500, 2000);
    moved.ended(1000, 0, 100);
    moved.ended(1000, 0, 300);
    expect(moved.until(1000, Number.POSITIVE_INFINITY, 0)).toEqual({ bytes: 200, requests: 1 });
  });

  it('is nothing while nothing has ended, and nothing outside of the window', () => {
    const moved = new MovedInWindow();
    moved.setWindow(1000, 2000);
    expect(moved.until(1500, 0, 100)).toEqual({ bytes: 0, requests: 0 });
    moved.ended(2500, 0, 100);
    expect(moved.until(2000, 2500, 100)).toEqual({ bytes: 0, requests: 0 });
  });

  it('is the rate times the window for requests served one after the other, wherever the window lies', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 10, max: 5000 }),
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer({ min: 1, max: 8 }),
        (depth, servicePs, fromPs, services) => {
          const bytes = servicePs * 2;
          const untilPs = fromPs + services * servicePs + Math.floor(servicePs / 3);
          const moved = new MovedInWindow();
          moved.setWindow(fromPs, untilPs);
          let endPs = 0;
          let ended = 0;
          while (endPs + servicePs <= untilPs) {
            const startedPs = Math.max(0, endPs - (depth - 1) * servicePs);
            endPs += servicePs;
            ended++;
            moved.ended(endPs, startedPs, bytes);
          }
          const oldestPs = Math.max(0, (ended - depth + 1) * servicePs);
          const found = moved.until(untilPs, oldestPs, depth * bytes).bytes;
          // A byte for each rounding.
          expect(Math.abs(found - 2 * (untilPs - fromPs))).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
