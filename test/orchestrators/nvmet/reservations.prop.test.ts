import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import { bench, LoopHost, pattern, read, write } from './support/host.ts';
import { acquire, register, release, report } from './support/reservation-commands.ts';
import { ReservationModel } from './support/reservation-model.ts';

const host = fc.integer({ min: 1, max: 3 });
const key = fc.integer({ min: 0, max: 3 });
const type = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 7) },
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('register' as const),
      host,
      action: fc.constantFrom(0, 0, 0, 1, 2, 3),
      ignore: fc.boolean(),
      current: key,
      next: key,
      type,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('acquire' as const),
      host,
      action: fc.constantFrom(0, 0, 1, 2, 3),
      ignore: fc.boolean(),
      current: key,
      next: key,
      type,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      host,
      action: fc.constantFrom(0, 0, 0, 1, 2),
      ignore: fc.boolean(),
      current: key,
      next: key,
      type,
    }),
  },
);

describe('persistent reservations', () => {
  it('are those of the model, for any commands of several hosts, and decide what each may do', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.boolean(), (steps, knowsKeys) => {
        const made = bench({ namespace: { hasReservations: true } });
        const model = new ReservationModel();
        const queues = [1, 2, 3].map((one) => new LoopHost(made, { host: one }).connectIo());
        for (const { kind, host: by, action, ignore, current, next, type: rtype } of steps) {
          const queue = queues[by - 1]!;
          // Hosts mostly know their own key, or few commands would get far.
          const own = knowsKeys ? (model.keyOf(by) ?? current) : current;
          const [sent, expected] =
            kind === 'register'
              ? [register(action, own, next, { ignore }), model.register(by, action, ignore, own, next)]
              : kind === 'acquire'
                ? [acquire(action, rtype, own, next), model.acquire(by, action, rtype, own, next)]
                : [release(action, rtype, own), model.release(by, action, rtype, own)];
          expect(queue.run(sent).completion.status).toBe(expected);
          const { generation, type: held, registrants } = report(queue);
          expect({ generation, type: held, registrants }).toEqual(model.state());
          for (const [index, io] of queues.entries()) {
            const mayRead = model.mayRead(index + 1) ? 0 : NVME_STATUS.RESERVATION_CONFLICT;
            const mayWrite = model.mayWrite(index + 1) ? 0 : NVME_STATUS.RESERVATION_CONFLICT;
            expect(io.run(read(0, 1)).completion.status).toBe(mayRead);
            expect(io.run(write(0, pattern(1, 1))).completion.status).toBe(mayWrite);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
