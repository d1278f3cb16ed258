/** Which engine a run uses where nobody names one. */
import type { EngineName } from '../../fabric/index.ts';
import type { LabFile, LabWorkload, TIME_ENGINES } from '../file/index.ts';

/** As a lab file and `--engine` say it. */
export type EngineChoice = (typeof TIME_ENGINES)[number];

/** From this size on trains of packets are as good as packets, and far faster. */
export const BULK_BYTES = 64 * 1024;

/**
 * Flow for bulk, packet by packet for everything else. Behind an IOMMU that translates it is always packets: what walks and
 * translation caches take from flows that compete is known only packet by packet.
 *
 * @param choice      `auto`: as the lab says, and where that is `auto` too, by the rule above
 * @param blockBytes  every size that data has
 */
export function engineFor(lab: LabFile, choice: EngineChoice, blockBytes: readonly number[]): EngineName {
  const named = choice === 'auto' ? lab.time.engine : choice;
  if (named !== 'auto') {
    return named;
  }
  const isBulk = blockBytes.every((bytes) => bytes >= BULK_BYTES);
  return isBulk && lab.iommu.mode !== 'translated' ? 'flow' : 'tlp';
}

/** Sizes of the requests of all streams, for `engineFor`. */
export function blockSizes(workload: LabWorkload): readonly number[] {
  return workload.streams.flatMap((stream) =>
    stream.kind === 'stage' ? [stream.chunkBytes] : stream.blocks.map(({ sizeBytes }) => sizeBytes),
  );
}
