/** A receive queue that several queue pairs take from. */
import { STATUS, type Status } from '../../access/index.ts';
import type { ProtectionDomain } from './memory.ts';
import { type PostRing, postReceive } from './post-ring.ts';
import type { RecvWr } from './types.ts';

export class SharedReceiveQueue {
  readonly srqn: number;
  readonly pd: ProtectionDomain;
  readonly ring: PostRing;

  constructor(srqn: number, pd: ProtectionDomain, ring: PostRing) {
    this.srqn = srqn;
    this.pd = pd;
    this.ring = ring;
  }

  /** As `QueuePair.postRecv`. */
  postSrqRecv(request: RecvWr, rings = true): Status {
    return postReceive(this.ring, request, rings, STATUS.FULL, STATUS.INVALID);
  }
}
