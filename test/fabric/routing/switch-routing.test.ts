import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import { ADDRESS_TYPE } from '../../../src/fabric/routing/acs.ts';
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
} from '../tree/machine.ts';

/** Two root ports; a switch with three endpoints below the first, one endpoint below the second. */
let fabric: Fabric;
let root: FabricFunction;
let otherRoot: FabricFunction;
let upstream: FabricFunction;
let ports: readonly FabricFunction[];
let a: TestEndpoint;
let b: TestEndpoint;
let c: TestEndpoint;
let d: TestEndpoint;
let functionOf: Map<TestEndpoint, FabricFunction>;
const local = Memory.flat(8192);

beforeEach(() => {
  fabric = machine();
  const bridge = hostBridge(fabric);
  root = bridge.rootBus.addRootPort(1, 0, port('root-port', { portNumber: 1 }));
  otherRoot = bridge.rootBus.addRootPort(2, 0, port('root-port', { portNumber: 2 }));
  const chip = root.secondaryBus!.addSwitch(
    port('switch-upstream', { acs: null, portNumber: 0 }),
    [4, 5, 6].map((portNumber) => port('switch-downstream', { portNumber })),
  );
  upstream = chip.upstream;
  ports = chip.downstream;
  [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new TestEndpoint(name)) as [
    TestEndpoint,
    TestEndpoint,
    TestEndpoint,
    TestEndpoint,
  ];
  functionOf = new Map();
  for (const [index, model] of [a, b, c].entries()) {
    functionOf.set(model, ports[index]!.secondaryBus!.plug(model)[0]!);
  }
  functionOf.set(d, otherRoot.secondaryBus!.plug(d)[0]!);
  boot(fabric);
  fabric.counters.reset();
  for (let i = 0; i < 8192; i++) {
    local.setValue(i, 1, i % 251);
  }
});

function write(from: TestEndpoint, addr: number, lengthBytes = 4096): number {
  return from.port.dmaWrite(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);
}
function read(from: TestEndpoint, addr: number, lengthBytes = 4096): number {
  return from.port.dmaRead(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);
}
/** Data bytes up and down the link below a port. */
function link(at: FabricFunction): readonly [number, number] {
  const { up, down } = fabric.counters.below(at)!;
  return [up.dataBytes, down.dataBytes];
}
function path(from: TestEndpoint, addr: number, isWrite: boolean) {
  const route = functionOf.get(from)!.requester.routeOf(addr, 4, isWrite, TRAFFIC.DATA);
  const names = (stops: readonly FabricFunction[]) => stops.map(({ bdf }) => bdf.slice(5));
  return {
    request: names(route.parts.requestStops),
    completion: names(route.parts.completionStops),
    redirectedAt: route.parts.redirectedAt,
    failure: route.failure?.code,
  };
}

describe('below one switch', () => {
  it('a write turns at the switch and never sees the root port', () => {
    expect(write(a, b.port.barAddress(0))).toBe(DONE);
    expect(b.memory.getValue(4095, 1)).toBe(4095 % 251);
    expect(link(ports[0]!)).toEqual([4096, 0]);
    expect(link(ports[1]!)).toEqual([0, 4096]);
    expect(link(root)).toEqual([0, 0]);
    const counts = fabric.counters.read();
    expect(counts.rootPorts).toEqual({ dataBytes: 0, controlBytes: 0 });
    expect(counts.dramWrite.dataBytes).toBe(0);
  });

  it('a read brings its bytes back the same way', () => {
    b.memory.fill(0, 100, 9);
    expect(read(a, b.port.barAddress(0), 100)).toBe(DONE);
    expect(local.getValue(99, 1)).toBe(9);
    expect(link(ports[1]!)).toEqual([100, 0]);
    expect(link(ports[0]!)).toEqual([0, 100]);
    expect(path(a, b.port.barAddress(0), false)).toMatchObject({
      request: ['03:00.0', '02:00.0', '02:01.0', '04:00.0'],
      completion: ['04:00.0', '02:01.0', '02:00.0', '03:00.0'],
    });
  });

  it('RR at the ingress port sends the request up and down again (6.12.1.1)', () => {
    setAcs(ports[0]!, ACS_BIT.RR);
    expect(write(a, b.port.barAddress(0))).toBe(DONE);
    expect(b.memory.getValue(4095, 1)).toBe(4095 % 251);
    expect(link(root)).toEqual([4096, 4096]);
    expect(link(ports[0]!)).toEqual([4096, 0]);
    expect(link(ports[1]!)).toEqual([0, 4096]);
    expect(path(a, b.port.barAddress(0), true)).toMatchObject({
      request: ['03:00.0', '02:00.0', '01:00.0', '00:01.0', '01:00.0', '02:01.0', '04:00.0'],
      redirectedAt: ports[0],
    });
  });

  it('RR at the egress port alone changes nothing for requests', () => {
    setAcs(ports[1]!, ACS_BIT.RR);
    write(a, b.port.barAddress(0));
    expect(link(root)).toEqual([0, 0]);
  });

  it('CR at the completer sends read completions up, requests stay below (6.12.1.1)', () => {
    setAcs(ports[1]!, ACS_BIT.CR);
    expect(read(a, b.port.barAddress(0))).toBe(DONE);
    expect(link(root)).toEqual([4096, 4096]);
    expect(path(a, b.port.barAddress(0), false)).toMatchObject({
      request: ['03:00.0', '02:00.0', '02:01.0', '04:00.0'],
      completion: ['04:00.0', '02:01.0', '01:00.0', '00:01.0', '01:00.0', '02:00.0', '03:00.0'],
    });
    fabric.counters.reset();
    write(a, b.port.barAddress(0));
    expect(link(root)).toEqual([0, 0]);
  });

  it('EC blocks the egress ports of its vector, and the read ends in Completer Abort (6.12.1.1)', () => {
    write32(ports[0]!, ports[0]!.config.offsets.acs + 8, 1 << 5);
    setAcs(ports[0]!, ACS_BIT.EC);
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.COMPLETER_ABORT);
    expect(local.getValue(4092, 4)).toBe(0xffff_ffff);
    expect(read(a, c.port.barAddress(0))).toBe(DONE);
    write(a, b.port.barAddress(0));
    expect(b.memory.getValue(0, 4)).toBe(0);
  });

  it('EC with RR redirects those and lets the others through (6.12.3)', () => {
    write32(ports[0]!, ports[0]!.config.offsets.acs + 8, 1 << 5);
    setAcs(ports[0]!, ACS_BIT.EC | ACS_BIT.RR);
    write(a, c.port.barAddress(0));
    expect(link(root)).toEqual([0, 0]);
    write(a, b.port.barAddress(0));
    expect(link(root)).toEqual([4096, 4096]);
  });

  it('DT lets translated requests past RR, untranslated ones go up (6.12.1.1)', () => {
    setAcs(ports[0]!, ACS_BIT.RR | ACS_BIT.DT);
    const { requester } = functionOf.get(a)!;
    const addr = b.port.barAddress(0);
    const translated = requester.probe(addr, 4, { isWrite: true, addressType: ADDRESS_TYPE.TRANSLATED });
    expect(translated.parts.root).toBeNull();
    expect(requester.probe(addr, 4, { isWrite: true }).parts.root).not.toBeNull();
  });

  it('TB blocks translated requests at the port (6.12.1.1)', () => {
    setAcs(ports[0]!, ACS_BIT.TB);
    const { requester } = functionOf.get(a)!;
    const shape = { isWrite: false, addressType: ADDRESS_TYPE.TRANSLATED };
    expect(requester.probe(DRAM_START, 4, shape).failure).toMatchObject({
      code: 'acs-violation',
      at: ports[0],
    });
    expect(requester.probe(DRAM_START, 4, { isWrite: false }).failure).toBeNull();
  });

  it('SV refuses requester IDs from elsewhere (6.12.1.1)', () => {
    setAcs(ports[0]!, ACS_BIT.SV);
    const { requester } = functionOf.get(a)!;
    const addr = b.port.barAddress(0);
    expect(requester.probe(addr, 4, { isWrite: true }, 0x0300).failure).toBeNull();
    expect(requester.probe(addr, 4, { isWrite: true }, 0x0400).failure).toMatchObject({
      code: 'acs-violation',
      at: ports[0],
    });
  });

  it('SV refuses a device that has not heard of its new bus number yet (2.2.6.2)', () => {
    setAcs(ports[0]!, ACS_BIT.SV);
    write32(root, 0x18, 0x00 | (0x01 << 8) | (0x20 << 16));
    write32(upstream, 0x18, 0x01 | (0x02 << 8) | (0x20 << 16));
    // Another secondary bus number, and no configuration write to the device since.
    write32(ports[0]!, 0x18, 0x02 | (0x20 << 8) | (0x20 << 16));
    expect(write(a, DRAM_START)).toBe(DONE);
    expect(functionOf.get(a)!.requester.routeOf(DRAM_START, 4, true, TRAFFIC.DATA).failure?.code).toBe(
      'acs-violation',
    );
    write16(functionOf.get(a)!, 0x04, 0x0006);
    expect(functionOf.get(a)!.requester.routeOf(DRAM_START, 4, true, TRAFFIC.DATA).failure).toBeNull();
  });
});

describe('a port whose own window contains the address', () => {
  const pair = (): readonly [TestEndpoint, TestEndpoint, FabricFunction] => {
    const first = new TestEndpoint('m0');
    const second = new TestEndpoint('m1');
    fabric.surpriseRemove(ports[2]!);
    const [fn] = ports[2]!.secondaryBus!.plug([first, second], { routesInternally: false });
    boot(fabric);
    fabric.counters.reset();
    functionOf.set(first, fn!);
    return [first, second, ports[2]!];
  };

  it('turns the request round without UF, which the specification leaves open (6.12.1.1)', () => {
    const [first, second, at] = pair();
    write(first, second.port.barAddress(0));
    expect(link(at)).toEqual([4096, 4096]);
    expect(link(root)).toEqual([0, 0]);
    expect(second.memory.getValue(4095, 1)).toBe(4095 % 251);
  });

  it('forwards it up with UF (6.12.1.1)', () => {
    const [first, second, at] = pair();
    setAcs(at, ACS_BIT.UF);
    write(first, second.port.barAddress(0));
    expect(link(at)).toEqual([4096, 4096]);
    expect(link(root)).toEqual([4096, 4096]);
    expect(second.memory.getValue(4095, 1)).toBe(4095 % 251);
  });
});

describe('between functions of one device (6.12.1.2)', () => {
  function multi(acs: number | null): readonly [TestEndpoint, TestEndpoint, FabricFunction] {
    const models = ['m0', 'm1'].map((name) => new TestEndpoint(name, { express: { acs } }));
    fabric.surpriseRemove(otherRoot);
    const [fn] = otherRoot.secondaryBus!.plug(models);
    boot(fabric);
    fabric.counters.reset();
    return [models[0]!, models[1]!, fn!];
  }

  it('requests stay inside without ACS', () => {
    const [first, second] = multi(null);
    write(first, second.port.barAddress(0));
    expect(second.memory.getValue(1, 1)).toBe(1);
    expect(link(otherRoot)).toEqual([0, 0]);
  });

  it('RR of the source function sends them up', () => {
    const [first, second, fn] = multi(0x2c);
    setAcs(fn, ACS_BIT.RR);
    write(first, second.port.barAddress(0));
    expect(second.memory.getValue(1, 1)).toBe(1);
    expect(link(otherRoot)).toEqual([4096, 4096]);
  });

  it('EC of the source function blocks by function number', () => {
    const [first, second, fn] = multi(0x2c);
    write32(fn, fn.config.offsets.acs + 8, 1 << 1);
    setAcs(fn, ACS_BIT.EC);
    expect(read(first, second.port.barAddress(0))).toBe(DMA_STATUS.COMPLETER_ABORT);
  });

  it('CR of the completer sends read completions up, requests stay inside', () => {
    const [first, second] = multi(0x2c);
    const other = otherRoot.secondaryBus!.functionAt(0, 1)!;
    setAcs(other, ACS_BIT.CR);
    second.memory.fill(0, 64, 3);
    expect(read(first, second.port.barAddress(0), 64)).toBe(DONE);
    expect(local.getValue(63, 1)).toBe(3);
    expect(link(otherRoot)).toEqual([64, 64]);
  });

  it('the upstream port of a switch is one of them, in both directions', () => {
    const inside = new TestEndpoint('dma');
    const fn = root.secondaryBus!.addFunction(0, 1, inside);
    functionOf.set(inside, fn);
    boot(fabric);
    fabric.counters.reset();
    local.fill(0, 4096, 5);
    expect(write(inside, b.port.barAddress(0), 64)).toBe(DONE);
    expect(b.memory.getValue(63, 1)).toBe(5);
    expect(write(a, inside.port.barAddress(0), 64)).toBe(DONE);
    expect(read(a, inside.port.barAddress(0), 64)).toBe(DONE);
    expect(read(inside, b.port.barAddress(0), 64)).toBe(DONE);
    expect(local.getValue(63, 1)).toBe(5);
    expect(link(root)).toEqual([0, 0]);
    expect(path(inside, b.port.barAddress(0), false)).toMatchObject({
      request: ['01:00.1', '01:00.0', '02:01.0', '04:00.0'],
      completion: ['04:00.0', '02:01.0', '01:00.0', '01:00.1'],
    });
    expect(write(inside, DRAM_START, 64)).toBe(DONE);
    expect(link(root)).toEqual([64, 0]);
  });

  it('a function reaches its own BAR without anybody, whatever ACS says', () => {
    const [first, , fn] = multi(0x2c);
    setAcs(fn, ACS_BIT.RR);
    expect(write(first, first.port.barAddress(0))).toBe(DONE);
    expect(first.memory.getValue(1, 1)).toBe(1);
    expect(link(otherRoot)).toEqual([0, 0]);
  });
});

describe('what must be enabled', () => {
  it('a function without Bus Master Enable sends nothing', () => {
    write16(functionOf.get(a)!, 0x04, 0x0002);
    expect(write(a, b.port.barAddress(0))).toBe(DMA_STATUS.DISABLED);
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.DISABLED);
    expect(link(ports[0]!)).toEqual([0, 0]);
  });

  it('a bridge without Bus Master Enable passes no requests up (7.5.1.1.3)', () => {
    write16(upstream, 0x04, 0x0002);
    expect(read(a, DRAM_START)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(read(a, b.port.barAddress(0))).toBe(DONE);
  });

  it('a completer without Memory Space Enable answers nothing', () => {
    const addr = b.port.barAddress(0);
    write16(functionOf.get(b)!, 0x04, 0x0004);
    expect(read(a, addr)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(b.port.barAddress(0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('a port without Memory Space Enable claims nothing for those below it', () => {
    const addr = b.port.barAddress(0);
    write16(ports[1]!, 0x04, 0x0004);
    // Nobody in the switch wants it now, but it lies in the window of the switch.
    expect(read(a, addr)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(path(a, addr, false).failure).toBe('unsupported');
  });

  it('a closed window hides what is behind it', () => {
    const addr = b.port.barAddress(0);
    setWindow(ports[1]!, 0, 0);
    expect(read(a, addr)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
  });

  it('a function in D3hot neither answers nor sends (5.3.1.4.1)', () => {
    const fn = functionOf.get(b)!;
    const addr = b.port.barAddress(0);
    write16(fn, fn.config.offsets.pm + 4, 3);
    expect(read(a, addr)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(write(b, DRAM_START)).toBe(DMA_STATUS.DISABLED);
    write16(fn, fn.config.offsets.pm + 4, 0);
    expect(read(a, addr)).toBe(DONE);
  });

  it('a closed range of a BAR is an Unsupported Request until the model opens it', () => {
    b.port.setOpen(b.range, false);
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    b.port.setOpen(b.range, true);
    expect(read(a, b.port.barAddress(0))).toBe(DONE);
  });
});

describe('addresses from drivers', () => {
  it.each([Number.POSITIVE_INFINITY, Number.NaN, -1, 2 ** 53, 0.5, Number.MAX_SAFE_INTEGER])(
    '%d leads nowhere, cleanly',
    (addr) => {
      expect(read(a, addr, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
      expect(local.getValue(60, 4)).toBe(0xffff_ffff);
      expect(write(a, addr, 64)).toBe(DONE);
    },
  );

  it('a request across the end of a BAR is cut: the first part arrives, the read as a whole fails', () => {
    const end = c.port.barAddress(0) + MIB;
    write(a, end - 16, 64);
    expect(c.memory.getValue(MIB - 1, 1)).toBe(15);
    expect(read(a, c.port.barAddress(2) + 0x1_0000 - 16, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
  });

  it('a request of no bytes is done', () => {
    expect(write(a, Number.NaN, 0)).toBe(DONE);
    expect(read(a, Number.NaN, 0)).toBe(DONE);
  });

  it('registers of a peer take aligned dwords, empty parts of a BAR read as zero', () => {
    write(a, c.port.barAddress(2) + 6, 8);
    expect(c.log).toEqual(['write 6/2=100', 'write 8/4=5040302', 'write c/2=706']);
    expect(read(a, c.port.barAddress(2) + 0x4000, 8)).toBe(DONE);
    expect(local.getValue(4, 4)).toBe(0);
  });
});
