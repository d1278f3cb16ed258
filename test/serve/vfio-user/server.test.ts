import { closeSync, openSync, statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { EndReason, ServeListener } from '../../../src/serve/index.ts';
import { REGION_INFO_SIZE, VFIO_REGION, VFIO_USER_COMMAND } from '../../../src/spec/vfio-user/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { ServeBench } from '../support/bench.ts';
import { accessPayload, bytes32, message, versionPayload, writePayload } from '../support/client.ts';

const { CONFIG } = VFIO_REGION;
const EINVAL = 22;
const ENOSYS = 38;

describe.skipIf(!hasFfi())('the vfio-user server', () => {
  let bench: ServeBench;
  afterEach(() => bench.close());

  /** Ended connections: reason of each. */
  function ends(): { readonly listener: ServeListener; readonly reasons: EndReason[]; turnedAway: number } {
    const heard = { reasons: [] as EndReason[], turnedAway: 0 };
    const listener: ServeListener = {
      onDisconnect: (_, reason) => heard.reasons.push(reason),
      onTurnedAway: () => heard.turnedAway++,
    };
    return Object.assign(heard, { listener });
  }

  it('shows what a device is', () => {
    bench = new ServeBench();
    const client = bench.connect();
    expect(client.version().errno).toBe(0);
    expect([...client.deviceInfo().payload]).toEqual([16, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0]);
    const sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) =>
      REGION_INFO_SIZE.value(client.regionInfo(index).view),
    );
    expect(sizes).toEqual([1 << 20, 0, 0x1_0000, 0, 0, 0, 0, 4096, 0]);
    const vectors = [0, 1, 2, 3, 4].map((index) => client.irqInfo(index).view.getUint32(12, true));
    expect(vectors).toEqual([1, 4, 4, 0, 0]);
    expect(client.irqInfo(0).view.getUint32(4, true)).toBe(7);
    expect(client.irqInfo(2).view.getUint32(4, true)).toBe(1);
  });

  it('reads config space at any offset and length, and hears of writes', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    expect(client.read32(CONFIG, 0)).toBe(0x1000_1de5);
    expect([...client.read(CONFIG, 1, 3)]).toEqual([0x1d, 0x00, 0x10]);
    const { fn } = bench.devices[0]!;
    expect(client.read(CONFIG, 0, 4096)).toEqual(fn.config.bytes.slice());
    // BAR sizing, as firmware does it.
    client.write32(CONFIG, 0x10, 0xffff_ffff);
    expect(client.read32(CONFIG, 0x10)).toBe(0xfff0_000c);
    // Bytes that do not begin at a dword.
    client.write(CONFIG, 0x11, Uint8Array.of(0, 0, 0x70));
    expect(client.read32(CONFIG, 0x10)).toBe(0x7000_000c);
    expect(bench.devices[0]!.configWrites).toBe(2);
  });

  it('carries out accesses to registers and memory of BARs, in order, answered or not', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const { model } = bench.devices[0]!;
    for (let i = 0; i < 100; i++) {
      client.post32(2, 0x10, i);
    }
    expect(client.read32(2, 0x10)).toBe(99);
    expect(model.log).toEqual([
      ...Array.from({ length: 100 }, (_, i) => `write 10/4=${i.toString(16)}`),
      'read 10/4',
    ]);
    client.write(0, 0x12345, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
    expect([...client.read(0, 0x12344, 11)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
    expect(client.read(0, 0, 1 << 20).length).toBe(1 << 20);
  });

  it('takes many writes in one message', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const payload = new Uint8Array(8 + 3 * 24);
    payload[0] = 3;
    for (let i = 0; i < 3; i++) {
      payload.set(writePayload(2, 0x20 + 4 * i, bytes32(i + 7)), 8 + 24 * i);
    }
    client.send(VFIO_USER_COMMAND.REGION_WRITE_MULTI, payload, [], 0x10);
    expect([client.read32(2, 0x20), client.read32(2, 0x24), client.read32(2, 0x28)]).toEqual([7, 8, 9]);
  });

  it('answers a register access before the machine does any work', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const order: string[] = [];
    const { model } = bench.devices[0]!;
    model.writeRegister = () => {
      bench.queue.after(0, { onEvent: () => order.push(client.pump() ? 'answered' : 'not answered') }, 0, 0);
    };
    client.write32(2, 0, 1);
    expect(order).toEqual(['answered']);
  });

  it('works for as long as it is given time, and waits no longer than for the next deadline', () => {
    bench = new ServeBench();
    const fired: number[] = [];
    bench.queue.timer(5e9, { onEvent: () => fired.push(bench.queue.nowPs) }, 0, 0);
    bench.server.step(0);
    expect(fired).toEqual([]);
    bench.nowPs = 6e9;
    // Would wait for ever, if the deadline were not looked at.
    bench.server.step(-1);
    expect(fired).toEqual([5e9]);
    bench.server.wake();
    expect(bench.server.step(-1)).toBe(true);
    expect(bench.server.step(0)).toBe(false);
  });

  it('refuses what is not there, and goes on', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const refused = (command: number, payload: Uint8Array): number => client.request(command, payload).errno;
    expect(refused(VFIO_USER_COMMAND.REGION_READ, accessPayload(CONFIG, 4094, 4))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_READ, accessPayload(CONFIG, 2n ** 64n - 4n, 4))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_READ, accessPayload(1, 0, 4))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_READ, accessPayload(9, 0, 4))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_READ, accessPayload(0, 0, 0xffff_ffff))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_READ, new Uint8Array(15))).toBe(EINVAL);
    expect(refused(VFIO_USER_COMMAND.REGION_WRITE, accessPayload(2, 0, 4))).toBe(EINVAL);
    expect(client.deviceInfo(15).errno).toBe(EINVAL);
    expect(client.regionInfo(9).errno).toBe(EINVAL);
    expect(client.irqInfo(5).errno).toBe(EINVAL);
    for (const command of [0, 6, 14, 16, 17, 18, 99, 0xffff]) {
      expect(refused(command, new Uint8Array(64)), `command ${command}`).toBe(ENOSYS);
    }
    expect(client.read32(CONFIG, 0)).toBe(0x1000_1de5);
    expect(bench.server.counters().get('dev0')!.refusals).toBe(18);
  });

  it('resets the device by message, and by a Function Level Reset in config space', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const { model, fn } = bench.devices[0]!;
    expect(client.reset().errno).toBe(0);
    expect(bench.devices[0]!.resets).toBe(1);
    expect(model.resets).toEqual(['power']);
    client.write(CONFIG, fn.config.offsets.express + 8, Uint8Array.of(0x0f, 0x80));
    expect(model.resets).toEqual(['power', 'function']);
  });

  it('forgets a client that has gone, and serves the next one', () => {
    const heard = ends();
    bench = new ServeBench({ listener: heard.listener });
    const first = bench.guestClient();
    bench.devices[0]!.model.memory.write(0, Uint8Array.of(42), 0, 1);
    expect(bench.memory.sizeBytes).toBeGreaterThan(0);
    first.close();
    first.isEnded = true;
    bench.settle();
    expect(heard.reasons).toEqual(['closed']);
    expect(bench.memory.isEmpty).toBe(true);
    expect(bench.server.isConnected('dev0')).toBe(false);
    expect(bench.devices[0]!.resets).toBe(1);
    const second = bench.guestClient();
    expect(second.read(0, 0, 1)[0]).toBe(42);
    expect(bench.server.counters().get('dev0')!.connections).toBe(2);
  });

  it('turns a second client away, and keeps the first', () => {
    const heard = ends();
    bench = new ServeBench({ listener: heard.listener });
    const first = bench.guestClient();
    const second = bench.connect();
    bench.settle();
    expect(second.isEnded).toBe(true);
    expect(heard.turnedAway).toBe(1);
    expect(first.read32(CONFIG, 0)).toBe(0x1000_1de5);
    expect(bench.connect(1).version().errno).toBe(0);
  });

  it('reads all ones from a device that is out of the machine, and drops writes', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const { fn, model } = bench.devices[0]!;
    fn.isGone = true;
    expect(client.read32(CONFIG, 0)).toBe(0xffff_ffff);
    expect(client.read32(2, 0)).toBe(0xffff_ffff);
    client.write32(CONFIG, 0x10, 0);
    client.write32(2, 0, 1);
    fn.isGone = false;
    expect(model.log).toEqual([]);
    expect(bench.devices[0]!.configWrites).toBe(0);
  });

  it('is not kept busy by a client that asks and does not listen', () => {
    bench = new ServeBench();
    const greedy = bench.connect(0);
    greedy.version();
    const ask = message(7, VFIO_USER_COMMAND.REGION_READ, accessPayload(0, 0, 1 << 20));
    const many = new Uint8Array(ask.length * 500);
    for (let i = 0; i < 500; i++) {
      many.set(ask, i * ask.length);
    }
    greedy.sendRaw(many);
    for (let i = 0; i < 50; i++) {
      bench.turn();
    }
    const { barReads } = bench.server.counters().get('dev0')!;
    expect(barReads).toBeLessThan(10);
    const other = bench.connect(1);
    other.version();
    expect(other.read32(CONFIG, 0)).toBe(0x1000_1de5);
    // Once it listens, it gets all of it, in order.
    for (let turns = 0; bench.server.counters().get('dev0')!.barReads < 500 && turns < 100_000; turns++) {
      bench.turn();
      greedy.pump();
    }
    expect(bench.server.counters().get('dev0')!.barReads).toBe(500);
    expect(greedy.isEnded).toBe(false);
  });

  it('removes its sockets when it is closed', () => {
    const heard = ends();
    bench = new ServeBench({ listener: heard.listener });
    const client = bench.guestClient();
    bench.server.close();
    bench.server.close();
    expect(heard.reasons).toEqual(['shut-down']);
    expect(() => statSync(bench.devices[0]!.socketPath)).toThrow(/ENOENT/);
    client.pump();
    expect(client.isEnded).toBe(true);
    expect(bench.memory.isEmpty).toBe(true);
  });

  describe('ends a connection', () => {
    const cases: readonly (readonly [string, Uint8Array, EndReason])[] = [
      [
        'that begins with another request',
        message(1, VFIO_USER_COMMAND.DEVICE_RESET, new Uint8Array(0)),
        'no-version',
      ],
      ['of another version', message(1, VFIO_USER_COMMAND.VERSION, versionPayload('', 9)), 'bad-version'],
      [
        'with a message shorter than its header',
        Uint8Array.of(0, 0, 1, 0, 15, ...new Array<number>(11).fill(0)),
        'bad-size',
      ],
      [
        'with a message of 4 GiB',
        Uint8Array.of(0, 0, 1, 0, 255, 255, 255, 255, ...new Array<number>(8).fill(0)),
        'bad-size',
      ],
      [
        'with a type that does not exist',
        message(1, VFIO_USER_COMMAND.VERSION, versionPayload(''), 7),
        'bad-type',
      ],
      [
        'with an answer to nothing',
        message(1, VFIO_USER_COMMAND.DMA_READ, new Uint8Array(16), 1),
        'unexpected-reply',
      ],
    ];
    it.each(cases)('%s', (_, bytes, reason) => {
      const heard = ends();
      bench = new ServeBench({ listener: heard.listener });
      const client = bench.connect();
      client.sendRaw(bytes);
      bench.settle();
      expect(heard.reasons).toEqual([reason]);
      expect(client.isEnded).toBe(true);
      expect(bench.server.counters().get('dev0')!.violations).toBe(1);
      expect(bench.connect().version().errno).toBe(0);
    });

    it('that passes a socket, or more descriptors than a message has', () => {
      const heard = ends();
      bench = new ServeBench({ listener: heard.listener });
      const client = bench.connect();
      // Its own end: the connection would never end while the server holds it.
      client.sendRaw(message(1, VFIO_USER_COMMAND.VERSION, versionPayload('')).slice(0, 10), [client.fd]);
      client.close();
      client.isEnded = true;
      bench.settle();
      const other = bench.connect();
      const event = openSync('/dev/null', 'r');
      for (let i = 0; i < 2; i++) {
        other.sendRaw(Uint8Array.of(0), new Array<number>(9).fill(event));
      }
      closeSync(event);
      bench.settle();
      expect(heard.reasons).toEqual(['socket-passed', 'too-many-descriptors']);
    });

    it('that asks for a version twice', () => {
      const heard = ends();
      bench = new ServeBench({ listener: heard.listener });
      const client = bench.connect();
      client.version();
      expect(client.version().errno).toBe(EINVAL);
      bench.settle();
      expect(heard.reasons).toEqual(['bad-version']);
    });
  });

  it('tells a listener of every access', () => {
    const lines: string[] = [];
    bench = new ServeBench({
      listener: {
        onConnect: ({ name }) => lines.push(`connect ${name}`),
        onConfigRead: (_, offset, length) => lines.push(`config read ${offset}/${length}`),
        onConfigWrite: (_, offset, length, bytes, at) =>
          lines.push(`config write ${offset}/${length} ${bytes[at]}`),
        onBarRead: (_, bar, offset, length, bytes, at) =>
          lines.push(`bar${bar} read ${offset}/${length} ${bytes[at]}`),
        onBarWrite: (_, bar, offset, length, bytes, at) =>
          lines.push(`bar${bar} write ${offset}/${length} ${bytes[at]}`),
        onMap: (_, addr, size, isReadOnly, refusal) =>
          lines.push(`map ${addr} ${size} ${isReadOnly} ${refusal}`),
        onUnmap: (_, addr, size) => lines.push(`unmap ${addr} ${size}`),
        onReset: (_, cause) => lines.push(`reset ${cause}`),
        onRefusal: (_, command, errno) => lines.push(`refused ${command} ${errno}`),
      },
    });
    const client = bench.connect();
    client.version();
    client.read32(CONFIG, 4);
    client.write(CONFIG, 4, Uint8Array.of(6, 0));
    client.write32(2, 8, 5);
    client.read32(2, 8);
    client.map(0, 4096, 4096, bench.guest.fd, 1);
    client.map(0x1_0000, 4096, 0, null);
    client.unmap(0, 2n ** 64n - 1n);
    client.reset();
    client.request(77, new Uint8Array(0));
    expect(lines).toEqual([
      'connect dev0',
      'config read 4/4',
      'config write 4/2 6',
      'bar2 write 8/4 5',
      'bar2 read 8/4 5',
      'map 0 4096 true null',
      'map 65536 4096 false no-descriptor',
      `unmap 0 ${2 ** 64}`,
      'reset message',
      'refused 77 38',
    ]);
  });
});
