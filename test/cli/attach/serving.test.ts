// The thread's part in this thread: a client does what a guest's driver would, and what is logged, counted and broken is looked at.
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogLevel } from '../../../src/cli/attach/log/levels.ts';
import type { ServerEvent, ServeSetup } from '../../../src/cli/attach/messages.ts';
import { Serving } from '../../../src/cli/attach/serving.ts';
import type { ServerStatus } from '../../../src/cli/attach/status.ts';
import { SharedMemory } from '../../../src/host/index.ts';
import { ACQ, AQA, ASQ, CC, CSTS, doorbellOffset } from '../../../src/spec/nvme/index.ts';
import { VFIO_REGION } from '../../../src/spec/vfio-user/index.ts';
import { TestClient } from '../../serve/support/client.ts';
import { hasFfi } from '../../support/ffi.ts';

const LAB = `
peerlane: lab/1
memory: 2G
below:
  - switch: sw0
    below:
      - {nvme: nvme0, cmb: 2M, namespaces: 16M}
      - {nvme: nvme1, namespaces: {size: 16M, image: disk.img}}
      - {memory: card0, bars: {0: 1M}}
`;
const GUEST_BYTES = 1 << 20;
const CMB_BAR = 0xe000_0000;
const REGISTERS_BAR = { nvme0: 0xe800_0000, nvme1: 0xe810_0000 } as const;

let folder: string;
let serving: Serving;
let events: ServerEvent[];
let nowNs: number;
let guest: SharedMemory;

function start(logs: readonly LogLevel[], setup: Partial<ServeSetup> = {}): void {
  serving = new Serving(
    {
      labPath: join(folder, 'lab.yaml'),
      labText: LAB,
      sockets: new Map(['nvme0', 'nvme1', 'card0'].map((name) => [name, join(folder, `${name}.sock`)])),
      isTrapped: false,
      writesImages: false,
      logs,
      logFd: null,
      ...setup,
    },
    {
      nowNs: () => {
        nowNs += 1000;
        return nowNs;
      },
      post: (more) => events.push(...more),
    },
  );
}

function connect(name: string): TestClient {
  const client = new TestClient(join(folder, `${name}.sock`), () => serving.step(0));
  client.version();
  client.map(0, GUEST_BYTES, 0, guest.fd);
  return client;
}

const bytes16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);
const admin = (name: 'nvme0' | 'nvme1') => ({
  sq: name === 'nvme0' ? 0x1000 : 0x3000,
  cq: name === 'nvme0' ? 0x2000 : 0x4000,
});

/** As a guest's firmware and driver: BARs, decoding, and the controller enabled. */
function enable(client: TestClient, name: 'nvme0' | 'nvme1'): void {
  client.write32(VFIO_REGION.CONFIG, 0x10, REGISTERS_BAR[name]);
  if (name === 'nvme0') {
    client.write32(VFIO_REGION.CONFIG, 0x18, CMB_BAR);
  }
  client.write(VFIO_REGION.CONFIG, 0x04, bytes16(0x0406));
  client.write32(0, AQA.offset, 0x0007_0007);
  client.write32(0, ASQ.offset, admin(name).sq);
  client.write32(0, ASQ.offset + 4, 0);
  client.write32(0, ACQ.offset, admin(name).cq);
  client.write32(0, ACQ.offset + 4, 0);
  client.write32(0, CC.offset, 0x0046_0001);
  for (let turns = 0; turns < 100 && (client.read32(0, CSTS.offset) & 1) === 0; turns++) {
    serving.step(0);
  }
  expect(client.read32(0, CSTS.offset) & 1).toBe(1);
}

let tail: number;
/** One admin command. @returns the status of its completion, with the phase; undefined when none came */
function command(client: TestClient, name: 'nvme0' | 'nvme1', words: readonly number[]): number | undefined {
  const view = new DataView(guest.bytes.buffer, guest.bytes.byteOffset);
  const { sq, cq } = admin(name);
  for (let i = 0; i < 16; i++) {
    view.setUint32(sq + tail * 64 + 4 * i, words[i] ?? 0, true);
  }
  const entry = cq + tail * 16;
  tail++;
  client.write32(0, doorbellOffset(0, 'sq', 0), tail);
  for (let turns = 0; turns < 50; turns++) {
    serving.step(0);
    if ((view.getUint16(entry + 14, true) & 1) === 1) {
      return view.getUint16(entry + 14, true);
    }
  }
  return undefined;
}

const identify = (target: number): number[] => [(9 << 16) | 0x06, 0, 0, 0, 0, 0, target, 0, 0, 0, 1];
const logged = (): string[] => {
  serving.step(0);
  return events.flatMap((event) => (event.event === 'log' ? [event.line] : []));
};

describe.skipIf(!hasFfi())('devices that are served', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'peerlane-serving-'));
    writeFileSync(join(folder, 'disk.img'), new Uint8Array(16 << 20));
    events = [];
    nowNs = 0;
    tail = 0;
    guest = new SharedMemory('guest', GUEST_BYTES);
  });
  afterEach(() => {
    serving.close();
    guest.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('keep memory to themselves that is too large to be shown as a whole', () => {
    start([], {
      labText: 'peerlane: lab/1\nmemory: 2G\nbelow: [{memory: card0, bars: {0: 1M, 2: 4G}}]',
      sockets: new Map([['card0', join(folder, 'card0.sock')]]),
    });
    const client = connect('card0');
    const canBeMapped = (bar: number): boolean => {
      const { payload } = client.regionInfo(bar);
      return (new DataView(payload.buffer, payload.byteOffset).getUint32(4, true) & 4) !== 0;
    };
    expect([canBeMapped(0), canBeMapped(2)]).toEqual([true, false]);
    client.write32(2, 2 ** 32 - 4, 0x1234_5678);
    expect(client.read32(2, 2 ** 32 - 4)).toBe(0x1234_5678);
  });

  it('say once that the disk for their log is full, and at the end how much is missing', () => {
    const full = openSync('/dev/full', 'w');
    start(['registers'], { logFd: full });
    const client = connect('nvme0');
    enable(client, 'nvme0');
    serving.step(0);
    const lost = () => events.flatMap((event) => (event.event === 'lost' ? [event.lines] : []));
    expect(lost()).toHaveLength(1);
    expect(lost()[0]).toBeGreaterThan(0);
    serving.close();
    expect(lost()).toHaveLength(2);
    expect(events.some(({ event }) => event === 'log')).toBe(false);
    closeSync(full);
    start([]);
  });

  it('log registers and config space by name', () => {
    start(['registers']);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    const lines = logged();
    expect(lines).toContain('nvme0 write CC = 0x00460001 EN=1 IOSQES=6 IOCQES=4');
    expect(lines).toContain('nvme0 write AQA = 0x00070007 ASQS=7 ACQS=7');
    expect(lines).toContain('nvme0 write ASQ[31:0] = 0x00001000');
    expect(lines).toContain('nvme0 read CSTS = 0x00000001 RDY=1');
    expect(lines).toContain(
      'nvme0 config Command = 0x0406 Memory_Space_Enable=1 Bus_Master_Enable=1 Interrupt_Disable=1',
    );
    expect(lines.find((line) => line.startsWith('nvme0 config Base Address 0 = '))).toContain('e800000');
  });

  it('log commands, their DMA and where that went', () => {
    start(['commands', 'dma']);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    expect(command(client, 'nvme0', identify(0x8000))).toBe(1);
    const lines = logged();
    expect(lines).toContain('nvme0 dma read 64 bytes (control) <- guest 0x1000');
    expect(lines).toContain('nvme0 dma write 4096 bytes -> guest 0x8000');
    expect(lines.find((line) => line.includes(' cid 9 '))).toMatch(
      /^nvme0 SQ0 cid 9 IDENTIFY cns 1 -> guest 0x8000: SUCCESS in \d+ us$/,
    );
  });

  it('reach each other without a message, by the switch that the lab has', () => {
    start(['dma']);
    const first = connect('nvme0');
    enable(first, 'nvme0');
    // What a host does to see the buffer: CMBMSC.CRE, its address, CMBMSC.CMSE.
    first.write32(0, 0x50, CMB_BAR | 3);
    first.write32(0, 0x54, 0);
    tail = 0;
    const second = connect('nvme1');
    enable(second, 'nvme1');
    expect(command(second, 'nvme1', identify(CMB_BAR + 0x1000))).toBe(1);
    expect(logged()).toContain('nvme1 dma write 4096 bytes -> nvme0 BAR2+0x1000 through sw0');
    const { devices, links } = serving.counters();
    expect(devices.find(({ name }) => name === 'nvme1')).toMatchObject({
      isConnected: true,
      commands: 1,
      peers: { written: { dataBytes: 4096 }, read: { dataBytes: 0 } },
      guestMemory: { written: { dataBytes: 0, controlBytes: 16 }, read: { dataBytes: 0, controlBytes: 64 } },
      messages: { written: { dataBytes: 0 }, read: { dataBytes: 0 } },
    });
    const link = (name: string) => links.find(({ to }) => to === name)!;
    expect(link('nvme0').down.dataBytes).toBe(4096);
    expect(link('nvme1').up.dataBytes).toBe(4096);
    expect(link('sw0').up.dataBytes + link('sw0').down.dataBytes).toBe(0);
    // The byte in the buffer, as the guest's processor sees it: the controller's type of VID, SSVID.
    expect(first.read(2, 0x1000, 4)).not.toEqual(new Uint8Array(4));
  });

  it('say nothing of what nobody asked for, and begin and stop while they are served', () => {
    start([]);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    expect(logged()).toEqual([]);
    expect(serving.handle({ do: 'log', levels: ['registers', 'commands', 'dma'] })).toEqual({
      logs: ['registers', 'commands', 'dma'],
    });
    command(client, 'nvme0', identify(0x8000));
    expect(logged().length).toBeGreaterThan(3);
    serving.handle({ do: 'log', levels: [] });
    events.length = 0;
    command(client, 'nvme0', identify(0x8000));
    expect(logged()).toEqual([]);
  });

  it('do what fault rules say, and tell how often', () => {
    start([]);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    const rule = { device: 'nvme0', do: 'status', opcode: 'identify', status: 'internal-error', count: 1 };
    expect(serving.handle({ do: 'fault-add', rule })).toEqual({ id: 1 });
    // Status in bits 15:1, and the phase.
    expect((command(client, 'nvme0', identify(0x8000))! >> 1) & 0x7ff).toBe(0x006);
    expect(command(client, 'nvme0', identify(0x8000))).toBe(1);
    expect(serving.handle({ do: 'fault-list' })).toMatchObject({ faults: [{ id: 1, acted: 1 }] });
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'fault', fault: 1, text: 'nvme0 status' }),
    );
    serving.handle({ do: 'fault-remove', fault: 1 });
    expect(() => serving.handle({ do: 'fault-remove', fault: 1 })).toThrow(
      expect.objectContaining({ code: 'USAGE_FAULT' }),
    );
    expect(() => serving.handle({ do: 'fault-add', rule: { device: 'nvme9', do: 'drop' } })).toThrow(
      expect.objectContaining({ code: 'LAB_REFERENCE' }),
    );
  });

  it('read all ones while they are ejected, and are as switched on when they are restored', () => {
    start([]);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    serving.handle({ do: 'eject', device: 'nvme0' });
    expect(client.read32(VFIO_REGION.CONFIG, 0)).toBe(0xffff_ffff);
    expect(client.read32(0, CSTS.offset)).toBe(0xffff_ffff);
    expect((serving.handle({ do: 'status' }) as ServerStatus).devices[0]).toMatchObject({
      name: 'nvme0',
      isConnected: true,
      isEjected: true,
      bars: [],
    });
    serving.handle({ do: 'restore', device: 'nvme0' });
    expect(client.read32(VFIO_REGION.CONFIG, 0)).not.toBe(0xffff_ffff);
    expect(client.read32(0, CSTS.offset)).toBe(0);
    expect(() => serving.handle({ do: 'eject', device: 'sw0' })).toThrow(
      expect.objectContaining({ code: 'USAGE_DEVICE' }),
    );
  });

  it('tell of guests that come and go, and are as from power on for the next', () => {
    start([]);
    const client = connect('nvme0');
    enable(client, 'nvme0');
    client.close();
    for (let turns = 0; turns < 10; turns++) {
      serving.step(0);
    }
    expect(events).toMatchObject([
      { event: 'connected', device: 'nvme0' },
      { event: 'disconnected', device: 'nvme0', why: 'closed' },
    ]);
    const next = connect('nvme0');
    expect(next.read32(0, CC.offset)).toBe(0);
    expect(next.read32(VFIO_REGION.CONFIG, 0x10) & ~0xf).toBe(0);
  });

  it('drop lines that nobody takes, count them, and serve on', () => {
    start(['registers']);
    const client = connect('nvme0');
    for (let i = 0; i < 21_000; i++) {
      client.post32(0, CC.offset, 0);
    }
    expect(client.read32(0, CSTS.offset)).toBe(0);
    const count = events.length;
    expect(count).toBeLessThan(21_000);
    serving.taken(count);
    expect(client.read32(0, CSTS.offset)).toBe(0);
    serving.step(0);
    expect(events.slice(count)[0]).toMatchObject({ event: 'lost' });
    expect((events[count] as { lines: number }).lines).toBeGreaterThan(900);
  });

  it('leave no sockets, and images as they were unless they are to be written', () => {
    start([]);
    expect(existsSync(join(folder, 'nvme1.sock'))).toBe(true);
    serving.close();
    for (const name of ['nvme0', 'nvme1', 'card0']) {
      expect(existsSync(join(folder, `${name}.sock`))).toBe(false);
    }
    expect(readFileSync(join(folder, 'disk.img')).every((byte) => byte === 0)).toBe(true);
    start([]);
  });

  it('trap everything when they are told to: nothing can be mapped', () => {
    start([], { isTrapped: true });
    const mapped = (name: string, region: number): boolean => {
      const client = new TestClient(join(folder, `${name}.sock`), () => serving.step(0));
      client.version();
      const { view, fds } = client.regionInfo(region);
      client.close();
      return (view.getUint32(4, true) & 4) !== 0 || fds.length > 0;
    };
    expect([mapped('nvme0', 2), mapped('card0', 0)]).toEqual([false, false]);
    serving.close();
    start([]);
    expect([mapped('nvme0', 2), mapped('card0', 0)]).toEqual([true, true]);
  });
});
