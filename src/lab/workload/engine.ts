/** Which engine a run uses where nobody names one. */
import type { EngineName } from '../../fabric/index.ts';
import type { LabWorkload, TIME_ENGINES } from '../file/index.ts';

/** As a lab file and `--engine` say it. */
export type EngineChoice = (typeof TIME_ENGINES)[number];

/** From this size on trains of packets are as good as packets, and far faster. */
export const BULK_BYTES = 64 * 1024;

/** Flow for bulk, packet by packet for everything else. @param blockBytes every size that data has */
export function engineFor(choice: EngineChoice, blockBytes: readonly number[]): EngineName {
  if (choice !== 'auto') {
    return choice;
  }
  return blockBytes.every((bytes) => bytes >= BULK_BYTES) ? 'flow' : 'tlp';
}

/** Sizes of the requests of all streams, for `engineFor`. */
export function blockSizes(workload: LabWorkload): readonly number[] {
  return workload.streams.flatMap((stream) =>
    stream.kind === 'stage' ? [stream.chunkBytes] : stream.blocks.map(({ sizeBytes }) => sizeBytes),
  );
}
