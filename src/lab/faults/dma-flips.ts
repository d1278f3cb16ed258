/** Bits of a device's DMA that arrive turned. What the device holds itself stays as it is. */
import type { SeededRandom } from '../../base/index.ts';
import { type DmaWatcher, DONE, Memory, type Status, TRAFFIC, type Traffic } from '../../fabric/index.ts';
import type { LabFault } from '../file/index.ts';

/** One rule at work. */
export interface Flip {
  readonly fault: LabFault;
  readonly isDue: () => boolean;
  readonly onAct: () => void;
  skip: number;
  left: number;
}

export class DmaFlips implements DmaWatcher {
  /** In the order in which they were added. */
  flips: readonly Flip[] = [];
  /** Sees what is sent and what is received in the end. */
  inner: DmaWatcher | null = null;
  readonly #random: SeededRandom;
  #sent = Memory.flat(0);

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  onWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
  ): Memory | null {
    let instead: Memory | null = null;
    for (const flip of this.flips) {
      if (this.#acts(flip, 'write', lengthBytes, traffic)) {
        if (instead === null) {
          instead = this.#copyOf(local, localOffset, lengthBytes);
        }
        this.#turn(flip, instead, 0, lengthBytes);
      }
    }
    const seen = this.inner?.onWrite(
      addr,
      instead ?? local,
      instead === null ? localOffset : 0,
      lengthBytes,
      traffic,
    );
    return seen ?? instead;
  }

  onRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    status: Status,
  ): void {
    if (status === DONE) {
      for (const flip of this.flips) {
        if (this.#acts(flip, 'read', lengthBytes, traffic)) {
          this.#turn(flip, local, localOffset, lengthBytes);
        }
      }
    }
    this.inner?.onRead(addr, local, localOffset, lengthBytes, traffic, status);
  }

  #acts(flip: Flip, direction: 'read' | 'write', lengthBytes: number, traffic: Traffic): boolean {
    const { fault } = flip;
    const isMeant =
      lengthBytes > 0 &&
      (fault.direction === null || fault.direction === direction) &&
      (fault.traffic === null || (fault.traffic === 'data') === (traffic === TRAFFIC.DATA)) &&
      flip.left > 0 &&
      flip.isDue();
    if (!isMeant) {
      return false;
    }
    if (flip.skip > 0) {
      flip.skip--;
      return false;
    }
    if (fault.probability < 1 && this.#random.fraction() >= fault.probability) {
      return false;
    }
    flip.left--;
    flip.onAct();
    return true;
  }

  #turn({ fault }: Flip, memory: Memory, offset: number, lengthBytes: number): void {
    const bits = lengthBytes * 8;
    const bit = fault.bit === null ? this.#random.below(bits) : fault.bit % bits;
    const at = offset + Math.floor(bit / 8);
    memory.setValue(at, 1, memory.getValue(at, 1) ^ (1 << (bit % 8)));
  }

  #copyOf(local: Memory, localOffset: number, lengthBytes: number): Memory {
    if (this.#sent.sizeBytes < lengthBytes) {
      this.#sent = Memory.flat(2 ** Math.ceil(Math.log2(lengthBytes)));
    }
    local.copyTo(localOffset, this.#sent, 0, lengthBytes);
    return this.#sent;
  }
}
