/** Transfers that bounce: device to memory, memory to device, in chunks. */

/** Two hops and what is paid between them. Rates GB/s, times nanoseconds. */
export interface StagedPipeline {
  readonly chunkBytes: number;
  readonly inGBs: number;
  readonly outGBs: number;
  /** Per chunk: noticing that one hop has ended and starting the other. */
  readonly syncNs: number;
}

/** Both hops run at once, on neighbouring chunks: the slower one and the synchronisation count. */
export function overlappedStagingGBs(pipe: StagedPipeline): number {
  const { chunkBytes, inGBs, outGBs, syncNs } = pipe;
  return chunkBytes / (chunkBytes / Math.min(inGBs, outGBs) + syncNs);
}

/** One hop after the other. */
export function serialStagingGBs(pipe: StagedPipeline): number {
  const { chunkBytes, inGBs, outGBs, syncNs } = pipe;
  return chunkBytes / (chunkBytes / inGBs + chunkBytes / outGBs + syncNs);
}

/** A single copy of `bytes` through memory, in nanoseconds: its chunks overlap, the first and last hop do not. */
export function stagedCopyNs(pipe: StagedPipeline, bytes: number): number {
  const chunk = Math.min(bytes, pipe.chunkBytes);
  const slower = Math.min(pipe.inGBs, pipe.outGBs);
  const faster = Math.max(pipe.inGBs, pipe.outGBs);
  const chunks = Math.ceil(bytes / pipe.chunkBytes);
  return chunk / faster + bytes / slower + chunks * pipe.syncNs;
}

/** How the software of a device stages, as far as it is of the device. */
export interface StagingTiming {
  readonly chunkBytes: number;
  readonly syncNs: number;
  /** A copy so small that its bytes do not matter. */
  readonly smallCopyNs: number;
}

/**
 * The runtime of a GPU. `chunkBytes` and `syncNs` are set by C13 (bounce_uni); `smallCopyNs` is the middle of the
 * specification's 10-15 us.
 */
export const GPU_STAGING: StagingTiming = {
  chunkBytes: 2 * 1024 * 1024,
  syncNs: 14_300,
  smallCopyNs: 12_500,
};
