/** Payload of a frame into memory: a posted write for each run of addresses; the frame is kept until the last has been taken. */
import { PENDING, TRAFFIC } from '../../fabric/index.ts';
import { ACCESS } from '../../spec/rdma/index.ts';
import type { RnicCore } from './core.ts';
import type { DmaClient } from './dma-table.ts';
import type { Frame } from './frame.ts';
import type { MemoryTable, Region } from './memory-table.ts';
import type { QueuePair } from './queue-pair.ts';
import type { Pieces } from './work-ring.ts';

export class Scatter implements DmaClient {
  readonly #core: RnicCore;
  /** Frames of writes under way, by code. */
  readonly #frames: (Frame | null)[] = [];
  readonly #free: number[] = [];

  constructor(core: RnicCore) {
    this.#core = core;
  }

  /** Writes to the pieces of a request, from an offset in them on. @returns false when one of them may not be written */
  put(
    qp: QueuePair,
    pieces: Pieces,
    offset: number,
    frame: Frame,
    frameOffset: number,
    lengthBytes: number,
  ): boolean {
    let skip = offset;
    let done = 0;
    for (let i = 0; i < pieces.count && done < lengthBytes; i++) {
      const length = pieces.lengths[i]!;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const take = Math.min(length - skip, lengthBytes - done);
      const address = pieces.addresses[i]! + skip;
      const region = this.#core.regions.check(
        pieces.keys[i]!,
        qp.pd,
        address,
        take,
        ACCESS.LOCAL_WRITE,
        qp.qpn,
      );
      if (region === null) {
        return false;
      }
      this.write(region, address, frame, frameOffset + done, take);
      done += take;
      skip = 0;
    }
    return done === lengthBytes;
  }

  /** Writes to a range that was checked. */
  write(region: Region, address: number, frame: Frame, frameOffset: number, lengthBytes: number): void {
    const regions: MemoryTable = this.#core.regions;
    for (let done = 0; done < lengthBytes; ) {
      regions.locate(region, address + done, lengthBytes - done);
      const { runAddress, runBytes } = regions;
      const code = this.#free.pop() ?? this.#frames.length;
      const status = this.#core.dma.write(
        this,
        code,
        runAddress,
        frame.memory,
        frameOffset + done,
        runBytes,
        TRAFFIC.DATA,
      );
      if (status === PENDING) {
        this.#frames[code] = frame;
        frame.uses++;
      } else {
        this.#frames[code] = null;
        this.#free.push(code);
      }
      done += runBytes;
    }
  }

  onDmaDone(code: number): void {
    const frame = this.#frames[code];
    this.#frames[code] = null;
    this.#free.push(code);
    frame?.release();
  }
}
