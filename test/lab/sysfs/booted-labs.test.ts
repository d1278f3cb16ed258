// Labs that were built and booted: what our reader finds in their sysfs is whole.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseLab } from '../../../src/lab/file/index.ts';
import { LabMachine } from '../../../src/lab/machine/index.ts';
import { archiveTree, collectSnapshot, readSysfs, writeTar } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';

const folder = new URL('../../../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe.each(examples)('%s', (name) => {
  const booted = LabMachine.boot(parseLab(readFileSync(new URL(name, folder), 'utf8'), name), {
    label: name,
  });
  const read = readSysfs(booted.files(), { kind: 'archive' });

  it('has nothing unknown and nothing odd', () => {
    expectMachineInvariants(read);
    expect(read.findings).toEqual([]);
    // Of virtual functions, and of slots that are empty, no machine knows a link.
    const known = new Set(read.functions.filter((fn) => fn.physicalFunction === null).map((fn) => fn.bdf));
    const empty = new Set(
      read.functions.filter((fn) => !read.functions.some((child) => child.parent === fn.bdf)),
    );
    for (const fn of read.functions) {
      if (fn.link != null && known.has(fn.bdf) && !(fn.headerType === 1 && empty.has(fn))) {
        expect(fn.link.current, fn.bdf).toBeDefined();
      }
      expect(
        fn.bars?.every((bar) => bar.sizeBytes !== undefined && bar.start !== undefined),
        fn.bdf,
      ).toBe(true);
    }
    expect(read.gaps.filter(({ what }) => what !== 'link')).toEqual([]);
  });

  it('comes through a snapshot', () => {
    const archive = writeTar(collectSnapshot(booted.files()).entries);
    const copy = readSysfs(archiveTree(archive, name), { kind: 'archive' });
    const factsOf = (machine: typeof read) => machine.functions.map(({ config: _, ...fn }) => fn);
    expect(factsOf(copy)).toEqual(factsOf(read));
    expect(copy.iommu).toEqual(read.iommu);
    expect(copy.cpu).toEqual(read.cpu);
  });
});
