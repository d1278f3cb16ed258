import { describe, expect, test } from 'vitest';
import { EthernetWire, Rnic } from '../../../src/devices/index.ts';
import { connectQp, RdmaContext, WorkCompletion } from '../../../src/drivers/index.ts';
import { ALL_ACCESS, pattern, Rig } from '../../drivers/rdma/rig.ts';
import type { Clock } from '../../support/clock.ts';

const CLOCKS: readonly Clock[] = ['untimed', 1, 2, 'tlp', 'flow'];

describe.each(CLOCKS)('an RDMA NIC (clock: %s)', (clock) => {
  test('that is switched off under way forgets all, and works again after it was switched on', () => {
    for (const events of [3, 17, 60, 150]) {
      const rig = new Rig(clock);
      const { machine, left, right } = rig;
      const [a] = rig.connect({ timeout: 4, retryCnt: 1 });
      const remote = { remoteAddr: right.mr.addr, rkey: right.mr.rkey };
      const sgList = [left.piece(0, 50_000)];
      for (let wrId = 0; wrId < 4; wrId++) {
        a.postSend({ wrId, opcode: wrId % 2 === 0 ? 'RDMA_WRITE' : 'RDMA_READ', sgList, ...remote });
      }
      machine.queue.runUntilIdle(events);
      right.context.close();
      const again = machine.run(RdmaContext.open(machine.member('right')!.platform));
      machine.queue.runUntilIdle();
      expect(left.pollNow().at(0)?.status ?? 'SUCCESS').toMatch(/RETRY_EXC_ERR|SUCCESS/);

      const pd = again.allocPd();
      const cq = machine.run(again.createCq(16));
      const mr = machine.run(again.regMr(pd, right.span, ALL_ACCESS));
      const c = left.qp();
      const d = machine.run(again.createQp({ qpType: 'RC', pd, sendCq: cq, recvCq: cq }));
      const ends = [
        { context: left.context, qp: c, remote: { ...again.attributes, qpNum: d.qpNum, psn: 5 }, psn: 9 },
        { context: again, qp: d, remote: { ...left.context.attributes, qpNum: c.qpNum, psn: 9 }, psn: 5 },
      ];
      for (const end of ends) {
        machine.run(connectQp(end.context, end.qp, end.remote, { psn: end.psn, access: ALL_ACCESS }));
      }
      left.put(0, pattern(70_000, 3));
      const target = { remoteAddr: mr.addr, rkey: mr.rkey };
      c.postSend({
        wrId: 7,
        opcode: 'RDMA_WRITE',
        sgList: [left.piece(0, 70_000)],
        signaled: true,
        ...target,
      });
      expect(left.poll()).toMatchObject([{ wrId: 7, status: 'SUCCESS' }]);
      expect(Buffer.compare(right.bytes(0, 70_000), pattern(70_000, 3))).toBe(0);
    }
  });

  test('that is pulled out leaves its driver with an error, and the other end with one', () => {
    const rig = new Rig(clock);
    const { machine, left, right } = rig;
    const [a] = rig.connect({ timeout: 4, retryCnt: 1 });
    let isGone = false;
    right.context.onGone = () => {
      isGone = true;
    };
    machine.fabric.surpriseRemove(machine.member('right')!.fn.device.bus.bridge!);
    machine.platform.rescan();
    a.postSend({ wrId: 1, opcode: 'RDMA_WRITE', sgList: [], signaled: true });
    expect(left.poll()).toMatchObject([{ wrId: 1, status: 'RETRY_EXC_ERR' }]);
    expect(isGone).toBe(true);
    expect(() => machine.run(right.context.createCq(4))).toThrow(
      expect.objectContaining({ code: 'RDMA_GONE' }),
    );
  });

  test('drains a send queue, and goes back to RESET', () => {
    const rig = new Rig(clock);
    const { machine, left } = rig;
    const [a, b] = rig.connect();
    const events: string[] = [];
    left.context.onAsyncEvent = ({ type }) => events.push(type);
    b.postRecv({ wrId: 1, sgList: [rig.right.piece(0, 100_000)] });
    a.postSend({ wrId: 2, opcode: 'SEND', sgList: [left.piece(0, 90_000)], signaled: true });
    machine.queue.runUntilIdle(30);
    machine.run(left.context.modifyQp(a, { qpState: 'SQD' }));
    machine.queue.runUntilIdle();
    expect(events).toEqual(['SQ_DRAINED']);
    expect(left.pollNow()).toMatchObject([{ wrId: 2, status: 'SUCCESS' }]);
    a.postSend({ wrId: 3, opcode: 'RDMA_WRITE', sgList: [], signaled: true });
    expect(left.poll()).toEqual([]);
    machine.run(left.context.modifyQp(a, { qpState: 'RTS' }));
    expect(left.poll()).toMatchObject([{ wrId: 3, status: 'SUCCESS' }]);
    machine.run(left.context.modifyQp(a, { qpState: 'RESET' }));
    expect(machine.run(left.context.queryQp(a)).qpState).toBe('RESET');
  });

  test('has a completion queue that breaks when nobody takes from it', () => {
    const rig = new Rig(clock);
    const { machine, left } = rig;
    const cq = machine.run(left.context.createCq(4));
    const [a] = rig.connect({}, { left: { sendCq: cq } });
    const events: string[] = [];
    left.context.onAsyncEvent = ({ type }) => events.push(type);
    for (let wrId = 0; wrId < 6; wrId++) {
      a.postSend({ wrId, opcode: 'RDMA_WRITE', sgList: [], signaled: true });
    }
    machine.queue.runUntilIdle();
    expect(events).toEqual(['CQ_ERR']);
    expect(cq.pollCq(Array.from({ length: 8 }, () => new WorkCompletion()))).toBe(4);
  });
});

describe('a wire', () => {
  test('takes the time of its rate, its delay and the overhead of Ethernet', () => {
    const elapsedPs = (length: number, nic: string): number => {
      const rig = new Rig('flow', { nic });
      const [a] = rig.connect();
      const times: number[] = [];
      rig.wire.tap = (atPs, from) => from === 0 && times.push(atPs);
      const remote = { remoteAddr: rig.right.mr.addr, rkey: rig.right.mr.rkey };
      a.postSend({ wrId: 1, opcode: 'RDMA_WRITE', sgList: [rig.left.piece(0, length)], ...remote });
      rig.machine.queue.runUntilIdle();
      return times.at(-1)! - times[0]!;
    };
    // 16 packets of 4096 bytes: the first has 16 bytes more of header than the others; 58 of headers, ICRC, 24 of overhead.
    const wireBytes = 16 + 15 * (4096 + 54 + 4 + 24);
    expect(elapsedPs(65_536, ', rate: 10G')).toBeCloseTo(wireBytes * 800, -2);
    expect(elapsedPs(65_536, ', rate: 1G')).toBeCloseTo(wireBytes * 8000, -2);
  });

  test('has two ends, a rate above 0 and a loss below 1', () => {
    const nic = () =>
      new Rnic({ name: 'x', express: null, mac: { high: 0x0200, low: 1 }, gid: [0, 0, 0xffff, 0x0a000001] });
    const wire = new EthernetWire();
    nic().plug(wire);
    nic().plug(wire);
    const bad = expect.objectContaining({ code: 'DEVICE_OPTIONS' });
    expect(() => nic().plug(wire)).toThrow(bad);
    expect(() => nic().plug(new EthernetWire(), { bitsPerSecond: 0 })).toThrow(bad);
    expect(() => nic().plug(new EthernetWire(), { lossRate: 1 })).toThrow(bad);
    const group = { name: 'x', express: null, mac: { high: 0x0100, low: 1 }, gid: [0, 0, 0, 1] } as const;
    expect(() => new Rnic(group)).toThrow(bad);
  });
});
