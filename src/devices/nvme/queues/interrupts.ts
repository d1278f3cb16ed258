/**
 * Interrupts of completion queues: MSI-X and MSI messages with coalescing, MSI and pin with INTMS and INTMC.
 *
 * The fabric has the MSI-X table with its masks. Leaves out any priority between vectors. Follows NVM Express Base 2.1,
 * sections 3.1.4.3 and 5.1.25.2.2, and NVMe over PCIe Transport 1.1, section 3.5.
 */
import type { EventHandler, FunctionPort, TimerId } from '../../../fabric/index.ts';
import type { CompletionQueue } from './completion-queue.ts';

/** Unit of the aggregation time. */
const COALESCING_UNIT_PS = 100e6;

interface VectorState {
  /** Completions since the last message. */
  waiting: number;
  timer: TimerId;
  isCoalescingOff: boolean;
}

export class Interrupts implements EventHandler {
  readonly #port: FunctionPort;
  readonly #queues: () => Iterable<CompletionQueue>;
  readonly #vectors: VectorState[];
  /** INTMS: bit per vector. */
  mask = 0;
  /** MSI vectors that would have been sent but for the mask. */
  #masked = 0;
  /** Completions that are worth a message; 1 without coalescing. */
  #threshold = 1;
  #timePs = 0;
  #isAsserted = false;
  /** Messages sent and pin assertions, for people. */
  sentCount = 0;

  constructor(port: FunctionPort, vectorCount: number, queues: () => Iterable<CompletionQueue>) {
    this.#port = port;
    this.#queues = queues;
    this.#vectors = Array.from({ length: Math.max(1, vectorCount) }, () => ({
      waiting: 0,
      timer: 0,
      isCoalescingOff: false,
    }));
  }

  get vectorCount(): number {
    return this.#vectors.length;
  }

  reset(): void {
    for (const vector of this.#vectors) {
      this.#port.executor.cancel(vector.timer);
      vector.timer = 0;
      vector.waiting = 0;
      vector.isCoalescingOff = false;
    }
    this.mask = 0;
    this.#masked = 0;
    this.#threshold = 1;
    this.#timePs = 0;
    this.updatePin();
  }

  /** Interrupt Coalescing: completions, a count, and units of 100 us. */
  setCoalescing(completions: number, timeUnits: number): void {
    this.#threshold = timeUnits === 0 ? 1 : completions;
    this.#timePs = timeUnits * COALESCING_UNIT_PS;
  }

  setCoalescingOff(vector: number, isOff: boolean): void {
    this.#vectors[vector]!.isCoalescingOff = isOff;
  }

  isCoalescingOff(vector: number): boolean {
    return this.#vectors[vector]?.isCoalescingOff ?? false;
  }

  /** That many entries of a queue have just been written. */
  notify(queue: CompletionQueue, count: number): void {
    if (!queue.hasInterrupt) {
      return;
    }
    if (this.#port.interruptMode === 'intx') {
      this.updatePin();
      return;
    }
    const vector = this.#vectors[queue.vector]!;
    vector.waiting += count;
    // The admin queue is never delayed.
    if (queue.id === 0 || vector.isCoalescingOff || vector.waiting >= this.#threshold) {
      this.#send(queue.vector);
    } else if (vector.timer === 0) {
      vector.timer = this.#port.executor.timer(this.#timePs, this, 0, queue.vector);
    }
  }

  onEvent(_code: number, vector: number): void {
    this.#vectors[vector]!.timer = 0;
    this.#send(vector);
  }

  /** A store to INTMS (`isSet`) or INTMC. Without effect for MSI-X, where the specification forbids it. */
  writeMask(bits: number, isSet: boolean): void {
    this.mask = (isSet ? this.mask | bits : this.mask & ~bits) >>> 0;
    if (this.#port.interruptMode === 'msi') {
      const due = (this.#masked & ~this.mask) >>> 0;
      this.#masked = (this.#masked & this.mask) >>> 0;
      for (let vector = 0; vector < 32; vector++) {
        if ((due & (1 << vector)) !== 0) {
          this.#message(vector);
        }
      }
    } else {
      this.updatePin();
    }
  }

  /** Sets the pin to what queues and mask say; call it whenever a head moved. */
  updatePin(): void {
    let level = false;
    if (this.#port.interruptMode === 'intx') {
      for (const queue of this.#queues()) {
        const isMasked = queue.vector < 32 && (this.mask & (1 << queue.vector)) !== 0;
        if (queue.hasInterrupt && !isMasked && queue.visibleCount > 0) {
          level = true;
          break;
        }
      }
    }
    if (level !== this.#isAsserted) {
      this.#isAsserted = level;
      this.sentCount += level ? 1 : 0;
      this.#port.setIntx(level);
    }
  }

  #send(index: number): void {
    const vector = this.#vectors[index]!;
    vector.waiting = 0;
    if (vector.timer !== 0) {
      this.#port.executor.cancel(vector.timer);
      vector.timer = 0;
    }
    if (index < 32 && this.#port.interruptMode === 'msi' && (this.mask & (1 << index)) !== 0) {
      this.#masked = (this.#masked | (1 << index)) >>> 0;
      return;
    }
    this.#message(index);
  }

  #message(vector: number): void {
    this.sentCount++;
    this.#port.interrupt(vector);
  }
}
