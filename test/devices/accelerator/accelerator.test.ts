import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DONE, PENDING, type Status, type Task } from '../../../src/access/index.ts';
import { crc32c } from '../../../src/devices/accelerator/crc32c.ts';
import { type Codec, createAccelerator, type NvmeController as Model } from '../../../src/devices/index.ts';
import { Accelerator, type NvmeNamespace } from '../../../src/drivers/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import type { PeerSpan } from '../../../src/p2pdma/index.ts';
import { type Clock, clockOptions } from '../../support/clock.ts';

const codec: Codec = {
  compress: (bytes) => deflateRawSync(bytes),
  decompress: (bytes, lengthMax) => inflateRawSync(bytes, { maxOutputLength: lengthMax }),
};

const LAB = `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
below:
  - switch: sw
    below:
      - {accelerator: accel, cmb: 16M, namespaces: 64M}
      - {nvme: from, namespaces: 64M}
      - {nvme: to, namespaces: 64M}
`;

const LENGTH = 2 ** 20;

function setUp(clock: Clock = 'untimed') {
  const machine = LabMachine.boot(parseLab(LAB, 'test'), {
    label: 'test',
    codec,
    ...clockOptions(clock),
  });
  const open = (name: string): NvmeNamespace =>
    machine.boundAt(machine.member(name)!.bdf)!.nvme!.openNamespace(1);
  const bdf = machine.member('accel')!.bdf;
  const span = machine.p2pdma.allocSpan(bdf, 2 * LENGTH) as PeerSpan;
  const bound = machine.boundAt(bdf)!.nvme!;
  const start =
    machine.member('accel')!.platform.bar(bound.cmb!.bar)!.physAddr + bound.cmb!.regionOffsetBytes;
  return { machine, open, span, place: span.address - start, accelerator: new Accelerator(open('accel')) };
}

function wait(machine: LabMachine, target: NvmeNamespace, start: () => Status): void {
  let status: Status = PENDING;
  target.onDone = (_, ended) => {
    status = ended;
  };
  const first = start();
  machine.queue.runUntilIdle();
  expect(first === PENDING ? status : first).toBe(DONE);
}

function media(machine: LabMachine, name: string) {
  return (machine.member(name)!.model as Model).namespace(1)!.data!;
}

test('the checksum is CRC-32C', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe306_9283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
});

const CLOCKS: readonly Clock[] = ['untimed', 1, 2, 'tlp', 'flow'];

describe.each(CLOCKS)('an accelerator between two drives (clock: %s)', (clock) => {
  test('compresses what one drive gave it and another takes, with nothing of it in host memory', () => {
    const { machine, open, span, place, accelerator } = setUp(clock);
    const [from, to] = [open('from'), open('to')];
    const text = new TextEncoder().encode('peer to peer, and never to the host. '.repeat(LENGTH / 36 + 1));
    media(machine, 'from').write(0, text, 0, LENGTH);
    machine.fabric.counters.reset();

    wait(machine, from, () => from.read(0, span, 0, LENGTH, 1));
    const run = <Result>(task: Task<Result>): Result => machine.run(task);
    const sum = run(accelerator.checksum(place, LENGTH));
    const length = run(accelerator.compress(place, LENGTH, place + LENGTH, LENGTH))!;
    const blocks = Math.ceil(length / 512) * 512;
    wait(machine, to, () => to.write(0, span, LENGTH, blocks, 2));

    expect(sum).toBe(crc32c(text.subarray(0, LENGTH)));
    expect(length).toBeLessThan(LENGTH / 10);
    const stored = new Uint8Array(length);
    media(machine, 'to').read(0, stored, 0, length);
    expect(Buffer.compare(inflateRawSync(stored), text.subarray(0, LENGTH))).toBe(0);
    const counts = machine.fabric.counters.read();
    expect(counts.dramRead.dataBytes + counts.dramWrite.dataBytes + counts.rootPorts.dataBytes).toBe(0);

    expect(run(accelerator.decompress(place + LENGTH, length, place, LENGTH))).toBe(LENGTH);
    expect(run(accelerator.checksum(place, LENGTH))).toBe(sum);
  });

  test('says what it cannot do, and does nothing then', () => {
    const { machine, place, accelerator } = setUp(clock);
    const fails = (task: Task<unknown>, status: number) =>
      expect(() => machine.run(task)).toThrow(
        expect.objectContaining({ code: 'NVME_COMMAND', detail: expect.objectContaining({ status }) }),
      );
    fails(accelerator.checksum(2 ** 24 - 4, 8), 0x002);
    fails(accelerator.checksum(0, 0), 0x002);
    fails(accelerator.compress(0, 4096, 2 ** 24, 4096), 0x002);
    fails(accelerator.decompress(place, 4096, place + LENGTH, LENGTH), 0x702);
    expect(machine.run(accelerator.compress(place, 4096, place + LENGTH, 1))).toBe(null);
  });
});

test('an accelerator needs a controller memory buffer', () => {
  expect(() => createAccelerator({ nvme: {}, codec, hasChecksum: true })).toThrow(
    expect.objectContaining({ code: 'DEVICE_OPTIONS' }),
  );
});
