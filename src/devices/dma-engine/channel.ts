/** One channel of the DMA engine: the descriptor it works on, and the buffer that its bytes go through. */
import { Memory } from '../../fabric/index.ts';
import { DESCRIPTOR_BYTES } from '../../spec/index.ts';

/** What a channel is doing; beside run and channel also the token of the DMA under way. */
export const STEP = {
  IDLE: 0,
  FETCH: 1,
  READ: 2,
  WRITE: 3,
  MARK: 4,
  /** What a descriptor costs before it moves anything. */
  START: 5,
  /** Its bytes have moved; earlier descriptors have not been marked. */
  TURN: 6,
} as const;

export class Channel {
  readonly index: number;
  readonly descriptor = Memory.flat(DESCRIPTOR_BYTES);
  readonly view: DataView;
  readonly buffer: Memory;
  step: number = STEP.IDLE;
  /** Place of its descriptor in the ring. */
  entry = 0;
  /** The fabric still owns descriptor or buffer, perhaps for a run that was stopped. */
  isInFlight = false;

  constructor(index: number, buffer: Memory) {
    this.index = index;
    this.buffer = buffer;
    const bytes = this.descriptor.flat!;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
