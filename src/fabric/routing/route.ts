/**
 * What routing finds out about a request: where it ends, what it travels over, how far the answer may be used again.
 *
 * A route is made once for a region of addresses and then carries every request of its requester there. It counts them
 * itself, so that a request costs a few additions however many links it crosses.
 */

import type { Memory } from '../memory/memory.ts';
import { DMA_STATUS } from '../model.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { LinkDirection } from '../tree/link.ts';
import type { AddressType } from './acs.ts';
import { isExactAddress } from './region.ts';

/** Why a request did not reach a completer, or was refused by it. */
export type FailureCode =
  /** Nothing decodes the address, or a bridge does not pass requests on. */
  | 'unsupported'
  /** The same on a conventional bus. */
  | 'master-abort'
  | 'acs-violation'
  /** The egress link has nobody at its other end. */
  | 'link-down'
  /** A packet is larger than a receiver on the way takes. */
  | 'malformed'
  | 'iommu-fault'
  /** The root complex does not pass this between devices. */
  | 'policy'
  /** Injected: the completer's data is bad, it gives up, it says nothing. */
  | 'poisoned'
  | 'completer-abort'
  | 'timeout'
  /** The requester's own doing: it may not send, or its link is gone. */
  | 'disabled'
  | 'gone'
  /** A completion did not find the way back. */
  | 'completion-lost';

export interface Failure {
  readonly code: FailureCode;
  /** Who detected it; null for the root complex itself. */
  readonly at: FabricFunction | null;
  /** On which side of a bridge. */
  readonly side: 'primary' | 'secondary';
}

export const ROUTE_KIND = {
  MEMORY: 0,
  REGISTERS: 1,
  /** A part of a BAR with nothing in it: reads as zero. */
  EMPTY: 2,
  /** To the interrupt controller. */
  INTERRUPT: 3,
  FAILED: 4,
  /** Beyond the fabric: whoever is there answers later. */
  REMOTE: 5,
} as const;
export type RouteKind = (typeof ROUTE_KIND)[keyof typeof ROUTE_KIND];

/** Takes loads and stores of a part of a BAR; offsets are from the start of the BAR. A device model is one. */
export interface RegisterHandler {
  readRegister(bar: number, offsetBytes: number, lengthBytes: number): number;
  writeRegister(bar: number, offsetBytes: number, lengthBytes: number, value: number): void;
}

/** Where a request ends, or why it does not. */
export interface Outcome {
  readonly kind: RouteKind;
  /** Null for DRAM and the interrupt controller. */
  readonly completer: FabricFunction | null;
  readonly memory: Memory | null;
  readonly handler: RegisterHandler | null;
  readonly bar: number;
  /** Of the address asked for, in `memory` or in the BAR; for an interrupt and beyond the fabric the address itself. */
  readonly offset: number;
  readonly failure: Failure | null;
}

export function failed(code: FailureCode, at: FabricFunction | null, side: Failure['side']): Outcome {
  return {
    kind: ROUTE_KIND.FAILED,
    completer: null,
    memory: null,
    handler: null,
    bar: 0,
    offset: 0,
    failure: { code, at, side },
  };
}

/** What a requester sees of a failed read. */
export function statusOf(code: FailureCode): number {
  switch (code) {
    case 'acs-violation':
    case 'completer-abort':
      return DMA_STATUS.COMPLETER_ABORT;
    case 'poisoned':
      return DMA_STATUS.POISONED;
    case 'timeout':
    case 'malformed':
    case 'completion-lost':
      return DMA_STATUS.TIMEOUT;
    case 'disabled':
      return DMA_STATUS.DISABLED;
    case 'gone':
      return DMA_STATUS.GONE;
    default:
      return DMA_STATUS.UNSUPPORTED_REQUEST;
  }
}

/** How a request is sent. */
export interface RequestShape {
  readonly isWrite: boolean;
  readonly addressType: AddressType;
  /** The Relaxed Ordering attribute. */
  readonly isRelaxed: boolean;
}

/** What a route is made of, once it is known. */
export interface RouteParts {
  readonly start: number;
  readonly end: number;
  /** What stands in a packet for `start` when it leaves the requester: the translation, where ATS is used. */
  readonly sentStart: number;
  readonly shape: RequestShape;
  /** Who made it; null for the CPU. */
  readonly requester: FabricFunction | null;
  /** What it carries where it ends: a bridge to conventional PCI puts its own. */
  readonly requesterId: number;
  readonly outcome: Outcome;
  readonly requestLinks: readonly LinkDirection[];
  readonly requestStops: readonly FabricFunction[];
  /** Of a read; empty for a posted write. */
  readonly completionLinks: readonly LinkDirection[];
  readonly completionStops: readonly FabricFunction[];
  /** The host bridge it passed; null when it stayed below the root complex. */
  readonly root: HostBridge | null;
  /** NUMA node of the system memory where it ends; null elsewhere. */
  readonly numaNode: number | null;
  /** The function that sent it up instead of to its peer. */
  readonly redirectedAt: FabricFunction | null;
  readonly maxPayloadBytes: number;
  readonly maxReadRequestBytes: number;
  /** The smallest Max_Payload_Size of those that receive the payload; never above `maxPayloadBytes` when all is well. */
  readonly payloadLimitBytes: number;
  readonly payloadLimitAt: FabricFunction | null;
  /** Links that a packet too large for it travels before it gets there. */
  readonly payloadLimitLinks: number;
}

export class Route {
  readonly kind: RouteKind;
  readonly start: number;
  readonly end: number;
  /** In `memory` or the BAR, of the byte at `start`. */
  readonly offset: number;
  readonly memory: Memory | null;
  readonly handler: RegisterHandler | null;
  readonly bar: number;
  readonly parts: RouteParts;
  /** Requests take the short way: memory, and no packet too large. */
  readonly isPlain: boolean;
  /** 0, or what a read ends with. */
  readonly status: number;
  /** Its requester never sends it, and knows why: it may not, or was refused a translation (ATS). */
  readonly isUnsent: boolean;
  readonly isDram: boolean;
  /** What one packet carries at most: writes, read requests, read completions. */
  readonly payloadBytes: number;
  readonly readRequestBytes: number;

  // Counted on the hot path, folded into links and DRAM by `fold`.
  dataBytes = 0;
  controlBytes = 0;
  /** Packets with payload: writes, completions with data. */
  payloadPackets = 0;
  /** Read requests. */
  requestPackets = 0;

  constructor(parts: RouteParts, addr: number) {
    const { outcome } = parts;
    this.parts = parts;
    this.kind = outcome.kind;
    this.start = parts.start;
    this.end = parts.end;
    this.offset = isExactAddress(addr) ? outcome.offset - (addr - parts.start) : outcome.offset;
    this.memory = outcome.memory;
    this.handler = outcome.handler;
    this.bar = outcome.bar;
    this.isDram = outcome.kind === ROUTE_KIND.MEMORY && outcome.completer === null;
    this.payloadBytes = parts.maxPayloadBytes;
    this.readRequestBytes = parts.maxReadRequestBytes;
    this.isPlain = outcome.kind === ROUTE_KIND.MEMORY && parts.payloadLimitBytes >= parts.maxPayloadBytes;
    this.status = outcome.failure === null ? 0 : statusOf(outcome.failure.code);
    this.isUnsent =
      this.status === DMA_STATUS.DISABLED ||
      this.status === DMA_STATUS.GONE ||
      (outcome.failure !== null && parts.requester !== null && parts.requestStops.length === 0);
  }

  get failure(): Failure | null {
    return this.parts.outcome.failure;
  }

  get completer(): FabricFunction | null {
    return this.parts.outcome.completer;
  }

  /** Adds what it has carried to the links it runs over, and forgets it. @returns bytes at the completer */
  fold(): { readonly dataBytes: number; readonly controlBytes: number } {
    const { dataBytes, controlBytes, payloadPackets, requestPackets } = this;
    const { requestLinks, completionLinks, shape } = this.parts;
    if (shape.isWrite) {
      for (const direction of requestLinks) {
        direction.add(dataBytes, controlBytes, payloadPackets);
      }
    } else {
      for (const direction of requestLinks) {
        direction.add(0, 0, requestPackets);
      }
      for (const direction of completionLinks) {
        direction.add(dataBytes, controlBytes, payloadPackets);
      }
    }
    this.dataBytes = 0;
    this.controlBytes = 0;
    this.payloadPackets = 0;
    this.requestPackets = 0;
    return { dataBytes, controlBytes };
  }
}
