import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Span } from '../../../src/access/index.ts';
import { NvmeController as NvmeModel } from '../../../src/devices/index.ts';
import { NvmeController } from '../../../src/drivers/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { Copy } from '../../../src/orchestrators/index.ts';
import { type Clock, clockOptions } from '../../support/clock.ts';

function boot(name: string, clock: Clock = 'untimed'): LabMachine {
  const text = readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8');
  return LabMachine.boot(parseLab(text, name), {
    label: name,
    ...clockOptions(clock, 1e6),
  });
}

const LENGTH = 32 * 2 ** 20;

async function copyBetween(machine: LabMachine, span: Span) {
  const [source, target] = ['nvme0', 'nvme1'].map((name) =>
    machine.boundAt(machine.member(name)!.bdf)!.nvme!.openNamespace(1),
  );
  machine.fabric.counters.reset();
  const result = await new Copy({
    source: source!,
    target: target!,
    span,
    sourceOffsetBytes: 0,
    targetOffsetBytes: 2 ** 20,
    lengthBytes: LENGTH,
    chunkBytes: 2 ** 17,
    depth: 16,
    nowNs: () => 0,
  }).run();
  const counts = machine.fabric.counters.read();
  await source!.close();
  await target!.close();
  return { result, counts };
}

test('a drive that is pulled out during a copy through its memory ends the copy, and the machine goes on without it', async () => {
  const machine = boot('eideticom');
  const { bdf, fn } = machine.member('nvme0')!;
  const span = machine.p2pdma.allocSpan(bdf, 16 * 2 ** 17);
  const copying = copyBetween(machine, span);
  machine.queue.runUntilIdle(10);
  machine.fabric.surpriseRemove(fn.device.bus.bridge!);
  expect(machine.rescan()).toEqual({ added: [], gone: [bdf] });
  const { result } = await copying;
  expect(result.outcome).toBe('failed');
  expect(result.copiedBytes).toBeLessThan(LENGTH);
  expect(machine.p2pdma.provider(bdf)).toBe(undefined);
  expect(machine.machine().functions.some((each) => each.bdf === bdf)).toBe(false);
});

test('a drive that is plugged into a running machine gets addresses, is found, and can be driven', () => {
  const machine = boot('eideticom');
  const { bdf, fn } = machine.member('nvme1')!;
  const slot = fn.device.bus;
  machine.fabric.surpriseRemove(slot.bridge!);
  machine.queue.runUntilIdle();
  expect(machine.platform.functionAt(bdf)).toBe(undefined);
  expect(machine.boundAt(bdf)).toBe(undefined);

  slot.plug(new NvmeModel({ name: 'fresh', namespaces: [{ sizeBlocks: 2048 }] }));
  machine.queue.runUntilIdle();
  const found = machine.platform.functionAt(bdf)!;
  expect(found.bar(0)?.lengthBytes).toBeGreaterThan(0);
  expect(machine.machine().functions.some((each) => each.bdf === bdf)).toBe(true);
  const driver = new NvmeController(found);
  machine.run(driver.starting());
  expect(driver.namespaces.map(({ nsid }) => nsid)).toEqual([1]);
});

test('a machine that was closed holds no peer memory any more', () => {
  const machine = boot('eideticom');
  const { bdf } = machine.member('nvme0')!;
  machine.run(machine.closing());
  machine.run(machine.p2pdma.remove(bdf, 'wait'));
  expect(machine.p2pdma.provider(bdf)).toBe(undefined);
});

describe('the machine of the demo', () => {
  test('comes up with its drives bound and their controller memory published', () => {
    const machine = boot('eideticom');
    for (const { node, driver, notes } of machine.bound) {
      expect({ name: node.name, driver, notes }).toEqual({ name: node.name, driver: 'nvme', notes: [] });
    }
    const provider = machine
      .machine()
      .functions.find(({ classNames }) => classNames.some(({ name }) => name === 'nvme0'));
    expect(provider?.p2pmem).toMatchObject({ published: true, hasAllocate: true, sizeBytes: 128 * 2 ** 20 });
    expect(machine.machine().findings).toEqual([]);
    expect(machine.machine().gaps).toEqual([]);
  });

  test.each<Clock>(['untimed', 1, 2, 'tlp', 'flow'])(
    'copies from drive to drive through controller memory without a byte above the switch (jitter %s)',
    async (clock) => {
      const machine = boot('eideticom', clock);
      const span = machine.p2pdma.allocSpan(machine.member('nvme0')!.bdf, 16 * 2 ** 17);
      const { result, counts } = await copyBetween(machine, span);
      span.close();
      expect(result).toMatchObject({ outcome: 'done', copiedBytes: LENGTH });
      expect(counts.dramRead.dataBytes + counts.dramWrite.dataBytes).toBe(0);
      expect(counts.rootPorts.dataBytes).toBe(0);
      expect(counts.dramRead.controlBytes).toBeGreaterThan(0);
    },
  );

  test('copies through host memory with every byte in DRAM twice and twice through the root port', async () => {
    const machine = boot('eideticom');
    const span = machine.allocateHost(16 * 2 ** 17);
    const { result, counts } = await copyBetween(machine, span);
    span.close();
    expect(result).toMatchObject({ outcome: 'done', copiedBytes: LENGTH });
    expect(counts.dramWrite.dataBytes).toBe(LENGTH);
    expect(counts.dramRead.dataBytes).toBe(LENGTH);
    expect(counts.rootPorts.dataBytes).toBe(2 * LENGTH);
  });
});

test.each(['msi-x', 'msi', 'intx', 'none'])('a drive with defaults and interrupts: %s comes up', (kind) => {
  const text = `peerlane: lab/1\nbelow: [{nvme: a, interrupts: ${kind}}]\n`;
  const machine = LabMachine.boot(parseLab(text, 'test'), { label: 'test' });
  expect(machine.bound.map(({ driver, notes }) => ({ driver, notes }))).toEqual([
    { driver: 'nvme', notes: [] },
  ]);
});
