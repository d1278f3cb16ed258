import { describe, expect, it } from 'vitest';
import { pairLetters } from '../../src/advice/index.ts';
import { bdf, buildIndex, type FunctionSpec, switchWithTwoDrives } from '../support/machine-builder.ts';

const lettersOf = (functions: readonly FunctionSpec[], a: string, b: string) =>
  pairLetters(buildIndex({ functions }), bdf(a), bdf(b));

const twoRootPorts: FunctionSpec[] = [
  { at: '00:00.0', kind: 'host-bridge' },
  { at: '00:01.0', kind: 'root-port' },
  { at: '01:00.0', kind: 'gpu', under: '00:01.0' },
  { at: '00:02.0', kind: 'root-port' },
  { at: '02:00.0', kind: 'gpu', under: '00:02.0' },
];

function hostBridges(nodeB: number | null | undefined): FunctionSpec[] {
  return [
    { at: '00:01.0', kind: 'root-port' },
    { at: '01:00.0', kind: 'gpu', under: '00:01.0', more: { hostBridge: 'pci0000:00' } },
    { at: '80:01.0', kind: 'root-port' },
    { at: '81:00.0', kind: 'gpu', under: '80:01.0', more: { numaNode: nodeB } },
  ];
}

describe('letters', () => {
  it('are SELF for one function', () => {
    expect(lettersOf(twoRootPorts, '01:00.0', '01:00.0')).toBe('SELF');
  });

  it('are PIX below one switch, whatever ACS says', () => {
    for (const acs of [null, 0x1d, undefined]) {
      const index = buildIndex(switchWithTwoDrives(acs));
      expect(pairLetters(index, bdf('03:00.0'), bdf('04:00.0'))).toBe('PIX');
    }
  });

  it('are PIX for two functions of one card', () => {
    const functions: FunctionSpec[] = [
      { at: '00:01.0', kind: 'root-port' },
      { at: '01:00.0', kind: 'nic', under: '00:01.0' },
      { at: '01:00.1', kind: 'nic', under: '00:01.0' },
    ];
    expect(lettersOf(functions, '01:00.0', '01:00.1')).toBe('PIX');
  });

  it('are PXB through several switches', () => {
    const functions: FunctionSpec[] = [
      { at: '00:01.0', kind: 'root-port' },
      { at: '01:00.0', kind: 'switch-upstream', under: '00:01.0' },
      { at: '02:00.0', kind: 'switch-downstream', under: '01:00.0' },
      { at: '02:01.0', kind: 'switch-downstream', under: '01:00.0' },
      { at: '03:00.0', kind: 'switch-upstream', under: '02:00.0' },
      { at: '04:00.0', kind: 'switch-downstream', under: '03:00.0' },
      { at: '05:00.0', kind: 'gpu', under: '04:00.0' },
      { at: '06:00.0', kind: 'gpu', under: '02:01.0' },
    ];
    expect(lettersOf(functions, '05:00.0', '06:00.0')).toBe('PXB');
  });

  it('are PHB below one host bridge', () => {
    expect(lettersOf(twoRootPorts, '01:00.0', '02:00.0')).toBe('PHB');
  });

  it('are NODE and SYS between host bridges by NUMA node, and null where that is not known', () => {
    expect(lettersOf(hostBridges(0), '01:00.0', '81:00.0')).toBe('NODE');
    expect(lettersOf(hostBridges(1), '01:00.0', '81:00.0')).toBe('SYS');
    expect(lettersOf(hostBridges(undefined), '01:00.0', '81:00.0')).toBeNull();
    expect(lettersOf(hostBridges(null), '01:00.0', '81:00.0')).toBeNull();
  });

  it('are null where bridges are left out of the input', () => {
    const functions: FunctionSpec[] = twoRootPorts.map((spec) =>
      spec.at === '01:00.0' ? { ...spec, more: { hiddenAbove: true } } : spec,
    );
    const siblings: FunctionSpec[] = [...functions, { at: '01:01.0', kind: 'nic', under: '00:01.0' }];
    expect(lettersOf(siblings, '01:00.0', '01:01.0')).toBeNull();
  });
});
