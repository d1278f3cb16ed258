// Ids from printed names, by a list that is made here: the system's own must not decide about a test.
import { describe, expect, it } from 'vitest';
import { judge, rulesForMachine } from '../../../src/p2pdma/index.ts';
import { type Machine, MachineIndex, readLspci } from '../../../src/topology/index.ts';
import { idsFromNames } from '../../../src/topology/lspci/ids-from-names.ts';
import { bdf } from '../../support/machine-builder.ts';
import { hasTopologies, topologyText } from '../../support/topology-manifest.ts';

const PCI_IDS = `# a comment
1022  Advanced Micro Devices, Inc. [AMD]
\t1480  Starship/Matisse Root Complex
\t1490  Starship Device 24; Function 0
8086  Intel Corporation
\t0e00  Xeon E5 v2 DMI2
\t0ec0  Xeon E5 v2 Power Control Unit 0
\t\t1028 04cf  Xeon E5 v2 subsystem
\t0e1d  Xeon E5 v2 R2PCIe
\t0e34  Xeon E5 v2 R2PCIe
1111  Twin
\t0001  Card
2222  Twin
\t0001  Card
C 06  Bridge
\t00  Host bridge
`;

function read(text: string, list: string | undefined = PCI_IDS): Machine {
  return readLspci(text, 'test', { pciIds: () => list });
}

function idsOf(machine: Machine): Record<string, readonly (number | undefined)[]> {
  return Object.fromEntries(machine.functions.map((fn) => [fn.bdf, [fn.vendorId, fn.deviceId]]));
}

describe('a name that lspci printed', () => {
  const lookUp = (name: string) => idsFromNames(PCI_IDS, [name]).get(name);

  it('leads to its id where exactly one entry has it', () => {
    expect(lookUp('Intel Corporation Xeon E5 v2 DMI2')).toEqual({ vendorId: 0x8086, deviceId: 0x0e00 });
  });

  it('leads to the vendor alone where several of its devices have it', () => {
    expect(lookUp('Intel Corporation Xeon E5 v2 R2PCIe')).toEqual({ vendorId: 0x8086, deviceId: undefined });
  });

  it.each([
    'Twin Card',
    'Intel Corporation Xeon E5 v2',
    'Intel Corporation Xeon E5 v2 DMI2 rev',
    'Xeon E5 v2 DMI2',
    'Intel Corporation Xeon E5 v2 subsystem',
    'Intel Corporation',
    'Twin Device 0001',
    'Bridge Host bridge',
    '',
  ])('leads nowhere when it is part of an entry, of two vendors, or of none: %s', (name) => {
    expect(lookUp(name)).toBeUndefined();
  });

  it.each([
    'Advanced Micro Devices, Inc. [AMD] Device 14ad',
    'Advanced Micro Devices, Inc. [AMD] Unknown device 14ad',
    'Advanced Micro Devices, Inc. [AMD]: Unknown device 14ad',
  ])('has the device id in it where the list of that time had no name: %s', (name) => {
    expect(lookUp(name)).toEqual({ vendorId: 0x1022, deviceId: 0x14ad });
  });
});

describe('lspci text without ids', () => {
  const TEXT = `00:00.0 Host bridge: Intel Corporation Xeon E5 v2 DMI2 (rev 04)
00:01.0 Host bridge: Intel Corporation Xeon E5 v2 R2PCIe (rev 04)
00:02.0 System peripheral: Intel Corporation Something older (rev 04)
3f:0a.0 System peripheral: Intel Corporation Xeon E5 v2 Power Control Unit 0 (rev 04)
`;

  it('gets the ids of a list, says so, and says what is left', () => {
    const machine = read(TEXT);
    expect(idsOf(machine)).toEqual({
      '0000:00:00.0': [0x8086, 0x0e00],
      '0000:00:01.0': [0x8086, undefined],
      '0000:00:02.0': [undefined, undefined],
      '0000:3f:0a.0': [0x8086, 0x0ec0],
    });
    expect(machine.findings.find((finding) => finding.code === 'IDS_FROM_NAMES')?.detail).toMatch(
      / 3 functions .*pci\.ids/,
    );
    expect(machine.gaps.find((gap) => gap.what === 'ids')?.detail).toMatch(/ 2 of 4 functions .*lspci -nn/);
  });

  it('lets the processor be told by what was found', () => {
    expect(read(TEXT).cpu).toMatchObject({ vendor: 'intel', family: 6 });
  });

  it('stays without them where there is no list', () => {
    const machine = readLspci(TEXT, 'test', { pciIds: () => undefined });
    expect(Object.values(idsOf(machine)).flat()).toEqual(Array(8).fill(undefined));
    expect(machine.findings).toEqual([]);
    expect(machine.cpu.vendor).toBeUndefined();
    expect(machine).toEqual(readLspci(TEXT, 'test'));
  });

  it('is read the same from -mm and from a tree', () => {
    const quoted =
      '00:00.0 "Host bridge" "Intel Corporation" "Xeon E5 v2 DMI2" -r04 "" ""\n00:01.0 "Host bridge" "Intel Corporation" "Device 1533" "" ""\n';
    expect(idsOf(read(quoted))).toEqual({
      '0000:00:00.0': [0x8086, 0x0e00],
      '0000:00:01.0': [0x8086, 0x1533],
    });
    const tree =
      '-[0000:00]-+-00.0  Intel Corporation Xeon E5 v2 DMI2\n           \\-18.0  Advanced Micro Devices, Inc. [AMD] Device 1490\n';
    expect(idsOf(read(tree))).toEqual({
      '0000:00:00.0': [0x8086, 0x0e00],
      '0000:00:18.0': [0x1022, 0x1490],
    });
  });

  it('asks for no list when every id is printed', () => {
    let asked = 0;
    const pciIds = () => {
      asked++;
      return PCI_IDS;
    };
    readLspci('00:00.0 Host bridge [0600]: Intel Corporation Xeon E5 v2 DMI2 [8086:9999]\n', 'test', {
      pciIds,
    });
    expect(asked).toBe(0);
    const machine = readLspci(TEXT, 'test', { pciIds });
    expect(asked).toBe(1);
    expect(machine.functions).toHaveLength(4);
  });

  it('is not talked out of an id that it prints', () => {
    const list = '1022  AMD\n\t1480  Root\n';
    const machine = read(
      'Slot:\t00:00.0\nClass:\tHost bridge [0600]\nVendor:\tAMD [1023]\nDevice:\tRoot\n',
      list,
    );
    expect(idsOf(machine)).toEqual({ '0000:00:00.0': [0x1023, undefined] });
  });
});

describe.skipIf(!hasTopologies)('the measured Threadripper', () => {
  it('goes through the host bridge because its fabric functions tell Zen (known_answers.json)', () => {
    const machine = read(topologyText('lspci-text', 'stelline-puget-wrx90.txt'));
    expect(machine.cpu).toMatchObject({ vendor: 'amd', family: 0x19 });
    const index = new MachineIndex(machine);
    const verdict = judge(index, rulesForMachine(machine), bdf('0000:c1:00.0'), bdf('0000:c2:00.0'));
    expect(verdict).toMatchObject({ mapType: 'thru-host-bridge', usable: true, distance: 4 });
    expect(verdict.hostBridge).toMatchObject({ accepted: true, by: 'cpu' });
  });
});
