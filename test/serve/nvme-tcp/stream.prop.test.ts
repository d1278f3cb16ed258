import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/serve/nvme-tcp/index.ts';
import { type PduSink, PduStream } from '../../../src/serve/nvme-tcp/pdu-stream.ts';
import { FATAL_ERROR, PDU_TYPE } from '../../../src/spec/nvmeof/index.ts';
import {
  commandPdu,
  connectData,
  connectEntry,
  dataPdu,
  icReq,
  readEntry,
  writeEntry,
} from './support/pdus.ts';
import { type Served, serve } from './support/served.ts';

const TYPES = [PDU_TYPE.CAPSULE_CMD, PDU_TYPE.H2C_DATA];

/** What a stream tells, in an order that does not depend on how the bytes were cut. */
class Recorder implements PduSink {
  readonly heard: string[] = [];
  #data: Buffer = Buffer.alloc(0);
  mostHeld = 0;

  onHeader(_view: DataView, bytes: Uint8Array, at: number, dataBytes: number): boolean {
    this.heard.push(
      `header ${bytes[at]} ${Buffer.from(bytes.subarray(at, at + 24)).toString('hex')} ${dataBytes}`,
    );
    return true;
  }

  onData(bytes: Uint8Array, start: number, end: number): boolean {
    this.#data = Buffer.concat([this.#data, bytes.subarray(start, end)]);
    return true;
  }

  onEnd(isIntact: boolean): boolean {
    this.heard.push(`end ${isIntact} ${crc32c(this.#data)} ${this.#data.length}`);
    this.#data = Buffer.alloc(0);
    return true;
  }

  onViolation(fatalError: number, information: number): void {
    this.heard.push(`violation ${fatalError} ${information}`);
  }
}

function listen(parts: readonly Uint8Array[], digests: number): { heard: string[]; stream: PduStream } {
  const recorder = new Recorder();
  const stream = new PduStream(recorder, TYPES);
  stream.check.hasHeaderDigest = (digests & 1) !== 0;
  stream.check.hasDataDigest = (digests & 2) !== 0;
  for (const part of parts) {
    stream.push(part);
  }
  return { heard: recorder.heard, stream };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

const pdus = fc.tuple(
  fc.integer({ min: 0, max: 3 }),
  fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 6 }),
);

describe('a stream of PDUs', () => {
  test('tells the same however it is cut, and every PDU once', () => {
    fc.assert(
      fc.property(pdus, fc.array(fc.nat(5000), { maxLength: 30 }), ([digests, lengths], places) => {
        const whole = Buffer.concat(
          lengths.map((length, id) =>
            length % 3 === 0
              ? commandPdu(readEntry(id, 0, 8), null, digests)
              : length % 3 === 1
                ? commandPdu(writeEntry(id, 0, 8, true), Buffer.alloc(length, id), digests)
                : dataPdu(id, 1, 0, Buffer.alloc(length, id), false, digests),
          ),
        );
        const once = listen([whole], digests).heard;
        expect(listen(cut(whole, places), digests).heard).toEqual(once);
        expect(once.filter((line) => line.startsWith('end true')).length).toBe(lengths.length);
        expect(once.some((line) => line.startsWith('violation'))).toBe(false);
      }),
    );
  });

  test('with header digests a flipped bit is never taken for another PDU', () => {
    fc.assert(
      fc.property(fc.nat(23), fc.integer({ min: 0, max: 7 }), (byte, bit) => {
        const bytes = dataPdu(1, 1, 0, Buffer.alloc(64, 3), false, 3);
        const good = listen([bytes], 3).heard;
        bytes[byte]! ^= 1 << bit;
        const { heard, stream } = listen([bytes], 3);
        expect(heard).not.toEqual(good);
        expect(heard[0]).toMatch(/^violation/);
        expect(stream.isStopped).toBe(true);
      }),
    );
  });

  test('any bytes end in PDUs, in waiting, or in one violation that has a code', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
        (digests, parts) => {
          const { heard, stream } = listen(parts, digests);
          const violations = heard.filter((line) => line.startsWith('violation'));
          expect(violations.length).toBe(stream.isStopped ? 1 : 0);
          for (const line of violations) {
            expect(Object.values(FATAL_ERROR) as number[]).toContain(Number(line.split(' ')[1]));
          }
        },
      ),
    );
  });
});

describe('CRC-32C', () => {
  /** One bit at a time, straight from the polynomial. */
  function slow(bytes: Uint8Array): number {
    let crc = 0xffff_ffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) {
        crc = crc & 1 ? ((crc >>> 1) ^ 0x82f6_3b78) >>> 0 : crc >>> 1;
      }
    }
    return ~crc >>> 0;
  }

  test('has the values of RFC 3720, B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd_794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113f_db5c);
  });

  test('is what the polynomial says, of any part of any bytes', () => {
    const lengths = fc.oneof(fc.nat(300), fc.integer({ min: 500, max: 3000 }));
    fc.assert(
      fc.property(lengths, fc.nat(20), fc.nat(20), fc.nat(255), (length, start, tail, seed) => {
        const all = Uint8Array.from({ length: length + 64 }, (_, i) => (i * 31 + seed * (i >> 3)) & 0xff);
        // A view that begins anywhere in its memory.
        const bytes = all.subarray(seed % 16, (seed % 16) + length);
        const from = Math.min(start, length);
        const to = Math.max(from, length - tail);
        expect(crc32c(bytes, from, to)).toBe(slow(bytes.subarray(from, to)));
      }),
    );
  });
});

describe('the port', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve({
      limits: { pendingMax: 32, lingerMs: 200, handshakeMs: 300, connectMs: 300, pduMs: 300 },
    });
  });
  afterAll(async () => {
    await served.close();
  });

  /** Bytes that get past the first checks as often as not. */
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)),
    fc.record({ hpda: fc.nat(40), digests: fc.nat(3), maxr2t: fc.nat() }).map(icReq),
    fc
      .tuple(fc.nat(3), fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.uint8Array({ maxLength: 2000 }))
      .map(([digests, entry, data]) => commandPdu(Buffer.from(entry), Buffer.from(data), digests)),
    fc.nat(3).map((digests) => commandPdu(connectEntry(0), connectData(), digests)),
    fc
      .tuple(
        fc.nat(3),
        fc.nat(65_535),
        fc.nat(65_535),
        fc.nat(),
        fc.uint8Array({ maxLength: 500 }),
        fc.boolean(),
      )
      .map(([digests, id, tag, offset, data, isLast]) =>
        dataPdu(id, tag, offset, Buffer.from(data), isLast, digests),
      ),
  );

  test('stays up, frees all memory and answers others whatever a host sends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(bytes, { maxLength: 6 }),
        fc.array(fc.nat(3000), { maxLength: 5 }),
        async (isPolite, parts, places) => {
          const host = await served.raw();
          const digests = parts.length % 4;
          const start = isPolite
            ? [icReq({ digests }), commandPdu(connectEntry(0), connectData(), digests)]
            : [];
          for (const part of cut(Buffer.concat([...start, ...parts]), places)) {
            host.socket.write(part);
          }
          host.socket.end();
          await host.ended();
          // Whatever was said to it is made of whole PDUs of this direction.
          for (let pdu = await host.pdu(); pdu !== null; pdu = await host.pdu()) {
            expect([1, 3, 5, 7, 9]).toContain(pdu[0]);
          }
          host.close();
        },
      ),
      { numRuns: 200 },
    );
    const host = await served.host();
    await host.identify(1, 0);
    host.close();
    await served.server.drain(2000);
    expect(served.server.connectionCount).toBe(0);
    expect(served.memory.usedBytes).toBe(0);
    expect([...served.target.queues]).toEqual([]);
  });
});
