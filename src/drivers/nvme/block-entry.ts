/**
 * The submission queue entry of a command on blocks: read, write, compare, flush.
 *
 * Where a namespace keeps protection information and nothing else as metadata, the controller inserts and strips it (PRACT);
 * the entry then has the reference tag that it starts from. Follows NVM Command Set 1.1, sections 3.3 and 5.3.
 */
import { PRINFO, PROTECTION_TYPE } from '../../spec/nvme/index.ts';
import { writeNoData, writePrps, writeSgl } from './data-pointer.ts';
import type { NamespaceIdentity } from './identify.ts';
import type { ListPool } from './list-pool.ts';
import type { SpanMapping } from './span-mapping.ts';

/** Lowest bit of PRINFO in CDW12. */
const PRINFO_SHIFT = 26;

export class BlockEntry {
  readonly #nsid: number;
  readonly #blocksPerByte: number;
  /** Bits of CDW12 that every command with data has. */
  readonly #protectionBits: number;
  /** Bits of the reference tag; 0 where there is none to give. */
  readonly #tagBits: number;

  /** @param checks  whether the controller compares guard and reference tag */
  constructor(identity: NamespaceIdentity, checks: boolean) {
    const { protection } = identity;
    const hasTag = protection !== null && protection.type !== PROTECTION_TYPE.TYPE_3;
    this.#nsid = identity.nsid;
    this.#blocksPerByte = 1 / identity.blockBytes;
    this.#tagBits = hasTag ? protection.referenceBits : 0;
    this.#protectionBits =
      protection === null
        ? 0
        : (PRINFO.PRACT |
            (checks ? PRINFO.PRCHK_GUARD : 0) |
            (checks && hasTag ? PRINFO.PRCHK_REFERENCE_TAG : 0)) <<
          PRINFO_SHIFT;
  }

  /** A command without data: all but opcode and NSID is 0. */
  writeEmpty(words: Uint32Array, at: number, opcode: number): void {
    this.#writeCommon(words, at, opcode);
    writeNoData(words, at);
    words[at + 10] = 0;
    words[at + 11] = 0;
    words[at + 12] = 0;
  }

  /**
   * @param flags  bits of CDW12 beside the length
   * @returns the first page of the command's own lists, NO_LIST, or LIST_FAILED
   */
  write(
    words: Uint32Array,
    at: number,
    opcode: number,
    flags: number,
    offsetBytes: number,
    mapping: SpanMapping,
    spanOffset: number,
    lengthBytes: number,
    bySgl: boolean,
    pool: ListPool,
  ): number {
    this.#writeCommon(words, at, opcode);
    const lba = offsetBytes * this.#blocksPerByte;
    words[at + 10] = lba >>> 0;
    words[at + 11] = Math.floor(lba / 0x1_0000_0000);
    words[at + 12] = (lengthBytes * this.#blocksPerByte - 1) | flags | this.#protectionBits;
    if (this.#tagBits > 0) {
      this.#writeTag(words, at, lba);
    }
    return bySgl
      ? writeSgl(words, at, mapping, spanOffset, lengthBytes, pool)
      : writePrps(words, at, mapping, spanOffset, lengthBytes, pool);
  }

  #writeCommon(words: Uint32Array, at: number, opcode: number): void {
    words[at]! |= opcode;
    words[at + 1] = this.#nsid;
    words[at + 2] = 0;
    words[at + 3] = 0;
    words[at + 4] = 0;
    words[at + 5] = 0;
    words[at + 13] = 0;
    words[at + 14] = 0;
    words[at + 15] = 0;
  }

  /** The initial reference tag: the low bits of the LBA. NVM Command Set 1.1, 5.3.1. */
  #writeTag(words: Uint32Array, at: number, lba: number): void {
    const bits = this.#tagBits;
    words[at + 14] = lba % 2 ** Math.min(32, bits);
    if (bits > 32) {
      words[at + 3] = Math.floor(lba / 0x1_0000_0000) % 2 ** Math.min(32, bits - 32);
    }
  }
}
