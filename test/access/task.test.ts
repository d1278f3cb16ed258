import { expect, test } from 'vitest';
import {
  awaited,
  type BarWindow,
  Delivery,
  MMIO_PENDING,
  type MmioReader,
  read64,
  runTask,
  sleep,
  type Task,
  turn,
} from '../../src/access/index.ts';
import { EventQueue } from '../../src/fabric/index.ts';

/** A window whose odd loads are answered later. */
function slowWindow(queue: EventQueue): BarWindow {
  let count = 0;
  return {
    read32(offset: number, reader: MmioReader) {
      if (count++ % 2 === 0) {
        return offset;
      }
      queue.after(0, { onEvent: () => reader.deliver(offset) }, 0, 0);
      return MMIO_PENDING;
    },
  } as unknown as BarWindow;
}

test('a task waits for loads, deadlines and the outside world, and its promise has the result', async () => {
  const queue = new EventQueue();
  function* work(): Task<string> {
    const { low, high } = yield* read64(slowWindow(queue), 8);
    yield* sleep(queue, 5_000);
    const before = queue.nowPs;
    yield* turn(queue);
    const outside = yield* awaited(queue, Promise.resolve('out'));
    return `${low} ${high} ${before} ${outside}`;
  }
  expect(await runTask(work())).toBe('8 12 5000 out');
});

test('what a task throws rejects its promise, also after a wait', async () => {
  const queue = new EventQueue();
  function* work(): Task<void> {
    yield* sleep(queue, 1);
    throw new Error('after the wait');
  }
  await expect(runTask(work())).rejects.toThrow('after the wait');
  await expect(runTask(awaited(queue, Promise.reject(new Error('outside'))))).rejects.toThrow('outside');
});

test('a delivery that came before anybody waited is not lost', async () => {
  const delivery = new Delivery<number>();
  delivery.deliver(7);
  expect(await runTask(delivery.wait())).toBe(7);
});
