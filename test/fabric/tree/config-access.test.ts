import { beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../src/base/index.ts';
import { type Fabric, FabricError, type FabricFunction } from '../../../src/fabric/tree/index.ts';
import {
  boot,
  hostBridge,
  MIB,
  machine,
  port,
  TestEndpoint,
  WINDOW_START,
  write16,
  write32,
} from './machine.ts';

let fabric: Fabric;
let root: FabricFunction;
let ports: readonly FabricFunction[];
let models: readonly TestEndpoint[];

beforeEach(() => {
  fabric = machine();
  root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  ports = root.secondaryBus!.addSwitch(port('switch-upstream', { acs: null }), [
    port('switch-downstream'),
    port('switch-downstream'),
  ]).downstream;
  models = [new TestEndpoint('a'), new TestEndpoint('b')];
  for (const [index, model] of models.entries()) {
    ports[index]!.secondaryBus!.plug(model);
  }
});

const id = (bus: number, device = 0, domain = 0): number => fabric.configRead(domain, bus, device, 0, 0, 4);
const NOBODY = 0xffff_ffff;
const ENDPOINT = 0x1000_1de5;
const PORT = 0x2000_1de5;

describe('configuration requests (7.3)', () => {
  it('go nowhere below a bridge that has no bus numbers yet', () => {
    expect(id(0, 1)).toBe(PORT);
    expect(id(0, 2)).toBe(NOBODY);
    expect(id(1)).toBe(NOBODY);
  });

  it('follow the bus numbers of the bridges', () => {
    boot(fabric);
    expect(id(1)).toBe(PORT);
    expect(id(2, 1)).toBe(PORT);
    expect(id(3)).toBe(ENDPOINT);
    expect(id(4)).toBe(ENDPOINT);
    expect(id(5)).toBe(NOBODY);
    expect(fabric.functionAt('0000:04:00.0' as Bdf)?.model).toBe(models[1]);
    expect(models[1]!.port.bdf).toBe('0000:04:00.0');
  });

  it('stop at a bus number outside the range of a bridge on the way', () => {
    boot(fabric);
    write32(root, 0x18, 0x0003_0100);
    expect(id(3)).toBe(ENDPOINT);
    expect(id(4)).toBe(NOBODY);
  });

  it('find no device but number 0 below a port (7.3.1)', () => {
    boot(fabric);
    expect(id(3, 1)).toBe(NOBODY);
    expect(fabric.configRead(0, 3, 0, 1, 0, 4)).toBe(NOBODY);
  });

  it('are lost below a bridge in D3hot, and all ones for every size', () => {
    boot(fabric);
    write16(ports[0]!, ports[0]!.config.offsets.pm + 4, 3);
    expect(fabric.configRead(0, 3, 0, 0, 0, 1)).toBe(0xff);
    expect(fabric.configRead(0, 3, 0, 0, 0, 2)).toBe(0xffff);
    expect(id(3)).toBe(NOBODY);
    expect(id(4)).toBe(ENDPOINT);
  });

  it('tell a device its bus number when they write (2.2.6.2)', () => {
    boot(fabric);
    const fn = ports[0]!.secondaryBus!.functionAt(0, 0)!;
    expect(fn.requesterId).toBe(0x0300);
    write32(ports[0]!, 0x18, 0x02 | (0x04 << 8) | (0x04 << 16));
    expect(id(4)).toBe(ENDPOINT);
    expect(fn.requesterId).toBe(0x0300);
    fabric.configWrite(0, 4, 0, 0, 0x3c, 1, 5);
    expect(fn.requesterId).toBe(0x0400);
  });

  it('keep domains apart', () => {
    fabric.addHostBridge({ domain: 1, rootBus: 0, lastBus: 0xff, windows: [] });
    boot(fabric);
    expect(id(0, 1, 1)).toBe(NOBODY);
    expect(id(0, 1, 2)).toBe(NOBODY);
    expect(id(3, 0, 1)).toBe(NOBODY);
  });

  it('are counted as control traffic of the links they travel', () => {
    boot(fabric);
    fabric.counters.reset();
    id(3);
    fabric.configWrite(0, 3, 0, 0, 0x3c, 1, 5);
    const { up, down } = fabric.counters.below(ports[0]!)!;
    expect(up).toEqual({ dataBytes: 0, controlBytes: 4, packets: 2 });
    expect(down).toEqual({ dataBytes: 0, controlBytes: 1, packets: 2 });
    expect(fabric.counters.below(ports[1]!)!.down.packets).toBe(0);
  });
});

describe('a machine that cannot be', () => {
  const codeOf = (build: () => unknown): string => {
    try {
      build();
    } catch (error) {
      expect(error).toBeInstanceOf(FabricError);
      return (error as FabricError).code;
    }
    return 'none';
  };

  it('is refused with a code', () => {
    const { rootBus } = fabric.hostBridges[0]!;
    expect(codeOf(() => rootBus.addRootPort(1, 0, port('root-port')))).toBe('FABRIC_ADDRESS_TAKEN');
    expect(codeOf(() => rootBus.addRootPort(32, 0, port('root-port')))).toBe('FABRIC_BAD_ADDRESS');
    expect(codeOf(() => rootBus.addFunction(2, 8, new TestEndpoint('x')))).toBe('FABRIC_BAD_ADDRESS');
    expect(codeOf(() => ports[0]!.secondaryBus!.addFunction(1, 0, new TestEndpoint('x')))).toBe(
      'FABRIC_BAD_ADDRESS',
    );
    expect(codeOf(() => ports[0]!.secondaryBus!.plug(new TestEndpoint('x')))).toBe('FABRIC_SLOT_OCCUPIED');
    expect(codeOf(() => ports[0]!.secondaryBus!.addRootPort(0, 1, port('root-port')))).toBe(
      'FABRIC_WRONG_BUS',
    );
    expect(codeOf(() => ports[0]!.device.bus.addFunction(5, 0, new TestEndpoint('x')))).toBe(
      'FABRIC_WRONG_BUS',
    );
    expect(codeOf(() => rootBus.addSwitch(port('switch-upstream'), []))).toBe('FABRIC_WRONG_BUS');
    expect(
      codeOf(() => ports[0]!.secondaryBus!.addHostBridgeFunction(0, 1, { vendorId: 1, deviceId: 1 })),
    ).toBe('FABRIC_WRONG_BUS');
    const bridge = { domain: 0, rootBus: 0x80, lastBus: 0xff, windows: [] };
    expect(codeOf(() => fabric.addHostBridge(bridge))).toBe('FABRIC_BUS_OVERLAP');
    expect(codeOf(() => fabric.addHostBridge({ ...bridge, domain: 1, lastBus: 300 }))).toBe(
      'FABRIC_BAD_ADDRESS',
    );
    for (const start of [WINDOW_START + MIB, 0x1_0000_0000 - MIB]) {
      const windows = [{ start, lengthBytes: 2 * MIB }];
      expect(codeOf(() => fabric.addHostBridge({ ...bridge, domain: 1, windows }))).toBe(
        'FABRIC_WINDOW_OVERLAP',
      );
    }
  });
});
