import { describe, expect, test } from 'vitest';
import type { AccessFlags, MemoryRegion, SendWr, WorkCompletion } from '../../../src/drivers/index.ts';
import type { Clock } from '../../support/clock.ts';
import { ALL_ACCESS, pattern, Rig } from './rig.ts';

const CLOCKS: readonly Clock[] = ['untimed', 1, 'flow'];
const statuses = (all: readonly WorkCompletion[]) => all.map(({ wrId, status }) => [wrId, status]);

const OPERATIONS = ['RDMA_WRITE', 'RDMA_READ', 'ATOMIC_FETCH_AND_ADD'] as const;
const NEEDS = {
  RDMA_WRITE: 'remoteWrite',
  RDMA_READ: 'remoteRead',
  ATOMIC_FETCH_AND_ADD: 'remoteAtomic',
} as const;

interface Target {
  readonly rkey: number;
  readonly addr: number;
}

function request(rig: Rig, opcode: (typeof OPERATIONS)[number], target: Target): SendWr {
  return {
    wrId: 1,
    opcode,
    sgList: [rig.left.piece(0, 8)],
    swapOrAdd: { low: 1, high: 0 },
    remoteAddr: target.addr,
    rkey: target.rkey,
    signaled: true,
  };
}

/** What the other end's memory holds must be what it held. */
function attempt(
  rig: Rig,
  target: Target,
  opcode: (typeof OPERATIONS)[number],
  access: AccessFlags = ALL_ACCESS,
) {
  const [a, b] = rig.connect({ access });
  rig.right.span.fill(0x5a);
  rig.left.span.fill(0xc3);
  a.postSend(request(rig, opcode, target));
  const [first] = rig.left.poll();
  const state = rig.machine.run(rig.right.context.queryQp(b)).qpState;
  const isUntouched =
    rig.right.bytes(0, 4096).every((byte) => byte === 0x5a) &&
    (opcode === 'RDMA_WRITE' || rig.left.bytes(0, 8).every((byte) => byte === 0xc3));
  return { status: first?.status, state, isUntouched };
}

const REFUSED = { status: 'REM_ACCESS_ERR', state: 'ERR', isUntouched: true };

describe.each(CLOCKS)('the other end refuses (clock: %s)', (clock) => {
  const make = (rig: Rig, access: AccessFlags): MemoryRegion =>
    rig.machine.run(rig.right.context.regMr(rig.right.pd, rig.right.span, access, 0, 4096));

  test.each(OPERATIONS)('%s without the access of the region, or of the queue pair', (opcode) => {
    const rig = new Rig(clock);
    const without = make(rig, { ...ALL_ACCESS, [NEEDS[opcode]]: false });
    expect(attempt(rig, without, opcode)).toEqual(REFUSED);
    const region = make(rig, ALL_ACCESS);
    expect(attempt(rig, region, opcode, { ...ALL_ACCESS, [NEEDS[opcode]]: false })).toEqual(REFUSED);
    const only = make(rig, { [NEEDS[opcode]]: true });
    expect(attempt(rig, only, opcode)).toMatchObject({ status: 'SUCCESS', state: 'RTS' });
  });

  test.each(OPERATIONS)(
    '%s with a wrong key, outside the region, or of another protection domain',
    (opcode) => {
      const rig = new Rig(clock);
      const region = make(rig, ALL_ACCESS);
      const { rkey, addr } = region;
      const other = rig.right.context.allocPd();
      const stranger = rig.machine.run(rig.right.context.regMr(other, rig.right.span, ALL_ACCESS, 0, 4096));
      for (const target of [
        { rkey: rkey ^ 1, addr },
        { rkey: 0, addr },
        { rkey: 0xffff_ffff, addr },
        { rkey, addr: addr - 8 },
        { rkey, addr: addr + 4096 },
        { rkey, addr: 2 ** 52 },
        stranger,
      ]) {
        expect(attempt(rig, target, opcode)).toEqual(REFUSED);
      }
      if (opcode !== 'ATOMIC_FETCH_AND_ADD') {
        expect(attempt(rig, { rkey, addr: addr + 4089 }, opcode)).toEqual(REFUSED);
      } else {
        const odd = { status: 'REM_INV_REQ_ERR', state: 'ERR', isUntouched: true };
        expect(attempt(rig, { rkey, addr: addr + 4 }, opcode)).toEqual(odd);
      }
      rig.machine.run(rig.right.context.deregMr(region));
      expect(attempt(rig, region, opcode)).toEqual(REFUSED);
    },
  );

  test('what a window of another queue pair, or none any more, would let through', () => {
    const rig = new Rig(clock);
    const { context, pd, mr } = rig.right;
    const mw = rig.machine.run(context.allocMw(pd));
    const [a, b] = rig.connect();
    const rkey = mw.rkey - (mw.rkey % 256) + 77;
    const bind = { mw, rkey, mr, addr: mr.addr + 64, length: 64, access: { remoteWrite: true } };
    b.postSend({ wrId: 8, opcode: 'BIND_MW', bindMw: bind, signaled: true });
    expect(statuses(rig.right.poll())).toEqual([[8, 'SUCCESS']]);
    expect(() => rig.machine.run(context.deregMr(mr))).toThrow(
      expect.objectContaining({ code: 'RDMA_COMMAND' }),
    );
    const through = request(rig, 'RDMA_WRITE', { rkey, addr: mr.addr + 64 });
    a.postSend(through);
    expect(statuses(rig.left.poll())).toEqual([[1, 'SUCCESS']]);
    expect(attempt(rig, { rkey, addr: mr.addr + 64 }, 'RDMA_WRITE')).toEqual(REFUSED);
    b.postRecv({ wrId: 9, sgList: [] });
    a.postSend({ wrId: 2, opcode: 'SEND_WITH_INV', invalidateRkey: rkey, signaled: true });
    rig.left.poll();
    expect(rig.right.poll()).toMatchObject([{ wrId: 9, invalidatedRkey: rkey, status: 'SUCCESS' }]);
    a.postSend(through);
    expect(statuses(rig.left.poll())).toEqual([[1, 'REM_ACCESS_ERR']]);
  });

  test('a message that is longer than its receive request', () => {
    const rig = new Rig(clock);
    const [a, b] = rig.connect();
    b.postRecv({ wrId: 1, sgList: [rig.right.piece(0, 100)] });
    b.postRecv({ wrId: 2, sgList: [rig.right.piece(0, 100)] });
    a.postSend({ wrId: 3, opcode: 'SEND', sgList: [rig.left.piece(0, 101)] }, false);
    a.postSend({ wrId: 4, opcode: 'SEND', sgList: [rig.left.piece(0, 1)] });
    expect(statuses(rig.left.poll())).toEqual([
      [3, 'REM_INV_REQ_ERR'],
      [4, 'WR_FLUSH_ERR'],
    ]);
    expect(statuses(rig.right.poll())).toEqual([
      [1, 'LOC_LEN_ERR'],
      [2, 'WR_FLUSH_ERR'],
    ]);
    expect(a.postSend({ wrId: 5, opcode: 'SEND', sgList: [] })).toBe(0);
    expect(statuses(rig.left.poll())).toEqual([[5, 'WR_FLUSH_ERR']]);
  });
});

describe.each(CLOCKS)('requests end with an error here (clock: %s)', (clock) => {
  test('when their own memory may not be used; those before them are done', () => {
    const rig = new Rig(clock);
    const [a] = rig.connect();
    const { mr } = rig.right;
    const target = { remoteAddr: mr.addr, rkey: mr.rkey };
    const readOnly = rig.machine.run(rig.left.context.regMr(rig.left.pd, rig.left.span, {}, 0, 4096));
    a.postSend(
      { wrId: 1, opcode: 'RDMA_WRITE', sgList: [rig.left.piece(0, 10_000)], signaled: true, ...target },
      false,
    );
    const piece = { addr: readOnly.addr, length: 8, lkey: readOnly.lkey };
    a.postSend({ wrId: 2, opcode: 'RDMA_WRITE', sgList: [piece], signaled: true, ...target }, false);
    a.postSend({ wrId: 3, opcode: 'RDMA_READ', sgList: [piece], ...target }, false);
    a.postSend({ wrId: 4, opcode: 'RDMA_READ', sgList: [rig.left.piece(0, 8)], ...target });
    expect(statuses(rig.left.poll())).toEqual([
      [1, 'SUCCESS'],
      [2, 'SUCCESS'],
      [3, 'LOC_PROT_ERR'],
      [4, 'WR_FLUSH_ERR'],
    ]);
    for (const sgList of [
      [{ ...rig.left.piece(0, 8), lkey: 12345 }],
      [rig.left.piece(2 ** 20 - 4, 8)],
      [{ ...rig.left.piece(0, 8), addr: 0 }],
    ]) {
      const [c] = rig.connect();
      c.postSend({ wrId: 1, opcode: 'RDMA_WRITE', sgList, ...target });
      expect(statuses(rig.left.poll())).toEqual([[1, 'LOC_PROT_ERR']]);
    }
  });

  test('when the receiver is never ready, or not there any more', () => {
    const rig = new Rig(clock);
    const [a, b] = rig.connect({ rnrRetry: 3, retryCnt: 2, timeout: 8 });
    a.postSend({ wrId: 1, opcode: 'SEND', sgList: [] });
    expect(statuses(rig.left.poll())).toEqual([[1, 'RNR_RETRY_EXC_ERR']]);
    expect(rig.right.nic.counters.receiverNotReady).toBe(4);
    const [c] = rig.connect({ retryCnt: 2, timeout: 8 });
    rig.wire.loses = () => true;
    c.postSend({ wrId: 2, opcode: 'SEND', sgList: [] });
    expect(statuses(rig.left.poll())).toEqual([[2, 'RETRY_EXC_ERR']]);
    expect(rig.left.nic.counters.timeouts).toBe(3);
    expect(b.qpNum).not.toBe(0);
  });

  test('but wait for a receiver that gets ready', () => {
    const rig = new Rig(clock);
    const [a, b] = rig.connect({ minRnrTimer: 20 });
    rig.left.put(0, pattern(9000));
    a.postSend({ wrId: 1, opcode: 'SEND', sgList: [rig.left.piece(0, 9000)], signaled: true });
    while (rig.right.nic.counters.receiverNotReady < 2) {
      rig.machine.queue.runUntilIdle(1);
    }
    b.postRecv({ wrId: 2, sgList: [rig.right.piece(0, 9000)] });
    expect(statuses(rig.left.poll())).toEqual([[1, 'SUCCESS']]);
    expect(statuses(rig.right.poll())).toEqual([[2, 'SUCCESS']]);
    expect(rig.right.bytes(0, 9000)).toEqual(pattern(9000));
  });
});

describe('verbs', () => {
  test('say no with a reason', () => {
    const rig = new Rig();
    const { context, pd, cq, span } = rig.left;
    const { machine } = rig;
    const code = (value: string) => expect.objectContaining({ code: value });
    const qp = rig.left.qp();
    expect(() => context.deallocPd(pd)).toThrow(code('RDMA_BUSY'));
    expect(() => machine.run(context.destroyCq(cq))).toThrow(code('RDMA_COMMAND'));
    expect(() => machine.run(context.modifyQp(qp, { qpState: 'RTS' }))).toThrow(code('RDMA_COMMAND'));
    expect(() => machine.run(context.modifyQp(qp, { qpState: 'INIT', pkeyIndex: 0 }))).toThrow(
      code('RDMA_COMMAND'),
    );
    expect(() => machine.run(context.regMr(pd, span, {}, 0, 2 ** 30))).toThrow(code('RDMA_RANGE'));
    expect(() => machine.run(context.createCq(2 ** 20))).toThrow(code('RDMA_LIMIT'));
    machine.run(context.destroyQp(qp));
    machine.run(context.destroyCq(cq));
    machine.run(context.deregMr(rig.left.mr));
    context.deallocPd(pd);
    span.close();
    context.close();
    expect(() => machine.run(context.createCq(4))).toThrow(code('RDMA_GONE'));
  });

  test('fill queues and say so; events come when asked for', () => {
    const rig = new Rig();
    const [a, b] = rig.connect({ rnrRetry: 1 }, { left: { maxSendWr: 4 }, right: { maxRecvWr: 2 } });
    const seen: string[] = [];
    rig.left.cq.onCompletion = () => seen.push('left');
    rig.right.cq.onCompletion = () => seen.push('right');
    rig.right.cq.reqNotifyCq(true);
    rig.left.cq.reqNotifyCq();
    expect([0, 1, 2].map((wrId) => b.postRecv({ wrId, sgList: [] }))).toEqual([0, 0, -6]);
    const send = (wrId: number, solicited: boolean) =>
      a.postSend({ wrId, opcode: 'SEND', sgList: [], signaled: true, solicited });
    expect([send(0, false)]).toEqual([0]);
    rig.machine.queue.runUntilIdle();
    expect(seen).toEqual(['left']);
    expect([send(1, true), send(2, true), send(3, true), send(4, true)]).toEqual([0, 0, 0, -6]);
    rig.right.poll();
    expect(seen).toEqual(['left', 'right']);
  });

  test('share a receive queue, with an event when it runs low, and with datagrams beside', () => {
    const rig = new Rig();
    const { context, pd } = rig.right;
    const events: unknown[] = [];
    context.onAsyncEvent = (event) => events.push(event);
    const srq = rig.machine.run(context.createSrq(pd, 8, 2));
    const pairs = [rig.connect({}, { right: { srq } }), rig.connect({}, { right: { srq } })];
    for (let i = 0; i < 3; i++) {
      expect(srq.postSrqRecv({ wrId: 10 + i, sgList: [rig.right.piece(i * 64, 64)] })).toBe(0);
    }
    for (const [i, [a]] of pairs.entries()) {
      a.postSend({ wrId: i, opcode: 'SEND', inlineData: pattern(20, i) });
    }
    const all = rig.right.poll();
    expect(all.map(({ wrId }) => wrId).sort()).toEqual([10, 11]);
    expect(new Set(all.map(({ qpNum }) => qpNum))).toEqual(new Set(pairs.map(([, b]) => b.qpNum)));
    expect(events).toContainEqual({ type: 'SRQ_LIMIT_REACHED', number: srq.srqn });
  });
});
