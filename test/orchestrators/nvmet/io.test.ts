import { describe, expect, it } from 'vitest';
import { STATUS } from '../../../src/access/index.ts';
import { newNamespace, newPort, PooledMemory } from '../../../src/orchestrators/nvmet/index.ts';
import {
  ADMIN_OPCODE,
  FEATURE,
  LOG_PAGE,
  NVM_OPCODE,
  NVME_STATUS,
  SMART_HRC,
  SMART_HWC,
  unsignedOf,
} from '../../../src/spec/nvme/index.ts';
import { DelayedTarget } from './support/delayed-target.ts';
import {
  BLOCK,
  BLOCKS,
  bench,
  disk,
  LoopHost,
  logPage,
  pattern,
  read,
  SUBSYSTEM,
  write,
} from './support/host.ts';
import type { CommandOptions, LoopQueue } from './support/loop.ts';

const DEAC = 1 << 25;

function start() {
  const made = bench();
  const host = new LoopHost(made);
  return { ...made, host, io: host.connectIo() };
}

/** With a second namespace whose requests take their time. */
function delayed(maxTransferBytes?: number) {
  const made = bench();
  const slow = new DelayedTarget(made.executor, BLOCKS, BLOCK, 4, maxTransferBytes);
  const backend = {
    target: slow,
    memory: made.memory,
    kind: 'simulated',
    deallocatedReadsZero: true,
  } as const;
  made.target.enableNamespace(SUBSYSTEM, newNamespace(2, 'slow'), backend);
  const host = new LoopHost(made, {}, { executor: made.executor });
  return { ...made, slow, host, io: host.connectIo() };
}

function statusOf(io: LoopQueue, options: CommandOptions): number {
  return io.run(options).completion.status;
}

function rangeList(ranges: readonly [number, number][]): Uint8Array {
  const data = new Uint8Array(16 * ranges.length);
  const view = new DataView(data.buffer);
  for (const [index, [slba, blocks]] of ranges.entries()) {
    view.setUint32(16 * index + 4, blocks, true);
    view.setUint32(16 * index + 8, slba, true);
  }
  return data;
}

function deallocate(ranges: readonly [number, number][], nsid = 1): CommandOptions {
  const out = rangeList(ranges);
  return { opcode: NVM_OPCODE.DATASET_MANAGEMENT, nsid, cdw10: ranges.length - 1, cdw11: 4, out };
}

function copy(to: number, ranges: readonly { slba: number; blocks: number; nsid?: number }[], format = 0) {
  const out = new Uint8Array(32 * ranges.length);
  const view = new DataView(out.buffer);
  for (const [index, { slba, blocks, nsid = 0 }] of ranges.entries()) {
    view.setUint32(32 * index, nsid, true);
    view.setUint32(32 * index + 8, slba, true);
    view.setUint16(32 * index + 16, blocks - 1, true);
  }
  const cdw12 = ranges.length - 1 + format * 0x100;
  return { opcode: NVM_OPCODE.COPY, nsid: 1, cdw10: to, cdw12, out } satisfies CommandOptions;
}

describe('reads and writes', () => {
  it('outside the namespace are refused, however large the address', () => {
    const { io } = start();
    expect(statusOf(io, read(BLOCKS - 1, 1))).toBe(0);
    expect(statusOf(io, read(BLOCKS - 1, 2))).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
    expect(statusOf(io, { ...read(0, 1), cdw11: 0xffff_ffff })).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
    expect(statusOf(io, { ...write(0, pattern(1, 1)), cdw10: BLOCKS })).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
  });

  it('of a namespace that is not there are refused', () => {
    const { io } = start();
    for (const nsid of [0, 2, 0xffff_ffff]) {
      expect(statusOf(io, read(0, 1, nsid))).toBe(NVME_STATUS.INVALID_NAMESPACE);
    }
  });

  it('must say the length of their data in both places', () => {
    const { io } = start();
    expect(statusOf(io, { ...read(0, 2), in: BLOCK })).toBe(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
    expect(statusOf(io, { ...write(0, pattern(2, 1)), cdw12: 0 })).toBe(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
    expect(statusOf(io, { opcode: NVM_OPCODE.FLUSH, nsid: 1, in: 512 })).toBe(
      NVME_STATUS.DATA_SGL_LENGTH_INVALID,
    );
  });

  it('are at most as long as MDTS says', () => {
    const made = bench({ maxTransferBytes: 8192 });
    const io = new LoopHost(made).connectIo();
    expect(statusOf(io, read(0, 16))).toBe(0);
    expect(statusOf(io, read(0, 17))).toBe(NVME_STATUS.INVALID_FIELD);
    const ofPort = new LoopHost(bench({ port: { mdts: 2 } })).connectIo();
    expect(statusOf(ofPort, read(0, 32))).toBe(0);
    expect(statusOf(ofPort, read(0, 33))).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('take only the descriptors that the transport has', () => {
    const { io } = start();
    const withType = (options: CommandOptions, type: number): CommandOptions => ({
      ...options,
      edit: (sqe) => sqe.setUint8(39, type),
    });
    // An address, a segment, a keyed block; and an offset for data that go to the host.
    for (const type of [0x00, 0x20, 0x40, 0x4f, 0x01]) {
      expect(statusOf(io, withType(read(0, 1), type))).toBe(NVME_STATUS.SGL_TYPE_INVALID);
    }
    // An offset without data in the capsule.
    expect(statusOf(io, withType(write(0, pattern(1, 1)), 0x01))).toBe(NVME_STATUS.INVALID_SGL_OFFSET);
  });

  it('take in-capsule data from an offset, up to what the transport takes', () => {
    const { io } = start();
    const data = pattern(2, 9);
    const at = (offset: number): CommandOptions => ({
      ...write(0, data.slice(0, BLOCK)),
      out: data,
      inCapsule: true,
      edit: (sqe) => {
        sqe.setUint32(24, offset, true);
        sqe.setUint32(32, BLOCK, true);
      },
    });
    expect(statusOf(io, at(256))).toBe(0);
    expect(io.run(read(0, 1)).data).toEqual(data.slice(256, 256 + BLOCK));
    expect(statusOf(io, at(BLOCK + 1))).toBe(NVME_STATUS.INVALID_SGL_OFFSET);
    expect(statusOf(io, { ...write(0, pattern(33, 1)), inCapsule: true })).toBe(
      NVME_STATUS.INVALID_SGL_OFFSET,
    );
  });

  it('are refused with PRPs, as fused commands, and with unknown opcodes', () => {
    const { io } = start();
    const withFlags = (flags: number): CommandOptions => ({
      ...read(0, 1),
      edit: (sqe) => sqe.setUint8(1, flags),
    });
    for (const flags of [0x00, 0x80, 0x41, 0x42]) {
      expect(statusOf(io, withFlags(flags))).toBe(NVME_STATUS.INVALID_FIELD);
    }
    expect(statusOf(io, { opcode: 0x7d, nsid: 1 })).toBe(NVME_STATUS.INVALID_OPCODE);
    expect(statusOf(io, { opcode: NVM_OPCODE.WRITE_UNCORRECTABLE, nsid: 1 })).toBe(
      NVME_STATUS.INVALID_OPCODE,
    );
  });

  it('larger than what the backend takes are done in parts, few at once', () => {
    const { io, slow, executor } = delayed();
    const data = pattern(100, 4);
    const sent = Array.from({ length: 10 }, (_, i) => io.issue(write(i * 100, data, 2)));
    executor.settle();
    expect(sent.map((one) => one.completion?.status)).toEqual(new Array(10).fill(0));
    expect(slow.inFlightMax).toBe(4);
    expect(io.run(read(300, 100, 2)).data).toEqual(data);
  });

  it('with FUA end when the backend has flushed', () => {
    const { io } = delayed();
    const sent = io.run({ ...write(0, pattern(1, 1), 2), cdw12: 0x4000_0000 });
    expect(sent.completion.status).toBe(0);
  });

  it('tell what the backend says', () => {
    const { io, slow } = delayed();
    const seen = [STATUS.IO, STATUS.GONE, STATUS.INVALID, STATUS.FULL, STATUS.ABORTED].map((fails) => {
      slow.fails = fails;
      const reading = statusOf(io, read(0, 1, 2));
      return [reading, statusOf(io, write(0, pattern(1, 1), 2))];
    });
    expect(seen).toEqual([
      [NVME_STATUS.UNRECOVERED_READ_ERROR, NVME_STATUS.WRITE_FAULT],
      [NVME_STATUS.INTERNAL_PATH_ERROR, NVME_STATUS.INTERNAL_PATH_ERROR],
      [NVME_STATUS.LBA_OUT_OF_RANGE, NVME_STATUS.LBA_OUT_OF_RANGE],
      [NVME_STATUS.CAPACITY_EXCEEDED, NVME_STATUS.CAPACITY_EXCEEDED],
      [NVME_STATUS.ABORT_REQUESTED, NVME_STATUS.ABORT_REQUESTED],
    ]);
  });

  it('end with an error when the transport cannot move their data, and the data are not used', () => {
    const made = bench();
    const host = new LoopHost(made);
    const failing = new LoopHost(made, { host: 2 }, { failsData: (request) => request.nsid === 1 });
    const io = failing.connectIo();
    // STATUS.IO of a transport: damaged on the way, so that the host tries again.
    expect(statusOf(io, write(0, pattern(1, 5)))).toBe(NVME_STATUS.TRANSIENT_TRANSPORT_ERROR);
    expect(statusOf(io, read(0, 1))).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    expect(host.connectIo().run(read(0, 1)).data).toEqual(new Uint8Array(BLOCK));
    expect(made.memory.usedBytes).toBe(0);
  });

  it('wait for memory where it is short, and all get it', () => {
    const made = bench({ memoryBytesMax: 32_768 });
    const host = new LoopHost(made, {}, { executor: made.executor });
    const io = host.connectIo();
    const data = pattern(16, 2);
    const sent = Array.from({ length: 50 }, (_, i) =>
      io.issue({ ...write(i * 16, data), inCapsule: i % 3 === 0 }),
    );
    made.executor.settle();
    expect(sent.every((one) => one.completion?.status === 0)).toBe(true);
    expect(io.run(read(48 * 16, 16)).data).toEqual(data);
    expect([made.memory.usedBytes, made.memory.heldBytes <= 32_768]).toEqual([0, true]);
  });

  it('are counted, per namespace, and in the SMART log', () => {
    const { io, host, target } = start();
    io.run(write(0, pattern(4, 1)));
    io.run(read(0, 2));
    io.run(read(2, 2));
    const counters = target.subsystem(SUBSYSTEM)!.namespaces.get(1)!.counters;
    expect(counters).toMatchObject({
      readCommands: 2,
      readBytes: 4 * BLOCK,
      writeCommands: 1,
      writeBytes: 4 * BLOCK,
    });
    const { view } = host.admin.run(logPage(LOG_PAGE.SMART_HEALTH, 512, { nsid: 1 }));
    expect([unsignedOf(SMART_HRC, view), unsignedOf(SMART_HWC, view)]).toEqual([2n, 1n]);
  });
});

describe('Compare', () => {
  it('tells whether the blocks are these', () => {
    const { io } = start();
    const data = pattern(4, 6);
    io.run(write(8, data));
    for (const inCapsule of [false, true, 'span'] as const) {
      const compare = { ...write(8, data), opcode: NVM_OPCODE.COMPARE, inCapsule };
      expect(statusOf(io, compare)).toBe(0);
      const other = data.slice();
      other[2047]! ^= 1;
      expect(statusOf(io, { ...compare, out: other })).toBe(NVME_STATUS.COMPARE_FAILURE);
    }
  });
});

describe('Write Zeroes', () => {
  it.each([0, DEAC])('makes zeroes, flags %d', (flags) => {
    const { io, executor } = delayed();
    for (const nsid of [1, 2]) {
      io.run(write(0, pattern(64, 1), nsid));
      io.run(write(64, pattern(64, 2), nsid));
      expect(statusOf(io, { opcode: NVM_OPCODE.WRITE_ZEROES, nsid, cdw10: 1, cdw12: 125 + flags })).toBe(0);
      executor.settle();
      expect(io.run(read(1, 126, nsid)).data).toEqual(new Uint8Array(126 * BLOCK));
      expect(io.run(read(0, 1, nsid)).data).toEqual(pattern(64, 1).slice(0, BLOCK));
      expect(io.run(read(127, 1, nsid)).data).toEqual(pattern(64, 2).slice(63 * BLOCK));
    }
  });
});

describe('Verify', () => {
  it('reads and gives nothing', () => {
    const { io, slow } = delayed();
    expect(statusOf(io, { opcode: NVM_OPCODE.VERIFY, nsid: 2, cdw12: 999 })).toBe(0);
    slow.fails = STATUS.IO;
    expect(statusOf(io, { opcode: NVM_OPCODE.VERIFY, nsid: 2, cdw12: 999 })).toBe(
      NVME_STATUS.UNRECOVERED_READ_ERROR,
    );
  });
});

describe('Dataset Management', () => {
  it('deallocates the ranges and nothing else', () => {
    const { io } = delayed();
    for (const nsid of [1, 2]) {
      io.run(write(0, pattern(100, 1), nsid));
      const ranges: [number, number][] = [
        [10, 5],
        [0, 0],
        [50, 20],
      ];
      expect(statusOf(io, deallocate(ranges, nsid))).toBe(0);
      const expected = pattern(100, 1);
      expected.fill(0, 10 * BLOCK, 15 * BLOCK);
      expected.fill(0, 50 * BLOCK, 70 * BLOCK);
      expect(io.run(read(0, 100, nsid)).data).toEqual(expected);
    }
  });

  it('does nothing when one range is outside, or no hint is to deallocate', () => {
    const { io } = start();
    io.run(write(0, pattern(10, 1)));
    const outside: [number, number][] = [
      [0, 5],
      [BLOCKS - 1, 2],
    ];
    expect(statusOf(io, deallocate(outside))).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
    expect(statusOf(io, { ...deallocate([[0, 5]]), cdw11: 3 })).toBe(0);
    expect(io.run(read(0, 10)).data).toEqual(pattern(10, 1));
  });
});

describe('Copy', () => {
  it('puts ranges one after the other', () => {
    const { io } = start();
    io.run(write(0, pattern(600, 3)));
    const ranges = [
      { slba: 500, blocks: 100 },
      { slba: 0, blocks: 300 },
    ];
    expect(statusOf(io, copy(1000, ranges))).toBe(0);
    const source = pattern(600, 3);
    expect(io.run(read(1000, 100)).data).toEqual(source.slice(500 * BLOCK));
    expect(io.run(read(1100, 300)).data).toEqual(source.slice(0, 300 * BLOCK));
  });

  it('crosses namespaces in format 2, once the host has said that it knows it', () => {
    const { io, host } = delayed();
    io.run(write(7, pattern(40, 8), 2));
    const across = copy(0, [{ slba: 7, blocks: 40, nsid: 2 }], 2);
    expect(statusOf(io, across)).toBe(NVME_STATUS.INVALID_FIELD);
    const behavior = new Uint8Array(512);
    behavior[4] = 4;
    const set = { opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: FEATURE.HOST_BEHAVIOR_SUPPORT, out: behavior };
    expect(statusOf(host.admin, set)).toBe(0);
    expect(statusOf(io, across)).toBe(0);
    expect(io.run(read(0, 40)).data).toEqual(pattern(40, 8));
    expect(statusOf(io, copy(0, [{ slba: 0, blocks: 1, nsid: 9 }], 2))).toBe(NVME_STATUS.INVALID_NAMESPACE);
  });

  it('is refused for ranges outside, over themselves, too many, or of other formats', () => {
    const { io } = start();
    expect(statusOf(io, copy(0, [{ slba: BLOCKS - 1, blocks: 2 }]))).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
    expect(statusOf(io, copy(BLOCKS - 1, [{ slba: 0, blocks: 2 }]))).toBe(NVME_STATUS.LBA_OUT_OF_RANGE);
    expect(statusOf(io, copy(4, [{ slba: 0, blocks: 5 }]))).toBe(NVME_STATUS.OVERLAPPING_IO_RANGE);
    const many = Array.from({ length: 129 }, () => ({ slba: 0, blocks: 1 }));
    expect(statusOf(io, copy(1000, many))).toBe(NVME_STATUS.COMMAND_SIZE_LIMIT);
    expect(statusOf(io, copy(1000, [{ slba: 0, blocks: 1 }], 1))).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

describe('write protection', () => {
  it('refuses what writes, and says so in Identify and by an event', () => {
    const { io, host } = start();
    const set = (state: number): number =>
      statusOf(host.admin, {
        opcode: ADMIN_OPCODE.SET_FEATURES,
        nsid: 1,
        cdw10: FEATURE.NAMESPACE_WRITE_PROTECTION,
        cdw11: state,
      });
    expect(set(1)).toBe(0);
    expect(statusOf(io, write(0, pattern(1, 1)))).toBe(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
    expect(statusOf(io, deallocate([[0, 1]]))).toBe(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
    expect(statusOf(io, read(0, 1))).toBe(0);
    expect(set(2)).toBe(NVME_STATUS.FEATURE_NOT_CHANGEABLE);
    expect(set(0)).toBe(0);
    expect(statusOf(io, write(0, pattern(1, 1)))).toBe(0);
  });
});

describe('a namespace that goes', () => {
  it('refuses new commands, lets those in flight end, then closes its backend', async () => {
    const { io, slow, target, executor } = delayed();
    const sent = Array.from({ length: 6 }, (_, i) => io.issue(write(i, pattern(1, i), 2)));
    // The data come, the backend begins.
    executor.settle(() => 0);
    const again = Array.from({ length: 6 }, (_, i) =>
      io.issue({ ...write(i, pattern(1, i), 2), inCapsule: true }),
    );
    const gone = target.disableNamespace(SUBSYSTEM, 2);
    const late = io.issue(write(0, pattern(1, 0), 2));
    expect([late.completion?.status, slow.isClosed]).toEqual([NVME_STATUS.INVALID_NAMESPACE, false]);
    executor.settle();
    await gone;
    expect([...sent, ...again].every((one) => one.completion?.status === 0)).toBe(true);
    expect(slow.isClosed).toBe(true);
  });
});

describe('a connection that goes', () => {
  it('leaves nothing behind, whatever its commands were doing', () => {
    const { io, slow, memory, executor, host, target } = delayed();
    for (let i = 0; i < 20; i++) {
      io.issue({ ...write(i * 10, pattern(10, i), 2), inCapsule: i < 10 });
      io.issue(read(i, 10, 2));
    }
    expect(slow.inFlight).toBe(4);
    host.leave();
    executor.settle();
    expect([memory.usedBytes, slow.inFlight]).toEqual([0, 0]);
    expect([...target.queues]).toEqual([]);
    // Nothing counts as being in use: the namespace can be taken away.
    return target.disableNamespace(SUBSYSTEM, 2);
  });
});

describe('draining', () => {
  it('lets what runs end, refuses new hosts, and closes everything', async () => {
    const made = delayed();
    const sent = made.io.issue({ ...write(0, pattern(1, 1), 2), inCapsule: true });
    const drained = made.target.drain();
    expect(() => new LoopHost(made)).toThrow('181');
    expect(made.io.isGone).toBe(false);
    made.executor.settle();
    await drained;
    expect(sent.completion?.status).toBe(0);
    expect([made.io.closeReason, made.slow.isClosed]).toEqual(['shutdown', true]);
  });
});

describe('two hosts through two ports', () => {
  it('see the same blocks', () => {
    const made = bench();
    const second = { ...newPort(2, '192.0.2.2', '4420'), subsystems: [SUBSYSTEM] };
    made.target.addPort(second);
    const a = new LoopHost(made).connectIo();
    const b = new LoopHost({ ...made, port: second }, { host: 2 }).connectIo();
    a.run(write(0, pattern(3, 1)));
    expect(b.run(read(0, 3)).data).toEqual(pattern(3, 1));
  });
});

describe('memory of a namespace', () => {
  it('is closed when it is not needed any more', () => {
    const memory = PooledMemory.ofBytes(1 << 20);
    const spans = [memory.allocate(5000)!, memory.allocate(100)!];
    expect([memory.heldBytes, memory.usedBytes]).toEqual([12_288, 12_288]);
    expect(memory.allocate(1 << 20)).toBeNull();
    for (const span of spans) {
      memory.release(span);
    }
    expect(memory.allocate(1 << 20)?.lengthBytes).toBe(1 << 20);
    expect(memory.heldBytes).toBe(1 << 20);
    expect(disk('x').heldBytes).toBe(0);
  });
});
