import { afterEach, describe, expect, test } from 'vitest';
import { ByteSpan } from '../../../src/orchestrators/index.ts';
import type { HostSession } from '../../../src/serve/nvme-tcp/index.ts';
import { BLOCK, BLOCKS, type Served, serve } from './support/served.ts';

let served: Served | null = null;
afterEach(async () => {
  await served?.close();
  served = null;
});

/** Writes or reads one range and waits. */
function io(session: HostSession, kind: 'read' | 'write', slba: number, data: Uint8Array): Promise<number> {
  return new Promise((resolve) => {
    session.onDone = (_token, status) => resolve(status);
    expect(session[kind](1, slba, data.length / BLOCK, data, 1)).toBe(true);
  });
}

function pattern(lengthBytes: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: lengthBytes },
    (_, index) => (index * 7 + seed * 13 + (index >> 8)) & 0xff,
  );
}

describe('a host of our own over NVMe/TCP', () => {
  const digests = [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const;

  test.each(digests)('reads what it wrote: header digest %s, data digest %s', async (header, data) => {
    served = await serve();
    const host = await served.host({ hasHeaderDigest: header, hasDataDigest: data });
    const queue = await host.openQueue(1, 32);
    for (const lengthBytes of [512, 4096, 8192, 20_480, 131_072, 1 << 20]) {
      const wanted = pattern(lengthBytes, lengthBytes);
      expect(await io(queue, 'write', 64, wanted)).toBe(0);
      const got = new Uint8Array(lengthBytes);
      expect(await io(queue, 'read', 64, got)).toBe(0);
      expect(Buffer.compare(got, wanted)).toBe(0);
    }
    host.close();
    queue.close();
  });

  test('any alignment of data in both directions', async () => {
    served = await serve({ limits: { cpda: 31 } });
    const host = await served.host({ hpda: 31, hasHeaderDigest: true, hasDataDigest: true });
    const queue = await host.openQueue(1, 8);
    const wanted = pattern(65_536, 3);
    expect(await io(queue, 'write', 0, wanted)).toBe(0);
    const small = pattern(4096, 9);
    expect(await io(queue, 'write', 128, small)).toBe(0);
    const got = new Uint8Array(65_536 + 4096);
    expect(await io(queue, 'read', 0, got)).toBe(0);
    expect(Buffer.compare(got.subarray(0, 65_536), wanted)).toBe(0);
    expect(Buffer.compare(got.subarray(65_536), small)).toBe(0);
    host.close();
  });

  test('several R2Ts of one command, as many at once as the host admits', async () => {
    served = await serve({ limits: { r2tBytesMax: 8192, h2cDataBytesMax: 4096 } });
    const host = await served.host({ maxr2t: 3, hasDataDigest: true });
    const queue = await host.openQueue(1, 8);
    const wanted = pattern(200 * 512, 5);
    expect(await io(queue, 'write', 10, wanted)).toBe(0);
    const got = new Uint8Array(wanted.length);
    expect(await io(queue, 'read', 10, got)).toBe(0);
    expect(Buffer.compare(got, wanted)).toBe(0);
    host.close();
  });

  test('with flow control the completion comes in a capsule of its own', async () => {
    served = await serve();
    const host = await served.host({ usesFlowControl: true });
    const queue = await host.openQueue(1, 4);
    const got = new Uint8Array(4096).fill(1);
    for (let round = 0; round < 9; round++) {
      expect(await io(queue, 'read', round, got)).toBe(0);
    }
    expect(got.every((byte) => byte === 0)).toBe(true);
    host.close();
  });

  test('a full queue of mixed commands ends every command once with the right bytes', async () => {
    served = await serve({ limits: { sendBytesMax: 600_000, connectionSendBytesMax: 300_000 } });
    const host = await served.host();
    const queue = await host.openQueue(1, 64);
    const ends = new Map<number, number>();
    const buffers: Uint8Array[] = [];
    const total = 400;
    let sent = 0;
    await new Promise<void>((resolve) => {
      const more = (): void => {
        while (sent < total && queue.freeCount > 0) {
          const token = sent++;
          const lengthBytes = [512, 4096, 65_536][token % 3]!;
          buffers[token] = pattern(lengthBytes, token);
          // Regions that do not overlap: 128 blocks each.
          const slba = (token % 63) * 128;
          const isTaken =
            token % 2 === 0
              ? queue.read(1, slba, lengthBytes / BLOCK, buffers[token]!, token)
              : queue.write(1, BLOCKS / 2 + slba, lengthBytes / BLOCK, buffers[token]!, token);
          expect(isTaken).toBe(true);
        }
      };
      queue.onDone = (token, status) => {
        expect(status).toBe(0);
        ends.set(token, (ends.get(token) ?? 0) + 1);
        if (ends.size === total) {
          resolve();
        }
        more();
      };
      more();
    });
    expect([...ends.values()].every((count) => count === 1)).toBe(true);
    // Reads were of blocks that nobody wrote.
    for (let token = 0; token < total; token += 2) {
      expect(buffers[token]!.every((byte) => byte === 0)).toBe(true);
    }
    expect(served.memory.usedBytes).toBe(0);
    host.close();
  });

  test('drain answers what has begun, keeps what was acknowledged, and then closes', async () => {
    served = await serve();
    const host = await served.host();
    const queue = await host.openQueue(1, 32);
    const acknowledged: number[] = [];
    const isOver = new Promise<string>((resolve) => {
      queue.onClosed = (error) => resolve(error.code);
    });
    let drained: Promise<void> | null = null;
    await new Promise<void>((resolve) => {
      queue.onDone = (token, status) => {
        expect(status).toBe(0);
        acknowledged.push(token);
        if (drained === null) {
          drained = served!.server.drain(5000);
          resolve();
        }
      };
      for (let token = 0; token < 24; token++) {
        queue.write(1, token * 16, 16, pattern(8192, token), token);
      }
    });
    await drained;
    expect(await isOver).toBe('NVMETCP_CLOSED');
    expect(served.server.connectionCount).toBe(0);
    expect(acknowledged.length).toBeGreaterThan(0);
    const span = new ByteSpan(new Uint8Array(8192));
    for (const token of acknowledged) {
      served.disk.read(token * 8192, span, 0, 8192, 0);
      expect(Buffer.compare(span.bytes, pattern(8192, token))).toBe(0);
    }
  });
});
