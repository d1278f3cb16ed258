import { describe, expect, test } from 'vitest';
import { runTask, startTask } from '../../../src/access/index.ts';
import type { DmaAddr } from '../../../src/base/index.ts';
import type { MemoryEndpoint } from '../../../src/devices/index.ts';
import { DmaEngineDriver, type EngineOutcome } from '../../../src/drivers/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { type Clock, clockOptions } from '../../support/clock.ts';

const LAB = `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
below:
  - switch: sw
    below:
      - {memory: left, bars: {0: 16M}}
      - {memory: right, bars: {0: 16M}}
      - {dma-engine: dma}
`;

const LENGTH = 3 * 2 ** 20 + 4096;

function setUp(clock: Clock = 'untimed') {
  const machine = LabMachine.boot(parseLab(LAB, 'test'), {
    label: 'test',
    ...clockOptions(clock),
  });
  const driver = machine.run(DmaEngineDriver.start(machine.member('dma')!.platform))!;
  const at = (name: string): DmaAddr => machine.member(name)!.platform.bar(0)!.busAddr as number as DmaAddr;
  const memory = (name: string) => (machine.member(name)!.model as MemoryEndpoint).memory(0)!;
  return { machine, driver, at, memory };
}

const plus = (addr: DmaAddr, bytes: number): DmaAddr => (addr + bytes) as DmaAddr;

const CLOCKS: readonly Clock[] = ['untimed', 1, 2, 3, 'tlp', 'flow'];

describe.each(CLOCKS)('the DMA engine and its driver (clock: %s)', (clock) => {
  test('move bytes from peer to peer, in more pieces than the ring has entries, and nothing beside them', () => {
    const { machine, driver, at, memory } = setUp(clock);
    memory('left').fillPattern(0, 2 ** 24, 42, 0);
    for (let round = 0; round < 10; round++) {
      const copies = [0, 1, 2].map((part) =>
        driver.copy(plus(at('left'), part * 2 ** 22), plus(at('right'), part * 2 ** 22), LENGTH),
      );
      const outcomes: EngineOutcome[] = [];
      for (const copy of copies) {
        startTask(
          copy,
          (outcome) => outcomes.push(outcome),
          (error) => expect.unreachable(String(error)),
        );
      }
      machine.queue.runUntilIdle();
      expect(outcomes).toEqual(['done', 'done', 'done']);
    }
    for (const part of [0, 1, 2]) {
      const offset = part * 2 ** 22;
      expect(memory('right').firstDifference(offset, memory('left'), offset, LENGTH)).toBe(-1);
      expect(memory('right').getValue(offset + LENGTH, 4)).toBe(0);
    }
    const counts = machine.fabric.counters.read();
    expect(counts.rootPorts.dataBytes).toBe(0);
  });

  test('report a source that nothing answers, and go on with the next copy', () => {
    const { machine, driver, at } = setUp(clock);
    const nowhere = 0x7f_0000_0000 as DmaAddr;
    expect(machine.run(driver.copy(nowhere, at('right'), 4096))).toBe('read-failed');
    expect(machine.run(driver.copy(at('left'), nowhere, 4096))).toBe('done');
    expect(machine.run(driver.copy(at('left'), at('right'), 4096))).toBe('done');
  });

  test('end every copy when the engine is pulled out', () => {
    const { machine, driver, at } = setUp(clock);
    const outcomes: EngineOutcome[] = [];
    for (let i = 0; i < 4; i++) {
      startTask(
        driver.copy(at('left'), at('right'), 2 ** 24),
        (outcome) => outcomes.push(outcome),
        (error) => expect.unreachable(String(error)),
      );
    }
    machine.queue.runUntilIdle(20);
    machine.fabric.surpriseRemove(machine.member('dma')!.fn.device.bus.bridge!);
    machine.platform.rescan();
    machine.queue.runUntilIdle();
    expect(outcomes.length).toBe(4);
    expect(outcomes).toContain('gone');
  });

  test('end what is under way when the driver is closed', async () => {
    const { driver, at } = setUp(clock);
    const outcome = runTask(driver.copy(at('left'), at('right'), 4096));
    driver.close();
    driver.close();
    expect(['stopped', 'done', 'gone']).toContain(await outcome);
    expect(await runTask(driver.copy(at('left'), at('right'), 4096))).toBe('gone');
  });
});

test('an engine without bus mastering writes nothing and says so', () => {
  const { machine, driver, at, memory } = setUp();
  machine.member('dma')!.platform.enable({ busMaster: false });
  let ended = false;
  startTask(
    driver.copy(at('left'), at('right'), 4096),
    () => {
      ended = true;
    },
    () => {},
  );
  machine.queue.runUntilIdle();
  // It cannot even read its ring, so nobody is told: that is what a deadline is for.
  expect(ended).toBe(false);
  expect(memory('right').getValue(0, 4)).toBe(0);
});
