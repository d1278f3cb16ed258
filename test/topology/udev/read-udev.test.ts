// udev database exports.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { MachineIndex, readUdev } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import {
  countedContents,
  hasTopologies,
  numberAfter,
  numberBefore,
  topologyFiles,
  topologyText,
} from '../../support/topology-manifest.ts';

function record(path: string, ...properties: string[]): string {
  return [`P: ${path}`, ...properties.map((property) => `E: ${property}`), ''].join('\n');
}

const pci = (path: string, pciClass: string, id: string, ...more: string[]) =>
  `${record(path, 'SUBSYSTEM=pci', `PCI_CLASS=${pciClass}`, `PCI_ID=${id}`, `PCI_SLOT_NAME=${path.split('/').at(-1)}`, ...more)}\n`;

const PORT = '/devices/pci0000:00/0000:00:01.1';
const DRIVE = `${PORT}/0000:01:00.0`;
const EXPORT = [
  pci('/devices/pci0000:00/0000:00:00.0', '60000', '1022:1480', 'PCI_SUBSYS_ID=1022:1450'),
  pci(PORT, '60400', '1022:1483', 'DRIVER=pcieport', 'PCI_SUBSYS_ID=0000:0000'),
  pci(
    DRIVE,
    '10802',
    '1C5C:1959',
    'DRIVER=nvme',
    'ID_VENDOR_FROM_DATABASE=Acme Inc.',
    'ID_MODEL_FROM_DATABASE=Fast Drive',
  ),
  record(`${PORT}/0000:00:01.1:pcie001`, 'SUBSYSTEM=pci_express', 'DRIVER=pcie_pme'),
  record(`${DRIVE}/nvme/nvme0`, 'SUBSYSTEM=nvme', 'DEVNAME=/dev/nvme0'),
  record(`${DRIVE}/nvme/nvme0/nvme0c0n1`, 'SUBSYSTEM=block', 'DEVTYPE=disk'),
  record(`${DRIVE}/nvme/nvme0/nvme0n1/nvme0n1p1`, 'SUBSYSTEM=block', 'DEVTYPE=partition'),
].join('\n');

describe('a udev export', () => {
  const machine = readUdev(EXPORT, 'export');
  const at = (name: string) => new MachineIndex(machine).resolve(name);

  it('has the tree in its paths', () => {
    expect(machine.functions.map((fn) => [fn.bdf, fn.parent, fn.hostBridge])).toEqual([
      ['0000:00:00.0', null, 'pci0000:00'],
      ['0000:00:01.1', null, 'pci0000:00'],
      ['0000:01:00.0', '0000:00:01.1', 'pci0000:00'],
    ]);
  });

  it('has ids, whole class codes, drivers and names', () => {
    expect(at('nvme0')).toMatchObject({
      classCode: 0x010802,
      vendorId: 0x1c5c,
      driver: 'nvme',
      vendorName: 'Acme Inc.',
      deviceName: 'Fast Drive',
    });
    expect(at('00:00.0')).toMatchObject({ classCode: 0x060000, driver: null, subsystemDeviceId: 0x1450 });
    expect(at('00:01.1')).toMatchObject({ headerType: 1, subsystemVendorId: null, secondaryBus: undefined });
  });

  it('names a disk as people open it, and no partitions', () => {
    expect(at('/dev/nvme0n1').bdf).toBe('0000:01:00.0');
    expect(at('nvme0').classNames).toEqual([
      { subsystem: 'nvme', name: 'nvme0' },
      { subsystem: 'block', name: 'nvme0n1' },
    ]);
  });

  it('leads through a VMD to the domain behind it', () => {
    const vmd = readUdev(
      pci('/devices/pci0000:6f/0000:6f:00.5/pci10001:80/10001:80:07.0/10001:84:00.0', '10802', '1C5C:1959'),
      'vmd',
    );
    expect(vmd.functions.map((fn) => [fn.bdf, fn.parent])).toEqual([
      ['0000:6f:00.5', null],
      ['10001:80:07.0', null],
      ['10001:84:00.0', '10001:80:07.0'],
    ]);
    expect(vmd.hostBridges.find((bridge) => bridge.key === 'pci10001:80')?.behind).toBe('0000:6f:00.5');
  });

  it('that was cut leaves open what stands for a host bridge', () => {
    expect(machine.gaps.map((gap) => gap.what)).not.toContain('root-bus-devices');
    expect(readUdev(pci(DRIVE, '10802', '1C5C:1959'), 'cut').gaps.map((gap) => gap.what)).toContain(
      'root-bus-devices',
    );
  });

  it('without PCI is refused', () => {
    expect(() => readUdev(record('/devices/virtual/net/lo', 'SUBSYSTEM=net'), 'lo')).toThrow(
      expect.objectContaining({ code: 'INPUT_NOT_UDEV', hint: expect.stringContaining('udevadm') }),
    );
  });

  it('gives a whole machine or a typed error for any mix of its lines', () => {
    const component = fc.constantFrom(
      'pci0000:00',
      'pci10000:e0',
      '0000:00:01.0',
      '0000:01:00.0',
      '10000:e0:06.0',
      '0000:00:1f.8',
      'nvme',
      'nvme0',
      '',
      'x'.repeat(5000),
    );
    const property = fc.constantFrom(
      'SUBSYSTEM=pci',
      'SUBSYSTEM=net',
      'PCI_CLASS=fffffffff',
      'PCI_CLASS=60400',
      'PCI_ID=1:2',
      'PCI_ID=',
      'PCI_SLOT_NAME=0000:01:00.0',
      'DRIVER=',
      'INTERFACE=eth0',
      '=',
    );
    const line = fc.oneof(
      fc.array(component, { maxLength: 8 }).map((parts) => `P: /devices/${parts.join('/')}`),
      property.map((text) => `E: ${text}`),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        try {
          expectMachineInvariants(readUdev(lines.join('\n'), 'any'));
        } catch (error) {
          if (!(error instanceof InputError)) {
            throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe.skipIf(!hasTopologies)('exports of real machines', () => {
  it.each(topologyFiles('udev'))('%s has the functions, root buses and names that were counted', (name) => {
    const machine = readUdev(topologyText('udev', name), name);
    const counted = countedContents('udev', name);
    expectMachineInvariants(machine);
    expect(machine.functions.filter((fn) => fn.vendorId !== undefined).length).toBe(
      numberBefore(counted, 'PCI functions'),
    );
    const listed = [...counted.matchAll(/'(pci[0-9a-f:]+)'/g)].map((match) => match[1]!);
    expect(machine.hostBridges.map((bridge) => bridge.key).sort()).toEqual(listed.sort());
    const named = (subsystem: string) =>
      machine.functions.flatMap((fn) => fn.classNames.filter((known) => known.subsystem === subsystem))
        .length;
    expect(named('net')).toBe(numberAfter(counted, 'net'));
    expect(named('infiniband')).toBe(numberAfter(counted, 'infiniband'));
    expect(named('nvme')).toBe(numberAfter(counted, 'nvme'));
  });

  it('With_VRAID: the drive hangs on 10001:80:07.0, whose root bus hangs off 0000:6f:00.5', () => {
    const machine = readUdev(topologyText('udev', 'checkbox-With_VRAID.txt'), 'vraid');
    const drive = new MachineIndex(machine).resolve('10001:84:00.0');
    expect(drive.parent).toBe('10001:80:07.0');
    expect(machine.hostBridges.find((bridge) => bridge.key === drive.hostBridge)?.behind).toBe(
      '0000:6f:00.5',
    );
  });
});
