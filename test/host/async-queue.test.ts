import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/base/index.ts';
import {
  ASYNC_READ,
  ASYNC_SYNC,
  ASYNC_WRITE,
  AsyncQueue,
  errnoName,
  libc,
  Mapping,
} from '../../src/host/index.ts';
import { hasFfi } from '../support/ffi.ts';

const BLOCK = 4096;
const BLOCKS = 64;

/** Resolves with the results by slot once `count` requests completed. */
function results(queue: AsyncQueue, count: number): Promise<Map<number, number>> {
  const seen = new Map<number, number>();
  return new Promise((resolve) => {
    queue.onDone = (slot, result) => {
      seen.set(slot, result);
      if (seen.size === count) {
        resolve(seen);
      }
    };
  });
}

describe.skipIf(!hasFfi())('asynchronous requests', () => {
  let folder: string;
  let path: string;
  let content: Uint8Array;
  let fd: number;
  let memory: Mapping;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'peerlane-'));
    path = join(folder, 'file');
    const random = new SeededRandom(11);
    content = Uint8Array.from({ length: BLOCK * BLOCKS }, () => random.next32());
    writeFileSync(path, content);
    fd = openSync(path, constants.O_RDWR | constants.O_DIRECT);
    memory = Mapping.ofHostMemory(BLOCK * BLOCKS);
  });

  afterAll(() => {
    memory.close();
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('read what the file holds, each into its own place', async () => {
    const queue = new AsyncQueue(BLOCKS);
    const done = results(queue, BLOCKS);
    const address = memory.pin();
    for (let i = 0; i < BLOCKS; i++) {
      const target = (i * 37) % BLOCKS;
      expect(queue.submit(ASYNC_READ, fd, address + target * BLOCK, BLOCK, i * BLOCK)).toBeGreaterThanOrEqual(
        0,
      );
    }
    expect(queue.inFlight).toBe(BLOCKS);
    expect([...(await done).values()].every((result) => result === BLOCK)).toBe(true);
    memory.unpin();
    const block = new Uint8Array(BLOCK);
    for (let i = 0; i < BLOCKS; i++) {
      memory.copyOut(((i * 37) % BLOCKS) * BLOCK, block);
      expect(block).toEqual(content.subarray(i * BLOCK, (i + 1) * BLOCK));
    }
    queue.close();
  });

  it('write and sync', async () => {
    const queue = new AsyncQueue(2);
    memory.fill(0x77);
    let done = results(queue, 1);
    queue.submit(ASYNC_WRITE, fd, memory.pin(), BLOCK, 3 * BLOCK);
    expect([...(await done).values()]).toEqual([BLOCK]);
    memory.unpin();
    done = results(queue, 1);
    queue.submit(ASYNC_SYNC, fd, 0, 0, 0);
    expect([...(await done).values()]).toEqual([0]);
    expect(new Set(readFileSync(path).subarray(3 * BLOCK, 4 * BLOCK))).toEqual(new Set([0x77]));
    queue.close();
  });

  it('beyond the depth are refused with EAGAIN and come when a slot is free', async () => {
    const queue = new AsyncQueue(1);
    const done = results(queue, 1);
    const address = memory.pin();
    expect(queue.submit(ASYNC_READ, fd, address, BLOCK, 0)).toBe(0);
    expect(errnoName(-queue.submit(ASYNC_READ, fd, address, BLOCK, 0))).toBe('EAGAIN');
    await done;
    expect(queue.submit(ASYNC_READ, fd, address, BLOCK, 0)).toBe(0);
    await results(queue, 1);
    memory.unpin();
    queue.close();
  });

  it('submitted from a completion keep their own slots', async () => {
    // Every completion asks for the next block in its own slot; a slot that was handed out twice would lose one.
    const depth = 8;
    const queue = new AsyncQueue(depth);
    const owner = new Map<number, number>();
    const seen: number[] = [];
    const address = memory.pin();
    let next = 0;
    const ask = (): void => {
      const block = next++;
      const slot = queue.submit(
        ASYNC_READ,
        fd,
        address + (block % BLOCKS) * BLOCK,
        BLOCK,
        (block % BLOCKS) * BLOCK,
      );
      expect(owner.has(slot)).toBe(false);
      owner.set(slot, block);
    };
    await new Promise<void>((resolve) => {
      queue.onDone = (slot, result) => {
        expect(result).toBe(BLOCK);
        seen.push(owner.get(slot)!);
        owner.delete(slot);
        if (next < 500) {
          ask();
        } else if (owner.size === 0) {
          resolve();
        }
      };
      for (let i = 0; i < depth; i++) {
        ask();
      }
    });
    memory.unpin();
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
    queue.close();
  });

  const wrong: readonly [string, () => [number, number, number], string][] = [
    ['an offset within a block', () => [fd, BLOCK, 100], 'EINVAL'],
    ['a closed descriptor', () => [9999, BLOCK, 0], 'EBADF'],
  ];
  it.each(wrong)('with %s fail with an errno and no crash', async (_, request, name) => {
    const queue = new AsyncQueue(1);
    const [file, length, offset] = request();
    const done = results(queue, 1);
    const slot = queue.submit(ASYNC_READ, file, memory.pin(), length, offset);
    const result = slot < 0 ? slot : [...(await done).values()][0]!;
    expect(errnoName(-result)).toBe(name);
    memory.unpin();
    queue.close();
  });

  it('into memory that was taken away fail with EFAULT and no crash', async () => {
    // Reserved addresses without memory behind them, as a mapping of peer memory has after its driver was unbound.
    const [PROT_NONE, MAP_PRIVATE_ANONYMOUS] = [0, 0x22];
    const address = libc().mmap(0, BLOCK, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    const queue = new AsyncQueue(1);
    const done = results(queue, 1);
    const slot = queue.submit(ASYNC_READ, fd, address, BLOCK, 0);
    const result = slot < 0 ? slot : [...(await done).values()][0]!;
    expect(errnoName(-result)).toBe('EFAULT');
    queue.close();
    libc().munmap(address, BLOCK);
  });

  it('at the end of the file are short', async () => {
    const queue = new AsyncQueue(1);
    const done = results(queue, 1);
    queue.submit(ASYNC_READ, fd, memory.pin(), 2 * BLOCK, (BLOCKS - 1) * BLOCK);
    expect([...(await done).values()]).toEqual([BLOCK]);
    memory.unpin();
    queue.close();
  });

  it('cannot be made of a queue that is closed', () => {
    const queue = new AsyncQueue(1);
    queue.close();
    queue.close();
    expect(() => queue.submit(ASYNC_READ, fd, 0, BLOCK, 0)).toThrow(/after its queue was closed/);
  });
});
