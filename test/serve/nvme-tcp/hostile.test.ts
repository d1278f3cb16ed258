import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/serve/nvme-tcp/index.ts';
import { FATAL_ERROR, PDU_TYPE } from '../../../src/spec/nvmeof/index.ts';
import {
  commandPdu,
  connectData,
  connectEntry,
  dataPdu,
  icReq,
  pdu,
  readEntry,
  writeEntry,
} from './support/pdus.ts';
import { type RawHost, type Served, type ServedOptions, serve } from './support/served.ts';

let served: Served | null = null;
const raws: RawHost[] = [];
afterEach(async () => {
  for (const raw of raws.splice(0)) {
    raw.close();
  }
  await served?.close();
  served = null;
});

async function raw(options: ServedOptions = {}): Promise<RawHost> {
  served ??= await serve(options);
  const host = await served.raw();
  raws.push(host);
  return host;
}

/** A connection with ICResp and an accepted Connect of the admin queue. */
async function connected(options: ServedOptions = {}, digests = 0): Promise<RawHost> {
  const host = await raw(options);
  host.write(icReq({ digests }));
  expect((await host.pdu())![0]).toBe(PDU_TYPE.IC_RESP);
  host.write(commandPdu(connectEntry(0), connectData(), digests));
  const response = (await host.pdu())!;
  expect(response[0]).toBe(PDU_TYPE.CAPSULE_RESP);
  expect(response.readUInt16LE(22) >> 1).toBe(0);
  return host;
}

/** An I/O queue of a controller that is ready. */
async function ioQueue(options: ServedOptions = {}, digests = 0): Promise<RawHost> {
  served ??= await serve(options);
  const controller = await served.host();
  const host = await raw();
  host.write(icReq({ digests }));
  await host.pdu();
  host.write(commandPdu(connectEntry(1), connectData(controller.admin.controllerId), digests));
  expect((await host.pdu())!.readUInt16LE(22) >> 1).toBe(0);
  return host;
}

/** What a C2HTermReq says; the connection ends after it. */
async function termination(host: RawHost): Promise<{ fes: number; fei: number; header: Buffer }> {
  const last = await host.pdu();
  expect(last).not.toBeNull();
  expect(last![0]).toBe(PDU_TYPE.C2H_TERM_REQ);
  expect(last![2]).toBe(24);
  await host.ended();
  expect(host.received.length).toBe(0);
  return { fes: last!.readUInt16LE(8), fei: last!.readUInt32LE(10), header: last!.subarray(24) };
}

const { INVALID_HEADER_FIELD, PDU_SEQUENCE, HEADER_DIGEST, DATA_OUT_OF_RANGE, UNSUPPORTED_PARAMETER } =
  FATAL_ERROR;

describe('before ICReq', () => {
  const wrong: readonly (readonly [string, Buffer, number, number])[] = [
    ['an unknown type', pdu(0x55, 24, 24), INVALID_HEADER_FIELD, 0],
    ['a type of the other direction', pdu(PDU_TYPE.IC_RESP, 128, 128), INVALID_HEADER_FIELD, 0],
    ['a header length of another type', pdu(PDU_TYPE.IC_REQ, 120, 128), INVALID_HEADER_FIELD, 2],
    ['a PDU longer than its type', pdu(PDU_TYPE.IC_REQ, 128, 132), INVALID_HEADER_FIELD, 4],
    ['a PDU shorter than its header', pdu(PDU_TYPE.IC_REQ, 128, 100), INVALID_HEADER_FIELD, 4],
    ['a digest that was not agreed', pdu(PDU_TYPE.CAPSULE_CMD, 72, 76, 1), INVALID_HEADER_FIELD, 1],
    ['a format that is not there yet', icReq({ pfv: 1 }), UNSUPPORTED_PARAMETER, 8],
    ['an alignment beyond 31', icReq({ hpda: 32 }), INVALID_HEADER_FIELD, 10],
    ['a command', commandPdu(connectEntry(0), connectData(), 0), PDU_SEQUENCE, 0],
    ['data', dataPdu(0, 0, 0, Buffer.alloc(16), true, 0), PDU_SEQUENCE, 0],
  ];
  test.each(wrong)('%s is answered with a termination', async (_name, bytes, fes, fei) => {
    const host = await raw();
    host.write(bytes);
    const said = await termination(host);
    expect([said.fes, said.fei]).toEqual([fes, fei]);
    expect(said.header.equals(bytes.subarray(0, said.header.length))).toBe(true);
    expect(said.header.length).toBeGreaterThanOrEqual(8);
    expect([...served!.target.queues]).toEqual([]);
  });

  test('a second ICReq is out of order', async () => {
    const host = await raw();
    host.write(icReq({}), icReq({}));
    expect((await host.pdu())![0]).toBe(PDU_TYPE.IC_RESP);
    expect((await termination(host)).fes).toBe(PDU_SEQUENCE);
  });

  test('an H2CTermReq is not answered', async () => {
    const host = await raw();
    host.write(pdu(PDU_TYPE.H2C_TERM_REQ, 24, 24));
    expect(await host.pdu()).toBeNull();
  });

  test('one byte at a time is as good as all at once', async () => {
    const host = await raw();
    for (const byte of icReq({})) {
      host.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await host.pdu())![0]).toBe(PDU_TYPE.IC_RESP);
  });
});

describe('commands and data', () => {
  test('a wrong header digest ends the connection and is given back', async () => {
    const host = await connected({}, 1);
    const bytes = commandPdu(readEntry(1, 0, 8), null, 1);
    bytes.writeUInt32LE(0x1234_5678, 72);
    host.write(bytes);
    const { fes, fei } = await termination(host);
    expect([fes, fei]).toEqual([HEADER_DIGEST, 0x1234_5678]);
  });

  test('a wrong data digest of a capsule ends the command only', async () => {
    const host = await ioQueue({}, 3);
    const bytes = commandPdu(writeEntry(1, 0, 1, true), Buffer.alloc(512, 1), 3);
    bytes[bytes.length - 1]! ^= 1;
    host.write(bytes, commandPdu(writeEntry(2, 0, 1, true), Buffer.alloc(512, 1), 3));
    const first = (await host.pdu())!;
    expect([first.readUInt16LE(20), (first.readUInt16LE(22) >> 1) & 0x7ff]).toEqual([1, 0x022]);
    const second = (await host.pdu())!;
    expect([second.readUInt16LE(20), second.readUInt16LE(22) >> 1]).toEqual([2, 0]);
    expect(crc32c(second, 0, 24)).toBe(second.readUInt32LE(24));
    expect(served!.server.counters.dataDigestErrors).toBe(1);
  });

  test('a wrong data digest of data that were asked for ends the command only', async () => {
    const host = await ioQueue({}, 2);
    host.write(commandPdu(writeEntry(3, 0, 64), null, 2));
    const r2t = (await host.pdu())!;
    expect(r2t[0]).toBe(PDU_TYPE.R2T);
    const bytes = dataPdu(3, r2t.readUInt16LE(10), 0, Buffer.alloc(64 * 512, 1), true, 2);
    bytes[100]! ^= 0x40;
    host.write(bytes);
    const response = (await host.pdu())!;
    expect([response.readUInt16LE(20), (response.readUInt16LE(22) >> 1) & 0x7ff]).toEqual([3, 0x022]);
  });

  const data = Buffer.alloc(4096, 1);
  const wrongData: readonly (readonly [string, (tag: number) => Buffer, number, number])[] = [
    ['for a tag that nobody gave', (tag) => dataPdu(3, tag + 7, 0, data, false, 0), INVALID_HEADER_FIELD, 10],
    ['for another command', (tag) => dataPdu(4, tag, 0, data, false, 0), INVALID_HEADER_FIELD, 8],
    ['that skip some', (tag) => dataPdu(3, tag, 4096, data, false, 0), DATA_OUT_OF_RANGE, 0],
    [
      'beyond what was asked for',
      (tag) => dataPdu(3, tag, 0, Buffer.alloc(33_280), true, 0),
      DATA_OUT_OF_RANGE,
      0,
    ],
    ['that end too early', (tag) => dataPdu(3, tag, 0, data, true, 0), INVALID_HEADER_FIELD, 1],
    [
      'that do not say that they end',
      (tag) => dataPdu(3, tag, 0, Buffer.alloc(32_768), false, 0),
      INVALID_HEADER_FIELD,
      1,
    ],
    [
      'of another length than they say',
      (tag) => {
        const bytes = dataPdu(3, tag, 0, data, false, 0);
        bytes.writeUInt32LE(4092, 16);
        return bytes;
      },
      INVALID_HEADER_FIELD,
      16,
    ],
    ['without any', (tag) => dataPdu(3, tag, 0, Buffer.alloc(0), false, 0), INVALID_HEADER_FIELD, 16],
    [
      'where a header is',
      (tag) => {
        const bytes = dataPdu(3, tag, 0, data, false, 0);
        bytes[3] = 8;
        return bytes;
      },
      INVALID_HEADER_FIELD,
      3,
    ],
  ];
  test.each(wrongData)('data %s end the connection', async (_name, make, fes, fei) => {
    const host = await ioQueue();
    host.write(commandPdu(writeEntry(3, 0, 64), null, 0));
    const tag = (await host.pdu())!.readUInt16LE(10);
    host.write(make(tag));
    const said = await termination(host);
    expect([said.fes, said.fei]).toEqual([fes, fei]);
    await served!.server.close();
    expect(served!.memory.usedBytes).toBe(0);
  });

  test('more data in a PDU than MAXH2CDATA end the connection', async () => {
    const host = await ioQueue({ limits: { h2cDataBytesMax: 4096 } });
    host.write(commandPdu(writeEntry(3, 0, 64), null, 0));
    const tag = (await host.pdu())!.readUInt16LE(10);
    host.write(dataPdu(3, tag, 0, Buffer.alloc(8192), false, 0));
    expect((await termination(host)).fes).toBe(FATAL_ERROR.DATA_LIMIT_EXCEEDED);
  });

  test('more data in a capsule than the queue takes end the connection', async () => {
    const host = await connected();
    const entry = writeEntry(3, 0, 64, true);
    host.write(commandPdu(entry, Buffer.alloc(8196), 0));
    const said = await termination(host);
    expect([said.fes, said.fei]).toEqual([INVALID_HEADER_FIELD, 4]);
  });

  test('a PDU of 4 GiB costs no memory', async () => {
    const host = await connected();
    const bytes = commandPdu(readEntry(1, 0, 1), null, 0);
    bytes[3] = 72;
    bytes.writeUInt32LE(0xffff_ffff, 4);
    host.write(bytes);
    expect((await termination(host)).fes).toBe(INVALID_HEADER_FIELD);
  });

  test('more commands than the queue has entries end the connection', async () => {
    const host = await ioQueue();
    const commands = Array.from({ length: 200 }, (_, id) => commandPdu(writeEntry(id, 0, 64), null, 0));
    host.write(...commands);
    await host.ended();
    expect(served!.log.join()).not.toContain('undefined');
    await served!.server.close();
    expect(served!.log.join()).toContain('queue-overflow');
    expect(served!.memory.usedBytes).toBe(0);
  });
});

describe('time and numbers', () => {
  test('who says nothing, or half an ICReq, is cut off', async () => {
    const silent = await raw({ limits: { handshakeMs: 40 } });
    const half = await raw();
    half.write(icReq({}).subarray(0, 60));
    await Promise.all([silent.ended(), half.ended()]);
    expect(served!.server.counters.timeouts).toBe(2);
  });

  test('who does not connect after ICResp is cut off', async () => {
    const host = await raw({ limits: { connectMs: 40 } });
    host.write(icReq({}));
    expect((await host.pdu())![0]).toBe(PDU_TYPE.IC_RESP);
    expect(await host.pdu()).toBeNull();
    await served!.server.close();
    expect(served!.log).toContain('disconnect: no Connect in time');
  });

  test('a slow-loris within a PDU is cut off, however regularly it drips', async () => {
    const host = await connected({ limits: { pduMs: 60 } });
    const bytes = commandPdu(readEntry(1, 0, 1), null, 0);
    let at = 0;
    const drip = setInterval(() => {
      if (at < bytes.length - 1 && !host.isEnded) {
        host.socket.write(bytes.subarray(at, at + 1));
        at++;
      }
    }, 5);
    await host.ended();
    clearInterval(drip);
    expect(at).toBeLessThan(bytes.length);
    expect(served!.server.counters.timeouts).toBe(1);
  });

  test('data that were asked for and do not come end the connection, and their memory is free again', async () => {
    const host = await ioQueue({ limits: { pduMs: 60 } });
    host.write(commandPdu(writeEntry(3, 0, 64), null, 0));
    expect((await host.pdu())![0]).toBe(PDU_TYPE.R2T);
    await host.ended();
    await served!.server.close();
    expect(served!.memory.usedBytes).toBe(0);
  });

  test('who owes data is cut off even if it keeps talking', async () => {
    const host = await ioQueue({ limits: { pduMs: 80 } });
    host.write(commandPdu(writeEntry(3, 0, 64), null, 0));
    expect((await host.pdu())![0]).toBe(PDU_TYPE.R2T);
    const talk = setInterval(() => {
      if (!host.isEnded) {
        host.write(commandPdu(readEntry(4, 0, 1), null, 0));
      }
    }, 10);
    await host.ended();
    clearInterval(talk);
    await served!.server.close();
    expect(served!.log).toContain('disconnect: data that were asked for did not come in time');
    expect(served!.memory.usedBytes).toBe(0);
  });

  test('a host that reads nothing is cut off, and holds no more than its share', async () => {
    const host = await ioQueue({ limits: { stallMs: 150, connectionSendBytesMax: 300_000 } });
    host.socket.pause();
    let mostBytes = 0;
    const watch = setInterval(() => {
      mostBytes = Math.max(mostBytes, served!.server.sendBytes);
    }, 5);
    // Within the depth of the queue, and far more data than sockets take: 30 reads of 1 MiB.
    host.write(...Array.from({ length: 30 }, (_, id) => commandPdu(readEntry(id, 0, 2048), null, 0)));
    while (!served!.log.some((line) => line.startsWith('disconnect'))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    clearInterval(watch);
    expect(served!.log).toContain('disconnect: the host takes nothing');
    expect(mostBytes).toBeLessThanOrEqual(600_000);
    expect(served!.memory.usedBytes).toBe(0);
  });

  test('hundreds of half-open connections do not keep a host out, nor grow in number', async () => {
    served = await serve({ limits: { pendingMax: 50 } });
    const sockets = await Promise.all(
      Array.from(
        { length: 400 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect({ host: '127.0.0.1', port: served!.port });
            socket.on('error', () => {});
            socket.once('connect', () => {
              socket.write(Buffer.from([0, 0, 128]));
              resolve(socket);
            });
          }),
      ),
    );
    const host = await served.host();
    expect(served.server.connectionCount).toBeLessThanOrEqual(51);
    expect(served.server.counters.evicted).toBeGreaterThanOrEqual(350);
    host.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });

  test('a port that is taken is a typed error', async () => {
    served = await serve();
    const port = { ...[...served.target.ports][0]!.config };
    const taken = { ...port, address: { ...port.address, serviceId: String(served.port) } };
    await expect(served.server.listen(taken)).rejects.toMatchObject({ code: 'NVMETCP_LISTEN' });
  });

  test('above the most connections one more is turned away at once', async () => {
    const first = await connected({ limits: { connectionsMax: 1 } });
    const second = await raw();
    expect(await second.pdu()).toBeNull();
    expect(served!.server.counters.turnedAway).toBe(1);
    expect(first.isEnded).toBe(false);
  });

  test('a host that is not allowed gets no controller', async () => {
    served = await serve({ allowAnyHost: false });
    await expect(served.host()).rejects.toMatchObject({ code: 'NVMETCP_REFUSED' });
  });
});
