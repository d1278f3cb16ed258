/** What goes into the verbs and comes out. Names as in libibverbs, without prefixes and in camel case. */
import type {
  QpStateName,
  QpTypeName,
  RnicEventName,
  SendOpcodeName,
  WcOpcodeName,
  WcStatusName,
} from '../../spec/rdma/index.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { MemoryRegion, MemoryWindow, ProtectionDomain } from './memory.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';

/** Where a port is on the wire. Nobody asks for it by ARP here: it is told, as a neighbour table would have it. */
export interface PortAddress {
  readonly mac: { readonly high: number; readonly low: number };
  /** A GID, most significant dword first; an IPv4 address is ::ffff:a.b.c.d. */
  readonly gid: readonly [number, number, number, number];
}

export interface DeviceAttributes extends PortAddress {
  readonly isLinkUp: boolean;
  readonly maxQp: number;
  readonly maxCq: number;
  readonly maxSrq: number;
  /** Entries of one queue. */
  readonly maxQpWr: number;
  readonly maxCqe: number;
  readonly maxSge: number;
  readonly maxInlineData: number;
  readonly maxQpRdAtom: number;
  /** Bytes of payload of a packet at most. */
  readonly activeMtu: number;
}

/** What may be done to a region or through a queue pair. Reading locally is always allowed. */
export interface AccessFlags {
  readonly localWrite?: boolean;
  readonly remoteWrite?: boolean;
  readonly remoteRead?: boolean;
  readonly remoteAtomic?: boolean;
  readonly mwBind?: boolean;
}

/** A piece of a region: `addr` is an address in it, as `MemoryRegion.addr` counts. */
export interface Sge {
  addr: number;
  length: number;
  lkey: number;
}

export interface QpInitAttr {
  readonly qpType: QpTypeName;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq?: SharedReceiveQueue | undefined;
  /** Rounded up to a power of two; default 64 each. */
  readonly maxSendWr?: number;
  readonly maxRecvWr?: number;
  /** Every send gives a completion, whatever its flags. Default false. */
  readonly sqSigAll?: boolean;
}

/** The address vector of a connected queue pair. */
export interface AddressVector extends PortAddress {
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  /** UDP source port; by default made from the queue pair's number. */
  readonly sourcePort?: number;
}

/** What a change of a queue pair names; a missing one stays as it is. */
export interface QpAttr {
  readonly qpState?: QpStateName;
  readonly qpAccessFlags?: AccessFlags;
  readonly pkeyIndex?: 0;
  readonly portNum?: 1;
  readonly qkey?: number;
  readonly ah?: AddressVector;
  readonly pathMtu?: 256 | 512 | 1024 | 2048 | 4096;
  readonly destQpNum?: number;
  readonly rqPsn?: number;
  readonly sqPsn?: number;
  /** 4.096 us times 2 to this power; 0 is for ever. */
  readonly timeout?: number;
  readonly retryCnt?: number;
  /** 7 is for ever. */
  readonly rnrRetry?: number;
  readonly minRnrTimer?: number;
  readonly maxRdAtomic?: number;
  readonly maxDestRdAtomic?: number;
}

/** A 64-bit number as two dwords. */
export interface Dwords {
  readonly low: number;
  readonly high: number;
}

export interface SendWr {
  /** Comes back with the completion; any number. */
  wrId: number;
  opcode: SendOpcodeName;
  sgList?: readonly Sge[];
  signaled?: boolean;
  solicited?: boolean;
  fence?: boolean;
  /** Bytes that are copied into the entry instead of `sgList`; 64 at most. */
  inlineData?: Uint8Array;
  immData?: number;
  /** Of SEND_WITH_INV and LOCAL_INV. */
  invalidateRkey?: number;
  /** Of RDMA and atomic operations. */
  remoteAddr?: number;
  rkey?: number;
  compare?: Dwords;
  /** What is put there by compare and swap, or added by fetch and add. */
  swapOrAdd?: Dwords;
  /** Of a datagram. */
  ah?: AddressVector;
  remoteQpn?: number;
  remoteQkey?: number;
  /** Of BIND_MW: an empty length unbinds. */
  bindMw?: {
    readonly mw: MemoryWindow;
    /** The new key: the index of the old with other low 8 bits. */
    readonly rkey: number;
    readonly mr: MemoryRegion;
    readonly addr: number;
    readonly length: number;
    readonly access: AccessFlags;
  };
}

export interface RecvWr {
  wrId: number;
  sgList: readonly Sge[];
}

/** What became of a request. `pollCq` fills objects of the caller. */
export class WorkCompletion {
  wrId = 0;
  status: WcStatusName = 'SUCCESS';
  /** Means nothing when it was flushed. */
  opcode: WcOpcodeName = 'SEND';
  isReceive = false;
  byteLen = 0;
  /** Undefined: none came. */
  immData: number | undefined = undefined;
  invalidatedRkey: number | undefined = undefined;
  qpNum = 0;
  srcQp = 0;
  /** The first 40 bytes of the buffer are a network header. */
  hasGrh = false;
}

export interface AsyncEvent {
  readonly type: Exclude<RnicEventName, 'COMMAND_DONE' | 'COMPLETION'>;
  /** Number of the queue or queue pair. */
  readonly number: number;
}
