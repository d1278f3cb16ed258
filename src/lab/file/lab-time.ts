/**
 * What a lab file says of time: of the machine as a whole (`time:`), of ports and switches, of devices and of the media of drives
 * (`timing:`, `media:`). Plain values; nothing is looked up here. `null` is always "by the platform or preset": the machine asks
 * `rates` for those when it is built.
 *
 * Times are whole picoseconds, rates GB/s (10^9 bytes a second, bytes a nanosecond), sizes bytes.
 */
import type { DllpModel } from '../../rates/index.ts';

export const TIME_ENGINES = ['auto', 'tlp', 'flow'] as const;
export type LabTimeEngine = (typeof TIME_ENGINES)[number];

export const FORWARDINGS = ['cut-through', 'store-and-forward'] as const;
export type LabForwarding = (typeof FORWARDINGS)[number];

export const ARBITRATIONS = ['round-robin', 'weighted'] as const;
export type LabArbitration = (typeof ARBITRATIONS)[number];

/** Bytes that eight bytes a transfer carry, so `ddr4-3200` has 25.6 GB/s a channel. */
export const MEMORY_TYPES = [
  ...['ddr3-1066', 'ddr3-1333', 'ddr3-1600', 'ddr3-1866'],
  ...['ddr4-1866', 'ddr4-2133', 'ddr4-2400', 'ddr4-2666', 'ddr4-2933', 'ddr4-3200'],
  ...['ddr5-4000', 'ddr5-4400', 'ddr5-4800', 'ddr5-5200', 'ddr5-5600', 'ddr5-6000', 'ddr5-6400'],
  ...['ddr5-7200', 'ddr5-8000', 'ddr5-8800'],
] as const;
export type LabMemoryType = (typeof MEMORY_TYPES)[number];

/** `time:`; a lab without it has `LAB_TIME_DEFAULT`. */
export interface LabTime {
  /** A name of `PLATFORM_NAMES` of `rates`, or `auto`: from the lab's `cpu`. */
  readonly platform: string;
  /** `auto`: flow for bulk, TLP otherwise. */
  readonly engine: LabTimeEngine;
  /** Of switches that do not say. */
  readonly forwarding: LabForwarding;
  /** `weighted`: by `LabPortTiming.weight`. */
  readonly arbitration: LabArbitration;
  readonly dllp: DllpModel | null;
  readonly memory: LabMemoryTiming;
  /** Of every link end that does not say. */
  readonly credits: LabCredits;
  /** Bit error rate of every link that does not say. */
  readonly errorRate: number;
  readonly latency: LabLatency;
  readonly iommu: LabIommuTiming;
  /** Link between two sockets, each direction. */
  readonly socketGBs: number | null;
}

/** Memory of each socket: channels of a type, or its peak bandwidth; never both. */
export interface LabMemoryTiming {
  readonly channels: number | null;
  readonly type: LabMemoryType | null;
  /** Peak of one channel, from `type`. */
  readonly channelGBs: number | null;
  /** Peak of all channels of a socket. */
  readonly bandwidthGBs: number | null;
  /** Device writes stay in the cache while what is staged fits; 0: never. */
  readonly ddioBytes: number | null;
}

/**
 * Receive buffers of one end of a link: headers in packets, data in units of 16 bytes. Infinity: never an obstacle. Null: enough for
 * twice the loop of the link. PCIe Base 6.0, 2.6.1.
 */
export interface LabCredits {
  readonly postedHeaders: number | null;
  readonly postedData: number | null;
  readonly nonPostedHeaders: number | null;
  readonly nonPostedData: number | null;
  readonly completionHeaders: number | null;
  readonly completionData: number | null;
}

export interface LabLatency {
  /** Endpoint or root core to its pins, either way. */
  readonly pinPs: number | null;
  /** Flight time of one link. */
  readonly linkPs: number | null;
  /** Switch, pin to pin. */
  readonly switchPs: number | null;
  /** Root complex to the last level cache. */
  readonly cachePs: number | null;
  /** On top of the cache: DRAM. */
  readonly memoryPs: number | null;
  /** On top: memory of another socket. */
  readonly remotePs: number | null;
  /** Memory behind a BAR. */
  readonly barPs: number | null;
  /** Root complex, between two of its root ports. */
  readonly turnPs: number | null;
  /** The processor's own loads and stores, on top, each way. */
  readonly mmioPs: number | null;
}

export interface LabIommuTiming {
  /** Of the IOTLB, one page each. */
  readonly entries: number | null;
  /** A hit. */
  readonly hitPs: number | null;
  readonly walkPs: number | null;
  /** Walks at once, of reads and of writes. */
  readonly walkers: number | null;
  /** A page request (PRI) that software serves. */
  readonly pageRequestPs: number | null;
}

/**
 * `timing:` of a root port, a downstream port or a switch. Null in a downstream port: as its switch; null in a switch or root port:
 * as `LabTime`. A switch's credits are those of its upstream port.
 */
export interface LabPortTiming {
  /** Pin to pin, of packets that come in here. */
  readonly latencyPs: number | null;
  readonly forwarding: LabForwarding | null;
  /** Receive buffers of this end of the link below (of a switch: above). */
  readonly credits: LabCredits | null;
  /** Of packets that come in here, where arbitration is weighted. Null: 1. */
  readonly weight: number | null;
  /** Bit error rate of the link below (of a switch: above), both directions. */
  readonly errorRate: number | null;
}

/** `timing:` of a device. Null: by the preset. */
export interface LabEndpointTiming {
  /** A name of `DEVICE_PRESET_NAMES` of `rates`; null: by kind. */
  readonly preset: string | null;
  /** Largest payload of packets that it makes, beside the Max_Payload_Size that is set. */
  readonly payloadBytes: number | null;
  /** Largest read request, beside the Max_Read_Request_Size that is set. */
  readonly readRequestBytes: number | null;
  /** Reads under way at once. */
  readonly tags: number | null;
  /** Packets a second that its engine makes. */
  readonly transactionsPerSecond: number | null;
  readonly writeGBs: number | null;
  readonly readGBs: number | null;
  /** Before each transfer. */
  readonly startPs: number | null;
  /** Share of the link's goodput that its engine reaches, above 0 and up to 1. */
  readonly readEfficiency: number | null;
  readonly writeEfficiency: number | null;
  /** Memory behind its BARs. */
  readonly memoryLatencyPs: number | null;
  /** It never sets Relaxed Ordering for data. */
  readonly isStrict: boolean | null;
  /** Receive buffers of its end of the link. */
  readonly credits: LabCredits | null;
}

/** `media:` of an NVMe drive. Null: by the preset. */
export interface LabMedia {
  /** A name of `MEDIA_PRESET_NAMES` of `rates`; null: by the generation of its link. */
  readonly preset: string | null;
  readonly readGBs: number | null;
  readonly writeGBs: number | null;
  readonly readIops: number | null;
  readonly writeIops: number | null;
  /** One command at depth 1, media alone. */
  readonly readLatencyPs: number | null;
  readonly writeLatencyPs: number | null;
  readonly channels: number | null;
  /** On each channel. */
  readonly dies: number | null;
  /** Write cache; 0: none. */
  readonly cacheBytes: number | null;
  /** What reads and writes at the same time cost each other: share of the throughput that is lost at half and half, 0 to below 1. */
  readonly mixedPenalty: number | null;
}

const NO_CREDITS: LabCredits = {
  postedHeaders: null,
  postedData: null,
  nonPostedHeaders: null,
  nonPostedData: null,
  completionHeaders: null,
  completionData: null,
};

/** `time:` of a lab that does not say. */
export const LAB_TIME_DEFAULT: LabTime = {
  platform: 'auto',
  engine: 'auto',
  forwarding: 'cut-through',
  arbitration: 'round-robin',
  dllp: null,
  memory: { channels: null, type: null, channelGBs: null, bandwidthGBs: null, ddioBytes: null },
  credits: NO_CREDITS,
  errorRate: 0,
  latency: {
    pinPs: null,
    linkPs: null,
    switchPs: null,
    cachePs: null,
    memoryPs: null,
    remotePs: null,
    barPs: null,
    turnPs: null,
    mmioPs: null,
  },
  iommu: { entries: null, hitPs: null, walkPs: null, walkers: null, pageRequestPs: null },
  socketGBs: null,
};
