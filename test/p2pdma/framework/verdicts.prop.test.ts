/** The framework asks the verdict half and nobody else: laws on random machines. fast-check prints the seed of a failure. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MappingError, SeededRandom } from '../../../src/base/index.ts';
import { findMany, judge, judgeMany, P2pdma, rulesFor } from '../../../src/p2pdma/index.ts';
import { type Machine, MachineIndex } from '../../../src/topology/index.ts';
import { machineArbitrary } from '../support/random-machine.ts';
import { REFERENCE_KERNELS } from '../support/reference.ts';
import { FakeFunction, MIB, PAGE } from './fake-function.ts';

const RUNS = 150;
const kernels = fc.constantFrom(...REFERENCE_KERNELS);

/** A framework on a machine of which the functions at `places` have published memory. */
function framework(machine: Machine, rules: string, places: readonly number[]) {
  const lines: string[] = [];
  const providers = [
    ...new Set(places.map((place) => machine.functions[place % machine.functions.length]!.bdf)),
  ];
  const published: Machine = {
    ...machine,
    functions: machine.functions.map((fn) => ({
      ...fn,
      p2pmem: providers.includes(fn.bdf)
        ? { sizeBytes: 2 * MIB, availableBytes: 2 * MIB, published: true, hasAllocate: true }
        : null,
    })),
  };
  const p2pdma = new P2pdma({
    machine: () => published,
    rules,
    random: new SeededRandom(places.length),
    log: (device, text) => lines.push(`${device}|${text}`),
  });
  providers.forEach((bdf, i) => {
    const bars = { 0: { start: 2 ** 40 + i * 128 * MIB, lengthBytes: 2 * MIB } };
    p2pdma.addResource(new FakeFunction(bdf, bars), 0);
    p2pdma.publish(bdf);
  });
  lines.length = 0;
  return { p2pdma, lines, providers, index: new MachineIndex(published) };
}

const places = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });

describe('the framework and the verdict', () => {
  it('distance of several clients and the log are those of the verdict', () => {
    fc.assert(
      fc.property(machineArbitrary, kernels, places, places, (machine, kernel, at, who) => {
        const { p2pdma, lines, providers, index } = framework(machine, kernel, at);
        const clients = who.map((place) => machine.functions[place % machine.functions.length]!.bdf);
        const verdict = judgeMany(index, rulesFor(kernel), providers[0]!, clients);
        expect(p2pdma.distanceMany(providers[0]!, clients)).toBe(verdict.distance);
        expect(lines).toEqual(verdict.messages);
        expect(p2pdma.distanceMany(providers[0]!, clients, { isVerbose: false })).toBe(verdict.distance);
      }),
      { numRuns: RUNS },
    );
  });

  it('a search takes one of those that the verdict ranks first, or none where it has none', () => {
    fc.assert(
      fc.property(machineArbitrary, kernels, places, places, (machine, kernel, at, who) => {
        const { p2pdma, index } = framework(machine, kernel, at);
        const clients = who.map((place) => machine.functions[place % machine.functions.length]!.bdf);
        const { nearest } = findMany(index, rulesFor(kernel), clients);
        const found = p2pdma.findMany(clients)?.bdf;
        if (found !== undefined) {
          expect(nearest).toContain(found);
        }
        expect(found === undefined).toBe(nearest.length === 0);
      }),
      { numRuns: RUNS },
    );
  });

  it('what is not supported is never mapped, and what is goes by its map type', () => {
    fc.assert(
      fc.property(machineArbitrary, kernels, places, fc.nat(), (machine, kernel, at, who) => {
        const { p2pdma, providers, index } = framework(machine, kernel, at);
        const client = new FakeFunction(machine.functions[who % machine.functions.length]!.bdf);
        for (const provider of providers) {
          const { usable, mapType } = judge(index, rulesFor(kernel), provider, client.bdf);
          p2pdma.distance(provider, client);
          const span = p2pdma.allocSpan(provider, PAGE);
          const before = client.dma.physCalls;
          let mapped: string;
          try {
            const mapping = p2pdma.mapSpan(span, client);
            mapped = mapping.mapType;
            mapping.unmap();
          } catch (error) {
            mapped = (error as MappingError).code;
          }
          span.close();
          // Up to 5.3 there is one way to map.
          const hasTypes = p2pdma.behaviour.asksFirstElement;
          expect(mapped).toBe(usable === true ? (hasTypes ? mapType : 'bus-addr') : 'P2P_NO_ROUTE');
          expect(client.dma.physCalls - before).toBe(mapped === 'thru-host-bridge' ? 1 : 0);
        }
        expect(client.dma.live.size).toBe(0);
      }),
      { numRuns: RUNS },
    );
  });
});
