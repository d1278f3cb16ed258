import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/index.ts';
import type { Command } from '../../../../src/devices/nvme/command.ts';
import type { MediaTimingOptions } from '../../../../src/devices/nvme/index.ts';
import { Memory, PENDING } from '../../../../src/fabric/index.ts';
import { NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { HOST_BYTES, MODES, type Mode } from '../data/bench.ts';
import { IoBench, type IoFields } from './io-bench.ts';
import { NaiveDrive, type NaiveFormat, type NaiveProtection } from './naive-drive.ts';

const BLOCKS = 40;
const SLOT_BYTES = HOST_BYTES / 16;

interface Shape extends NaiveFormat {
  readonly isExtended: boolean;
}

const plain = { piType: 0, isPiFirst: false, guardFormat: 0, isExtended: false };
const PLAIN: readonly Shape[] = [
  { ...plain, blockBytes: 512, metadataBytes: 0 },
  { ...plain, blockBytes: 4096, metadataBytes: 0 },
  { ...plain, blockBytes: 512, metadataBytes: 16 },
  { ...plain, blockBytes: 512, metadataBytes: 16, isExtended: true },
];
const PROTECTED: readonly Shape[] = [1, 2, 3].flatMap((piType) => [
  { blockBytes: 512, metadataBytes: 8, piType, isPiFirst: false, guardFormat: 0, isExtended: false },
  { blockBytes: 512, metadataBytes: 8, piType, isPiFirst: false, guardFormat: 0, isExtended: true },
  { blockBytes: 512, metadataBytes: 16, piType, isPiFirst: true, guardFormat: 0, isExtended: false },
  { blockBytes: 512, metadataBytes: 16, piType, isPiFirst: false, guardFormat: 0, isExtended: true },
  { blockBytes: 512, metadataBytes: 16, piType, isPiFirst: false, guardFormat: 1, isExtended: false },
  { blockBytes: 512, metadataBytes: 32, piType, isPiFirst: false, guardFormat: 2, isExtended: true },
]);

/** What has to come out of a command: its status, and bytes of host memory that it has to have written. */
interface Expected {
  readonly command: Command;
  readonly status: number;
  readonly at: readonly { offset: number; bytes: Uint8Array }[];
}

class Play {
  readonly bench: IoBench;
  readonly drive: NaiveDrive;
  readonly random: SeededRandom;
  readonly shape: Shape;
  readonly #expected: Expected[] = [];
  #slot = 0;

  constructor(mode: Mode, seed: number, shape: Shape, timing: MediaTimingOptions | null = null) {
    this.random = new SeededRandom(seed);
    this.shape = shape;
    this.bench = new IoBench({ mode, seed, options: { timing } }, [
      {
        sizeBlocks: BLOCKS,
        blockBytes: shape.blockBytes,
        metadataBytes: shape.metadataBytes,
        isExtended: shape.isExtended,
        piType: shape.piType as 0,
        isPiFirst: shape.isPiFirst,
        guardBits: ([16, 32, 64] as const)[shape.guardFormat]!,
        storageTagBits: 0,
        isPatterned: false,
      },
    ]);
    this.drive = new NaiveDrive(shape, BLOCKS);
  }

  /** Starts one random command and says what has to become of it. */
  start(): void {
    const { random, drive, shape } = this;
    const base = (this.#slot++ % 16) * SLOT_BYTES;
    const slba = random.below(BLOCKS + 2);
    const blocks = 1 + random.below(5);
    const protection: NaiveProtection =
      shape.piType === 0
        ? { prinfo: 0, tag: 0, applicationTag: 0, applicationMask: 0 }
        : {
            prinfo: random.pick([0, 4, 7, 8, 12, 15, 2, 3]),
            tag: random.pick([slba, slba, slba, 7]),
            applicationTag: random.pick([0x1111, 0x1111, 0xffff, 0x2222]),
            applicationMask: random.pick([0xffff, 0, 0x00ff]),
          };
    const isBare = (protection.prinfo & 8) !== 0 && shape.metadataBytes === drive.piBytes;
    const isInterleaved = shape.isExtended && !isBare;
    const hasSeparate = shape.metadataBytes > 0 && !shape.isExtended && !isBare;
    const hostBlock = shape.blockBytes + (isInterleaved ? shape.metadataBytes : 0);
    const dataBytes = blocks * hostBlock;
    const metadataAt = base + SLOT_BYTES / 2;
    const fields = {
      slba,
      blocks,
      data: base + 4 * random.below(100),
      dataBytes,
      metadata: metadataAt,
      ...protection,
      flags: random.pick([0, 0x4000_0000]),
    };
    const place = (i: number): [number, number] => [
      fields.data + i * hostBlock,
      isInterleaved ? fields.data + i * hostBlock + shape.blockBytes : metadataAt + i * shape.metadataBytes,
    ];
    const hasMetadata = isInterleaved || hasSeparate;
    switch (random.below(7)) {
      case 0:
      case 1: {
        const status = drive.readStatus(slba, blocks, protection, false);
        const at: { offset: number; bytes: Uint8Array }[] = [];
        for (let i = 0; status === 0 && i < blocks; i++) {
          const [data, metadata] = place(i);
          at.push({ offset: data, bytes: drive.blocks[slba + i]!.data.slice() });
          if (hasMetadata) {
            at.push({ offset: metadata, bytes: drive.blocks[slba + i]!.metadata.slice() });
          }
        }
        this.#go({ opcode: 'READ', ...fields }, status, at);
        return;
      }
      case 2:
      case 3:
        this.#write(fields, protection, place, hasMetadata);
        return;
      case 4: {
        const isUncorrectable = random.below(3) === 0;
        const refused = isUncorrectable ? 0 : drive.checkFields(slba, protection);
        const status = drive.isInside(slba, blocks) ? refused : NVME_STATUS.LBA_OUT_OF_RANGE;
        const isDeallocation = random.below(2) === 0;
        for (let i = 0; status === 0 && i < blocks; i++) {
          if (isUncorrectable) {
            drive.blocks[slba + i] = { ...drive.blocks[slba + i]!, isBad: true, isAllocated: true };
          } else if (isDeallocation && (protection.prinfo & 8) === 0) {
            drive.deallocate(slba + i);
          } else {
            drive.clear(slba + i);
            if ((protection.prinfo & 8) !== 0) {
              const { data, metadata } = drive.blocks[slba + i]!;
              metadata.fill(0);
              metadata.set(drive.tuple(data, metadata, protection, i), drive.piStart);
            }
          }
        }
        const flags = !isUncorrectable && isDeallocation ? 1 << 25 : 0;
        const opcode = isUncorrectable ? 'WRITE_UNCORRECTABLE' : 'WRITE_ZEROES';
        this.#go({ opcode, ...fields, flags }, status, []);
        return;
      }
      case 5: {
        const isAct = (protection.prinfo & 8) !== 0;
        const outside = drive.isInside(slba, blocks) ? 0 : NVME_STATUS.LBA_OUT_OF_RANGE;
        const status =
          outside !== 0
            ? outside
            : isAct
              ? NVME_STATUS.INVALID_PROTECTION_INFORMATION
              : drive.readStatus(slba, blocks, protection, false);
        this.#go({ opcode: 'VERIFY', ...fields }, status, []);
        return;
      }
      default:
        this.#compare(fields, protection, place, hasMetadata);
    }
  }

  /** Nothing is under way any more: every command has its status, every byte is where it has to be. */
  finish(): void {
    const { bench } = this;
    bench.port.run();
    const done = new Set(bench.completed);
    expect(done.size).toBe(bench.completed.length);
    for (const { command, status, at } of this.#expected) {
      expect([command.cid, command.opcode, command.status]).toEqual([command.cid, command.opcode, status]);
      for (const { offset, bytes } of at) {
        expectSame(bench.host(offset, bytes.length), bytes);
      }
      bench.pool.release(command);
    }
    this.#expected.length = 0;
    bench.completed.length = 0;
    this.#slot = 0;
  }

  /** The media hold what the naive drive holds. */
  compareMedia(): void {
    const namespace = this.bench.namespace(1)!;
    namespace.settle(0, BLOCKS);
    let used = 0;
    for (const [lba, block] of this.drive.blocks.entries()) {
      const data = new Uint8Array(this.shape.blockBytes);
      const metadata = new Uint8Array(this.shape.metadataBytes);
      namespace.loadBytes(lba, 1, data, 0);
      namespace.metadata.read(lba * metadata.length, metadata, 0, metadata.length);
      expect(namespace.firstBad(lba, 1) === lba).toBe(block.isBad);
      if (!block.isBad) {
        expectSame(data, block.data);
        expectSame(metadata, block.metadata);
      }
      used += block.isAllocated ? 1 : 0;
    }
    expect(namespace.usedBlocks).toBe(used);
  }

  #write(
    fields: Omit<IoFields, 'opcode'> & { slba: number; blocks: number },
    protection: NaiveProtection,
    place: (i: number) => [number, number],
    hasMetadata: boolean,
  ): void {
    const { random, drive, shape } = this;
    const { slba, blocks } = fields;
    const isAct = (protection.prinfo & 8) !== 0;
    const written: [Uint8Array, Uint8Array][] = [];
    for (let i = 0; i < blocks; i++) {
      const data = Uint8Array.from({ length: shape.blockBytes }, () => random.below(256));
      const metadata = new Uint8Array(shape.metadataBytes);
      if (hasMetadata) {
        metadata.forEach((_, at) => {
          metadata[at] = random.below(256);
        });
        if (shape.piType !== 0 && random.below(4) > 0) {
          metadata.set(drive.tuple(data, metadata, protection, i), drive.piStart);
        }
      }
      const [dataAt, metadataAt] = place(i);
      this.bench.host(dataAt, data.length).set(data);
      if (hasMetadata) {
        this.bench.host(metadataAt, metadata.length).set(metadata);
      }
      written.push([data, metadata]);
    }
    let status = drive.isInside(slba, blocks)
      ? drive.checkFields(slba, protection)
      : NVME_STATUS.LBA_OUT_OF_RANGE;
    for (let i = 0; status === 0 && !isAct && shape.piType !== 0 && i < blocks; i++) {
      status = drive.check(written[i]![0], written[i]![1], protection, i);
    }
    for (let i = 0; status === 0 && i < blocks; i++) {
      const [data, metadata] = written[i]!;
      if (isAct) {
        metadata.set(drive.tuple(data, metadata, protection, i), drive.piStart);
      }
      drive.write(slba + i, data, metadata);
    }
    this.#go({ opcode: 'WRITE', ...fields }, status, []);
  }

  #compare(
    fields: Omit<IoFields, 'opcode'> & { slba: number; blocks: number },
    protection: NaiveProtection,
    place: (i: number) => [number, number],
    hasMetadata: boolean,
  ): void {
    const { random, drive } = this;
    const { slba, blocks } = fields;
    const isSame = random.below(2) === 0;
    let status = drive.isInside(slba, blocks) ? 0 : NVME_STATUS.LBA_OUT_OF_RANGE;
    if (status === 0 && (protection.prinfo & 8) !== 0) {
      status = NVME_STATUS.INVALID_PROTECTION_INFORMATION;
    }
    if (status === 0) {
      status = drive.readStatus(slba, blocks, protection, false);
      for (let i = 0; i < blocks; i++) {
        const block = drive.blocks[slba + i]!;
        const [dataAt, metadataAt] = place(i);
        this.bench.host(dataAt, block.data.length).set(block.data);
        if (hasMetadata) {
          this.bench.host(metadataAt, block.metadata.length).set(block.metadata);
        }
      }
      const [dataAt] = place(blocks - 1);
      if (!isSame && status === 0) {
        this.bench.host(dataAt + 100, 1)[0]! ^= 1;
        status = NVME_STATUS.COMPARE_FAILURE;
      }
    }
    this.#go({ opcode: 'COMPARE', ...fields }, status, []);
  }

  #go(fields: IoFields, status: number, at: Expected['at']): void {
    const command = this.bench.make(fields);
    this.#expected.push({ command, status, at });
    if (this.bench.io.execute(command) === PENDING) {
      // Some of what is under way goes on before the next one starts.
      for (let i = this.random.below(3); i > 0; i--) {
        this.bench.port.step();
      }
    } else {
      expect(this.bench.completed).not.toContain(command);
    }
  }
}

/** Comparing element by element through `toEqual` is slow. */
function expectSame(actual: Uint8Array, wanted: Uint8Array): void {
  if (Memory.over(actual).firstDifference(0, Memory.over(wanted), 0, wanted.length) >= 0) {
    expect(actual).toEqual(wanted);
  }
}

const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

/** Everything takes long enough to be overtaken, and the cache is full after a few writes. */
const SLOW: MediaTimingOptions = {
  readIops: 1e6,
  writeIops: 5e5,
  readGBs: 1,
  writeGBs: 1,
  drainGBs: 0.1,
  readLatencyPs: 20e6,
  writeLatencyPs: 5e6,
  cacheBytes: 8192,
  mixedPenalty: 0.2,
  pageBytes: 512,
};

function play(
  mode: Mode,
  seed: number,
  shape: Shape,
  rounds: number,
  timing: MediaTimingOptions | null = null,
): void {
  const one = new Play(mode, seed, shape, timing);
  for (let round = 0; round < rounds; round++) {
    for (let i = 1 + one.random.below(10); i > 0; i--) {
      one.start();
    }
    one.finish();
  }
  one.compareMedia();
}

describe('random I/O against a naive drive', () => {
  it('many commands at once do what they would have done one after the other', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), fc.constantFrom(...PLAIN), (seed, mode, shape) =>
        play(mode, seed, shape, 6),
      ),
      { numRuns: 150 },
    );
  });

  it.each([PLAIN, PROTECTED])('also on media that take their time', (...shapes) => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), fc.constantFrom(...shapes), (seed, mode, shape) =>
        play(mode, seed, shape, 3, SLOW),
      ),
      { numRuns: 100 },
    );
  });

  it('also with protection information of every type, layout and guard', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MODES), fc.constantFrom(...PROTECTED), (seed, mode, shape) =>
        play(mode, seed, shape, 2),
      ),
      { numRuns: 150 },
    );
  });
});
