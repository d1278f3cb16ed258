/**
 * A submission queue as the controller keeps it: where it is, what has been fetched, who it completes to.
 *
 * Leaves out when it is served (`queue-engine.ts`). Queues are contiguous (CAP.CQR). Follows NVM Express Base 2.1, section
 * 3.3.1 (memory-based queues).
 */
import { Memory } from '../../../fabric/index.ts';
import { SQE_BYTES } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { CompletionQueue } from './completion-queue.ts';

/** Entries that one DMA fetches at most. */
export const FETCH_ENTRIES_MAX = 64;

/** Classes of arbitration, most urgent first. NVM Express Base 2.1, 3.4.4. */
export const QUEUE_CLASS = { ADMIN: 0, URGENT: 1, HIGH: 2, MEDIUM: 3, LOW: 4 } as const;

/** Where a queue lies: on the bus, or in the controller's own memory. */
export interface QueuePlace {
  /** What the host gave, unchecked. */
  readonly address: number;
  /** Own memory; null for an address on the bus. */
  readonly memory: Memory | null;
  readonly offset: number;
}

export class SubmissionQueue {
  readonly id: number;
  readonly entries: number;
  readonly place: QueuePlace;
  readonly completion: CompletionQueue;
  readonly queueClass: number;
  /** Entries before it were taken. */
  head = 0;
  /** As the host last said. */
  tail = 0;
  /** Entries that were fetched wait here until each has a slot; a fetch under way writes here. */
  readonly fetched = Memory.flat(FETCH_ENTRIES_MAX * SQE_BYTES);
  readonly fetchedWords: Uint32Array;
  isFetching = false;
  fetchCount = 0;
  /** In the list of queues that are ready to be served; `next` is the one behind it. */
  isListed = false;
  next: SubmissionQueue | null = null;
  /** Its completion queue is full: it is not served before that drains. */
  isBlocked = false;
  /** Commands in work. */
  inFlight = 0;
  /** Slot of the command that deletes it; -1 while it lives. */
  deleter = -1;
  /** First half of a fused pair whose second has not come yet. */
  fusedFirst: Command | null = null;
  /** One bit per command identifier in work. */
  readonly identifiers = new Uint32Array(2048);
  /** What the host was told in EventIdx; -1 for nothing yet. Shadow doorbells only. */
  eventIndex = -1;
  /** The shadow doorbell is being read, or EventIdx written. */
  isLooking = false;
  /** The doorbell rang while it was looked at: look again. */
  mustLookAgain = false;

  constructor(
    id: number,
    entries: number,
    place: QueuePlace,
    completion: CompletionQueue,
    queueClass: number,
  ) {
    this.id = id;
    this.entries = entries;
    this.place = place;
    this.completion = completion;
    this.queueClass = queueClass;
    const bytes = this.fetched.flat!;
    this.fetchedWords = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  /** Entries that the host has submitted and that were not taken. */
  get waitingCount(): number {
    const count = this.tail - this.head;
    return count >= 0 ? count : count + this.entries;
  }
}
