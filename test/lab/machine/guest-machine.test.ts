import { describe, expect, it } from 'vitest';
import { Memory, PENDING, type RemoteMemory } from '../../../src/fabric/index.ts';
import { Guest, GuestDrive } from '../support/guest.ts';

const DRIVE = 'namespaces: 64M';
const PAIR = `
peerlane: lab/1
below:
  - switch: sw0
    below:
      - { nvme: nvme0, cmb: 4M, ${DRIVE} }
      - { nvme: nvme1, ${DRIVE} }
`;
const APART = (peers: string): string => `
peerlane: lab/1
host-bridges:
  - peers: ${peers}
    below:
      - { nvme: nvme0, cmb: 4M, ${DRIVE} }
      - { nvme: nvme1, ${DRIVE} }
`;

/** nvme0 and nvme1, started, and where the CMB of nvme0 is. */
function pair(text = PAIR, options: ConstructorParameters<typeof Guest>[1] = {}) {
  const guest = new Guest(text, options);
  const [nvme0, nvme1] = ['nvme0', 'nvme1'].map((name) => new GuestDrive(guest, name)) as [
    GuestDrive,
    GuestDrive,
  ];
  nvme0.start();
  nvme1.start();
  const cmb = nvme0.openCmb();
  return { guest, nvme0, nvme1, cmb };
}

describe('a guest', () => {
  it('sees every endpoint, not bridges and VMDs, in the order of the file', () => {
    const guest = new Guest(`
peerlane: lab/1
below:
  - root-port: rp0
    below: [{ gpu: gpu0 }]
  - vmd: vmd0
    below: [{ nvme: inner, ${DRIVE} }]
  - { nic: [nic0, nic1] }
`);
    expect(guest.machine.endpoints.map(({ name, model }) => [name, model.name])).toEqual([
      ['gpu0', 'gpu0'],
      ['inner', 'inner'],
      ['nic0', 'nic0'],
      ['nic1', 'nic1'],
    ]);
  });

  it('finds a drive as from power on, sizes its BARs, and reads and writes through its own memory', () => {
    const guest = new Guest(PAIR);
    const { fn } = guest.endpoint('nvme0');
    expect(fn.config.read(0x04, 2)).toBe(0);
    expect(fn.config.bars.map(({ index }) => fn.config.barAddress(index))).toEqual([0, 0]);
    const drive = new GuestDrive(guest, 'nvme0');
    drive.start();
    expect(drive.isReady).toBe(true);
    const page = guest.alloc(4096);
    guest.bytes(page, 4096).fill(0x5a);
    expect(drive.writePage(8, page)).toBe(0);
    guest.bytes(page, 4096).fill(0);
    expect(drive.readPage(8, page)).toBe(0);
    expect([...guest.bytes(page, 4096)].every((byte) => byte === 0x5a)).toBe(true);
    const counts = guest.machine.fabric.counters.read();
    expect([counts.dramRead.dataBytes, counts.dramWrite.dataBytes]).toEqual([4096, 4096]);
  });

  it('gets interrupts as vectors that config space enables', () => {
    const guest = new Guest(PAIR);
    const drive = new GuestDrive(guest, 'nvme1');
    drive.start();
    expect(guest.interrupts).toEqual(['nvme1 msi-x 0', 'nvme1 msi-x 0']);
    drive.readPage(0, guest.alloc(4096));
    expect(guest.interrupts.at(-1)).toBe('nvme1 msi-x 1');
  });
});

describe('DMA between two devices of a guest', () => {
  it('goes through the CMB below one switch, and not one byte of data crosses memory or the root port', () => {
    const { guest, nvme0, nvme1, cmb } = pair();
    const page = guest.alloc(4096);
    expect(nvme0.readPage(16, page)).toBe(0);
    const wanted = guest.bytes(page, 4096).slice();
    guest.machine.fabric.counters.reset();
    expect(nvme0.readPage(16, cmb + 8192)).toBe(0);
    expect(nvme1.writePage(24, cmb + 8192)).toBe(0);
    const counts = guest.machine.fabric.counters.read();
    expect(counts.dramRead.dataBytes + counts.dramWrite.dataBytes).toBe(0);
    expect(counts.rootPorts.dataBytes).toBe(0);
    expect(counts.links.reduce((sum, { up, down }) => sum + up.dataBytes + down.dataBytes, 0)).toBe(8192);
    guest.bytes(page, 4096).fill(0);
    expect(nvme1.readPage(24, page)).toBe(0);
    expect(guest.bytes(page, 4096)).toEqual(wanted);
  });

  it('crosses root ports as `peers` says', () => {
    const { guest, nvme1, cmb } = pair(APART('routes'));
    expect(nvme1.writePage(0, cmb)).toBe(0);
    expect(guest.machine.fabric.counters.read().dramRead.dataBytes).toBe(0);
    const refused = pair(APART('none'));
    expect(refused.nvme1.writePage(0, refused.cmb)).not.toBe(0);
  });

  it('follows a BAR that moves, and ends where decoding is off', () => {
    const { guest, nvme0, nvme1, cmb } = pair();
    expect(nvme1.writePage(0, cmb)).toBe(0);
    guest.configWrite(nvme0.endpoint, 0x04, 2, 0x0404);
    expect(nvme1.writePage(0, cmb)).not.toBe(0);
    guest.enumerate(nvme0.endpoint);
    const moved = nvme0.openCmb();
    expect(moved).not.toBe(cmb);
    expect(nvme1.writePage(0, moved)).toBe(0);
    expect(nvme1.writePage(0, cmb)).not.toBe(0);
  });

  it('makes windows only when a BAR has moved', () => {
    const { guest, nvme0 } = pair();
    const { epoch } = guest.machine.fabric;
    guest.machine.configWritten(nvme0.endpoint);
    expect(guest.machine.fabric.epoch).toBe(epoch);
  });
});

describe('memory that the guest has and does not share', () => {
  it('is asked for by message, for data and for what lies between our own BARs', () => {
    const asked: string[] = [];
    const away = Memory.flat(1 << 20);
    const waiting: (() => void)[] = [];
    const remote: RemoteMemory = {
      reaches: () => true,
      read(fn, addr, local, localOffset, lengthBytes, sink, token) {
        asked.push(`read ${fn.model!.name} ${addr.toString(16)}/${lengthBytes}`);
        waiting.push(() => {
          away.copyTo(addr % 4096, local, localOffset, lengthBytes);
          sink.onRemote(token, 0);
        });
        return PENDING;
      },
      write(fn, addr, local, localOffset, lengthBytes, sink, token) {
        asked.push(`write ${fn.model!.name} ${addr.toString(16)}/${lengthBytes}`);
        local.copyTo(localOffset, away, addr % 4096, lengthBytes);
        waiting.push(() => sink.onRemote(token, 0));
        return PENDING;
      },
    };
    const { guest, nvme0, nvme1 } = pair(PAIR, { remote });
    const addr = 0x90_0000_0000;
    nvme0.submit(1, { opcode: 2, nsid: 1, prp1: addr, cdw10: 0, cdw12: 7 });
    guest.run();
    expect(nvme0.reap(1)).toBe(undefined);
    expect(asked).toEqual(['write nvme0 9000000000/4096']);
    waiting.shift()!();
    guest.run();
    expect(nvme0.reap(1)).toBe(0);
    nvme1.submit(1, { opcode: 1, nsid: 1, prp1: addr, cdw10: 8, cdw12: 7 });
    guest.run();
    waiting.shift()!();
    guest.run();
    expect(nvme1.reap(1)).toBe(0);
    const page = guest.alloc(4096);
    nvme1.readPage(8, page);
    expect(guest.bytes(page, 4096)).toEqual(away.flat!.subarray(0, 4096));
  });
});

describe('memory of BARs that the guest may map', () => {
  it('is the one that was shared: what the guest stores there the drive has', () => {
    const made = new Map<string, Memory>();
    const { guest, nvme0, nvme1, cmb } = pair(PAIR, {
      shareMemory: (name, sizeBytes) => {
        const memory = Memory.flat(sizeBytes);
        made.set(name, memory);
        return memory;
      },
    });
    expect([...made].map(([name, { sizeBytes }]) => [name, sizeBytes])).toEqual([['nvme0-cmb', 4 << 20]]);
    expect(nvme0.endpoint.mappable).toEqual([
      {
        bar: 2,
        offsetBytes: 0,
        lengthBytes: 4 << 20,
        memory: made.get('nvme0-cmb'),
        memoryOffset: 0,
      },
    ]);
    expect(nvme1.endpoint.mappable).toEqual([]);
    made.get('nvme0-cmb')!.fill(4096, 4096, 0x77);
    expect(nvme1.writePage(0, cmb + 4096)).toBe(0);
    const page = guest.alloc(4096);
    nvme1.readPage(0, page);
    expect(guest.bytes(page, 1)[0]).toBe(0x77);
  });

  it('leaves out the pages where interrupt tables lie over it, and what is no whole page', () => {
    const guest = new Guest(
      `
peerlane: lab/1
below:
  - memory: card0
    bars: { 0: { size: 64K, prefetchable: no }, 2: 1M, 4: 1K }
`,
      { shareMemory: (_, sizeBytes) => Memory.flat(sizeBytes) },
    );
    expect(
      guest
        .endpoint('card0')
        .mappable.map(({ bar, offsetBytes, lengthBytes, memoryOffset }) => [
          bar,
          offsetBytes,
          lengthBytes,
          memoryOffset,
        ]),
    ).toEqual([
      [0, 0, 0x2000, 0],
      [0, 0x4000, 0xc000, 0x4000],
      [2, 0, 1 << 20, 0],
    ]);
  });
});

describe('resets', () => {
  it('an FLR by config write stops the controller, and the guest starts it again', () => {
    const { guest, nvme0 } = pair();
    const page = guest.alloc(4096);
    guest.bytes(page, 4096).fill(0x31);
    expect(nvme0.writePage(40, page)).toBe(0);
    nvme0.submit(1, { opcode: 2, nsid: 1, prp1: page, cdw10: 0, cdw12: 7 });
    const { express } = nvme0.endpoint.fn.config.offsets;
    guest.configWrite(nvme0.endpoint, express + 8, 2, 0x800f);
    guest.run();
    expect(nvme0.reap(1)).toBe(undefined);
    expect(nvme0.isReady).toBe(false);
    expect(nvme0.endpoint.fn.state.bars).toEqual([]);
    nvme0.start();
    guest.bytes(page, 4096).fill(0);
    expect(nvme0.readPage(40, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(0x31);
  });

  it('a reset of the machine puts registers back, closes the CMB, and keeps the media', () => {
    const { guest, nvme0, nvme1, cmb } = pair();
    const page = guest.alloc(4096);
    guest.bytes(page, 4096).fill(0x32);
    expect(nvme0.writePage(48, page)).toBe(0);
    guest.machine.powerReset(nvme0.endpoint);
    expect(nvme0.endpoint.fn.config.read(0x04, 2)).toBe(0);
    expect(nvme1.writePage(0, cmb)).not.toBe(0);
    nvme0.start();
    guest.bytes(page, 4096).fill(0);
    expect(nvme0.readPage(48, page)).toBe(0);
    expect(guest.bytes(page, 1)[0]).toBe(0x32);
  });

  it('a drive that is pulled out reads all ones until it is put back', () => {
    const { guest, nvme0, nvme1, cmb } = pair();
    expect(guest.machine.setAbsent('nvme9', true)).toBe(false);
    expect(guest.machine.setAbsent('nvme0', true)).toBe(true);
    expect(nvme0.read(0x1c)).toBe(0xffff_ffff);
    nvme0.write(0x14, 0);
    expect(nvme1.writePage(0, cmb)).not.toBe(0);
    guest.machine.setAbsent('nvme0', false);
    nvme0.start();
    expect(nvme0.readPage(0, guest.alloc(4096))).toBe(0);
  });
});
