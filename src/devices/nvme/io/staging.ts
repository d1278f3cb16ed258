/** Buffers for payload that cannot go straight between media and bus. Common sizes are lent again and again. */
import { Memory } from '../../../fabric/index.ts';

const LENT_BYTES = 256 * 1024;
const KEPT_MAX = 16;
/** Above, a buffer is sparse: a hostile length costs what is really moved. */
const FLAT_BYTES_MAX = 4 * 2 ** 20;

export class StagingPool {
  readonly #free: Memory[] = [];

  take(lengthBytes: number): Memory {
    if (lengthBytes <= LENT_BYTES) {
      return this.#free.pop() ?? Memory.flat(LENT_BYTES);
    }
    return lengthBytes <= FLAT_BYTES_MAX ? Memory.flat(lengthBytes) : Memory.extents(lengthBytes);
  }

  giveBack(memory: Memory): void {
    if (memory.sizeBytes === LENT_BYTES && this.#free.length < KEPT_MAX) {
      this.#free.push(memory);
    }
  }
}
