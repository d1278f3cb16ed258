/**
 * A completion queue as the controller keeps it: entries are made in a mirror of the ring and written from there, several
 * at once where they are contiguous.
 *
 * A place of the mirror is used again only after the host has moved the head over it, so a write under way is not
 * disturbed. Follows NVM Express Base 2.1, sections 3.3.1 and 4.2.
 */
import { Memory } from '../../../fabric/index.ts';
import { CQE_BYTES } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { QueuePlace } from './submission-queue.ts';

export class CompletionQueue {
  readonly id: number;
  readonly entries: number;
  readonly place: QueuePlace;
  readonly vector: number;
  readonly hasInterrupt: boolean;
  /** Where the next entry goes. */
  tail = 0;
  /** Entries before it were written to the host. */
  written = 0;
  /** As the host last said. */
  head = 0;
  /** Of the pass that `tail` is in: 1 on the first. */
  phase = 1;
  readonly mirror: Memory;
  readonly words: Uint32Array;
  /** Submission queues that complete here. */
  submissionCount = 0;
  /** Commands that wait for a place, oldest first. */
  backlogFirst: Command | null = null;
  backlogLast: Command | null = null;
  /** In the list of queues with entries to write. */
  isDirty = false;
  /** Shadow doorbells: as in SubmissionQueue. */
  eventIndex = -1;
  isLooking = false;
  mustLookAgain = false;

  constructor(id: number, entries: number, place: QueuePlace, vector: number, hasInterrupt: boolean) {
    this.id = id;
    this.entries = entries;
    this.place = place;
    this.vector = vector;
    this.hasInterrupt = hasInterrupt;
    this.mirror = Memory.flat(entries * CQE_BYTES);
    const bytes = this.mirror.flat!;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  get isFull(): boolean {
    const next = this.tail + 1;
    return (next === this.entries ? 0 : next) === this.head;
  }

  /** Entries that the host has not consumed, written or not. */
  get unconsumedCount(): number {
    const count = this.tail - this.head;
    return count >= 0 ? count : count + this.entries;
  }

  /** Entries that the host could see and has not consumed. */
  get visibleCount(): number {
    const count = this.written - this.head;
    return count >= 0 ? count : count + this.entries;
  }

  /** Puts an entry into the mirror; there is room. `wrong` flips the phase tag. */
  push(dw0: number, dw1: number, dw2: number, cid: number, status: number, wrong: boolean): void {
    const at = this.tail * 4;
    const words = this.words;
    words[at] = dw0;
    words[at + 1] = dw1;
    words[at + 2] = dw2;
    words[at + 3] = cid | ((status | (wrong ? this.phase ^ 1 : this.phase)) << 16);
    if (++this.tail === this.entries) {
      this.tail = 0;
      this.phase ^= 1;
    }
  }

  wait(command: Command): void {
    command.next = null;
    if (this.backlogLast === null) {
      this.backlogFirst = command;
    } else {
      this.backlogLast.next = command;
    }
    this.backlogLast = command;
  }

  /** The oldest command that waits; undefined when none does. */
  takeWaiting(): Command | undefined {
    const command = this.backlogFirst;
    if (command === null) {
      return undefined;
    }
    this.backlogFirst = command.next;
    if (this.backlogFirst === null) {
      this.backlogLast = null;
    }
    command.next = null;
    return command;
  }
}
