import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  adoptEventFd,
  drainEventFd,
  EventFd,
  libc,
  MemoryWindow,
  NativeBuffer,
  SharedMemory,
  sharedFileFacts,
  signalEventFd,
  WINDOW_BYTES,
} from '../../src/host/index.ts';
import { hasFfi } from '../support/ffi.ts';

const MFD_ALLOW_SEALING = 2;

describe.skipIf(!hasFfi())('shared memory', () => {
  it('is what others see through its descriptor', () => {
    const memory = new SharedMemory('test', 8192);
    memory.bytes[5000] = 77;
    const seen = new Uint8Array(1);
    readSync(memory.fd, seen, 0, 1, 5000);
    expect(seen[0]).toBe(77);
    expect(memory.bytes.length).toBe(8192);
    memory.close();
    memory.close();
  });

  it('cannot be cut by whoever has its descriptor', () => {
    const memory = new SharedMemory('test', 8192);
    expect(() => ftruncateSync(memory.fd, 4096)).toThrow(/EPERM/);
    memory.close();
  });

  it('is the same file by whichever descriptor it comes', () => {
    const memory = new SharedMemory('test', 8192);
    const again = openSync(`/proc/self/fd/${memory.fd}`, 'r+');
    const facts = sharedFileFacts(memory.fd, false);
    expect(facts).toMatchObject({ sizeBytes: 8192 });
    expect(sharedFileFacts(again, false)).toEqual(facts);
    closeSync(again);
    memory.close();
  });

  it('of others is sealed when it can be, and refused when it cannot', () => {
    const open = libc().memfdCreate('open', MFD_ALLOW_SEALING);
    ftruncateSync(open, 4096);
    expect(sharedFileFacts(open, false)).toMatchObject({ sizeBytes: 4096 });
    expect(() => ftruncateSync(open, 0)).toThrow(/EPERM/);
    closeSync(open);
    const unsealable = libc().memfdCreate('closed', 0);
    ftruncateSync(unsealable, 4096);
    expect(sharedFileFacts(unsealable, false)).toBe('unsealed');
    expect(sharedFileFacts(unsealable, true)).toMatchObject({ sizeBytes: 4096 });
    closeSync(unsealable);
  });

  it('is no file on a disk, no device and no directory', () => {
    const folder = mkdtempSync(join(tmpdir(), 'peerlane-'));
    const path = join(folder, 'file');
    writeFileSync(path, 'x');
    for (const name of [path, '/dev/zero', folder]) {
      const fd = openSync(name, 'r');
      expect(sharedFileFacts(fd, false)).toBe('unsealed');
      closeSync(fd);
    }
    const directory = openSync(folder, 'r');
    expect(sharedFileFacts(directory, true)).toBe('not-a-file');
    closeSync(directory);
    rmSync(folder, { recursive: true });
  });
});

describe.skipIf(!hasFfi())('a window', () => {
  it('shows a file, grows with it, and is empty memory afterwards', () => {
    const fd = libc().memfdCreate('grows', 0);
    ftruncateSync(fd, 4096);
    const window = MemoryWindow.take()!;
    expect(window.bytes.length).toBe(WINDOW_BYTES);
    expect(window.show(fd, 0, 4096)).toBe(0);
    window.bytes[10] = 1;
    ftruncateSync(fd, 3 * 4096);
    expect(window.show(fd, 0, 3 * 4096)).toBe(0);
    expect(window.bytes[10]).toBe(1);
    window.bytes[2 * 4096] = 2;
    window.release();
    expect(window.bytes[10]).toBe(0);
    expect(window.bytes[2 * 4096]).toBe(0);
    // The file itself has kept it.
    const seen = new Uint8Array(1);
    readSync(fd, seen, 0, 1, 2 * 4096);
    expect(seen[0]).toBe(2);
    closeSync(fd);
  });

  it('is taken again rather than made', () => {
    const first = MemoryWindow.take()!;
    first.release();
    expect(MemoryWindow.take()).toBe(first);
    first.release();
  });

  it('that cannot show a file is as it was', () => {
    const window = MemoryWindow.take()!;
    expect(window.show(-1, 0, 4096)).toBeGreaterThan(0);
    expect(window.shownBytes).toBe(0);
    window.bytes[0] = 1;
    window.bytes[0] = 0;
    window.release();
  });
});

describe.skipIf(!hasFfi())('an event counter', () => {
  it('tells once what was added', () => {
    const event = new EventFd();
    expect(event.drain()).toBe(false);
    event.signal();
    event.signal();
    expect(event.drain()).toBe(true);
    expect(event.drain()).toBe(false);
    event.close();
    event.close();
    event.signal();
  });

  it('of others is known as such, and never waited for', () => {
    const waits = libc().eventfd(0, 0);
    const most = new NativeBuffer(8);
    most.view.setBigUint64(0, 2n ** 64n - 2n, true);
    expect(libc().write(waits, most.address, 8)).toBe(8);
    expect(adoptEventFd(waits)).toBe(true);
    // It is full: without adoption this would wait for somebody to read.
    signalEventFd(waits);
    expect(drainEventFd(waits)).toBe(true);
    expect(drainEventFd(waits)).toBe(false);
    libc().close(waits);
    const file = openSync('/dev/null', 'r+');
    expect(adoptEventFd(file)).toBe(false);
    closeSync(file);
    expect(adoptEventFd(file)).toBe(false);
  });
});
