/**
 * One command that the controller has fetched and not yet completed, and the pool of them.
 *
 * Slots are made once; nothing is allocated per command. The 64 bytes of the entry stand in one flat staging memory that
 * all slots share, so the field tables read them with `FIELD.read(command.view, command.base)`.
 *
 * Engines that need more state than there is here keep it in tables of their own, indexed by `command.index`.
 *
 * Contract of whoever moves data or executes (data/, io/, admin/):
 * - A transfer or an execution returns DONE when it is over, with the outcome in `command.status` (0 is success), or PENDING;
 *   then `command.onDone.onTransfer(command)` (a transfer) or `controller.complete(command)` (an execution) comes once, later,
 *   with the outcome in the same place. Neither returns anything else.
 * - DMA for a command uses the token `command.index`; the controller hands `onDma` with such tokens to data/.
 * - A slot is not released while a request with its token is under way, so a late completion can never meet another command.
 */
import { assert } from '../../base/index.ts';
import { Memory } from '../../fabric/index.ts';
import { CDW0, NSID, SQE_BYTES } from '../../spec/nvme/index.ts';
import type { FaultAction } from './fault-plan.ts';

/** Who is told that a transfer of a command, which was PENDING, is over. */
export interface TransferTarget {
  onTransfer(command: Command): void;
}

const NOBODY: TransferTarget = {
  onTransfer(command: Command): void {
    assert(false, 'a transfer ended that nobody waits for', { slot: command.index });
  },
};

export class Command {
  /** Slot number from 0; also the token of its DMA requests. */
  readonly index: number;
  /** All entries; those of this command are SQE_BYTES from `base` on. */
  readonly staging: Memory;
  readonly view: DataView;
  readonly base: number;

  /** Submission queue, 0 for the admin queue. */
  queueId = 0;
  cid = 0;
  opcode = 0;
  nsid = 0;

  /** What will be in the completion: `sct << 8 | sc` as in NVME_STATUS. */
  status = 0;
  /** Do Not Retry: a repetition would fail in the same way. */
  dnr = false;
  /** The error log has an entry about it. Set by the controller. */
  more = false;
  dw0 = 0;
  dw1 = 0;
  /** Where the offending field is, for the error log: byte of the entry, and bit in that byte; byte 0xffff for none. */
  errorByte = 0xffff;
  errorBit = 0;
  /** The offending block, for the error log. */
  errorLba = 0;

  /** Free for the engine that executes the command; 0 when it starts. */
  step = 0;
  counter = 0;
  offset = 0;
  /** An Abort, a queue deletion or a reset wants it gone; whoever executes it may stop early and complete it. */
  isAbortWanted = false;
  onDone: TransferTarget = NOBODY;

  /** Whether the slot holds a command. The pool's. */
  isBusy = false;
  /** Waits for a place in its completion queue. The queue engine's. */
  next: Command | null = null;
  /** What shall go wrong with it. The queue engine's. */
  fault: FaultAction | null = null;
  /** Kept back by a fault: not executed yet, or its completion is lost. */
  isHeld = false;
  /** Its identifier is marked as in use; false for one that repeats another's. */
  ownsIdentifier = false;

  constructor(index: number, staging: Memory, view: DataView) {
    this.index = index;
    this.staging = staging;
    this.view = view;
    this.base = index * SQE_BYTES;
  }

  /** Takes what was staged at `base` as a command of a queue. */
  decode(queueId: number): void {
    const cdw0 = this.view.getUint32(this.base + CDW0.offset, true);
    this.queueId = queueId;
    this.opcode = cdw0 & 0xff;
    this.cid = cdw0 >>> 16;
    this.nsid = this.view.getUint32(this.base + NSID.offset, true);
    this.status = 0;
    this.dnr = false;
    this.more = false;
    this.dw0 = 0;
    this.dw1 = 0;
    this.errorByte = 0xffff;
    this.errorBit = 0;
    this.errorLba = 0;
    this.step = 0;
    this.counter = 0;
    this.offset = 0;
    this.isAbortWanted = false;
    this.next = null;
    this.fault = null;
    this.isHeld = false;
    this.ownsIdentifier = false;
  }

  /** Dword `number` of the entry, 0 to 15, unsigned. */
  dword(number: number): number {
    return this.view.getUint32(this.base + 4 * number, true);
  }

  /** Fails the command for good: a repetition would fail too. The first failure stands. */
  fail(status: number): void {
    if (this.status === 0) {
      this.status = status;
      this.dnr = true;
    }
  }

  /** Fails the command so that a repetition may succeed. The first failure stands. */
  failForNow(status: number): void {
    if (this.status === 0) {
      this.status = status;
    }
  }

  /** As `fail`, and says which field it was: bit `bit` of dword `dwordNumber`. */
  failField(status: number, dwordNumber: number, bit: number): void {
    if (this.status === 0) {
      this.fail(status);
      this.errorByte = 4 * dwordNumber + (bit >> 3);
      this.errorBit = bit & 7;
    }
  }
}

/** All slots of a controller. */
export class CommandPool {
  readonly staging: Memory;
  readonly slots: readonly Command[];
  readonly #free: Int32Array;
  #freeCount = 0;

  constructor(count: number) {
    this.staging = Memory.flat(count * SQE_BYTES);
    const bytes = this.staging.flat!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.slots = Array.from({ length: count }, (_, index) => new Command(index, this.staging, view));
    this.#free = new Int32Array(count);
    this.reset();
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  get busyCount(): number {
    return this.slots.length - this.#freeCount;
  }

  /** A free slot; undefined when all are busy. Its entry is not decoded yet. */
  take(): Command | undefined {
    if (this.#freeCount === 0) {
      return undefined;
    }
    const command = this.slots[this.#free[--this.#freeCount]!]!;
    command.isBusy = true;
    return command;
  }

  release(command: Command): void {
    assert(command.isBusy, 'a command was released twice', { slot: command.index });
    command.isBusy = false;
    command.onDone = NOBODY;
    this.#free[this.#freeCount++] = command.index;
  }

  /** Forgets every command: only when no request of theirs can end any more. */
  reset(): void {
    const count = this.slots.length;
    this.#freeCount = count;
    for (let i = 0; i < count; i++) {
      // Low slots are given out first.
      this.#free[i] = count - 1 - i;
      this.slots[i]!.isBusy = false;
      this.slots[i]!.onDone = NOBODY;
    }
  }
}
