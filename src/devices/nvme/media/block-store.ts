/**
 * The bytes of a namespace: data in memory or in a file, metadata in memory.
 *
 * Knows nothing of what the blocks mean or whether they hold anything. Statuses are 0, or UNRECOVERED_READ_ERROR or WRITE_FAULT
 * of a file that failed.
 */
import { Memory } from '../../../fabric/index.ts';
import { NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Backing, BackingFile } from './backing.ts';
import type { Protection } from './protection.ts';

const PIECE_BYTES = 0x1_0000;
const piece = new Uint8Array(PIECE_BYTES);
const ZEROES = new Uint8Array(PIECE_BYTES);

export class BlockStore {
  /** The blocks; null when they are in a file. */
  readonly data: Memory | null;
  readonly #file: BackingFile | null;
  /** Metadata of all blocks, one behind the other. */
  metadata: Memory = Memory.flat(0);
  #blockBytes = 0;
  #metadataBytes = 0;
  #protection: Protection | null = null;

  constructor(backing: Backing) {
    this.data = backing instanceof Memory ? backing : null;
    this.#file = backing instanceof Memory ? null : backing;
  }

  /** Forgets all metadata; the data stay as they are. */
  layOut(sizeBlocks: number, blockBytes: number, metadataBytes: number, protection: Protection | null): void {
    this.#blockBytes = blockBytes;
    this.#metadataBytes = metadataBytes;
    this.#protection = protection;
    this.metadata = Memory.extents(sizeBlocks * metadataBytes);
  }

  load(slba: number, blocks: number, into: Memory, intoOffset: number): number {
    const length = blocks * this.#blockBytes;
    const offset = slba * this.#blockBytes;
    if (this.#file === null) {
      this.data!.copyTo(offset, into, intoOffset, length);
      return 0;
    }
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const size = Math.min(PIECE_BYTES, length - done);
      if (!this.#file.read(offset + done, piece, 0, size)) {
        return NVME_STATUS.UNRECOVERED_READ_ERROR;
      }
      into.write(intoOffset + done, piece, 0, size);
    }
    return 0;
  }

  loadBytes(slba: number, blocks: number, into: Uint8Array, intoOffset: number): number {
    const length = blocks * this.#blockBytes;
    const offset = slba * this.#blockBytes;
    if (this.#file === null) {
      this.data!.read(offset, into, intoOffset, length);
      return 0;
    }
    return this.#file.read(offset, into, intoOffset, length) ? 0 : NVME_STATUS.UNRECOVERED_READ_ERROR;
  }

  store(slba: number, blocks: number, from: Memory, fromOffset: number): number {
    const length = blocks * this.#blockBytes;
    const offset = slba * this.#blockBytes;
    if (this.#file === null) {
      from.copyTo(fromOffset, this.data!, offset, length);
      return 0;
    }
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const size = Math.min(PIECE_BYTES, length - done);
      from.read(fromOffset + done, piece, 0, size);
      if (!this.#file.write(offset + done, piece, 0, size)) {
        return NVME_STATUS.WRITE_FAULT;
      }
    }
    return 0;
  }

  clearData(slba: number, blocks: number): number {
    const offset = slba * this.#blockBytes;
    const length = blocks * this.#blockBytes;
    if (this.#file === null) {
      this.data!.fill(offset, length, 0);
      return 0;
    }
    for (let done = 0; done < length; done += PIECE_BYTES) {
      if (!this.#file.write(offset + done, ZEROES, 0, Math.min(PIECE_BYTES, length - done))) {
        return NVME_STATUS.WRITE_FAULT;
      }
    }
    return 0;
  }

  /** Zeroes, and protection information that switches every check off. */
  clearMetadata(slba: number, blocks: number): void {
    const size = this.#metadataBytes;
    this.metadata.fill(slba * size, blocks * size, 0);
    const protection = this.#protection;
    if (protection !== null) {
      for (let block = slba; block < slba + blocks; block++) {
        this.metadata.fill(block * size + protection.offset, protection.layout.sizeBytes, 0xff);
      }
    }
  }

  copyMetadata(from: Memory, block: number, to: Memory): void {
    const size = this.#metadataBytes;
    from.copyTo(block * size, to, block * size, size);
  }

  /** Makes what was written to a file durable. */
  commit(): number {
    return this.#file === null || this.#file.flush() ? 0 : NVME_STATUS.WRITE_FAULT;
  }
}
