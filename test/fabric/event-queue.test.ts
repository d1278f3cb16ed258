import { describe, expect, test } from 'vitest';
import { EventQueue, noTurn, TIME_END_PS } from '../../src/fabric/index.ts';

function recorder(queue: EventQueue) {
  const seen: string[] = [];
  return {
    seen,
    onEvent(code: number, argument: number) {
      seen.push(`${code}:${argument}@${queue.nowPs}`);
    },
  };
}

describe('an untimed queue', () => {
  test('runs work in the order of asking, at no cost, never inside the call that asked', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.after(500, sink, 1, 10);
    queue.after(5, sink, 2, 20);
    expect(sink.seen).toEqual([]);
    queue.runUntilIdle();
    expect(sink.seen).toEqual(['1:10@0', '2:20@0']);
  });

  test('jumps to a deadline only when nothing is due', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.timer(1000, sink, 1, 0);
    const worker = {
      left: 1000,
      onEvent() {
        if (--this.left > 0) {
          queue.after(1e12, worker, 0, 0);
        }
      },
    };
    queue.after(0, worker, 0, 0);
    queue.runUntilIdle();
    expect(worker.left).toBe(0);
    expect(sink.seen).toEqual(['1:0@1000']);
  });

  test('takes cancelled deadlines out, and an old id names nothing', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    for (let i = 0; i < 10_000; i++) {
      const id = queue.timer(1e9 + i, sink, 0, i);
      queue.cancel(id);
      queue.cancel(id);
    }
    const old = queue.timer(10, sink, 0, 0);
    queue.cancel(old);
    queue.timer(20, sink, 7, 7);
    queue.cancel(old);
    queue.cancel(0);
    expect(queue.runUntilIdle()).toBe(1);
    expect(sink.seen).toEqual(['7:7@20']);
  });

  test('orders a thousand deadlines by time, then by asking, whatever was cancelled between', () => {
    const queue = new EventQueue({ turn: noTurn });
    const seen: [number, number][] = [];
    const sink = {
      onEvent(_: number, argument: number) {
        seen.push([queue.nowPs, argument]);
      },
    };
    const expected: [number, number][] = [];
    let word = 1;
    for (let i = 0; i < 1000; i++) {
      word = (Math.imul(word, 1_103_515_245) + 12_345) >>> 0;
      const at = (word >>> 8) % 50;
      const id = queue.timer(at, sink, 0, i);
      if (i % 3 === 0) {
        queue.cancel(id);
      } else {
        expected.push([at, i]);
      }
    }
    queue.runUntilIdle();
    expect(seen).toEqual(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]));
  });

  test('does not jump while something outside is awaited', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.timer(5, sink, 1, 1);
    queue.hold();
    queue.runUntilIdle();
    expect(sink.seen).toEqual([]);
    queue.release();
    queue.runUntilIdle();
    expect(sink.seen).toEqual(['1:1@5']);
  });

  test('ends with a typed error at the end of its clock', () => {
    const queue = new EventQueue({ turn: noTurn });
    queue.timer(TIME_END_PS, recorder(queue), 0, 0);
    expect(() => queue.runUntilIdle()).toThrow(expect.objectContaining({ code: 'FABRIC_TIME_END' }));
  });

  test('is turned by the host when nobody does it by hand', async () => {
    const queue = new EventQueue();
    const at = await new Promise<number>((resolve) => {
      queue.timer(3e12, { onEvent: () => resolve(queue.nowPs) }, 0, 0);
    });
    expect(at).toBe(3e12);
  });
});

test('a delayed queue gives the same order for the same seed, and another for another', () => {
  const orders = [1, 1, 2].map((seed) => {
    const queue = new EventQueue({ turn: noTurn, jitter: { seed, jitterPs: 1000 } });
    const sink = recorder(queue);
    for (let i = 0; i < 20; i++) {
      queue.after(0, sink, 0, i);
    }
    queue.runUntilIdle();
    return sink.seen.join();
  });
  expect(orders[0]).toBe(orders[1]);
  expect(orders[0]).not.toBe(orders[2]);
});
