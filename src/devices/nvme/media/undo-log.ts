/**
 * What the blocks held before writes that power loss may undo: those in a volatile write cache since the last flush, and
 * those under way.
 *
 * Costs a copy of every block that is written, so a namespace has one only when it is asked for. A block that was written
 * several times since the last flush goes back to what it held at that flush.
 *
 * Follows NVM Express Base 2.1, section 5.1.25.1.4 (Volatile Write Cache), with AWUPF of one block.
 */
import type { SeededRandom } from '../../../base/index.ts';
import { Memory } from '../../../fabric/index.ts';
import { BlockSet } from './block-set.ts';

/** What the log looks at and puts back: one block at a time. */
export interface UndoTarget {
  readonly sizeBlocks: number;
  readonly blockBytes: number;
  readonly metadataBytes: number;
  saveBlock(block: number, data: Memory, metadata: Memory): void;
  restoreBlock(block: number, data: Memory, metadata: Memory, wasAllocated: boolean, wasBad: boolean): void;
  isAllocated(block: number): boolean;
  isBad(block: number): boolean;
}

export class UndoLog {
  readonly #target: UndoTarget;
  readonly #data: Memory;
  readonly #metadata: Memory;
  /** Blocks that the log has. */
  readonly #saved: BlockSet;
  readonly #underWay: BlockSet;
  readonly #wereAllocated: BlockSet;
  readonly #wereBad: BlockSet;

  constructor(target: UndoTarget) {
    const { sizeBlocks } = target;
    this.#target = target;
    this.#data = Memory.extents(sizeBlocks * target.blockBytes);
    this.#metadata = Memory.extents(sizeBlocks * target.metadataBytes);
    this.#saved = new BlockSet(sizeBlocks, false);
    this.#underWay = new BlockSet(sizeBlocks, false);
    this.#wereAllocated = new BlockSet(sizeBlocks, false);
    this.#wereBad = new BlockSet(sizeBlocks, false);
  }

  /** Blocks that are not durable. */
  get count(): number {
    return this.#saved.count;
  }

  /** Before a write. */
  begin(slba: number, blocks: number): void {
    for (let block = slba; block < slba + blocks; block++) {
      if (this.#saved.has(block)) {
        continue;
      }
      this.#target.saveBlock(block, this.#data, this.#metadata);
      this.#wereAllocated[this.#target.isAllocated(block) ? 'add' : 'remove'](block, 1);
      this.#wereBad[this.#target.isBad(block) ? 'add' : 'remove'](block, 1);
    }
    this.#saved.add(slba, blocks);
    this.#underWay.add(slba, blocks);
  }

  /** After it, whether it succeeded or not. */
  end(slba: number, blocks: number, isDurable: boolean): void {
    this.#underWay.remove(slba, blocks);
    if (isDurable) {
      this.makeDurable(slba, blocks);
    }
  }

  makeDurable(slba: number, blocks: number): void {
    this.#saved.remove(slba, blocks);
  }

  /** A flush: what is under way is not part of it. */
  flush(): void {
    if (this.#underWay.count === 0) {
      this.#saved.setAll(false);
      this.#data.reset();
      this.#metadata.reset();
      return;
    }
    this.#eachSaved((block) => {
      if (!this.#underWay.has(block)) {
        this.#saved.remove(block, 1);
      }
    });
  }

  /** Power is gone: of the blocks in the cache some are lost, of those under way all, so that none is torn. */
  losePower(random: SeededRandom): void {
    this.#eachSaved((block) => {
      if (this.#underWay.has(block) || random.below(2) === 0) {
        const wasAllocated = this.#wereAllocated.has(block);
        this.#target.restoreBlock(block, this.#data, this.#metadata, wasAllocated, this.#wereBad.has(block));
      }
    });
    this.#saved.setAll(false);
    this.#underWay.setAll(false);
    this.#data.reset();
    this.#metadata.reset();
  }

  #eachSaved(visit: (block: number) => void): void {
    const size = this.#saved.sizeBlocks;
    let from = 0;
    while (from < size) {
      const block = this.#saved.firstWhere(from, size - from, true);
      if (block < 0) {
        return;
      }
      visit(block);
      from = block + 1;
    }
  }
}
