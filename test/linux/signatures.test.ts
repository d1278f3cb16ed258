/** What is recognised on a disk: marks written by hand, and what the real tools write. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/base/index.ts';
import { SIGNATURE_BYTES, signaturesIn } from '../../src/linux/index.ts';

const KIB = 1024;
const MIB = KIB * KIB;
const SIZE = 8 * MIB;

type Piece = readonly [offset: number, bytes: string | readonly number[]];

function namesOn(bytes: Uint8Array): readonly string[] {
  const head = bytes.subarray(0, SIGNATURE_BYTES);
  const tail = bytes.subarray(Math.max(0, bytes.length - SIGNATURE_BYTES));
  return signaturesIn(head, tail, bytes.length).map(({ name }) => name);
}

/** A disk of zeros, or of something else, with pieces written to it. Offsets below zero count from the end. */
function disk(pieces: readonly Piece[], bytes = new Uint8Array(SIZE)): Uint8Array {
  for (const [offset, piece] of pieces) {
    const raw = typeof piece === 'string' ? [...piece].map((letter) => letter.charCodeAt(0)) : piece;
    bytes.set(raw, offset < 0 ? bytes.length + offset : offset);
  }
  return bytes;
}

const le = (value: number, length: number): number[] =>
  Array.from({ length }, (_, i) => Math.floor(value / 256 ** i) % 256);

const BOOT_MARK: Piece = [510, [0x55, 0xaa]];
const entry = (slot: number, type: number, start: number, sectors: number, status = 0): Piece => [
  446 + 16 * slot,
  [status, 0, 0, 0, type, 0, 0, 0, ...le(start, 4), ...le(sectors, 4)],
];
const gpt = (at: number, block: number): readonly Piece[] => [
  [at, 'EFI PART'],
  [at + 8, le(0x10000, 4)],
  [at + 12, le(92, 4)],
  [at + 24, le(block, 8)],
];
const ext = (incompatible: number, compatible = 0): readonly Piece[] => [
  [1024, [...le(2048, 4), ...le(8192, 4)]],
  [1024 + 0x14, [...le(1, 4), ...le(0, 4)]],
  [1024 + 0x20, le(8192, 4)],
  [1024 + 0x38, [0x53, 0xef]],
  [1024 + 0x4c, le(1, 4)],
  [1024 + 0x5c, [...le(compatible, 4), ...le(incompatible, 4)]],
];
const MD = [0xfc, 0x4e, 0x2b, 0xa9];
const fat = (at: number, mark: string): readonly Piece[] => [
  [11, le(512, 2)],
  [13, [8]],
  [at, mark],
  BOOT_MARK,
];
const UBERBLOCK = [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];

describe('partition tables', () => {
  it.each<[string, readonly Piece[], string]>([
    ['MBR', [entry(0, 0x83, 2048, 4096), BOOT_MARK], 'an MBR partition table'],
    ['MBR, last entry, active', [entry(3, 0x83, 1, 1, 0x80), BOOT_MARK], 'an MBR partition table'],
    ['MBR that protects a GPT', [entry(0, 0xee, 1, 0xffffffff), BOOT_MARK], 'an MBR partition table'],
    ['MBR of a larger disk', [entry(0, 0x83, 2048, 0x7fffffff), BOOT_MARK], 'an MBR partition table'],
    ['GPT, blocks of 512', gpt(512, 1), 'a GPT partition table'],
    ['GPT, blocks of 4096', gpt(4096, 1), 'a GPT partition table'],
    ['GPT, backup only', gpt(-512, SIZE / 512 - 1).map(fromEnd(512)), 'a GPT partition table'],
    ['GPT, backup, blocks of 4096', gpt(-4096, SIZE / 4096 - 1).map(fromEnd(4096)), 'a GPT partition table'],
  ])('%s', (_, pieces, name) => {
    const bytes = disk(pieces);
    expect(namesOn(bytes)).toEqual([name]);
    expect(signaturesIn(bytes.subarray(0, MIB), bytes.subarray(-MIB), SIZE)[0]!.kind).toBe('partition-table');
  });

  it.each<[string, readonly Piece[]]>([
    ['a boot mark alone', [BOOT_MARK]],
    ['entries without a boot mark', [entry(0, 0x83, 2048, 4096)]],
    ['a boot mark after text', [[446, 'x'.repeat(64)], BOOT_MARK]],
    ['an entry that starts beyond the disk', [entry(0, 0x83, SIZE, 1), BOOT_MARK]],
    ['an entry without sectors', [entry(0, 0x83, 2048, 0), BOOT_MARK]],
    ['a GPT header that says it is elsewhere', gpt(512, 7)],
    [
      'a GPT header without a size',
      [
        [512, 'EFI PART'],
        [512 + 24, le(1, 8)],
      ],
    ],
  ])('%s is none', (_, pieces) => {
    expect(namesOn(disk(pieces))).toEqual([]);
  });
});

function fromEnd(blockBytes: number): (piece: Piece) => Piece {
  return ([offset, bytes]) => [SIZE - blockBytes + (offset + blockBytes), bytes];
}

describe('file systems, volumes and arrays', () => {
  it.each<[string, readonly Piece[]]>([
    ['an ext2 file system', ext(0x2)],
    ['an ext3 file system', ext(0x2, 0x4)],
    ['an ext4 file system', ext(0x242, 0x4)],
    [
      'an xfs file system',
      [
        [0, 'XFSB'],
        [4, [0, 0, 0x10, 0]],
      ],
    ],
    ['a btrfs file system', [[0x10040, '_BHRfS_M']]],
    ['swap space', [[4086, 'SWAPSPACE2']]],
    ['swap space', [[65526, 'SWAPSPACE2']]],
    [
      'an LVM physical volume',
      [
        [512, 'LABELONE'],
        [536, 'LVM2 001'],
      ],
    ],
    ['a LUKS encrypted volume', [[0, 'LUKS\u00ba\u00be\0\u0002']]],
    ['a member of an md array', [[0, [...MD, 1, 0, 0, 0]]]],
    ['a member of an md array', [[4096, [...MD, 1, 0, 0, 0]]]],
    ['a member of an md array', [[-8192, [...MD, 1, 0, 0, 0]]]],
    ['a member of an md array', [[-65536, [...MD, 0, 0, 0, 0]]]],
    ['a member of a ZFS pool', [[(128 + 17) * KIB, UBERBLOCK]]],
    ['a member of a ZFS pool', [[-100 * KIB, UBERBLOCK]]],
    ['a member of a ZFS pool', [[-356 * KIB, UBERBLOCK.toReversed()]]],
    ['an NTFS file system', fat(3, 'NTFS    ')],
    ['an exFAT file system', [[3, 'EXFAT   '], BOOT_MARK]],
    ['a FAT file system', fat(54, 'FAT16   ')],
    ['a FAT file system', fat(82, 'FAT32   ')],
    [
      'a bcache device',
      [
        [
          4120,
          [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
        ],
      ],
    ],
  ])('%s', (name, pieces) => {
    const bytes = disk(pieces);
    expect(namesOn(bytes)).toEqual([name]);
    expect(signaturesIn(bytes.subarray(0, MIB), bytes.subarray(-MIB), SIZE)[0]!.kind).toBe('content');
  });

  it('that share a disk are all named, tables first', () => {
    expect(namesOn(disk([...ext(0x40), [4086, 'SWAPSPACE2'], ...gpt(512, 1)]))).toEqual([
      'a GPT partition table',
      'an ext4 file system',
      'swap space',
    ]);
  });

  it('need more than their mark', () => {
    expect(namesOn(disk([[1080, [0x53, 0xef]]]))).toEqual([]);
    expect(namesOn(disk([[0, 'XFSB']]))).toEqual([]);
    expect(namesOn(disk([[4096, [...MD, 9, 0, 0, 0]]]))).toEqual([]);
  });
});

describe('content that is none of them', () => {
  it.each([0, 1, 511, 512, 4096, MIB - 1, MIB + 512])('a disk of %d zeros', (size) => {
    expect(namesOn(new Uint8Array(size))).toEqual([]);
  });

  it('one byte everywhere', () => {
    for (let value = 0; value < 256; value++) {
      const block = new Uint8Array(MIB).fill(value);
      expect({ value, found: signaturesIn(block, block, SIZE) }).toEqual({ value, found: [] });
    }
  });

  it.each([1, 2, 3, 4])('random bytes (seed %d), even where the short marks are right by chance', (seed) => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 8; round++) {
      const bytes = new Uint8Array(new Uint32Array(MIB / 2).map(() => random.next32()).buffer);
      expect(namesOn(bytes)).toEqual([]);
      expect(namesOn(disk([BOOT_MARK, [1080, [0x53, 0xef]]], bytes))).toEqual([]);
    }
  });
});

describe('what the real tools write', () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-signatures-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.for([
    ['mkfs.ext2', ['-q', '-F'], 'an ext2 file system'],
    ['mkfs.ext3', ['-q', '-F'], 'an ext3 file system'],
    ['mkfs.ext4', ['-q', '-F'], 'an ext4 file system'],
    ['mkfs.ext4', ['-q', '-F', '-b', '4096'], 'an ext4 file system'],
    ['mkswap', [], 'swap space'],
    ['mkfs.vfat', [], 'a FAT file system'],
    ['mkfs.btrfs', ['-q', '-f'], 'a btrfs file system'],
    ['mkfs.xfs', ['-q', '-f'], 'an xfs file system'],
  ] as const)('%s %j: %s', ([tool, args, name], { skip }) => {
    const path = join(folder, 'image');
    writeFileSync(path, '');
    truncateSync(path, (tool.endsWith('xfs') ? 320 : tool.endsWith('btrfs') ? 128 : 16) * MIB);
    const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
    const made = spawnSync(tool, [...args, path], { encoding: 'utf8', env: { ...process.env, PATH } });
    if (made.error !== undefined) {
      skip(`no ${tool} here`);
    }
    expect({ status: made.status, stderr: made.status === 0 ? '' : made.stderr }).toEqual({
      status: 0,
      stderr: '',
    });
    expect(namesOn(readFileSync(path))).toEqual([name]);
  });
});
