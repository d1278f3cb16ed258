/**
 * A namespace: its blocks, their metadata, and what is known about each of them.
 *
 * Data and metadata are kept apart whatever the host sees. Blocks that were given back read as zeroes; a large range is
 * only noted as stale and made zero when somebody looks. Metadata with protection information that nobody has written
 * holds its escape value, so patterned blocks pass every check.
 *
 * Ranges are checked by whoever calls. Nothing here waits: what is under way on the bus is io/'s business. Leaves out
 * identity (UUID and the like), which the controller makes from `options`.
 *
 * Follows NVM Command Set 1.1, sections 2.1, 3.3 and 5.3.
 */
import { assert, type SeededRandom } from '../../../base/index.ts';
import { Memory, PAGE_BYTES, patternSeed } from '../../../fabric/index.ts';
import { GUARD_FORMAT } from '../../../spec/nvme/index.ts';
import type { NamespaceOptions } from '../options.ts';
import type { Backing } from './backing.ts';
import { BlockSet } from './block-set.ts';
import { BlockStore } from './block-store.ts';
import { type LbaFormat, lbaFormatsWith } from './lba-formats.ts';
import { Protection } from './protection.ts';
import { RangeGate } from './range-gate.ts';
import { UndoLog, type UndoTarget } from './undo-log.ts';

/** Ranges up to this size are made zero at once when they are given back. */
const ZERO_AT_ONCE_BYTES = 2 ** 20;

/** Limits of Copy: blocks of one range (MSSRL), of one command (MCL), and ranges (MSRC + 1). */
export interface CopyLimits {
  readonly rangeBlocksMax: number;
  readonly totalBlocksMax: number;
  readonly rangesMax: number;
}

export interface NamespaceSetup {
  readonly nsid: number;
  readonly options: NamespaceOptions;
  /** Of the drive: the pattern of a namespace follows from it and the NSID. */
  readonly seed: number;
  /** Instead of `options.backing`. */
  readonly backing?: Backing;
  /** Power loss can undo what was not flushed; costs a copy of every block that is written. */
  readonly tracksPowerLoss?: boolean;
}

export interface FormatRequest {
  /** Index in `formats`. */
  readonly index: number;
  readonly isExtended: boolean;
  readonly piType: number;
  readonly isPiFirst: boolean;
}

export class Namespace implements UndoTarget {
  readonly nsid: number;
  readonly options: NamespaceOptions;
  readonly copyLimits: CopyLimits;
  readonly formats: readonly LbaFormat[];
  /** Formats, from 0 on, that every host may use. */
  readonly commonFormatCount: number;
  /** Blocks can be given back. */
  readonly isThin: boolean;
  readonly isShared: boolean;

  sizeBlocks = 0;
  formatIndex = 0;
  blockBytes = 0;
  metadataBytes = 0;
  /** The host sees the metadata behind the data of each block. */
  isExtended = false;
  piType = 0;
  isPiFirst = false;
  guardFormat: number = GUARD_FORMAT.GUARD_16B;
  /** Null without protection information. */
  protection: Protection | null = null;
  /** Data moves between `data` and the bus as it is: memory behind it, no protection, no interleaved metadata. */
  isPlain = false;

  /** Where commands of every controller keep out of each other's way. */
  readonly gate = new RangeGate();

  /** Write protection, feature 84h. */
  isWriteProtected: boolean;
  /** What every command that touches the media gets: 0, or for instance NAMESPACE_NOT_READY or FORMAT_IN_PROGRESS. */
  blockedStatus = 0;

  /** The blocks; null when they are in a file. */
  readonly data: Memory | null;
  readonly #store: BlockStore;
  readonly #mediaBytes: number;
  /** Metadata of all blocks, one behind the other. */
  metadata: Memory = Memory.flat(0);

  /** Blocks that hold something; the others read as zeroes. */
  #allocated: BlockSet;
  /** Blocks that cannot be read until they are written. */
  #bad: BlockSet;
  /** Blocks that are zero, whatever their bytes say. */
  #stale: BlockSet;
  #staleMetadata: BlockSet;
  #undo: UndoLog | null = null;
  readonly #tracksPowerLoss: boolean;

  constructor(setup: NamespaceSetup) {
    const { options } = setup;
    const blockBytes = options.blockBytes ?? 512;
    const metadataBytes = options.metadataBytes ?? 0;
    this.nsid = setup.nsid;
    this.options = options;
    this.isThin = options.isThin ?? true;
    this.isShared = options.isShared ?? false;
    this.isWriteProtected = options.isWriteProtected ?? false;
    this.copyLimits = {
      rangeBlocksMax: options.copy?.rangeBlocksMax ?? 128,
      totalBlocksMax: options.copy?.totalBlocksMax ?? 128,
      rangesMax: options.copy?.rangesMax ?? 128,
    };
    const list = lbaFormatsWith({
      blockBytes,
      metadataBytes,
      guardFormat: guardFormatOf(options.guardBits ?? 16),
      storageTagBits: options.storageTagBits ?? 0,
    });
    this.formats = list.formats;
    this.commonFormatCount = list.commonCount;
    this.#mediaBytes = options.sizeBlocks * blockBytes;
    this.#tracksPowerLoss = setup.tracksPowerLoss ?? false;

    const given = setup.backing ?? options.backing;
    const isPatterned = options.isPatterned ?? true;
    const backing = given ?? defaultBacking(this.#mediaBytes, setup, isPatterned);
    assert(backing.sizeBytes >= this.#mediaBytes, 'a namespace is larger than what it lies on', {
      nsid: setup.nsid,
      sizeBytes: backing.sizeBytes,
    });
    this.#store = new BlockStore(backing);
    this.data = this.#store.data;
    this.#allocated = new BlockSet(0, false);
    this.#bad = this.#allocated;
    this.#stale = this.#allocated;
    this.#staleMetadata = this.#allocated;
    this.#layOut(
      {
        index: list.index,
        isExtended: options.isExtended ?? false,
        piType: options.piType ?? 0,
        isPiFirst: options.isPiFirst ?? false,
      },
      given !== undefined || isPatterned,
    );
  }

  get format(): LbaFormat {
    return this.formats[this.formatIndex]!;
  }

  get usedBlocks(): number {
    return this.#allocated.count;
  }

  /** Bytes of a block as the host sees it in its data buffer. */
  get hostBlockBytes(): number {
    return this.blockBytes + (this.isExtended ? this.metadataBytes : 0);
  }

  /**
   * Whether a namespace can be formatted so: NVM Express Base 2.1, 5.1.10.
   * @returns false: Invalid Format
   */
  canFormat(request: FormatRequest): boolean {
    const format = this.formats[request.index];
    if (format === undefined || request.piType > 3 || format.blockBytes > this.#mediaBytes) {
      return false;
    }
    const piBytes = format.guardFormat === GUARD_FORMAT.GUARD_16B ? 8 : 16;
    return request.piType === 0 || format.metadataBytes >= piBytes;
  }

  /** Formats: every block is given back, the size in blocks follows the format. The caller asked `canFormat`. */
  reformat(request: FormatRequest): void {
    this.#layOut(request, false);
    this.#stale.setAll(true);
  }

  /** The first block of a range that cannot be read; -1 when all can. */
  firstBad(slba: number, blocks: number): number {
    return this.#bad.count === 0 ? -1 : this.#bad.firstWhere(slba, blocks, true);
  }

  /** The first block of a range that holds nothing; -1 when all do. */
  firstUnallocated(slba: number, blocks: number): number {
    return this.#allocated.count === this.sizeBlocks ? -1 : this.#allocated.firstWhere(slba, blocks, false);
  }

  /** Makes the bytes of a range what they are said to be. Before `data` or `metadata` are read. @returns 0 or a status */
  settle(slba: number, blocks: number): number {
    if (this.#staleMetadata.count > 0) {
      this.#settleMetadata(slba, blocks);
    }
    return this.#stale.count > 0 ? this.#settleData(slba, blocks) : 0;
  }

  /** Reads settled data. @returns 0 or a status */
  load(slba: number, blocks: number, into: Memory, intoOffset: number): number {
    return this.#store.load(slba, blocks, into, intoOffset);
  }

  /** As `load`, into an array. */
  loadBytes(slba: number, blocks: number, into: Uint8Array, intoOffset: number): number {
    return this.#store.loadBytes(slba, blocks, into, intoOffset);
  }

  /** Before the data or metadata of a range are changed, and before any byte moves. */
  beginWrite(slba: number, blocks: number): void {
    if (this.#undo !== null) {
      this.settle(slba, blocks);
      this.#undo.begin(slba, blocks);
    }
  }

  /** After a write that succeeded. `isDurable`: no write cache, or FUA. */
  endWrite(slba: number, blocks: number, isDurable: boolean): void {
    if (this.#allocated.count !== this.sizeBlocks) {
      this.#allocated.add(slba, blocks);
    }
    if (this.#bad.count > 0) {
      this.#bad.remove(slba, blocks);
    }
    if (this.#stale.count > 0) {
      this.#stale.remove(slba, blocks);
    }
    if (this.#staleMetadata.count > 0) {
      this.#staleMetadata.remove(slba, blocks);
    }
    this.#undo?.end(slba, blocks, isDurable);
  }

  /** After a write that failed: what is in its blocks is not defined. */
  abandonWrite(slba: number, blocks: number): void {
    this.#undo?.end(slba, blocks, false);
  }

  /** Writes data. @returns 0 or a status */
  store(slba: number, blocks: number, from: Memory, fromOffset: number): number {
    return this.#store.store(slba, blocks, from, fromOffset);
  }

  /** Makes data and metadata zero, protection information its escape value. @returns 0 or a status */
  storeZeroes(slba: number, blocks: number): number {
    if (this.metadataBytes > 0) {
      this.#store.clearMetadata(slba, blocks);
    }
    return this.#store.clearData(slba, blocks);
  }

  /** Gives blocks back: they read as zeroes. No effect when the namespace keeps its blocks. Durable at once. */
  deallocate(slba: number, blocks: number): number {
    if (!this.isThin) {
      return 0;
    }
    this.#undo?.makeDurable(slba, blocks);
    this.#allocated.remove(slba, blocks);
    this.#bad.remove(slba, blocks);
    if (this.metadataBytes > 0) {
      this.#staleMetadata.add(slba, blocks);
    }
    if (blocks * this.blockBytes > ZERO_AT_ONCE_BYTES) {
      this.#stale.add(slba, blocks);
      return 0;
    }
    this.#stale.remove(slba, blocks);
    return this.#store.clearData(slba, blocks);
  }

  /** Write Uncorrectable: reads fail until the blocks are written again. Durable at once. */
  markBad(slba: number, blocks: number): void {
    this.#undo?.makeDurable(slba, blocks);
    this.#allocated.add(slba, blocks);
    this.#bad.add(slba, blocks);
  }

  /** A read with FUA: what it returns is durable. */
  makeDurable(slba: number, blocks: number): void {
    this.#undo?.makeDurable(slba, blocks);
  }

  /** @returns 0 or a status */
  flush(): number {
    this.#undo?.flush();
    return this.commit();
  }

  /** Makes what was written to a file durable; the cache of the drive itself is not looked at. @returns 0 or a status */
  commit(): number {
    return this.#store.commit();
  }

  /** Blocks that a loss of power may undo; 0 when that is not tracked. */
  get volatileBlocks(): number {
    return this.#undo === null ? 0 : this.#undo.count;
  }

  /** Power is gone: writes that were not flushed are undone or not, block by block, as the seed has it. */
  losePower(random: SeededRandom): void {
    this.#undo?.losePower(random);
  }

  isAllocated(block: number): boolean {
    return this.#allocated.has(block);
  }

  isBad(block: number): boolean {
    return this.#bad.has(block);
  }

  saveBlock(block: number, data: Memory, metadata: Memory): void {
    this.load(block, 1, data, block * this.blockBytes);
    this.#store.copyMetadata(this.metadata, block, metadata);
  }

  restoreBlock(block: number, data: Memory, metadata: Memory, wasAllocated: boolean, wasBad: boolean): void {
    this.store(block, 1, data, block * this.blockBytes);
    this.#store.copyMetadata(metadata, block, this.metadata);
    this.#allocated[wasAllocated ? 'add' : 'remove'](block, 1);
    this.#bad[wasBad ? 'add' : 'remove'](block, 1);
  }

  #layOut(request: FormatRequest, isWritten: boolean): void {
    const format = this.formats[request.index]!;
    this.formatIndex = request.index;
    this.blockBytes = format.blockBytes;
    this.metadataBytes = format.metadataBytes;
    this.isExtended = request.isExtended && format.metadataBytes > 0;
    this.piType = request.piType;
    this.isPiFirst = request.isPiFirst;
    this.guardFormat = format.guardFormat;
    this.sizeBlocks = Math.floor(this.#mediaBytes / format.blockBytes);
    this.protection = request.piType === 0 ? null : new Protection(format, request.piType, request.isPiFirst);
    this.isPlain = this.data !== null && this.protection === null && !this.isExtended;
    this.#store.layOut(this.sizeBlocks, format.blockBytes, format.metadataBytes, this.protection);
    this.metadata = this.#store.metadata;
    this.#allocated = new BlockSet(this.sizeBlocks, isWritten);
    this.#bad = new BlockSet(this.sizeBlocks, false);
    this.#stale = new BlockSet(this.sizeBlocks, false);
    this.#staleMetadata = new BlockSet(this.sizeBlocks, this.protection !== null);
    this.#undo = this.#tracksPowerLoss ? new UndoLog(this) : null;
  }

  #settleData(slba: number, blocks: number): number {
    const end = slba + blocks;
    let from = slba;
    while (from < end) {
      const first = this.#stale.firstWhere(from, end - from, true);
      if (first < 0) {
        break;
      }
      const after = this.#stale.firstWhere(first, end - first, false);
      const stop = after < 0 ? end : after;
      const status = this.#store.clearData(first, stop - first);
      if (status !== 0) {
        return status;
      }
      this.#stale.remove(first, stop - first);
      from = stop;
    }
    return 0;
  }

  #settleMetadata(slba: number, blocks: number): void {
    const end = slba + blocks;
    let from = slba;
    while (from < end) {
      const first = this.#staleMetadata.firstWhere(from, end - from, true);
      if (first < 0) {
        return;
      }
      const after = this.#staleMetadata.firstWhere(first, end - first, false);
      const stop = after < 0 ? end : after;
      this.#store.clearMetadata(first, stop - first);
      this.#staleMetadata.remove(first, stop - first);
      from = stop;
    }
  }
}

/** Extents in whole pages, so that the last one can be an extent too. */
function defaultBacking(mediaBytes: number, setup: NamespaceSetup, isPatterned: boolean): Memory {
  const size = Math.ceil(mediaBytes / PAGE_BYTES) * PAGE_BYTES;
  const background = isPatterned ? { seed: patternSeed(setup.seed, setup.nsid), position: 0 } : null;
  return Memory.extents(size, background);
}

function guardFormatOf(bits: 16 | 32 | 64): number {
  return bits === 16 ? GUARD_FORMAT.GUARD_16B : bits === 32 ? GUARD_FORMAT.GUARD_32B : GUARD_FORMAT.GUARD_64B;
}
