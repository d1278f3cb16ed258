/** What is behind a namespace: a `BlockTarget` with the memory it can do DMA to, and requests in their turn. */
import { type BlockTarget, PENDING, STATUS, type Status } from '../../access/index.ts';
import type { SpanMemory } from './memory.ts';
import { STAGE, type TargetRequest } from './request.ts';

/** A target that can give blocks back. The request ends as any other of it does. */
export interface DeallocatingTarget extends BlockTarget {
  deallocate(offsetBytes: number, lengthBytes: number, token: number): Status;
}

/** Opened by who joins the target with a machine; closed by the target when the namespace is disabled. */
export interface NamespaceBackend {
  readonly target: BlockTarget | DeallocatingTarget;
  /** Memory that `target` can reach. May be shared by namespaces. */
  readonly memory: SpanMemory;
  readonly kind: 'block' | 'file' | 'memory' | 'simulated';
  /** What was deallocated reads as zeroes. */
  readonly deallocatedReadsZero: boolean;
}

export const BACKEND_OPERATION = { READ: 1, WRITE: 2, FLUSH: 3, DEALLOCATE: 4 } as const;

/** Requests that the target has at once, at most: more do not make a drive faster. */
const DEPTH_MAX = 1024;

export class BackendQueue {
  readonly backend: NamespaceBackend;
  readonly #deallocating: DeallocatingTarget | null;
  readonly #requests: (TargetRequest | null)[] = [];
  readonly #free: number[] = [];
  #first: TargetRequest | null = null;
  #last: TargetRequest | null = null;
  #isServing = false;

  constructor(backend: NamespaceBackend) {
    this.backend = backend;
    this.#deallocating = 'deallocate' in backend.target ? backend.target : null;
    const depth = Math.max(1, Math.min(backend.target.depthMax, DEPTH_MAX));
    for (let token = depth - 1; token >= 0; token--) {
      this.#free.push(token);
      this.#requests.push(null);
    }
    backend.target.onDone = (token, status) => this.#onDone(token, status);
  }

  get canDeallocate(): boolean {
    return this.#deallocating !== null;
  }

  /**
   * Does `request.operation` on `request.partBytes` at `request.offsetBytes + request.doneBytes`, from or to
   * `request.partSpanOffset` of its span.
   * @returns PENDING, and `owner.onBackend` later; or what became of it
   */
  submit(request: TargetRequest): Status {
    request.line = this;
    if (this.#free.length === 0 || this.#first !== null) {
      request.stage = STAGE.QUEUED;
      request.next = null;
      if (this.#last === null) {
        this.#first = request;
      } else {
        this.#last.next = request;
      }
      this.#last = request;
      return PENDING;
    }
    return this.#issue(request);
  }

  /** Takes a request that waits (stage QUEUED) out of the line. @returns false when it is not in it */
  cancel(request: TargetRequest): boolean {
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

  #issue(request: TargetRequest): Status {
    const token = this.#free.pop()!;
    this.#requests[token] = request;
    request.stage = STAGE.BACKEND;
    const status = this.#call(request, token);
    if (status !== PENDING) {
      this.#requests[token] = null;
      this.#free.push(token);
    }
    return status;
  }

  #call(request: TargetRequest, token: number): Status {
    const { target } = this.backend;
    const offset = request.offsetBytes + request.doneBytes;
    switch (request.operation) {
      case BACKEND_OPERATION.READ:
        return target.read(offset, request.span!, request.partSpanOffset, request.partBytes, token);
      case BACKEND_OPERATION.WRITE:
        return target.write(offset, request.span!, request.partSpanOffset, request.partBytes, token);
      case BACKEND_OPERATION.FLUSH:
        return target.flush(token);
      default:
        return this.#deallocating?.deallocate(offset, request.partBytes, token) ?? STATUS.INVALID;
    }
  }

  #onDone(token: number, status: Status): void {
    const request = this.#requests[token];
    if (request === null || request === undefined) {
      return;
    }
    this.#requests[token] = null;
    this.#free.push(token);
    request.owner.onBackend(request, status);
    this.#serve();
  }

  #serve(): void {
    if (this.#isServing) {
      return;
    }
    this.#isServing = true;
    while (this.#first !== null && this.#free.length > 0) {
      const request = this.#first;
      this.#first = request.next;
      if (this.#first === null) {
        this.#last = null;
      }
      request.next = null;
      const status = this.#issue(request);
      if (status !== PENDING) {
        request.owner.onBackend(request, status);
      }
    }
    this.#isServing = false;
  }
}
