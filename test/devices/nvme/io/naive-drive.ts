/**
 * A drive as the specification says it in prose: arrays of blocks, one at a time, nothing saved, nothing clever. What the
 * engine does is compared with it.
 */
import { NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { slowGuard } from './slow-guard.ts';

export interface NaiveFormat {
  readonly blockBytes: number;
  readonly metadataBytes: number;
  readonly piType: number;
  readonly isPiFirst: boolean;
  readonly guardFormat: number;
}

interface Block {
  data: Uint8Array;
  metadata: Uint8Array;
  isBad: boolean;
  isAllocated: boolean;
}

export interface NaiveProtection {
  readonly prinfo: number;
  readonly tag: number;
  readonly applicationTag: number;
  readonly applicationMask: number;
}

const SIZES = [8, 16, 16];
const GUARDS = [2, 4, 8];

export class NaiveDrive {
  readonly format: NaiveFormat;
  readonly blocks: Block[];

  constructor(format: NaiveFormat, count: number) {
    this.format = format;
    this.blocks = Array.from({ length: count }, () => ({
      data: new Uint8Array(format.blockBytes),
      metadata: this.emptyMetadata(),
      isBad: false,
      isAllocated: false,
    }));
  }

  get piBytes(): number {
    return this.format.piType === 0 ? 0 : SIZES[this.format.guardFormat]!;
  }

  get piStart(): number {
    return this.format.isPiFirst ? 0 : this.format.metadataBytes - this.piBytes;
  }

  emptyMetadata(): Uint8Array {
    const metadata = new Uint8Array(this.format.metadataBytes);
    metadata.fill(0xff, this.piStart, this.piStart + this.piBytes);
    return metadata;
  }

  /** The information of one block, `index` blocks into a command. */
  tuple(data: Uint8Array, metadata: Uint8Array, protection: NaiveProtection, index: number): Uint8Array {
    const { guardFormat, piType } = this.format;
    const tuple = new Uint8Array(this.piBytes);
    const covered = Uint8Array.from([...data, ...metadata.subarray(0, this.piStart)]);
    const guardBytes = GUARDS[guardFormat]!;
    tuple.set(slowGuard(guardFormat, covered));
    tuple[guardBytes] = protection.applicationTag >>> 8;
    tuple[guardBytes + 1] = protection.applicationTag;
    const reference = BigInt(protection.tag) + (piType === 3 ? 0n : BigInt(index));
    for (let i = 0; i < tuple.length - guardBytes - 2; i++) {
      tuple[tuple.length - 1 - i] = Number((reference >> (8n * BigInt(i))) & 0xffn);
    }
    return tuple;
  }

  /** NVM Command Set 1.1, 5.3.2: the first failure, in the order guard, application tag, reference tag. */
  check(data: Uint8Array, metadata: Uint8Array, protection: NaiveProtection, index: number): number {
    const { guardFormat, piType } = this.format;
    const stored = metadata.subarray(this.piStart, this.piStart + this.piBytes);
    const guardBytes = GUARDS[guardFormat]!;
    const application = stored[guardBytes]! * 256 + stored[guardBytes + 1]!;
    const reference = stored.subarray(guardBytes + 2);
    if (application === 0xffff && (piType !== 3 || reference.every((byte) => byte === 0xff))) {
      return 0;
    }
    const wanted = this.tuple(data, metadata, protection, index);
    const isSame = (from: number, to: number): boolean =>
      stored.subarray(from, to).every((byte, i) => byte === wanted[from + i]);
    if ((protection.prinfo & 4) !== 0 && !isSame(0, guardBytes)) {
      return NVME_STATUS.GUARD_CHECK_ERROR;
    }
    const { applicationMask: mask, applicationTag } = protection;
    if ((protection.prinfo & 2) !== 0 && (application & mask) !== (applicationTag & mask)) {
      return NVME_STATUS.APPLICATION_TAG_CHECK_ERROR;
    }
    return (protection.prinfo & 1) !== 0 && !isSame(guardBytes + 2, this.piBytes)
      ? NVME_STATUS.REFERENCE_TAG_CHECK_ERROR
      : 0;
  }

  /** Protection fields against the type, before anything else of it. */
  checkFields(slba: number, protection: NaiveProtection): number {
    const { piType } = this.format;
    const isRefused =
      piType !== 0 &&
      (protection.prinfo & 1) !== 0 &&
      (piType === 3 || (piType === 1 && protection.tag !== slba));
    return isRefused ? NVME_STATUS.INVALID_PROTECTION_INFORMATION : 0;
  }

  isInside(slba: number, count: number): boolean {
    return slba + count <= this.blocks.length;
  }

  /** What a read of blocks says before data move. */
  readStatus(slba: number, count: number, protection: NaiveProtection, hasDulbe: boolean): number {
    if (!this.isInside(slba, count)) {
      return NVME_STATUS.LBA_OUT_OF_RANGE;
    }
    const refused = this.checkFields(slba, protection);
    if (refused !== 0) {
      return refused;
    }
    const range = this.blocks.slice(slba, slba + count);
    if (range.some((block) => block.isBad)) {
      return NVME_STATUS.UNRECOVERED_READ_ERROR;
    }
    if (hasDulbe && range.some((block) => !block.isAllocated)) {
      return NVME_STATUS.DEALLOCATED_OR_UNWRITTEN;
    }
    if (this.format.piType !== 0) {
      for (const [index, block] of range.entries()) {
        const status = this.check(block.data, block.metadata, protection, index);
        if (status !== 0) {
          return status;
        }
      }
    }
    return 0;
  }

  write(lba: number, data: Uint8Array, metadata: Uint8Array): void {
    this.blocks[lba] = { data: data.slice(), metadata: metadata.slice(), isBad: false, isAllocated: true };
  }

  deallocate(lba: number): void {
    this.blocks[lba] = {
      data: new Uint8Array(this.format.blockBytes),
      metadata: this.emptyMetadata(),
      isBad: false,
      isAllocated: false,
    };
  }

  clear(lba: number): void {
    this.deallocate(lba);
    this.blocks[lba]!.isAllocated = true;
  }
}
