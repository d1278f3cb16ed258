/** Machines that other people recorded, read from the test data, against what is known of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boundedGunzip } from '../../../src/linux/index.ts';
import {
  archiveTree,
  type Machine,
  type MachineFunction,
  MachineIndex,
  readSysfs,
} from '../../../src/topology/index.ts';
import { expectAddressOrder, expectMachineInvariants } from '../../contract/machine-invariants.ts';
import {
  type ExpectedFunction,
  expectedFromConsole,
  expectedFromXml,
  linkGBps,
} from '../../support/hwloc-expectation.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

const TOPOLOGIES = ['data', 'topologies'];
const isThere = hasTestdata(...TOPOLOGIES);

function machineOf(name: string): Machine {
  const bytes = readFileSync(testdataPath(...TOPOLOGIES, 'sysfs', `${name}.tar.gz`));
  const machine = readSysfs(archiveTree(bytes, name, { gunzip: boundedGunzip }), { kind: 'archive' });
  expectMachineInvariants(machine);
  expectAddressOrder(machine);
  return machine;
}

/** The functions that both are below, nearest first. */
function common(machine: Machine, a: string, b: string): string | null {
  const index = new MachineIndex(machine);
  const way = (from: string): string[] => {
    const passed: string[] = [];
    for (let fn: MachineFunction | undefined = index.resolve(from); fn !== undefined; ) {
      passed.push(fn.bdf);
      fn = fn.parent == null ? undefined : index.find(fn.parent);
    }
    return passed;
  };
  const ofB = new Set(way(b));
  return way(a).find((bdf) => ofB.has(bdf)) ?? null;
}

describe.skipIf(!isThere)('every recorded sysfs', () => {
  const names = isThere
    ? readdirSync(testdataPath(...TOPOLOGIES, 'sysfs')).map((file) => file.replace(/\.tar\.gz$/, ''))
    : [];

  it.each(names)('%s gives a machine', (name) => {
    expect(machineOf(name).functions.length).toBeGreaterThan(0);
  });

  it('has the number of functions that its list says', () => {
    const counts = Object.fromEntries(names.map((name) => [name, machineOf(name).functions.length]));
    expect(counts).toEqual({
      'ghw-amd64-415ee03b8c': 23,
      'ghw-amd64-8581cf3a52': 82,
      'ghw-amd64-accel-nvidia': 29,
      'hwloc-32intel64-2p8co2t+8ve': 29,
      'hwloc-40intel64-2g2n4c+pcilocality': 37,
      'hwloc-40intel64-4n10c+pci-conflicts': 3,
      'hwloc-fakepcilocalities': 30,
      'hwloc-nvidiagpunumanodes': 6,
    });
  });
});

describe.skipIf(!isThere)('the tree that hwloc shows', () => {
  const folder = testdataPath(...TOPOLOGIES, 'sysfs-expected');
  const files = isThere ? readdirSync(folder) : [];

  it.each(files)('%s is ours: parents, ids, classes and running links', (file) => {
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    const expected: ExpectedFunction[] = file.endsWith('.xml')
      ? expectedFromXml(text)
      : expectedFromConsole(text);
    expect(expected.length).toBeGreaterThan(1);
    const machine = machineOf(file.replace(/\.(xml|console)$/, ''));
    const index = new MachineIndex(machine);
    const shown = new Set(expected.map((entry) => entry.bdf));
    // hwloc leaves out bridges that it finds unimportant, and a flattened tree has none.
    const isFlat = file.startsWith('hwloc-nvidiagpunumanodes');
    for (const entry of expected) {
      const fn = index.resolve(entry.bdf);
      if (!isFlat) {
        expect(shownAbove(index, fn, shown), `${entry.bdf}: parent`).toBe(entry.parent);
        expect(id(fn), `${entry.bdf}: id`).toBe(entry.id);
      }
      expect(hex4(fn.classCode! >> 8), `${entry.bdf}: class`).toBe(entry.classText);
      const current = fn.link?.current;
      if (current !== undefined) {
        expect(linkGBps(current.speedGTs, current.width), `${entry.bdf}: link`).toBeCloseTo(
          entry.linkGBps,
          1,
        );
      }
    }
  });
});

describe.skipIf(!isThere)('known answers', () => {
  it('two sockets, PEX switches, eight vector engines', () => {
    const machine = machineOf('hwloc-32intel64-2p8co2t+8ve');
    expect(common(machine, '0000:1b:00.0', '0000:1c:00.0')).toBe('0000:18:00.0');
    expect(common(machine, '0000:1a:00.0', '0000:1b:00.0')).toBe('0000:18:00.0');
    expect(common(machine, '0000:1b:00.0', '0000:3d:00.0')).toBeNull();
    expect(common(machine, '0000:60:00.0', '0000:60:00.1')).toBe('0000:5f:03.0');
    expect(common(machine, '0000:60:00.0', '0000:1b:00.0')).toBeNull();
    const index = new MachineIndex(machine);
    for (const rootPort of ['0000:17:00.0', '0000:3a:00.0']) {
      expect(index.resolve(rootPort)).toMatchObject({ vendorId: 0x8086, deviceId: 0x2030, parent: null });
    }
    expect(machine.functions.find((fn) => fn.hostBridge === 'pci0000:5d')!.bdf).toBe('0000:5d:02.0');
    expect(index.resolve('1b:00.0')).toMatchObject({
      link: { max: { speedGTs: 8, width: 16 }, current: { speedGTs: 8, width: 16 } },
      acs: undefined,
      numaNode: 0,
      driver: 've_drv',
    });
    expect(machine.cpu).toMatchObject({ vendor: 'intel', family: 6, model: 85, sockets: 2 });
    expect(machine.source.privileged).toBe(false);
    expect(machine.gaps.map((gap) => gap.what)).toContain('extended-config');
  });

  it('host bridges re-cut over four nodes', () => {
    const machine = machineOf('hwloc-fakepcilocalities');
    expect(machine.hostBridges.map((host) => [host.key, host.numaNode])).toEqual([
      ['pci0000:00', 0],
      ['pci0000:40', 1],
      ['pci0000:80', 2],
      ['pci0000:c0', 3],
    ]);
    expect(new MachineIndex(machine).resolve('qib0').classNames.map((entry) => entry.name)).toContain('ib0');
  });

  it('a guest with GPUs and an NVSwitch passed through', () => {
    const machine = machineOf('ghw-amd64-accel-nvidia');
    expect(machine.isVirtual).toBe(true);
    expect(machine.functions.filter((fn) => fn.vendorId === 0x10de).length).toBeGreaterThan(0);
    expect(machine.functions.every((fn) => fn.config === undefined && fn.acs === undefined)).toBe(true);
  });

  it('a laptop: its drive by name, and an IOMMU', () => {
    const machine = machineOf('ghw-amd64-415ee03b8c');
    expect(new MachineIndex(machine).resolve('nvme0n1').bdf).toBe('0000:04:00.0');
    expect(machine.functions.every((fn) => typeof fn.iommuGroup === 'string')).toBe(true);
    expect(machine.iommu.mode).toBe('on');
  });

  it('a flattened POWER9: what has no path has no parent', () => {
    const machine = machineOf('hwloc-nvidiagpunumanodes');
    expect(machine.cpu).toMatchObject({ vendor: 'ibm', architecture: 'ppc64' });
    expect(machine.functions.map((fn) => fn.parent)).toEqual([
      undefined,
      undefined,
      null,
      null,
      undefined,
      undefined,
    ]);
  });
});

/** The nearest function above that is shown, too. */
function shownAbove(index: MachineIndex, fn: MachineFunction, shown: ReadonlySet<string>): string | null {
  let at = fn.parent;
  while (at != null && !shown.has(at)) {
    at = index.find(at)!.parent;
  }
  return at ?? null;
}

function id(fn: MachineFunction): string {
  return `${hex4(fn.vendorId!)}:${hex4(fn.deviceId!)}`;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
