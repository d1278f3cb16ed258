/** Host memory of the simulated machine as a `Span`: what `copy` and `bench` bounce through, and verify from. */
import type { Span } from '../../access/index.ts';
import { assert, MappingError } from '../../base/index.ts';
import type { Dram, DramRegion } from '../dram.ts';

export class HostSpan implements Span {
  readonly kind = 'host';
  readonly provider = null;
  readonly isReadable = true;
  readonly lengthBytes: number;
  readonly region: DramRegion;
  readonly #dram: Dram;
  #uses = 0;
  #isClosed = false;

  constructor(dram: Dram, region: DramRegion, lengthBytes: number) {
    this.#dram = dram;
    this.region = region;
    this.lengthBytes = lengthBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    this.#check(offsetBytes, into.length);
    this.region.memory.read(this.region.memoryOffset + offsetBytes, into, 0, into.length);
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    this.#check(offsetBytes, from.length);
    this.region.memory.write(this.region.memoryOffset + offsetBytes, from, 0, from.length);
  }

  fill(value: number): void {
    this.#check(0, this.lengthBytes);
    this.region.memory.fill(this.region.memoryOffset, this.lengthBytes, value);
  }

  /** A mapping of it is made: it stays until the mapping is gone. */
  use(): void {
    this.#uses++;
  }

  unuse(): void {
    this.#uses--;
  }

  close(): void {
    if (this.#isClosed) {
      return;
    }
    if (this.#uses > 0) {
      throw new MappingError('DMA_IN_USE', {
        message: `host memory is still mapped for ${this.#uses} requester${this.#uses === 1 ? '' : 's'}`,
        hint: 'close the targets that use it first',
        exitStatus: 3,
      });
    }
    this.#isClosed = true;
    this.#dram.free(this.region);
  }

  #check(offsetBytes: number, lengthBytes: number): void {
    assert(!this.#isClosed, 'host memory was used after it was given back');
    assert(
      offsetBytes >= 0 && offsetBytes + lengthBytes <= this.lengthBytes,
      'a range lies outside its host memory',
      { offsetBytes, lengthBytes },
    );
  }
}
