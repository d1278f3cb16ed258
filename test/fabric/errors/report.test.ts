import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import {
  ACS_BIT,
  boot,
  DRAM_START,
  hostBridge,
  machine,
  port,
  setAcs,
  TestEndpoint,
  write16,
  write32,
} from '../tree/machine.ts';

const NOWHERE = 0x30_0000_0000;
const BIT = {
  SURPRISE_DOWN: 1 << 5,
  POISONED: 1 << 12,
  TIMEOUT: 1 << 14,
  ABORT: 1 << 15,
  MALFORMED: 1 << 18,
  UNSUPPORTED: 1 << 20,
  ACS: 1 << 21,
  INTERNAL: 1 << 22,
} as const;
const ADVISORY = 1 << 13;

let fabric: Fabric;
let root: FabricFunction;
let upstream: FabricFunction;
let ports: readonly FabricFunction[];
let a: TestEndpoint;
let b: TestEndpoint;
let fa: FabricFunction;
let fb: FabricFunction;
const local = Memory.flat(4096);

beforeEach(() => {
  fabric = machine();
  root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  const chip = root.secondaryBus!.addSwitch(port('switch-upstream', { acs: null }), [
    port('switch-downstream', { portNumber: 4 }),
    port('switch-downstream', { portNumber: 5 }),
  ]);
  ({ upstream } = chip);
  ports = chip.downstream;
  a = new TestEndpoint('a');
  b = new TestEndpoint('b');
  [fa] = ports[0]!.secondaryBus!.plug(a) as [FabricFunction];
  [fb] = ports[1]!.secondaryBus!.plug(b) as [FabricFunction];
  boot(fabric);
  for (const fn of fabric.functions()) {
    // All reporting on, forwarding on, Advisory Non-Fatal unmasked.
    write16(fn, fn.config.offsets.express + 8, fn.config.read(fn.config.offsets.express + 8, 2) | 0x000f);
    write32(fn, fn.config.offsets.aer + 0x14, 0);
    if (fn.secondaryBus !== null) {
      write16(fn, 0x3e, 2);
    }
  }
});

const uncorrectable = (fn: FabricFunction): number => fn.config.read(fn.config.offsets.aer + 4, 4);
const correctable = (fn: FabricFunction): number => fn.config.read(fn.config.offsets.aer + 0x10, 4);
const deviceStatus = (fn: FabricFunction): number =>
  fn.config.read(fn.config.offsets.express + 0x0a, 2) & 0xf;
const rootStatus = (): number => root.config.read(root.config.offsets.aer + 0x30, 4) & 0x7f;
const sources = (): number => root.config.read(root.config.offsets.aer + 0x34, 4);
const header = (fn: FabricFunction): number[] =>
  [0, 1, 2, 3].map((index) => fn.config.read(fn.config.offsets.aer + 0x1c + 4 * index, 4));
const read = (from: TestEndpoint, addr: number, lengthBytes = 64): number =>
  from.port.dmaRead(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);
const write = (from: TestEndpoint, addr: number, lengthBytes = 64): number =>
  from.port.dmaWrite(addr, local, 0, lengthBytes, TRAFFIC.DATA, 1);

describe('Unsupported Request', () => {
  it('of a posted write is a non-fatal error of the port that had no way for it (6.2.3.2.4 does not apply)', () => {
    expect(write(a, NOWHERE + 4, 6)).toBe(DONE);
    expect(uncorrectable(root)).toBe(BIT.UNSUPPORTED);
    expect(deviceStatus(root)).toBe(0b1010);
    // Root Error Status: received, non-fatal; the source is the root port itself.
    expect(rootStatus()).toBe(0x24);
    expect(sources()).toBe(0x0008_0000);
    // 4DW, with data, two dwords, the upper one half enabled.
    expect(header(root)).toEqual([0x6000_0002, 0x0300_003f, 0x30, 0x04]);
    expect(root.config.read(root.config.offsets.aer + 0x18, 4) & 0x1f).toBe(20);
    // The requester never hears of it.
    expect(fa.config.read(0x06, 2) & 0x2000).toBe(0);
  });

  it('of a read is advisory at the completer, the requester has Received Master Abort (6.2.3.2.4.1)', () => {
    expect(read(a, NOWHERE)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(correctable(root)).toBe(ADVISORY);
    expect(uncorrectable(root)).toBe(BIT.UNSUPPORTED);
    expect(deviceStatus(root)).toBe(0b1001);
    expect(rootStatus()).toBe(0x01);
    expect(fa.config.read(0x06, 2) & 0x2000).toBe(0x2000);
  });

  it('that is masked as advisory leaves Device Status and nothing more', () => {
    write32(root, root.config.offsets.aer + 0x14, ADVISORY);
    read(a, NOWHERE);
    expect(correctable(root)).toBe(ADVISORY);
    expect(uncorrectable(root)).toBe(0);
    expect(rootStatus()).toBe(0);
  });

  it('with fatal severity is no advisory, and ends in ERR_FATAL', () => {
    write32(root, root.config.offsets.aer + 0x0c, BIT.UNSUPPORTED);
    read(a, NOWHERE);
    expect(correctable(root)).toBe(0);
    expect(deviceStatus(root)).toBe(0b1100);
    expect(rootStatus()).toBe(0x54);
  });

  it('of an endpoint is in all its functions, and travels up as a message under its name (6.2.4)', () => {
    write16(fb, 0x04, 4);
    const addr = ports[1]!.state.bridge!.windows[0]!.start;
    write(a, addr);
    expect(uncorrectable(fb)).toBe(BIT.UNSUPPORTED);
    expect(rootStatus()).toBe(0x24);
    expect(sources()).toBe(0x0400_0000);
    expect(root.config.read(0x1e, 2) & 0x4000).toBe(0x4000);
  });

  it('of a load of the CPU: the completer logs it, the root port received it on its secondary side', () => {
    const addr = ports[1]!.state.bridge!.windows[0]!.end - 4;
    write16(fb, 0x04, 4);
    expect(fabric.cpuRead(addr, 4, { deliver: () => {} })).toBe(0xffff_ffff);
    expect(uncorrectable(fb)).toBe(BIT.UNSUPPORTED);
    expect(root.config.read(0x1e, 2) & 0x2000).toBe(0x2000);
    expect(root.config.read(0x06, 2) & 0x2000).toBe(0);
  });

  it('is not reported without Unsupported Request Reporting Enable', () => {
    const at = root.config.offsets.express + 8;
    write16(root, at, root.config.read(at, 2) & ~8);
    write(a, NOWHERE);
    expect(uncorrectable(root)).toBe(BIT.UNSUPPORTED);
    expect(rootStatus()).toBe(0);
  });
});

describe('the log', () => {
  it('keeps the header of the first error until software clears its bit (6.2.4.2)', () => {
    write(a, NOWHERE, 4);
    write(a, NOWHERE + 64, 4);
    expect(header(root)[3]).toBe(0);
    write32(root, root.config.offsets.aer + 4, 0xffff_ffff);
    expect(uncorrectable(root)).toBe(0);
    write(a, NOWHERE + 64, 4);
    expect(header(root)[3]).toBe(64);
  });

  it('counts a second message in the multiple bit', () => {
    write(a, NOWHERE);
    write(a, NOWHERE);
    expect(rootStatus()).toBe(0x2c);
  });

  it('shows a masked error in its status only (6.2.3.2.2)', () => {
    write32(root, root.config.offsets.aer + 8, BIT.UNSUPPORTED);
    write(a, NOWHERE);
    expect(uncorrectable(root)).toBe(BIT.UNSUPPORTED);
    expect(rootStatus()).toBe(0);
    expect(header(root)).toEqual([0, 0, 0, 0]);
  });

  it('survives a bus reset (sticky), and not a loss of power', () => {
    write16(fb, 0x04, 4);
    write(a, ports[1]!.state.bridge!.windows[0]!.start);
    write16(ports[1]!, 0x3e, 0x42);
    expect(fb.config.read(fb.config.offsets.aer + 4, 4)).toBe(BIT.UNSUPPORTED);
    fb.config.reset('power');
    expect(uncorrectable(fb)).toBe(0);
  });

  it('is told by an interrupt of the root port where that is enabled (6.2.4.1.2)', () => {
    const seen: number[] = [];
    fabric.interruptSink = (_domain, _requester, _addr, data) => seen.push(data);
    const { msi, aer } = root.config.offsets;
    write32(root, msi + 4, 0xfee0_0000);
    write16(root, msi + 12, 0x55);
    write16(root, msi + 2, 1);
    write(a, NOWHERE);
    expect(seen).toEqual([]);
    write32(root, aer + 0x2c, 2);
    write(a, NOWHERE);
    expect(seen).toEqual([0x55]);
  });
});

describe('messages on their way (7.5.1.3.13)', () => {
  it('are packets of the links that they travel', () => {
    write16(fb, 0x04, 4);
    fabric.counters.reset();
    const kinds: string[] = [];
    fabric.listener = { onTlp: ({ kind, addr }) => kinds.push(`${kind} ${addr.toString(16)}`) };
    write(a, ports[1]!.state.bridge!.windows[0]!.start, 4);
    expect(kinds.at(-1)).toBe('Msg 31');
    expect(fabric.counters.below(ports[1]!)!.up.packets).toBe(1);
    expect(fabric.counters.below(root)!.up.packets).toBe(1);
  });

  it('stop at a bridge without SERR Enable', () => {
    write16(upstream, 0x3e, 0);
    write16(fb, 0x04, 4);
    write(a, ports[1]!.state.bridge!.windows[0]!.start);
    expect(uncorrectable(fb)).toBe(BIT.UNSUPPORTED);
    expect(upstream.config.read(0x1e, 2) & 0x4000).toBe(0x4000);
    expect(rootStatus()).toBe(0);
  });
});

describe('other errors', () => {
  it('ACS violation: logged at the port, Completer Abort for the reader (6.12.4)', () => {
    write32(ports[0]!, ports[0]!.config.offsets.acs + 8, 1 << 5);
    setAcs(ports[0]!, ACS_BIT.EC);
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.COMPLETER_ABORT);
    expect(uncorrectable(ports[0]!)).toBe(BIT.ACS);
    expect(ports[0]!.config.read(0x1e, 2) & 0x0800).toBe(0x0800);
    expect(fa.config.read(0x06, 2) & 0x1000).toBe(0x1000);
    expect(rootStatus()).toBe(0x01);
    write(a, b.port.barAddress(0));
    expect(rootStatus()).toBe(0x25);
  });

  it('a payload beyond a receiver is malformed there, a smaller one passes (2.2.2)', () => {
    const control = fb.config.offsets.express + 8;
    write16(fa, control, 0x0040 | 0x000f);
    fabric.counters.reset();
    local.fill(0, 4096, 0x11);
    expect(write(a, b.port.barAddress(0), 512)).toBe(DONE);
    // The port above the requester receives it first and takes 128 bytes.
    expect(uncorrectable(ports[0]!)).toBe(BIT.MALFORMED);
    expect(rootStatus()).toBe(0x54);
    expect(b.memory.getValue(0, 4)).toBe(0);
    expect(fabric.counters.below(ports[0]!)!.up.dataBytes).toBe(512);
    expect(fabric.counters.below(ports[1]!)!.down.dataBytes).toBe(0);
    write(a, b.port.barAddress(0), 128);
    expect(b.memory.getValue(124, 4)).toBe(0x1111_1111);
  });

  it('a completion beyond the reader is malformed, and the read times out', () => {
    write16(fb, fb.config.offsets.express + 8, 0x2040 | 0x000f);
    write16(fa, fa.config.offsets.express + 8, 0x2000 | 0x000f);
    expect(read(a, b.port.barAddress(0), 256)).toBe(DMA_STATUS.TIMEOUT);
    expect(uncorrectable(ports[1]!)).toBe(BIT.MALFORMED);
    expect(uncorrectable(fa)).toBe(BIT.TIMEOUT);
    expect(local.getValue(252, 4)).toBe(0xffff_ffff);
    expect(read(a, b.port.barAddress(0), 128)).toBe(DONE);
  });

  it('poisoned memory of a peer: the reader logs it, and the rest reads well (2.7.2)', () => {
    fabric.injectFault(fb, { bar: 0, start: 64, end: 128, code: 'poisoned' });
    expect(read(a, b.port.barAddress(0), 64)).toBe(DONE);
    expect(read(a, b.port.barAddress(0) + 100, 4)).toBe(DMA_STATUS.POISONED);
    expect(uncorrectable(fa)).toBe(BIT.POISONED);
    expect(fa.config.read(0x06, 2) & 0x8000).toBe(0x8000);
    expect(write(a, b.port.barAddress(0) + 100, 4)).toBe(DONE);
    fabric.clearFaults(fb);
    expect(read(a, b.port.barAddress(0) + 100, 4)).toBe(DONE);
  });

  it('a poisoned write is logged by who receives it, and not taken', () => {
    local.fill(0, 64, 0x77);
    fa.requester.poisonNextWrite();
    write(a, b.port.barAddress(0), 64);
    expect(b.memory.getValue(0, 4)).toBe(0);
    expect(uncorrectable(fb)).toBe(BIT.POISONED);
    write(a, b.port.barAddress(0), 64);
    expect(b.memory.getValue(0, 4)).toBe(0x7777_7777);
  });

  it('a completer that gives up, and one that says nothing', () => {
    fabric.injectFault(fb, { bar: 0, start: 0, end: 64, code: 'completer-abort' });
    fabric.injectFault(fb, { bar: 0, start: 64, end: 128, code: 'timeout' });
    expect(read(a, b.port.barAddress(0))).toBe(DMA_STATUS.COMPLETER_ABORT);
    expect(uncorrectable(fb)).toBe(BIT.ABORT);
    expect(fb.config.read(0x06, 2) & 0x0800).toBe(0x0800);
    expect(read(a, b.port.barAddress(0) + 64)).toBe(DMA_STATUS.TIMEOUT);
    expect(uncorrectable(fa)).toBe(BIT.TIMEOUT);
  });

  it('faults of host memory', () => {
    fabric.injectFault(null, { bar: null, start: DRAM_START, end: DRAM_START + 64, code: 'poisoned' });
    expect(read(a, DRAM_START)).toBe(DMA_STATUS.POISONED);
    expect(read(a, DRAM_START + 64)).toBe(DONE);
    fabric.clearFaults(null);
    expect(read(a, DRAM_START)).toBe(DONE);
  });

  it('surprise removal is logged by the port, fatal (6.2.3.2, 7.8.4.2)', () => {
    fabric.surpriseRemove(ports[1]!);
    expect(uncorrectable(ports[1]!)).toBe(BIT.SURPRISE_DOWN);
    expect(rootStatus()).toBe(0x54);
  });

  it('an internal error of a model is masked until software asks for it (7.8.4.3)', () => {
    b.port.reportInternalError();
    expect(uncorrectable(fb)).toBe(BIT.INTERNAL);
    expect(rootStatus()).toBe(0);
    write32(fb, fb.config.offsets.aer + 8, 0);
    b.port.reportInternalError();
    expect(rootStatus()).toBe(0x54);
  });

  it('a completion that finds somebody else with the requester ID is unexpected there (2.3.2)', () => {
    fa.device.capturedBus = 4;
    fabric.touch();
    expect(read(a, DRAM_START)).toBe(DMA_STATUS.TIMEOUT);
    expect(uncorrectable(fa)).toBe(BIT.TIMEOUT);
    expect(correctable(fb)).toBe(ADVISORY);
    expect(uncorrectable(fb)).toBe(1 << 16);
  });

  it('a completion that cannot find its requester: the read times out', () => {
    // The device believes to be on a bus that is somebody else's.
    fa.device.capturedBus = 0x60;
    fabric.touch();
    expect(read(a, DRAM_START)).toBe(DMA_STATUS.TIMEOUT);
    expect(uncorrectable(fa)).toBe(BIT.TIMEOUT);
  });
});
