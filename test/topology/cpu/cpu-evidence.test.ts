// Which PCI functions tell the CPU, and which do not.
import { describe, expect, it } from 'vitest';
import { isAmdZen } from '../../../src/p2pdma/host-bridge.ts';
import { rootComplexKnowledge } from '../../../src/p2pdma/root-complex.ts';
import {
  assembleMachine,
  familyText,
  type Machine,
  type MachineDraft,
  readUdev,
} from '../../../src/topology/index.ts';
import { bdf } from '../../support/machine-builder.ts';
import { hasTopologies, topologyText } from '../../support/topology-manifest.ts';

type Entry = readonly [at: string, id: string];

function machineOf(entries: readonly Entry[], more: Partial<MachineDraft> = {}): Machine {
  return assembleMachine({
    source: { kind: 'lspci', label: 'test', privileged: true },
    functions: entries.map(([at, id]) => {
      const [vendorId, deviceId] = id.split(':').map((word) => Number.parseInt(word, 16));
      return { bdf: bdf(at), parent: null, classCode: 0x060000, vendorId, deviceId };
    }),
    ...more,
  });
}

function codesOf(machine: Machine): string[] {
  return machine.findings.map((finding) => finding.code);
}

describe('a processor told by its own functions', () => {
  it.each<[string, Entry, string, string]>([
    ['Naples', ['0000:00:18.0', '1022:1460'], 'amd', '0x17'],
    ['Rome, second node', ['0000:00:19.3', '1022:1493'], 'amd', '0x17'],
    ['Milan', ['0000:00:18.3', '1022:1653'], 'amd', '0x19'],
    ['Genoa', ['0000:00:18.7', '1022:14b4'], 'amd', '0x19'],
    ['Cezanne', ['0000:00:18.3', '1022:166d'], 'amd', '0x19'],
    ['Turin', ['0000:00:18.3', '1022:12c3'], 'amd', '0x1a'],
    ['Bulldozer', ['0000:00:18.3', '1022:1603'], 'amd', '0x15'],
    ['Dhyana', ['0000:00:18.0', '1d94:1460'], 'hygon', '0x18'],
    ['Xeon E5', ['0000:ff:0b.0', '8086:3ce0'], 'intel', '0x6'],
    ['Skylake-E', ['0000:16:08.0', '8086:2014'], 'intel', '0x6'],
    ['Ice Lake-SP', ['0000:7e:00.0', '8086:3450'], 'intel', '0x6'],
    ['Sapphire Rapids', ['0000:fe:00.0', '8086:3250'], 'intel', '0x6'],
  ])('%s', (_, entry, vendor, family) => {
    const machine = machineOf([['0000:00:00.0', '8086:1237'], entry]);
    expect(machine.cpu).toMatchObject({ vendor, architecture: 'x86' });
    expect(familyText(machine.cpu)).toBe(family);
    expect(machine.findings).toMatchObject([{ code: 'CPU_FROM_FUNCTIONS', at: entry[0] }]);
    expect(machine.findings[0]?.detail).toContain(entry[1]);
    expect(machine.gaps.map((gap) => gap.what)).not.toContain('cpu');
  });

  it.each<[string, string, readonly number[]]>([
    ['AM4', '1022:1440', [0x17, 0x19]],
    ['AM5', '1022:14e0', [0x19, 0x1a]],
  ])(
    'one I/O die for two generations (%s): the family stays open, and what holds for both is known',
    (_, id, families) => {
      const { cpu } = machineOf([['0000:00:18.0', id]]);
      expect(cpu.family).toBeUndefined();
      expect(cpu.possibleFamilies).toEqual(families);
      expect(isAmdZen(cpu)).toBe(true);
      expect(rootComplexKnowledge(cpu)).toMatchObject({ writes: 'routes', reads: 'routes' });
    },
  );
});

describe('what is no evidence', () => {
  it.each<[string, readonly Entry[]]>([
    [
      '440FX and PIIX of a guest',
      [
        ['0000:00:00.0', '8086:1237'],
        ['0000:00:01.0', '8086:7000'],
        ['0000:00:01.3', '8086:7113'],
      ],
    ],
    [
      '440BX of VMware',
      [
        ['0000:00:00.0', '8086:7190'],
        ['0000:00:01.0', '8086:7191'],
      ],
    ],
    [
      'Q35, its ICH9, virtio, and an emulated root port of the 5520',
      [
        ['0000:00:00.0', '8086:29c0'],
        ['0000:00:1f.0', '8086:2918'],
        ['0000:00:02.0', '1af4:1000'],
        ['0000:00:03.0', '8086:3420'],
      ],
    ],
    [
      'host bridges and an IOMMU of AMD',
      [
        ['0000:00:00.0', '1022:1480'],
        ['0000:00:00.2', '1022:1481'],
        ['0000:00:01.0', '1022:1482'],
      ],
    ],
    [
      'Intel cards',
      [
        ['0000:01:00.0', '8086:1533'],
        ['0000:02:00.0', '8086:0953'],
      ],
    ],
    ['data fabric ids on another bus, as passed through', [['0000:05:00.0', '1022:1460']]],
    ['a data fabric id at the wrong function', [['0000:00:18.0', '1022:1463']]],
    ['the same id of another vendor', [['0000:00:18.0', '10de:1460']]],
    ['nothing', [['0000:00:00.0', '15ad:0740']]],
  ])('%s', (_, entries) => {
    const machine = machineOf(entries);
    expect(machine.cpu.vendor).toBeUndefined();
    expect(codesOf(machine)).toEqual([]);
    expect(machine.gaps.map((gap) => gap.what)).toContain('cpu');
  });

  it('anything, where the reader knows the CPU', () => {
    const machine = machineOf([['0000:00:18.0', '1022:1460']], {
      cpu: { vendor: 'intel', architecture: 'x86' },
    });
    expect(machine.cpu).toMatchObject({ vendor: 'intel', family: undefined });
    expect(codesOf(machine)).toEqual([]);
  });

  it('anything, in a guest or on another architecture', () => {
    const rome: readonly Entry[] = [['0000:00:18.0', '1022:1490']];
    expect(machineOf(rome, { isVirtual: true }).cpu.vendor).toBeUndefined();
    expect(machineOf(rome, { cpu: { architecture: 'arm64' } }).cpu.vendor).toBeUndefined();
  });

  it.each<[string, readonly Entry[]]>([
    [
      'two vendors',
      [
        ['0000:00:18.0', '1022:1460'],
        ['0000:ff:0b.0', '8086:3ce0'],
      ],
    ],
    [
      'two families',
      [
        ['0000:00:18.0', '1022:1460'],
        ['0000:00:19.0', '1022:1650'],
      ],
    ],
  ])('functions that contradict each other: %s', (_, entries) => {
    const machine = machineOf(entries);
    expect(machine.cpu).toMatchObject({ vendor: undefined, family: undefined });
    expect(machine.findings).toMatchObject([{ code: 'CPU_EVIDENCE_DISAGREES', at: entries[1]![0] }]);
  });
});

describe.skipIf(!hasTopologies)('udev exports of real machines', () => {
  it.each([
    ['checkbox-NVIDIA_DGXA100.txt', 'amd', 0x17],
    ['checkbox-DELL_POWEREDGE_R820_NVME.txt', 'intel', 6],
    ['checkbox-VM_WITH_FLOPPY.txt', undefined, undefined],
    ['checkbox-IBM_PSERIES_POWER8.txt', undefined, undefined],
    ['checkbox-With_VRAID.txt', undefined, undefined],
  ])('%s: %s', (name, vendor, family) => {
    const { cpu } = readUdev(topologyText('udev', name), name);
    expect([cpu.vendor, cpu.family]).toEqual([vendor, family]);
  });
});
