import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connectUnix,
  DESCRIPTORS_MAX,
  EAGAIN,
  NativeBuffer,
  POLL_ENDED,
  POLL_IN,
  POLL_OUT,
  PollSet,
  SocketIo,
  UnixListener,
} from '../../src/host/index.ts';
import { hasFfi } from '../support/ffi.ts';

describe.skipIf(!hasFfi())('a socket at a path', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'peerlane-socket-'));
    path = join(folder, 'a.sock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is only for its owner, and is gone when it is closed', () => {
    const listener = UnixListener.open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(listener.accept()).toBe(-EAGAIN);
    listener.close();
    expect(() => statSync(path)).toThrow(/ENOENT/);
  });

  it('is not taken from a process that serves there', () => {
    const listener = UnixListener.open(path);
    expect(() => UnixListener.open(path)).toThrow(expect.objectContaining({ code: 'HOST_SOCKET_IN_USE' }));
    listener.close();
  });

  it('is taken from one that has died', () => {
    const dead = UnixListener.open(path);
    new SocketIo().close(dead.fd);
    const listener = UnixListener.open(path);
    const client = connectUnix(path);
    expect(listener.accept()).toBeGreaterThan(0);
    new SocketIo().close(client);
    listener.close();
  });

  it('never replaces what is no socket', () => {
    writeFileSync(path, 'precious');
    expect(() => UnixListener.open(path)).toThrow(expect.objectContaining({ code: 'HOST_NOT_SOCKET' }));
    expect(statSync(path).size).toBe(8);
  });

  it('with a path that does not fit is a typed error', () => {
    const long = join(folder, 'x'.repeat(108));
    expect(() => UnixListener.open(long)).toThrow(expect.objectContaining({ code: 'HOST_SOCKET_PATH' }));
    expect(() => connectUnix(long)).toThrow(expect.objectContaining({ code: 'HOST_SOCKET_PATH' }));
  });

  it('that nobody serves is a typed error', () => {
    expect(() => connectUnix(path)).toThrow(expect.objectContaining({ code: 'HOST_CALL_FAILED' }));
  });

  it('does not remove the file of its successor', () => {
    const first = UnixListener.open(path);
    rmSync(path);
    const second = UnixListener.open(path);
    first.close();
    expect(statSync(path).isSocket()).toBe(true);
    second.close();
  });

  describe('with both ends here', () => {
    let listener: UnixListener;
    let client: number;
    let server: number;
    const buffer = hasFfi() ? new NativeBuffer(4096) : undefined;
    const io = hasFfi() ? new SocketIo() : undefined;
    beforeEach(() => {
      listener = UnixListener.open(path);
      client = connectUnix(path);
      server = listener.accept();
    });
    afterEach(() => {
      io!.close(client);
      io!.close(server);
      listener.close();
    });

    it('passes bytes and says when there are none', () => {
      buffer!.bytes.set([1, 2, 3]);
      expect(io!.send(client, buffer!, 0, 3)).toBe(3);
      expect(io!.receive(server, buffer!, 100, 1000)).toBe(3);
      expect([...buffer!.bytes.subarray(100, 104)]).toEqual([1, 2, 3, 0]);
      expect(io!.descriptorCount).toBe(0);
      expect(io!.receive(server, buffer!, 0, 100)).toBe(-EAGAIN);
    });

    it('passes descriptors, and ends a receive behind the bytes they came with', () => {
      const file = join(folder, 'file');
      writeFileSync(file, 'content');
      const fd = openSync(file, 'r');
      io!.send(client, buffer!, 0, 10);
      io!.sendWith(client, buffer!, 0, 20, [fd, fd]);
      io!.send(client, buffer!, 0, 30);
      closeSync(fd);
      expect(io!.receive(server, buffer!, 0, 4096)).toBe(30);
      expect(io!.descriptorCount).toBe(2);
      const [passed, other] = io!.descriptors;
      const bytes = new Uint8Array(7);
      expect(readSync(passed!, bytes, 0, 7, 0)).toBe(7);
      expect(new TextDecoder().decode(bytes)).toBe('content');
      io!.close(passed!);
      io!.close(other!);
      expect(io!.receive(server, buffer!, 0, 4096)).toBe(30);
      expect(io!.descriptorCount).toBe(0);
    });

    it('passes as many descriptors as a message may have', () => {
      io!.sendWith(client, buffer!, 0, 1, new Array<number>(DESCRIPTORS_MAX).fill(client));
      expect(io!.receive(server, buffer!, 0, 16)).toBe(1);
      expect(io!.descriptorCount).toBe(DESCRIPTORS_MAX);
      expect(io!.isTruncated).toBe(false);
      for (const fd of io!.descriptors) {
        io!.close(fd);
      }
    });

    it('whose other end has gone is no signal', () => {
      io!.close(server);
      expect(io!.send(client, buffer!, 0, 1)).toBeLessThan(0);
      expect(io!.receive(client, buffer!, 0, 1)).toBe(0);
      server = -1;
    });

    it('is found by a wait for what it is ready for', () => {
      const set = new PollSet();
      for (let i = 0; i < 40; i++) {
        set.add(server, POLL_IN);
      }
      expect(set.wait(0)).toBe(0);
      io!.send(client, buffer!, 0, 1);
      expect(set.wait(0)).toBe(40);
      expect(set.found(39)).toBe(POLL_IN);
      set.clear();
      const out = set.add(client, POLL_IN | POLL_OUT);
      expect(set.wait(-1)).toBe(1);
      expect(set.found(out)).toBe(POLL_OUT);
      io!.shutdown(client);
      set.clear();
      const ended = set.add(server, POLL_IN);
      expect(set.wait(-1)).toBe(1);
      expect(set.found(ended) & POLL_ENDED).not.toBe(0);
    });
  });
});
