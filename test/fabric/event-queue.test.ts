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

describe('a timed queue', () => {
  test('takes what it is told, rounded up to a whole picosecond, and says that it delays', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    expect(queue.isDelaying).toBe(true);
    queue.after(500, sink, 1, 10);
    queue.after(4.2, sink, 2, 20);
    queue.schedule(4.9, sink, 3, 30);
    queue.schedule(-7, sink, 4, 40);
    queue.runUntilIdle();
    expect(sink.seen).toEqual(['4:40@0', '2:20@5', '3:30@5', '1:10@500']);
  });

  test('rounds a delay up also where the clock is too large for its fraction', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    const late = { onEvent: () => queue.after(1e-4, sink, 1, 0) };
    queue.schedule(2 ** 50, late, 0, 0);
    queue.runUntilIdle();
    expect(sink.seen).toEqual([`1:0@${2 ** 50 + 1}`]);
  });

  test('keeps the order of asking within a moment, whoever holds the event', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    const first = {
      onEvent() {
        queue.after(0, sink, 3, 0);
        queue.timer(0, sink, 4, 0);
        queue.schedule(queue.nowPs, sink, 5, 0);
        queue.timer(0, sink, 6, 0);
        queue.after(0, sink, 7, 0);
      },
    };
    queue.schedule(10, first, 0, 0);
    queue.timer(10, sink, 1, 0);
    queue.schedule(10, sink, 2, 0);
    queue.runUntilIdle();
    expect(sink.seen).toEqual([1, 2, 3, 4, 5, 6, 7].map((code) => `${code}:0@10`));
  });

  test('takes in what comes before everything that waits, after a look that ran nothing', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    queue.schedule(2 ** 20 + 1, sink, 2, 0);
    queue.schedule(2 ** 20 + 2, sink, 3, 0);
    queue.hold();
    expect(queue.runUntilIdle()).toBe(0);
    queue.schedule(2 ** 19, sink, 1, 0);
    queue.release();
    queue.runUntilIdle();
    expect(sink.seen.map((line) => line[0])).toEqual(['1', '2', '3']);
  });

  test('a turn of the host runs one moment, so that who awaits it goes on at that moment', async () => {
    const turns: (() => void)[] = [];
    const queue = new EventQueue({ turn: (run) => turns.push(run), timed: true });
    const sink = recorder(queue);
    queue.schedule(5, sink, 1, 0);
    queue.schedule(5, sink, 2, 0);
    queue.schedule(6, sink, 3, 0);
    turns.shift()!();
    expect(sink.seen).toEqual(['1:0@5', '2:0@5']);
    turns.shift()!();
    expect(sink.seen).toEqual(['1:0@5', '2:0@5', '3:0@6']);
    expect(turns).toEqual([]);
  });

  test('ends with a typed error at the end of its clock, also inside the window of its wheel', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    const late = {
      onEvent() {
        queue.schedule(TIME_END_PS - 1, sink, 1, 0);
        queue.schedule(TIME_END_PS, sink, 2, 0);
      },
    };
    queue.schedule(TIME_END_PS - 10, late, 0, 0);
    expect(() => queue.runUntilIdle()).toThrow(expect.objectContaining({ code: 'FABRIC_TIME_END' }));
    expect(sink.seen).toEqual([`1:0@${TIME_END_PS - 1}`]);
  });

  test('refuses a moment that is not a number', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    for (const ask of ['after', 'at', 'schedule', 'timer'] as const) {
      expect(() => queue[ask](Number.NaN, sink, 0, 0)).toThrow('not a number');
    }
    expect(queue.isIdle).toBe(true);
  });

  test('goes on after an event that threw', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    const sink = recorder(queue);
    const broken = {
      onEvent() {
        throw new Error('broken');
      },
    };
    queue.schedule(1, broken, 0, 0);
    queue.schedule(1, sink, 1, 0);
    queue.timer(2, broken, 0, 0);
    queue.timer(2, sink, 2, 0);
    expect(() => queue.runUntilIdle()).toThrow('broken');
    expect(() => queue.runUntilIdle()).toThrow('broken');
    queue.runUntilIdle();
    expect(sink.seen).toEqual(['1:0@1', '2:0@2']);
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

describe('a queue that follows a clock outside', () => {
  test('runs what is due up to a moment, which then is now', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.timer(1000, sink, 1, 0);
    queue.timer(2000, sink, 2, 0);
    queue.after(5, sink, 3, 0);
    expect(queue.nextPs).toBe(0);
    expect(queue.runUntil(1500)).toBe(2);
    expect(sink.seen).toEqual(['3:0@0', '1:0@1000']);
    expect([queue.nowPs, queue.nextPs]).toEqual([1500, 2000]);
    expect(queue.runUntil(1700)).toBe(0);
    expect(queue.nowPs).toBe(1700);
    expect(queue.runUntil(100)).toBe(0);
    expect(queue.nowPs).toBe(1700);
    queue.timer(0, sink, 4, 0);
    expect(queue.nextPs).toBe(1700);
    expect(queue.runUntil(1700)).toBe(1);
    expect(queue.runUntil(5000)).toBe(1);
    expect(queue.nextPs).toBe(Number.POSITIVE_INFINITY);
  });

  test('stops after so many events, and time has come no further than they', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.timer(10, sink, 1, 0);
    queue.timer(20, sink, 2, 0);
    expect(queue.runUntil(100, 1)).toBe(1);
    expect([queue.nowPs, queue.nextPs]).toEqual([10, 20]);
    expect(queue.runUntil(100, 5)).toBe(1);
    expect(queue.nowPs).toBe(100);
  });

  test('is not held back by what somebody outside awaits, and has no end of time', () => {
    const queue = new EventQueue({ turn: noTurn });
    const sink = recorder(queue);
    queue.hold();
    queue.timer(TIME_END_PS + 1e12, sink, 1, 0);
    expect(queue.runUntil(TIME_END_PS + 2e12)).toBe(1);
    queue.timer(1e12, sink, 2, 0);
    expect(queue.runUntil(TIME_END_PS + 4e12)).toBe(1);
    expect(sink.seen).toEqual([`1:0@${TIME_END_PS + 1e12}`, `2:0@${TIME_END_PS + 3e12}`]);
  });

  test('does not begin without a moment', () => {
    const queue = new EventQueue({ turn: noTurn });
    expect(() => queue.runUntil(Number.NaN)).toThrow(/no moment/);
    expect(() => queue.runUntil(Number.POSITIVE_INFINITY)).toThrow(/no moment/);
  });
});
