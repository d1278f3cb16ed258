import { describe, expect, it } from 'vitest';
import {
  assembleMachine,
  type FunctionDraft,
  type Machine,
  type MachineDraft,
} from '../../../src/topology/index.ts';
import { expectAddressOrder, expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { bdf } from '../../support/machine-builder.ts';

function assemble(functions: readonly FunctionDraft[], more: Partial<MachineDraft> = {}): Machine {
  const machine = assembleMachine({
    source: { kind: 'lspci', label: 'test', privileged: undefined },
    functions,
    ...more,
  });
  expectMachineInvariants(machine);
  return machine;
}

function bridge(at: string, secondaryBus: number, subordinateBus = secondaryBus): FunctionDraft {
  return { bdf: bdf(at), headerType: 1, secondaryBus, subordinateBus };
}

function endpoint(at: string, more: Partial<FunctionDraft> = {}): FunctionDraft {
  return { headerType: 0, secondaryBus: null, subordinateBus: null, ...more, bdf: bdf(at) };
}

function parents(machine: Machine): Record<string, string | null | undefined> {
  return Object.fromEntries(machine.functions.map((fn) => [fn.bdf, fn.parent]));
}

function codes(machine: Machine): string[] {
  return machine.findings.map((finding) => finding.code);
}

describe('parents from bus numbers', () => {
  it('gives each function the bridge that owns its bus', () => {
    const machine = assemble([
      endpoint('02:00.0'),
      bridge('00:01.0', 1, 2),
      bridge('01:00.0', 2),
      endpoint('00:02.0'),
    ]);
    expect(parents(machine)).toEqual({
      '0000:00:01.0': null,
      '0000:00:02.0': null,
      '0000:01:00.0': '0000:00:01.0',
      '0000:02:00.0': '0000:01:00.0',
    });
    expectAddressOrder(machine);
  });

  it('takes a bus that no bridge reaches for a root bus', () => {
    const machine = assemble([
      endpoint('00:00.0'),
      endpoint('80:00.0'),
      bridge('80:01.0', 0x81),
      endpoint('81:00.0'),
    ]);
    expect(machine.hostBridges.map((host) => host.key)).toEqual(['pci0000:00', 'pci0000:80']);
    expect(machine.functions.map((fn) => fn.hostBridge)).toEqual([
      'pci0000:00',
      'pci0000:80',
      'pci0000:80',
      'pci0000:80',
    ]);
  });

  it('keeps domains apart', () => {
    const machine = assemble([bridge('0000:00:01.0', 1), endpoint('0001:01:00.0'), endpoint('0000:01:00.0')]);
    expect(parents(machine)).toMatchObject({ '0000:01:00.0': '0000:00:01.0', '0001:01:00.0': null });
  });

  it('marks what a bridge forwards without owning as lying behind something the input leaves out', () => {
    const machine = assemble([bridge('00:01.0', 1, 4), endpoint('03:00.0')]);
    const fn = machine.functions.find((candidate) => candidate.bdf === '0000:03:00.0')!;
    expect(fn).toMatchObject({ parent: '0000:00:01.0', hiddenAbove: true });
    expect(codes(machine)).toContain('PARENT_GUESSED');
  });

  it('does not choose between two bridges that claim the same bus', () => {
    const machine = assemble([bridge('00:01.0', 1), bridge('00:02.0', 1), endpoint('01:00.0')]);
    expect(machine.functions.at(-1)!.parent).toBeUndefined();
    expect(machine.functions.at(-1)!.hostBridge).toBe('pci0000:??');
    expect(codes(machine)).toContain('BUS_NUMBERS');
    expect(machine.gaps.map((gap) => gap.what)).toContain('parent');
  });

  it('leaves the parent open where a bridge keeps its bus numbers to itself', () => {
    const machine = assemble([
      { bdf: bdf('00:01.0'), classCode: 0x060400 },
      endpoint('01:00.0'),
      endpoint('00:02.0'),
    ]);
    expect(parents(machine)).toEqual({
      '0000:00:01.0': null,
      '0000:00:02.0': null,
      '0000:01:00.0': undefined,
    });
  });

  it('ignores bridges that nobody configured and bus numbers that do not rise', () => {
    const machine = assemble([bridge('00:01.0', 0), bridge('05:00.0', 3, 4), endpoint('03:00.0')]);
    expect(machine.functions.map((fn) => fn.parent)).toEqual([null, null, null]);
    expect(codes(machine)).toEqual(['BUS_NUMBERS']);
  });

  it('cannot tell a root bus where the input may leave bridges out', () => {
    const machine = assemble([endpoint('00:02.0'), endpoint('04:00.0')], { mayMissBridges: true });
    expect(machine.functions.map((fn) => fn.parent)).toEqual([null, undefined]);
  });
});

describe('parents that the reader gives', () => {
  it('are believed before bus numbers, and the contradiction is a finding', () => {
    const machine = assemble([
      bridge('00:01.0', 7),
      bridge('00:02.0', 1),
      endpoint('01:00.0', { parent: bdf('00:01.0') }),
    ]);
    expect(machine.functions.at(-1)!.parent).toBe('0000:00:01.0');
    expect(codes(machine)).toEqual(['BUS_NUMBERS']);
  });

  it('are dropped with a finding when they are not in the input', () => {
    const machine = assemble([endpoint('01:00.0', { parent: bdf('00:09.0') })]);
    expect(codes(machine)).toContain('PARENT_MISSING');
  });

  it('never form a ring', () => {
    const machine = assemble([
      endpoint('01:00.0', { parent: bdf('03:00.0') }),
      endpoint('02:00.0', { parent: bdf('01:00.0') }),
      endpoint('03:00.0', { parent: bdf('02:00.0') }),
      endpoint('04:00.0', { parent: bdf('04:00.0') }),
    ]);
    expect(codes(machine)).toContain('PARENT_LOOP');
  });

  it('in another domain mean a VMD: the function is on a root bus behind that endpoint', () => {
    const machine = assemble([
      endpoint('0000:00:0e.0'),
      endpoint('10000:e0:06.0', { parent: bdf('0000:00:0e.0') }),
    ]);
    expect(machine.functions.at(-1)!.parent).toBeNull();
    expect(machine.hostBridges.at(-1)).toMatchObject({ key: 'pci10000:e0', behind: '0000:00:0e.0' });
  });
});

describe('VMD domains without a path', () => {
  it('lie behind the only VMD of the machine', () => {
    const machine = assemble([
      endpoint('0000:00:0e.0', { vendorId: 0x8086, deviceId: 0x467f }),
      bridge('10000:e0:06.0', 0xe1),
      endpoint('10000:e1:00.0'),
    ]);
    expect(machine.hostBridges.at(-1)).toMatchObject({
      key: 'pci10000:e0',
      domain: 0x10000,
      behind: '0000:00:0e.0',
    });
  });

  it('are not assigned to one of several', () => {
    const machine = assemble([
      endpoint('0000:00:0e.0', { driver: 'vmd' }),
      endpoint('0000:80:0e.0', { driver: 'vmd' }),
      bridge('10000:e0:06.0', 0xe1),
    ]);
    expect(machine.hostBridges.at(-1)!.behind).toBeNull();
    expect(codes(machine)).toEqual(['VMD_UNKNOWN']);
  });

  it('never lie behind themselves', () => {
    const machine = assemble([bridge('10000:e0:06.0', 0xe1), endpoint('10000:e1:00.0', { driver: 'vmd' })]);
    expect(machine.hostBridges.map((host) => host.behind)).toEqual([null]);
    expect(codes(machine)).toEqual(['PARENT_LOOP']);
  });
});

describe('virtual functions', () => {
  const sriov = { isEnabled: true, numVfs: 3, firstVfOffset: 0x80, vfStride: 0x80 };

  it('are found by offset and stride, and hang where the PF hangs when their bus is a virtual one', () => {
    const machine = assemble([
      bridge('00:01.0', 1, 3),
      endpoint('01:00.0', { sriov }),
      endpoint('01:10.0'),
      endpoint('02:00.0'),
      endpoint('02:10.0'),
      endpoint('02:11.0', { config: new Uint8Array([0x86, 0x80]) }),
    ]);
    expect(machine.functions.map((fn) => fn.physicalFunction)).toEqual([
      null,
      undefined,
      '0000:01:00.0',
      '0000:01:00.0',
      '0000:01:00.0',
      null,
    ]);
    expect(machine.functions.slice(1, 5).map((fn) => [fn.parent, fn.hiddenAbove])).toEqual([
      ['0000:00:01.0', false],
      ['0000:00:01.0', false],
      ['0000:00:01.0', false],
      ['0000:00:01.0', false],
    ]);
  });

  it('do not exist while VF Enable is clear', () => {
    const machine = assemble([
      endpoint('01:00.0', { sriov: { ...sriov, isEnabled: false } }),
      endpoint('01:10.0'),
    ]);
    expect(machine.functions[1]!.physicalFunction).toBeUndefined();
  });

  it('as the kernel names them count before the registers, and must exist', () => {
    const machine = assemble([
      endpoint('01:00.0', { sriov }),
      endpoint('01:00.1'),
      endpoint('01:10.0', { physicalFunction: bdf('01:00.1') }),
      endpoint('05:10.0', { physicalFunction: bdf('05:00.0') }),
    ]);
    expect(machine.functions.map((fn) => fn.physicalFunction)).toEqual([
      undefined,
      undefined,
      '0000:01:00.1',
      undefined,
    ]);
    expect(codes(machine)).toContain('PHYSICAL_FUNCTION_MISSING');
  });

  it('have no VFs themselves', () => {
    const machine = assemble([
      endpoint('01:00.0', { physicalFunction: bdf('01:00.1') }),
      endpoint('01:00.1', { physicalFunction: bdf('01:00.0') }),
    ]);
    expect(codes(machine)).toContain('PHYSICAL_FUNCTION_MISSING');
  });
});

describe('order, duplicates and gaps', () => {
  it('keeps the order of the kernel’s bus lists where the reader knows it', () => {
    const machine = assemble([endpoint('00:01.0'), endpoint('00:00.0')], { isBusListOrder: true });
    expect(machine.functions.map((fn) => fn.bdf)).toEqual(['0000:00:01.0', '0000:00:00.0']);
    expect(machine.gaps.map((gap) => gap.what)).not.toContain('order');
  });

  it('says so where the order decides and is only assumed', () => {
    expect(assemble([endpoint('00:01.0'), endpoint('00:00.0')]).gaps.map((gap) => gap.what)).toContain(
      'order',
    );
    expect(assemble([bridge('00:01.0', 1), endpoint('01:00.0')]).gaps.map((gap) => gap.what)).not.toContain(
      'order',
    );
  });

  it('sorts wide domains behind the others', () => {
    const machine = assemble([endpoint('10000:e0:00.0'), endpoint('ffff:00:00.0'), endpoint('0000:00:00.0')]);
    expect(machine.functions.map((fn) => fn.bdf)).toEqual(['0000:00:00.0', 'ffff:00:00.0', '10000:e0:00.0']);
  });

  it('uses the first of two functions with one address', () => {
    const machine = assemble([endpoint('00:01.0', { driver: 'a' }), endpoint('00:01.0', { driver: 'b' })]);
    expect(machine.functions.map((fn) => fn.driver)).toEqual(['a']);
    expect(codes(machine)).toEqual(['DUPLICATE_FUNCTION']);
  });

  it('leaves unknown what nobody said, and names what would help', () => {
    const machine = assemble([endpoint('00:01.0')]);
    expect(machine.functions[0]).toMatchObject({ acs: undefined, numaNode: undefined, classNames: [] });
    expect(machine.gaps.map((gap) => gap.what)).toEqual([
      'cpu',
      'kernel',
      'command-line',
      'iommu',
      'extended-config',
      'bars',
      'link',
    ]);
    expect(machine.gaps.find((gap) => gap.what === 'extended-config')!.detail).toContain('lspci -vvv -xxxx');
  });

  it('does not repeat what the reader explained', () => {
    const given = { at: null, what: 'kernel', detail: 'the file was empty' };
    const machine = assemble([endpoint('00:01.0')], { gaps: [given] });
    expect(machine.gaps.filter((gap) => gap.what === 'kernel')).toEqual([given]);
  });

  it('makes nothing of nothing', () => {
    expect(assemble([]).functions).toEqual([]);
  });
});
