// Recorded machines become labs: as text and back the same lab, and for the kernel's rules the same machine.
import { describe, expect, it } from 'vitest';
import type { LabEndpoint, LabNode } from '../../../src/lab/file/index.ts';
import { parseLab, printLab } from '../../../src/lab/file/index.ts';
import { importMachine } from '../../../src/lab/import/index.ts';
import type { Machine } from '../../../src/topology/index.ts';
import {
  bdf,
  buildMachine,
  type FunctionSpec,
  memoryBar,
  switchWithTwoDrives,
} from '../../support/machine-builder.ts';
import { compareImport } from '../support/compare-import.ts';
import { recordedMachines } from '../support/recorded-machines.ts';

describe.each(recordedMachines)('$name', ({ name, open }) => {
  it('is the same lab when it was written and read again, in the same words', () => {
    const { lab } = importMachine(open());
    const text = printLab(lab);
    expect(parseLab(text, name)).toEqual(lab);
    expect(printLab(parseLab(text, name))).toBe(text);
  });
});

/**
 * The test module lent ACS to functions that cannot have it, which a lab cannot say either: bridges to conventional PCI
 * (PCIe Base 6.0, 7.7.11).
 */
function withoutLentAcs(machine: Machine): Machine {
  const functions = machine.functions.map((fn) =>
    fn.pcieType === 'pcie-to-pci-bridge' ? { ...fn, acs: null } : fn,
  );
  return { ...machine, functions };
}

describe('the verdicts of the kernel’s rules in the lab', () => {
  it.each(recordedMachines)('are those of the machine: $name', ({ open }) => {
    const machine = withoutLentAcs(open());
    const { functions, differences } = compareImport(machine);
    expect(differences.slice(0, 10)).toEqual([]);
    // All but the host bridges' own functions and what a note names.
    expect(functions).toBeGreaterThan(machine.functions.length * 0.8);
  });
});

describe('importMachine', () => {
  const importOf = (functions: readonly FunctionSpec[], more: Partial<Machine> = {}) =>
    importMachine({ ...buildMachine({ functions }), ...more });
  const root: FunctionSpec = { at: '00:01.0', kind: 'root-port' };

  it('makes drives with the memory that they lend, and names things as programs do', () => {
    const { lab, notes, nodes } = importMachine(buildMachine(switchWithTwoDrives(0x1d)));
    expect(lab.hostBridges).toHaveLength(1);
    expect(lab.hostBridges[0]!.identity).toEqual({ vendorId: 0x8086, deviceId: 0x29c0 });
    expect(nodes.get(bdf('03:00.0'))).toMatchObject({
      kind: 'nvme',
      name: 'nvme0',
      cmb: { sizeBytes: 64 * 2 ** 20, offsetBytes: 0 },
    });
    expect(nodes.get(bdf('04:00.0'))).toMatchObject({ kind: 'nvme', name: 'nvme1', cmb: null });
    expect(nodes.get(bdf('02:00.0'))).toMatchObject({
      kind: 'port',
      acs: { control: ['SV', 'RR', 'CR', 'UF'], firmware: [] },
    });
    expect(notes.join('\n')).toContain('the CMB is as large as the peer memory that the kernel offers');
  });

  it('assumes ACS of ports that was not readable as Linux sets it, and says so', () => {
    const { nodes, notes } = importOf([
      { ...root, acs: undefined },
      { at: '01:00.0', kind: 'gpu', under: '00:01.0', acs: undefined },
    ]);
    expect(nodes.get(bdf('00:01.0'))!.acs).toMatchObject({ control: null });
    expect(nodes.get(bdf('01:00.0'))!.acs).toBeNull();
    expect(notes).toContain('ACS was not readable; assumed: there, as Linux sets it at boot: 0000:00:01.0');
  });

  it('offers what ACS Control has set, since the kernel asks for nothing else', () => {
    const { nodes } = importOf([{ ...root, acs: 0x20, acsCapability: 0x5f }]);
    expect(nodes.get(bdf('00:01.0'))!.acs).toMatchObject({
      capability: ['SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT'],
      control: ['EC'],
    });
  });

  it('puts a port above a bridge to conventional PCI on a root bus, and flattens what is below it', () => {
    const { lab, notes } = importOf([
      { at: '00:1e.0', kind: 'pcie-to-pci-bridge' },
      { at: '01:01.0', kind: 'pci', under: '00:1e.0' },
      { at: '01:02.0', kind: 'pcie-to-pci-bridge', under: '00:1e.0', more: { pcieType: null } },
      { at: '02:03.0', kind: 'pci', under: '01:02.0' },
    ]);
    const [port] = lab.hostBridges[0]!.below as [Extract<LabNode, { kind: 'root-port' }>];
    expect(port).toMatchObject({ kind: 'root-port', device: 0x1e, below: [{ kind: 'pci-bridge' }] });
    const [bridge] = port.below as [Extract<LabNode, { kind: 'pci-bridge' }>];
    expect(bridge.below.map(({ device }) => device)).toEqual([1, 3]);
    expect(notes.join('\n')).toMatch(/one hop more: 0000:00:1e.0/);
    expect(notes.join('\n')).toMatch(/one hop less: 0000:01:02.0/);
  });

  it('keeps a VMD and its domain', () => {
    const { lab } = importOf(
      [
        { at: '00:0e.0', kind: 'gpu', more: { pcieType: 'rc-endpoint', classCode: 0x010400 } },
        {
          at: '10000:00:00.0',
          kind: 'root-port',
          more: { hostBridge: 'pci10000:00' },
        },
        { at: '10000:01:00.0', kind: 'nvme', under: '10000:00:00.0', more: { hostBridge: 'pci10000:00' } },
      ],
      {
        hostBridges: [
          { key: 'pci0000:00', domain: 0, rootBus: 0, numaNode: 0, behind: null },
          { key: 'pci10000:00', domain: 0x10000, rootBus: 0, numaNode: 0, behind: bdf('00:0e.0') },
        ],
      },
    );
    expect(lab.hostBridges[0]!.below).toMatchObject([
      { kind: 'vmd', domain: 0x10000, below: [{ kind: 'root-port', below: [{ kind: 'nvme' }] }] },
    ]);
  });

  it('enables as many virtual functions as there are, where they are', () => {
    const vf = (at: string): FunctionSpec => ({
      at,
      kind: 'nic',
      under: '00:01.0',
      more: { physicalFunction: bdf('01:00.0'), deviceId: 0x1018, bars: [memoryBar(0xe000_0000, 2 ** 20)] },
    });
    const { nodes } = importOf([
      root,
      { at: '01:00.0', kind: 'nic', under: '00:01.0' },
      vf('01:00.2'),
      vf('01:00.4'),
    ]);
    expect((nodes.get(bdf('01:00.0')) as LabEndpoint).sriov).toMatchObject({
      vfs: 2,
      offset: 2,
      stride: 2,
      vfDeviceId: 0x1018,
      bars: [{ index: 0, sizeBytes: 2 ** 20 }],
    });
  });

  it('gives a device without function 0 one, and tells', () => {
    const { nodes, notes } = importOf([root, { at: '01:00.1', kind: 'gpu', under: '00:01.0' }]);
    expect(nodes.get(bdf('01:00.1'))).toMatchObject({ device: 0, function: 0 });
    expect(notes.join()).toContain('it has another device or function number in the lab: 0000:01:00.1');
  });

  it('puts a switch where several devices are below one port, as inputs without switches have it', () => {
    const { lab } = importOf([
      root,
      { at: '03:00.0', kind: 'gpu', under: '00:01.0' },
      { at: '05:00.0', kind: 'gpu', under: '00:01.0' },
    ]);
    expect(lab.hostBridges[0]!.below).toMatchObject([
      { below: [{ kind: 'switch', below: [{ below: [{ kind: 'gpu' }] }, { below: [{ kind: 'gpu' }] }] }] },
    ]);
  });

  it('leaves out what did not answer', () => {
    const { nodes, notes } = importOf([
      root,
      { at: '01:00.0', kind: 'gpu', under: '00:01.0', more: { isGone: true } },
    ]);
    expect(nodes.has(bdf('01:00.0'))).toBe(false);
    expect(notes.join()).toContain('the function did not answer and was left out: 0000:01:00.0');
  });

  it('names every assumption about the platform', () => {
    const machine = buildMachine({ functions: [root] });
    const { lab, notes } = importMachine({
      ...machine,
      kernel: { ...machine.kernel, release: undefined, commandLine: undefined },
      cpu: { ...machine.cpu, vendor: undefined, family: undefined, architecture: undefined },
      iommu: { mode: 'on', driver: undefined },
    });
    const text = notes.join('\n');
    for (const what of [
      'kernel is not known',
      'command line is not known',
      'CPU vendor',
      'CPU family',
      'IOMMU is on',
      'system memory',
    ]) {
      expect(text).toContain(what);
    }
    expect(lab.iommu.mode).toBe('translated');
    expect(parseLab(printLab(lab), 'assumed')).toEqual(lab);
  });
});
