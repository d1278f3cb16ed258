/**
 * End-to-end protection: where guard, application tag, storage tag and reference tag are in the metadata of a block.
 *
 * Protection information is big-endian, unlike registers, so it is offsets and sizes here, not
 * registers. Leaves out the checking. Follows NVM Command Set 1.1, sections 5.3.1 to 5.3.3.
 */

/** DPS.PIT. NVM Command Set 1.1, 5.3.1. */
export const PROTECTION_TYPE = {
  NONE: 0,
  /** The reference tag starts at the command's and counts up; it has to match the low bits of the LBA. */
  TYPE_1: 1,
  /** The reference tag counts up from any value. */
  TYPE_2: 2,
  /** The reference tag does not count and is not checked. */
  TYPE_3: 3,
} as const;

/** Bits of the field PRINFO (4 bits) of a command. NVM Command Set 1.1, 5.3.2. */
export const PRINFO = {
  PRCHK_REFERENCE_TAG: 0x1,
  PRCHK_APPLICATION_TAG: 0x2,
  PRCHK_GUARD: 0x4,
  PRCHK: 0x7,
  /** With metadata that is nothing but protection information, the controller inserts it on writes and strips it on reads. */
  PRACT: 0x8,
} as const;

/** ELBAF.PIF. NVM Command Set 1.1, 5.3.1. */
export const GUARD_FORMAT = { GUARD_16B: 0, GUARD_32B: 1, GUARD_64B: 2, BY_QPIF: 3 } as const;

/** Layout of protection information; offsets are in bytes from its start, numbers big-endian. */
export interface ProtectionLayout {
  readonly sizeBytes: 8 | 16;
  readonly guardBytes: 2 | 4 | 8;
  /** The application tag, 2 bytes, follows the guard. */
  readonly applicationTagOffset: 2 | 4 | 8;
  /** Storage tag in the high bits and reference tag in the low bits share this space. */
  readonly storageReferenceOffset: 4 | 6 | 10;
  readonly storageReferenceBytes: 4 | 6 | 10;
  /** Bits that the storage tag may have (STS). */
  readonly storageTagBitsMin: number;
  readonly storageTagBitsMax: number;
}

/** By PIF. NVM Command Set 1.1, 5.3.1.1 to 5.3.1.3. */
export const PROTECTION_LAYOUTS: readonly ProtectionLayout[] = [
  {
    sizeBytes: 8,
    guardBytes: 2,
    applicationTagOffset: 2,
    storageReferenceOffset: 4,
    storageReferenceBytes: 4,
    storageTagBitsMin: 0,
    storageTagBitsMax: 32,
  },
  {
    sizeBytes: 16,
    guardBytes: 4,
    applicationTagOffset: 4,
    storageReferenceOffset: 6,
    storageReferenceBytes: 10,
    storageTagBitsMin: 16,
    storageTagBitsMax: 64,
  },
  {
    sizeBytes: 16,
    guardBytes: 8,
    applicationTagOffset: 8,
    storageReferenceOffset: 10,
    storageReferenceBytes: 6,
    storageTagBitsMin: 0,
    storageTagBitsMax: 48,
  },
];

/** An application tag that switches checking off: alone in types 1 and 2, in type 3 with a reference tag of all ones. */
export const APPLICATION_TAG_ESCAPE = 0xffff;

/** A cyclic redundancy check in the usual parameters; `check` is that of the nine ASCII bytes 123456789. */
export interface GuardCheck {
  readonly widthBits: 16 | 32 | 64;
  readonly polynomial: bigint;
  readonly initial: bigint;
  readonly reflected: boolean;
  readonly finalXor: bigint;
  readonly check: bigint;
}

/** By PIF: CRC-16 of T10 DIF, CRC-32C, and the CRC-64 of NVMe. NVM Command Set 1.1, 5.3.1.1 to 5.3.1.3. */
export const GUARD_CHECKS: readonly GuardCheck[] = [
  { widthBits: 16, polynomial: 0x8bb7n, initial: 0n, reflected: false, finalXor: 0n, check: 0xd0dbn },
  {
    widthBits: 32,
    polynomial: 0x1edc6f41n,
    initial: 0xffff_ffffn,
    reflected: true,
    finalXor: 0xffff_ffffn,
    check: 0xe306_9283n,
  },
  {
    widthBits: 64,
    polynomial: 0xad93_d235_94c9_3659n,
    initial: 0xffff_ffff_ffff_ffffn,
    reflected: true,
    finalXor: 0xffff_ffff_ffff_ffffn,
    check: 0xae8b_1486_0a79_9888n,
  },
];
