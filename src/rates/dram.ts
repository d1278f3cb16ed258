/** Memory behind a root complex: what its channels carry, who loads it how much, and what load does to latency. */
import { InputError } from '../base/index.ts';
import type { MemoryTiming } from './platform-timing.ts';

/** GB/s of one channel (64 data bits), as JEDEC rounds them in the module names (PC4-19200 and so on). */
export const DRAM_CHANNEL_GBS: Readonly<Record<string, number>> = {
  'ddr3-1066': 8.5,
  'ddr3-1333': 10.6,
  'ddr3-1600': 12.8,
  'ddr3-1866': 14.9,
  'ddr4-1866': 14.9,
  'ddr4-2133': 17.0,
  'ddr4-2400': 19.2,
  'ddr4-2666': 21.3,
  'ddr4-2933': 23.4,
  'ddr4-3200': 25.6,
  'ddr5-4000': 32,
  'ddr5-4400': 35.2,
  'ddr5-4800': 38.4,
  'ddr5-5200': 41.6,
  'ddr5-5600': 44.8,
  'ddr5-6000': 48,
  'ddr5-6400': 51.2,
  'ddr5-7200': 57.6,
  'ddr5-8000': 64,
  'ddr5-8800': 70.4,
};

/** Bytes of memory traffic that one byte of payload costs whoever moves it. */
export const DRAM_COST = {
  deviceWrite: 1,
  deviceRead: 1,
  cpuRead: 1,
  /** An ordinary store fetches the line first and writes it back later. */
  cpuStore: 2,
  cpuNonTemporalStore: 1,
} as const;

/** A loaded memory answers at most so many times slower. */
export const LOADED_LATENCY_MAX = 5;

/**
 * GB/s of a channel of memory named `ddr4-2400`, in any case.
 * @throws {InputError} INPUT_MEMORY_TYPE
 */
export function dramChannelGBs(type: string): number {
  const key = type.toLowerCase();
  const rate = Object.hasOwn(DRAM_CHANNEL_GBS, key) ? DRAM_CHANNEL_GBS[key] : undefined;
  if (rate === undefined) {
    throw new InputError('INPUT_MEMORY_TYPE', {
      message: `${type} is not a type of memory that is known here`,
      hint: `known types: ${Object.keys(DRAM_CHANNEL_GBS).join(', ')}`,
      detail: { type },
    });
  }
  return rate;
}

/** Peak of `channels` channels in GB/s. @throws {InputError} INPUT_MEMORY_TYPE */
export function dramPeakGBs(type: string, channels: number): number {
  return dramChannelGBs(type) * channels;
}

/**
 * Share of the peak that a mix of reads and writes reaches: straight lines between reads only, two reads for a write, and
 * one for one; more writes than reads cost no more than that.
 * @param readShare  bytes read of all bytes, 0 to 1
 */
export function dramEfficiency(memory: MemoryTiming, readShare: number): number {
  const { readEfficiency, mixedEfficiency, writeEfficiency } = memory;
  if (readShare <= 0.5) {
    return writeEfficiency;
  }
  const twoToOne = 2 / 3;
  return readShare < twoToOne
    ? writeEfficiency + ((mixedEfficiency - writeEfficiency) * (readShare - 0.5)) / (twoToOne - 0.5)
    : mixedEfficiency +
        ((readEfficiency - mixedEfficiency) * (Math.min(1, readShare) - twoToOne)) / (1 - twoToOne);
}

/** What the memory of one socket delivers for such a mix, in GB/s. */
export function dramUsableGBs(memory: MemoryTiming, readShare: number): number {
  return memory.channelsPerSocket * memory.channelGBs * dramEfficiency(memory, readShare);
}

export interface StagedTraffic {
  /** Copies by the processor between the two transfers of devices. Default 0. */
  readonly cpuCopies?: number;
  /** Its stores go past the cache. Default false. */
  readonly isNonTemporal?: boolean;
  /** What is staged fits into the cache ways that devices write to: the first write and the read after it are saved. */
  readonly isAbsorbed?: boolean;
}

/**
 * Memory traffic of a stream of `payloadGBs` from device to device, in GB/s. Straight from peer to peer it is none, whatever
 * else is said.
 */
export function dramLoadGBs(
  payloadGBs: number,
  route: 'peer' | 'staged',
  traffic: StagedTraffic = {},
): number {
  return route === 'peer' ? 0 : payloadGBs * stagedDramCost(traffic);
}

/** Memory traffic of one payload byte that goes device, memory, device. */
export function stagedDramCost(traffic: StagedTraffic = {}): number {
  const store = traffic.isNonTemporal === true ? DRAM_COST.cpuNonTemporalStore : DRAM_COST.cpuStore;
  const copies = (traffic.cpuCopies ?? 0) * (DRAM_COST.cpuRead + store);
  const devices = traffic.isAbsorbed === true ? 0 : DRAM_COST.deviceWrite + DRAM_COST.deviceRead;
  return devices + copies;
}

/** True when a working set of device writes stays in the cache until it is read again. */
export function isAbsorbedByCache(memory: MemoryTiming, workingSetBytes: number): boolean {
  return workingSetBytes <= memory.ddioBytes;
}

/**
 * Latency of memory that is busy.
 * @param utilisation  share of what it can deliver, 0 to 1
 */
export function loadedLatencyNs(idleNs: number, utilisation: number): number {
  const left = 1 - Math.max(0, utilisation);
  return left * LOADED_LATENCY_MAX <= 1 ? idleNs * LOADED_LATENCY_MAX : idleNs / left;
}
