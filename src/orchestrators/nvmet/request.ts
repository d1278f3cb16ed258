/**
 * One command, from its capsule to its completion. Pooled by its queue: nothing is allocated for a command.
 *
 * The first group of fields is the transport's to read, the second the transport's own, the rest the target's.
 */
import type { Span } from '../../access/index.ts';
import {
  CDW0,
  CQE_BYTES,
  CQE_CID,
  CQE_DW0,
  CQE_DW1,
  DATA_DIRECTION,
  DPTR_OFFSET,
  NSID,
  SGL_ADDRESS,
  SGL_IDENTIFIER,
  SGL_KEY,
  SGL_KEYED_LENGTH,
  SGL_LENGTH,
  SGL_TYPE,
  SQE_BYTES,
} from '../../spec/nvme/index.ts';
import type { BackendQueue } from './backend.ts';
import type { SpanMemory } from './memory.ts';
import type { TargetNamespace } from './namespace.ts';
import { type Outcome, SUCCESS } from './outcome.ts';

/** Where a request is; one of these at a time. */
export const STAGE = {
  /** In the pool. */
  FREE: 0,
  /** Being looked at. */
  PARSE: 1,
  /** Waits for memory. */
  MEMORY: 2,
  /** The transport brings data from the host. */
  FETCH: 3,
  /** Waits for its turn at the backend. */
  QUEUED: 4,
  /** The backend works. */
  BACKEND: 5,
  /** The transport brings data to the host. */
  SEND: 6,
  /** An Asynchronous Event Request that waits for its event. */
  EVENT: 7,
  /** Waits for commands of other hosts to end (preempt and abort). */
  BARRIER: 8,
  /** Answered; the transport still has it. */
  RESPONDED: 9,
} as const;

/** Who goes on with a request when memory, data, or the backend is there. */
export interface RequestOwner {
  /** Memory is there: `request.span`. */
  onMemory(request: TargetRequest): void;
  /** What the backend was asked for has ended. */
  onBackend(request: TargetRequest, status: number): void;
}

export class TargetRequest {
  /** The command of 64 bytes. */
  readonly sqe = new Uint8Array(SQE_BYTES);
  readonly sqeView: DataView = new DataView(this.sqe.buffer);
  /** The completion of 16 bytes; filled when `respond` is called. */
  readonly cqe = new Uint8Array(CQE_BYTES);
  readonly cqeView: DataView = new DataView(this.cqe.buffer);
  /** Its place in the pool of its queue: below twice `handle.depth`, so that a transport can index by it. */
  readonly slot: number;
  commandId = 0;
  opcode = 0;
  nsid = 0;
  /** DATA_DIRECTION: which way the data of this command go. */
  direction = 0;
  /** The descriptor in DPTR: SGL_TYPE and SGL_SUBTYPE, address or offset, length in bytes, key. */
  sglType = 0;
  sglSubtype = 0;
  sglAddress = 0;
  sglLengthBytes = 0;
  sglKey = 0;
  /** The completion is final before the data have been sent: see `TransportQueue.send`. */
  isCompletionReady = false;

  /** For the transport, which may keep here what it wants between `fetch` or `send` and `release`. */
  transportState: unknown = null;
  transportTag = 0;

  readonly owner: RequestOwner;
  stage: number = STAGE.FREE;
  /** Links of the list that a waiting request is in. */
  next: TargetRequest | null = null;
  /** Data memory, and whose it is; null memory: the transport's. */
  span: Span | null = null;
  spanOffsetBytes = 0;
  memory: SpanMemory | null = null;
  /** What to ask the memory for. */
  memoryBytes = 0;
  /** The data of the capsule when they came as a span or were copied into one. */
  inCapsule: Uint8Array | Span | null = null;
  namespace: TargetNamespace | null = null;
  /** Admin data that go to the host; null for I/O. */
  reply: Uint8Array | null = null;
  /** Host data of a Compare. */
  kept: Uint8Array | null = null;
  /** The outcome so far, told when the last step is over. */
  outcome: Outcome = SUCCESS;
  /** Not 0: it ends with this outcome as soon as nobody works for it. */
  abortedWith: Outcome = SUCCESS;
  /** Another request waits for the end of this one. */
  barrier: TargetRequest | null = null;
  /** Of a request that waits: how many it waits for. */
  barrierCount = 0;
  /** The line of the backend that it stands in or was served from. */
  line: BackendQueue | null = null;
  /** I/O: what the backend does (BACKEND_OPERATION), where, and how much is left. */
  operation = 0;
  offsetBytes = 0;
  lengthBytes = 0;
  doneBytes = 0;
  /** Bytes of the part that the backend has now, and where in the span it lies. */
  partBytes = 0;
  partSpanOffset = 0;
  /** Steps of commands that have several. */
  step = 0;
  /** Ranges of Dataset Management and Copy: offset and length in bytes, in turn. */
  ranges: number[] = [];
  rangeIndex = 0;
  isForcedUnitAccess = false;

  constructor(slot: number, owner: RequestOwner) {
    this.slot = slot;
    this.owner = owner;
  }

  /** Takes a capsule in; everything of the command before is gone. */
  begin(capsule: Uint8Array): void {
    this.sqe.set(capsule.length === SQE_BYTES ? capsule : capsule.subarray(0, SQE_BYTES));
    const view = this.sqeView;
    const cdw0 = CDW0.value(view);
    this.opcode = cdw0 & 0xff;
    this.commandId = cdw0 >>> 16;
    this.nsid = NSID.value(view);
    this.direction = this.opcode & 3;
    const identifier = SGL_IDENTIFIER.value(view, DPTR_OFFSET);
    this.sglType = identifier >>> 4;
    this.sglSubtype = identifier & 0xf;
    this.sglAddress = SGL_ADDRESS.value(view, DPTR_OFFSET);
    if (this.sglType === SGL_TYPE.KEYED_DATA_BLOCK) {
      this.sglLengthBytes = SGL_KEYED_LENGTH.value(view, DPTR_OFFSET);
      this.sglKey = SGL_KEY.value(view, DPTR_OFFSET);
    } else {
      this.sglLengthBytes = SGL_LENGTH.value(view, DPTR_OFFSET);
      this.sglKey = 0;
    }
    this.cqe.fill(0);
    CQE_CID.setValue(this.cqeView, this.commandId);
    this.stage = STAGE.PARSE;
    this.isCompletionReady = false;
    this.transportState = null;
    this.transportTag = 0;
    this.next = null;
    this.span = null;
    this.spanOffsetBytes = 0;
    this.memory = null;
    this.memoryBytes = 0;
    this.inCapsule = null;
    this.namespace = null;
    this.reply = null;
    this.kept = null;
    this.outcome = SUCCESS;
    this.abortedWith = SUCCESS;
    this.barrier = null;
    this.barrierCount = 0;
    this.line = null;
    this.operation = 0;
    this.offsetBytes = 0;
    this.lengthBytes = 0;
    this.doneBytes = 0;
    this.partBytes = 0;
    this.partSpanOffset = 0;
    this.step = 0;
    this.rangeIndex = 0;
    this.isForcedUnitAccess = false;
  }

  /** A command dword by its number, unsigned. */
  dword(number: number): number {
    return this.sqeView.getUint32(4 * number, true);
  }

  /** Dwords 0 and 1 of the completion. */
  setResult(low: number, high = 0): void {
    CQE_DW0.setValue(this.cqeView, low >>> 0);
    CQE_DW1.setValue(this.cqeView, high >>> 0);
  }

  /** The command takes data from the host. */
  get takesData(): boolean {
    return this.direction === DATA_DIRECTION.HOST_TO_CONTROLLER;
  }
}
