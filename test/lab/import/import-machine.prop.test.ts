// Whatever tree a reader gives, its import is a lab that can be written and read.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseLab, printLab } from '../../../src/lab/file/index.ts';
import { importMachine } from '../../../src/lab/import/index.ts';
import type { Machine } from '../../../src/topology/index.ts';
import { machineArbitrary } from '../../p2pdma/support/random-machine.ts';

/** Fields that a poor input leaves open. */
const OPEN = [
  'acs',
  'bars',
  'link',
  'config',
  'pcieType',
  'headerType',
  'classCode',
  'vendorId',
  'parent',
] as const;

it('is read back as what it was, also where much is unknown', () => {
  fc.assert(
    fc.property(machineArbitrary, fc.subarray([...OPEN]), fc.nat(7), (machine, open, every) => {
      const functions = machine.functions.map((fn, index) =>
        index % (every + 1) === 0
          ? { ...fn, ...Object.fromEntries(open.map((key) => [key, undefined])) }
          : fn,
      );
      const poor = { ...machine, functions } as Machine;
      const { lab, nodes } = importMachine(poor);
      expect(parseLab(printLab(lab), 'import')).toEqual(lab);
      for (const bdf of nodes.keys()) {
        expect(machine.functions.some((fn) => fn.bdf === bdf)).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});
