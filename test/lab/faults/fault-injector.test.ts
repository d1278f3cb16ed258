import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compareMedia, LabMachine, labEnds, parseLab, readFault } from '../../../src/lab/index.ts';
import { faultsReport } from '../../../src/lab/workload/fault-report.ts';
import { Copy } from '../../../src/orchestrators/index.ts';
import { NVM_OPCODE } from '../../../src/spec/nvme/index.ts';
import { Guest, GuestDrive } from '../support/guest.ts';

const MACHINE = `peerlane: lab/1
below:
  - switch: sw0
    below:
      - { nvme: nvme0, cmb: 64M, namespaces: 1G }
      - { nvme: nvme1, namespaces: 1G }
`;
const SECOND = 1e12;

/** A machine whose drivers are bound, and a copy through the memory of nvme0. */
function boot(...faults: readonly string[]) {
  const rules = faults.map((fault) => `  - ${fault}\n`).join('');
  return bootText(faults.length === 0 ? MACHINE : `${MACHINE}faults:\n${rules}`);
}

function bootText(text: string) {
  const machine = LabMachine.boot(parseLab(text, 'x'), { label: 'x' });
  const copy = async (from: string, to: string, lengthBytes = 16 * 2 ** 20) => {
    const [source, target] = [from, to].map((name) =>
      machine.boundAt(machine.member(name)!.bdf)!.nvme!.openNamespace(1),
    );
    const { bdf } = machine.member('nvme0')!;
    const result = await new Copy({
      source: source!,
      target: target!,
      span: machine.p2pdma.allocSpan(bdf, 8 * 2 ** 17),
      sourceOffsetBytes: 0,
      targetOffsetBytes: 0,
      lengthBytes,
      chunkBytes: 2 ** 17,
      depth: 8,
      nowNs: () => machine.queue.nowPs / 1000,
    }).run();
    return { result, difference: difference(machine, from, to, lengthBytes) };
  };
  const acted = (): readonly number[] => machine.faults.list().map((entry) => entry.acted);
  return { machine, copy, acted };
}

/** The first byte that differs in what both drives hold; -1: none. */
function difference(machine: LabMachine, from: string, to: string, lengthBytes: number): number {
  const ends = labEnds(machine);
  const range = (name: string) => ({
    end: ends.find(({ label }) => label === `${name}n1`)!,
    offsetBytes: 0,
  });
  // Of a drive that was pulled out nothing is left to look at.
  return ends.length < 2 ? -2 : compareMedia(machine, range(from), range(to), lengthBytes).atBytes;
}

describe('faults of commands in a simulated machine', () => {
  it('a lost completion times out after 30 s, an Abort does not help, and a reset of the controller does', async () => {
    const { machine, copy, acted } = boot('{ device: nvme0, do: drop, opcode: read, skip: 20 }');
    const { result, difference } = await copy('nvme0', 'nvme1');
    expect([result.outcome, difference, acted()]).toEqual(['done', -1, [1]]);
    expect(machine.queue.nowPs).toBeGreaterThanOrEqual(30 * SECOND);
    const report = faultsReport(machine)!;
    expect(report.drivers).toMatchObject([{ device: 'nvme0', resets: 1 }]);
    expect(report.drivers[0]!.anomalies[0]).toMatchObject({ kind: 'timeout' });
  });

  it('a status that passes is tried again, one that stays ends the copy', async () => {
    const once = boot('{ device: nvme0, do: status, status: internal-error, opcode: read }');
    expect(await once.copy('nvme0', 'nvme1')).toMatchObject({ result: { outcome: 'done' }, difference: -1 });
    expect(once.acted()).toEqual([1]);
    const always = boot('{ device: nvme1, do: media, lba: 4096..4103, direction: write }');
    const { result } = await always.copy('nvme0', 'nvme1');
    expect(result.outcome).toBe('failed');
    expect(always.acted()[0]).toBeGreaterThan(0);
  });

  it('a delay is over by itself when it is shorter than the deadline', async () => {
    const { machine, copy } = boot('{ device: nvme0, do: delay, delay: 10s, opcode: read, skip: 5 }');
    expect(await copy('nvme0', 'nvme1')).toMatchObject({ result: { outcome: 'done' }, difference: -1 });
    expect(machine.queue.nowPs).toBeGreaterThanOrEqual(10 * SECOND);
    expect(faultsReport(machine)!.drivers).toEqual([]);
  });

  it.each(['wrong-phase', 'wrong-cid', 'twice', 'fatal'])('%s is survived', async (action) => {
    const { copy, acted } = boot(`{ device: nvme0, do: ${action}, queue: io, skip: 7 }`);
    expect(await copy('nvme0', 'nvme1')).toMatchObject({ result: { outcome: 'done' }, difference: -1 });
    expect(acted()).toEqual([1]);
  });

  it('waits for its time, and is gone when it is taken away', async () => {
    const { machine, copy, acted } = boot(
      '{ device: nvme0, do: drop, queue: io, after: 1s, count: forever }',
      '{ device: nvme0, do: drop, queue: io, skip: 3, count: forever }',
    );
    expect(machine.faults.remove(2)).toBe(true);
    expect(machine.faults.remove(2)).toBe(false);
    expect((await copy('nvme0', 'nvme1')).result.outcome).toBe('done');
    expect(acted()).toEqual([0]);
  });

  it('leaves the machine as it is without faults', async () => {
    const plain = boot();
    await plain.copy('nvme0', 'nvme1');
    const armed = boot('{ device: nvme0, do: drop, skip: 1000000 }');
    await armed.copy('nvme0', 'nvme1');
    expect(armed.machine.fabric.counters.read().links.map(({ up, down }) => [up, down])).toEqual(
      plain.machine.fabric.counters.read().links.map(({ up, down }) => [up, down]),
    );
    expect(faultsReport(plain.machine)).toBe(null);
  });
});

describe('bits that arrive turned', () => {
  // The buffer is nvme0's own memory, so that the other drive's transfers are the ones that cross the bus.
  it.each([
    ['write', 'nvme1', 'nvme0'],
    ['read', 'nvme0', 'nvme1'],
  ])('in DMA that %ss are found by a copy that compares, and by nobody else', async (direction, from, to) => {
    const { copy, acted } = boot(`{ device: nvme1, do: flip, direction: ${direction}, skip: 9, bit: 12 }`);
    const { result, difference } = await copy(from, to);
    expect([result.outcome, difference >= 0, acted()]).toEqual(['done', true, [1]]);
    expect(difference % 4096).toBe(1);
  });

  it('draws the bit from the seed, the same each time', async () => {
    const run = async (): Promise<number> => {
      const { copy } = boot('{ device: nvme1, do: flip, direction: write, probability: 0.5, count: 3 }');
      return (await copy('nvme1', 'nvme0', 2 ** 20)).difference;
    };
    const first = await run();
    expect(first).toBeGreaterThanOrEqual(0);
    expect(await run()).toBe(first);
  });
});

describe('a card as a whole, in a simulated machine', () => {
  it('is pulled out by a command, and the copy ends', async () => {
    const { machine, copy, acted } = boot('{ device: nvme1, do: remove, queue: io, skip: 10 }');
    const bdf = machine.member('nvme1')!.bdf;
    const copying = copy('nvme0', 'nvme1').catch((error: unknown) => error);
    expect(await copying).toMatchObject({ result: { outcome: 'failed' } });
    expect(acted()).toEqual([1]);
    expect(machine.machine().functions.some((fn) => fn.bdf === bdf)).toBe(false);
  });

  it('loses its link, which comes back without the rule', () => {
    const { machine } = boot();
    const { fn } = machine.member('nvme1')!;
    const id = machine.faults.add(readFault({ device: 'nvme1', do: 'link-down' }, machine.lab));
    expect(fn.device.bus.isLinkUp).toBe(false);
    machine.faults.remove(id);
    expect(fn.device.bus.isLinkUp).toBe(true);
  });

  it('loses its memory: a copy through it arrives as all ones or fails', async () => {
    const { machine, copy, acted } = boot('{ device: nvme0, do: cmb-gone, queue: io, skip: 4 }');
    const { result, difference } = await copy('nvme0', 'nvme1');
    expect(result.outcome === 'done' && difference === -1).toBe(false);
    expect(acted()).toEqual([1]);
    expect(machine.member('nvme0')!.fn.faults).toHaveLength(1);
    machine.faults.remove(1);
    expect(machine.member('nvme0')!.fn.faults).toEqual([]);
  });
});

describe('faults of devices that a guest has', () => {
  function served(...faults: readonly string[]) {
    const guest = new Guest(
      faults.length === 0
        ? MACHINE
        : `${MACHINE}faults:\n${faults.map((fault) => `  - ${fault}\n`).join('')}`,
    );
    const drive = new GuestDrive(guest, 'nvme0');
    drive.start();
    const add = (rule: object): number => guest.machine.faults.add(readFault(rule, guest.machine.lab));
    return { guest, drive, add, page: guest.alloc(4096) };
  }

  it('act by the clock of whoever serves, and can be added, listed and taken away', () => {
    const { guest, drive, add, page } = served('{ device: nvme0, do: drop, opcode: read, after: 100s }');
    const acted: number[] = [];
    guest.machine.faults.onActed = (id) => acted.push(id);
    expect(drive.readPage(0, page)).toBe(0);
    guest.run(100 * SECOND);
    expect(drive.readPage(0, page)).toBe(undefined);
    const id = add({ device: 'nvme0', do: 'status', status: 0x281, opcode: 'write' });
    expect(guest.machine.faults.list()).toEqual([
      {
        id: 1,
        rule: { device: 'nvme0', do: 'drop', queue: 'io', opcode: '0x02', after: '100s' },
        acted: 1,
      },
      {
        id,
        rule: { device: 'nvme0', do: 'status', queue: 'io', opcode: '0x01', status: '0x281' },
        acted: 0,
      },
    ]);
    expect(drive.writePage(0, page)).toBe(0x281);
    expect(acted).toEqual([1, 2]);
    guest.machine.faults.remove(id);
    expect(drive.writePage(0, page)).toBe(0);
  });

  it('a delayed command ends when its time has passed, not before', () => {
    const { guest, drive, add, page } = served();
    add({ device: 'nvme0', do: 'delay', delay: '5s', opcode: 'read' });
    drive.submit(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: page, cdw10: 0, cdw12: 7 });
    guest.run(4.9 * SECOND);
    expect(drive.reap(1)).toBe(undefined);
    guest.run(0.2 * SECOND);
    expect(drive.reap(1)).toBe(0);
  });

  it('a card that is pulled out reads all ones and sends nothing, and is as just switched on when it is back', () => {
    const { guest, drive, add, page } = served();
    const id = add({ device: 'nvme0', do: 'remove', after: '2s' });
    guest.run(1 * SECOND);
    expect(drive.isReady).toBe(true);
    guest.run(1 * SECOND);
    expect(drive.endpoint.fn.isGone).toBe(true);
    expect(drive.read(0x1c)).toBe(0xffff_ffff);
    guest.machine.faults.remove(id);
    expect(drive.endpoint.fn.isGone).toBe(false);
    expect(drive.isReady).toBe(false);
    drive.start();
    expect(drive.readPage(0, page)).toBe(0);
  });

  it('by a command: it is the one that starts it, and it never completes', () => {
    const { guest, drive, add, page } = served();
    add({ device: 'nvme0', do: 'link-down', opcode: 'read', skip: 1 });
    expect(drive.readPage(0, page)).toBe(0);
    drive.readPage(0, page);
    expect(drive.endpoint.fn.isGone).toBe(true);
    expect(guest.machine.faults.list()[0]!.acted).toBe(1);
  });

  it('a memory that is gone answers no peer and no access by register, and comes back', () => {
    const { guest, drive, add, page } = served();
    const peer = new GuestDrive(guest, 'nvme1');
    peer.start();
    const cmb = drive.openCmb();
    const id = add({ device: 'nvme0', do: 'cmb-gone' });
    expect(peer.writePage(0, cmb)).not.toBe(0);
    guest.machine.faults.remove(id);
    expect(peer.writePage(0, cmb)).toBe(0);
    expect(drive.readPage(0, page)).toBe(0);
  });

  it('bits turn in what is read from and written to the guest, and a watcher sees them so', () => {
    const { guest, drive, add, page } = served();
    const seen: string[] = [];
    guest.machine.faults.watchDma(drive.endpoint.fn, {
      onWrite: (_addr, local, offset, lengthBytes, traffic) => {
        if (traffic === 0) {
          seen.push(`write ${lengthBytes} ${local.getValue(offset, 1)}`);
        }
        return null;
      },
      onRead: (_addr, local, offset, lengthBytes, traffic) => {
        if (traffic === 0) {
          seen.push(`read ${lengthBytes} ${local.getValue(offset, 1)}`);
        }
      },
    });
    guest.bytes(page, 4096).fill(0);
    add({ device: 'nvme0', do: 'flip', direction: 'read', bit: 3 });
    expect(drive.writePage(0, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(0);
    expect(drive.readPage(0, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(8);
    add({ device: 'nvme0', do: 'flip', direction: 'write', bit: 0 });
    expect(drive.readPage(0, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(9);
    expect(drive.readPage(0, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(8);
    expect(seen).toEqual(['read 4096 8', 'write 4096 8', 'write 4096 9', 'write 4096 8']);
    guest.machine.faults.watchDma(drive.endpoint.fn, null);
    guest.machine.faults.remove(1);
    guest.machine.faults.remove(2);
    expect(drive.endpoint.fn.dmaWatcher).toBe(null);
  });
});

it('the example: a timeout, a reset and a second try one way, a turned bit the other', async () => {
  const text = readFileSync(new URL('../../../examples/faults.yaml', import.meta.url), 'utf8');
  const there = bootText(text);
  const went = await there.copy('nvme0', 'nvme1', 64 * 2 ** 20);
  expect([went.result.outcome, went.difference, there.acted()]).toEqual(['done', -1, [1, 1, 0]]);
  expect(faultsReport(there.machine)!.drivers).toMatchObject([{ device: 'nvme0', resets: 1 }]);
  const back = bootText(text);
  const came = await back.copy('nvme1', 'nvme0', 64 * 2 ** 20);
  expect([came.result.outcome, came.difference >= 0, back.acted()]).toEqual(['done', true, [0, 0, 1]]);
});
