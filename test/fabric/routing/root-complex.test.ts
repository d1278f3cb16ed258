import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import type { Translation, Translator } from '../../../src/fabric/routing/translator.ts';
import type { Fabric, FabricFunction, PeerPolicy } from '../../../src/fabric/tree/index.ts';
import {
  ACS_BIT,
  boot,
  DRAM_START,
  hostBridge,
  MIB,
  machine,
  port,
  setAcs,
  TestEndpoint,
  type TestFabric,
  WINDOW_START,
  write16,
  write32,
} from '../tree/machine.ts';

const local = Memory.flat(8192);
const INTERRUPT = 0xfee0_0000;

/** One linear mapping for everybody, and a list of who asked for what. */
class TestTranslator implements Translator {
  generation = 0;
  iova = 0x1000_0000;
  phys = DRAM_START;
  lengthBytes = 0x1_0000;
  readonly asked: { readonly requesterId: number; readonly isAts: boolean }[] = [];
  pageRequests = 0;
  translate(
    _segment: number,
    requesterId: number,
    addr: number,
    _lengthBytes: number,
    _isWrite: boolean,
    isAts: boolean,
    into: Translation,
  ): void {
    this.asked.push({ requesterId, isAts });
    const offset = addr - this.iova;
    const isMapped = offset >= 0 && offset < this.lengthBytes;
    into.phys = isMapped ? this.phys + offset : -1;
    into.lengthBytes = isMapped ? this.lengthBytes - offset : 0;
  }
  requestPage(): boolean {
    this.pageRequests++;
    this.lengthBytes = 0x1_0000;
    return true;
  }
}

interface Built {
  readonly fabric: TestFabric;
  readonly a: TestEndpoint;
  readonly b: TestEndpoint;
  readonly ports: readonly FabricFunction[];
}

/** Two endpoints below two root ports, of one host bridge or of two. */
function pair(options: {
  readonly translator?: Translator;
  readonly policy?: PeerPolicy;
  readonly isApart?: boolean;
  readonly addressOffset?: number;
  readonly secondDomain?: number;
  readonly hasAts?: boolean;
}): Built {
  const fabric = machine(options.translator === undefined ? {} : { translator: options.translator });
  const { policy = 'routes', addressOffset = 0 } = options;
  const first = hostBridge(fabric, {
    lastBus: 0x7f,
    windows: [{ start: WINDOW_START, lengthBytes: 64 * MIB }],
    peers: options.isApart === true ? { otherBridge: policy } : { sameBridge: policy },
    addressOffset,
  });
  const second =
    options.isApart === true
      ? hostBridge(fabric, {
          domain: options.secondDomain ?? 0,
          rootBus: options.secondDomain === undefined ? 0x80 : 0,
          lastBus: 0xff,
          windows: [{ start: WINDOW_START + 64 * MIB, lengthBytes: 64 * MIB }],
          addressOffset,
        })
      : first;
  const ports = [
    first.rootBus.addRootPort(1, 0, port('root-port', { portNumber: 1 })),
    second.rootBus.addRootPort(2, 0, port('root-port', { portNumber: 2 })),
  ];
  const express = { hasAts: options.hasAts === true, hasPri: options.hasAts === true };
  const a = new TestEndpoint('a', { express });
  const b = new TestEndpoint('b', { express });
  ports[0]!.secondaryBus!.plug(a);
  ports[1]!.secondaryBus!.plug(b);
  boot(fabric);
  fabric.counters.reset();
  return { fabric, a, b, ports };
}

function write(from: TestEndpoint, addr: number, lengthBytes = 4096): number {
  return from.port.dmaWrite(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);
}
function read(from: TestEndpoint, addr: number, lengthBytes = 4096): number {
  return from.port.dmaRead(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);
}
function link(fabric: Fabric, at: FabricFunction): readonly [number, number] {
  const { up, down } = fabric.counters.below(at)!;
  return [up.dataBytes, down.dataBytes];
}

/** A failed read leaves all ones behind. */
function refill(): void {
  for (let i = 0; i < 8192; i++) {
    local.setValue(i, 1, i % 251);
  }
}
beforeEach(refill);

describe('host memory', () => {
  it('takes writes and gives reads, both counted at DRAM and at the root port', () => {
    const { fabric, a, ports } = pair({});
    expect(write(a, DRAM_START + 100)).toBe(DONE);
    local.fill(0, 4096, 0);
    expect(read(a, DRAM_START + 100, 1000)).toBe(DONE);
    expect(local.getValue(999, 1)).toBe(999 % 251);
    const counts = fabric.counters.read();
    expect(counts.dramWrite).toEqual({ dataBytes: 4096, controlBytes: 0 });
    expect(counts.dramRead).toEqual({ dataBytes: 1000, controlBytes: 0 });
    expect(counts.rootPorts.dataBytes).toBe(5096);
    expect(link(fabric, ports[0]!)).toEqual([4096, 1000]);
  });

  it('leads to a new allocation as soon as there is one', () => {
    const { fabric, a } = pair({});
    write(a, DRAM_START + 4096);
    const memory = Memory.flat(4096);
    const region = fabric.dram.allocate(memory, 4096, null, Number.POSITIVE_INFINITY);
    write(a, region.start);
    expect(memory.getValue(4095, 1)).toBe(4095 % 251);
    fabric.dram.free(region);
    write(a, region.start, 64);
    expect(memory.getValue(64, 1)).toBe(64);
  });
});

describe('traffic between root ports (1.3.1: what a root complex does is its own choice)', () => {
  it.each([
    ['routes', DONE, true, DONE],
    ['writes-only', DONE, true, DMA_STATUS.UNSUPPORTED_REQUEST],
    ['none', DONE, false, DMA_STATUS.UNSUPPORTED_REQUEST],
  ] as const)('policy %s', (policy, written, arrives, readStatus) => {
    for (const isApart of [false, true]) {
      const { a, b } = pair({ policy, isApart });
      refill();
      expect(write(a, b.port.barAddress(0))).toBe(written);
      expect(b.memory.getValue(1, 1) === 1).toBe(arrives);
      expect(read(a, b.port.barAddress(0))).toBe(readStatus);
    }
  });

  it('counts on both ports and not at DRAM', () => {
    const { fabric, a, b, ports } = pair({});
    write(a, b.port.barAddress(0));
    expect(link(fabric, ports[0]!)).toEqual([4096, 0]);
    expect(link(fabric, ports[1]!)).toEqual([0, 4096]);
    expect(fabric.counters.read().dramWrite.dataBytes).toBe(0);
  });

  it('reaches another domain by the physical address, and the completion comes back', () => {
    const { a, b } = pair({ isApart: true, secondDomain: 1 });
    b.memory.fill(0, 64, 0x5a);
    expect(read(a, b.port.barAddress(0), 64)).toBe(DONE);
    expect(local.getValue(63, 1)).toBe(0x5a);
  });

  it('EC of the ingress root port blocks an egress root port (6.12.1.1)', () => {
    const { a, b, ports } = pair({});
    write32(ports[0]!, ports[0]!.config.offsets.acs + 8, 1 << 2);
    setAcs(ports[0]!, ACS_BIT.EC);
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.COMPLETER_ABORT);
    setAcs(ports[0]!, ACS_BIT.EC | ACS_BIT.RR);
    expect(read(a, b.port.barAddress(0))).toBe(DONE);
  });

  it('a host bridge that translates takes the physical address and sends the bus address down', () => {
    const addressOffset = 0x10_0000_0000;
    const { fabric, a, b } = pair({ addressOffset });
    expect(b.port.barAddress(0)).toBeLessThan(WINDOW_START);
    write(a, b.port.barAddress(0) + addressOffset, 64);
    expect(b.memory.getValue(3, 1)).toBe(3);
    fabric.cpuWrite(b.port.barAddress(0) + addressOffset, 4, 0xdead_beef);
    expect(b.memory.getValue(0, 4)).toBe(0xdead_beef);
    // The bus address itself is nobody's physical address.
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
  });
});

describe('an IOMMU', () => {
  it('translates what comes up, in whole pages, and is asked again when its generation grows', () => {
    const translator = new TestTranslator();
    const { fabric, a } = pair({ translator });
    expect(write(a, 0x1000_0010, 64)).toBe(DONE);
    expect(write(a, 0x1000_0800, 64)).toBe(DONE);
    expect(write(a, 0x1000_0000, 16)).toBe(DONE);
    expect(translator.asked).toEqual([{ requesterId: 0x0100, isAts: false }]);
    const memory = fabric.dram.regionAt(DRAM_START)!.memory;
    expect(memory.getValue(0x10, 4)).toBe(0x0302_0100);
    translator.phys = DRAM_START + MIB;
    translator.generation++;
    write(a, 0x1000_0010, 64);
    expect(memory.getValue(MIB + 0x10, 4)).toBe(0x0302_0100);
  });

  it('records every refused request: refusals are not kept', () => {
    const translator = new TestTranslator();
    const { a } = pair({ translator });
    expect(read(a, 0x5000_0000, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(read(a, 0x5000_0000, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(write(a, 0x5000_0000, 64)).toBe(DONE);
    expect(translator.asked).toHaveLength(3);
  });

  it('faults a redirected request that carries a bus address, and passes one that carries an IOVA', () => {
    const translator = new TestTranslator();
    const { a, b } = pair({ translator });
    expect(read(a, b.port.barAddress(0), 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    refill();
    translator.phys = b.port.barAddress(0);
    translator.generation++;
    expect(write(a, 0x1000_0000, 64)).toBe(DONE);
    expect(b.memory.getValue(3, 1)).toBe(3);
  });

  it('may say that addresses of a requester mean themselves', () => {
    const translator = Object.assign(new TestTranslator(), { isIdentity: () => true });
    const { a } = pair({ translator });
    expect(read(a, DRAM_START, 64)).toBe(DONE);
    expect(translator.asked).toHaveLength(0);
  });

  it('sees requests of conventional devices under the name of their bridge (PCIe to PCI Bridge 1.0, 2.3)', () => {
    const translator = new TestTranslator();
    const fabric = machine({ translator });
    const root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
    const bridge = root.secondaryBus!.addBridge(0, 0, port('pcie-to-pci-bridge'));
    const card = new TestEndpoint('card', { express: null });
    bridge.secondaryBus!.addFunction(3, 0, card);
    boot(fabric);
    expect(read(card, 0x1000_0000, 64)).toBe(DONE);
    expect(translator.asked).toEqual([{ requesterId: 0x0200, isAts: false }]);
  });
});

describe('ATS (10.2)', () => {
  function withAts(change: Partial<TestTranslator> = {}) {
    const translator = Object.assign(new TestTranslator(), change);
    const built = pair({ translator, hasAts: true });
    const fn = built.fabric.functions().find(({ model }) => model === built.a)!;
    write16(fn, fn.config.offsets.ats + 6, 0x8000);
    return { ...built, translator, fn };
  }

  it('asks once and then sends translated addresses, past the translation of the root complex', () => {
    const { a, translator, fn } = withAts();
    expect(write(a, 0x1000_0000, 64)).toBe(DONE);
    expect(write(a, 0x1000_0000, 64)).toBe(DONE);
    expect(translator.asked).toEqual([{ requesterId: 0x0100, isAts: true }]);
    expect(fn.requester.routeOf(0x1000_0000, 4, true, TRAFFIC.DATA).parts.shape.addressType).toBe(2);
  });

  it('sends nothing where the translation was refused', () => {
    const { fabric, a, ports } = withAts();
    fabric.counters.reset();
    expect(read(a, 0x5000_0000, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(link(fabric, ports[0]!)).toEqual([0, 0]);
  });

  it('requests a page that is missing, when PRI is enabled (10.4)', () => {
    const { a, translator, fn } = withAts({ lengthBytes: 0 });
    expect(read(a, 0x1000_0000, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    write16(fn, fn.config.offsets.pri + 4, 1);
    expect(read(a, 0x1000_0000, 64)).toBe(DONE);
    expect(translator.pageRequests).toBe(1);
  });

  it('is stopped by Translation Blocking of the port above', () => {
    const { a, ports } = withAts();
    setAcs(ports[0]!, ACS_BIT.TB);
    expect(read(a, 0x1000_0000, 64)).toBe(DMA_STATUS.COMPLETER_ABORT);
  });
});

describe('interrupt messages', () => {
  it('end in the sink with address and data, reads of their range are refused', () => {
    const { fabric, a } = pair({});
    const seen: unknown[] = [];
    fabric.interruptSink = (...message) => seen.push(message);
    local.setValue(0, 4, 0x1234_5678);
    expect(write(a, INTERRUPT + 0x40, 4)).toBe(DONE);
    expect(seen).toEqual([[0, 0x0100, INTERRUPT + 0x40, 0x1234_5678]]);
    expect(read(a, INTERRUPT, 4)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
  });
});

describe('endpoints integrated into the root complex', () => {
  it('reach memory and root ports, and are reached, without a link of their own', () => {
    const fabric = machine();
    const bridge = hostBridge(fabric);
    const inside = new TestEndpoint('inside');
    const outside = new TestEndpoint('outside');
    bridge.rootBus.addFunction(3, 0, inside);
    const root = bridge.rootBus.addRootPort(4, 0, port('root-port'));
    root.secondaryBus!.plug(outside);
    boot(fabric);
    fabric.counters.reset();
    expect(write(inside, outside.port.barAddress(0))).toBe(DONE);
    expect(write(outside, inside.port.barAddress(0))).toBe(DONE);
    expect(read(inside, outside.port.barAddress(0))).toBe(DONE);
    expect(read(inside, DRAM_START)).toBe(DONE);
    expect(inside.memory.getValue(7, 1)).toBe(7);
    expect(link(fabric, root)).toEqual([8192, 4096]);
  });
});

describe('conventional PCI', () => {
  it('devices of one bus reach each other on it, others through the bridge', () => {
    const fabric = machine();
    const bridge = hostBridge(fabric);
    const root = bridge.rootBus.addRootPort(1, 0, port('root-port'));
    const pci = root.secondaryBus!.addBridge(0, 0, port('pcie-to-pci-bridge'));
    const [first, second] = ['x', 'y'].map((name) => new TestEndpoint(name, { express: null }));
    pci.secondaryBus!.addFunction(1, 0, first!);
    pci.secondaryBus!.addFunction(2, 0, second!);
    boot(fabric);
    fabric.counters.reset();
    expect(write(first!, second!.port.barAddress(0))).toBe(DONE);
    expect(second!.memory.getValue(9, 1)).toBe(9);
    expect(link(fabric, root)).toEqual([0, 0]);
    expect(read(first!, DRAM_START, 64)).toBe(DONE);
    expect(link(fabric, root)).toEqual([0, 64]);
    expect(fabric.cpuRead(second!.port.barAddress(0), 4, { deliver: () => {} })).toBe(0x0302_0100);
  });
});
