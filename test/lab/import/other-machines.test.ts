// Machines that other people recorded, in every form that is read, become labs.
import { describe, expect, it } from 'vitest';
import { parseLab, printLab } from '../../../src/lab/file/index.ts';
import { importMachine } from '../../../src/lab/import/index.ts';
import { compareImport } from '../support/compare-import.ts';
import { otherMachines } from '../support/recorded-machines.ts';

const machines = otherMachines();

describe.skipIf(machines.length === 0)('a machine of other people', () => {
  it.each(machines)('is the same lab when it was written and read again: $name', ({ name, open }) => {
    const { lab } = importMachine(open());
    expect(parseLab(printLab(lab), name)).toEqual(lab);
  });
});

describe.skipIf(machines.length === 0)('what the kernel’s rules say of it where all is known', () => {
  let known = 0;
  it.each(machines)('$name', ({ open }) => {
    const result = compareImport(open());
    known += result.known;
    expect(result.differences.slice(0, 10)).toEqual([]);
  });

  it('and that is enough to mean something', () => {
    expect(known).toBeGreaterThan(10_000);
  });
});
