import { describe, expect, it } from 'vitest';
import { DMA_STATUS, DONE, PENDING } from '../../../../src/fabric/index.ts';
import { NVME_STATUS as S } from '../../../../src/spec/nvme/index.ts';
import { HOST_BASE, MODES, putAddress } from '../data/bench.ts';
import { IoBench, type IoFields } from './io-bench.ts';

const FUA = 0x4000_0000;

/** Namespace 1: 1,000 blocks of 512 bytes with a pattern. */
function make(mode: (typeof MODES)[number] = 'done', options = {}): IoBench {
  return new IoBench({ mode, options }, [{ sizeBlocks: 1000 }, { sizeBlocks: 1000, blockBytes: 4096 }]);
}

describe('Read and Write (NVM Command Set 1.1, 3.3.4 and 3.3.6)', () => {
  it.each(MODES)('what was written is read, and straight from and to the bus (%s)', (mode) => {
    const bench = make(mode);
    bench.port.host.fillPattern(0, 8192, 4, 0);
    expect(bench.run({ opcode: 'WRITE', slba: 10, blocks: 16, data: 0, dataBytes: 8192 }).status).toBe(0);
    expect(bench.run({ opcode: 'READ', slba: 10, blocks: 16, data: 16_384, dataBytes: 8192 }).status).toBe(0);
    expect(bench.port.host.firstDifference(0, bench.port.host, 16_384, 8192)).toBe(-1);
    expect(bench.port.ranges).toEqual([
      { addr: HOST_BASE, lengthBytes: 8192 },
      { addr: HOST_BASE + 16_384, lengthBytes: 8192 },
    ]);
    expect(bench.counters).toMatchObject({
      readBytes: 8192,
      writtenBytes: 8192,
      readCommands: 1,
      writeCommands: 1,
    });
  });

  it('a pattern that nobody looked at moves as an extent', () => {
    const bench = make();
    bench.run({ opcode: 'READ', nsid: 2, blocks: 8, dataBytes: 32_768 });
    expect(bench.namespace(2)!.data!.committedBytes).toBe(0);
  });

  it.each<[string, IoFields, number]>([
    ['NSID 0', { opcode: 'READ', nsid: 0 }, S.INVALID_NAMESPACE],
    ['NSID FFFFFFFFh', { opcode: 'READ', nsid: 0xffff_ffff }, S.INVALID_NAMESPACE],
    ['an NSID above NN', { opcode: 'READ', nsid: 500 }, S.INVALID_NAMESPACE],
    ['an inactive NSID (Base 2.1, 3.2.1.5)', { opcode: 'READ', nsid: 3 }, S.INVALID_FIELD],
    ['the block after the last', { opcode: 'READ', slba: 1000 }, S.LBA_OUT_OF_RANGE],
    ['a range that leaves the namespace', { opcode: 'WRITE', slba: 999, blocks: 2 }, S.LBA_OUT_OF_RANGE],
    ['an SLBA of 2^64 - 1', { opcode: 'READ', dwords: { 10: ~0 >>> 0, 11: ~0 >>> 0 } }, S.LBA_OUT_OF_RANGE],
    ['an SLBA of 2^53', { opcode: 'WRITE_ZEROES', dwords: { 11: 0x20_0000 } }, S.LBA_OUT_OF_RANGE],
    ['more than MDTS', { opcode: 'READ', nsid: 2, blocks: 129, dataBytes: 129 * 4096 }, S.INVALID_FIELD],
    ['an opcode that is not there', { opcode: 'RESERVATION_REPORT' }, S.INVALID_OPCODE],
  ])('%s is refused for good', (_, fields, status) => {
    const bench = make();
    const result = bench.run(fields);
    expect(result.status).toBe(status);
    expect(result.dnr).toBe(true);
    expect(bench.port.requests).toBe(0);
  });

  it.each<['VERIFY' | 'COPY', '1.3' | '1.4' | '2.0', number]>([
    ['VERIFY', '1.3', S.INVALID_OPCODE],
    ['VERIFY', '1.4', 0],
    ['COPY', '1.3', S.INVALID_OPCODE],
    ['COPY', '1.4', S.INVALID_OPCODE],
    ['COPY', '2.0', 0],
  ])('%s of a %s drive is there as ONCS says', (opcode, version, status) => {
    const bench = make('done', { version });
    // Without a list that says otherwise, Copy moves block 0 onto block 8.
    expect(
      bench.run({ opcode, slba: opcode === 'COPY' ? 8 : 0, data: 0, dataBytes: opcode === 'COPY' ? 32 : 0 })
        .status,
    ).toBe(status);
  });

  it('MDTS 0 is no limit', () => {
    const bench = make('done', { mdts: 0 });
    expect(bench.run({ opcode: 'READ', nsid: 2, blocks: 256, dataBytes: 2 ** 20 }).status).toBe(0);
  });

  it('a write-protected namespace takes no command that changes it (Base 2.1, 5.1.25.1.32)', () => {
    const bench = make();
    bench.namespace(1)!.isWriteProtected = true;
    const opcodes = ['WRITE', 'WRITE_ZEROES', 'WRITE_UNCORRECTABLE', 'COPY'] as const;
    for (const opcode of opcodes) {
      expect(bench.run({ opcode }).status).toBe(S.NAMESPACE_WRITE_PROTECTED);
    }
    expect(bench.run({ opcode: 'DATASET_MANAGEMENT', dwords: { 11: 4 } }).status).toBe(
      S.NAMESPACE_WRITE_PROTECTED,
    );
    expect(bench.run({ opcode: 'READ' }).status).toBe(0);
    expect(bench.run({ opcode: 'FLUSH' }).status).toBe(0);
  });

  it('a namespace that is not ready answers so, and may be asked again', () => {
    const bench = make();
    bench.namespace(1)!.blockedStatus = S.FORMAT_IN_PROGRESS;
    const result = bench.run({ opcode: 'READ' });
    expect(result.status).toBe(S.FORMAT_IN_PROGRESS);
    expect(result.dnr).toBe(false);
  });

  it.each(MODES)('a write whose data cannot be fetched fails, and a repetition works (%s)', (mode) => {
    const bench = make(mode);
    bench.port.failWith = DMA_STATUS.UNSUPPORTED_REQUEST;
    expect(bench.run({ opcode: 'WRITE', dataBytes: 512 }).status).toBe(S.DATA_TRANSFER_ERROR);
    bench.port.failWith = 0;
    expect(bench.run({ opcode: 'WRITE', dataBytes: 512 }).status).toBe(0);
    expect(bench.counters.writeCommands).toBe(1);
  });
});

describe('blocks that cannot be read', () => {
  it('Write Uncorrectable makes reads fail until the next write (NVM Command Set 1.1, 3.3.7)', () => {
    const bench = make();
    expect(bench.run({ opcode: 'WRITE_UNCORRECTABLE', slba: 5, blocks: 2 }).status).toBe(0);
    const read = bench.run({ opcode: 'READ', slba: 4, blocks: 2, dataBytes: 1024 });
    expect(read).toEqual({ status: S.UNRECOVERED_READ_ERROR, dw0: 0, dnr: true, errorLba: 5 });
    expect(bench.run({ opcode: 'VERIFY', slba: 6 }).status).toBe(S.UNRECOVERED_READ_ERROR);
    expect(bench.counters.mediaErrors).toBe(2);
    expect(bench.run({ opcode: 'WRITE', slba: 5, blocks: 2, dataBytes: 1024 }).status).toBe(0);
    expect(bench.run({ opcode: 'READ', slba: 4, blocks: 2, dataBytes: 1024 }).status).toBe(0);
  });

  it('faults on purpose hit reads, writes, or both, and name their block', () => {
    const bench = make();
    bench.faults.addMedia({ nsid: 1, slba: 20, blocks: 2, on: 'read', count: 1 });
    bench.faults.addMedia({ nsid: 1, slba: 30, blocks: 1, on: 'write' });
    const read = bench.run({ opcode: 'READ', slba: 19, blocks: 4, dataBytes: 2048 });
    expect([read.status, read.errorLba]).toEqual([S.UNRECOVERED_READ_ERROR, 20]);
    expect(bench.run({ opcode: 'READ', slba: 19, blocks: 4, dataBytes: 2048 }).status).toBe(0);
    const write = bench.run({ opcode: 'WRITE', slba: 30, dataBytes: 512 });
    expect([write.status, write.errorLba]).toEqual([S.WRITE_FAULT, 30]);
  });

  it('deallocated blocks are an error when the host wants it so (DULBE, Base 2.1, 5.1.25.1.3)', () => {
    const bench = make();
    bench.run({ opcode: 'WRITE_ZEROES', slba: 7, blocks: 3, flags: 1 << 25 });
    expect(bench.run({ opcode: 'READ', slba: 6, blocks: 4, dataBytes: 2048 }).status).toBe(0);
    bench.settings.deallocatedErrors.add(1);
    const read = bench.run({ opcode: 'READ', slba: 6, blocks: 4, dataBytes: 2048 });
    expect([read.status, read.errorLba]).toEqual([S.DEALLOCATED_OR_UNWRITTEN, 7]);
    bench.run({ opcode: 'WRITE_ZEROES', slba: 7, blocks: 3 });
    expect(bench.run({ opcode: 'READ', slba: 6, blocks: 4, dataBytes: 2048 }).status).toBe(0);
  });
});

describe('Dataset Management (NVM Command Set 1.1, 3.3.3)', () => {
  const trim = (bench: IoBench, ranges: [slba: number, blocks: number][], attributes = 4) => {
    for (const [i, [slba, blocks]] of ranges.entries()) {
      bench.port.host.setValue(16 * i, 4, 0);
      bench.port.host.setValue(16 * i + 4, 4, blocks);
      putAddress(bench.port.host, 16 * i + 8, slba);
    }
    return bench.run({
      opcode: 'DATASET_MANAGEMENT',
      dataBytes: 16 * ranges.length,
      dwords: { 10: ranges.length - 1, 11: attributes },
    });
  };

  it.each(MODES)('gives all ranges back, empty ones and the end of the namespace included (%s)', (mode) => {
    const bench = make(mode);
    const ranges: [number, number][] = [
      [0, 3],
      [1000, 0],
      [990, 10],
    ];
    expect(trim(bench, ranges).status).toBe(0);
    expect(bench.namespace(1)!.usedBlocks).toBe(987);
    bench.run({ opcode: 'READ', slba: 990, data: 4096, dataBytes: 512 });
    expect([...bench.host(4096, 512)].every((byte) => byte === 0)).toBe(true);
  });

  it('checks every range before it gives the first back', () => {
    const bench = make();
    const ranges: [number, number][] = [
      [0, 3],
      [999, 2],
    ];
    expect(trim(bench, ranges).status).toBe(S.LBA_OUT_OF_RANGE);
    expect(trim(bench, [[2 ** 60, 0]]).status).toBe(S.LBA_OUT_OF_RANGE);
    expect(bench.namespace(1)!.usedBlocks).toBe(1000);
  });

  it('attributes without Deallocate are hints', () => {
    const bench = make();
    expect(trim(bench, [[0, 3]], 3).status).toBe(0);
    expect(bench.namespace(1)!.usedBlocks).toBe(1000);
  });
});

describe('Flush and the volatile write cache (Base 2.1, 7.2 and 5.1.25.1.4)', () => {
  const cached = (): IoBench =>
    new IoBench({}, [
      { sizeBlocks: 100, tracksPowerLoss: true },
      { sizeBlocks: 100, tracksPowerLoss: true },
    ]);
  const write = (bench: IoBench, nsid: number, flags = 0): number => {
    bench.run({ opcode: 'WRITE', nsid, blocks: 4, dataBytes: 2048, flags });
    return bench.namespace(nsid)!.volatileBlocks;
  };

  it('writes are volatile until a flush of their namespace, or of all', () => {
    const bench = cached();
    expect(write(bench, 1)).toBe(4);
    expect(write(bench, 2)).toBe(4);
    expect(bench.run({ opcode: 'FLUSH' }).status).toBe(0);
    expect(bench.namespace(1)!.volatileBlocks).toBe(0);
    expect(bench.namespace(2)!.volatileBlocks).toBe(4);
    expect(bench.run({ opcode: 'FLUSH', nsid: 0xffff_ffff }).status).toBe(0);
    expect(bench.namespace(2)!.volatileBlocks).toBe(0);
    expect(bench.run({ opcode: 'FLUSH', nsid: 0 }).status).toBe(S.INVALID_NAMESPACE);
  });

  it('FUA makes a write, or what a read returns, durable; so does a cache that is off', () => {
    const bench = cached();
    expect(write(bench, 1, FUA)).toBe(0);
    expect(write(bench, 1)).toBe(4);
    bench.run({ opcode: 'READ', blocks: 3, dataBytes: 1536, flags: FUA });
    expect(bench.namespace(1)!.volatileBlocks).toBe(1);
    bench.settings.isWriteCacheOn = false;
    expect(write(bench, 2)).toBe(0);
  });

  it('a file behind the blocks that cannot be flushed is a write fault', () => {
    const backing = { sizeBytes: 51_200, read: () => true, write: () => true, flush: () => false };
    const bench = new IoBench({}, [{ sizeBlocks: 100, backing: backing as never }]);
    expect(bench.run({ opcode: 'WRITE', dataBytes: 512 }).status).toBe(0);
    expect(bench.run({ opcode: 'WRITE', dataBytes: 512, flags: FUA }).status).toBe(S.WRITE_FAULT);
    expect(bench.run({ opcode: 'FLUSH' }).status).toBe(S.WRITE_FAULT);
  });
});

describe('Compare, and Compare and Write fused (NVM Command Set 1.1, 3.3.1; Base 2.1, 3.4.2)', () => {
  const pair = (bench: IoBench, differs: boolean): [number, number] => {
    bench.run({ opcode: 'READ', slba: 3, data: 0, dataBytes: 512 });
    bench.host(0, 1)[0]! ^= differs ? 1 : 0;
    bench.host(4096, 512).fill(9);
    const first = bench.make({ opcode: 'COMPARE', slba: 3, data: 0, dataBytes: 512 });
    const second = bench.make({ opcode: 'WRITE', slba: 3, data: 4096, dataBytes: 512 });
    if (bench.io.executeFused(first, second) === PENDING) {
      bench.completed.length = 0;
      bench.port.run();
      expect(bench.completed).toEqual([first, second]);
    }
    return [first.status, second.status];
  };

  it.each(MODES)('writes when the blocks are equal (%s)', (mode) => {
    const bench = make(mode);
    expect(pair(bench, false)).toEqual([0, 0]);
    bench.run({ opcode: 'READ', slba: 3, data: 8192, dataBytes: 512 });
    expect(bench.host(8192, 512).every((byte) => byte === 9)).toBe(true);
  });

  it.each(MODES)('does not write when they are not (%s)', (mode) => {
    const bench = make(mode);
    expect(pair(bench, true)).toEqual([S.COMPARE_FAILURE, S.ABORTED_FAILED_FUSED]);
    bench.run({ opcode: 'READ', slba: 3, data: 8192, dataBytes: 512 });
    expect(bench.host(8192, 512).every((byte) => byte === 9)).toBe(false);
  });

  it('refuses pairs of other commands or other ranges', () => {
    const bench = make();
    const first = bench.make({ opcode: 'COMPARE', slba: 3, dataBytes: 512 });
    const second = bench.make({ opcode: 'WRITE', slba: 4, dataBytes: 512 });
    expect(bench.io.executeFused(first, second)).toBe(DONE);
    expect([first.status, second.status]).toEqual([S.INVALID_FIELD, S.INVALID_FIELD]);
  });

  it('nobody gets between the two', () => {
    const bench = make('pending');
    bench.host(0, 512).fill(1);
    bench.run({ opcode: 'WRITE', slba: 3, data: 0, dataBytes: 512 });
    bench.host(512, 512).fill(2);
    bench.host(1024, 512).fill(3);
    bench.completed.length = 0;
    const first = bench.make({ opcode: 'COMPARE', slba: 3, data: 0, dataBytes: 512 });
    const second = bench.make({ opcode: 'WRITE', slba: 3, data: 512, dataBytes: 512 });
    const other = bench.make({ opcode: 'WRITE', slba: 3, data: 1024, dataBytes: 512 });
    const read = bench.make({ opcode: 'READ', slba: 3, data: 2048, dataBytes: 512 });
    expect(bench.io.executeFused(first, second)).toBe(PENDING);
    expect(bench.io.execute(other)).toBe(PENDING);
    expect(bench.io.execute(read)).toBe(PENDING);
    bench.port.run();
    expect(bench.completed).toEqual([first, second, other, read]);
    expect(first.status).toBe(0);
    expect(bench.host(2048, 1)[0]).toBe(3);
  });
});

describe('commands in each other’s way', () => {
  it('a read waits for a write of the same block, others do not', () => {
    const bench = make('pending');
    bench.host(0, 512).fill(7);
    const write = bench.make({ opcode: 'WRITE', slba: 3, data: 0, dataBytes: 512 });
    const read = bench.make({ opcode: 'READ', slba: 2, blocks: 2, data: 1024, dataBytes: 1024 });
    const elsewhere = bench.make({ opcode: 'WRITE_ZEROES', slba: 4 });
    const verify = bench.make({ opcode: 'VERIFY', slba: 3 });
    expect(bench.io.execute(write)).toBe(PENDING);
    expect(bench.io.execute(read)).toBe(PENDING);
    expect(bench.io.execute(elsewhere)).toBe(DONE);
    expect(bench.io.execute(verify)).toBe(PENDING);
    expect(bench.port.pendingCount).toBe(1);
    expect(bench.io.isIdle(1)).toBe(false);
    expect(bench.io.isIdle(2)).toBe(true);
    bench.port.run();
    expect(bench.completed).toEqual([write, verify, read]);
    expect(bench.host(1536, 512).every((byte) => byte === 7)).toBe(true);
    expect(bench.io.isIdle(1)).toBe(true);
  });

  it('Abort ends a command that waits at once, and one whose data move when they have come', () => {
    const bench = make('pending');
    const write = bench.make({ opcode: 'WRITE', slba: 3, dataBytes: 512 });
    const read = bench.make({ opcode: 'READ', slba: 3, dataBytes: 512 });
    const second = bench.make({ opcode: 'READ', slba: 3, dataBytes: 512 });
    for (const command of [write, read, second]) {
      bench.io.execute(command);
    }
    bench.io.cancel(read);
    expect(bench.completed).toEqual([read]);
    expect(read.status).toBe(S.ABORT_REQUESTED);
    bench.io.cancel(write);
    expect(bench.completed).toEqual([read]);
    bench.port.run();
    expect(bench.completed).toEqual([read, write, second]);
    expect(second.status).toBe(0);
  });

  it('also when they came through two controllers; the reset of one lets the other go on', () => {
    const left = make('pending');
    const right = make('pending');
    right.namespaces.set(1, left.namespace(1)!);
    const write = left.make({ opcode: 'WRITE', slba: 3, dataBytes: 512 });
    const read = right.make({ opcode: 'READ', slba: 3, dataBytes: 512 });
    const copy = right.make({ opcode: 'COPY', nsid: 2, dataBytes: 32 });
    left.io.execute(write);
    right.io.execute(read);
    expect(right.port.pendingCount).toBe(0);
    expect([left.io.isIdle(1), right.io.isIdle(1), right.io.isIdle(2)]).toEqual([false, false, true]);
    left.port.run();
    expect(left.completed).toEqual([write]);
    expect(right.port.pendingCount).toBe(1);
    right.port.run();
    expect(right.completed).toEqual([read]);

    left.io.execute(left.make({ opcode: 'WRITE', slba: 3, dataBytes: 512 }));
    right.io.execute(right.make({ opcode: 'VERIFY', slba: 3 }));
    right.io.execute(copy);
    right.port.run();
    expect(right.completed).toEqual([read, copy]);
    expect(right.io.isIdle(1)).toBe(false);
    left.io.reset();
    expect(right.completed.length).toBe(3);
    expect(right.io.isIdle(1)).toBe(true);
  });

  it('after a reset nothing ends, nothing is held, and every slot works', () => {
    const bench = make('pending');
    const commands = [1, 2, 3].map(() => bench.make({ opcode: 'WRITE', slba: 3, dataBytes: 512 }));
    for (const command of commands) {
      bench.io.execute(command);
    }
    bench.io.reset();
    bench.data.reset();
    bench.port.run();
    expect(bench.completed).toEqual([]);
    expect(bench.io.isIdle(1)).toBe(true);
    bench.pool.reset();
    expect(bench.run({ opcode: 'WRITE', slba: 3, dataBytes: 512 }).status).toBe(0);
  });
});

describe('protection information in commands (NVM Command Set 1.1, 5.3.2)', () => {
  const protectedOne = (piType: 1 | 2 | 3): IoBench =>
    new IoBench({}, [{ sizeBlocks: 100, metadataBytes: 8, piType }]);

  it('PRACT inserts on writes and strips on reads: no metadata buffer is touched', () => {
    const bench = protectedOne(1);
    const range = { slba: 9, blocks: 2, dataBytes: 1024, tag: 9, applicationTag: 5, applicationMask: 0xffff };
    expect(bench.run({ opcode: 'WRITE', ...range, prinfo: 8 }).status).toBe(0);
    expect(bench.run({ opcode: 'READ', ...range, data: 8192, prinfo: 15 }).status).toBe(0);
    expect(bench.port.ranges.map((range) => range.lengthBytes)).toEqual([1024, 1024]);
    const stored = new Uint8Array(8);
    bench.namespace(1)!.metadata.read(10 * 8, stored, 0, 8);
    // The guard of zeroes is zero.
    expect([...stored]).toEqual([0, 0, 0, 5, 0, 0, 0, 10]);
    expect(bench.run({ opcode: 'VERIFY', ...range, tag: 9, prinfo: 3, applicationTag: 6 })).toMatchObject({
      status: S.APPLICATION_TAG_CHECK_ERROR,
      errorLba: 9,
    });
  });

  it('a reference tag that type 1 or 3 forbids is Invalid Protection Information', () => {
    expect(protectedOne(1).run({ opcode: 'READ', slba: 4, tag: 5, prinfo: 1, dataBytes: 512 }).status).toBe(
      S.INVALID_PROTECTION_INFORMATION,
    );
    expect(protectedOne(3).run({ opcode: 'READ', prinfo: 1, dataBytes: 512 }).status).toBe(
      S.INVALID_PROTECTION_INFORMATION,
    );
    expect(protectedOne(2).run({ opcode: 'READ', slba: 4, tag: 5, prinfo: 9, dataBytes: 512 }).status).toBe(
      0,
    );
  });

  it('a write whose check fails has changed nothing', () => {
    const bench = protectedOne(2);
    bench.host(0, 1024).fill(3);
    const status = bench.run({
      opcode: 'WRITE',
      blocks: 2,
      dataBytes: 1024,
      metadata: 4096,
      prinfo: 4,
    }).status;
    expect(status).toBe(S.GUARD_CHECK_ERROR);
    bench.run({ opcode: 'READ', blocks: 2, data: 8192, dataBytes: 1024, prinfo: 8 });
    expect(bench.host(8192, 1024).every((byte) => byte === 3)).toBe(false);
  });

  it('fields of PRINFO mean nothing without protection information', () => {
    const bench = make();
    expect(bench.run({ opcode: 'READ', prinfo: 15, tag: 77, dataBytes: 512 }).status).toBe(0);
  });
});

describe('lengths that a host chooses', () => {
  it('65,536 blocks of a namespace of 2^40 blocks cost no memory', () => {
    const bench = new IoBench({ options: { mdts: 0 } }, [{ sizeBlocks: 2 ** 40, blockBytes: 4096 }]);
    expect(bench.run({ opcode: 'WRITE_ZEROES', slba: 2 ** 39, blocks: 65_536 }).status).toBe(0);
    expect(bench.run({ opcode: 'WRITE_UNCORRECTABLE', slba: 2 ** 38, blocks: 65_536 }).status).toBe(0);
    // To a buffer of bit buckets and nowhere else.
    const read = bench.run({
      opcode: 'READ',
      slba: 2 ** 39,
      blocks: 65_536,
      dataBytes: 65_536 * 4096,
      dwords: { 9: 0x1000_0000 },
    });
    expect(read.status).toBe(0);
    expect(bench.port.requests).toBe(0);
    expect(bench.namespace(1)!.data!.committedBytes).toBe(0);
  });
});
