import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, PENDING } from '../../../src/fabric/index.ts';
import { libc } from '../../../src/host/index.ts';
import { VFIO_REGION, VFIO_USER_COMMAND } from '../../../src/spec/vfio-user/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { GUEST_BYTES, ServeBench } from '../support/bench.ts';

const { DMA_READ, DMA_WRITE } = VFIO_USER_COMMAND;
const EINVAL = 22;
const EEXIST = 17;
const ENODEV = 19;
const MIB = 1 << 20;

function pattern(lengthBytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, i) => (i * 31 + seed * 97 + (i >> 8)) & 0xff);
}

/** As `toEqual`, which takes its time over megabytes. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  expect(Buffer.compare(actual, expected)).toBe(0);
}

describe.skipIf(!hasFfi())('DMA to memory that a client shares', () => {
  let bench: ServeBench;
  afterEach(() => bench.close());

  it('is a copy: no message, and the bytes are there', () => {
    bench = new ServeBench();
    const client = bench.guestClient();
    const bytes = pattern(100_000);
    expect(bench.dmaWrite(0, 0x5432, bytes)).toBe(DONE);
    expectSame(bench.guest.bytes.slice(0x5432, 0x5432 + 100_000), bytes);
    const into = new Uint8Array(100_000);
    expect(bench.dmaRead(0, 0x5432, into)).toBe(DONE);
    expectSame(into, bytes);
    bench.settle();
    expect(client.dmaCommands).toEqual([]);
  });

  it('ends with the mapping: what lies beyond is not touched', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    client.onDma = () => ENODEV;
    client.map(0x10_0000, 0x2000, 0x4000, bench.guest.fd);
    bench.guest.bytes.fill(0xee);
    const into = new Uint8Array(16);
    expect(bench.dmaRead(0, 0x10_0000, into)).toBe(DONE);
    expect(bench.dmaRead(0, 0x10_0000 + 0x2000, into)).toBe(PENDING);
    // What begins outside leaves as a whole.
    expect(bench.dmaRead(0, 0x10_0000 - 1, into)).toBe(PENDING);
    bench.dmaWrite(0, 0x10_0000, pattern(0x2000));
    bench.dmaWrite(0, 0x10_2000, pattern(0x1000));
    bench.dmaWrite(0, 0x0f_f000, pattern(0x1000));
    bench.settle();
    expectSame(bench.guest.bytes.subarray(0x4000, 0x6000), pattern(0x2000));
    expect(bench.guest.bytes.subarray(0, 0x4000).every((byte) => byte === 0xee)).toBe(true);
    expect(bench.guest.bytes.subarray(0x6000).every((byte) => byte === 0xee)).toBe(true);
  });

  it('follows every change of the map at once', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const { guest } = bench;
    client.map(0, 0x1000, 0, guest.fd);
    bench.dmaWrite(0, 0, Uint8Array.of(1));
    expect(client.unmap(0, 0x1000).errno).toBe(0);
    client.map(0, 0x1000, 0x1000, guest.fd);
    bench.dmaWrite(0, 0, Uint8Array.of(2));
    expect([guest.bytes[0], guest.bytes[0x1000]]).toEqual([1, 2]);
    client.unmap(0, 2n ** 64n - 1n);
    expect(bench.dmaWrite(0, 0, Uint8Array.of(3))).toBe(PENDING);
    bench.settle();
    expect([guest.bytes[0], guest.bytes[0x1000]]).toEqual([1, 2]);
  });

  it('may only read what is read-only', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    client.map(0, 0x1000, 0, bench.guest.fd, 1);
    bench.guest.bytes[5] = 9;
    const into = new Uint8Array(1);
    expect(bench.dmaRead(0, 5, into)).toBe(DONE);
    expect(into[0]).toBe(9);
    bench.dmaWrite(0, 5, Uint8Array.of(1));
    bench.settle();
    expect(bench.guest.bytes[5]).toBe(9);
    expect(client.dmaCommands).toEqual([]);
  });

  it('works through thousands of pages as a virtual IOMMU maps them, each with a descriptor of its own', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const pages = 2000;
    // Backwards: the last page of the buffer is the first of the file.
    for (let page = 0; page < pages; page++) {
      expect(
        client.map(0x8000_0000 + page * 4096, 4096, (pages - 1 - page) * 4096, bench.guest.fd).errno,
      ).toBe(0);
    }
    const bytes = pattern(pages * 4096);
    expect(bench.dmaWrite(0, 0x8000_0000, bytes)).toBe(DONE);
    const into = new Uint8Array(bytes.length);
    bench.dmaRead(0, 0x8000_0000, into);
    expectSame(into, bytes);
    for (let page = 0; page < pages; page += 97) {
      const at = (pages - 1 - page) * 4096;
      expect(bench.guest.bytes.subarray(at, at + 4096)).toEqual(
        bytes.subarray(page * 4096, page * 4096 + 4096),
      );
    }
    for (let page = 0; page < pages; page++) {
      client.unmap(0x8000_0000 + page * 4096, 4096);
    }
    expect(bench.dmaRead(0, 0x8000_0000, into.subarray(0, 16))).toBe(PENDING);
    bench.settle();
  });

  it('has an address space for each device', () => {
    bench = new ServeBench();
    const first = bench.connect(0);
    const second = bench.connect(1);
    first.version();
    second.version();
    first.map(0, 0x1000, 0, bench.guest.fd);
    second.map(0, 0x1000, 0x1000, bench.guest.fd);
    bench.dmaWrite(0, 0, Uint8Array.of(1));
    bench.dmaWrite(1, 0, Uint8Array.of(2));
    expect([bench.guest.bytes[0], bench.guest.bytes[0x1000]]).toEqual([1, 2]);
    first.close();
    first.isEnded = true;
    bench.settle();
    bench.dmaWrite(0, 0, Uint8Array.of(3));
    bench.dmaWrite(1, 0, Uint8Array.of(4));
    expect([bench.guest.bytes[0], bench.guest.bytes[0x1000]]).toEqual([1, 4]);
  });

  it('crosses the windows in which a large file is shown', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const fd = libc().memfdCreate('large', 2);
    ftruncateSync(fd, 5 * 2 ** 30);
    expect(client.map(2 ** 32, 5 * 2 ** 30, 0, fd).errno).toBe(0);
    libc().close(fd);
    const bytes = pattern(8192);
    for (const border of [1, 2, 3, 4]) {
      const addr = 2 ** 32 + border * 2 ** 30 - 4096;
      expect(bench.dmaWrite(0, addr, bytes)).toBe(DONE);
      const into = new Uint8Array(8192);
      expect(bench.dmaRead(0, addr, into)).toBe(DONE);
      expectSame(into, bytes);
    }
    expect(bench.memory.sizeBytes).toBe(5 * 2 ** 30);
  });

  it('between two devices is a matter of the fabric: neither client hears of it', () => {
    bench = new ServeBench();
    const clients = [bench.guestClient(0), bench.guestClient(1)];
    const target = bench.devices[1]!.fn.config.barAddress(0)!;
    const bytes = pattern(64 * 1024);
    expect(bench.dmaWrite(0, target + 0x1000, bytes)).toBe(DONE);
    expectSame(clients[1]!.read(0, 0x1000, bytes.length), bytes);
    const into = new Uint8Array(bytes.length);
    expect(bench.dmaRead(0, target + 0x1000, into)).toBe(DONE);
    expectSame(into, bytes);
    expect(clients.map(({ dmaCommands }) => dmaCommands)).toEqual([[], []]);
  });

  it('goes to a BAR that the client has mapped for us without a descriptor, as QEMU does', () => {
    bench = new ServeBench();
    const client = bench.guestClient(0);
    bench.guestClient(1);
    const target = bench.devices[1]!.fn.config.barAddress(0)!;
    expect(client.map(target, MIB, 0, null).errno).toBe(0);
    expect(bench.dmaWrite(0, target, Uint8Array.of(7))).toBe(DONE);
    expect(client.dmaCommands).toEqual([]);
  });

  describe('is refused', () => {
    it('where the map is taken, empty, or wraps round', () => {
      bench = new ServeBench();
      const client = bench.connect();
      client.version();
      const { fd } = bench.guest;
      expect(client.map(0x1000, 0x2000, 0, fd).errno).toBe(0);
      expect(client.map(0x1000, 0x2000, 0, fd).errno).toBe(EEXIST);
      expect(client.map(0x2fff, 1, 0, fd).errno).toBe(EEXIST);
      expect(client.map(0, 0x1001, 0, null).errno).toBe(EEXIST);
      expect(client.map(0x8000, 0, 0, fd).errno).toBe(EINVAL);
      expect(client.map(2n ** 64n - 0x1000n, 0x2000, 0, fd).errno).toBe(EINVAL);
      expect(client.map(0x8000, 0x1000, 2n ** 64n - 0x1000n, fd).errno).toBe(EINVAL);
      // To the very end of the address space; nothing can be sent there from here.
      expect(client.map(2n ** 64n - 0x1000n, 0x1000, 0, fd).errno).toBe(0);
    });

    it('where the file is shorter than the range', () => {
      bench = new ServeBench();
      const client = bench.connect();
      client.version();
      const { fd } = bench.guest;
      expect(client.map(0, GUEST_BYTES + 1, 0, fd).errno).toBe(EINVAL);
      expect(client.map(0, 4096, GUEST_BYTES - 4095, fd).errno).toBe(EINVAL);
      expect(client.map(0, 4096, 2n ** 62n, fd).errno).toBe(EINVAL);
      expect(client.map(0, 4096, GUEST_BYTES - 4096, fd).errno).toBe(0);
    });

    it('where it would take more addresses than there are: it is reached by messages then, at once', () => {
      const refusals: unknown[] = [];
      bench = new ServeBench({ listener: { onMap: (...args) => refusals.push(args[4]) } });
      const client = bench.connect();
      client.version();
      const fd = libc().memfdCreate('huge', 2);
      ftruncateSync(fd, 2 ** 50);
      expect(client.map(0, 2 ** 50, 0, fd).errno).toBe(0);
      expect(client.map(2 ** 51, 4096, 2 ** 49 + 8192, fd).errno).toBe(0);
      closeSync(fd);
      expect(refusals).toEqual(['too-large', null]);
      expect(bench.memory.sizeBytes).toBe(4096);
      expect(bench.dmaWrite(0, 2 ** 51, pattern(4096))).toBe(DONE);
    });

    it('where the file could be cut: it is reached by messages then', () => {
      const refusals: unknown[] = [];
      bench = new ServeBench({ listener: { onMap: (...args) => refusals.push(args[4]) } });
      const client = bench.connect();
      client.version();
      const fd = libc().memfdCreate('unsealed', 0);
      ftruncateSync(fd, 8192);
      expect(client.map(0, 8192, 0, fd).errno).toBe(0);
      libc().close(fd);
      client.onDma = (isRead, _addr, _bytes, length) => (isRead ? pattern(length) : new Uint8Array(0));
      const into = new Uint8Array(100);
      expect(bench.dmaRead(0, 50, into)).toBe(PENDING);
      bench.settle();
      expectSame(into, pattern(100));
      expect(refusals).toEqual(['unsealed']);
      client.map(0x10_0000, 4096, 0, bench.guest.fd, 2);
      const device = openSync('/dev/zero', 'r+');
      client.map(0x20_0000, 4096, 0, device);
      closeSync(device);
      expect(refusals).toEqual(['unsealed', 'write-only', 'unsealed']);
    });
  });

  it('takes files that could be cut from clients that are trusted', () => {
    bench = new ServeBench({ trustsFiles: true });
    const client = bench.connect();
    client.version();
    const fd = libc().memfdCreate('unsealed', 0);
    ftruncateSync(fd, 8192);
    client.map(0, 8192, 0, fd);
    libc().close(fd);
    expect(bench.dmaWrite(0, 50, pattern(100))).toBe(DONE);
  });
});

describe.skipIf(!hasFfi())('DMA by messages', () => {
  let bench: ServeBench;
  afterEach(() => bench.close());

  it('reads and writes in pieces that the client takes, several under way', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version('{"capabilities":{"max_data_xfer_size":1000,"max_msg_fds":16,"write_multiple":true}}');
    const remote = pattern(MIB);
    const lengths: number[] = [];
    client.onDma = (isRead, addr, bytes, length) => {
      lengths.push(length);
      if (isRead) {
        return remote.slice(addr, addr + length);
      }
      remote.set(bytes, addr);
      return new Uint8Array(0);
    };
    const into = new Uint8Array(100_500);
    expect(bench.dmaRead(0, 0x77, into, 5)).toBe(PENDING);
    bench.settle();
    expectSame(into, remote.slice(0x77, 0x77 + 100_500));
    const sent = pattern(2500, 9);
    expect(bench.dmaWrite(0, 0x1000, sent, 6)).toBe(PENDING);
    // Its sender uses its bytes again.
    sent.fill(0);
    bench.settle();
    expectSame(remote.slice(0x1000, 0x1000 + 2500), pattern(2500, 9));
    expect(Math.max(...lengths)).toBe(1000);
    expect(bench.devices[0]!.model.ended).toEqual([
      { token: 5, status: DONE },
      { token: 6, status: DONE },
    ]);
    expect(bench.server.counters().get('dev0')).toMatchObject({
      dmaReadMessages: 101,
      dmaWriteMessages: 3,
      dmaMessageBytes: 103_000,
    });
  });

  it('keeps the order of requests', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    const seen: string[] = [];
    client.onDma = (isRead, addr, _bytes, length) => {
      seen.push(`${isRead ? 'r' : 'w'}${addr}`);
      return isRead ? new Uint8Array(length) : new Uint8Array(0);
    };
    const room = Array.from({ length: 30 }, () => new Uint8Array(4));
    for (let i = 0; i < 30; i++) {
      if (i % 2 === 0) {
        bench.dmaWrite(0, i * 4096, room[i]!, i);
      } else {
        bench.dmaRead(0, i * 4096, room[i]!, i);
      }
    }
    bench.settle();
    expect(seen).toEqual(room.map((_, i) => `${i % 2 === 0 ? 'w' : 'r'}${i * 4096}`));
    expect(bench.devices[0]!.model.ended.map(({ token }) => token)).toEqual(room.map((_, i) => i));
  });

  it('that nobody answers at its address is an Unsupported Request, all ones', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    client.onDma = () => ENODEV;
    const into = new Uint8Array(8);
    bench.dmaRead(0, 0x1234_5678, into, 3);
    bench.settle();
    expect(bench.devices[0]!.model.ended).toEqual([{ token: 3, status: DMA_STATUS.UNSUPPORTED_REQUEST }]);
    expect([...into]).toEqual(new Array(8).fill(0xff));
  });

  it('does not keep an access of the client waiting', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    client.onDma = null;
    const { model } = bench.devices[0]!;
    const into = new Uint8Array(64);
    model.writeRegister = () => {
      bench.dmaRead(0, 0x9000, into, 1);
    };
    expect(client.write32(2, 0, 1).errno).toBe(0);
    expect(client.read32(VFIO_REGION.CONFIG, 0)).toBe(0x1000_1de5);
    expect(client.dmaCommands).toEqual([DMA_READ]);
    expect(model.ended).toEqual([]);
  });

  it('of a client that has gone is forgotten with the reset of the device', () => {
    bench = new ServeBench();
    const client = bench.connect();
    client.version();
    client.onDma = null;
    const into = new Uint8Array(64);
    bench.dmaRead(0, 0x9000, into, 1);
    bench.dmaWrite(0, 0x9000, into, 2);
    bench.settle();
    expect(client.dmaCommands).toEqual([DMA_READ, DMA_WRITE]);
    client.close();
    client.isEnded = true;
    bench.settle();
    expect(bench.devices[0]!.model.ended).toEqual([]);
    expect(bench.fabric.remoteRequests.count).toBe(0);
  });

  it.each([
    ['of another length', 64, 63],
    ['with nothing', 64, 0],
  ])('ends the connection when an answer comes %s', (_, asked, given) => {
    const reasons: string[] = [];
    bench = new ServeBench({ listener: { onDisconnect: (_device, reason) => reasons.push(reason) } });
    const client = bench.connect();
    client.version();
    client.onDma = () => new Uint8Array(given);
    bench.dmaRead(0, 0x9000, new Uint8Array(asked), 1);
    bench.settle();
    expect(reasons).toEqual(['bad-reply']);
  });
});
