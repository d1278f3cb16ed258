/**
 * The requests of a namespace, by slot: what was asked for, how far it is, and what failed.
 *
 * Data only, in parallel arrays; `namespace.ts` decides. A measured hot path: the arrays are public instead of being
 * wrapped.
 */
import type { Failure } from '../../access/index.ts';
import type { SpanMapping } from './span-mapping.ts';

/** More of the story of a failed request, for those who know the target. */
export interface NvmeFailure extends Failure {
  /** Bytes from the start of the request that were moved for certain. */
  readonly movedBytes: number;
  /** Packed status of the completion; null when there was none. */
  readonly nvmeStatus: number | null;
}

export class RequestTable {
  readonly tokens: Float64Array;
  readonly opcodes: Uint8Array;
  /** Bits of CDW12 beside the length. */
  readonly flags: Int32Array;
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  readonly spanOffsets: Float64Array;
  /** Null for requests without data. */
  readonly mappings: (SpanMapping | null)[];
  /** Bytes whose parts were started. */
  readonly started: Float64Array;
  /** Parts under way, or waiting to be sent again. */
  readonly parts: Int32Array;
  readonly attempts: Uint8Array;
  /** The failure that starts lowest, so far. */
  readonly stories: (NvmeFailure | null)[];
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(depth: number) {
    this.tokens = new Float64Array(depth);
    this.opcodes = new Uint8Array(depth);
    this.flags = new Int32Array(depth);
    this.offsets = new Float64Array(depth);
    this.lengths = new Float64Array(depth);
    this.spanOffsets = new Float64Array(depth);
    this.mappings = new Array<SpanMapping | null>(depth).fill(null);
    this.started = new Float64Array(depth);
    this.parts = new Int32Array(depth);
    this.attempts = new Uint8Array(depth);
    this.stories = new Array<NvmeFailure | null>(depth).fill(null);
    this.#free = new Int32Array(depth);
    for (let i = 0; i < depth; i++) {
      this.#free[i] = depth - 1 - i;
    }
    this.#freeCount = depth;
  }

  get isFull(): boolean {
    return this.#freeCount === 0;
  }

  get inFlight(): number {
    return this.#free.length - this.#freeCount;
  }

  /** Takes a slot; there is one. The mapping is in use until `give`. */
  take(
    opcode: number,
    flags: number,
    offsetBytes: number,
    mapping: SpanMapping | null,
    spanOffsetBytes: number,
    lengthBytes: number,
    token: number,
  ): number {
    const request = this.#free[--this.#freeCount]!;
    this.tokens[request] = token;
    this.opcodes[request] = opcode;
    this.flags[request] = flags;
    this.offsets[request] = offsetBytes;
    this.lengths[request] = lengthBytes;
    this.spanOffsets[request] = spanOffsetBytes;
    this.mappings[request] = mapping;
    this.started[request] = 0;
    this.parts[request] = 0;
    this.attempts[request] = 0;
    if (mapping !== null) {
      mapping.uses++;
    }
    return request;
  }

  give(request: number): void {
    const mapping = this.mappings[request]!;
    if (mapping !== null) {
      mapping.uses--;
      this.mappings[request] = null;
    }
    this.stories[request] = null;
    this.#free[this.#freeCount++] = request;
  }

  isAllStarted(request: number): boolean {
    return this.started[request]! >= this.lengths[request]!;
  }

  /** Keeps the failure that starts lowest: once all parts have ended, everything below it is certain. */
  tell(request: number, story: NvmeFailure): void {
    const before = this.stories[request]!;
    if (before === null || story.movedBytes < before.movedBytes) {
      this.stories[request] = story;
    }
  }
}
