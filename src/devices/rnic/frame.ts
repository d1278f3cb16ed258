/** Frames: the bytes of one packet, and what was found in its headers. They are reused; whoever uses one last gives it back. */
import { Memory } from '../../fabric/index.ts';

/** Room for the largest path MTU with all its headers. */
export const FRAME_BYTES = 4352;

export class Frame {
  readonly memory = Memory.flat(FRAME_BYTES);
  readonly bytes: Uint8Array = this.memory.flat!;
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  readonly #pool: FramePool;
  /** From the Ethernet header to the ICRC. */
  lengthBytes = 0;
  uses = 0;
  // Found by whoever reads the headers, or put there by whoever writes them.
  isIpv6 = false;
  bthAt = 0;
  opcode = 0;
  /** PACKET bits of the opcode. */
  flags = 0;
  psn = 0;
  destQp = 0;
  isSolicited = false;
  wantsAck = false;
  /** Extended headers start here. */
  headersAt = 0;
  payloadAt = 0;
  payloadBytes = 0;

  constructor(pool: FramePool) {
    this.#pool = pool;
  }

  release(): void {
    if (--this.uses === 0) {
      this.#pool.give(this);
    }
  }
}

export class FramePool {
  readonly #free: Frame[] = [];

  /** A frame with one user. */
  take(): Frame {
    const frame = this.#free.pop() ?? new Frame(this);
    frame.uses = 1;
    return frame;
  }

  give(frame: Frame): void {
    this.#free.push(frame);
  }
}
