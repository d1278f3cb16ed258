import { beforeEach, describe, expect, it } from 'vitest';
import { TRAFFIC } from '../../../src/fabric/index.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint, write16 } from './machine.ts';

let fabric: Fabric;
let root: FabricFunction;
let model: TestEndpoint;
let peer: TestEndpoint;

beforeEach(() => {
  fabric = machine();
  const { rootBus } = hostBridge(fabric);
  root = rootBus.addRootPort(1, 0, port('root-port'));
  model = new TestEndpoint('card');
  peer = new TestEndpoint('peer');
  root.secondaryBus!.plug(model);
  rootBus.addRootPort(2, 0, port('root-port')).secondaryBus!.plug(peer);
  boot(fabric);
  fabric.counters.reset();
});

const load = (phys: number, lengthBytes = 4): number =>
  fabric.cpuRead(phys, lengthBytes, { deliver: () => {} });

describe('the CPU', () => {
  it('reaches registers and memory of a BAR with accesses of 1, 2 and 4 bytes', () => {
    model.registers.set(0x10, 0x8765_4321);
    expect(load(model.port.barAddress(2) + 0x10)).toBe(0x8765_4321);
    fabric.cpuWrite(model.port.barAddress(2) + 0x14, 4, 0xffff_fffe);
    fabric.cpuWrite(model.port.barAddress(2) + 0x1a, 2, 0x1234);
    expect(model.log.slice(1)).toEqual(['write 14/4=fffffffe', 'write 1a/2=1234']);
    fabric.cpuWrite(model.port.barAddress(0) + 3, 1, 0xab);
    expect(load(model.port.barAddress(0))).toBe(0xab00_0000);
  });

  it('reads all ones where nobody answers, and its stores vanish there', () => {
    expect(load(0x30_0000_0000)).toBe(0xffff_ffff);
    expect(load(0x30_0000_0000, 1)).toBe(0xff);
    expect(load(Number.POSITIVE_INFINITY, 2)).toBe(0xffff);
    fabric.cpuWrite(0x30_0000_0000, 4, 1);
    fabric.cpuWrite(Number.NaN, 4, 1);
    write16(root, 0x04, 0);
    expect(load(model.port.barAddress(0))).toBe(0xffff_ffff);
  });

  it('stores runs of bytes, as control traffic unless told otherwise', () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, index) => index);
    fabric.cpuWriteBytes(model.port.barAddress(0), bytes, 0, 64);
    fabric.cpuWriteBytes(model.port.barAddress(0) + 64, bytes, 32, 32, TRAFFIC.DATA);
    expect(model.memory.getValue(64, 4)).toBe(0x2322_2120);
    expect(fabric.counters.below(root)!.down).toEqual({ dataBytes: 32, controlBytes: 64, packets: 2 });
  });

  it('reads and writes host memory, which counts nowhere', () => {
    fabric.cpuWrite(DRAM_START + 8, 4, 77);
    expect(load(DRAM_START + 8)).toBe(77);
    const counts = fabric.counters.read();
    expect(counts.dramRead.controlBytes + counts.dramWrite.controlBytes).toBe(0);
  });

  it('loads count a request down and a completion up', () => {
    load(model.port.barAddress(2));
    const { up, down } = fabric.counters.below(root)!;
    expect(down).toEqual({ dataBytes: 0, controlBytes: 0, packets: 1 });
    expect(up).toEqual({ dataBytes: 0, controlBytes: 4, packets: 1 });
  });
});

it('two models that ring each other for ever do not end the program', () => {
  let rings = 0;
  const ring = (from: TestEndpoint, to: TestEndpoint): void => {
    from.writeRegister = () => {
      rings++;
      from.port.dmaWrite(to.port.barAddress(2), from.memory, 0, 4, TRAFFIC.CONTROL, 1);
    };
  };
  ring(model, peer);
  ring(peer, model);
  fabric.cpuWrite(model.port.barAddress(2), 4, 1);
  expect(rings).toBeLessThan(100);
  fabric.queue.runUntilIdle(50);
  expect(rings).toBeGreaterThan(100);
});
