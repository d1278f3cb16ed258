/**
 * Protection information of one block format: making it, and checking it.
 *
 * Tags are kept as the big-endian bytes in which they are stored, storage tag above reference tag, so 80 bits need no
 * arithmetic of their own. Leaves out when it is made and checked (io/). Follows NVM Command Set 1.1, section 5.3.
 */
import { assert } from '../../../base/index.ts';
import {
  APPLICATION_TAG_ESCAPE,
  GUARD_FORMAT,
  NVME_STATUS,
  PRINFO,
  PROTECTION_LAYOUTS,
  PROTECTION_TYPE,
  type ProtectionLayout,
} from '../../../spec/nvme/index.ts';
import { crc16T10Dif, crc32c, crc64Nvme, crc64State } from './guard.ts';
import type { LbaFormat } from './lba-formats.ts';

/** Storage and reference tag of a block, and how to get to the next block's. */
export class Tags {
  /** Big-endian, as many as the format stores. */
  readonly bytes: Uint8Array;
  readonly #referenceBits: number;
  readonly #counts: boolean;

  constructor(sizeBytes: number, referenceBits: number, counts: boolean) {
    this.bytes = new Uint8Array(sizeBytes);
    this.#referenceBits = referenceBits;
    this.#counts = counts;
  }

  /** From CDW2, CDW3 and CDW14: 80 bits, of which the low ones count. */
  setDwords(cdw2: number, cdw3: number, cdw14: number): void {
    const { bytes } = this;
    for (let i = 0; i < bytes.length; i++) {
      const dword = i < 4 ? cdw14 : i < 8 ? cdw3 : cdw2;
      bytes[bytes.length - 1 - i] = dword >>> (8 * (i & 3));
    }
  }

  /** From the low end of a big-endian field. */
  setBytes(field: Uint8Array): void {
    this.bytes.set(field.subarray(field.length - this.bytes.length));
  }

  /** The next block's: the reference tag counts up and wraps, except in type 3. */
  next(): void {
    if (!this.#counts) {
      return;
    }
    let left = this.#referenceBits;
    for (let i = this.bytes.length - 1; left > 0; i--, left -= 8) {
      const mask = left >= 8 ? 0xff : (1 << left) - 1;
      const sum = (this.bytes[i]! & mask) + 1;
      this.bytes[i] = (this.bytes[i]! & ~mask) | (sum & mask);
      if (sum <= mask) {
        return;
      }
    }
  }

  /** Whether the reference tag is the low bits of an LBA, as type 1 wants it. */
  isOfBlock(lba: number): boolean {
    let left = this.#referenceBits;
    let rest = lba;
    for (let i = this.bytes.length - 1; left > 0; i--, left -= 8) {
      const mask = left >= 8 ? 0xff : (1 << left) - 1;
      if ((this.bytes[i]! & mask) !== ((rest % 256) & mask)) {
        return false;
      }
      rest = Math.floor(rest / 256);
    }
    return true;
  }
}

export class Protection {
  /** 1 to 3. */
  readonly type: number;
  readonly layout: ProtectionLayout;
  readonly guardFormat: number;
  /** Where it starts in a block's metadata. */
  readonly offset: number;
  readonly referenceBits: number;
  readonly #blockBytes: number;
  readonly #guard = new Uint8Array(8);

  constructor(format: LbaFormat, type: number, isFirst: boolean) {
    const layout = PROTECTION_LAYOUTS[format.guardFormat];
    assert(layout !== undefined && format.metadataBytes >= layout.sizeBytes, 'no room for protection', {
      ...format,
    });
    this.type = type;
    this.layout = layout;
    this.guardFormat = format.guardFormat;
    this.offset = isFirst ? 0 : format.metadataBytes - layout.sizeBytes;
    this.referenceBits = layout.storageReferenceBytes * 8 - format.storageTagBits;
    this.#blockBytes = format.blockBytes;
  }

  /** Tags for this format, all zero. */
  makeTags(): Tags {
    return new Tags(
      this.layout.storageReferenceBytes,
      this.referenceBits,
      this.type !== PROTECTION_TYPE.TYPE_3,
    );
  }

  /**
   * Makes the protection information of one block.
   * @param metadataOffset  where the block's metadata starts; the guard covers what stands in it before the information
   */
  generate(
    data: Uint8Array,
    dataOffset: number,
    metadata: Uint8Array,
    metadataOffset: number,
    applicationTag: number,
    tags: Tags,
  ): void {
    const at = metadataOffset + this.offset;
    this.#computeGuard(data, dataOffset, metadata, metadataOffset);
    const { layout } = this;
    for (let i = 0; i < layout.guardBytes; i++) {
      metadata[at + i] = this.#guard[i]!;
    }
    metadata[at + layout.applicationTagOffset] = applicationTag >>> 8;
    metadata[at + layout.applicationTagOffset + 1] = applicationTag;
    metadata.set(tags.bytes, at + layout.storageReferenceOffset);
  }

  /** Information that switches every check off: of blocks that nobody has written. */
  generateEscape(metadata: Uint8Array, metadataOffset: number): void {
    const at = metadataOffset + this.offset;
    metadata.fill(0xff, at, at + this.layout.sizeBytes);
  }

  /**
   * Checks one block.
   * @param checks  bits of PRINFO.PRCHK
   * @returns 0, or the status of the first check that fails: guard, application tag, storage tag, reference tag
   */
  check(
    data: Uint8Array,
    dataOffset: number,
    metadata: Uint8Array,
    metadataOffset: number,
    checks: number,
    isStorageTagChecked: boolean,
    applicationTag: number,
    applicationMask: number,
    tags: Tags,
  ): number {
    const { layout } = this;
    const at = metadataOffset + this.offset;
    const stored =
      (metadata[at + layout.applicationTagOffset]! << 8) | metadata[at + layout.applicationTagOffset + 1]!;
    if (stored === APPLICATION_TAG_ESCAPE && this.#isEscape(metadata, at)) {
      return 0;
    }
    if ((checks & PRINFO.PRCHK_GUARD) !== 0) {
      this.#computeGuard(data, dataOffset, metadata, metadataOffset);
      for (let i = 0; i < layout.guardBytes; i++) {
        if (metadata[at + i] !== this.#guard[i]) {
          return NVME_STATUS.GUARD_CHECK_ERROR;
        }
      }
    }
    if (
      (checks & PRINFO.PRCHK_APPLICATION_TAG) !== 0 &&
      ((stored ^ applicationTag) & applicationMask & 0xffff) !== 0
    ) {
      return NVME_STATUS.APPLICATION_TAG_CHECK_ERROR;
    }
    if (isStorageTagChecked && !this.#areTagsEqual(metadata, at, tags, false)) {
      return NVME_STATUS.STORAGE_TAG_CHECK_ERROR;
    }
    if ((checks & PRINFO.PRCHK_REFERENCE_TAG) !== 0 && !this.#areTagsEqual(metadata, at, tags, true)) {
      return NVME_STATUS.REFERENCE_TAG_CHECK_ERROR;
    }
    return 0;
  }

  #isEscape(metadata: Uint8Array, at: number): boolean {
    if (this.type !== PROTECTION_TYPE.TYPE_3) {
      return true;
    }
    const start = at + this.layout.storageReferenceOffset;
    for (let i = 0; i < this.layout.storageReferenceBytes; i++) {
      const mask = this.#referenceMask(i);
      if ((metadata[start + i]! & mask) !== mask) {
        return false;
      }
    }
    return true;
  }

  #areTagsEqual(metadata: Uint8Array, at: number, tags: Tags, isReference: boolean): boolean {
    const start = at + this.layout.storageReferenceOffset;
    for (let i = 0; i < this.layout.storageReferenceBytes; i++) {
      const mask = isReference ? this.#referenceMask(i) : ~this.#referenceMask(i) & 0xff;
      if (((metadata[start + i]! ^ tags.bytes[i]!) & mask) !== 0) {
        return false;
      }
    }
    return true;
  }

  /** Bits of byte `i` of the shared space that belong to the reference tag. */
  #referenceMask(i: number): number {
    const bits = this.referenceBits - 8 * (this.layout.storageReferenceBytes - 1 - i);
    return bits >= 8 ? 0xff : bits <= 0 ? 0 : (1 << bits) - 1;
  }

  #computeGuard(data: Uint8Array, dataOffset: number, metadata: Uint8Array, metadataOffset: number): void {
    const guard = this.#guard;
    switch (this.guardFormat) {
      case GUARD_FORMAT.GUARD_32B: {
        const ofData = crc32c(0xffff_ffff, data, dataOffset, this.#blockBytes);
        putDword(guard, 0, ~crc32c(ofData, metadata, metadataOffset, this.offset));
        return;
      }
      case GUARD_FORMAT.GUARD_64B:
        crc64State.low = 0xffff_ffff;
        crc64State.high = 0xffff_ffff;
        crc64Nvme(data, dataOffset, this.#blockBytes);
        crc64Nvme(metadata, metadataOffset, this.offset);
        putDword(guard, 0, ~crc64State.high);
        putDword(guard, 4, ~crc64State.low);
        return;
      default: {
        const ofData = crc16T10Dif(0, data, dataOffset, this.#blockBytes);
        const all = crc16T10Dif(ofData, metadata, metadataOffset, this.offset);
        guard[0] = all >>> 8;
        guard[1] = all;
      }
    }
  }
}

function putDword(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
