/**
 * Positions of queues as the host tells them: by doorbells, or in memory with shadow doorbells.
 *
 * A position that cannot be is an event and no more. With shadow doorbells the doorbell of an I/O queue only means "look": what
 * stands in it may be older than the shadow. Follows NVMe over PCIe Transport 1.1, section 3.1.2, and NVM Express Base 2.1,
 * sections 3.3.1, 5.2.5 and B.5.
 */
import { DONE, type FunctionPort, PENDING, type Status } from '../../../fabric/index.ts';
import type { CommandListener } from './command-listener.ts';
import { CompletionQueue } from './completion-queue.ts';
import { ShadowDoorbells } from './shadow-doorbells.ts';
import type { SubmissionQueue } from './submission-queue.ts';

/** What a position does. */
export interface PositionTarget {
  /** A submission queue has entries, or has to be looked at. */
  wake(queue: SubmissionQueue): void;
  /** A completion queue has room again. */
  onHeadMoved(queue: CompletionQueue): void;
  /** A queue that is being deleted waited for its look to end. */
  onLookEnded(queue: SubmissionQueue): void;
  /** No such queue (`isValue` false), or a position that cannot be. */
  onInvalidDoorbell(isValue: boolean): void;
  /** The shadow cannot be read. */
  onUnreachable(): void;
  /** A request with TOKEN_POSTED, or TOKEN_SHADOW and the doorbell, is under way. */
  onPending(): void;
}

export class Doorbells {
  listener: CommandListener | null = null;
  readonly submissions: (SubmissionQueue | null)[];
  readonly completions: (CompletionQueue | null)[];
  readonly #port: FunctionPort;
  readonly #shadow: ShadowDoorbells;
  readonly #target: PositionTarget;

  /** @param pairCount  queue pairs, the admin pair included */
  constructor(port: FunctionPort, pairCount: number, strideBytes: number, target: PositionTarget) {
    this.submissions = new Array<SubmissionQueue | null>(pairCount).fill(null);
    this.completions = new Array<CompletionQueue | null>(pairCount).fill(null);
    this.#port = port;
    this.#shadow = new ShadowDoorbells(port, 2 * pairCount, strideBytes);
    this.#target = target;
  }

  /** Whether the positions of a queue are in memory. Admin queues always have their doorbells. */
  isShadowed(id: number): boolean {
    return this.#shadow.isOn && id !== 0;
  }

  /** Shadow doorbells for all I/O queues, from now until `turnOffShadow`. */
  turnOnShadow(values: number, events: number): void {
    this.#shadow.turnOn(values, events);
    for (const queue of this.completions) {
      if (queue !== null) {
        queue.eventIndex = -1;
      }
    }
    for (const queue of this.submissions) {
      if (queue !== null && queue.id !== 0) {
        queue.eventIndex = -1;
        this.#target.wake(queue);
      }
    }
  }

  turnOffShadow(): void {
    this.#shadow.turnOff();
  }

  /** A store to the tail doorbell of a submission queue. */
  ringSubmission(id: number, value: number): void {
    const queue = this.submissions[id];
    if (queue === null || queue === undefined) {
      this.#target.onInvalidDoorbell(false);
    } else if (value >= queue.entries) {
      this.#target.onInvalidDoorbell(true);
    } else if (this.isShadowed(id)) {
      queue.mustLookAgain = true;
      this.#target.wake(queue);
    } else {
      this.#moveTail(queue, value);
    }
  }

  /** A store to the head doorbell of a completion queue. */
  ringCompletion(id: number, value: number): void {
    const queue = this.completions[id];
    if (queue === null || queue === undefined) {
      this.#target.onInvalidDoorbell(false);
    } else if (value >= queue.entries) {
      this.#target.onInvalidDoorbell(true);
    } else if (this.isShadowed(id)) {
      queue.mustLookAgain = true;
      this.lookAtHead(queue);
    } else {
      this.#moveHead(queue, value);
    }
  }

  /** Reads the shadow tail of a queue that has nothing left; what it finds wakes the queue. */
  lookAtTail(queue: SubmissionQueue): void {
    if (!this.isShadowed(queue.id) || queue.isLooking) {
      return;
    }
    queue.mustLookAgain = false;
    const isNews = queue.eventIndex !== queue.tail;
    queue.eventIndex = queue.tail;
    queue.isLooking = true;
    this.#look(2 * queue.id, isNews, queue.tail);
  }

  /** Reads the shadow head of a queue that is full, or of any queue whose interrupt is the pin: its level follows the head. */
  lookAtHead(queue: CompletionQueue): void {
    const isNeeded = queue.backlogFirst !== null || this.#port.interruptMode === 'intx';
    if (!this.isShadowed(queue.id) || queue.isLooking || !isNeeded) {
      return;
    }
    queue.mustLookAgain = false;
    const isNews = queue.eventIndex !== queue.head;
    queue.eventIndex = queue.head;
    queue.isLooking = true;
    this.#look(2 * queue.id + 1, isNews, queue.head);
  }

  /** A look that was PENDING is over. `isRunning`: what it found still matters. */
  onLooked(doorbell: number, status: Status, isRunning: boolean): void {
    const id = doorbell >>> 1;
    const queue = (doorbell & 1) === 0 ? this.submissions[id] : this.completions[id];
    if (queue === null || queue === undefined) {
      return;
    }
    queue.isLooking = false;
    if (!isRunning) {
      return;
    }
    if (status !== DONE) {
      this.#target.onUnreachable();
      return;
    }
    const value = this.#shadow.valueOf(doorbell);
    if (value >= queue.entries) {
      this.#target.onInvalidDoorbell(true);
    } else if (queue instanceof CompletionQueue) {
      this.#onHeadFound(queue, value);
    } else {
      this.#onTailFound(queue, value);
    }
  }

  #onTailFound(queue: SubmissionQueue, value: number): void {
    if (queue.deleter >= 0) {
      this.#target.onLookEnded(queue);
    } else if (value !== queue.tail) {
      this.#moveTail(queue, value);
    } else if (queue.mustLookAgain) {
      this.#target.wake(queue);
    }
  }

  #onHeadFound(queue: CompletionQueue, value: number): void {
    if (value !== queue.head) {
      this.#moveHead(queue, value);
    }
    // Still full: the host has to be told from where on it shall ring.
    if (queue.mustLookAgain || queue.eventIndex !== queue.head) {
      this.lookAtHead(queue);
    }
  }

  #moveTail(queue: SubmissionQueue, value: number): void {
    let count = value - queue.head;
    count = count >= 0 ? count : count + queue.entries;
    if (count < queue.waitingCount) {
      this.#target.onInvalidDoorbell(true);
      return;
    }
    this.listener?.onSubmitted(queue.id, count - queue.waitingCount);
    queue.tail = value;
    this.#target.wake(queue);
  }

  #moveHead(queue: CompletionQueue, value: number): void {
    let count = value - queue.head;
    count = count >= 0 ? count : count + queue.entries;
    if (count > queue.visibleCount) {
      this.#target.onInvalidDoorbell(true);
      return;
    }
    queue.head = value;
    this.listener?.onConsumed(queue.id, count);
    this.#target.onHeadMoved(queue);
  }

  #look(doorbell: number, isNews: boolean, position: number): void {
    if (isNews && this.#shadow.tell(doorbell, position) === PENDING) {
      this.#target.onPending();
    }
    const status = this.#shadow.look(doorbell);
    if (status === PENDING) {
      this.#target.onPending();
    } else {
      this.onLooked(doorbell, status, true);
    }
  }
}
