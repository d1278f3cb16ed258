import { describe, expect, it } from 'vitest';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { CAPABILITY_ID, VENDOR_ID } from '../../../src/spec/index.ts';

const TEXT = `
peerlane: lab/1
below:
  - memory: card
    bars: {0: 2M}
    sr-iov: {vfs: 2, offset: 4, bars: {0: 2M}}
`;

describe('virtual functions, whose vendor ID reads ffff (PCIe Base 6.0, 9.3.4.1.1)', () => {
  const machine = LabMachine.boot(parseLab(TEXT, 'vf'), { label: 'vf' });
  const vf = machine.platform.functionAt('0000:01:00.4' as never)!;

  it('are there, and stay the same function when the machine is scanned again', () => {
    expect(vf.config.read16(VENDOR_ID.offset)).toBe(0xffff);
    expect(vf.isPresent).toBe(true);
    expect(machine.platform.rescan()).toEqual([]);
    expect(machine.platform.functionAt(vf.bdf)).toBe(vf);
  });

  it('have capabilities that their drivers find', () => {
    expect(vf.config.findCapability(CAPABILITY_ID.PCI_EXPRESS)).toBeGreaterThan(0);
    expect(vf.config.findCapability(CAPABILITY_ID.POWER_MANAGEMENT)).toBeGreaterThan(0);
  });

  it('are gone with their card', () => {
    machine.fabric.surpriseRemove(machine.fabric.functionAt('0000:00:01.0' as never)!);
    expect(vf.isPresent).toBe(false);
    expect(vf.config.findCapability(CAPABILITY_ID.PCI_EXPRESS)).toBe(0);
  });
});
