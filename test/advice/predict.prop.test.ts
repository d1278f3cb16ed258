/** Laws of predictions, on pairs of recorded machines: nothing exceeds a link, and the parts add up. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { predictPair, usualFacts } from '../../src/advice/index.ts';
import { LabMachine, parseLab } from '../../src/lab/index.ts';
import { rulesForMachine } from '../../src/p2pdma/index.ts';
import { netGBs } from '../../src/rates/index.ts';
import { type Machine, MachineIndex } from '../../src/topology/index.ts';

function machineOf(name: string): Machine {
  const text = readFileSync(new URL(`../../examples/${name}.yaml`, import.meta.url), 'utf8');
  return LabMachine.boot(parseLab(text, name), { label: name }).machine();
}

const MACHINES = ['eideticom', 'epyc', 'pex-cascade', 'xeon-two-socket', 'acs-on'].map((name) => {
  const machine = machineOf(name);
  return { name, machine, index: new MachineIndex(machine) };
});

const pairs = fc.constantFrom(...MACHINES).chain((one) => {
  const ends = one.machine.functions.filter(({ headerType }) => headerType === 0);
  return fc.record({
    one: fc.constant(one),
    provider: fc.constantFrom(...ends),
    client: fc.constantFrom(...ends),
  });
});

describe('a prediction', () => {
  it('never exceeds the net rate of a link on its way, nor any of its terms', () => {
    fc.assert(
      fc.property(pairs, ({ one, provider, client }) => {
        const { index, machine } = one;
        const prediction = predictPair(
          index,
          rulesForMachine(machine),
          provider.bdf,
          client.bdf,
          usualFacts(machine),
        );
        for (const direction of [prediction.write, prediction.read]) {
          const { goodputGBs, terms, bounced } = direction;
          if (goodputGBs !== null) {
            expect(goodputGBs).toBe(Math.min(...terms.map((term) => term.goodputGBs)));
            for (const { rate } of prediction.explanation.links) {
              expect(goodputGBs).toBeLessThan(netGBs(rate!));
            }
            expect(direction.smallNs).toBeGreaterThan(0);
          } else {
            expect(direction.why).not.toBeNull();
          }
          if (bounced.goodputGBs !== null) {
            expect(bounced.goodputGBs).toBe(Math.min(...bounced.terms.map((term) => term.goodputGBs)));
            expect(bounced.dramGBs).toBe(bounced.isAbsorbed ? 0 : 2 * bounced.goodputGBs);
          }
        }
      }),
    );
  });
});
