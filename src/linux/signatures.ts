/**
 * What the first and last bytes of a disk say about its content: partition tables, file systems, members of arrays and
 * volumes. A disk that nobody uses now may still hold what somebody needs.
 *
 * Each mark is tested together with fields that must make sense beside it, so that random content is nothing at all.
 * Sources: UEFI 2.10 section 5 (MBR, GPT) and the on-disk structures that the formats document. Not recognised: whatever
 * is not listed here; an empty answer does not mean an empty disk.
 */

export interface Signature {
  /** A partition table is refused, other content is told. */
  readonly kind: 'partition-table' | 'content';
  /** With its article: `an ext4 file system`. */
  readonly name: string;
}

/** How much of each end has to be there. */
export const SIGNATURE_BYTES = 1024 * 1024;

const KIB = 1024;
const SECTOR = 512;

/**
 * @param head  the first `SIGNATURE_BYTES`, or all when there are fewer
 * @param tail  the last `SIGNATURE_BYTES`, or all
 */
export function signaturesIn(head: Uint8Array, tail: Uint8Array, sizeBytes: number): readonly Signature[] {
  const disk = new Ends(head, tail, sizeBytes);
  const boot = bootFileSystem(disk);
  const tables = [
    ...(hasGpt(disk) ? ['a GPT partition table'] : []),
    // A boot sector of FAT or NTFS ends with the same two bytes.
    ...(boot === undefined && hasMbr(disk) ? ['an MBR partition table'] : []),
  ];
  const contents = [
    boot,
    extName(disk),
    disk.has(0, 'XFSB') && isPowerOfTwo(disk.u32be(4), 512, 65536) ? 'an xfs file system' : undefined,
    disk.has(64 * KIB + 64, '_BHRfS_M') ? 'a btrfs file system' : undefined,
    // The last ten bytes of the first page; pages are 4, 8, 16 or 64 KiB.
    [4, 8, 16, 64].some((page) => disk.has(page * KIB - 10, 'SWAPSPACE2')) ? 'swap space' : undefined,
    [0, 1, 2, 3].some(
      (sector) => disk.has(sector * SECTOR, 'LABELONE') && disk.has(sector * SECTOR + 24, 'LVM2 '),
    )
      ? 'an LVM physical volume'
      : undefined,
    disk.has(0, 'LUKS\u00ba\u00be') && [1, 2].includes(disk.u16be(6)) ? 'a LUKS encrypted volume' : undefined,
    isRaidMember(disk) ? 'a member of an md array' : undefined,
    isZfs(disk) ? 'a member of a ZFS pool' : undefined,
    disk.has(4 * KIB + 24, BCACHE) ? 'a bcache device' : undefined,
  ];
  return [
    ...tables.map((name) => ({ kind: 'partition-table', name }) as const),
    ...contents.flatMap((name) => (name === undefined ? [] : [{ kind: 'content', name } as const])),
  ];
}

const BCACHE =
  '\u00c6\u0085\u0073\u00f6\u004e\u001a\u0045\u00ca\u0082\u0065\u00f5\u007f\u0048\u00ba\u006d\u0081';

/** Both ends of a disk by offsets from its start. What is between them, or outside, reads as zeros. */
class Ends {
  readonly sizeBytes: number;
  readonly #head: Uint8Array;
  readonly #tail: Uint8Array;

  constructor(head: Uint8Array, tail: Uint8Array, sizeBytes: number) {
    this.#head = head;
    this.#tail = tail;
    this.sizeBytes = sizeBytes;
  }

  byte(offset: number): number {
    return this.#head[offset] ?? this.#tail[offset - (this.sizeBytes - this.#tail.length)] ?? 0;
  }

  /** @param mark  one character for each byte */
  has(offset: number, mark: string): boolean {
    for (let i = 0; i < mark.length; i++) {
      if (this.byte(offset + i) !== mark.charCodeAt(i)) {
        return false;
      }
    }
    return true;
  }

  u16(offset: number): number {
    return this.byte(offset) + this.byte(offset + 1) * 0x100;
  }

  u16be(offset: number): number {
    return this.byte(offset) * 0x100 + this.byte(offset + 1);
  }

  u32(offset: number): number {
    return this.u16(offset) + this.u16(offset + 2) * 0x1_0000;
  }

  u32be(offset: number): number {
    return this.u16be(offset) * 0x1_0000 + this.u16be(offset + 2);
  }

  u64(offset: number): number {
    return this.u32(offset) + this.u32(offset + 4) * 0x1_0000_0000;
  }
}

function isPowerOfTwo(value: number, least: number, most: number): boolean {
  return value >= least && value <= most && (value & (value - 1)) === 0;
}

function hasBootMark(disk: Ends): boolean {
  return disk.has(510, '\u0055\u00aa');
}

const PROTECTIVE = 0xee;

function hasMbr(disk: Ends): boolean {
  if (!hasBootMark(disk)) {
    return false;
  }
  let used = 0;
  for (let entry = 446; entry < 510; entry += 16) {
    const status = disk.byte(entry);
    const type = disk.byte(entry + 4);
    const start = disk.u32(entry + 8);
    const sectors = disk.u32(entry + 12);
    if (status !== 0 && status !== 0x80) {
      return false;
    }
    if (type === 0 || sectors === 0) {
      continue;
    }
    // The end is not judged: a table that was copied from a larger disk is a table.
    if (type !== PROTECTIVE && (start === 0 || start * SECTOR >= disk.sizeBytes)) {
      return false;
    }
    used++;
  }
  return used > 0;
}

/** The header in the second block, or its backup in the last, for blocks of 512 and 4096 bytes. */
function hasGpt(disk: Ends): boolean {
  return [512, 4096].some((blockBytes) =>
    [1, Math.floor(disk.sizeBytes / blockBytes) - 1].some((block) => {
      const at = block * blockBytes;
      const headerBytes = disk.u32(at + 12);
      return (
        disk.has(at, 'EFI PART') &&
        headerBytes >= 92 &&
        headerBytes <= blockBytes &&
        disk.u64(at + 24) === block
      );
    }),
  );
}

/** File systems of other systems, whose first sector is a boot sector. */
function bootFileSystem(disk: Ends): string | undefined {
  if (!hasBootMark(disk)) {
    return undefined;
  }
  if (disk.has(3, 'EXFAT   ')) {
    return 'an exFAT file system';
  }
  if (!isPowerOfTwo(disk.u16(11), 512, 4096)) {
    return undefined;
  }
  if (disk.has(3, 'NTFS    ')) {
    return 'an NTFS file system';
  }
  const isFat = disk.has(54, 'FAT12   ') || disk.has(54, 'FAT16   ') || disk.has(82, 'FAT32   ');
  return isFat && isPowerOfTwo(disk.byte(13), 1, 128) ? 'a FAT file system' : undefined;
}

/** The superblock of ext2 and its successors, at 1 KiB. */
function extName(disk: Ends): string | undefined {
  const at = KIB;
  const isPlausible =
    disk.u16(at + 0x38) === 0xef53 &&
    // Inodes, blocks, first data block, logarithm of the block size, blocks per group, revision.
    disk.u32(at + 0x00) > 0 &&
    disk.u32(at + 0x04) > 0 &&
    disk.u32(at + 0x14) <= 1 &&
    disk.u32(at + 0x18) <= 6 &&
    disk.u32(at + 0x20) > 0 &&
    disk.u32(at + 0x4c) <= 1;
  if (!isPlausible) {
    return undefined;
  }
  const compatible = disk.u32(at + 0x5c);
  const incompatible = disk.u32(at + 0x60);
  const readOnlyCompatible = disk.u32(at + 0x64);
  // Features that ext3 does not know: of 'incompatible' all but compression, filetype, recover, journal_dev, meta_bg; of
  // 'readOnlyCompatible' all but sparse_super, large_file, btree_dir.
  if ((incompatible & ~0x1f) !== 0 || (readOnlyCompatible & ~0x7) !== 0) {
    return 'an ext4 file system';
  }
  return (compatible & 0x4) !== 0 ? 'an ext3 file system' : 'an ext2 file system';
}

/** The superblock of md: version 1.1 at the start, 1.2 at 4 KiB, 1.0 and 0.90 near the end. */
function isRaidMember(disk: Ends): boolean {
  const nearEnd = Math.floor((Math.floor(disk.sizeBytes / SECTOR) - 16) / 8) * 8 * SECTOR;
  const old = Math.floor(disk.sizeBytes / (64 * KIB)) * 64 * KIB - 64 * KIB;
  const is = (at: number, version: number) =>
    at >= 0 && disk.has(at, '\u00fc\u004e\u002b\u00a9') && disk.u32(at + 4) === version;
  return is(0, 1) || is(4 * KIB, 1) || is(nearEnd, 1) || is(old, 0);
}

/** Four labels of 256 KiB, two at each end; the second half of each is a ring of uberblocks. */
function isZfs(disk: Ends): boolean {
  const label = 256 * KIB;
  const end = Math.floor(disk.sizeBytes / label) * label;
  return [0, label, end - 2 * label, end - label].some((start) => {
    for (let at = start + label / 2; at >= 0 && at < start + label; at += KIB) {
      if (disk.has(at, '\u000c\u00b1\u00ba\0\0\0\0\0') || disk.has(at, '\0\0\0\0\0\u00ba\u00b1\u000c')) {
        return true;
      }
    }
    return false;
  });
}
