import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffMachines, explainPair, fixPair, lint } from '../../src/advice/index.ts';
import { rulesFor } from '../../src/p2pdma/index.ts';
import {
  buildIndex,
  buildMachine,
  type FunctionSpec,
  type Kind,
  type MachineSpec,
} from '../support/machine-builder.ts';

const acs = fc.constantFrom<(number | null | undefined)[]>(
  null,
  undefined,
  0,
  0x01,
  0x11,
  0x1d,
  0x5f,
  0x20,
  0x7f,
);
const kernel = fc.constantFrom(
  '4.15',
  '4.20',
  '5.3.1',
  '5.4',
  '5.10.0',
  '6.1.10',
  '6.12',
  '6.16',
  '7.2.12',
  '9.0',
  'x',
);
const unknownField = fc.constantFrom(
  'link',
  'bars',
  'command',
  'driver',
  'pcieType',
  'p2pmem',
  'windows',
  'none',
);

/** One switch or none above each of up to four endpoints, on up to two root ports; fields may be unknown. */
const machine: fc.Arbitrary<MachineSpec> = fc
  .record({
    cpu: fc.constantFrom<NonNullable<MachineSpec['cpu']>>('intel', 'amd-zen', 'hygon', 'unknown'),
    iommu: fc.constantFrom<MachineSpec['iommu'][]>('off', 'on', 'translated', 'passthrough', undefined),
    hostId: fc.constantFrom('8086:2020', '8086:3c00', '8086:4c43', '1022:1450'),
    rootAcs: fc.array(acs, { minLength: 2, maxLength: 2 }),
    portAcs: fc.array(acs, { minLength: 4, maxLength: 4 }),
    places: fc.array(
      fc.tuple(fc.nat(1), fc.boolean(), fc.constantFrom<Kind>('nvme', 'gpu', 'nic', 'pci'), unknownField),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  })
  .map(({ cpu, iommu, hostId, rootAcs, portAcs, places }) => {
    const functions: FunctionSpec[] = [{ at: '00:00.0', kind: 'host-bridge', id: hostId }];
    for (const [i, word] of rootAcs.entries()) {
      functions.push({ at: `00:0${i + 1}.0`, kind: 'root-port', acs: word });
      functions.push({ at: `1${i}:00.0`, kind: 'switch-upstream', under: `00:0${i + 1}.0` });
    }
    for (const [i, [root, isBelowSwitch, kind, hole]] of places.entries()) {
      const port = `2${root}:0${i}.0`;
      if (isBelowSwitch) {
        functions.push({ at: port, kind: 'switch-downstream', under: `1${root}:00.0`, acs: portAcs[i] });
      }
      functions.push({
        at: `3${i}:00.0`,
        kind,
        under: isBelowSwitch ? port : `00:0${root + 1}.0`,
        ...(hole === 'none' ? {} : { more: { [hole]: undefined } }),
      });
    }
    return { functions, cpu, iommu };
  });

const line = fc.constantFrom(
  '',
  'pci=disable_acs_redir=00:01.0;20:00.0',
  'pci=disable_acs_redir=00:01.0,20:00.0 iommu=pt',
  'pci=config_acs=x0x00xx@20:00.0;@;1@',
);

describe('any pair of any machine', () => {
  it('has reasons that match its verdict, blocking ones first, and survives JSON', () => {
    fc.assert(
      fc.property(machine, kernel, (spec, release) => {
        const index = buildIndex({ ...spec, kernel: release });
        const rules = rulesFor(release);
        for (const provider of index.machine.functions) {
          for (const client of index.machine.functions) {
            const explanation = explainPair(index, rules, provider.bdf, client.bdf);
            const { verdict, reasons } = explanation;
            const codes = reasons.map((reason) => reason.code as string);
            const blocks = reasons.map((reason) => reason.blocks);
            expect(blocks).toEqual([...blocks].sort((a, b) => Number(b) - Number(a)));
            if (verdict.usable === false) {
              expect(blocks).toContain(true);
            }
            if (verdict.mapType === 'bus-addr') {
              expect(codes.some((code) => code === 'DIRECT_SWITCH' || code === 'SAME_FUNCTION')).toBe(true);
            }
            if (verdict.mapType === 'thru-host-bridge') {
              expect(codes).toContain('THRU_HOST_BRIDGE');
            }
            if (verdict.usable === null) {
              expect(codes.some((code) => code.endsWith('_UNKNOWN') || code === 'UNVERIFIED')).toBe(true);
            }
            expect(JSON.parse(JSON.stringify(reasons))).toEqual(reasons);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('has a fix that holds what it says, and changes nothing in the machine', () => {
    fc.assert(
      fc.property(machine, kernel, line, (spec, release, commandLine) => {
        const index = buildIndex({ ...spec, kernel: release, commandLine });
        const before = JSON.stringify(index.machine);
        const ends = index.machine.functions.filter((fn) => fn.headerType === 0);
        for (const provider of ends) {
          for (const client of ends) {
            const plan = fixPair(index, rulesFor(release), provider.bdf, client.bdf);
            if (plan.status === 'acs' || plan.status === 'acs-faster') {
              expect(plan.verdictAfter).toMatchObject({ usable: true, mapType: 'bus-addr' });
              expect(plan.changes.length).toBeGreaterThan(0);
              expect(plan.persistent.filter((form) => form.isRecommended)).toHaveLength(1);
            } else {
              expect([plan.changes, plan.persistent, plan.cost]).toEqual([[], [], null]);
            }
            for (const change of plan.changes) {
              expect(change.mask & ~0x2c).toBe(0);
              expect(change.before & ~change.mask).toBe(change.after);
            }
          }
        }
        expect(JSON.stringify(index.machine)).toBe(before);
      }),
      { numRuns: 30 },
    );
  });

  it('can be linted and compared without an error', () => {
    fc.assert(
      fc.property(machine, machine, kernel, kernel, line, (a, b, releaseA, releaseB, commandLine) => {
        const [before, after] = [
          buildMachine({ ...a, kernel: releaseA }),
          buildMachine({ ...b, kernel: releaseB, commandLine }),
        ];
        lint(after);
        const found = diffMachines(before, after, {
          rulesOld: rulesFor(releaseA),
          rulesNew: rulesFor(releaseB),
        });
        expect(found.verdictCount).toBeGreaterThanOrEqual(found.verdicts.length);
        const same = diffMachines(after, after, {
          rulesOld: rulesFor(releaseB),
          rulesNew: rulesFor(releaseB),
        });
        expect(same).toEqual({ changes: [], verdicts: [], verdictCount: 0 });
      }),
      { numRuns: 20 },
    );
  });
});
