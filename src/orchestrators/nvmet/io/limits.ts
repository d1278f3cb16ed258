/** Limits of I/O commands that Identify tells and the commands hold. */

/** OCFS: Copy descriptor formats 0 and 2. Formats 1 and 3 are for guards that our namespaces do not have. */
export const COPY_FORMATS_SUPPORTED = 0b101;
/** Ranges of one Copy. */
export const COPY_RANGES = 128;
/** Bytes of one range, and of all ranges, of Copy. */
const COPY_RANGE_BYTES_MAX = 32 * 1024 * 1024;
export const COPY_TOTAL_BYTES_MAX = 256 * 1024 * 1024;
/** The most bytes that Copy, Verify and Write Zeroes move at once. */
export const SCRATCH_BYTES = 128 * 1024;

/** MSSRL. */
export function copyRangeBlocksMax(blockBytes: number): number {
  return Math.min(0xffff, COPY_RANGE_BYTES_MAX / blockBytes);
}

/** MCL. */
export function copyTotalBlocksMax(blockBytes: number): number {
  return COPY_TOTAL_BYTES_MAX / blockBytes;
}
