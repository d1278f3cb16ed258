/**
 * What a lab file runs: `workload:` with every default filled in and every name looked up, so that nothing in it can be missing.
 *
 * Times are whole picoseconds from the start of the run, warm-up included; rates GB/s (10^9 bytes a second); sizes bytes.
 */

export interface LabWorkload {
  /** What is measured, after the warm-up. Null: until every stream has ended, and all of them end by themselves. */
  readonly durationPs: number | null;
  /** Runs before it and is not measured. */
  readonly warmUpPs: number;
  /** What the processor does to memory meanwhile; at most one entry a node. */
  readonly memoryLoads: readonly LabMemoryLoad[];
  /** At least one; names differ from each other and from all devices. */
  readonly streams: readonly LabStream[];
}

/** Cores that load and store memory without end. */
export interface LabMemoryLoad {
  readonly node: number;
  readonly readGBs: number;
  readonly writeGBs: number;
  /** Cores that do it; null: as many as the rates need. */
  readonly cores: number | null;
}

/** Where data is or goes. */
export type LabPlace =
  /** System memory; node null: that of the device. */
  | { readonly kind: 'host'; readonly node: number | null }
  /** Controller memory buffer of a drive or accelerator. */
  | { readonly kind: 'cmb'; readonly name: string }
  /** Memory BAR of a function (virtual ones included): the one it publishes, or its largest. */
  | { readonly kind: 'bar'; readonly name: string; readonly bar: number };

/** One of the sizes that requests have; shares are relative to each other. */
export interface LabBlockSize {
  readonly sizeBytes: number;
  readonly share: number;
}

/** On and off in turn, on first. */
export interface LabDuty {
  readonly onPs: number;
  readonly offPs: number;
}

export const STREAM_PATTERNS = ['random', 'sequential'] as const;
export type LabPattern = (typeof STREAM_PATTERNS)[number];

/** What a request costs the processor: a system call and an interrupt, a program that polls, a file system that lets a drive write to a GPU, nothing. */
export const STREAM_CPU = ['kernel', 'polled', 'gpu-direct', 'none'] as const;
export type LabStreamCpu = (typeof STREAM_CPU)[number];

interface LabStreamBase {
  readonly name: string;
  readonly startPs: number;
  /** Null: the end of the run. Above `startPs`. */
  readonly stopPs: number | null;
  /** Bytes of all jobs together; null: as fast as it goes. */
  readonly rateGBs: number | null;
  readonly duty: LabDuty | null;
  /** Ends after so many requests, or so many bytes, of all jobs together; null: goes on. At most one is given. */
  readonly count: number | null;
  readonly sizeBytes: number | null;
  /** Alike at the same time. */
  readonly jobs: number;
}

interface LabRequests {
  /** At least one. */
  readonly blocks: readonly LabBlockSize[];
  readonly pattern: LabPattern;
  /** Requests in flight, of each job. */
  readonly depth: number;
  /** Bytes that are used, from the start of what is used; at least the largest block. */
  readonly areaBytes: number;
}

/** `read`, `write`: a drive's driver. */
export interface LabBlockStream extends LabStreamBase, LabRequests {
  readonly kind: 'read' | 'write';
  /** NVMe controller (its namespace 1) or iopmem disk. */
  readonly device: string;
  /** Buffers: where data read goes, where data written comes from. */
  readonly memory: LabPlace;
  /** A function that fetches or brings the data by DMA of its own, from and to buffers in system memory. Never in a file. */
  readonly fetchedBy?: string;
  readonly cpu: LabStreamCpu;
  /** Copies that the thread makes of each request's data. */
  readonly cpuCopies: number;
}

/** Reads and writes of one drive, by chance. */
export interface LabMixStream extends LabStreamBase, LabRequests {
  readonly kind: 'mix';
  readonly device: string;
  readonly memory: LabPlace;
  /** Of 100 requests; 0 to 100. */
  readonly readPercent: number;
  /** As of `LabBlockStream`. Never in a file. */
  readonly fetchedBy?: string;
  readonly cpu: LabStreamCpu;
  readonly cpuCopies: number;
}

/** One drive to another, through memory that both reach. */
export interface LabCopyStream extends LabStreamBase, LabRequests {
  readonly kind: 'copy';
  /** NVMe controller or iopmem disk. */
  readonly device: string;
  /** Another one. */
  readonly target: string;
  /** `auto`: by the verdict, as `peerlane copy` chooses. */
  readonly via: LabPlace | 'auto';
  readonly cpu: LabStreamCpu;
}

/** The function makes the requests itself; no driver takes part. */
export interface LabDmaStream extends LabStreamBase, LabRequests {
  readonly kind: 'dma-write' | 'dma-read';
  /** Any function that is no bridge, virtual ones included. */
  readonly device: string;
  /** Where writes go, where reads come from. */
  readonly memory: LabPlace;
  /** Of 100 requests so many write, in even turns: 100 of `dma-write`. */
  readonly writePercent: number;
}

/** From one device to another with a stop in system memory: one writes chunks there, the other reads them. */
export interface LabStageStream extends LabStreamBase {
  readonly kind: 'stage';
  readonly device: string;
  /** Another function, which reads. */
  readonly target: string;
  /** System memory. */
  readonly via: Extract<LabPlace, { readonly kind: 'host' }>;
  readonly chunkBytes: number;
  /** Software between the two steps of a chunk; null: by platform. */
  readonly syncPs: number | null;
  /** The next chunk is written while the last one is read. */
  readonly overlaps: boolean;
  /** Copies that the processor makes of each chunk on the way. */
  readonly cpuCopies: number;
}

/** Stores and loads of the processor, one core a job. */
export interface LabMmioStream extends LabStreamBase {
  readonly kind: 'mmio-write' | 'mmio-read';
  readonly socket: number;
  readonly memory: Exclude<LabPlace, { readonly kind: 'host' }>;
  /** What one request of `count` is. */
  readonly blocks: readonly LabBlockSize[];
  readonly areaBytes: number;
}

export type LabStream =
  | LabBlockStream
  | LabMixStream
  | LabCopyStream
  | LabDmaStream
  | LabStageStream
  | LabMmioStream;
export type LabStreamKind = LabStream['kind'];
