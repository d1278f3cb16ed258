/** A receive queue that several queue pairs take from. IBA volume 1, 10.2.9. */
import { RECEIVE_ENTRY_BYTES, RNIC_EVENT_TYPE } from '../../spec/rdma/index.ts';
import type { RnicCore } from './core.ts';
import type { Responder } from './responder.ts';
import { ENTRY, type RingOwner, WorkRing } from './work-ring.ts';

export class SharedReceiveQueue implements RingOwner {
  readonly srqn: number;
  readonly pd: number;
  readonly ring: WorkRing;
  /** Queue pairs that take from it. */
  users = 0;
  /** Entries ever taken. */
  taken = 0;
  /** An event once fewer than this are left; 0 is none. */
  limit = 0;
  readonly #core: RnicCore;
  readonly #waiting = new Set<Responder>();

  constructor(core: RnicCore, srqn: number, pd: number, addr: number, sizeLog: number) {
    this.#core = core;
    this.srqn = srqn;
    this.pd = pd;
    this.ring = new WorkRing(addr, sizeLog, RECEIVE_ENTRY_BYTES, core.dma, this);
  }

  /** Takes the next entry. @returns ENTRY; when it is READY, `taken - 1` is its index. PENDING: the responder is called later. */
  take(responder: Responder): number {
    const found = this.ring.need(this.taken);
    if (found === ENTRY.READY) {
      this.taken++;
      if (this.limit > 0 && this.ring.posted - this.taken < this.limit) {
        this.limit = 0;
        this.#core.events.push(RNIC_EVENT_TYPE.SRQ_LIMIT_REACHED, this.srqn);
      }
    } else if (found === ENTRY.PENDING) {
      this.#waiting.add(responder);
    }
    return found;
  }

  onFetched(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const responder of waiting) {
      responder.onFetched();
    }
  }
}
