// Outputs of lspci from real machines, against what was counted in them by other means.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { bdfParts } from '../../../src/base/index.ts';
import { type Machine, type MachineFunction, MachineIndex, readLspci } from '../../../src/topology/index.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { lspciVersion } from '../../support/lspci-output.ts';
import { testdataPath } from '../../support/testdata.ts';
import {
  countedContents,
  hasTopologies,
  numberAfter,
  numberBefore,
  topologyFiles,
  topologyText,
} from '../../support/topology-manifest.ts';

const REDIRECT_BITS = 0x2c;
const WITH_EXTRA_SECTIONS = 'stelline-puget-wrx90.txt';

function count(machine: Machine, isCounted: (fn: MachineFunction) => boolean): number {
  return machine.functions.filter(isCounted).length;
}

describe.skipIf(!hasTopologies)('text of real machines', () => {
  it.each(topologyFiles('lspci-text'))(
    '%s has as many functions, ACS states and links as were counted',
    (name) => {
      const machine = readLspci(topologyText('lspci-text', name), name);
      const counted = countedContents('lspci-text', name);
      expectMachineInvariants(machine);
      if (name !== WITH_EXTRA_SECTIONS) {
        expect(machine.functions.length).toBe(numberBefore(counted, 'function blocks'));
        expect(count(machine, (fn) => fn.acs != null)).toBe(numberAfter(counted, 'ACSCtl'));
      }
      expect(count(machine, (fn) => ((fn.acs?.control ?? 0) & 0x04) !== 0)).toBe(
        numberAfter(counted, 'ReqRedir\\+'),
      );
      expect(count(machine, (fn) => fn.link?.max !== undefined)).toBe(numberAfter(counted, 'LnkSta'));
    },
  );

  it('the whole listings leave no function of a server without an answer on ACS', () => {
    for (const name of topologyFiles('lspci-text').filter(
      (file) => file.startsWith('pciebench') || file.startsWith('cmlgpu'),
    )) {
      const machine = readLspci(topologyText('lspci-text', name), name);
      expect(machine.functions.filter((fn) => fn.acs === undefined).map((fn) => fn.bdf)).toEqual([]);
      expect(
        machine.functions.filter((fn) => fn.parent === undefined || fn.hiddenAbove).map((fn) => fn.bdf),
      ).toEqual([]);
      expect(machine.source.privileged).toBe(true);
    }
  });

  it('a plain listing says that bridges are missing instead of putting everything on root buses', () => {
    const machine = readLspci(topologyText('lspci-text', 'clu6-supermicro.lspci.txt'), 'clu6');
    for (const fn of machine.functions) {
      expect(fn.hiddenAbove, fn.bdf).toBe(bdfParts(fn.bdf).bus !== 0);
      expect(fn.acs).toBeUndefined();
      expect(fn.vendorId).toBeUndefined();
      expect(fn.classCode).toBeDefined();
    }
    expect(machine.gaps.map((gap) => gap.what)).toContain('programming-interface');
    expect(machine.source.privileged).toBeUndefined();
  });

  it('an old Power Mac has two domains, no PCI Express and therefore no ACS', () => {
    const machine = readLspci(topologyText('lspci-text', 'powermac-g5.lspci-v.txt'), 'g5');
    expect(machine.hostBridges.map((bridge) => bridge.key)).toEqual(['pci0000:f0', 'pci0001:00']);
    expect(machine.functions.every((fn) => fn.pcieType === null && fn.acs === null && fn.link === null)).toBe(
      true,
    );
    const index = new MachineIndex(machine);
    expect(index.resolve('0001:01:07.0').parent).toBe('0001:00:03.0');
  });
});

describe.skipIf(!hasTopologies)(
  'a page with a tree, four verbose blocks and other programs between them',
  () => {
    const machine = hasTopologies
      ? readLspci(topologyText('lspci-text', WITH_EXTRA_SECTIONS), WITH_EXTRA_SECTIONS)
      : undefined;
    const at = (address: string) => new MachineIndex(machine!).resolve(address);

    it('joins what the tree and the blocks say of one function', () => {
      const gpu = at('c1:00.0');
      expect(gpu.parent).toBe('0000:c0:01.1');
      expect(gpu.hostBridge).toBe('pci0000:c0');
      expect(gpu.driver).toBe('nvidia');
      expect(gpu.bars?.find((bar) => bar.index === 1)).toMatchObject({
        start: 0x130_0000_0000,
        sizeBytes: 64 * 2 ** 30,
      });
    });

    it('keeps the rate of an idle link apart from what it can do', () => {
      expect(at('c1:00.0').link).toEqual({
        max: { speedGTs: 16, width: 16 },
        current: { speedGTs: 2.5, width: 16 },
      });
    });

    it('knows that the GPUs have no ACS and the NIC has it switched off', () => {
      expect(at('c1:00.0').acs).toBeNull();
      expect(at('c2:00.0').acs).toBeNull();
      expect(at('21:00.0').acs).toEqual({ offset: 0x230, capability: 0, control: 0, egressVector: null });
    });

    it('follows the cascaded switches of the tree', () => {
      const drive = at('05:00.0');
      const ports = ['04:10.0', '03:00.0', '02:00.0', '01:00.0', '00:03.1'];
      let here = drive;
      for (const port of ports) {
        here = at(here.parent!);
        expect(here.bdf).toBe(`0000:${port}`);
      }
      expect(here.parent).toBeNull();
    });

    it('has every root bus with its first function, drawn by the tree', () => {
      expect(machine!.hostBridges.map((bridge) => bridge.key)).toEqual([
        'pci0000:00',
        'pci0000:20',
        'pci0000:c0',
        'pci0000:e0',
      ]);
      expect(machine!.gaps.map((gap) => gap.what)).not.toContain('root-bus-devices');
    });

    it('does not give the ACS lines of a grep to any function', () => {
      expect(machine!.functions.filter((fn) => fn.acs != null)).toHaveLength(1);
    });
  },
);

describe.skipIf(!hasTopologies)('hex dumps of pciutils', () => {
  it.each(topologyFiles('lspci-hex'))('%s has the bytes and the ACS states that were counted', (name) => {
    const machine = readLspci(topologyText('lspci-hex', name), name);
    const counted = countedContents('lspci-hex', name);
    expectMachineInvariants(machine);
    expect(machine.functions.length).toBe(numberBefore(counted, 'functions'));
    const sizes = new Map<number, number>();
    for (const fn of machine.functions) {
      const size = fn.config?.length ?? 0;
      sizes.set(size, (sizes.get(size) ?? 0) + 1);
    }
    for (const [size, functions] of sizes) {
      expect(counted).toContain(`${size}: ${functions}`);
    }
    const withBytes = machine.functions.filter((fn) => (fn.config?.length ?? 0) > 256 && fn.acs != null);
    expect(withBytes.length).toBe(numberAfter(counted, 'ACS in bytes'));
    expect(withBytes.filter((fn) => (fn.acs!.control & REDIRECT_BITS) !== 0).length).toBe(
      numberAfter(counted, 'redirect on'),
    );
  });
});

/** Fields that both a dump and printed text may know. */
const FIELDS = [
  'parent',
  'vendorId',
  'deviceId',
  'subsystemVendorId',
  'subsystemDeviceId',
  'revision',
  'classCode',
  'headerType',
  'pcieType',
  'isGone',
  'command',
  'acs',
  'deviceControl',
  'link',
  'bars',
  'windows',
  'secondaryBus',
  'subordinateBus',
] as const;

/** `isHalfClass`: the form of output leaves the programming interface out, and says so in a gap. */
function comparable(fn: MachineFunction, field: (typeof FIELDS)[number], isHalfClass: boolean): unknown {
  switch (field) {
    case 'acs': {
      // Text has neither the reserved bits nor the size of the egress vector.
      const acs = fn.acs;
      return acs == null
        ? acs
        : { offset: acs.offset, capability: acs.capability & 0x7f, control: acs.control };
    }
    case 'bars':
      // Sizes are never in the registers, and addresses that are not set are printed in several ways.
      return fn.bars?.filter((bar) => bar.start != null).map(({ sizeBytes: _, ...bar }) => bar);
    case 'classCode':
      return isHalfClass && fn.classCode !== undefined ? fn.classCode >>> 8 : fn.classCode;
    case 'subsystemVendorId':
      return fn.subsystemVendorId === 0 ? null : fn.subsystemVendorId;
    case 'subsystemDeviceId':
      // lspci prints no subsystem at all where its vendor is zero.
      return fn.subsystemVendorId === 0 ? null : fn.subsystemDeviceId;
    case 'parent':
      return fn.hiddenAbove ? undefined : fn.parent;
    default:
      return fn[field];
  }
}

/** How many fields both know; fails where they differ. */
function expectAgreement(bytes: Machine, text: Machine): number {
  const isHalfClass = text.gaps.some((gap) => gap.what === 'programming-interface');
  expect(text.functions.map((fn) => fn.bdf)).toEqual(bytes.functions.map((fn) => fn.bdf));
  let known = 0;
  bytes.functions.forEach((fromBytes, position) => {
    const fromText = text.functions[position]!;
    for (const field of FIELDS) {
      const left = comparable(fromBytes, field, isHalfClass);
      const right = comparable(fromText, field, isHalfClass);
      if (left !== undefined && right !== undefined) {
        known++;
        expect(right, `${fromBytes.bdf} ${field}`).toEqual(left);
      }
    }
  });
  return known;
}

/** Only what the dump itself holds: headlines and printed lines of the original machine are dropped. */
function bytesOnly(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('\t') && !line.startsWith('        '))
    .join('\n');
}

describe.skipIf(!hasTopologies)('what lspci prints for a dump agrees with the bytes', () => {
  it.each(topologyFiles('derived-lspci-3.9.0'))('%s', (name) => {
    const text = readLspci(topologyText('derived-lspci-3.9.0', name), name);
    const dump = `${name.slice(0, name.indexOf('.'))}.txt`;
    const bytes = readLspci(bytesOnly(topologyText('lspci-hex', dump)), dump);
    expectMachineInvariants(text);
    expect(expectAgreement(bytes, text)).toBeGreaterThan(bytes.functions.length * 2);
  });

  const forms = [
    '-vvvnn',
    '-vvv',
    '-vv',
    '-vnn',
    '-nn',
    '-n',
    '-Dvvvnn',
    '-Dmmnn',
    '-Dvmmnn',
    '-mmn',
    '-t',
    '-tvnn',
    '-PP',
    '-xxxx',
    '-vvvnnxxxx',
  ];
  const isHere = hasTopologies && lspciVersion() !== null;
  it.skipIf(!isHere).each(forms)('every dump printed by the installed lspci with %s', (form) => {
    let known = 0;
    for (const dump of topologyFiles('lspci-hex')) {
      const path = testdataPath('data', 'topologies', 'lspci-hex', dump);
      const printed = execFileSync('lspci', ['-F', path, form], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      known += expectAgreement(
        readLspci(bytesOnly(topologyText('lspci-hex', dump)), dump),
        readLspci(printed, `${dump} ${form}`),
      );
    }
    expect(known).toBeGreaterThan(300);
  });
});
