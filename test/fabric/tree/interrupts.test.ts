import { beforeEach, describe, expect, it } from 'vitest';
import type { Translation } from '../../../src/fabric/routing/translator.ts';
import { type Fabric, type FabricFunction, pinAtRoot } from '../../../src/fabric/tree/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint, write16, write32 } from './machine.ts';

const INTERRUPT = 0xfee0_0000;
const TABLE = 0x8000;
const PENDING = 0xc000;

let fabric: Fabric;
let fn: FabricFunction;
let model: TestEndpoint;
let seen: (readonly [number, number, number])[];
let wires: (readonly [number, boolean])[];

beforeEach(() => {
  fabric = machine();
  const root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  model = new TestEndpoint('card');
  [fn] = root.secondaryBus!.plug(model) as [FabricFunction];
  boot(fabric);
  seen = [];
  wires = [];
  fabric.interruptSink = (_domain, requester, addr, data) => seen.push([requester, addr, data]);
  fabric.intxSink = (_hostBridge, pin, isAsserted) => wires.push([pin, isAsserted]);
});

const at = (offset: number): number => model.port.barAddress(2) + offset;
const load = (offset: number, lengthBytes = 4): number =>
  fabric.cpuRead(at(offset), lengthBytes, { deliver: () => {} });
function programVector(vector: number, addr: number, data: number, control = 0): void {
  for (const [index, value] of [
    addr % 0x1_0000_0000,
    Math.floor(addr / 0x1_0000_0000),
    data,
    control,
  ].entries()) {
    fabric.cpuWrite(at(TABLE + vector * 16 + index * 4), 4, value);
  }
}
function msixControl(value: number): void {
  write16(fn, fn.config.offsets.msix + 2, value);
}

describe('MSI-X (6.1.4.2, 7.7.2)', () => {
  it('has every vector masked after reset, and keeps what software writes', () => {
    expect([0, 1, 2, 3].map((vector) => load(TABLE + vector * 16 + 12))).toEqual([1, 1, 1, 1]);
    programVector(2, INTERRUPT + 7, 0xabcd_ef01, 0xffff_fffe);
    expect(load(TABLE + 32)).toBe(INTERRUPT + 4);
    expect(load(TABLE + 40)).toBe(0xabcd_ef01);
    expect(load(TABLE + 42, 2)).toBe(0xabcd);
    expect(load(TABLE + 44)).toBe(0);
    fabric.cpuWrite(at(TABLE + 42), 2, 0x1234);
    expect(load(TABLE + 40)).toBe(0x1234_ef01);
  });

  it('sends address and data of the vector once enabled', () => {
    programVector(1, INTERRUPT, 0x31);
    model.port.interrupt(1);
    expect(seen).toEqual([]);
    msixControl(0x8000);
    expect(model.port.interruptMode).toBe('msi-x');
    model.port.interrupt(1);
    expect(seen).toEqual([[0x0100, INTERRUPT, 0x31]]);
  });

  it('keeps a masked vector pending and sends it once when it is unmasked', () => {
    programVector(1, INTERRUPT, 0x31, 1);
    msixControl(0x8000);
    model.port.interrupt(1);
    model.port.interrupt(1);
    expect(seen).toEqual([]);
    expect(load(PENDING)).toBe(2);
    fabric.cpuWrite(at(PENDING), 4, 0);
    expect(load(PENDING)).toBe(2);
    fabric.cpuWrite(at(TABLE + 16 + 12), 4, 0);
    expect(seen).toEqual([[0x0100, INTERRUPT, 0x31]]);
    expect(load(PENDING)).toBe(0);
  });

  it('holds all vectors back while Function Mask is set', () => {
    programVector(0, INTERRUPT, 1);
    programVector(3, INTERRUPT, 2);
    msixControl(0xc000);
    model.port.interrupt(3);
    model.port.interrupt(0);
    expect(load(PENDING)).toBe(9);
    msixControl(0x8000);
    expect(seen.map(([, , data]) => data)).toEqual([1, 2]);
  });

  it('is a write like any other: it needs Bus Master Enable and may go to memory', () => {
    programVector(0, DRAM_START + 64, 0x77);
    msixControl(0x8000);
    model.port.interrupt(0);
    expect(fabric.cpuRead(DRAM_START + 64, 4, { deliver: () => {} })).toBe(0x77);
    write16(fn, 0x04, 2);
    programVector(0, INTERRUPT, 0x78);
    model.port.interrupt(0);
    expect(seen).toEqual([]);
  });

  it('ignores vectors that there are not', () => {
    msixControl(0x8000);
    model.port.interrupt(4);
    expect(seen).toEqual([]);
  });
});

describe('MSI (6.1.4.1, 7.7.1)', () => {
  /** Two vectors granted. */
  function enable(): void {
    const { msi } = fn.config.offsets;
    write32(fn, msi + 4, INTERRUPT);
    write16(fn, msi + 12, 0x40);
    write16(fn, msi + 2, 0x0011);
  }

  it('puts the vector into the lowest bits of the data, vectors beyond the grant share', () => {
    enable();
    expect(model.port.interruptMode).toBe('msi');
    model.port.interrupt(1);
    model.port.interrupt(2);
    expect(seen).toEqual([
      [0x0100, INTERRUPT, 0x41],
      [0x0100, INTERRUPT, 0x40],
    ]);
  });

  it('keeps a masked vector pending until it is unmasked', () => {
    enable();
    const { msi } = fn.config.offsets;
    write32(fn, msi + 16, 2);
    model.port.interrupt(1);
    expect(seen).toEqual([]);
    expect(fn.config.read(msi + 20, 4)).toBe(2);
    write32(fn, msi + 16, 0);
    expect(seen).toEqual([[0x0100, INTERRUPT, 0x41]]);
    expect(fn.config.read(msi + 20, 4)).toBe(0);
  });
});

describe('interrupt pins (6.1.2; PCI-to-PCI Bridge 1.2, 9.1)', () => {
  it('are levels: each change is told once, and shown in Interrupt Status', () => {
    model.port.setIntx(true);
    model.port.setIntx(true);
    expect(fn.config.read(0x06, 2) & 8).toBe(8);
    model.port.setIntx(false);
    expect(wires).toEqual([
      [1, true],
      [1, false],
    ]);
  });

  it('are silenced by Interrupt Disable and by MSI, with the status still shown', () => {
    model.port.setIntx(true);
    write16(fn, 0x04, 0x0406);
    expect(fn.config.read(0x06, 2) & 8).toBe(8);
    write16(fn, 0x04, 0x0006);
    write16(fn, fn.config.offsets.msi + 2, 1);
    expect(wires).toEqual([
      [1, true],
      [1, false],
      [1, true],
      [1, false],
    ]);
  });

  it('turn with the device number at every bridge', () => {
    const { rootBus } = fabric.hostBridges[0]!;
    const chip = rootBus.addRootPort(2, 0, port('root-port')).secondaryBus!.addSwitch(
      port('switch-upstream', { acs: null }),
      [0, 1, 2].map(() => port('switch-downstream')),
    );
    const pins = chip.downstream.map((downstream) => {
      const [card] = downstream.secondaryBus!.plug(new TestEndpoint('x'));
      return pinAtRoot(card!, 1);
    });
    expect(pins).toEqual([1, 2, 3]);
    expect(pinAtRoot(chip.downstream[2]!.secondaryBus!.functionAt(0, 0)!, 4)).toBe(2);
  });

  it('of two functions on one wire are one level', () => {
    const next = new TestEndpoint('next');
    const root = fabric.hostBridges[0]!.rootBus.addRootPort(3, 0, port('root-port'));
    root.secondaryBus!.plug(next);
    model.port.setIntx(true);
    next.port.setIntx(true);
    model.port.setIntx(false);
    expect(wires).toEqual([[1, true]]);
    fabric.surpriseRemove(root);
    expect(wires).toEqual([
      [1, true],
      [1, false],
    ]);
  });
});

it('messages are not translated beforehand by ATS', () => {
  const translator = {
    generation: 0,
    translate: (...args: unknown[]) => {
      (args[6] as Translation).phys = -1;
    },
    requestPage: () => false,
  };
  fabric.hostBridges[0]!.translator = translator;
  programVector(0, INTERRUPT, 5);
  msixControl(0x8000);
  model.port.interrupt(0);
  expect(seen).toEqual([[0x0100, INTERRUPT, 5]]);
});
