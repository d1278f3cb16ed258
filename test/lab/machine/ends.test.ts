/** Block devices of a lab by name, what they hold in their own view, and what has travelled. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type BackingFile, type Namespace, NvmeController } from '../../../src/devices/index.ts';
import {
  compareMedia,
  findLabEnd,
  type LabEnd,
  LabMachine,
  labEndMemory,
  labEnds,
  labTraffic,
  openLabEnd,
  parseLab,
} from '../../../src/lab/index.ts';
import { MachineIndex } from '../../../src/topology/index.ts';

function example(name: string): LabMachine {
  const text = readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8');
  return LabMachine.boot(parseLab(text, name), { label: name });
}

function end(machine: LabMachine, name: string): LabEnd {
  return findLabEnd(machine, new MachineIndex(machine.machine()), name);
}

function media(machine: LabMachine, name: string): Namespace {
  const { model } = machine.member(name)!;
  expect(model).toBeInstanceOf(NvmeController);
  return (model as NvmeController).namespace(1)!;
}

describe('ends of a transfer by name', () => {
  const machine = example('iopmem-2016');

  test('a drive is its first namespace, by name, device file or address', () => {
    for (const name of ['nvme0', 'nvme0n1', '/dev/nvme0n1', '04:00.0']) {
      expect(end(machine, name)).toMatchObject({
        label: 'nvme0n1',
        bdf: '0000:04:00.0',
        nsid: 1,
        image: null,
      });
    }
  });

  test('a disk over a BAR is an end too, and its memory can be mapped', () => {
    expect(labEnds(machine).map(({ label }) => label)).toEqual(['nvme0n1', 'iopmem0']);
    const disk = end(machine, 'iopmem0');
    expect(disk).toMatchObject({ nsid: null, sizeBytes: 2 * 2 ** 30 });
    expect(labEndMemory(machine, disk)).toMatchObject({ kind: 'peer', lengthBytes: 2 * 2 ** 30 });
    expect(labEndMemory(machine, end(machine, 'nvme0'))).toBeNull();
  });

  test('closing a handle of a disk leaves it to be opened again', async () => {
    const disk = end(machine, 'iopmem0');
    await openLabEnd(machine, disk, { isReadOnly: false }).close();
    const again = openLabEnd(machine, disk, { isReadOnly: false });
    const span = machine.allocateHost(4096);
    expect(again.read(0, span, 0, 4096, 1)).toBe(0);
    await again.close();
    span.close();
  });

  test.each([
    ['nic0', 'it is a nic'],
    ['pex', 'it is a bridge'],
    ['nvram', 'it is a memory'],
  ])('%s holds no blocks: %s', (name, why) => {
    expect(() => end(machine, name)).toThrow(
      expect.objectContaining({
        code: 'LAB_NO_BLOCKS',
        message: expect.stringContaining(why),
        hint: expect.stringContaining('nvme0n1, iopmem0'),
      }),
    );
  });
});

describe('what two drives hold, in their own view', () => {
  const LENGTH = 2 ** 20;

  test('is compared byte by byte, without a byte on the fabric', () => {
    const machine = example('eideticom');
    const ranges = [
      { end: end(machine, 'nvme0'), offsetBytes: 4096 },
      { end: end(machine, 'nvme1'), offsetBytes: 8192 },
    ] as const;
    const source = media(machine, 'nvme0').data!;
    const target = media(machine, 'nvme1').data!;
    expect(compareMedia(machine, ...ranges, LENGTH).atBytes).toBe(0);
    source.copyTo(4096, target, 8192, LENGTH);
    machine.fabric.counters.reset();
    expect(compareMedia(machine, ...ranges, LENGTH)).toEqual({
      atBytes: -1,
      first: 0,
      second: 0,
      unreadable: null,
    });
    const byte = source.getValue(4096 + 70_001, 1);
    target.setValue(8192 + 70_001, 1, byte ^ 0x10);
    expect(compareMedia(machine, ...ranges, LENGTH)).toMatchObject({
      atBytes: 70_001,
      first: byte,
      second: byte ^ 0x10,
    });
    const { dramBytes, rootPortBytes, controlBytes } = labTraffic(machine);
    expect({ dramBytes, rootPortBytes, control: controlBytes.rootPortBytes }).toEqual({
      dramBytes: 0,
      rootPortBytes: 0,
      control: 0,
    });
  });

  test('blocks that a drive cannot read itself are no proof of anything', () => {
    const machine = example('eideticom');
    const ranges = [
      { end: end(machine, 'nvme0'), offsetBytes: 0 },
      { end: end(machine, 'nvme1'), offsetBytes: 0 },
    ] as const;
    media(machine, 'nvme0').data!.copyTo(0, media(machine, 'nvme1').data!, 0, LENGTH);
    media(machine, 'nvme1').markBad(3, 1);
    expect(compareMedia(machine, ...ranges, LENGTH)).toMatchObject({ atBytes: -1, unreadable: 'nvme1n1' });
  });

  test('is read from a file where an image is behind it; blocks that were given back are zero', () => {
    const bytes = Uint8Array.from({ length: LENGTH }, (_, i) => (i * 31) & 0xff);
    const file: BackingFile = {
      sizeBytes: LENGTH,
      read: (offset, into, intoOffset, length) => {
        into.set(bytes.subarray(offset, offset + length), intoOffset);
        return true;
      },
      write: (offset, from, fromOffset, length) => {
        bytes.set(from.subarray(fromOffset, fromOffset + length), offset);
        return true;
      },
      flush: () => true,
    };
    const lab =
      'peerlane: lab/1\nbelow:\n  - {nvme: a, namespaces: {size: 1M, image: x}}\n  - {nvme: b, namespaces: 1M}\n';
    const machine = LabMachine.boot(parseLab(lab, 'x'), { label: 'x', openImage: () => file });
    const ranges = [
      { end: end(machine, 'a'), offsetBytes: 0 },
      { end: end(machine, 'b'), offsetBytes: 0 },
    ] as const;
    expect(ranges[0].end.image).toBe('x');
    media(machine, 'b').data!.write(0, bytes, 0, LENGTH);
    expect(compareMedia(machine, ...ranges, LENGTH).atBytes).toBe(-1);
    media(machine, 'a').deallocate(16, 8);
    // The byte at 16 * 512 is zero in both.
    expect(compareMedia(machine, ...ranges, LENGTH).atBytes).toBe(16 * 512 + 1);
  });
});

describe('what has travelled', () => {
  test('is told by link, with what is at its lower end', () => {
    const { linkBytes, controlBytes } = labTraffic(example('pex-cascade'));
    expect(Object.values(linkBytes).map(({ to }) => to)).toEqual([
      'pex0',
      ...['pex1', 'nvme0', 'nvme1', 'mem0'],
      ...['pex2', 'nvme2', 'nvme3', 'dma0'],
      null,
    ]);
    // Bringing a drive up takes registers and queues.
    expect(controlBytes.dramBytes).toBeGreaterThan(0);
  });
});
