// hwloc XML: what its formats say, and what they leave out.

import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { linkRateOf, parsePciType, singleNode } from '../../../src/topology/hwloc/pci-attributes.ts';
import {
  archiveTree,
  type Machine,
  MachineIndex,
  readHwloc,
  readSysfs,
} from '../../../src/topology/index.ts';
import { expectAddressOrder, expectMachineInvariants } from '../../contract/machine-invariants.ts';
import {
  countedContents,
  hasTopologies,
  numberBefore,
  topologyBytes,
  topologyFiles,
  topologyText,
} from '../../support/topology-manifest.ts';

/** A machine with one package; `inside` goes below it. */
function topology(inside: string, version = ' version="2.0"'): string {
  return `<?xml version="1.0"?><!DOCTYPE topology SYSTEM "hwloc2.dtd"><topology${version}>
    <object type="Machine" nodeset="0x00000003"><info name="OSName" value="Linux"/><info name="OSRelease" value="6.1.0"/>
    <info name="Architecture" value="x86_64"/><object type="Package" nodeset="0x00000002"><info name="CPUVendor" value="AuthenticAMD"/>
    <info name="CPUFamilyNumber" value="25"/><info name="CPUModelNumber" value="1"/><info name="CPUModel" value=" Acme CPU "/>${inside}</object></object></topology>`;
}

const SWITCH = `<object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[40-45]">
  <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[41-45]" pci_busid="0000:40:01.1" pci_type="0604 [1022:1483] [1022:1453] 00" pci_link_speed="15.753846">
    <object type="Bridge" bridge_type="1-1" bridge_pci="0000:[42-45]" pci_busid="0000:41:00.0" pci_type="0604 [10b5:8747] [0000:0000] ca" pci_link_speed="0.000000">
      <object type="PCIDev" pci_busid="0000:44:00.0" pci_type="0108 [144d:a80a] [144d:a801] 00" pci_link_speed="0.984615">
        <info name="PCIVendor" value="Samsung"/><info name="PCIDevice" value="PM9A1"/>
        <object type="OSDev" name="nvme0n1" osdev_type="0"/></object></object></object></object>`;

describe('hwloc XML', () => {
  const machine = readHwloc(topology(SWITCH), 'test.xml');
  const at = (address: string) => new MachineIndex(machine).resolve(address);

  it('tells CPU, kernel and the node of a host bridge', () => {
    expect(machine.cpu).toEqual({
      vendor: 'amd',
      family: 25,
      model: 1,
      name: 'Acme CPU',
      architecture: 'x86',
      sockets: 1,
    });
    expect(machine.kernel.release).toBe('6.1.0');
    expect(machine.hostBridges).toEqual([
      { key: 'pci0000:40', domain: 0, rootBus: 0x40, numaNode: 1, behind: null },
    ]);
  });

  it('nests functions as buses do', () => {
    expect(at('40:01.1').parent).toBeNull();
    expect(at('41:00.0')).toMatchObject({
      parent: '0000:40:01.1',
      hiddenAbove: false,
      secondaryBus: 0x42,
      subordinateBus: 0x45,
    });
  });

  it('says so where a filter took a bridge out: bus 44 is not the one behind 41:00.0', () => {
    expect(at('44:00.0')).toMatchObject({ parent: '0000:41:00.0', hiddenAbove: true });
  });

  it('tells ids, names and no registers', () => {
    expect(at('nvme0n1')).toMatchObject({
      bdf: '0000:44:00.0',
      vendorId: 0x144d,
      deviceId: 0xa80a,
      subsystemDeviceId: 0xa801,
      revision: 0,
      classCode: 0x010800,
      vendorName: 'Samsung',
      deviceName: 'PM9A1',
      numaNode: 1,
      acs: undefined,
      bars: undefined,
      pcieType: undefined,
    });
    expect(at('41:00.0').subsystemVendorId).toBeNull();
  });

  it('gives a link only where its figure fits one speed and width', () => {
    expect(at('44:00.0').link).toEqual({ max: undefined, current: { speedGTs: 8, width: 1 } });
    expect(at('40:01.1').link).toBeUndefined();
    expect(at('41:00.0').link).toBeUndefined();
  });

  it('leaves open what stands for a host bridge', () => {
    expect(machine.gaps.map((gap) => gap.what)).toEqual(
      expect.arrayContaining(['root-bus-devices', 'programming-interface']),
    );
  });

  it('without host bridges leaves open what is above', () => {
    const alone = topology(
      '<object type="PCIDev" pci_busid="0001:01:00.0" pci_type="0302 [10de:15f9] [10de:116b] a1"/>',
    );
    expect(readHwloc(alone, 'alone').functions[0]).toMatchObject({
      parent: null,
      hiddenAbove: true,
      hostBridge: 'pci0001:??',
    });
  });

  it('a device below a host bridge but not on its root bus has hidden bridges: hwloc 1 drops them', () => {
    const flat = topology(
      '<object type="Bridge" bridge_type="0-1" bridge_pci="0004:[00-0a]"><object type="PCIDev" pci_busid="0004:03:00.0" pci_type="0108 [144d:a821] [1014:0000] 01"/></object>',
      '',
    );
    expect(readHwloc(flat, 'flat').functions[0]).toMatchObject({
      parent: null,
      hiddenAbove: true,
      hostBridge: 'pci0004:00',
    });
  });

  it('of format 3 has whole class codes and types as bits', () => {
    const machine3 = readHwloc(
      topology(
        '<object type="Bridge" bridge_type="0-1" bridge_pci="0000:[00-00]"><object type="PCIDev" pci_busid="0000:00:02.0" pci_type="0207 [15b3:101b] [15b3:0007] 00 02"><object type="OSDev" name="rocep1" osdev_type="48"/><object type="OSDev" name="eth0" osdev_type="16"/></object></object>',
        ' version="3.0"',
      ),
      'v3',
    );
    expect(machine3.functions[0]).toMatchObject({
      classCode: 0x020702,
      classNames: [
        { subsystem: 'infiniband', name: 'rocep1' },
        { subsystem: 'net', name: 'eth0' },
      ],
    });
  });

  it.each([
    ['0.250000', { speedGTs: 2.5, width: 1 }],
    ['0.984615', { speedGTs: 8, width: 1 }],
    ['11.815385', { speedGTs: 8, width: 12 }],
    ['15.753846', undefined],
    ['4.000000', undefined],
    ['0.000000', undefined],
    ['31.000000', undefined],
    ['', undefined],
    ['Infinity', undefined],
  ])('%s GB/s', (text, rate) => {
    expect(linkRateOf(text)).toEqual(rate);
  });

  it.each([
    ['0x00000001', 0],
    ['0x00000100,0x0', 40],
    ['0x00000001,,0x0', 64],
    ['0x00000003', undefined],
    ['0x1,0x1', undefined],
    ['0xf...f', undefined],
  ])('node set %s', (text, node) => {
    expect(singleNode(text)).toBe(node);
  });

  it('pci_type with fields missing is unknown, not zero', () => {
    expect(parsePciType('0604 [8086:2030] [8086:0000]')?.revision).toBeUndefined();
    expect(parsePciType('0604 [8086:2030]')).toBeUndefined();
  });
});

describe('XML that cannot be read', () => {
  it.each([
    ['cut off', '<topology><object type="Machine">', 'INPUT_XML_MALFORMED'],
    ['not XML', '<topology><object type=Machine/></topology>', 'INPUT_XML_MALFORMED'],
    ['an undefined entity', '<topology a="&lol;"/>', 'INPUT_XML_MALFORMED'],
    ['entities of its own', '<!DOCTYPE topology [<!ENTITY lol "lol">]><topology/>', 'INPUT_XML_ENTITIES'],
    ['another root', '<system/>', 'INPUT_NOT_HWLOC'],
    ['no I/O objects', '<topology><object type="Machine"/></topology>', 'INPUT_NO_PCI'],
    ['too deep', `<topology>${'<object>'.repeat(600)}`, 'INPUT_XML_BOUNDS'],
    ['an endless name', `<${'x'.repeat(200_000)}`, 'INPUT_XML_MALFORMED'],
    ['an endless attribute', `<topology a="${'x'.repeat(200_000)}"/>`, 'INPUT_XML_MALFORMED'],
    [
      'too many attributes',
      `<topology ${Array.from({ length: 300 }, (_, i) => `a${i}="1"`).join(' ')}/>`,
      'INPUT_XML_BOUNDS',
    ],
    ['two roots', '<topology/><topology/>', 'INPUT_XML_MALFORMED'],
  ])('%s', (_, xml, code) => {
    expect(() => readHwloc(xml, 'bad.xml')).toThrow(expect.objectContaining({ code, exitStatus: 2 }));
  });

  it('says where', () => {
    expect(() => readHwloc('<topology>\n  <object\n</topology>', 'bad.xml')).toThrow(/bad\.xml.*line 3/);
  });
});

describe.skipIf(!hasTopologies)('files of real machines', () => {
  it.each(topologyFiles('hwloc-xml'))('%s has as many functions and host bridges as were counted', (name) => {
    const machine = readHwloc(topologyText('hwloc-xml', name), name);
    const counted = countedContents('hwloc-xml', name);
    expectMachineInvariants(machine);
    expectAddressOrder(machine);
    const repeated = machine.findings.filter((finding) => finding.code === 'DUPLICATE_FUNCTION').length;
    const hostBridges = numberBefore(counted, 'host,');
    expect(machine.hostBridges.length).toBe(hostBridges);
    expect(machine.functions.length + repeated).toBe(
      numberBefore(counted, 'PCIDev') + numberBefore(counted, 'bridges') - hostBridges,
    );
    expect(machine.functions.every((fn) => fn.vendorId !== undefined && fn.numaNode !== undefined)).toBe(
      true,
    );
  });

  it('the DGX-2 has its cascaded switches', () => {
    const machine = readHwloc(topologyText('hwloc-xml', 'hwloc-nvidiaDGX2.xml'), 'dgx2');
    const index = new MachineIndex(machine);
    const path: string[] = [];
    for (let fn = index.resolve('0000:34:00.0'); ; fn = index.resolve(fn.parent!)) {
      path.push(fn.bdf);
      if (fn.parent == null) {
        break;
      }
    }
    expect(path).toEqual([
      '0000:34:00.0',
      '0000:33:00.0',
      '0000:32:00.0',
      '0000:2d:04.0',
      '0000:2c:00.0',
      '0000:2b:00.0',
    ]);
    expect(machine.functions.some((fn) => fn.hiddenAbove)).toBe(false);
  });

  it('a file written without bridges has none, and says so of every device', () => {
    const machine = readHwloc(topologyText('hwloc-xml', 'flux-sierra.xml'), 'sierra');
    expect(machine.functions.every((fn) => fn.hiddenAbove && fn.parent === null)).toBe(true);
  });

  it.each([['hwloc-40intel64-2g2n4c+pcilocality'], ['hwloc-fakepcilocalities']])(
    '%s: hwloc and we read the same sysfs alike',
    (name) => {
      const archive = archiveTree(topologyBytes('sysfs', `${name}.tar.gz`), name, {
        gunzip: (bytes) => gunzipSync(bytes),
      });
      const fromSysfs: Machine = readSysfs(archive, { kind: 'archive' });
      const fromXml = readHwloc(topologyText('sysfs-expected', `${name}.xml`), name);
      const index = new MachineIndex(fromSysfs);
      let compared = 0;
      for (const fn of fromXml.functions) {
        const other = index.find(fn.bdf);
        expect(other, fn.bdf).toBeDefined();
        expect(
          {
            parent: fn.parent,
            vendor: fn.vendorId,
            device: fn.deviceId,
            subclass: (fn.classCode ?? 0) >>> 8,
            bus: fn.secondaryBus,
            hidden: fn.hiddenAbove,
            bridge: fn.hostBridge,
          },
          fn.bdf,
        ).toEqual({
          parent: other!.parent,
          vendor: other!.vendorId,
          device: other!.deviceId,
          subclass: (other!.classCode ?? 0) >>> 8,
          bus: other!.secondaryBus,
          hidden: other!.hiddenAbove,
          bridge: other!.hostBridge,
        });
        compared++;
      }
      expect(compared).toBeGreaterThan(20);
    },
  );
});
