/**
 * Where one transfer of a command stands: the description of the host's buffer as far as it was walked, the segments
 * found so far, and how many of them have been asked for.
 *
 * One object per command slot, made when the slot first moves data and used again by every later command of the slot.
 * Segment tables only grow. Leaves out every rule: `prp.ts` and `sgl.ts` walk, `data-engine.ts` moves.
 */
import { Memory } from '../../../fabric/index.ts';

export const PHASE = {
  IDLE: 0,
  /** A piece of a list is on its way. */
  FETCH: 1,
  /** Segments are on their way. */
  MOVE: 2,
} as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

export const WALK = { PRP: 0, SGL: 1, METADATA_SGL: 2 } as const;
export type Walk = (typeof WALK)[keyof typeof WALK];

/** What kinds of memory a command has used; see ControllerServices.cmbUse.mayMix. */
export const USED = { HOST: 1, OWN: 2 } as const;

/** Bytes of a list that are fetched at once. */
export const LIST_BUFFER_BYTES = 4096;

/** Enough for transfers of 32 KiB in scattered pages. */
const SEGMENTS_AT_FIRST = 8;

export class Transfer {
  phase: Phase = PHASE.IDLE;
  walk: Walk = WALK.PRP;
  /** To the host: the bytes leave `local`. */
  isToHost = false;
  isMetadata = false;
  local: Memory | null = null;
  localOffset = 0;
  lengthBytes = 0;
  /** Kinds of memory that this command has used, data and metadata together: bits of USED. */
  used = 0;

  /** Bytes of the payload that the segments describe so far. */
  walkedBytes = 0;
  /** Where the next piece of a list is fetched from, and the bytes of this list page or segment that were not fetched. */
  listAddress = 0;
  listLeftBytes = 0;
  /** Entries (PRP) or descriptors (SGL) in the buffer, and the next of them. */
  listCount = 0;
  listIndex = 0;
  /** The buffer's bytes; made when a list is first fetched. */
  list: Memory | null = null;
  listView: DataView | null = null;
  /** The SGL segment at hand has no successor. */
  isLastSegment = false;
  /** Descriptors seen, so that a chain that leads back to itself ends. */
  descriptorCount = 0;

  segmentCount = 0;
  /** Bus address; not used where `memories` has an entry. */
  addresses = new Float64Array(SEGMENTS_AT_FIRST);
  /** Where in the payload a segment starts. */
  positions = new Float64Array(SEGMENTS_AT_FIRST);
  lengths = new Float64Array(SEGMENTS_AT_FIRST);
  /** The controller's own memory that a segment lies in, and where; null for the bus. */
  memories: (Memory | null)[] = new Array<Memory | null>(SEGMENTS_AT_FIRST).fill(null);
  memoryOffsets = new Float64Array(SEGMENTS_AT_FIRST);

  /** The next segment to ask for, and how much of it has been asked for. */
  next = 0;
  askedBytes = 0;
  /** Bytes of the payload that may be asked for by now; see `DataEngine.allow`. */
  allowedBytes = Number.POSITIVE_INFINITY;
  /** Requests under way. */
  outstanding = 0;

  /** Makes room for one more segment. */
  grow(): void {
    const size = this.addresses.length * 2;
    this.addresses = grown(this.addresses, size);
    this.positions = grown(this.positions, size);
    this.lengths = grown(this.lengths, size);
    this.memoryOffsets = grown(this.memoryOffsets, size);
    while (this.memories.length < size) {
      this.memories.push(null);
    }
  }

  /** The buffer for pieces of lists. */
  listBuffer(): Memory {
    if (this.list === null) {
      this.list = Memory.flat(LIST_BUFFER_BYTES);
      const bytes = this.list.flat!;
      this.listView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.list;
  }
}

function grown(from: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  const into = new Float64Array(size);
  into.set(from);
  return into;
}
