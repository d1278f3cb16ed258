import { describe, expect, it } from 'vitest';
import { newNamespace, type PersistentReservations } from '../../../src/orchestrators/nvmet/index.ts';
import { ADMIN_OPCODE, FEATURE, LOG_PAGE, NVM_OPCODE, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import { DelayedTarget } from './support/delayed-target.ts';
import {
  BLOCK,
  BLOCKS,
  bench,
  LoopHost,
  logPage,
  pattern,
  SUBSYSTEM,
  waitEvent,
  write,
} from './support/host.ts';
import { acquire, register, release, report } from './support/reservation-commands.ts';

function hosts(count = 3) {
  const made = bench({ namespace: { hasReservations: true } });
  const all = Array.from({ length: count }, (_, i) => new LoopHost(made, { host: i + 1 }));
  return { ...made, hosts: all, io: all.map((host) => host.connectIo()) };
}

const WRITE_EXCLUSIVE_REGISTRANTS = 3;

describe('reservation notifications', () => {
  function notice(host: LoopHost) {
    const { view } = host.admin.run(logPage(LOG_PAGE.RESERVATION_NOTIFICATION, 64));
    return {
      count: view.getUint32(0, true),
      kind: view.getUint8(8),
      more: view.getUint8(9),
      nsid: view.getUint32(12, true),
    };
  }

  it('come to hosts whose registration was preempted, with a log page each', () => {
    const { hosts: all, io } = hosts();
    const events = all.map((host) => waitEvent(host.admin));
    for (const [index, queue] of io.entries()) {
      queue.run(register(0, 0, index + 1));
    }
    io[0]!.run(acquire(0, 1, 1));
    expect(io[1]!.run(acquire(1, 1, 2, 1)).completion.status).toBe(0);
    expect(events.map((event) => event.completion?.result)).toEqual([0x80_0006, undefined, undefined]);
    expect(notice(all[0]!)).toEqual({ count: 1, kind: 1, more: 0, nsid: 1 });
    expect(notice(all[0]!)).toEqual({ count: 0, kind: 0, more: 0, nsid: 0 });
  });

  it('come to the other registrants when a reservation for registrants is released', () => {
    const { hosts: all, io } = hosts();
    for (const [index, queue] of io.entries()) {
      queue.run(register(0, 0, index + 1));
    }
    io[0]!.run(acquire(0, WRITE_EXCLUSIVE_REGISTRANTS, 1));
    io[0]!.run(release(0, WRITE_EXCLUSIVE_REGISTRANTS, 1));
    expect(all.map((host) => notice(host).kind)).toEqual([0, 2, 2]);
    // A clear tells the others that what they had is gone.
    io[0]!.run(release(1, 0, 1));
    expect(all.map((host) => notice(host).kind)).toEqual([0, 3, 3]);
  });

  it('are kept from a host that masks them, and told again while pages are left', () => {
    const { hosts: all, io } = hosts(2);
    for (const [index, queue] of io.entries()) {
      queue.run(register(0, 0, index + 1));
    }
    const mask = (cdw11: number) =>
      all[1]!.admin.run({
        opcode: ADMIN_OPCODE.SET_FEATURES,
        nsid: 1,
        cdw10: FEATURE.RESERVATION_NOTIFICATION_MASK,
        cdw11,
      }).completion.status;
    const released = () => {
      io[0]!.run(acquire(0, WRITE_EXCLUSIVE_REGISTRANTS, 1));
      io[0]!.run(release(0, WRITE_EXCLUSIVE_REGISTRANTS, 1));
    };
    expect([mask(1 << 5), mask(1 << 2)]).toEqual([NVME_STATUS.INVALID_FIELD, 0]);
    released();
    expect(notice(all[1]!).kind).toBe(0);
    mask(0);
    released();
    released();
    const events = [waitEvent(all[1]!.admin), waitEvent(all[1]!.admin)];
    expect(events.map((event) => event.completion?.result)).toEqual([0x80_0006, undefined]);
    expect(notice(all[1]!)).toEqual({ count: 1, kind: 2, more: 1, nsid: 1 });
    expect(events[1]!.completion?.result).toBe(0x80_0006);
    expect(notice(all[1]!)).toEqual({ count: 2, kind: 2, more: 0, nsid: 1 });
  });
});

describe('preempt and abort', () => {
  it('answers when the commands of the preempted host have ended, and none of them writes later', () => {
    const made = bench({ namespace: { hasReservations: true } });
    const slow = new DelayedTarget(made.executor, BLOCKS, BLOCK, 1);
    const backend = {
      target: slow,
      memory: made.memory,
      kind: 'simulated',
      deallocatedReadsZero: true,
    } as const;
    made.target.enableNamespace(SUBSYSTEM, { ...newNamespace(2, 'slow'), hasReservations: true }, backend);
    const [a, b] = [1, 2].map((host) => new LoopHost(made, { host }).connectIo());
    const on2 = (command: ReturnType<typeof register>) => ({ ...command, nsid: 2 });
    a!.run(on2(register(0, 0, 10)));
    b!.run(on2(register(0, 0, 20)));
    a!.run(on2(acquire(0, 1, 10)));
    const running = a!.issue(write(0, pattern(1, 1), 2));
    const waiting = a!.issue(write(1, pattern(1, 2), 2));
    const preempting = b!.issue(on2(acquire(2, 1, 20, 10)));
    expect([running.completion, waiting.completion?.status, preempting.completion]).toEqual([
      null,
      NVME_STATUS.PREEMPT_ABORTED,
      null,
    ]);
    made.executor.settle();
    expect(running.completion?.status).toBe(NVME_STATUS.PREEMPT_ABORTED);
    expect(preempting.completion?.status).toBe(0);
    expect(a!.run(write(0, pattern(1, 1), 2)).completion.status).toBe(NVME_STATUS.RESERVATION_CONFLICT);
  });

  it('is forgotten when the one who wanted it goes', () => {
    const made = bench();
    const slow = new DelayedTarget(made.executor, BLOCKS, BLOCK, 1);
    const backend = {
      target: slow,
      memory: made.memory,
      kind: 'simulated',
      deallocatedReadsZero: true,
    } as const;
    made.target.enableNamespace(SUBSYSTEM, { ...newNamespace(2, 'slow'), hasReservations: true }, backend);
    const [a, b] = [1, 2].map((host) => new LoopHost(made, { host }));
    const [ioA, ioB] = [a!.connectIo(), b!.connectIo()];
    ioA.run({ ...register(0, 0, 10), nsid: 2 });
    ioB.run({ ...register(0, 0, 20), nsid: 2 });
    const running = ioA.issue(write(0, pattern(1, 1), 2));
    ioB.issue({ ...acquire(2, 1, 20, 10), nsid: 2 });
    b!.leave();
    made.executor.settle();
    expect(running.completion?.status).toBe(NVME_STATUS.PREEMPT_ABORTED);
    expect(made.memory.usedBytes).toBe(0);
  });
});

describe('reservations through a loss of power', () => {
  it('live on in a store, if the host has asked for it', () => {
    const kept = new Map<string, PersistentReservations>();
    const store = {
      load: (nqn: string, nsid: number) => kept.get(`${nqn}/${nsid}`) ?? null,
      save: (nqn: string, nsid: number, state: PersistentReservations | null) => {
        if (state === null) {
          kept.delete(`${nqn}/${nsid}`);
        } else {
          kept.set(`${nqn}/${nsid}`, state);
        }
      },
    };
    const boot = () =>
      new LoopHost(bench({ namespace: { hasReservations: true }, reservationStore: store })).connectIo();
    const first = boot();
    first.run(register(0, 0, 7));
    first.run(acquire(0, 2, 7));
    expect(report(boot())).toMatchObject({ type: 0, registrants: [], isPersistent: false });
    first.run(register(0, 0, 7, { cptpl: 3 }));
    const second = boot();
    expect(report(second)).toMatchObject({
      type: 2,
      generation: 2,
      isPersistent: true,
      registrants: [{ host: 1, key: 7, holds: true }],
    });
    second.run(register(0, 0, 7, { cptpl: 2 }));
    expect(report(boot())).toMatchObject({ type: 0, registrants: [] });
  });

  it('is not offered without a store', () => {
    const { io } = hosts(1);
    expect(io[0]!.run(register(0, 0, 7, { cptpl: 3 })).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(report(io[0]!).registrants).toEqual([]);
  });
});

describe('reservation commands', () => {
  it('are not there for a namespace without reservations', () => {
    const io = new LoopHost(bench()).connectIo();
    expect(io.run(register(0, 0, 7)).completion.status).toBe(NVME_STATUS.INVALID_OPCODE);
  });

  it('want a host identifier, and the extended report', () => {
    const made = bench({ namespace: { hasReservations: true } });
    const host = new LoopHost(made, { editData: (data) => new Uint8Array(data.buffer, 0, 16).fill(0) });
    const io = host.connectIo();
    expect(io.run(register(0, 0, 7)).completion.status).toBe(NVME_STATUS.HOST_ID_NOT_INITIALIZED);
    const proper = new LoopHost(made, { host: 2 }).connectIo();
    const short = { opcode: NVM_OPCODE.RESERVATION_REPORT, nsid: 1, cdw10: 1023, in: 4096 };
    expect(proper.run(short).completion.status).toBe(NVME_STATUS.HOST_ID_FORMAT);
  });

  it('belong to a host, through whichever of its controllers', () => {
    const made = bench({ namespace: { hasReservations: true } });
    const [first, second] = [new LoopHost(made).connectIo(), new LoopHost(made).connectIo()];
    first.run(register(0, 0, 7));
    expect(second.run(acquire(0, 1, 7)).completion.status).toBe(0);
    expect(first.run(write(0, pattern(1, 1))).completion.status).toBe(0);
  });
});
