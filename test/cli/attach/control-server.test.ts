// A real socket; the server behind it is a function.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/base/index.ts';
import { askServer, isServed } from '../../../src/cli/attach/control-client.ts';
import { type ControlRequest, REQUEST_BYTES_MAX } from '../../../src/cli/attach/control-protocol.ts';
import { ControlServer } from '../../../src/cli/attach/control-server.ts';

let folder: string;
let server: ControlServer;
const asked: ControlRequest[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'peerlane-control-'));
  asked.length = 0;
  server = await ControlServer.open(join(folder, 'control.sock'), async (request) => {
    asked.push(request);
    if (request.do === 'eject') {
      throw new UsageError('USAGE_DEVICE', { message: `no ${request.device}`, hint: 'nvme0' });
    }
    // Later requests must not overtake earlier ones.
    await new Promise((resolve) => setTimeout(resolve, request.do === 'status' ? 20 : 0));
    return { did: request.do };
  });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends text and takes answers until the server closes or there are so many. */
async function exchange(text: string | Buffer, count: number): Promise<unknown[]> {
  const socket: Socket = connect(server.path);
  socket.on('error', () => {});
  const answers: unknown[] = [];
  socket.write(text);
  for await (const line of createInterface({ input: socket })) {
    answers.push(JSON.parse(line));
    if (answers.length === count) {
      break;
    }
  }
  socket.destroy();
  return answers;
}

describe('the control socket', () => {
  it('is for its owner alone', () => {
    expect(statSync(server.path).mode & 0o777).toBe(0o600);
  });

  it('answers in the order of the requests, also when they come together', async () => {
    const answers = await exchange(
      '{"id":1,"do":"status"}\n{"id":2,"do":"counters"}\n\n{"id":3,"do":"bad"}\n',
      3,
    );
    expect(answers).toMatchObject([
      { id: 1, ok: true, result: { did: 'status' } },
      { id: 2, ok: true, result: { did: 'counters' } },
      { id: 3, ok: false, error: { code: 'USAGE_CONTROL' } },
    ]);
  });

  it('takes a request that comes byte by byte', async () => {
    const socket = connect(server.path);
    const line = new Promise<string>((resolve) => createInterface({ input: socket }).once('line', resolve));
    for (const byte of '{"do":"counters"}\n') {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(JSON.parse(await line)).toMatchObject({ ok: true });
    socket.destroy();
  });

  it('lets a client go that sends a line without an end, and serves the others', async () => {
    const answers = await exchange(Buffer.alloc(REQUEST_BYTES_MAX + 10, 0x7b), 5);
    expect(answers).toMatchObject([{ id: null, ok: false, error: { code: 'USAGE_CONTROL' } }]);
    expect(await askServer(folder, { do: 'counters' })).toEqual({ did: 'counters' });
  });

  it('outlives clients that go away in the middle', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(server.path);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write('{"do":"status"}\n{"do":"st');
      socket.destroy();
    }
    expect(await askServer(folder, { do: 'counters' })).toEqual({ did: 'counters' });
  });

  it('is asked by the client, and what it refuses is thrown there', async () => {
    expect(await askServer(folder, { do: 'status' })).toEqual({ did: 'status' });
    await expect(askServer(folder, { do: 'eject', device: 'x' })).rejects.toMatchObject({
      code: 'USAGE_DEVICE',
      message: 'no x',
      hint: 'nvme0',
    });
    expect(asked).toEqual(
      [{ do: 'status' }, { do: 'eject', device: 'x' }].map((request) => expect.objectContaining(request)),
    );
  });

  it('is gone after the end, and the client says so', async () => {
    await server.close();
    expect(await isServed(server.path)).toBe(false);
    await expect(askServer(folder, { do: 'status' })).rejects.toMatchObject({ code: 'HOST_NO_SERVER' });
    writeFileSync(server.path, '');
    await expect(askServer(folder, { do: 'status' })).rejects.toMatchObject({ code: 'HOST_NO_SERVER' });
  });
});
