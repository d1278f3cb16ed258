import { describe, expect, it } from 'vitest';
import type { NamespaceOptions } from '../../../../src/devices/nvme/options.ts';
import { PENDING } from '../../../../src/fabric/index.ts';
import { NVME_STATUS as S } from '../../../../src/spec/nvme/index.ts';
import { type BenchSetup, MODES } from '../data/bench.ts';
import { blocks, type CopyFields, copy, type Range } from './copy-list.ts';
import { IoBench } from './io-bench.ts';

const NAMESPACES: NamespaceOptions[] = [
  { sizeBlocks: 1000 },
  { sizeBlocks: 500, copy: { rangeBlocksMax: 4, totalBlocksMax: 6, rangesMax: 2 } },
  { sizeBlocks: 500, blockBytes: 4096 },
];

function make(setup: BenchSetup = {}): IoBench {
  const bench = new IoBench(setup, NAMESPACES);
  bench.settings.copyFormatsAllowed = 0xc;
  return bench;
}

describe('Copy (NVM Command Set 1.1, 3.3.2)', () => {
  it.each(MODES)('puts ranges one behind the other; only the list is on the bus (%s)', (mode) => {
    const bench = make({ mode });
    const wanted = [...blocks(bench, 1, 500, 3), ...blocks(bench, 1, 100, 2)];
    const result = copy(bench, { to: 10 }, [
      { slba: 500, blocks: 3 },
      { slba: 100, blocks: 2 },
    ]);
    expect(result).toMatchObject({ status: 0, dw0: 0 });
    expect(blocks(bench, 1, 10, 5)).toEqual(wanted);
    expect(bench.port.bytes).toEqual([64, 0]);
  });

  it('moves extents as extents', () => {
    const bench = make();
    expect(copy(bench, { to: 504 }, [{ slba: 0, blocks: 128 }]).status).toBe(0);
    expect(bench.namespace(1)!.data!.committedBytes).toBe(0);
  });

  it('goes between namespaces of the same format with formats 2 and 3', () => {
    const bench = make();
    const wanted = blocks(bench, 2, 7, 4);
    expect(copy(bench, { format: 2, to: 20 }, [{ nsid: 2, slba: 7, blocks: 4 }]).status).toBe(0);
    expect(blocks(bench, 1, 20, 4)).toEqual(wanted);
  });

  it('a source that overlaps its destination is read before it is written (formats 0 and 1)', () => {
    const bench = make();
    const wanted = blocks(bench, 1, 10, 8);
    expect(copy(bench, { to: 13 }, [{ slba: 10, blocks: 8 }]).status).toBe(0);
    expect(blocks(bench, 1, 13, 8)).toEqual(wanted);
  });

  it.each<[string, CopyFields, Range[], number, number]>([
    ['a format that is not there', { format: 4, to: 0 }, [{ slba: 9, blocks: 1 }], S.INVALID_FIELD, 0],
    [
      'too many ranges',
      { nsid: 2, to: 0 },
      [
        { slba: 9, blocks: 1 },
        { slba: 9, blocks: 1 },
        { slba: 9, blocks: 1 },
      ],
      S.COMMAND_SIZE_LIMIT,
      0,
    ],
    ['wide tags for a 16-bit guard', { format: 1, to: 0 }, [{ slba: 9, blocks: 1 }], S.INVALID_FORMAT, 0],
    [
      'more blocks than MCL, before the length of a range',
      { nsid: 2, to: 0 },
      [{ slba: 9, blocks: 7 }],
      S.COMMAND_SIZE_LIMIT,
      0,
    ],
    ['a range longer than MSSRL', { nsid: 2, to: 0 }, [{ slba: 9, blocks: 5 }], S.COMMAND_SIZE_LIMIT, 0],
    [
      'MSSRL of the source, not of the destination',
      { format: 2, to: 0 },
      [{ nsid: 2, slba: 9, blocks: 5 }],
      S.COMMAND_SIZE_LIMIT,
      0,
    ],
    [
      'the broadcast NSID',
      { format: 2, to: 0 },
      [{ nsid: 0xffff_ffff, slba: 9, blocks: 1 }],
      S.INVALID_NAMESPACE,
      0,
    ],
    ['NSID 0', { format: 2, to: 0 }, [{ nsid: 0, slba: 9, blocks: 1 }], S.INVALID_NAMESPACE, 0],
    ['an inactive NSID', { format: 2, to: 0 }, [{ nsid: 9, slba: 9, blocks: 1 }], S.INVALID_FIELD, 0],
    [
      'an unequal format',
      { format: 2, to: 0 },
      [{ nsid: 3, slba: 9, blocks: 1 }],
      S.INCOMPATIBLE_NAMESPACE,
      0,
    ],
    [
      'a source that ends inside the destination',
      { format: 2, to: 10 },
      [{ nsid: 1, slba: 8, blocks: 4 }],
      S.OVERLAPPING_IO_RANGE,
      0,
    ],
    ['a source outside', { to: 0 }, [{ slba: 999, blocks: 2 }], S.LBA_OUT_OF_RANGE, 0],
    ['a source from 2^63 on', { to: 0 }, [{ slba: 2 ** 63, blocks: 1 }], S.LBA_OUT_OF_RANGE, 0],
    [
      'a destination that ends too early, seen by the range that it hits',
      { to: 998 },
      [
        { slba: 5, blocks: 2 },
        { slba: 9, blocks: 1 },
      ],
      S.LBA_OUT_OF_RANGE,
      1,
    ],
  ])('refuses %s', (_, fields, ranges, status, dw0) => {
    expect(copy(make(), fields, ranges)).toMatchObject({ status, dw0, dnr: true });
  });

  it.each<[string, Range]>([
    ['starts inside the destination', { nsid: 1, slba: 12, blocks: 4 }],
    ['ends where the destination starts', { nsid: 1, slba: 6, blocks: 4 }],
    ['is the destination', { nsid: 1, slba: 10, blocks: 4 }],
  ])('takes a source that %s (format 2)', (_, range) => {
    expect(copy(make(), { format: 2, to: 10 }, [range]).status).toBe(0);
  });

  it('formats 2 and 3 need the leave of the host (Host Behavior Support, CDFE)', () => {
    const bench = make();
    bench.settings.copyFormatsAllowed = 0x8;
    expect(copy(bench, { format: 2, to: 0 }, [{ nsid: 1, slba: 9, blocks: 1 }]).status).toBe(S.INVALID_FIELD);
  });

  it('what was copied before a failure stays, and DW0 counts it', () => {
    const bench = make();
    bench.namespace(1)!.markBad(50, 1);
    const wanted = blocks(bench, 1, 20, 2);
    const result = copy(bench, { to: 0 }, [
      { slba: 20, blocks: 2 },
      { slba: 49, blocks: 2 },
      { slba: 20, blocks: 2 },
    ]);
    expect(result).toMatchObject({ status: S.UNRECOVERED_READ_ERROR, dw0: 1, errorLba: 50 });
    expect(blocks(bench, 1, 0, 2)).toEqual(wanted);
  });

  it('deallocated blocks of the source are an error with DULBE', () => {
    const bench = make();
    bench.namespace(2)!.deallocate(4, 1);
    bench.settings.deallocatedErrors.add(2);
    const result = copy(bench, { format: 2, to: 0 }, [{ nsid: 2, slba: 4, blocks: 1 }]);
    expect(result.status).toBe(S.DEALLOCATED_OR_UNWRITTEN);
  });

  it('waits for a write of its source that is under way', () => {
    const bench = make({ mode: 'pending' });
    bench.host(4096, 512).fill(6);
    const list = bench.port.host;
    list.setValue(0, 4, 2);
    list.setValue(8, 4, 4);
    const command = bench.make({ opcode: 'COPY', slba: 0, dataBytes: 32, dwords: { 12: 2 << 8 } });
    const write = bench.make({ opcode: 'WRITE', nsid: 2, slba: 4, data: 4096, dataBytes: 512 });
    expect(bench.io.execute(command)).toBe(PENDING);
    expect(bench.io.execute(write)).toBe(PENDING);
    // The list comes before the data of the write.
    bench.port.step();
    expect(bench.completed).toEqual([]);
    bench.port.run();
    expect(bench.completed).toEqual([write, command]);
    expect(command.status).toBe(0);
    expect(new Set(blocks(bench, 1, 0, 1))).toEqual(new Set([6]));
  });

  it('a list that cannot be fetched copies nothing', () => {
    const bench = make({ mode: 'pending' });
    bench.port.failWith = -101;
    expect(copy(bench, { to: 0 }, [{ slba: 9, blocks: 1 }]).status).toBe(S.DATA_TRANSFER_ERROR);
  });
});

describe('Copy with protection information (NVM Command Set 1.1, 5.3.2)', () => {
  const PROTECTED: NamespaceOptions[] = [
    { sizeBlocks: 100, metadataBytes: 8, piType: 1, isPatterned: false },
    { sizeBlocks: 100, metadataBytes: 8, piType: 1, isPatterned: false },
    { sizeBlocks: 100 },
    { sizeBlocks: 100, blockBytes: 4096, metadataBytes: 16, piType: 1, guardBits: 32, storageTagBits: 16 },
  ];
  const PRACT = 8;
  const start = (): IoBench => {
    const bench = new IoBench({}, PROTECTED);
    bench.settings.copyFormatsAllowed = 0xc;
    bench.port.host.fillPattern(0, 2048, 5, 0);
    for (const nsid of [1, 2]) {
      const fields = { slba: 40, blocks: 4, dataBytes: 2048, tag: 40, applicationTag: 3, prinfo: PRACT };
      expect(bench.run({ opcode: 'WRITE', nsid, ...fields }).status).toBe(0);
    }
    return bench;
  };
  const tagsOf = (bench: IoBench, nsid: number, lba: number): number[] => {
    const metadata = new Uint8Array(8);
    bench.namespace(nsid)!.metadata.read(lba * 8, metadata, 0, 8);
    return [...metadata.subarray(2)];
  };

  it('PRACT checks the old information and makes new', () => {
    const bench = start();
    const read = { slba: 40, blocks: 4, tag: 40, applicationTag: 3, applicationMask: 0xffff };
    const write = { to: 8, prinfor: 15, prinfow: 15, tag: 8, applicationTag: 6 };
    expect(copy(bench, write, [read]).status).toBe(0);
    expect(tagsOf(bench, 1, 9)).toEqual([0, 6, 0, 0, 0, 9]);
    expect(bench.run({ opcode: 'VERIFY', slba: 8, blocks: 4, tag: 8, prinfo: 5 }).status).toBe(0);
    expect(copy(bench, write, [{ ...read, applicationTag: 4 }]).status).toBe(S.APPLICATION_TAG_CHECK_ERROR);
    expect(copy(bench, { ...write, tag: 9 }, [read]).status).toBe(S.INVALID_PROTECTION_INFORMATION);
  });

  it('without PRACT the information moves as it is, and is checked as what it will be', () => {
    const bench = start();
    const read = { slba: 40, blocks: 4, tag: 40 };
    expect(copy(bench, { to: 8, prinfor: 5, prinfow: 4 }, [read]).status).toBe(0);
    expect(tagsOf(bench, 1, 8)).toEqual([0, 3, 0, 0, 0, 40]);
    const moved = copy(bench, { to: 8, prinfor: 5, prinfow: 5, tag: 8 }, [read]);
    expect(moved.status).toBe(S.REFERENCE_TAG_CHECK_ERROR);
  });

  it('PRACT has to be the same on both sides', () => {
    const range = { slba: 40, blocks: 4, tag: 40 };
    expect(copy(start(), { to: 8, prinfor: PRACT }, [range]).status).toBe(S.INVALID_FIELD);
    const across = copy(start(), { format: 2, to: 8, prinfor: PRACT }, [{ nsid: 2, ...range }]);
    expect(across.status).toBe(S.INCOMPATIBLE_NAMESPACE);
  });

  it('inserts and strips between namespaces with and without', () => {
    const bench = start();
    const inserted = copy(bench, { format: 2, to: 60, prinfow: PRACT, tag: 60, applicationTag: 7 }, [
      { nsid: 3, slba: 5, blocks: 2 },
    ]);
    expect(inserted.status).toBe(0);
    expect(blocks(bench, 1, 60, 2)).toEqual(blocks(bench, 3, 5, 2));
    expect(tagsOf(bench, 1, 61)).toEqual([0, 7, 0, 0, 0, 61]);
    const stripped = copy(bench, { format: 2, nsid: 3, to: 30, prinfor: 15 }, [
      { nsid: 1, slba: 60, blocks: 2, tag: 60, applicationTag: 7, applicationMask: 0xffff },
    ]);
    expect(stripped.status).toBe(0);
    expect(blocks(bench, 3, 30, 2)).toEqual(blocks(bench, 3, 5, 2));
    expect(copy(bench, { format: 2, to: 60 }, [{ nsid: 3, slba: 5, blocks: 1 }]).status).toBe(
      S.INCOMPATIBLE_NAMESPACE,
    );
  });

  it('wide guards need formats 1 and 3, with tags of 80 bits', () => {
    const bench = start();
    const write = { nsid: 4, slba: 3, blocks: 1, dataBytes: 4096, prinfo: PRACT, tag: 3, applicationTag: 9 };
    expect(bench.run({ opcode: 'WRITE', ...write }).status).toBe(0);
    const fields = { format: 1, nsid: 4, to: 5, prinfor: 15, prinfow: 15, tag: 5 };
    const range = { slba: 3, blocks: 1, tag: 3, applicationTag: 9, applicationMask: 0xffff };
    expect(copy(bench, fields, [range]).status).toBe(0);
    expect(copy(bench, fields, [{ ...range, tag: 4 }]).status).toBe(S.REFERENCE_TAG_CHECK_ERROR);
    expect(copy(bench, { ...fields, format: 0 }, [range]).status).toBe(S.INVALID_FORMAT);
  });
});
