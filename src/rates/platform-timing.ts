/**
 * The constants of a platform: what its root complex, IOMMU, sockets and memory cost. A preset fills all of them
 * (`platforms.ts`); each constant has its source in docs/timing.md. Times are nanoseconds, rates GB/s (bytes per nanosecond).
 */
import type { DllpModel } from './dllp.ts';
import type { LatencyModel } from './latency.ts';

export interface PlatformTiming {
  readonly name: string;
  /** `calibrated`: rows of measurements set or confirm it; `derived`: by the rules of docs/timing.md; `assumed`: neither. */
  readonly basis: 'calibrated' | 'derived' | 'assumed';
  /** Calibration rows that set a constant of it, such as `C13`. */
  readonly setBy: readonly string[];
  /** For people: which machines, and where the constants come from. */
  readonly note: string;
  readonly latency: LatencyModel;
  /** Root complex, between two of its root ports. */
  readonly turnNs: number;
  /** What the processor's own loads and stores cost on top, each way. */
  readonly mmioNs: number;
  readonly dllpModel: DllpModel;
  readonly completion: CompletionTiming;
  /**
   * Share of a root port's rate that is left in each direction while devices below it write to host memory and read from it at
   * once. 1: all.
   */
  readonly hostBothWaysShare: number;
  readonly peers: PeerTiming;
  readonly iommu: IommuTiming;
  readonly memory: MemoryTiming;
  readonly socket: SocketTiming;
  readonly cpu: CpuTiming;
}

/**
 * How host memory answers reads: completions of at most the largest payload that is set, or, for small requests, of a read
 * completion boundary each.
 */
export interface CompletionTiming {
  /** Requests of up to so many bytes are answered in pieces of `smallChunkBytes`; 0: none. */
  readonly smallRequestBytes: number;
  readonly smallChunkBytes: number;
}

/** Requests from one root port to another. */
export interface PeerTiming {
  /** Largest payload that leaves again, of writes and completions; 64 where packets are cut; Infinity: as they came. */
  readonly splitBytes: number;
  /** Share of the narrowest link's goodput that passes. 1: all. 0: refused, the requester sees an unsupported request. */
  readonly writeShare: number;
  readonly readShare: number;
  /** All such traffic of one root complex together; Infinity: no limit of its own. */
  readonly writeGBs: number;
  readonly readGBs: number;
  /** Reads that are forwarded at a time; Infinity: no limit. */
  readonly readsInFlight: number;
  /** Instead of the two shares above towards another socket, beside the socket link's own limit. 0: refused. */
  readonly otherSocketShare: number;
  /** Whether strictly ordered posted writes are pipelined. Where not, each waits until the one before it is seen. */
  readonly pipelinedPosted: boolean;
}

export interface IommuTiming {
  /** Entries of the IOTLB, one page each whatever its size. */
  readonly entries: number;
  readonly walkNs: number;
  readonly hitNs: number;
  /** Walks at once. */
  readonly readWalkers: number;
  readonly writeWalkers: number;
  /** Walks below one table, which maps so many bytes, wait for each other; 0: they never do. */
  readonly serialTableBytes: number;
  /** Page request (PRI) served by software. */
  readonly pageRequestNs: number;
}

export interface MemoryTiming {
  /** `ddr4-2400`. */
  readonly type: string;
  /** Of a socket; a node of a socket that is split (NPS, SNC) has its part of them. */
  readonly channelsPerSocket: number;
  readonly channelGBs: number;
  /** Share of the peak that is reached: reads only, two reads for a write, one for one. */
  readonly readEfficiency: number;
  readonly mixedEfficiency: number;
  readonly writeEfficiency: number;
  /** Device writes stay in the cache while what is staged fits into these bytes; 0: never. */
  readonly ddioBytes: number;
  /** Weight of a processor core that stores, beside one stream of a device. */
  readonly cpuWriteWeight: number;
}

export interface SocketTiming {
  /** All links between two sockets, each direction: what devices and processors move to remote memory. */
  readonly linkGBs: number;
  /** Requests of devices to devices of another socket, each direction; at most `linkGBs`. */
  readonly peerGBs: number;
}

export interface CpuTiming {
  /** Submission and completion of one request in the kernel, and in a program that polls. */
  readonly kernelRequestNs: number;
  readonly polledRequestNs: number;
  /** The same of a request that moves data straight to a GPU through a file system (GPUDirect Storage). */
  readonly gpuDirectRequestNs: number;
  /** What the runtime of a GPU takes between two chunks that it stages through memory. */
  readonly stagingSyncNs: number;
  /** One core copying. */
  readonly copyGBs: number;
  /** One core storing to a BAR with write combining. */
  readonly mmioStoreGBs: number;
  /** Bytes of a load from a BAR (write-combined mappings). */
  readonly mmioLoadBytes: number;
  /** Such loads of one core at once. */
  readonly mmioLoadsInFlight: number;
  /** Interrupt until the handler runs. */
  readonly interruptNs: number;
}
