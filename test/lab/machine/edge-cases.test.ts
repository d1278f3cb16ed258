/** Cases of the errors-and-edge-cases list that need a whole machine: drives, drivers, peer memory and the fabric. */
import { describe, expect, test } from 'vitest';
import { DONE, PENDING, PS_PER_S, type Span, STATUS, type Status } from '../../../src/access/index.ts';
import type { NvmeController as Model } from '../../../src/devices/index.ts';
import type { NvmeNamespace } from '../../../src/drivers/index.ts';
import { LabMachine, parseLab } from '../../../src/lab/index.ts';
import { CAPABILITY_ID, CMBMSC, LINK_CONTROL, PMCSR } from '../../../src/spec/index.ts';

function boot(devices: string, head = ''): LabMachine {
  const text = `
peerlane: lab/1
cpu: intel
iommu: off
memory: 1G
${head || 'kernel: 7.2'}
below:
  - switch: sw
    below:
${devices
  .trim()
  .split('\n')
  .map((line) => `      - ${line.trim()}`)
  .join('\n')}
`;
  return LabMachine.boot(parseLab(text, 'test'), { label: 'test' });
}

const TWO_DRIVES = `
{nvme: a, cmb: 16M, namespaces: 64M}
{nvme: b, namespaces: 64M}
`;

function open(machine: LabMachine, name: string): NvmeNamespace {
  return machine.boundAt(machine.member(name)!.bdf)!.nvme!.openNamespace(1);
}

function finish(machine: LabMachine, target: NvmeNamespace, start: () => Status): Status {
  let ended: Status | undefined;
  target.onDone = (_, status) => {
    ended = status;
  };
  const first = start();
  machine.queue.runUntilIdle();
  return first === PENDING ? ended! : first;
}

const model = (machine: LabMachine, name: string): Model => machine.member(name)!.model as Model;
const media = (machine: LabMachine, name: string) => model(machine, name).namespace(1)!.data!;

describe('a drive and peer memory', () => {
  test('EC-140: a refused pair fails the request, and nothing goes out', () => {
    const machine = LabMachine.boot(
      parseLab(
        `
peerlane: lab/1
kernel: 7.2
cpu: intel
iommu: off
memory: 1G
host-bridges:
  - identity: 8086:1234
    below:
      - {nvme: a, cmb: 16M, namespaces: 64M}
      - {nvme: b, namespaces: 64M}
`,
        'test',
      ),
      { label: 'test' },
    );
    const span = machine.p2pdma.allocSpan(machine.member('a')!.bdf, 4096);
    const drive = open(machine, 'b');
    machine.fabric.counters.reset();
    expect(finish(machine, drive, () => drive.read(0, span, 0, 4096, 1))).toBe(STATUS.UNREACHABLE);
    expect(drive.failure(1)?.message).toContain('may not reach');
    const counts = machine.fabric.counters.read();
    expect(counts.links.every(({ up, down }) => up.dataBytes + down.dataBytes === 0)).toBe(true);
  });

  test('EC-147: a transfer above MDTS is split, and all of it arrives', () => {
    const machine = boot(`
      {nvme: a, cmb: 16M, namespaces: 64M}
      {nvme: b, namespaces: 64M, mdts: 1}
    `);
    const length = 2 ** 20;
    const span = machine.p2pdma.allocSpan(machine.member('a')!.bdf, length);
    const [a, b] = [open(machine, 'a'), open(machine, 'b')];
    expect(finish(machine, a, () => a.read(0, span, 0, length, 1))).toBe(DONE);
    const before = model(machine, 'b').counters.writeCommands;
    expect(finish(machine, b, () => b.write(length, span, 0, length, 2))).toBe(DONE);
    expect(media(machine, 'b').firstDifference(length, media(machine, 'a'), 0, length)).toBe(-1);
    expect(model(machine, 'b').counters.writeCommands - before).toBe(length / 8192);
  });

  test('EC-152: submission queues in the CMB take their part of the pool', () => {
    const state = (head?: string) => {
      const machine = boot(TWO_DRIVES, head);
      const { bdf } = machine.member('a')!;
      return machine.machine().functions.find((fn) => fn.bdf === bdf)!.p2pmem!;
    };
    const [withQueues, without] = [state(), state("kernel: 7.2\nmodules: {nvme.use_cmb_sqs: 'N'}")];
    expect(withQueues.sizeBytes).toBe(2 ** 24);
    expect(withQueues.availableBytes).toBeLessThan(2 ** 24);
    expect(without.availableBytes).toBe(2 ** 24);
  });

  test('EC-153: after a reset that clears CMBMSC our driver programs it again, and peers reach the memory as before', () => {
    const machine = boot(TWO_DRIVES);
    const { bdf, platform } = machine.member('a')!;
    const nvme = machine.boundAt(bdf)!.nvme!;
    const span = machine.p2pdma.allocSpan(bdf, 8192);
    expect(machine.run(platform.reset())).toBe(true);
    const cmbmsc = (): number => model(machine, 'a').readRegister(0, CMBMSC.offset, 4) & 3;
    expect(cmbmsc()).toBe(0);
    machine.run(nvme.resetting('its function was reset'));
    expect(cmbmsc()).toBe(3);
    const [a, b] = [open(machine, 'a'), open(machine, 'b')];
    expect(finish(machine, b, () => b.read(0, span, 0, 8192, 1))).toBe(DONE);
    expect(finish(machine, a, () => a.write(65_536, span, 0, 8192, 2))).toBe(DONE);
    expect(media(machine, 'a').firstDifference(65_536, media(machine, 'b'), 0, 8192)).toBe(-1);
  });

  test('EC-155: the registers of a controller from before 1.4 are left alone', () => {
    const machine = boot(`
      {nvme: a, cmb: {size: 16M, legacy: yes}, namespaces: 64M}
      {nvme: b, namespaces: 64M}
    `);
    expect(model(machine, 'a').readRegister(0, CMBMSC.offset, 4)).toBe(0);
    expect(machine.p2pdma.isPublished(machine.member('a')!.bdf)).toBe(true);
    const span = machine.p2pdma.allocSpan(machine.member('a')!.bdf, 4096);
    const b = open(machine, 'b');
    expect(finish(machine, b, () => b.read(0, span, 0, 4096, 1))).toBe(DONE);
  });
});

describe('a provider that is not there', () => {
  function readInto(machine: LabMachine, span: Span): Status {
    const b = open(machine, 'b');
    return finish(machine, b, () => b.write(0, span, 0, 4096, 1));
  }

  test('EC-184: in D3hot its memory does not answer, its client gets an error and the framework is not told', () => {
    const machine = boot(TWO_DRIVES);
    const { bdf, platform } = machine.member('a')!;
    const span = machine.p2pdma.allocSpan(bdf, 4096);
    const pm = platform.config.findCapability(CAPABILITY_ID.POWER_MANAGEMENT);
    platform.config.write16(pm + PMCSR.offset, 3);
    expect(readInto(machine, span)).toBe(STATUS.IO);
    expect(machine.p2pdma.isPublished(bdf)).toBe(true);
    platform.config.write16(pm + PMCSR.offset, 0);
  });

  test('EC-186: when the common port takes its links down, both sides are gone and the framework still holds the memory', () => {
    const machine = boot(TWO_DRIVES);
    const { bdf } = machine.member('a')!;
    const span = machine.p2pdma.allocSpan(bdf, 4096);
    const root = machine.members.find(({ node }) => node.kind === 'root-port')!.platform;
    const express = root.config.findCapability(CAPABILITY_ID.PCI_EXPRESS);
    const b = open(machine, 'b');
    expect(finish(machine, b, () => b.write(0, span, 0, 4096, 1))).toBe(DONE);
    const before = machine.queue.nowPs;
    root.config.write16(express + LINK_CONTROL.offset, 1 << LINK_CONTROL.Link_Disable.low);
    const ended = finish(machine, b, () => b.write(0, span, 0, 4096, 1));
    expect([STATUS.GONE, STATUS.ABORTED, STATUS.IO]).toContain(ended);
    expect(machine.queue.nowPs - before).toBeLessThan(600 * PS_PER_S);
    expect(machine.p2pdma.isPublished(bdf)).toBe(true);
  });
});
