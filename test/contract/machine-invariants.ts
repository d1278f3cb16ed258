/**
 * What holds for every `Machine`, whichever reader made it. Consumers rely on it: they follow parents, PFs and host
 * bridges without looking back.
 */
import { expect } from 'vitest';
import { bdfParts, compareBdf, toBdf } from '../../src/base/index.ts';
import type { Machine, MachineFunction } from '../../src/topology/index.ts';

/** Fails with the first function that breaks a rule. */
export function expectMachineInvariants(machine: Machine): void {
  const byBdf = new Map(machine.functions.map((fn) => [fn.bdf, fn]));
  expect(byBdf.size, 'addresses are unique').toBe(machine.functions.length);
  const keys = new Set(machine.hostBridges.map((bridge) => bridge.key));
  expect(keys.size, 'host bridge keys are unique').toBe(machine.hostBridges.length);

  for (const fn of machine.functions) {
    const at = (rule: string) => `${fn.bdf}: ${rule}`;
    expect(toBdf(fn.bdf), at('the address is canonical')).toBe(fn.bdf);
    expect(keys.has(fn.hostBridge), at(`its host bridge ${fn.hostBridge} is listed`)).toBe(true);
    if (fn.parent != null) {
      const parent = byBdf.get(fn.parent);
      expect(parent, at('its parent exists')).toBeDefined();
      expect(parent!.hostBridge, at('it shares its parent’s host bridge')).toBe(fn.hostBridge);
      expect(bdfParts(fn.parent).domain, at('it shares its parent’s domain')).toBe(bdfParts(fn.bdf).domain);
    }
    if (fn.physicalFunction != null) {
      const pf = byBdf.get(fn.physicalFunction);
      expect(pf, at('its PF exists')).toBeDefined();
      expect(pf!.physicalFunction ?? null, at('its PF is no VF')).toBeNull();
      expect(fn.physicalFunction, at('it is not its own PF')).not.toBe(fn.bdf);
    }
    expectNumbers(fn);
  }
  expectNoLoops(machine, byBdf);
  for (const bridge of machine.hostBridges) {
    if (bridge.behind !== null) {
      expect(byBdf.has(bridge.behind), `${bridge.key}: what it lies behind exists`).toBe(true);
    }
  }
  for (const note of [...machine.gaps, ...machine.findings]) {
    expect(note.detail, 'one line').not.toMatch(/\n|undefined|NaN|\[object/);
    expect(note.detail).not.toBe('');
  }
}

/** Address order, where the reader has no better one. */
export function expectAddressOrder(machine: Machine): void {
  const addresses = machine.functions.map((fn) => fn.bdf);
  expect(addresses).toEqual([...addresses].sort(compareBdf));
}

function expectNumbers(fn: MachineFunction): void {
  const ranges: readonly (readonly [string, number | null | undefined, number])[] = [
    ['vendorId', fn.vendorId, 0xffff],
    ['deviceId', fn.deviceId, 0xffff],
    ['subsystemVendorId', fn.subsystemVendorId, 0xffff],
    ['subsystemDeviceId', fn.subsystemDeviceId, 0xffff],
    ['revision', fn.revision, 0xff],
    ['classCode', fn.classCode, 0xff_ffff],
    ['headerType', fn.headerType, 0x7f],
    ['command', fn.command, 0xffff],
    ['deviceControl', fn.deviceControl, 0xffff],
    ['secondaryBus', fn.secondaryBus, 0xff],
    ['subordinateBus', fn.subordinateBus, 0xff],
    ['numaNode', fn.numaNode, 0xffff],
    ['dmaMaskBits', fn.dmaMaskBits, 64],
    ['p2pmem size', fn.p2pmem?.sizeBytes, Number.MAX_SAFE_INTEGER],
    ['p2pmem available', fn.p2pmem?.availableBytes, Number.MAX_SAFE_INTEGER],
  ];
  for (const [name, value, max] of ranges) {
    if (value != null) {
      const isFit = Number.isInteger(value) && value >= 0 && value <= max;
      expect(isFit, `${fn.bdf}: ${name} ${value} is a number from 0 to ${max}`).toBe(true);
    }
  }
  for (const rate of [fn.link?.max, fn.link?.current]) {
    if (rate !== undefined) {
      expect([2.5, 5, 8, 16, 32, 64], `${fn.bdf}: link speed`).toContain(rate.speedGTs);
      expect(rate.width >= 1 && rate.width <= 32, `${fn.bdf}: link width ${rate.width}`).toBe(true);
    }
  }
  const indices = (fn.bars ?? []).map((bar) => bar.index);
  expect(new Set(indices).size, `${fn.bdf}: BAR indices are unique`).toBe(indices.length);
  for (const bar of fn.bars ?? []) {
    expect(bar.sizeBytes === undefined || bar.sizeBytes > 0, `${fn.bdf}: BAR ${bar.index} has a size`).toBe(
      true,
    );
    expect(bar.start == null || bar.start > 0, `${fn.bdf}: BAR ${bar.index} has an address`).toBe(true);
  }
  for (const window of fn.windows ?? []) {
    expect(window.last >= window.first, `${fn.bdf}: a window does not end before it starts`).toBe(true);
  }
  if (fn.acs != null) {
    const words = [fn.acs.capability, fn.acs.control];
    expect(
      words.every((word) => Number.isInteger(word) && word >= 0 && word <= 0xffff),
      `${fn.bdf}: ACS words`,
    ).toBe(true);
  }
}

function expectNoLoops(machine: Machine, byBdf: ReadonlyMap<string, MachineFunction>): void {
  const bridges = new Map(machine.hostBridges.map((bridge) => [bridge.key, bridge]));
  for (const start of machine.functions) {
    let steps = 0;
    let at: MachineFunction | undefined = start;
    while (at !== undefined) {
      steps++;
      expect(steps, `${start.bdf}: the way up ends`).toBeLessThanOrEqual(machine.functions.length + 1);
      const up: string | null | undefined = at.parent ?? bridges.get(at.hostBridge)!.behind;
      at = up == null ? undefined : byBdf.get(up);
    }
  }
}
