/**
 * The second waist: something that holds blocks, and memory that it can do DMA to. Orchestrators see only this; it is
 * implemented by `linux` with O_DIRECT, and by our own NVMe driver on a simulated or a real function.
 */
import type { Bdf } from '../base/index.ts';

/** A request was completed before the call returned. */
export const DONE = 0;
/** A request was accepted; `onDone` will be called with its token. */
export const PENDING = 1;

/**
 * What became of a request: DONE, PENDING, or one of the failures below (negative, so that a batch can be checked
 * with one comparison).
 */
export type Status = number;

/** Failures every target knows. A target's own status is kept in its `failure()`. */
export const STATUS = {
  /** The target cannot reach the memory: EREMOTEIO or EINVAL of the kernel, or a mapping refused. */
  UNREACHABLE: -1,
  /** The device is gone. */
  GONE: -2,
  /** A media or transfer error. */
  IO: -3,
  /** Out of range, misaligned, or larger than the target takes. */
  INVALID: -4,
  /** Given up because the target was closed. */
  ABORTED: -5,
  /** No room. */
  FULL: -6,
} as const;

export type StatusName =
  | 'done'
  | 'pending'
  | 'unreachable'
  | 'gone'
  | 'io'
  | 'invalid'
  | 'aborted'
  | 'full'
  | 'unknown';

/** A status by name, for people and programs outside. */
export function statusName(status: Status): StatusName {
  switch (status) {
    case DONE:
      return 'done';
    case PENDING:
      return 'pending';
    case STATUS.UNREACHABLE:
      return 'unreachable';
    case STATUS.GONE:
      return 'gone';
    case STATUS.IO:
      return 'io';
    case STATUS.INVALID:
      return 'invalid';
    case STATUS.ABORTED:
      return 'aborted';
    case STATUS.FULL:
      return 'full';
    default:
      return 'unknown';
  }
}

/** DMA-able memory of one owner, host or peer. A pointer is never handed out; targets know how to use their own kind. */
export interface Span {
  readonly kind: 'host' | 'peer';
  readonly lengthBytes: number;
  /** The function whose memory it is; null for host memory. */
  readonly provider: Bdf | null;
  /** Host memory may be looked at, peer memory never: verification does not go through the window. */
  readonly isReadable: boolean;
  /**
   * Copies `into.length` bytes from `offsetBytes` on out of the memory.
   * @throws {AssertionFailure} when it is not readable, closed, or the range lies outside: a mistake of the program
   */
  copyOut(offsetBytes: number, into: Uint8Array): void;
  /** Copies bytes into the memory. As `copyOut`, host memory only. */
  copyIn(offsetBytes: number, from: Uint8Array): void;
  /** Sets every byte, so that a transfer that never arrives cannot look like one that did. As `copyOut`, host memory only. */
  fill(value: number): void;
  /** Gives the memory back. Idempotent. Refused with a typed error while requests use it; they must be finished first. */
  close(): void;
}

/** What a target said of its last failed request, beyond the status. */
export interface Failure {
  readonly status: Status;
  /** `EREMOTEIO`, or an NVMe status as `sct/sc`. */
  readonly code: string;
  readonly message: string;
}

export interface BlockTarget {
  /** What the person named: `/dev/nvme0n1`. */
  readonly label: string;
  /** The functions that do the DMA for it; empty when not known or none (a file in memory). */
  readonly requesters: readonly Bdf[];
  readonly sizeBytes: number;
  /** Requests start and end at multiples of this. */
  readonly blockBytes: number;
  readonly maxTransferBytes: number;
  /** Requests it takes at once; one more gets FULL. */
  readonly depthMax: number;
  readonly isReadOnly: boolean;

  /**
   * Reads `lengthBytes` at `offsetBytes` into `span` from `spanOffsetBytes` on.
   * @returns DONE, PENDING, or a failure. A short transfer is a failure (`IO`), with what was moved in `failure()`.
   */
  read(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status;
  write(offsetBytes: number, span: Span, spanOffsetBytes: number, lengthBytes: number, token: number): Status;
  /** Makes what was written durable. */
  flush(token: number): Status;

  /**
   * Called once for every request that returned PENDING, and never before that call has returned. Set by the
   * orchestrator before the first request.
   */
  onDone: (token: number, status: Status) => void;

  /** The story of the last failure with this token; undefined when it did not fail. */
  failure(token: number): Failure | undefined;
  /** Idempotent. Requests in flight end with ABORTED or their real status before it resolves. */
  close(): Promise<void>;
}
