import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint, write16 } from './machine.ts';

let fabric: Fabric;
let root: FabricFunction;
let models: readonly TestEndpoint[];
let functions: readonly FabricFunction[];
const local = Memory.flat(64);

beforeEach(() => {
  fabric = machine();
  root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  models = [new TestEndpoint('f0'), new TestEndpoint('f1')];
  functions = root.secondaryBus!.plug(models);
  boot(fabric);
});

describe('Function Level Reset (6.6.2)', () => {
  beforeEach(() => {
    const fn = functions[1]!;
    const control = fn.config.offsets.express + 8;
    write16(fn, control, fn.config.read(control, 2) | 0x8000);
  });

  it('resets one function and its model, and leaves its neighbour', () => {
    expect(models[1]!.resets).toEqual(['function']);
    expect(models[0]!.resets).toEqual([]);
    expect(functions[1]!.config.read(0x04, 2)).toBe(0);
    expect(functions[0]!.config.read(0x04, 2)).toBe(6);
    expect(models[1]!.port.barAddress(0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('stops its requests until software enables them again', () => {
    expect(models[1]!.port.dmaWrite(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.DISABLED);
    write16(functions[1]!, 0x04, 6);
    expect(models[1]!.port.dmaWrite(DRAM_START, local, 0, 64, TRAFFIC.DATA, 1)).toBe(0);
  });
});

describe('Secondary Bus Reset (6.6.1)', () => {
  it('resets everything below the port, bus numbers included, and nothing above', () => {
    const control = root.config.read(0x3e, 2);
    write16(root, 0x3e, control | 0x40);
    write16(root, 0x3e, control);
    expect(models.map(({ resets }) => resets)).toEqual([['bus'], ['bus']]);
    expect(functions[0]!.requesterId).toBe(0);
    expect(functions[0]!.config.read(0x04, 2)).toBe(0);
    expect(root.config.read(0x04, 2)).toBe(6);
    expect(fabric.configRead(0, 1, 0, 1, 0, 4)).toBe(0x1000_1de5);
  });
});
