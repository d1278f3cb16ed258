/** What a caller may choose when a controller is brought up, and what stands where nothing is chosen. */
import { type DmaMapping, type PciFunction, PS_PER_S, PS_PER_US, type Span } from '../../access/index.ts';

/**
 * Maps a whole span of peer memory for a requester, as `p2pdma` does it. Segments are in the order of the span.
 * @throws a `PeerlaneError`; the request ends as UNREACHABLE with its code
 */
export type SpanMapper = (span: Span, client: PciFunction) => DmaMapping;

export interface NvmeOptions {
  /** For messages; default the address of the function. */
  readonly label?: string;
  /** Pairs of I/O queues to ask for; the controller may grant fewer. 0: admin commands only. Default 1. */
  readonly queueCount?: number;
  /** Commands under way on one I/O queue; less where the controller's queues are shorter. Default 255. */
  readonly queueDepth?: number;
  /** `interrupt` falls back to polling where the function has none. Default `interrupt`. */
  readonly completion?: 'interrupt' | 'poll';
  /** Between two looks, when polling. Default 5 us. */
  readonly pollPs?: number;
  /** Completions that share an interrupt, and how long the first waits for the others (units of 100 us). */
  readonly coalescing?: { readonly threshold: number; readonly time100us: number } | undefined;
  /** Weights as in feature 01h; weighted round robin is used where offered. Default round robin. */
  readonly arbitration?: 'round-robin' | 'weighted';
  /** Priority of each I/O queue (QUEUE_PRIORITY), with weighted arbitration; queues beyond the list have medium. */
  readonly queuePriorities?: readonly number[];
  /** `auto`: PRPs, and SGLs where PRPs cannot describe the memory. `sgl` where supported. Default `auto`. */
  readonly dataPointer?: 'prp' | 'sgl' | 'auto';
  /** Submission queues in the controller memory buffer where it allows them. Default false. */
  readonly queuesInCmb?: boolean;
  /** Switch on the controller memory buffer where there is one. Default true. */
  readonly cmb?: boolean;
  /** Switch on the persistent memory region where there is one. Default false. */
  readonly pmr?: boolean;
  /** Use Doorbell Buffer Config where offered, and where no queue lies in the CMB. Default false. */
  readonly shadowDoorbells?: boolean;
  /** Switch the volatile write cache on or off; undefined leaves it. */
  readonly volatileWriteCache?: boolean | undefined;
  /** Milliseconds since 1970 to tell the controller; undefined tells nothing. */
  readonly timestampMs?: number | undefined;
  /** Asynchronous event requests to keep outstanding. Default 1. */
  readonly eventRequests?: number;
  /** Age at which a command is aborted. Default 30 s. */
  readonly timeoutPs?: number;
  readonly adminTimeoutPs?: number;
  /** What the first timeout of a command leads to. Default `abort`, and a reset when that does not help. */
  readonly onTimeout?: 'abort' | 'reset';
  /** Send commands that may be repeated again after a reset; otherwise they fail with ABORTED. Default true. */
  readonly requeue?: boolean;
  /** Times that a command is sent again after a failure that may be retried. Default 3. */
  readonly retriesMax?: number;
  /** Attempts to bring a controller back before it is given up. Default 3. */
  readonly resetsMax?: number;
  /** No command moves more, MDTS apart. Default 4 MiB. */
  readonly commandBytesMax?: number;
  /** Memory page (CC.MPS) as a power of two; default the smallest the controller takes, at least 4 KiB. */
  readonly pageShift?: number | undefined;
  /** Peer memory; without one, spans of peers are UNREACHABLE. */
  readonly mapPeer?: SpanMapper | undefined;
}

export type ResolvedOptions = Required<NvmeOptions>;

export function resolveOptions(options: NvmeOptions, label: string): ResolvedOptions {
  return {
    label: options.label ?? label,
    queueCount: Math.max(0, Math.min(options.queueCount ?? 1, 0xfffe)),
    queueDepth: Math.max(1, Math.min(options.queueDepth ?? 255, 0xffff)),
    completion: options.completion ?? 'interrupt',
    pollPs: options.pollPs ?? 5 * PS_PER_US,
    coalescing: options.coalescing,
    arbitration: options.arbitration ?? 'round-robin',
    queuePriorities: options.queuePriorities ?? [],
    dataPointer: options.dataPointer ?? 'auto',
    queuesInCmb: options.queuesInCmb ?? false,
    cmb: options.cmb ?? true,
    pmr: options.pmr ?? false,
    shadowDoorbells: options.shadowDoorbells ?? false,
    volatileWriteCache: options.volatileWriteCache,
    timestampMs: options.timestampMs,
    eventRequests: options.eventRequests ?? 1,
    timeoutPs: options.timeoutPs ?? 30 * PS_PER_S,
    adminTimeoutPs: options.adminTimeoutPs ?? 60 * PS_PER_S,
    onTimeout: options.onTimeout ?? 'abort',
    requeue: options.requeue ?? true,
    retriesMax: options.retriesMax ?? 3,
    resetsMax: Math.max(1, options.resetsMax ?? 3),
    commandBytesMax: options.commandBytesMax ?? 4 * 1024 * 1024,
    pageShift: options.pageShift,
    mapPeer: options.mapPeer,
  };
}
