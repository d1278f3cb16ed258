/** A buffer for `depth` chunks out of memory that may be short of it. */
import type { Span } from '../access/index.ts';
import { CopyError, PeerlaneError } from '../base/index.ts';

export interface BufferPlan {
  readonly chunkBytes: number;
  readonly depth: number;
}

export interface FittedBuffer extends BufferPlan {
  readonly span: Span;
}

/**
 * The largest plan not above `wanted` that fits into `availableBytes`: fewer chunks first, because a chunk's size is what a
 * device notices most, then one smaller chunk of whole units.
 * @param unitBytes  chunks stay multiples of it
 * @returns undefined when not even one unit fits
 */
export function fitBuffer(
  wanted: BufferPlan,
  availableBytes: number,
  unitBytes: number,
): BufferPlan | undefined {
  const depth = Math.min(wanted.depth, Math.floor(availableBytes / wanted.chunkBytes));
  if (depth >= 1) {
    return { chunkBytes: wanted.chunkBytes, depth };
  }
  const chunkBytes = Math.floor(availableBytes / unitBytes) * unitBytes;
  return chunkBytes > 0 ? { chunkBytes, depth: 1 } : undefined;
}

/**
 * Allocates a buffer, and a smaller one when a pool is too small or in pieces. Ends after at most some sixty attempts:
 * each asks for half of the one before.
 *
 * @param allocate        throws `P2P_POOL_EXHAUSTED` when there is no such block
 * @param availableBytes  free bytes where known, which saves attempts
 * @throws what `allocate` throws for any other reason, or for the smallest buffer; CopyError COPY_SETUP for a bad plan
 */
export function allocateFitting(
  wanted: BufferPlan,
  unitBytes: number,
  availableBytes: number | undefined,
  allocate: (lengthBytes: number) => Span,
): FittedBuffer {
  if (!(wanted.chunkBytes >= unitBytes) || !(wanted.depth >= 1) || wanted.chunkBytes % unitBytes !== 0) {
    throw new CopyError('COPY_SETUP', {
      message: `${wanted.depth} chunks of ${wanted.chunkBytes} bytes cannot be made of blocks of ${unitBytes} bytes`,
      hint: `use a --chunk that is a multiple of ${unitBytes}, and at least --depth 1`,
    });
  }
  // Where nothing is free the allocation itself tells the story.
  let plan =
    (availableBytes === undefined ? undefined : fitBuffer(wanted, availableBytes, unitBytes)) ?? wanted;
  for (;;) {
    try {
      return { ...plan, span: allocate(plan.chunkBytes * plan.depth) };
    } catch (error) {
      const isShort = error instanceof PeerlaneError && error.code === 'P2P_POOL_EXHAUSTED';
      const smaller = isShort
        ? fitBuffer(plan, Math.floor((plan.chunkBytes * plan.depth) / 2), unitBytes)
        : undefined;
      if (smaller === undefined) {
        throw error;
      }
      plan = smaller;
    }
  }
}
