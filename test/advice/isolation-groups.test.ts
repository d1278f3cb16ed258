import { describe, expect, it } from 'vitest';
import { isolationGroups, mergesBetween } from '../../src/advice/index.ts';
import { bdf, buildIndex, type FunctionSpec, switchWithTwoDrives } from '../support/machine-builder.ts';

const isolated = (rootAcs: number | null = 0x1d) => buildIndex(switchWithTwoDrives(0x1d, { rootAcs }));

function groupsOf(index: ReturnType<typeof isolated>, acs: Record<string, number> = {}): string[][] {
  const words = new Map(Object.entries(acs).map(([at, word]) => [bdf(at), word]));
  const byGroup = new Map<number, string[]>();
  for (const [at, group] of isolationGroups(index, words).groupOf) {
    byGroup.set(group, [...(byGroup.get(group) ?? []), at.slice(5)]);
  }
  return [...byGroup.values()].filter((members) => members.length > 1);
}

describe('IOMMU groups from ACS', () => {
  it('keep every function apart where each hop isolates (SV, RR, CR, UF)', () => {
    expect(groupsOf(isolated())).toEqual([]);
  });

  it('put everything below a root port without ACS into one', () => {
    expect(groupsOf(isolated(null))).toEqual([
      ['00:01.0', '01:00.0', '02:00.0', '02:01.0', '03:00.0', '04:00.0'],
    ]);
  });

  it('put what is below a port without redirect together with that port, and with the other ports of the switch', () => {
    expect(groupsOf(isolated(), { '02:00.0': 0x11 })).toEqual([['02:00.0', '02:01.0', '03:00.0']]);
    expect(groupsOf(isolated(), { '02:00.0': 0x11, '02:01.0': 0x11 })).toEqual([
      ['02:00.0', '02:01.0', '03:00.0', '04:00.0'],
    ]);
  });

  it('ask of a port only what its capability offers', () => {
    const spec = switchWithTwoDrives(0x01, { rootAcs: 0x1d });
    const functions = spec.functions.map((fn) => (fn.acs === 0x01 ? { ...fn, acsCapability: 0x01 } : fn));
    expect(groupsOf(buildIndex({ functions }))).toEqual([]);
  });

  it('put functions of one device together unless each isolates itself', () => {
    const card = (acs: number | null): FunctionSpec[] => [
      { at: '00:01.0', kind: 'root-port', acs: 0x1d },
      { at: '01:00.0', kind: 'nic', under: '00:01.0', acs, more: { isMultifunction: true } },
      { at: '01:00.1', kind: 'nic', under: '00:01.0', acs, more: { isMultifunction: true } },
    ];
    expect(groupsOf(buildIndex({ functions: card(null) }))).toEqual([['01:00.0', '01:00.1']]);
    expect(groupsOf(buildIndex({ functions: card(0x1d) }))).toEqual([]);
  });

  it('say of which functions they know too little', () => {
    const index = buildIndex(switchWithTwoDrives(undefined, { rootAcs: 0x1d }));
    expect(isolationGroups(index).unknown).toEqual(['0000:02:00.0', '0000:02:01.0']);
  });

  it('name the groups of today that a change merges', () => {
    const spec = switchWithTwoDrives(0x1d, { rootAcs: 0x1d });
    const functions = spec.functions.map((fn, i) => ({
      ...fn,
      more: { ...fn.more, iommuGroup: String(10 + i) },
    }));
    const index = buildIndex({ functions });
    const after = isolationGroups(index, new Map([[bdf('02:00.0'), 0x11]]));
    expect(mergesBetween(index, isolationGroups(index), after)).toEqual([
      { groups: ['13', '14', '15'], functions: ['0000:02:00.0', '0000:02:01.0', '0000:03:00.0'] },
    ]);
  });
});
