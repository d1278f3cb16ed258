import { beforeEach, describe, expect, it } from 'vitest';
import { DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import {
  ACS_BIT,
  boot,
  DRAM_START,
  hostBridge,
  MIB,
  machine,
  port,
  setAcs,
  setWindow,
  TestEndpoint,
  write16,
  write32,
} from './machine.ts';

const VF_BASE = 0x41_0000_0000;
let fabric: Fabric;
let root: FabricFunction;
let physical: FabricFunction;
let parent: TestEndpoint;
let children: TestEndpoint[];
const local = Memory.flat(64);

/** Offset 1 and stride 1 stay on the bus (with ARI); 0x100 puts the virtual functions on the next one. */
function build(firstVfOffset: number): void {
  fabric = machine();
  root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  children = [];
  const bars = new TestEndpoint('shape').description.bars;
  parent = new TestEndpoint('pf', {
    sriov: {
      totalVfs: 16,
      firstVfOffset,
      vfStride: 1,
      vfDeviceId: 0x1001,
      bars: [bars[0]!],
      createVf: (index) => {
        const model = new TestEndpoint(`vf${index}`, { express: { acs: 0x0c } });
        children.push(model);
        return model;
      },
    },
  });
  [physical] = root.secondaryBus!.plug(parent) as [FabricFunction];
  boot(fabric);
  write32(root, 0x18, 0x0002_0100);
  setWindow(root, 0x40_0000_0000, VF_BASE + 64 * MIB);
}

function enable(count: number): void {
  const base = physical.config.offsets.sriov;
  write16(physical, base + 0x10, count);
  write32(physical, base + 0x24, VF_BASE % 0x1_0000_0000);
  write32(physical, base + 0x28, VF_BASE / 0x1_0000_0000);
  write16(physical, base + 0x08, 0x0009);
}

const vendorOf = (bus: number, devfn: number): number =>
  fabric.configRead(0, bus, devfn >> 3, devfn & 7, 0x2c, 2);

beforeEach(() => build(1));

describe('virtual functions (9.2.1)', () => {
  it('come with VF Enable at offset and stride, and go with it', () => {
    expect(vendorOf(1, 1)).toBe(0xffff);
    enable(3);
    expect(children).toHaveLength(3);
    expect([1, 2, 3, 4].map((devfn) => vendorOf(1, devfn))).toEqual([0x1de5, 0x1de5, 0x1de5, 0xffff]);
    expect(physical.virtuals.map(({ requesterId }) => requesterId)).toEqual([0x101, 0x102, 0x103]);
    write16(physical, physical.config.offsets.sriov + 8, 0);
    expect(vendorOf(1, 1)).toBe(0xffff);
    expect(children.every(({ isDetached }) => isDetached)).toBe(true);
    enable(1);
    expect(children).toHaveLength(4);
  });

  it('answer at their part of the VF BARs while VF MSE is set', () => {
    enable(3);
    const { port: second } = children[1]!;
    expect(second.barAddress(0)).toBe(VF_BASE + MIB);
    fabric.cpuWrite(VF_BASE + MIB + 8, 4, 0x1234);
    expect(children[1]!.memory.getValue(8, 4)).toBe(0x1234);
    write16(physical, physical.config.offsets.sriov + 8, 0x0001);
    expect(second.barAddress(0)).toBe(Number.POSITIVE_INFINITY);
    expect(fabric.cpuRead(VF_BASE + MIB + 8, 4, { deliver: () => {} })).toBe(0xffff_ffff);
  });

  it('send under their own name once they are bus masters', () => {
    enable(2);
    const fn = physical.virtuals[1]!;
    write16(fn, 0x04, 4);
    expect(children[1]!.port.dmaWrite(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DONE);
    expect(fn.requester.routeOf(DRAM_START, 4, true, TRAFFIC.DATA).parts.requesterId).toBe(0x102);
    // Payload size comes from the physical function. 9.3.5.4.
    expect(fn.state.maxReadRequestBytes).toBe(512);
  });

  it('reach their physical function inside the device unless their own ACS redirects', () => {
    enable(1);
    const fn = physical.virtuals[0]!;
    write16(fn, 0x04, 4);
    const addr = parent.port.barAddress(0);
    const root2 = () => fn.requester.routeOf(addr, 4, true, TRAFFIC.DATA).parts.root;
    expect(root2()).toBeNull();
    setAcs(fn, ACS_BIT.RR);
    expect(root2()).not.toBeNull();
    children[0]!.port.dmaWrite(addr, local, 0, 64, TRAFFIC.DATA, 1);
    expect(fabric.counters.below(root)!.down.dataBytes).toBe(64);
  });

  it('may be on the next bus, where configuration requests arrive as type 1', () => {
    build(0x100);
    enable(2);
    expect(vendorOf(2, 0)).toBe(0x1de5);
    expect(vendorOf(2, 1)).toBe(0x1de5);
    expect(physical.virtuals[0]!.bdf).toBe('0000:02:00.0');
    write16(physical.virtuals[0]!, 0x04, 4);
    expect(physical.virtuals[0]!.requesterId).toBe(0x200);
    local.fill(0, 64, 1);
    expect(children[0]!.port.dmaRead(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DONE);
    expect(local.getValue(60, 4)).toBe(0);
  });

  it('from function number 8 on need ARI forwarding of the port above (6.13)', () => {
    build(8);
    enable(1);
    expect(vendorOf(1, 8)).toBe(0xffff);
    write16(root, root.config.offsets.express + 0x28, 0x20);
    expect(vendorOf(1, 8)).toBe(0x1de5);
  });

  it('go when their physical function is reset', () => {
    enable(2);
    const control = physical.config.offsets.express + 8;
    write16(physical, control, physical.config.read(control, 2) | 0x8000);
    expect(physical.virtuals).toHaveLength(0);
    expect(children.map(({ isDetached }) => isDetached)).toEqual([true, true]);
    expect(parent.resets).toEqual(['function']);
  });
});
