import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue, noTurn } from '../../src/fabric/index.ts';

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly isDue: boolean;
  readonly name: number;
}

/** What the queue promises, by searching a list: due work first in an untimed machine, then time, then the order of asking. */
class ListQueue {
  now = 0;
  entries: Entry[] = [];
  #order = 0;
  readonly #isTimed: boolean;

  constructor(isTimed: boolean) {
    this.#isTimed = isTimed;
  }

  add(at: number, name: number, isFree = false): void {
    const isDue = isFree && !this.#isTimed;
    this.entries.push({ at: isDue ? this.now : Math.max(this.now, at), order: this.#order++, isDue, name });
  }

  remove(name: number): void {
    this.entries = this.entries.filter((entry) => entry.name !== name);
  }

  #first(): Entry | undefined {
    return this.entries.toSorted(
      (a, b) => Number(b.isDue) - Number(a.isDue) || a.at - b.at || a.order - b.order,
    )[0];
  }

  nextAt(): number {
    const first = this.#first();
    return first === undefined ? Number.POSITIVE_INFINITY : first.isDue ? this.now : first.at;
  }

  next(): number | undefined {
    const first = this.#first();
    if (first === undefined) {
      return undefined;
    }
    this.remove(first.name);
    this.now = first.at;
    return first.name;
  }
}

const delay = fc.oneof(
  fc.constantFrom(
    0,
    0,
    1,
    2,
    63,
    64,
    65,
    4095,
    4096,
    2 ** 18,
    2 ** 24,
    2 ** 30,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    1e12,
  ),
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 3e6 }),
  fc.integer({ min: 0, max: 6e9 }),
  fc.constantFrom(0.25, 17.5, 63.0001, 4095.5),
);
const step = fc.record({
  kind: fc.constantFrom('after', 'at', 'schedule', 'schedule', 'timer', 'cancel'),
  delay,
  /** Which of the timers so far is cancelled. */
  which: fc.nat(),
});
const plan = fc.record({
  isTimed: fc.boolean(),
  steps: fc.array(step, { minLength: 1, maxLength: 150 }),
  /** How many steps an event takes, in turn. */
  takes: fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }),
  /** How many events run before somebody outside takes steps, in turn. */
  runs: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 }),
  /** How far a clock outside goes on before each of these, in turn; none: there is no such clock. */
  jumps: fc.oneof(
    fc.constant([]),
    fc.array(fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 9e9 })), {
      minLength: 1,
      maxLength: 8,
    }),
  ),
});

test('events come by time and then by the order of asking, whichever of ring, wheel and heap holds them', () => {
  fc.assert(
    fc.property(plan, ({ isTimed, steps, takes, runs, jumps }) => {
      const queue = new EventQueue({ turn: noTurn, timed: isTimed });
      const list = new ListQueue(isTimed);
      const timers: { id: number; name: number }[] = [];
      const seen: string[] = [];
      const expected: string[] = [];
      let taken = 0;
      let names = 0;
      let visits = 0;
      const takeSteps = (atLeast: number): void => {
        for (
          let left = Math.max(atLeast, takes[visits++ % takes.length]!);
          left > 0 && taken < steps.length;
          left--
        ) {
          const { kind, delay, which } = steps[taken++]!;
          const name = names++;
          if (kind === 'after') {
            queue.after(delay, handler, 3, name);
            list.add(list.now + Math.ceil(delay), name, true);
          } else if (kind === 'at' || kind === 'schedule') {
            queue[kind](queue.nowPs + delay, handler, 3, name);
            list.add(Math.ceil(list.now + delay), name);
          } else if (kind === 'timer') {
            timers.push({ id: queue.timer(delay, handler, 3, name), name });
            list.add(list.now + Math.ceil(delay), name);
          } else if (timers.length > 0) {
            const timer = timers[which % timers.length]!;
            queue.cancel(timer.id);
            list.remove(timer.name);
          }
        }
      };
      const handler = {
        onEvent(code: number, name: number): void {
          seen.push(`${name}@${queue.nowPs}`);
          expect(code).toBe(3);
          const next = list.next();
          expected.push(`${next}@${list.now}`);
          takeSteps(0);
        },
      };
      for (let round = 0; taken < steps.length || list.entries.length > 0; round++) {
        takeSteps(1);
        const pending = list.entries.length;
        expect(queue.isIdle).toBe(pending === 0);
        expect(queue.nextPs).toBe(list.nextAt());
        const eventsMax = runs[round % runs.length]!;
        if (jumps.length === 0) {
          expect(queue.runUntilIdle(eventsMax) > 0).toBe(pending > 0);
        } else {
          // A clock outside: time passes with or without events.
          const jump = jumps[round % jumps.length]!;
          const fromPs = round % 2 === 0 || pending === 0 ? queue.nowPs : list.nextAt();
          const untilPs = fromPs + jump;
          const isDue = list.nextAt() <= untilPs;
          const ran = queue.runUntil(untilPs, eventsMax);
          expect(ran > 0).toBe(isDue);
          list.now = Math.max(list.now, queue.nowPs);
          if (ran < eventsMax) {
            expect(queue.nowPs).toBe(untilPs);
            expect(list.nextAt()).toBeGreaterThan(untilPs);
          }
        }
      }
      expect(seen).toEqual(expected);
      expect(queue.isIdle).toBe(true);
    }),
    { numRuns: 400 },
  );
});
