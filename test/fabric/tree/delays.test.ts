import { describe, expect, it } from 'vitest';
import { MMIO_PENDING } from '../../../src/access/index.ts';
import { DMA_STATUS, DONE, Memory, PENDING, TRAFFIC } from '../../../src/fabric/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint, write16 } from './machine.ts';

/** Two endpoints below a switch, in a machine whose requests take random times. */
function delayed(jitterSeed: number, usesRelaxedOrdering = false) {
  const fabric = machine({ jitterSeed });
  const root = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  const chip = root.secondaryBus!.addSwitch(port('switch-upstream', { acs: null }), [
    port('switch-downstream'),
    port('switch-downstream'),
  ]);
  const a = new TestEndpoint('a');
  const b = new TestEndpoint('b');
  const [fa] = chip.downstream[0]!.secondaryBus!.plug(a, { usesRelaxedOrdering });
  chip.downstream[1]!.secondaryBus!.plug(b);
  boot(fabric);
  return { fabric, root, chip, a, b, fa: fa! };
}

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);

function word(value: number): Memory {
  const memory = Memory.flat(4);
  memory.setValue(0, 4, value);
  return memory;
}

describe('with delays (2.4.1)', () => {
  it('requests are pending, bytes move on arrival, the model hears once', () => {
    const { fabric, a, b } = delayed(1);
    expect(a.port.dmaWrite(b.port.barAddress(0), word(7), 0, 4, TRAFFIC.DATA, 11)).toBe(PENDING);
    expect(b.memory.getValue(0, 4)).toBe(0);
    fabric.queue.runUntilIdle();
    expect(b.memory.getValue(0, 4)).toBe(7);
    expect(a.ended).toEqual([{ token: 11, status: DONE }]);
    const local = Memory.flat(4);
    expect(a.port.dmaRead(b.port.barAddress(0), local, 0, 4, TRAFFIC.DATA, 12)).toBe(PENDING);
    fabric.queue.runUntilIdle();
    expect(local.getValue(0, 4)).toBe(7);
    expect(a.ended.at(-1)).toEqual({ token: 12, status: DONE });
    expect(fabric.inFlight.count).toBe(0);
  });

  it('posted requests of one function stay in order, to whomever they go', () => {
    for (const seed of SEEDS) {
      const { fabric, a, b } = delayed(seed);
      const order: string[] = [];
      fabric.interruptSink = () => order.push('interrupt');
      b.writeRegister = (_bar, offset) => order.push(`register ${offset}`);
      a.port.dmaWrite(b.port.barAddress(2), word(1), 0, 4, TRAFFIC.CONTROL, 1);
      a.port.dmaWrite(0xfee0_0000, word(1), 0, 4, TRAFFIC.CONTROL, 2);
      a.port.dmaWrite(b.port.barAddress(2) + 4, word(1), 0, 4, TRAFFIC.CONTROL, 3);
      fabric.queue.runUntilIdle();
      expect(order).toEqual(['register 0', 'interrupt', 'register 4']);
      expect(a.ended.map(({ token }) => token)).toEqual([1, 2, 3]);
    }
  });

  it('command data may pass with relaxed ordering, and does for some seed', () => {
    const orders = new Set<string>();
    for (const seed of SEEDS) {
      const { fabric, a, b } = delayed(seed, true);
      a.port.dmaWrite(b.port.barAddress(0), word(1), 0, 4, TRAFFIC.DATA, 1);
      a.port.dmaWrite(b.port.barAddress(0) + 4, word(1), 0, 4, TRAFFIC.DATA, 2);
      fabric.queue.runUntilIdle();
      orders.add(a.ended.map(({ token }) => token).join());
    }
    expect([...orders].sort()).toEqual(['1,2', '2,1']);
  });

  it('a strict write never passes relaxed ones before it', () => {
    for (const seed of SEEDS) {
      const { fabric, a, b } = delayed(seed, true);
      a.port.dmaWrite(b.port.barAddress(0), word(1), 0, 4, TRAFFIC.DATA, 1);
      a.port.dmaWrite(b.port.barAddress(0) + 4, word(1), 0, 4, TRAFFIC.DATA, 2);
      a.port.dmaWrite(DRAM_START, word(1), 0, 4, TRAFFIC.CONTROL, 3);
      fabric.queue.runUntilIdle();
      expect(a.ended.at(-1)!.token).toBe(3);
    }
  });

  it('a read sees what the same function wrote before', () => {
    for (const seed of SEEDS) {
      const { fabric, a, b } = delayed(seed);
      const local = Memory.flat(4);
      a.port.dmaWrite(b.port.barAddress(0), word(seed), 0, 4, TRAFFIC.DATA, 1);
      a.port.dmaRead(b.port.barAddress(0), local, 0, 4, TRAFFIC.DATA, 2);
      fabric.queue.runUntilIdle();
      expect(local.getValue(0, 4)).toBe(seed);
    }
  });

  it('a load of the CPU returns behind the writes that its completer had sent', () => {
    for (const seed of SEEDS) {
      const { fabric, a } = delayed(seed);
      a.readRegister = () => {
        a.port.dmaWrite(DRAM_START, word(99), 0, 4, TRAFFIC.CONTROL, 1);
        return 5;
      };
      let seen: number | undefined;
      const deliver = (value: number): void => {
        expect(value).toBe(5);
        seen = fabric.cpuRead(DRAM_START, 4, { deliver: () => {} });
      };
      expect(fabric.cpuRead(a.port.barAddress(2), 4, { deliver })).toBe(MMIO_PENDING);
      fabric.queue.runUntilIdle();
      expect(seen).toBe(99);
    }
  });

  it('stores of the CPU arrive in order, and loads behind them', () => {
    for (const seed of SEEDS) {
      const { fabric, a, b } = delayed(seed);
      fabric.cpuWrite(a.port.barAddress(2), 4, 1);
      fabric.cpuWrite(b.port.barAddress(2), 4, 2);
      const bytes = new Uint8Array(12).fill(3);
      fabric.cpuWriteBytes(a.port.barAddress(2) + 16, bytes, 0, 12);
      bytes.fill(0);
      let value = 0;
      fabric.cpuRead(a.port.barAddress(2) + 24, 4, { deliver: (read) => (value = read) });
      fabric.queue.runUntilIdle();
      expect(value).toBe(0x0303_0303);
      expect(a.registers.get(0)).toBe(1);
      expect(b.registers.get(0)).toBe(2);
    }
  });

  it('a pin change stays behind earlier writes', () => {
    for (const seed of SEEDS) {
      const { fabric, a } = delayed(seed);
      let value = 0;
      fabric.intxSink = () => {
        value = fabric.cpuRead(DRAM_START, 4, { deliver: () => {} });
      };
      a.port.dmaWrite(DRAM_START, word(8), 0, 4, TRAFFIC.CONTROL, 1);
      a.port.setIntx(true);
      fabric.queue.runUntilIdle();
      expect(value).toBe(8);
    }
  });

  it('a requester that is reset or pulled out never hears of its requests', () => {
    const { fabric, root, a, b, fa } = delayed(3);
    const local = Memory.flat(4);
    a.port.dmaRead(b.port.barAddress(0), local, 0, 4, TRAFFIC.DATA, 1);
    const control = fa.config.offsets.express + 8;
    write16(fa, control, fa.config.read(control, 2) | 0x8000);
    b.port.dmaWrite(DRAM_START, local, 0, 4, TRAFFIC.DATA, 2);
    fabric.surpriseRemove(root);
    fabric.queue.runUntilIdle();
    expect(a.ended).toEqual([]);
    expect(b.ended).toEqual([]);
    expect(fabric.inFlight.count).toBe(0);
  });

  it('a read whose completer is pulled out fails: refused before it arrived, without an answer after', () => {
    const seen = new Set<number>();
    for (const seed of SEEDS) {
      const { fabric, chip, a, b } = delayed(seed);
      const local = Memory.flat(4);
      a.port.dmaRead(b.port.barAddress(0), local, 0, 4, TRAFFIC.DATA, 1);
      fabric.queue.runUntilIdle(seed % 2);
      fabric.surpriseRemove(chip.downstream[1]!);
      fabric.queue.runUntilIdle();
      expect(local.getValue(0, 4)).toBe(0xffff_ffff);
      seen.add(a.ended[0]!.status);
    }
    expect(seen).toEqual(new Set([DMA_STATUS.UNSUPPORTED_REQUEST, DMA_STATUS.TIMEOUT]));
  });

  it('a function that may not send is told at once', () => {
    const { fabric, root, a, fa } = delayed(1);
    const local = Memory.flat(4);
    write16(fa, 0x04, 2);
    expect(a.port.dmaWrite(DRAM_START, local, 0, 4, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.DISABLED);
    expect(a.port.dmaRead(DRAM_START, local, 0, 4, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.DISABLED);
    expect(local.getValue(0, 4)).toBe(0xffff_ffff);
    fabric.surpriseRemove(root);
    expect(a.port.dmaWrite(DRAM_START, local, 0, 4, TRAFFIC.DATA, 1)).toBe(DMA_STATUS.GONE);
  });
});
