import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Flow, maxMinShares } from '../../src/rates/index.ts';

const amount = fc.integer({ min: 1, max: 1000 }).map((whole) => whole / 16);
const RESOURCES = 5;

const flow: fc.Arbitrary<Flow> = fc.record({
  demand: fc.oneof(amount, fc.constant(Number.POSITIVE_INFINITY)),
  weight: fc.constantFrom(1, 1, 1, 2, 4, 64, 256),
  uses: fc
    .uniqueArray(fc.integer({ min: 0, max: RESOURCES - 1 }), { minLength: 1, maxLength: RESOURCES })
    .chain((resources) =>
      fc.tuple(
        ...resources.map((resource) =>
          fc.constantFrom(1, 1.09375, 1.375, 2).map((load) => ({ resource, load })),
        ),
      ),
    ),
});
const machine = fc.record({
  capacities: fc.array(amount, { minLength: RESOURCES, maxLength: RESOURCES }),
  flows: fc.array(flow, { minLength: 1, maxLength: 12 }),
});

const CLOSE = 1e-9;

describe('max-min sharing', () => {
  it('never loads a resource beyond its capacity, nor gives a flow more than it asks for', () => {
    fc.assert(
      fc.property(machine, ({ capacities, flows }) => {
        const { rates, loads } = maxMinShares(capacities, flows);
        capacities.forEach((capacity, resource) => {
          const load = flows.reduce(
            (sum, one, index) =>
              sum + (one.uses.find((use) => use.resource === resource)?.load ?? 0) * rates[index]!,
            0,
          );
          expect(load).toBeLessThanOrEqual(capacity * (1 + CLOSE));
          expect(loads[resource]).toBeCloseTo(load, 9);
        });
        flows.forEach((one, index) => {
          expect(rates[index]).toBeGreaterThan(0);
          expect(rates[index]).toBeLessThanOrEqual(one.demand);
        });
      }),
    );
  });

  it('lets no flow grow without shrinking one that is no better off', () => {
    fc.assert(
      fc.property(machine, ({ capacities, flows }) => {
        const { rates, bottlenecks, loads } = maxMinShares(capacities, flows);
        const level = (index: number) => rates[index]! / (flows[index]!.weight ?? 1);
        flows.forEach((one, index) => {
          const bottleneck = bottlenecks[index]!;
          if (bottleneck === null) {
            expect(rates[index]).toBe(one.demand);
            return;
          }
          // What stopped it is full, and nobody on it stands higher: to grow, it would take from one at most as high.
          expect(loads[bottleneck]).toBeGreaterThanOrEqual(capacities[bottleneck]! * (1 - CLOSE));
          flows.forEach((other, at) => {
            if (other.uses.some((use) => use.resource === bottleneck)) {
              expect(level(at)).toBeLessThanOrEqual(level(index) * (1 + CLOSE));
            }
          });
        });
      }),
    );
  });

  it('gives the same in any order of the flows', () => {
    fc.assert(
      fc.property(machine, ({ capacities, flows }) => {
        const forth = maxMinShares(capacities, flows).rates;
        const back = maxMinShares(capacities, [...flows].reverse()).rates;
        forth.forEach((rate, index) => {
          expect(back[flows.length - 1 - index]! / rate).toBeCloseTo(1, 9);
        });
      }),
    );
  });

  it('gives the same bits twice', () => {
    fc.assert(
      fc.property(machine, ({ capacities, flows }) => {
        expect(maxMinShares(capacities, flows)).toEqual(maxMinShares(capacities, flows));
      }),
    );
  });
});
