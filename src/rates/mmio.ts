/** The processor's own stores and loads to a BAR. */
import { readGoodputGBs, writeGoodputGBs } from './goodput.ts';
import { type LatencyModel, readRoundTripNs } from './latency.ts';
import type { LinkSpeed } from './link-rate.ts';
import type { CpuTiming } from './platform-timing.ts';

/** Bytes that a write-combining buffer sends at once. */
export const WRITE_COMBINE_BYTES = 64;

/**
 * One core storing to write-combined memory over `links`, in GB/s: what the core sends, or the narrowest link.
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function mmioStoreGoodputGBs(links: readonly LinkSpeed[], cpu: CpuTiming): number {
  let least = cpu.mmioStoreGBs;
  for (const link of links) {
    least = Math.min(least, writeGoodputGBs(link, WRITE_COMBINE_BYTES));
  }
  return least;
}

/**
 * From the load leaving the core to its data.
 * @param memoryNs  of what answers: barMemoryNs, or cacheNs of another host behind a bridge
 * @param mmioNs    what the core adds, each way
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function mmioRoundTripNs(
  links: readonly LinkSpeed[],
  loadBytes: number,
  memoryNs: number,
  mmioNs: number,
  model?: LatencyModel,
): number {
  return 2 * mmioNs + readRoundTripNs(links, loadBytes, loadBytes, memoryNs, model);
}

/** One core loading, a few loads in flight, in GB/s. @throws {InputError} INPUT_LINK_SPEED */
export function mmioLoadGoodputGBs(links: readonly LinkSpeed[], cpu: CpuTiming, roundTripNs: number): number {
  let least = (cpu.mmioLoadsInFlight * cpu.mmioLoadBytes) / roundTripNs;
  for (const link of links) {
    least = Math.min(least, readGoodputGBs(link, cpu.mmioLoadBytes));
  }
  return least;
}
