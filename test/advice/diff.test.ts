import { describe, expect, it } from 'vitest';
import { diffMachines } from '../../src/advice/index.ts';
import { rulesForMachine } from '../../src/p2pdma/index.ts';
import {
  bdf,
  buildMachine,
  type FunctionSpec,
  type MachineSpec,
  switchWithTwoDrives,
} from '../support/machine-builder.ts';

const DRIVES = [bdf('03:00.0'), bdf('04:00.0')];

function diff(
  before: MachineSpec,
  after: MachineSpec,
  functions: ReturnType<typeof bdf>[] | undefined = DRIVES,
) {
  const [a, b] = [buildMachine(before), buildMachine(after)];
  return diffMachines(a, b, {
    rulesOld: rulesForMachine(a),
    rulesNew: rulesForMachine(b),
    ...(functions === undefined ? {} : { functions }),
  });
}

const plain = switchWithTwoDrives(null);
const open = switchWithTwoDrives(0x11);
const redirecting = switchWithTwoDrives(0x1d);

function change(spec: MachineSpec, at: string, more: NonNullable<FunctionSpec['more']>): MachineSpec {
  return {
    ...spec,
    functions: spec.functions.map((fn) => (fn.at === at ? { ...fn, more: { ...fn.more, ...more } } : fn)),
  };
}

describe('diff', () => {
  it('of a machine with itself is empty', () => {
    expect(diff(redirecting, redirecting, undefined)).toEqual({ changes: [], verdicts: [], verdictCount: 0 });
  });

  it('explains changed verdicts by ACS words where those alone make the difference', () => {
    const found = diff(open, redirecting);
    expect(found.changes).toEqual([
      { kind: 'acs', at: '0000:02:00.0', before: 'ACS Control 0x0011', after: 'ACS Control 0x001d' },
      { kind: 'acs', at: '0000:02:01.0', before: 'ACS Control 0x0011', after: 'ACS Control 0x001d' },
    ]);
    expect(found.verdicts.map((entry) => [entry.provider, entry.client, entry.because])).toEqual([
      ['0000:03:00.0', '0000:04:00.0', 'acs'],
      ['0000:04:00.0', '0000:03:00.0', 'acs'],
    ]);
    expect(found.verdicts[0]).toMatchObject({
      before: { mapType: 'bus-addr', distance: 4, usable: true },
      after: { mapType: 'not-supported', distance: -1, usable: false },
      changes: found.changes,
    });
  });

  it('explains them by the kernel where its rules alone make the difference', () => {
    const listed = (kernel: string): MachineSpec => ({
      functions: redirecting.functions.map((fn) => (fn.at === '00:00.0' ? { ...fn, id: '8086:09a2' } : fn)),
      kernel,
    });
    const found = diff(listed('5.4'), listed('7.2.12'));
    expect(found.verdicts.map((entry) => entry.because)).toEqual(['kernel-rules', 'kernel-rules']);
    expect(found.verdicts[0]!.changes).toEqual([
      { kind: 'kernel', at: null, before: '5.4', after: '7.2.12' },
    ]);
  });

  it('names the CPU alone where that is what makes the difference', () => {
    const apart = (acs: number, cpu: 'intel' | 'amd-zen'): MachineSpec => ({
      functions: [
        { at: '00:00.0', kind: 'host-bridge', id: '8086:4c43' },
        { at: '00:01.0', kind: 'root-port', acs },
        { at: '03:00.0', kind: 'nvme', under: '00:01.0' },
        { at: '00:02.0', kind: 'root-port' },
        { at: '04:00.0', kind: 'nvme', under: '00:02.0' },
      ],
      cpu,
    });
    const found = diff(apart(0, 'intel'), apart(0x1d, 'amd-zen'));
    expect(found.changes.map((entry) => entry.kind)).toEqual(['cpu', 'acs']);
    expect(found.verdicts[0]!.after.mapType).toBe('thru-host-bridge');
    expect(found.verdicts[0]!.because).toBe('cpu');
    expect(found.verdicts[0]!.changes.map((entry) => entry.kind)).toEqual(['cpu']);
  });

  it('lists what changed around the pair where nothing alone explains it', () => {
    const moved: MachineSpec = {
      ...plain,
      functions: [
        ...plain.functions.filter((fn) => fn.at !== '04:00.0'),
        { at: '00:02.0', kind: 'root-port' },
        { at: '04:00.0', kind: 'nvme', under: '00:02.0' },
      ],
    };
    const found = diff(plain, moved);
    expect(found.verdicts[0]).toMatchObject({ because: 'several', after: { usable: false } });
    expect(found.verdicts[0]!.changes.map((entry) => [entry.kind, entry.at])).toEqual(
      expect.arrayContaining([
        ['parent', '0000:04:00.0'],
        ['function-added', '0000:00:02.0'],
      ]),
    );
  });

  it('names functions that came and went, and does not compare their pairs', () => {
    const without: MachineSpec = { ...plain, functions: plain.functions.filter((fn) => fn.at !== '04:00.0') };
    expect(diff(plain, without).changes).toEqual([
      { kind: 'function-removed', at: '0000:04:00.0', before: '1234:5678', after: 'none' },
    ]);
    expect(diff(without, plain).changes[0]).toMatchObject({ kind: 'function-added', after: '1234:5678' });
    expect(diff(without, plain).verdicts).toEqual([]);
  });

  it('sees links, BARs, drivers, groups, peer memory, command line and options', () => {
    const changed = change({ ...plain, commandLine: 'quiet iommu=pt', iommu: 'passthrough' }, '03:00.0', {
      link: { max: { speedGTs: 16, width: 16 }, current: { speedGTs: 16, width: 8 } },
      bars: [],
      driver: 'vfio-pci',
      iommuGroup: '7',
      p2pmem: null,
      numaNode: 1,
      command: 0,
    });
    expect(diff(plain, changed).changes.map((entry) => entry.kind)).toEqual([
      'command-line',
      'iommu',
      'link',
      'bar',
      'command',
      'driver',
      'iommu-group',
      'numa-node',
      'p2pmem',
    ]);
  });

  it('takes what one reading does not know for no change', () => {
    const blind = switchWithTwoDrives(undefined);
    expect(diff(redirecting, blind).changes).toEqual([]);
    expect(diff(redirecting, blind).verdicts[0]).toMatchObject({ because: 'unknown', changes: [] });
  });

  it('explains at most as many verdicts as asked for, and counts all', () => {
    const [a, b] = [buildMachine(open), buildMachine(redirecting)];
    const found = diffMachines(a, b, {
      rulesOld: rulesForMachine(a),
      rulesNew: rulesForMachine(b),
      verdictsMax: 1,
    });
    expect(found.verdicts).toHaveLength(1);
    expect(found.verdictCount).toBeGreaterThan(1);
  });
});
