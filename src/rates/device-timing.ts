/** What the DMA engine of a device does, and the media of a drive: the fields of a preset, and what follows from them. */

import type { StagingTiming } from './staging.ts';
import { completionOverheadBytes, requestOverheadBytes } from './tlp-size.ts';

/** `null` is always "no limit of its own". Times are nanoseconds, rates GB/s. */
export interface DeviceTiming {
  readonly name: string;
  /** Largest payload of the packets that it makes, beside the Max_Payload_Size that is set. */
  readonly payloadBytes: number | null;
  /** Largest read request, beside the Max_Read_Request_Size that is set. */
  readonly readRequestBytes: number | null;
  /** Reads under way at once. */
  readonly tags: number;
  /** Writes of 64 bytes that its engine makes in a second; see `engineOccupancy`. Reads are limited by tags. */
  readonly transactionsPerSecond: number | null;
  /** What makes bursts of its writes before they become packets; null: nothing that limits. */
  readonly writeBursts: BurstTiming | null;
  /** What takes the data of its reads, in bursts of one read request each. */
  readonly readBursts: BurstTiming | null;
  readonly writeGBs: number | null;
  readonly readGBs: number | null;
  /**
   * Share of what the link would carry that the engine reaches. A limit beside the link's, not on top of it: whoever of the
   * two is slower counts.
   */
  readonly writeEfficiency: number | null;
  readonly readEfficiency: number | null;
  /** Before the first packet of a transfer, while no tag is held. */
  readonly startNs: number;
  /** A transfer that it reads is complete when the engine has passed on all of it once more, at the rate of its reads. */
  readonly drainsReads: boolean;
  /** Memory behind its BARs. */
  readonly memoryLatencyNs: number;
  /** What others read of it, all together. */
  readonly memoryReadGBs: number | null;
  /** Its posted writes of data are never relaxed in order. */
  readonly isStrict: boolean;
  /** Entries of its translation cache, where it has ATS. */
  readonly atcEntries: number;
  /** Share of the rate that is left in each direction while it moves to and from host memory at once. 1: all. */
  readonly hostBothWaysShare: number;
  /** How its runtime stages through memory; null: nobody does. */
  readonly staging: StagingTiming | null;
  /** For people: what sets the constants. */
  readonly note: string;
  /** Calibration rows that set a constant of it. */
  readonly setBy: readonly string[];
}

/** An engine that moves data in bursts of its inner bus: each costs a time and a time a byte, each transfer one more. */
export interface BurstTiming {
  /** Infinity: a packet is a burst. */
  readonly burstBytes: number;
  readonly burstNs: number;
  readonly nsPerByte: number;
  /** Of a write; of reads each request packet is a transfer. */
  readonly transferNs: number;
}

/** The media and controller of a drive. Times are nanoseconds, rates GB/s, sizes bytes. */
export interface MediaTiming {
  readonly name: string;
  readonly readGBs: number;
  readonly writeGBs: number;
  /** Of the controller, at small requests. */
  readonly readIops: number;
  readonly writeIops: number;
  /** One read at depth 1 inside the drive: controller, sense and transfer of a page. */
  readonly readLatencyNs: number;
  /** One write at depth 1 inside the drive: into its cache where there is one. */
  readonly writeLatencyNs: number;
  /** A single command's own rate of data, where it cannot use the whole drive; null: it can. */
  readonly commandWriteGBs: number | null;
  readonly channels: number;
  /** On each channel. */
  readonly dies: number;
  /** Write cache; 0: none. */
  readonly cacheBytes: number;
  /** Share of the throughput that half reads, half writes lose. */
  readonly mixedPenalty: number;
  readonly note: string;
  readonly setBy: readonly string[];
}

/** The packet that `transactionsPerSecond` counts. */
const SMALL_PAYLOAD_BYTES = 64;

/** Time that one packet takes of an engine: `packetNs + wireBytes * nsPerWireByte`. */
export interface EngineOccupancy {
  readonly packetNs: number;
  readonly nsPerWireByte: number;
}

/**
 * An engine has a fixed cost a packet and a cost a byte, such that packets of 64 bytes go at `transactionsPerSecond` and full
 * ones at its share of the link (or at its own rate, if that is less). Where the full packet would be no slower than the
 * small one, packets alone count.
 *
 * @param timing  of writes or reads: the three limits that apply
 * @param netGBs  of its link; what `efficiency` is a share of
 * @param fullPayloadBytes  largest payload of its packets here
 * @param overheadBytes     of each of them
 * @returns null where the engine never limits
 */
export function engineOccupancy(
  timing: {
    readonly transactionsPerSecond: number | null;
    readonly gbs: number | null;
    readonly efficiency: number | null;
  },
  netGBs: number,
  fullPayloadBytes: number,
  overheadBytes: number,
): EngineOccupancy | null {
  const fullWireBytes = fullPayloadBytes + overheadBytes;
  const fullNs = Math.max(
    timing.efficiency === null ? 0 : fullWireBytes / (timing.efficiency * netGBs),
    timing.gbs === null ? 0 : fullPayloadBytes / timing.gbs,
  );
  const smallNs = timing.transactionsPerSecond === null ? 0 : 1e9 / timing.transactionsPerSecond;
  if (fullNs === 0 && smallNs === 0) {
    return null;
  }
  if (smallNs >= fullNs) {
    return { packetNs: smallNs, nsPerWireByte: 0 };
  }
  const smallWireBytes = SMALL_PAYLOAD_BYTES + overheadBytes;
  if (smallNs === 0 || fullPayloadBytes <= SMALL_PAYLOAD_BYTES) {
    return { packetNs: 0, nsPerWireByte: fullNs / fullWireBytes };
  }
  const nsPerWireByte = (fullNs - smallNs) / (fullWireBytes - smallWireBytes);
  const packetNs = smallNs - nsPerWireByte * smallWireBytes;
  // An engine that is faster at small packets than a pure cost by the byte: the fixed part cannot be negative.
  return packetNs >= 0
    ? { packetNs, nsPerWireByte }
    : { packetNs: 0, nsPerWireByte: Math.max(smallNs / smallWireBytes, fullNs / fullWireBytes) };
}

/** The write engine of a device on a link that carries `netGBs`. */
export function writeEngine(
  device: DeviceTiming,
  netGBs: number,
  payloadBytes: number,
  overheadBytes: number = requestOverheadBytes(),
): EngineOccupancy | null {
  const { transactionsPerSecond, writeGBs, writeEfficiency } = device;
  return engineOccupancy(
    { transactionsPerSecond, gbs: writeGBs, efficiency: writeEfficiency },
    netGBs,
    Math.min(payloadBytes, device.payloadBytes ?? payloadBytes),
    overheadBytes,
  );
}

/** The read engine of a device, which takes completions. */
export function readEngine(
  device: DeviceTiming,
  netGBs: number,
  chunkBytes: number,
  overheadBytes: number = completionOverheadBytes(),
): EngineOccupancy | null {
  return engineOccupancy(
    { transactionsPerSecond: null, gbs: device.readGBs, efficiency: device.readEfficiency },
    netGBs,
    chunkBytes,
    overheadBytes,
  );
}

/** GB/s of transfers that pass in bursts; Infinity where there are none. */
export function burstGoodputGBs(bursts: BurstTiming | null, transferBytes: number): number {
  if (bursts === null) {
    return Number.POSITIVE_INFINITY;
  }
  const { burstBytes, burstNs, nsPerByte, transferNs } = bursts;
  const padded = Math.ceil(transferBytes / 4) * 4;
  return transferBytes / (transferNs + Math.ceil(transferBytes / burstBytes) * burstNs + padded * nsPerByte);
}

/** GB/s of transfers that an engine cuts into full packets and a rest; Infinity for no engine. */
export function engineGoodputGBs(
  engine: EngineOccupancy | null,
  transferBytes: number,
  payloadBytes: number,
  overheadBytes: number,
): number {
  if (engine === null) {
    return Number.POSITIVE_INFINITY;
  }
  const packets = Math.ceil(transferBytes / payloadBytes);
  const wireBytes = Math.ceil(transferBytes / 4) * 4 + packets * overheadBytes;
  return transferBytes / (packets * engine.packetNs + wireBytes * engine.nsPerWireByte);
}

/**
 * A transfer that a device reads by its DMA engine: start, the round trip of its requests, and where the engine drains, all
 * bytes once more.
 * @param roundTripNs  as readRoundTripNs: all of the data in one request
 * @param engineGBs    rate of its reads
 */
export function dmaReadNs(
  device: DeviceTiming,
  transferBytes: number,
  roundTripNs: number,
  engineGBs: number,
): number {
  return device.startNs + roundTripNs + (device.drainsReads ? transferBytes / engineGBs : 0);
}
