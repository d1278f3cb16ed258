/**
 * Memory for the data of commands: spans of one kind, kept and given out again, with a bound on all of them.
 *
 * What does not fit now waits in the queue that asked (`request.stage` MEMORY) until something comes back, first come first
 * served: many hosts cannot make the target's memory grow.
 */
import type { Span } from '../../access/index.ts';
import { assert } from '../../base/index.ts';
import type { TargetRequest } from './request.ts';

/** Where the spans of a backend come from. */
export interface SpanMemory {
  /** At least `lengthBytes`; null: none now. */
  allocate(lengthBytes: number): Span | null;
  release(span: Span): void;
  /** Calls `request.owner.onMemory(request)` when `request.memoryBytes` have been found. Never before this returns. */
  wait(request: TargetRequest): void;
  /** The request does not wait any more. @returns false when it did not */
  cancelWait(request: TargetRequest): boolean;
}

/** A span over bytes of JavaScript: transports that have sockets write them as they are. */
export class ByteSpan implements Span {
  readonly kind = 'host';
  readonly provider = null;
  readonly isReadable = true;
  readonly bytes: Uint8Array;
  readonly lengthBytes: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.lengthBytes = bytes.length;
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    this.#check(offsetBytes, into.length);
    into.set(this.bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    this.#check(offsetBytes, from.length);
    this.bytes.set(from, offsetBytes);
  }

  fill(value: number): void {
    this.bytes.fill(value);
  }

  close(): void {}

  #check(offsetBytes: number, lengthBytes: number): void {
    assert(
      offsetBytes >= 0 && offsetBytes + lengthBytes <= this.lengthBytes,
      'a range lies outside its span',
      {
        offsetBytes,
        lengthBytes,
        spanBytes: this.lengthBytes,
      },
    );
  }
}

const SMALLEST_BYTES = 4096;

/** Spans in sizes of powers of two from 4 KiB on. Stays with its owner; `close` gives back what is not in use. */
export class PooledMemory implements SpanMemory {
  readonly #make: (lengthBytes: number) => Span;
  readonly #bytesMax: number;
  readonly #free: Span[][] = [];
  #bytes = 0;
  #usedBytes = 0;
  #first: TargetRequest | null = null;
  #last: TargetRequest | null = null;
  #isServing = false;

  /**
   * @param make      a span of exactly that many bytes, which is closed by `close`
   * @param bytesMax  of all spans together; a single request larger than it never gets memory, so keep it above the
   *                  largest transfer
   */
  constructor(make: (lengthBytes: number) => Span, bytesMax: number) {
    this.#make = make;
    this.#bytesMax = bytesMax;
  }

  /** Memory of JavaScript. */
  static ofBytes(bytesMax: number): PooledMemory {
    return new PooledMemory((lengthBytes) => new ByteSpan(new Uint8Array(lengthBytes)), bytesMax);
  }

  /** Of all spans made and not closed. */
  get heldBytes(): number {
    return this.#bytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  allocate(lengthBytes: number): Span | null {
    return this.#first === null ? this.#take(lengthBytes) : null;
  }

  release(span: Span): void {
    this.#usedBytes -= span.lengthBytes;
    const order = orderOf(span.lengthBytes);
    this.#stack(order).push(span);
    this.#serve();
  }

  wait(request: TargetRequest): void {
    request.next = null;
    if (this.#last === null) {
      this.#first = request;
    } else {
      this.#last.next = request;
    }
    this.#last = request;
  }

  cancelWait(request: TargetRequest): boolean {
    let before: TargetRequest | null = null;
    for (let at = this.#first; at !== null; before = at, at = at.next) {
      if (at !== request) {
        continue;
      }
      if (before === null) {
        this.#first = at.next;
      } else {
        before.next = at.next;
      }
      if (this.#last === at) {
        this.#last = before;
      }
      at.next = null;
      return true;
    }
    return false;
  }

  /** Closes the spans that nobody uses. */
  close(): void {
    for (const stack of this.#free) {
      this.#closeAll(stack);
    }
  }

  #serve(): void {
    if (this.#isServing) {
      return;
    }
    this.#isServing = true;
    for (let at = this.#first; at !== null; at = this.#first) {
      const span = this.#take(at.memoryBytes);
      if (span === null) {
        break;
      }
      this.#first = at.next;
      if (this.#first === null) {
        this.#last = null;
      }
      at.next = null;
      at.span = span;
      at.owner.onMemory(at);
    }
    this.#isServing = false;
  }

  #take(lengthBytes: number): Span | null {
    const order = orderOf(lengthBytes);
    const stack = this.#stack(order);
    const sizeBytes = SMALLEST_BYTES * 2 ** order;
    let span = stack.pop();
    if (span === undefined) {
      if (this.#bytes + sizeBytes > this.#bytesMax) {
        this.#closeOthers(order);
      }
      if (this.#bytes + sizeBytes > this.#bytesMax) {
        return null;
      }
      span = this.#make(sizeBytes);
      this.#bytes += sizeBytes;
    }
    this.#usedBytes += sizeBytes;
    return span;
  }

  /** Spans of other sizes that lie idle make room. */
  #closeOthers(order: number): void {
    for (let other = 0; other < this.#free.length; other++) {
      if (other !== order) {
        this.#closeAll(this.#stack(other));
      }
    }
  }

  #closeAll(stack: Span[]): void {
    for (const span of stack) {
      this.#bytes -= span.lengthBytes;
      span.close();
    }
    stack.length = 0;
  }

  #stack(order: number): Span[] {
    while (this.#free.length <= order) {
      this.#free.push([]);
    }
    return this.#free[order]!;
  }
}

function orderOf(lengthBytes: number): number {
  let order = 0;
  for (let size = SMALLEST_BYTES; size < lengthBytes; size *= 2) {
    order++;
  }
  return order;
}
