/** What the parts of a NIC have in common. */
import type { Executor } from '../../fabric/index.ts';
import type { AtomicUnit } from './atomic-unit.ts';
import type { DmaTable } from './dma-table.ts';
import type { Completion, EventRing } from './host-rings.ts';
import type { Identity } from './identity.ts';
import type { MemoryTable } from './memory-table.ts';
import type { QueuePair } from './queue-pair.ts';
import type { Transmitter } from './transmitter.ts';

/** What a NIC has seen; counts never go back, resets included. */
export class RnicCounters {
  sentFrames = 0;
  receivedFrames = 0;
  /** Payload of packets that were sent and accepted. */
  sentBytes = 0;
  receivedBytes = 0;
  /** Frames that were dropped: not for it, malformed, wrong ICRC, for no queue pair (or from the wrong end), or without room. */
  foreign = 0;
  malformed = 0;
  badIcrc = 0;
  noQueuePair = 0;
  noRoom = 0;
  /** As responder: a gap in the numbers, a packet that came twice, a receiver that was not ready. */
  outOfSequence = 0;
  duplicates = 0;
  receiverNotReady = 0;
  /** As requester: deadlines that passed, and times that it went back to an earlier packet. */
  timeouts = 0;
  goBacks = 0;
}

export interface RnicCore {
  readonly executor: Executor;
  readonly dma: DmaTable;
  readonly regions: MemoryTable;
  readonly tx: Transmitter;
  readonly events: EventRing;
  readonly counters: RnicCounters;
  readonly identity: Identity;
  readonly atomics: AtomicUnit;
  /** One completion at a time is filled here. */
  readonly completion: Completion;
  /** The queue pair may have something to send. */
  schedule(qp: QueuePair): void;
}
