import { describe, expect, test } from 'vitest';
import type { WorkCompletion } from '../../../src/drivers/index.ts';
import type { Clock } from '../../support/clock.ts';
import { pattern, Rig } from './rig.ts';

const statuses = (all: readonly WorkCompletion[]) => all.map(({ wrId, status }) => [wrId, status]);
const CLOCKS: readonly Clock[] = ['untimed', 1, 2, 3, 'tlp', 'flow'];

describe.each(CLOCKS)('two queue pairs on a wire (clock: %s)', (clock) => {
  test.each([0, 1, 255, 4096, 4097, 100_000])('send %i bytes into a receive request', (length) => {
    const rig = new Rig(clock);
    const [a, b] = rig.connect();
    const bytes = pattern(length);
    rig.left.put(1000, bytes);
    expect(
      b.postRecv({ wrId: 5, sgList: [rig.right.piece(64, 60_000), rig.right.piece(200_000, 60_000)] }),
    ).toBe(0);
    const sent = a.postSend({
      wrId: 9,
      opcode: 'SEND_WITH_IMM',
      immData: 0xdead_beef,
      sgList: [rig.left.piece(1000, length)],
      signaled: true,
    });
    expect(sent).toBe(0);
    expect(statuses(rig.left.poll())).toEqual([[9, 'SUCCESS']]);
    const [received] = rig.right.poll();
    expect(received).toMatchObject({
      wrId: 5,
      status: 'SUCCESS',
      opcode: 'RECV',
      byteLen: length,
      immData: 0xdead_beef,
      qpNum: b.qpNum,
      srcQp: a.qpNum,
    });
    const first = Math.min(length, 60_000);
    expect(rig.right.bytes(64, first)).toEqual(bytes.subarray(0, first));
    expect(rig.right.bytes(200_000, length - first)).toEqual(bytes.subarray(first));
    expect(rig.right.bytes(200_000 + length - first, 4)).toEqual(new Uint8Array(4));
  });

  test.each([256, 1024, 4096] as const)('write and read back with packets of %i bytes', (pathMtu) => {
    const rig = new Rig(clock);
    const [a] = rig.connect({ pathMtu });
    const length = 3 * pathMtu + 17;
    const bytes = pattern(length);
    rig.left.put(0, bytes);
    const remote = { remoteAddr: rig.right.mr.addr + 4096, rkey: rig.right.mr.rkey };
    a.postSend({ wrId: 1, opcode: 'RDMA_WRITE', sgList: [rig.left.piece(0, length)], ...remote }, false);
    a.postSend({
      wrId: 2,
      opcode: 'RDMA_READ',
      sgList: [rig.left.piece(100_000, 500), rig.left.piece(200_000, length - 500)],
      signaled: true,
      ...remote,
    });
    expect(statuses(rig.left.poll())).toEqual([[2, 'SUCCESS']]);
    expect(rig.right.poll()).toEqual([]);
    expect(rig.right.bytes(4096, length)).toEqual(bytes);
    expect(rig.left.bytes(100_000, 500)).toEqual(bytes.subarray(0, 500));
    expect(rig.left.bytes(200_000, length - 500)).toEqual(bytes.subarray(500));
  });

  test('write with immediate data, inline, and complete at the other end', () => {
    const rig = new Rig(clock);
    const [a, b] = rig.connect();
    b.postRecv({ wrId: 3, sgList: [] });
    a.postSend({
      wrId: 4,
      opcode: 'RDMA_WRITE_WITH_IMM',
      inlineData: pattern(64),
      immData: 42,
      signaled: true,
      remoteAddr: rig.right.mr.addr + 8,
      rkey: rig.right.mr.rkey,
    });
    expect(statuses(rig.left.poll())).toEqual([[4, 'SUCCESS']]);
    const all = rig.right.poll();
    expect(all).toMatchObject([{ wrId: 3, opcode: 'RECV_RDMA_WITH_IMM', byteLen: 64, immData: 42 }]);
    expect(rig.right.bytes(8, 64)).toEqual(pattern(64));
  });

  test('compare and swap, fetch and add 64 bits', () => {
    const rig = new Rig(clock);
    const [a] = rig.connect();
    rig.right.put(16, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0));
    const remote = { remoteAddr: rig.right.mr.addr + 16, rkey: rig.right.mr.rkey, signaled: true };
    const into = (at: number) => ({ sgList: [rig.left.piece(at, 8)] });
    const add = { low: 2, high: 0 };
    a.postSend({ wrId: 1, opcode: 'ATOMIC_FETCH_AND_ADD', swapOrAdd: add, ...into(0), ...remote });
    a.postSend({
      wrId: 2,
      opcode: 'ATOMIC_CMP_AND_SWP',
      compare: { low: 1, high: 2 },
      swapOrAdd: { low: 7, high: 8 },
      ...into(8),
      ...remote,
    });
    a.postSend({
      wrId: 3,
      opcode: 'ATOMIC_CMP_AND_SWP',
      compare: { low: 1, high: 2 },
      swapOrAdd: { low: 9, high: 9 },
      ...into(16),
      ...remote,
    });
    expect(rig.left.poll()).toMatchObject([
      { wrId: 1, status: 'SUCCESS', opcode: 'FETCH_ADD' },
      { wrId: 2, status: 'SUCCESS', opcode: 'COMP_SWAP' },
      { wrId: 3, status: 'SUCCESS', opcode: 'COMP_SWAP' },
    ]);
    expect([...rig.left.bytes(0, 24)]).toEqual([
      ...[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0],
      ...[1, 0, 0, 0, 2, 0, 0, 0],
      ...[7, 0, 0, 0, 8, 0, 0, 0],
    ]);
    expect([...rig.right.bytes(16, 8)]).toEqual([7, 0, 0, 0, 8, 0, 0, 0]);
  });
});
