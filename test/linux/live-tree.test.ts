import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boundedGunzip, liveTree } from '../../src/linux/index.ts';
import { archiveTree, collectSnapshot, type Machine, readSysfs, writeTar } from '../../src/topology/index.ts';
import { expectMachineInvariants } from '../contract/machine-invariants.ts';
import { asNobody } from '../support/as-nobody.ts';

const folder = '/sys/bus/pci/devices';
const hasPci = existsSync(folder) && readdirSync(folder).length > 0;
if (!hasPci) {
  console.log(`skipped: this machine has no PCI functions in ${folder}`);
}

function live(): Machine {
  const machine = readSysfs(liveTree(), { kind: 'live', gunzip: boundedGunzip });
  expectMachineInvariants(machine);
  return machine;
}

describe.skipIf(!hasPci)('the machine that this runs on', () => {
  it('has the functions that the kernel lists', () => {
    expect(
      live()
        .functions.map((fn) => fn.bdf as string)
        .sort(),
    ).toEqual(readdirSync(folder).sort());
  });

  it('runs the kernel that uname names', () => {
    expect(live().kernel.release).toBe(execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim());
  });

  it.skipIf(process.geteuid?.() !== 0)('is read past the headers by root', () => {
    expect(live().source.privileged).toBe(true);
  });

  it('is readable without privileges, and says what root would add', () => {
    const machine = asNobody(live);
    const lengths = new Set(machine.functions.map((fn) => fn.config?.length));
    expect(machine.source.privileged).toBe(false);
    expect([...lengths].every((length) => length === 64 || length === 128)).toBe(true);
    const gap = machine.gaps.find((candidate) => candidate.what === 'extended-config');
    expect(gap?.detail).toContain('run as root');
    expect(machine.functions.map((fn) => fn.bdf)).toEqual(live().functions.map((fn) => fn.bdf));
  });

  it('reads back from a snapshot as it is', () => {
    const { entries } = collectSnapshot(liveTree(), { gunzip: boundedGunzip, keepIdentities: true });
    const back = readSysfs(archiveTree(writeTar(entries), 'snapshot'), { kind: 'archive' });
    const machine = live();
    const settled = (from: Machine) =>
      from.functions.map((fn) => ({ ...fn, powerState: undefined, config: fn.config?.length }));
    expect(settled(back)).toEqual(settled(machine));
    expect(back.kernel).toEqual(machine.kernel);
    expect(back.cpu).toEqual(machine.cpu);
    expect(back.iommu).toEqual(machine.iommu);
    expect(back.hostBridges).toEqual(machine.hostBridges);
  });
});
