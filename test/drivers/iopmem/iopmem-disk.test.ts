import { describe, expect, test } from 'vitest';
import { DONE, PENDING, type Span, STATUS, type Status } from '../../../src/access/index.ts';
import type { MemoryEndpoint } from '../../../src/devices/index.ts';
import { IopmemDisk } from '../../../src/drivers/index.ts';
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
      - {memory: card, bars: {0: 16K non-prefetchable, 4: 16M}}
      - {memory: other, bars: {0: 16M}, publish: 0}
iopmem:
  - {name: disk, function: card, bar: 4, offset: 4M, size: 8M}
`;

function setUp(clock: Clock = 'untimed') {
  const machine = LabMachine.boot(parseLab(LAB, 'test'), {
    label: 'test',
    ...clockOptions(clock),
  });
  const { disk, notes } = machine.disks[0]!;
  expect(notes).toEqual([]);
  const card = machine.member('card')!.model as MemoryEndpoint;
  return { machine, disk: disk!, memory: card.memory(4)! };
}

/** Waits for a request by hand. */
function finish(machine: LabMachine, disk: IopmemDisk, start: () => Status): Status {
  let ended: Status | undefined;
  disk.onDone = (_, status) => {
    ended = status;
  };
  const first = start();
  if (first !== PENDING) {
    return first;
  }
  machine.queue.runUntilIdle();
  return ended!;
}

function filled(machine: LabMachine, lengthBytes: number): Span {
  const span = machine.allocateHost(lengthBytes);
  span.copyIn(
    0,
    Uint8Array.from({ length: lengthBytes }, (_, i) => i % 251),
  );
  return span;
}

const CLOCKS: readonly Clock[] = ['untimed', 1, 2, 'tlp', 'flow'];

describe.each(CLOCKS)('a block device over a BAR (clock: %s)', (clock) => {
  test('holds what was written to it, at the place of the BAR that it was given', () => {
    const { machine, disk, memory } = setUp(clock);
    expect(disk.sizeBytes).toBe(8 * 2 ** 20);
    const span = filled(machine, 8192);
    expect(finish(machine, disk, () => disk.write(4096, span, 512, 4096, 1))).toBe(DONE);
    expect(finish(machine, disk, () => disk.flush(2))).toBe(DONE);
    const arrived = new Uint8Array(4);
    memory.read(4 * 2 ** 20 + 4096, arrived, 0, 4);
    expect([...arrived]).toEqual([512 % 251, 513 % 251, 514 % 251, 515 % 251]);

    const back = machine.allocateHost(4096);
    expect(finish(machine, disk, () => disk.read(4096, back, 0, 4096, 3))).toBe(DONE);
    const bytes = new Uint8Array(4096);
    back.copyOut(0, bytes);
    expect([...bytes.subarray(0, 3)]).toEqual([512 % 251, 513 % 251, 514 % 251]);
  });

  test('says that it is gone when its function was pulled out', () => {
    const { machine, disk } = setUp(clock);
    const span = filled(machine, 4096);
    machine.fabric.surpriseRemove(machine.member('card')!.fn.device.bus.bridge!);
    expect(finish(machine, disk, () => disk.read(0, span, 0, 4096, 1))).toBe(STATUS.GONE);
    expect(disk.failure(1)?.code).toBe('GONE');
    expect(finish(machine, disk, () => disk.write(0, span, 0, 4096, 1))).toBe(STATUS.GONE);
    expect(finish(machine, disk, () => disk.flush(1))).toBe(STATUS.GONE);
  });
});

test('counts what the processor copies as data on the link of the card, and nothing on its neighbour', () => {
  const { machine, disk } = setUp();
  const span = filled(machine, 65_536);
  machine.fabric.counters.reset();
  expect(disk.write(0, span, 0, 65_536, 1)).toBe(DONE);
  expect(disk.read(0, span, 0, 32_768, 1)).toBe(DONE);
  const of = (name: string) => machine.fabric.counters.below(machine.member(name)!.fn.device.bus.bridge!)!;
  expect(of('card').down.dataBytes).toBe(65_536);
  expect(of('card').up.dataBytes).toBe(32_768);
  expect(of('other').down.dataBytes + of('other').up.dataBytes).toBe(0);
});

test('refuses what is no whole blocks, what lies outside, and memory that it has no DMA engine for', () => {
  const { machine, disk } = setUp();
  const span = machine.allocateHost(8192);
  expect(disk.read(100, span, 0, 512, 1)).toBe(STATUS.INVALID);
  expect(disk.read(0, span, 0, 100, 1)).toBe(STATUS.INVALID);
  expect(disk.read(0, span, 8192, 512, 1)).toBe(STATUS.INVALID);
  expect(disk.read(disk.sizeBytes, span, 0, 512, 1)).toBe(STATUS.INVALID);
  expect(disk.read(Number.POSITIVE_INFINITY, span, 0, 512, 1)).toBe(STATUS.INVALID);
  const peer = machine.p2pdma.allocSpan(machine.member('other')!.bdf, 4096);
  expect(disk.read(0, peer, 0, 512, 1)).toBe(STATUS.UNREACHABLE);
  expect(disk.failure(1)?.message).toContain('no DMA engine');
});

test('over its own memory there is nothing to copy in place, and no copying within', () => {
  const { disk } = setUp();
  expect(disk.direct).not.toBe(null);
  expect(disk.write(4096, disk.direct!, 4096, 4096, 1)).toBe(DONE);
  expect(disk.read(4096, disk.direct!, 0, 4096, 1)).toBe(STATUS.INVALID);
});

test.each([
  [{ bar: 5 }, 'IOPMEM_NO_BAR'],
  [{ bar: 2 }, 'IOPMEM_NO_BAR'],
  [{ offsetBytes: 100 }, 'IOPMEM_RANGE'],
  [{ sizeBytes: 2 ** 25 }, 'IOPMEM_RANGE'],
  [{ blockBytes: 1000 }, 'IOPMEM_BLOCK'],
])('is not made with %o', (change, code) => {
  const { machine } = setUp();
  const options = {
    label: 'x',
    fn: machine.member('card')!.platform,
    bar: 4,
    offsetBytes: 0,
    sizeBytes: 0,
    blockBytes: 512,
    direct: null,
    ...change,
  };
  expect(() => new IopmemDisk(options)).toThrow(expect.objectContaining({ code }));
});
