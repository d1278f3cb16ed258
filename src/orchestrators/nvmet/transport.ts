/**
 * The waist between the target and its transports: a transport brings capsules and moves data, the target decides what a
 * capsule means and where the data come from.
 *
 * A transport makes a `TransportQueue` for each connection and gives it to `Target.openQueue`, before any capsule. What it
 * gets back, the `QueueHandle`, takes the capsules. From then on:
 *
 * 1. `handle.command(capsule, inCapsule)` for each command capsule. The bytes are read before it returns; a `Span` of
 *    in-capsule data stays in use until `respond` for that command.
 * 2. The target calls `fetch` (host to controller) or `send` (controller to host) at most once for a command. The transport
 *    moves the bytes and answers DONE or a failure at once, or PENDING and later `handle.onData(request, status)`, once and never
 *    before `fetch` or `send` has returned. DONE means that the transport does not look at the span any more.
 * 3. The target calls `respond(request)` exactly once for every command; `request.cqe` is the completion. When the transport has
 *    no more use for the request it calls `handle.release(request)`, possibly before `respond` returns.
 * 4. `close(reason)` asks the transport to end the connection. Whoever began it, the transport calls `handle.closed()` once
 *    when the connection is gone. After that it neither touches spans nor calls anything of the handle, and the target
 *    calls nothing of the transport; what was outstanding is not answered.
 *
 * Calls nest: `command` may call `respond` before it returns, and `respond` may be called from within `onData`. A transport that must
 * not be re-entered queues. No call allocates in the steady state.
 *
 * Follows NVM Express over Fabrics as merged into NVM Express Base 2.1, sections 3.3.2 (message-based transports) and 4.6.
 */
import type { Span, Status } from '../../access/index.ts';
import type { Bdf } from '../../base/index.ts';
import type { PortConfig } from './config/model.ts';
import type { TargetRequest } from './request.ts';

export type TransportName = 'tcp' | 'rdma' | 'loop';

/** Why a connection ends. `host`: the host went away or asked for it. */
export type CloseReason =
  | 'host'
  | 'disconnect-command'
  | 'keep-alive-expired'
  | 'controller-removed'
  | 'access-revoked'
  | 'protocol-error'
  | 'queue-overflow'
  | 'authentication-failed'
  | 'shutdown';

/** One queue of a host: one connection. Made by the transport when the connection is there, before Connect. */
export interface TransportQueue {
  readonly transport: TransportName;
  /** The port that was connected to: one of the target's. */
  readonly port: PortConfig;
  /** For people: `192.0.2.7:49152`. */
  readonly hostAddress: string;
  /** The function that does the DMA to peer memory; null: this transport has none, and p2pmem is not used (EC-168). */
  readonly peerClient: Bdf | null;
  /**
   * Largest data in a command capsule of an I/O queue, bytes; a multiple of 16. Admin queues take at least 8,192, for
   * TCP and loop; what the transport takes for them is its `adminInCapsuleBytesMax`.
   */
  readonly inCapsuleBytesMax: number;
  readonly adminInCapsuleBytesMax: number;
  /** The connection is encrypted and its host proven, as TREQ "required" wants. */
  readonly isSecure: boolean;

  /**
   * Brings `lengthBytes` of the command's data from the host into `span` from `spanOffsetBytes` on. The descriptor is in
   * `request.sgl*`; the target has checked it.
   */
  fetch(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status;
  /**
   * Brings bytes of `span` to the host. When `request.isCompletionReady`, the completion in `request.cqe` is final already and
   * is a success without result: the transport may send both in one go (C2HData with SUCCESS) and need not send it
   * again at `respond`.
   */
  send(request: TargetRequest, span: Span, spanOffsetBytes: number, lengthBytes: number): Status;
  /** The completion of 16 bytes in `request.cqe` goes to the host. */
  respond(request: TargetRequest): void;
  /** Idempotent. Responses that were given to `respond` before should still leave. */
  close(reason: CloseReason): void;
}

/** What the transport holds of a queue. None of it throws, whatever the bytes are. */
export interface QueueHandle {
  /**
   * A command capsule.
   * @param capsule    64 bytes, read before this returns
   * @param inCapsule  data that came in the capsule; null: none. A Uint8Array is copied before this returns, a Span (host
   *                   memory of the transport) is used in place and the transport's again at `respond`
   * @param isDamaged  the data of the capsule are not what was sent (a data digest): ends with Transient Transport Error
   */
  command(capsule: Uint8Array, inCapsule: Uint8Array | Span | null, isDamaged?: boolean): void;
  /** The end of a `fetch` or `send` that was PENDING. IO: the data were damaged on the way, which the host may try again. */
  onData(request: TargetRequest, status: Status): void;
  /** The transport has no more use for the request, after `respond`. */
  release(request: TargetRequest): void;
  /** The connection is gone. Once. */
  closed(): void;
  /** Commands the host may have outstanding: the entries of its queue, at least 4, and 4 before Connect. */
  readonly depth: number;
  /** Bytes of the largest data transfer of one command. */
  readonly maxTransferBytes: number;
  /** From Connect on: for logs and counters. */
  readonly queueId: number | null;
  readonly controllerId: number | null;
  readonly hostNqn: string | null;
  readonly subsystemNqn: string | null;
}

/** What is known of a host when its Connect has been accepted. */
export interface AuthenticationFacts {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  readonly controllerId: number;
  readonly queueId: number;
  readonly transport: TransportName;
  readonly isSecure: boolean;
}

/**
 * In-band authentication of one queue. The target takes the commands apart and moves the bytes; the exchange sees
 * messages only. A packed status other than success refuses the command (and does not by itself end the exchange).
 */
export interface AuthenticationExchange {
  /** A message of Authentication Send. @returns a packed NVMe status */
  send(message: Uint8Array): number;
  /**
   * The next message for Authentication Receive; at most `lengthBytesMax` are given to the host.
   * @returns the message, or a packed NVMe status when there is none
   */
  receive(lengthBytesMax: number): Uint8Array | number;
  /** `passed` opens the queue; `failed` closes the connection once the command that made it so is answered. */
  readonly state: 'running' | 'passed' | 'failed';
}

/** Who must prove itself, and how. Given to the target by who joins it with a transport. */
export interface Authenticator {
  /** Called once for each queue at Connect, and again when the host starts over; null: this queue needs none. */
  begin(facts: AuthenticationFacts): AuthenticationExchange | null;
}
