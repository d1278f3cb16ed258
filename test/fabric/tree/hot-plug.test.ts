import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint, write16, write32 } from './machine.ts';

const SLOT = { physicalNumber: 1, isHotPlugCapable: true, isSurpriseCapable: true, hasPowerController: true };
const INTERRUPT = 0xfee0_0000;

let fabric: Fabric;
let root: FabricFunction;
let other: FabricFunction;
let model: TestEndpoint;
let witness: TestEndpoint;
let messages: number[];
const local = Memory.flat(4096);

beforeEach(() => {
  fabric = machine();
  const { rootBus } = hostBridge(fabric);
  root = rootBus.addRootPort(1, 0, port('root-port', { slot: SLOT }));
  other = rootBus.addRootPort(2, 0, port('root-port'));
  model = new TestEndpoint('card');
  witness = new TestEndpoint('witness');
  root.secondaryBus!.plug(model);
  other.secondaryBus!.plug(witness);
  boot(fabric);
  messages = [];
  fabric.interruptSink = (_domain, _requester, _addr, data) => messages.push(data);
});

const express = (offset: number): number => root.config.offsets.express + offset;
const slotStatus = (): number => root.config.read(express(0x1a), 2);
const linkStatus = (): number => root.config.read(express(0x12), 2);
const PRESENCE_CHANGED = 0x08;
const PRESENT = 0x40;
const LINK_CHANGED = 0x100;
const LINK_ACTIVE = 0x2000;

/** MSI to the interrupt range, and the slot's events on. */
function listen(): void {
  const { msi } = root.config.offsets;
  write32(root, msi + 4, INTERRUPT);
  write16(root, msi + 12, 0x42);
  write16(root, msi + 2, 1);
  write16(root, express(0x18), 0x0008 | 0x0020 | 0x1000);
}

describe('a slot (6.7)', () => {
  it('shows what was there at power on, and no change', () => {
    expect(slotStatus() & (PRESENCE_CHANGED | PRESENT | LINK_CHANGED)).toBe(PRESENT);
    expect(linkStatus() & LINK_ACTIVE).toBe(LINK_ACTIVE);
  });

  it('shows speed and width that both ends can do', () => {
    expect(linkStatus() & 0x3ff).toBe(4 | (4 << 4));
    const fn = root.secondaryBus!.functionAt(0, 0)!;
    expect(fn.config.read(fn.config.offsets.express + 0x12, 2) & 0x3ff).toBe(4 | (4 << 4));
  });

  it('shows removal and arrival, and interrupts once for each', () => {
    listen();
    fabric.surpriseRemove(root);
    expect(slotStatus() & (PRESENCE_CHANGED | PRESENT | LINK_CHANGED)).toBe(PRESENCE_CHANGED | LINK_CHANGED);
    expect(linkStatus() & LINK_ACTIVE).toBe(0);
    expect(messages).toEqual([0x42]);
    write16(root, express(0x1a), PRESENCE_CHANGED | LINK_CHANGED);
    expect(slotStatus() & (PRESENCE_CHANGED | LINK_CHANGED)).toBe(0);
    root.secondaryBus!.plug(new TestEndpoint('next'));
    expect(slotStatus() & PRESENT).toBe(PRESENT);
    expect(messages).toEqual([0x42, 0x42]);
  });

  it('cuts power when software says so, and what is below starts afresh with it', () => {
    write16(root, express(0x18), 0x0400);
    expect(linkStatus() & LINK_ACTIVE).toBe(0);
    expect(fabric.configRead(0, 1, 0, 0, 0, 4)).toBe(0xffff_ffff);
    expect(model.resets).toEqual(['power']);
    write16(root, express(0x18), 0);
    expect(fabric.configRead(0, 1, 0, 0, 0, 4)).toBe(0x1000_1de5);
    expect(fabric.configRead(0, 1, 0, 0, 0x04, 2)).toBe(0);
  });

  it('takes the link down with Link Disable (7.5.3.7)', () => {
    const addr = model.port.barAddress(0);
    write16(root, express(0x10), 0x10);
    expect(witness.port.dmaRead(addr, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(model.resets).toEqual(['bus']);
    write16(root, express(0x10), 0);
    expect(linkStatus() & LINK_ACTIVE).toBe(LINK_ACTIVE);
  });
});

describe('surprise removal (6.7.1.8)', () => {
  it('leaves nobody: config reads give all ones, reads fail, writes vanish, the model is told', () => {
    const addr = model.port.barAddress(0);
    const fn = root.secondaryBus!.functionAt(0, 0)!;
    const seen: unknown[] = [];
    fabric.onPresence = (gone, isPresent) => seen.push([gone, isPresent]);
    fabric.surpriseRemove(root);
    expect(fabric.configRead(0, 1, 0, 0, 0, 4)).toBe(0xffff_ffff);
    expect(witness.port.dmaRead(addr, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(witness.port.dmaWrite(addr, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DONE);
    expect(fabric.cpuRead(addr, 4, { deliver: () => {} })).toBe(0xffff_ffff);
    expect(model.isDetached).toBe(true);
    expect(seen).toEqual([[fn, false]]);
    // The model may not have noticed.
    expect(model.port.dmaWrite(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.GONE);
    expect(model.port.dmaRead(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.GONE);
    expect(model.port.isBusMaster).toBe(false);
    model.port.interrupt(0);
    model.port.setIntx(true);
    model.port.reportInternalError();
    expect(messages).toEqual([]);
  });

  it('takes a switch with everything below it', () => {
    fabric.surpriseRemove(root);
    const chip = root.secondaryBus!.addSwitch(port('switch-upstream', { acs: null }), [
      port('switch-downstream'),
    ]);
    const deep = new TestEndpoint('deep');
    chip.downstream[0]!.secondaryBus!.plug(deep);
    boot(fabric);
    const addr = deep.port.barAddress(0);
    expect(witness.port.dmaRead(addr, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DONE);
    fabric.surpriseRemove(root);
    expect(deep.isDetached).toBe(true);
    expect(fabric.functions()).toHaveLength(3);
    expect(witness.port.dmaRead(addr, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(deep.port.dmaWrite(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.GONE);
  });

  it('keeps what the card has moved in the counters', () => {
    fabric.counters.reset();
    model.port.dmaWrite(DRAM_START, local, 0, 4096, TRAFFIC.DATA, 1);
    fabric.surpriseRemove(root);
    expect(fabric.counters.read().dramWrite.dataBytes).toBe(4096);
    expect(fabric.counters.below(root)!.up.dataBytes).toBe(4096);
  });

  it('of an empty slot is nothing', () => {
    fabric.surpriseRemove(root);
    const epoch = fabric.epoch;
    fabric.surpriseRemove(root);
    expect(fabric.epoch).toBe(epoch);
  });
});
