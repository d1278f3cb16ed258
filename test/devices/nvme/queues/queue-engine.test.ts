import { describe, expect, it } from 'vitest';
import {
  FaultPlan,
  NvmeController,
  type NvmeOptions,
  type NvmeParts,
} from '../../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE, CC, doorbellOffset, NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { BenchHost, type BenchMode, EchoIo, HOST_BASE } from '../bench.ts';

interface Rig {
  readonly host: BenchHost;
  readonly model: NvmeController;
  readonly io: EchoIo;
}

function rig(mode: BenchMode = 'done', options: NvmeOptions = {}, parts: NvmeParts = {}): Rig {
  let io: EchoIo | undefined;
  const model = new NvmeController(
    { namespaces: [{ sizeBlocks: 64 }], ...options },
    {
      makeIo: (services) => {
        io = new EchoIo(services);
        return io;
      },
      ...parts,
    },
  );
  const host = new BenchHost(model, mode);
  return { host, model, io: io! };
}

const MODES: readonly BenchMode[] = ['done', 'pending', 'jitter'];

describe.each(MODES)('queues on a bus that answers: %s', (mode) => {
  it('go round many times, with the phase tag inverted each time (4.2.3)', () => {
    const { host } = rig(mode);
    host.enable();
    host.createQueue(1, 5);
    let next = 0;
    const seen: number[] = [];
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 4; i++) {
        host.push(1, { opcode: EchoIo.LATER, cdw10: next++ });
      }
      host.ring(1);
      host.run();
      seen.push(...host.reap(1).map((one) => one.dw0));
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, i) => i));
  });

  it('hold completions back while the completion queue is full (3.3.1.2)', () => {
    const { host, model } = rig(mode);
    host.enable();
    const small = host.makeQueue(1, 4);
    host.admin({ opcode: ADMIN_OPCODE.CREATE_IO_CQ, prp1: small.cqAddress, cdw10: (3 << 16) | 1, cdw11: 3 });
    // Two submission queues complete to one queue of 4 entries.
    const other = host.makeQueue(2, 32);
    for (const queue of [{ ...small, sqAddress: host.alloc(4096) }, other]) {
      host.admin({
        opcode: ADMIN_OPCODE.CREATE_IO_SQ,
        prp1: queue.sqAddress,
        cdw10: (31 << 16) | queue.id,
        cdw11: (1 << 16) | 1,
      });
    }
    for (let i = 0; i < 25; i++) {
      host.push(2, { opcode: i % 3 === 0 ? EchoIo.LATER : 2, cdw10: i });
    }
    host.ring(2);
    const seen: number[] = [];
    for (let round = 0; round < 12; round++) {
      host.run();
      const found = host.reap(1);
      expect(found.length).toBeLessThanOrEqual(3);
      seen.push(...found.map((one) => one.dw0));
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => i));
    expect(model.snapshot().commandsInWork).toBe(0);
  });

  it('are deleted only after what they have in work is over (5.2.4)', () => {
    const { host } = rig(mode);
    host.enable();
    host.createQueue(1, 64);
    for (let i = 0; i < 40; i++) {
      host.push(1, { opcode: EchoIo.LATER, cdw10: i });
    }
    host.ring(1);
    host.port.executor.runUntilIdle(2);
    expect(host.admin({ opcode: ADMIN_OPCODE.DELETE_IO_SQ, cdw10: 1 }).status).toBe(0);
    const count = host.reap(1).length;
    host.run();
    expect(host.reap(1)).toHaveLength(0);
    expect(count).toBeLessThanOrEqual(40);
    expect(host.admin({ opcode: ADMIN_OPCODE.DELETE_IO_CQ, cdw10: 1 }).status).toBe(0);
    host.createQueue(1, 64);
    expect(host.execute(1, { opcode: 2, cdw10: 5 }).dw0).toBe(5);
  });

  it.each(['msi-x', 'intx'] as const)(
    'work by shadow doorbells: positions in memory, doorbells only when EventIdx asks, interrupts by %s (B.5)',
    (interrupts) => {
      const { host } = rig(mode);
      host.port.interruptMode = interrupts;
      host.enable();
      host.createQueue(1, 16);
      const shadow = host.alloc(4096);
      const events = host.alloc(4096);
      host.bytes(shadow, 4096).fill(0);
      host.bytes(events, 4096).fill(0);
      const queue = host.queues[1]!;
      expect(
        host.admin({ opcode: ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG, prp1: shadow, prp2: events }).status,
      ).toBe(0);
      const at = (base: number, kind: 'sq' | 'cq'): number =>
        base - HOST_BASE + doorbellOffset(1, kind, 0) - 0x1000;
      /** As a host does: the shadow first, the doorbell when the position passes EventIdx. */
      const move = (kind: 'sq' | 'cq', value: number): boolean => {
        const old = host.view.getUint32(at(shadow, kind), true);
        host.view.setUint32(at(shadow, kind), value, true);
        const event = host.view.getUint32(at(events, kind), true);
        const isPassed = ((value - event - 1) & 0xffff) < ((value - old) & 0xffff);
        if (isPassed) {
          host.write(doorbellOffset(1, kind, 0), value);
        }
        return isPassed;
      };
      let rings = 0;
      let reaped = 0;
      let pushed = 0;
      while (reaped < 300) {
        while (pushed - reaped < 10 && pushed < 300) {
          host.push(1, { opcode: pushed % 4 === 0 ? EchoIo.LATER : 2, cdw10: pushed++ });
          rings += move('sq', queue.tail) ? 1 : 0;
          host.port.executor.runUntilIdle(1);
        }
        host.run();
        const before = host.model.writeRegister;
        let head = -1;
        host.model.writeRegister = (_bar, _offset, _length, value) => {
          head = value;
        };
        reaped += host.reap(1).length;
        host.model.writeRegister = before;
        expect(head).toBeGreaterThanOrEqual(0);
        move('cq', head);
        host.run();
        expect(host.port.isIntxAsserted && reaped === pushed).toBe(false);
      }
      expect(rings).toBeLessThan(300);
      expect(queue.completions.map((one) => one.dw0).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 300 }, (_, i) => i),
      );
    },
  );
});

describe('the queue engine', () => {
  it('fetches a burst with one request, writes its completions with one, and interrupts once', () => {
    const { host, model } = rig();
    host.enable();
    host.createQueue(1, 64);
    const interrupts = host.port.interrupts.length;
    const before = { ...model.engine.counts, writes: model.engine.completionWrites };
    for (let i = 0; i < 40; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(40);
    expect(model.engine.counts.fetches - before.fetches).toBe(1);
    expect(model.engine.completionWrites - before.writes).toBe(1);
    expect(host.port.interrupts.slice(interrupts)).toEqual([1]);
  });

  it('needs two requests where a burst wraps', () => {
    const { host, model } = rig();
    host.enable();
    host.createQueue(1, 64);
    for (let i = 0; i < 50; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.run();
    host.reap(1);
    const before = { ...model.engine.counts, writes: model.engine.completionWrites };
    for (let i = 0; i < 40; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(40);
    expect(model.engine.counts.fetches - before.fetches).toBe(2);
    expect(model.engine.completionWrites - before.writes).toBe(2);
  });

  it('says which entries it took in SQHD (4.2.1)', () => {
    const { host } = rig();
    host.enable();
    host.createQueue(1, 8);
    expect([1, 2, 3].map((i) => host.execute(1, { opcode: 2, cdw10: i }).sqHead)).toEqual([1, 2, 3]);
  });

  it('refuses a second command with an identifier in use (4.2.3.1)', () => {
    const { host } = rig('jitter');
    host.enable();
    host.createQueue(1, 8);
    host.push(1, { opcode: EchoIo.LATER, cdw10: 1 }, 77);
    host.push(1, { opcode: EchoIo.LATER, cdw10: 2 }, 77);
    host.ring(1);
    host.run();
    expect(
      host
        .reap(1)
        .map((one) => one.status)
        .sort(),
    ).toEqual([0, NVME_STATUS.CID_CONFLICT]);
    expect(host.execute(1, { opcode: 2 }).status).toBe(0);
  });

  it('refuses fused operations, which it does not offer (3.4.1)', () => {
    const { host } = rig();
    host.enable();
    host.createQueue(1, 8);
    const completion = host.execute(1, { opcode: 2, flags: 1 << 8 });
    expect(completion).toMatchObject({ status: NVME_STATUS.INVALID_FIELD, dnr: true, more: true });
  });

  it.each(MODES)('runs Compare and Write as one when fused, on a bus that answers: %s (3.4.2)', (mode) => {
    const model = new NvmeController({ namespaces: [{ sizeBlocks: 64 }] });
    const host = new BenchHost(model, mode);
    host.enable();
    host.createQueue(1, 8);
    const [compared, written] = [host.alloc(4096), host.alloc(4096)];
    const half = (opcode: number, fuse: number, page: number) =>
      host.push(1, { opcode, flags: fuse << 8, nsid: 1, prp1: page, cdw12: 0 });
    const pair = (): number[] => {
      const cids = [half(5, 1, compared), half(1, 2, written)];
      host.ring(1);
      host.run();
      const found = host.reap(1);
      expect(found.map((one) => one.cid)).toEqual(cids);
      return found.map((one) => one.status);
    };
    host.bytes(written, 512).fill(3);
    expect(pair()).toEqual([NVME_STATUS.COMPARE_FAILURE, NVME_STATUS.ABORTED_FAILED_FUSED]);
    host.execute(1, { opcode: 2, nsid: 1, prp1: compared });
    expect(pair()).toEqual([0, 0]);
    host.execute(1, { opcode: 2, nsid: 1, prp1: compared });
    expect(host.bytes(compared, 512).every((byte) => byte === 3)).toBe(true);
  });

  it('aborts halves of fused pairs that have no other half (3.4.2)', () => {
    const host = new BenchHost(new NvmeController({ namespaces: [{ sizeBlocks: 64 }] }));
    host.enable();
    host.createQueue(1, 8);
    const page = host.alloc(4096);
    const status = (...fuses: number[]): number[] => {
      for (const fuse of fuses) {
        host.push(1, { opcode: fuse === 1 ? 5 : 1, flags: fuse << 8, nsid: 1, prp1: page });
      }
      host.ring(1);
      host.run();
      return host.reap(1).map((one) => one.status);
    };
    const missing = NVME_STATUS.ABORTED_MISSING_FUSED;
    expect(status(1)).toEqual([missing]);
    expect(status(2)).toEqual([missing]);
    expect(status(1, 0)).toEqual([missing, 0]);
    expect(status(1, 1)).toEqual([missing, missing]);
    expect(status(3)).toEqual([NVME_STATUS.INVALID_FIELD]);
  });

  it('serves all queues with few slots', () => {
    const { host } = rig('jitter', { commandSlots: 32 });
    host.enable();
    for (let id = 1; id <= 6; id++) {
      host.createQueue(id, 64);
      for (let i = 0; i < 60; i++) {
        host.push(id, { opcode: i % 2 === 0 ? 2 : EchoIo.LATER, cdw10: i });
      }
      host.ring(id);
    }
    host.run();
    for (let id = 1; id <= 6; id++) {
      expect(host.reap(id)).toHaveLength(60);
    }
  });

  it('serves by weights when CC.AMS asks for it (3.4.4.2)', () => {
    const { host, io } = rig();
    host.enable(32, 1 << 11);
    // Weights 4, 2, 1 and bursts of 1.
    host.admin({ opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: 1, cdw11: ((3 << 24) | (1 << 16)) >>> 0 });
    const priority = [0, 1, 2, 3];
    for (const [index, qprio] of priority.entries()) {
      const id = index + 1;
      const queue = host.makeQueue(id, 64);
      host.admin({
        opcode: ADMIN_OPCODE.CREATE_IO_CQ,
        prp1: queue.cqAddress,
        cdw10: (63 << 16) | id,
        cdw11: 1,
      });
      host.admin({
        opcode: ADMIN_OPCODE.CREATE_IO_SQ,
        prp1: queue.sqAddress,
        cdw10: (63 << 16) | id,
        cdw11: (id << 16) | (qprio << 1) | 1,
      });
      for (let i = 0; i < (id === 1 ? 3 : 28); i++) {
        host.push(id, { opcode: 2 });
      }
    }
    for (const id of [4, 3, 2, 1]) {
      host.ring(id);
    }
    io.executed.length = 0;
    host.run();
    const order = io.executed.map((one) => Math.floor(one / 0x1_0000));
    expect(order.slice(0, 3)).toEqual([1, 1, 1]);
    const turn = order.slice(3, 3 + 28);
    expect([2, 3, 4].map((id) => turn.filter((one) => one === id).length)).toEqual([16, 8, 4]);
  });

  it('takes queues of its own memory when the CMB allows it', () => {
    const { host, model } = rig('done', {
      cmb: { sizeBytes: 1 << 20, supports: { completionQueues: true } },
    });
    host.write(0x50, 1);
    host.write(0x54, 0x9);
    host.write(0x50, 3);
    host.enable();
    const cmb = model.description.bars.find((bar) => bar.index === 2)!.regions[0]!;
    const memory = cmb.kind === 'memory' ? cmb.memory : undefined;
    const base = 0x9_0000_0000;
    const create = (opcode: number, prp1: number, cdw11: number) =>
      host.admin({ opcode, prp1, cdw10: (15 << 16) | 1, cdw11 }).status;
    expect(create(ADMIN_OPCODE.CREATE_IO_CQ, base + 0x1000, 3)).toBe(0);
    expect(create(ADMIN_OPCODE.CREATE_IO_SQ, base, 0x1_0001)).toBe(0);
    const before = host.port.requestCount;
    // An entry of zeroes but for its opcode and CDW10.
    memory!.setValue(0, 4, 0x0005_0002);
    memory!.setValue(40, 4, 99);
    host.write(doorbellOffset(1, 'sq', 0), 1);
    host.run();
    expect(memory!.getValue(0x1000, 4)).toBe(99);
    expect(memory!.getValue(0x100c, 4)).toBe(0x0001_0005);
    expect(host.port.requestCount).toBe(before);
  });
});

describe('errors on purpose', () => {
  function faulty(plan: FaultPlan, mode: BenchMode = 'done'): Rig {
    const made = rig(mode, {}, { faults: plan });
    made.host.enable();
    made.host.createQueue(1, 16);
    return made;
  }

  it('give a status of choice, as often as asked', () => {
    const { host } = faulty(
      new FaultPlan().add({
        queue: 1,
        opcode: 2,
        skip: 1,
        count: 2,
        action: { kind: 'status', status: NVME_STATUS.COMMAND_INTERRUPTED },
      }),
    );
    const seen = [0, 1, 2, 3].map(() => host.execute(1, { opcode: 2 }));
    expect(seen.map((one) => one.status)).toEqual([0, 0x21, 0x21, 0]);
    expect(seen[1]).toMatchObject({ dnr: false, more: true });
  });

  it('lose a completion: the command was executed, and an Abort does not help', () => {
    const { host, io } = faulty(new FaultPlan().add({ queue: 'io', action: { kind: 'drop' } }));
    const cid = host.push(1, { opcode: 2 });
    host.ring(1);
    host.run();
    expect(io.executed).toHaveLength(1);
    expect(host.reap(1)).toHaveLength(0);
    const abort = host.admin({ opcode: ADMIN_OPCODE.ABORT, cdw10: (cid << 16) | 1 });
    expect(abort).toMatchObject({ status: 0, dw0: 1 });
    expect(host.admin({ opcode: ADMIN_OPCODE.DELETE_IO_SQ, cdw10: 1 }).status).toBe(0);
  });

  it('delay a command, which an Abort then ends (5.1.1)', () => {
    const { host, io } = faulty(
      new FaultPlan().add({ queue: 'io', count: 2, action: { kind: 'delay', delayPs: 1e12 } }),
    );
    const cid = host.push(1, { opcode: 2 });
    host.ring(1);
    host.port.executor.runUntilIdle(1);
    const abort = host.push(0, { opcode: ADMIN_OPCODE.ABORT, cdw10: (cid << 16) | 1 });
    host.ring(0);
    host.run();
    expect(host.port.executor.nowPs).toBe(0);
    expect(host.reap(0)).toMatchObject([{ cid: abort, dw0: 0 }]);
    expect(host.reap(1)).toMatchObject([{ cid, status: NVME_STATUS.ABORT_REQUESTED }]);
    expect(io.executed).toHaveLength(0);
    // The second one runs in the end.
    expect(host.execute(1, { opcode: 2 }).status).toBe(0);
    expect(host.port.executor.nowPs).toBe(1e12);
  });

  it('end delayed commands when their queue is deleted', () => {
    const { host, model } = faulty(
      new FaultPlan().add({ queue: 'io', count: 3, action: { kind: 'delay', delayPs: 1e12 } }),
    );
    for (let i = 0; i < 3; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.port.executor.runUntilIdle(1);
    host.push(0, { opcode: ADMIN_OPCODE.DELETE_IO_SQ, cdw10: 1 });
    host.ring(0);
    host.run();
    expect(host.reap(0)).toMatchObject([{ status: 0 }]);
    expect(host.reap(1).map((one) => one.status)).toEqual([8, 8, 8]);
    expect(model.snapshot().commandsInWork).toBe(0);
  });

  it('leave slots that others waited for when lost commands are given up', () => {
    const faults = new FaultPlan().add({ queue: 1, count: 100, action: { kind: 'drop' } });
    const { host } = rig('done', { commandSlots: 32 }, { faults });
    host.enable();
    host.createQueue(1, 64);
    host.createQueue(2, 64);
    // All slots but one for the command that deletes the queue.
    for (let i = 0; i < 31; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.run();
    for (let i = 0; i < 8; i++) {
      host.push(2, { opcode: EchoIo.LATER });
    }
    host.push(0, { opcode: ADMIN_OPCODE.DELETE_IO_SQ, cdw10: 1 });
    host.ring(0);
    host.ring(2);
    host.run();
    expect(host.reap(0)).toMatchObject([{ status: 0 }]);
    expect(host.reap(2)).toHaveLength(8);
  });

  it('flip the phase tag, so that the host sees nothing', () => {
    const { host } = faulty(new FaultPlan().add({ queue: 'io', action: { kind: 'wrong-phase' } }));
    host.push(1, { opcode: 2 });
    host.ring(1);
    host.run();
    expect(host.reap(1)).toHaveLength(0);
    expect(host.port.interrupts.at(-1)).toBe(1);
  });

  it('complete twice, or with an identifier that nobody has', () => {
    const { host } = faulty(
      new FaultPlan()
        .add({ queue: 'io', action: { kind: 'twice' } })
        .add({ queue: 'io', action: { kind: 'wrong-cid' } }),
    );
    const cids = [host.push(1, { opcode: 2 }), host.push(1, { opcode: 2 })];
    host.ring(1);
    host.run();
    expect(host.reap(1).map((one) => one.cid)).toEqual([cids[0], cids[0], cids[1]! ^ 0x8000]);
  });

  it('are forgotten by a reset as far as commands that were kept back go', () => {
    const { host } = faulty(
      new FaultPlan().add({ queue: 'io', count: 9, action: { kind: 'delay', delayPs: 1e12 } }),
    );
    for (let i = 0; i < 9; i++) {
      host.push(1, { opcode: 2 });
    }
    host.ring(1);
    host.port.executor.runUntilIdle(1);
    host.write(CC.offset, 0);
    host.run();
    expect(host.port.executor.nowPs).toBe(0);
    expect(host.read(0x1c)).toBe(0);
  });
});

describe('completions of a long run', () => {
  it('are written together, or one by one where somebody says that it is time', () => {
    const interruptsOf = (isFlushDue: (() => boolean) | null): number => {
      const { host, model } = rig();
      host.enable();
      host.createQueue(1, 64);
      model.engine.isFlushDue = isFlushDue;
      for (let i = 0; i < 12; i++) {
        host.push(1, { opcode: 2, cdw10: i });
      }
      const before = model.interrupts.sentCount;
      host.ring(1);
      host.run();
      expect(host.reap(1)).toHaveLength(12);
      return model.interrupts.sentCount - before;
    };
    expect(interruptsOf(null)).toBe(1);
    expect(interruptsOf(() => true)).toBe(12);
    let asked = 0;
    expect(interruptsOf(() => ++asked % 4 === 0)).toBe(3);
  });
});
