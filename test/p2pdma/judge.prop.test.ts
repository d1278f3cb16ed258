/** Laws of the verdict on random machines. fast-check prints the seed of a failure. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Bdf } from '../../src/base/index.ts';
import { judge, judgeAll, judgeMany, type KernelVerdict, rulesFor } from '../../src/p2pdma/index.ts';
import { type Machine, type MachineFunction, MachineIndex } from '../../src/topology/index.ts';
import { acsState } from './support/build-machine.ts';
import { machineArbitrary, machineInOrderArbitrary } from './support/random-machine.ts';
import { REFERENCE_KERNELS, referenceVerdict } from './support/reference.ts';

const kernelArbitrary = fc.constantFrom(...REFERENCE_KERNELS);
/** Versions between those that were read, and none at all. */
const openKernelArbitrary = fc.constantFrom(
  ...REFERENCE_KERNELS,
  '5.1.3',
  '5.3.9',
  '5.5.0',
  '5.10.60',
  '5.13.2',
  '5.18.0',
  '7.3.1',
  '7.4.0',
  '4.19.2',
  '',
);
const RUNS = 300;

function pairsOf(machine: Machine): [Bdf, Bdf][] {
  return machine.functions.flatMap((a) => machine.functions.map((b): [Bdf, Bdf] => [a.bdf, b.bdf]));
}

function withFunctions(
  machine: Machine,
  change: (fn: MachineFunction, i: number) => MachineFunction,
): Machine {
  return { ...machine, functions: machine.functions.map(change) };
}

describe('on machines of which everything is known', () => {
  it('judge says what the pseudo-code of the specification says', () => {
    fc.assert(
      fc.property(machineArbitrary, kernelArbitrary, (machine, kernel) => {
        const index = new MachineIndex(machine);
        const rules = rulesFor(kernel);
        for (const [provider, client] of pairsOf(machine)) {
          const answer = judge(index, rules, provider, client);
          const expected = referenceVerdict(machine, kernel, provider, client);
          const { distance, mapType } = answer;
          expect({ distance, mapType }, `${kernel} ${provider} ${client}`).toEqual(expected);
          expect(answer.usable).toBe(expected.distance >= 0);
          expect(answer.candidates).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('distance, map type and usability do not depend on who provides and who is the client', () => {
    fc.assert(
      fc.property(machineArbitrary, kernelArbitrary, (machine, kernel) => {
        const table = judgeAll(new MachineIndex(machine), rulesFor(kernel));
        for (let a = 0; a < table.count; a++) {
          for (let b = 0; b < a; b++) {
            expect(table.at(a, b)).toEqual(table.at(b, a));
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('the order of the clients does not change their common distance', () => {
    fc.assert(
      fc.property(
        machineArbitrary,
        kernelArbitrary,
        fc.array(fc.nat(100), { maxLength: 5 }),
        (machine, kernel, picks) => {
          const index = new MachineIndex(machine);
          const rules = rulesFor(kernel);
          const { functions } = machine;
          const clients = picks.map((pick) => functions[pick % functions.length]!.bdf);
          const provider = functions[0]!.bdf;
          const there = judgeMany(index, rules, provider, clients);
          const back = judgeMany(index, rules, provider, [...clients].reverse());
          expect(back.distance).toBe(there.distance);
          const single = clients.map(
            (client) => referenceVerdict(machine, kernel, provider, client).distance,
          );
          const isRejected = single.length === 0 || single.includes(-1);
          expect(there.distance).toBe(isRejected ? -1 : single.reduce((sum, one) => sum + one, 0));
        },
      ),
      { numRuns: RUNS },
    );
  });
});

/** What may be unknown of a function's ACS, of the CPU, of an id. */
const blindness = fc.record({
  acs: fc.array(fc.nat(100), { maxLength: 4 }),
  ids: fc.array(fc.nat(100), { maxLength: 1 }),
  cpu: fc.boolean(),
});

interface Blindness {
  readonly acs: readonly number[];
  readonly ids: readonly number[];
  readonly cpu: boolean;
}

function blinded(machine: Machine, blind: Blindness): Machine {
  const hit = (picks: readonly number[], i: number): boolean =>
    picks.some((pick) => pick % machine.functions.length === i);
  const seen = withFunctions(machine, (fn, i) => ({
    ...fn,
    acs: hit(blind.acs, i) ? undefined : fn.acs,
    isGone: hit(blind.acs, i) ? false : fn.isGone,
    vendorId: hit(blind.ids, i) ? undefined : fn.vendorId,
  }));
  return blind.cpu ? { ...seen, cpu: { ...seen.cpu, vendor: undefined } } : seen;
}

/** Every machine that a blinded one may be, as far as the rules can tell them apart. */
function* completions(machine: Machine): Generator<Machine> {
  const acsAt = machine.functions.findIndex((fn) => fn.acs === undefined);
  if (acsAt >= 0) {
    for (const acs of [null, acsState(0x1c)]) {
      yield* completions(withFunctions(machine, (fn, i) => (i === acsAt ? { ...fn, acs } : fn)));
    }
    return;
  }
  const idAt = machine.functions.findIndex((fn) => fn.vendorId === undefined);
  if (idAt >= 0) {
    for (const [vendorId, deviceId] of [
      [0x8086, 0x9999],
      [0x8086, 0x3c00],
      [0x8086, 0x2030],
      [0x1022, 0x1450],
      [0x1022, 0x1630],
      [0x8086, 0x2031],
      [0x1ae0, 1],
      [0x8086, 0x4940],
      [0x10de, 0x2f95],
    ] as const) {
      yield* completions(
        withFunctions(machine, (fn, i) => (i === idAt ? { ...fn, vendorId, deviceId } : fn)),
      );
    }
    return;
  }
  if (machine.cpu.vendor === undefined) {
    yield { ...machine, cpu: { ...machine.cpu, vendor: 'intel', family: 6 } };
    yield { ...machine, cpu: { ...machine.cpu, vendor: 'amd', family: 0x19 } };
    return;
  }
  yield machine;
}

function answersOf(verdict: KernelVerdict): string[] {
  const answers =
    verdict.candidates.length > 0
      ? verdict.candidates
      : [{ distance: verdict.distance, mapType: verdict.mapType }];
  return answers.map(({ distance, mapType }) => `${mapType} ${distance}`).sort();
}

describe('on machines of which something is unknown', () => {
  it('the candidates are exactly the answers of all machines that it may be', () => {
    fc.assert(
      fc.property(machineArbitrary, kernelArbitrary, blindness, (machine, kernel, blind) => {
        // An unknown device id keeps its vendor out of the game only when the vendor is unknown too.
        const seen = withFunctions(blinded(machine, blind), (fn) =>
          fn.vendorId === undefined ? { ...fn, deviceId: undefined } : fn,
        );
        const cpuKnown: Machine = blind.cpu ? { ...seen, cpu: { ...seen.cpu, family: undefined } } : seen;
        const index = new MachineIndex(cpuKnown);
        const rules = rulesFor(kernel);
        const possible = [...completions(cpuKnown)];
        for (const [provider, client] of pairsOf(machine)) {
          const verdict = judge(index, rules, provider, client);
          const answers = new Set(
            possible.map((one) => {
              const { distance, mapType } = referenceVerdict(one, kernel, provider, client);
              return `${mapType} ${distance}`;
            }),
          );
          expect(answersOf(verdict), `${kernel} ${provider} ${client}`).toEqual([...answers].sort());
          expect(verdict.mapType === 'unknown').toBe(
            new Set([...answers].map((a) => a.split(' ')[0])).size > 1,
          );
        }
      }),
      { numRuns: 120 },
    );
  });

  // In address order: where functions are left out, a 00.0 that is there is taken to be the first of its bus.
  it('hiding a bridge, a parent, ACS, an id or the CPU never turns a known answer into another known one', () => {
    const hiding = fc.record({
      blind: blindness,
      parent: fc.option(fc.nat(100), { nil: undefined }),
      bridge: fc.option(fc.nat(100), { nil: undefined }),
    });
    fc.assert(
      fc.property(machineInOrderArbitrary, openKernelArbitrary, hiding, (machine, kernel, hide) => {
        const rules = rulesFor(kernel === '' ? undefined : kernel);
        const full = judgeAll(new MachineIndex(machine), rules);
        const seen = withoutBridge(withoutParent(blinded(machine, hide.blind), hide.parent), hide.bridge);
        const fullIndex = new MachineIndex(machine);
        const index = new MachineIndex(seen);
        for (const [provider, client] of pairsOf(seen)) {
          const known = full.at(fullIndex.position(provider), fullIndex.position(client));
          const answer = judge(index, rules, provider, client);
          const where = `${kernel} ${provider} ${client} ${JSON.stringify(answer)}`;
          expect([null, known.distance], where).toContain(answer.distance);
          expect([null, known.usable], where).toContain(answer.usable);
          expect(['unknown', known.mapType], where).toContain(answer.mapType);
          if (answer.distance === null || answer.usable === null || answer.mapType === 'unknown') {
            expect(answer.candidates.length, where).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('judgeAll says of every pair what judge says', () => {
    const hiding = fc.record({
      blind: blindness,
      parents: fc.array(fc.nat(100), { maxLength: 2 }),
      bridges: fc.array(fc.nat(100), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(machineArbitrary, openKernelArbitrary, hiding, (machine, kernel, hide) => {
        const rules = rulesFor(kernel === '' ? undefined : kernel);
        let seen = blinded(machine, hide.blind);
        for (const parent of hide.parents) {
          seen = withoutParent(seen, parent);
        }
        for (const bridge of hide.bridges) {
          seen = withoutBridge(seen, bridge);
        }
        const index = new MachineIndex(seen);
        const table = judgeAll(index, rules);
        for (const [provider, client] of pairsOf(seen)) {
          const { distance, mapType, usable } = judge(index, rules, provider, client);
          const cell = table.at(index.position(provider), index.position(client));
          expect(cell, `${kernel} ${provider} ${client}`).toEqual({ distance, mapType, usable });
        }
      }),
      { numRuns: RUNS },
    );
  });
});

/** The bridge above one function is no longer known. */
function withoutParent(machine: Machine, pick: number | undefined): Machine {
  const target = pick === undefined ? -1 : pick % machine.functions.length;
  return withFunctions(machine, (fn, i) => (i === target ? { ...fn, parent: undefined } : fn));
}

/** One bridge is left out, as hwloc and NCCL leave out some; a reader says so where it is on a root bus. */
function withoutBridge(machine: Machine, pick: number | undefined): Machine {
  const bridges = machine.functions.filter((fn) => fn.headerType === 1);
  const gone = pick === undefined ? undefined : bridges[pick % bridges.length];
  if (gone === undefined) {
    return machine;
  }
  const gap = { at: null, what: 'root-bus-devices', detail: 'the input leaves out bridges' };
  return {
    ...machine,
    gaps: gone.parent === null ? [...machine.gaps, gap] : machine.gaps,
    functions: machine.functions
      .filter((fn) => fn !== gone)
      .map((fn) => (fn.parent === gone.bdf ? { ...fn, parent: gone.parent, hiddenAbove: true } : fn)),
  };
}
