/**
 * One submission queue with its completion queue, and the commands under way on them.
 *
 * The hot half of the driver: a command is a slot in typed arrays; its entry is written by the caller straight into the
 * ring; one doorbell goes out for a batch; completions are scanned dword by dword. A CID is the number of the slot with a
 * count of its uses above it, so that a completion that comes twice, or for nothing, finds no command. No deadline of its own for each
 * command: one timer stands for the oldest.
 *
 * Leaves out what commands mean (their owners know), how queues are created, and recovery (`Supervisor`). Follows NVM
 * Express Base 2.1, sections 3.3.1 (queues), 4.2.1 (completions and phase) and 5.2.5 (shadow doorbells).
 */
import type { BarWindow, CoherentMemory, EventHandler, Executor, TimerId } from '../../access/index.ts';
import { assert } from '../../base/index.ts';
import { CQE_BYTES, doorbellOffset, SQE_BYTES } from '../../spec/nvme/index.ts';
import type { AnomalyLog } from './anomalies.ts';
import { type ListPool, wordsOf } from './list-pool.ts';

const SQE_WORDS = SQE_BYTES / 4;
const CQE_WORDS = CQE_BYTES / 4;

/** Why a command will never complete. */
export type Loss = 'reset' | 'timeout' | 'gone' | 'failed' | 'changed' | 'closed';

/** Whoever sent a command. */
export interface CommandOwner {
  /**
   * The controller completed it; its slot is free again. `queue.dw0`, `dw1`, `position` and `lengthBytes` belong to the
   * command during the call. Called once for each command, if `onLost` is not.
   * @param statusWord the upper half of dword 3, phase included (CQE_STATUS)
   */
  onCompletion(argument: number, statusWord: number, queue: QueuePair): void;
  /** It will never complete, and the controller does not use its memory any more. No command may be sent in the call. */
  onLost(argument: number, loss: Loss, queue: QueuePair): void;
}

/** Who looks after queues as a whole. */
export interface Supervisor {
  /** The command in `slot` is older than the timeout. The supervisor calls `extend`, or loses the commands. */
  onExpired(queue: QueuePair, slot: number): void;
  /** Slots may have become free. */
  onRoom(queue: QueuePair): void;
}

/** Shadow doorbells: the host's values and the controller's EventIdx, as dwords. NVM Express Base 2.1, 5.2.5. */
export interface ShadowDoorbells {
  readonly values: Uint32Array;
  readonly eventIndexes: Uint32Array;
  /** Indexes of this queue's tail and head in both. */
  readonly tail: number;
  readonly head: number;
}

/** A place in the controller memory buffer for a submission queue. */
export interface QueueWindow {
  readonly window: BarWindow;
  readonly offsetBytes: number;
}

export interface QueuePairOptions {
  readonly id: number;
  /** 2 to 65,536. */
  readonly entries: number;
  readonly executor: Executor;
  readonly registers: BarWindow;
  readonly dstrd: number;
  readonly sqMemory: CoherentMemory;
  readonly cqMemory: CoherentMemory;
  readonly lists: ListPool;
  readonly anomalies: AnomalyLog;
  readonly supervisor: Supervisor;
  readonly timeoutPs: number;
  /** Look for completions every so often while commands are under way; null where interrupts say when. */
  readonly pollPs: number | null;
}

const EVENT = { RING: 0, DEADLINE: 1, POLL: 2 } as const;
const NEVER = Number.POSITIVE_INFINITY;

export class QueuePair implements EventHandler {
  readonly id: number;
  readonly entries: number;
  /** Commands that may be under way at once. */
  readonly slotCount: number;
  /** The ring of submission entries, to be filled from the index that `begin` returns. */
  readonly words: Uint32Array;
  /** The slot that the last `begin` took. */
  slot = 0;
  /** Of the command being completed. */
  dw0 = 0;
  dw1 = 0;
  position = 0;
  lengthBytes = 0;
  /** Null until the controller has taken Doorbell Buffer Config. */
  shadow: ShadowDoorbells | null = null;
  /** The controller knows the queue: commands may be sent. Closed by `reset`. */
  isOpen = false;

  readonly #executor: Executor;
  readonly #registers: BarWindow;
  readonly #sqDoorbell: number;
  readonly #cqDoorbell: number;
  readonly #sqBytes: Uint8Array;
  readonly #cq: Uint32Array;
  readonly #sqMemory: CoherentMemory;
  readonly #cqMemory: CoherentMemory;
  #controllerMemory: QueueWindow | null = null;
  readonly #lists: ListPool;
  readonly #anomalies: AnomalyLog;
  readonly #supervisor: Supervisor;
  readonly #timeoutPs: number;
  readonly #pollPs: number | null;

  // Commands by slot.
  readonly #slotBits: number;
  readonly #cids: Int32Array;
  readonly #lastCids: Int32Array;
  readonly #owners: (CommandOwner | null)[];
  readonly #arguments: Int32Array;
  readonly #positions: Float64Array;
  readonly #lengths: Float64Array;
  readonly #chains: Int32Array;
  readonly #sentPs: Float64Array;
  readonly #freeSlots: Int32Array;
  #freeCount: number;

  #tail = 0;
  /** The tail that the controller has been told. */
  #rung = 0;
  /** The controller has taken all entries before this one. */
  #head = 0;
  #cqHead = 0;
  #phase = 1;
  #isRinging = false;
  #isProcessing = false;
  /** Grows with every reset, so that a scan notices one that happened inside a callback. */
  #epoch = 0;
  /** Commands under way that have a deadline. */
  #timed = 0;
  #deadline: TimerId = 0;
  #poll: TimerId = 0;
  #isPollDue = false;

  constructor(options: QueuePairOptions) {
    const { id, entries, dstrd } = options;
    assert(entries >= 2 && entries <= 65_536, 'a queue has 2 to 65,536 entries', { entries });
    this.id = id;
    this.entries = entries;
    this.slotCount = entries - 1;
    this.#executor = options.executor;
    this.#registers = options.registers;
    this.#sqDoorbell = doorbellOffset(id, 'sq', dstrd);
    this.#cqDoorbell = doorbellOffset(id, 'cq', dstrd);
    this.#sqMemory = options.sqMemory;
    this.#cqMemory = options.cqMemory;
    this.#sqBytes = options.sqMemory.bytes;
    this.words = wordsOf(options.sqMemory, 0, entries * SQE_BYTES);
    this.#cq = wordsOf(options.cqMemory, 0, entries * CQE_BYTES);
    this.#lists = options.lists;
    this.#anomalies = options.anomalies;
    this.#supervisor = options.supervisor;
    this.#timeoutPs = options.timeoutPs;
    this.#pollPs = options.pollPs;

    const slots = this.slotCount;
    // One bit pattern more than there are slots, so that no CID is FFFFh, which means none.
    this.#slotBits = Math.ceil(Math.log2(slots + 1));
    this.#cids = new Int32Array(slots).fill(-1);
    this.#lastCids = new Int32Array(slots).fill(-1);
    this.#owners = new Array<CommandOwner | null>(slots).fill(null);
    this.#arguments = new Int32Array(slots);
    this.#positions = new Float64Array(slots);
    this.#lengths = new Float64Array(slots);
    this.#chains = new Int32Array(slots).fill(-1);
    this.#sentPs = new Float64Array(slots);
    this.#freeSlots = new Int32Array(slots);
    for (let i = 0; i < slots; i++) {
      this.#freeSlots[i] = slots - 1 - i;
    }
    this.#freeCount = slots;
  }

  get sqAddress(): number {
    const place = this.#controllerMemory;
    return place === null ? this.#sqMemory.addr : place.window.busAddr + place.offsetBytes;
  }

  get cqAddress(): number {
    return this.#cqMemory.addr;
  }

  get isInControllerMemory(): boolean {
    return this.#controllerMemory !== null;
  }

  /** Where the controller fetches entries when that is not host memory, which then holds a copy; before the queue is created. */
  place(controllerMemory: QueueWindow | null): void {
    this.#controllerMemory = controllerMemory;
  }

  get inFlight(): number {
    return this.slotCount - this.#freeCount;
  }

  /** Commands that can be sent now. */
  get room(): number {
    return this.#freeCount;
  }

  /**
   * Takes a slot and the next entry, with its CID in dword 0 and everything else whatever it was: the caller fills all 16
   * dwords (`words[at] |= opcode`), then calls `commit`, or `cancel`.
   * @returns where the entry starts in `words`; -1 when the queue is full
   */
  begin(owner: CommandOwner, argument: number, position: number, lengthBytes: number): number {
    if (this.#freeCount === 0 || !this.isOpen || !this.#hasEntry()) {
      return -1;
    }
    const slot = this.#freeSlots[--this.#freeCount]!;
    const cid = (this.#lastCids[slot]! + (1 << this.#slotBits)) & 0xffff;
    // The first use of a slot starts from -1 and so has the bits of another slot: set them.
    const own = (cid & ~((1 << this.#slotBits) - 1)) | slot;
    this.#lastCids[slot] = own;
    this.#owners[slot] = owner;
    this.#arguments[slot] = argument;
    this.#positions[slot] = position;
    this.#lengths[slot] = lengthBytes;
    this.slot = slot;
    const at = this.#tail * SQE_WORDS;
    this.words[at] = own << 16;
    return at;
  }

  /** Pages of lists that are given back with the command of the last `begin`. */
  attachLists(chain: number): void {
    this.#chains[this.slot] = chain;
  }

  /** Sends the command of the last `begin`: the doorbell follows at the end of the turn, or at once when the queue is full. */
  commit(hasDeadline = true): void {
    const slot = this.slot;
    this.#cids[slot] = this.#lastCids[slot]!;
    if (hasDeadline) {
      this.#sentPs[slot] = this.#executor.nowPs;
      if (this.#timed++ === 0 && this.#deadline === 0) {
        this.#deadline = this.#executor.timer(this.#timeoutPs, this, EVENT.DEADLINE, 0);
      }
    } else {
      this.#sentPs[slot] = NEVER;
    }
    const next = this.#tail + 1;
    this.#tail = next === this.entries ? 0 : next;
    if (this.#freeCount === 0) {
      this.ring();
    } else if (!this.#isRinging && !this.#isProcessing) {
      this.#isRinging = true;
      this.#executor.after(0, this, EVENT.RING, 0);
    }
  }

  /** Gives the slot of the last `begin` back; nothing is sent. */
  cancel(): void {
    const slot = this.slot;
    this.#owners[slot] = null;
    this.#lists.give(this.#chains[slot]!);
    this.#chains[slot] = -1;
    this.#freeSlots[this.#freeCount++] = slot;
  }

  /** Tells the controller of everything committed so far. */
  ring(): void {
    const tail = this.#tail;
    const old = this.#rung;
    if (tail === old) {
      return;
    }
    if (this.#controllerMemory !== null) {
      this.#copyToController(this.#controllerMemory, old, tail);
    }
    this.#rung = tail;
    const shadow = this.shadow;
    if (shadow === null || shadowNeedsDoorbell(shadow, shadow.tail, tail)) {
      this.#registers.write32(this.#sqDoorbell, tail);
    }
    if (this.#pollPs !== null && this.#poll === 0 && !this.#isPollDue) {
      this.#isPollDue = true;
      this.#executor.after(0, this, EVENT.POLL, 0);
    }
  }

  /**
   * Takes all completions that are there. Does nothing when called from inside itself.
   * @returns how many entries were taken, wrong ones included
   */
  process(): number {
    if (this.#isProcessing) {
      return 0;
    }
    this.#isProcessing = true;
    const cq = this.#cq;
    const entries = this.entries;
    const epoch = this.#epoch;
    let count = 0;
    // Bounded, so that a controller that scribbles over the whole queue cannot keep the scan going.
    while (count < entries) {
      const at = this.#cqHead * CQE_WORDS;
      const last = cq[at + 3]!;
      if (((last >>> 16) & 1) !== this.#phase) {
        break;
      }
      const next = this.#cqHead + 1;
      if (next === entries) {
        this.#cqHead = 0;
        this.#phase ^= 1;
      } else {
        this.#cqHead = next;
      }
      count++;
      this.#complete(cq, at, last);
      if (this.#epoch !== epoch) {
        this.#isProcessing = false;
        return count;
      }
    }
    this.#isProcessing = false;
    if (count > 0) {
      this.#ringCompletions();
      this.#settle();
    }
    return count;
  }

  /** Gives the command in `slot` another whole timeout. */
  extend(slot: number): void {
    this.#sentPs[slot] = this.#executor.nowPs;
  }

  /** The CID of the command in a slot; -1 when there is none. */
  cidOf(slot: number): number {
    return this.#cids[slot]!;
  }

  /** Whether the command that had this CID is still under way. */
  isUnderWay(cid: number): boolean {
    const slot = cid & ((1 << this.#slotBits) - 1);
    return slot < this.slotCount && this.#cids[slot] === cid;
  }

  /**
   * Back to empty queues, for a controller that has forgotten them: every command under way is lost, its memory is the
   * owner's again.
   */
  reset(loss: Loss): void {
    this.#epoch++;
    this.isOpen = false;
    const lost: number[] = [];
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (this.#cids[slot]! >= 0) {
        lost.push(slot);
      }
    }
    this.#tail = 0;
    this.#rung = 0;
    this.#head = 0;
    this.#cqHead = 0;
    this.#phase = 1;
    this.#cq.fill(0);
    this.shadow = null;
    this.#timed = 0;
    this.#stopTimers();
    const owners = lost.map((slot) => this.#owners[slot]!);
    for (const slot of lost) {
      this.#release(slot);
    }
    for (const [i, slot] of lost.entries()) {
      this.position = this.#positions[slot]!;
      this.lengthBytes = this.#lengths[slot]!;
      owners[i]!.onLost(this.#arguments[slot]!, loss, this);
    }
  }

  /** Gives the memory back. Nothing may be under way. */
  close(): void {
    this.#stopTimers();
    this.#sqMemory.free();
    this.#cqMemory.free();
  }

  onEvent(code: number): void {
    if (code === EVENT.RING) {
      this.#isRinging = false;
      this.ring();
    } else if (code === EVENT.DEADLINE) {
      this.#deadline = 0;
      this.#onDeadline();
    } else {
      this.#poll = 0;
      this.#isPollDue = false;
      this.process();
      // Commands without a deadline wait for events, maybe for ever: they alone are not polled for.
      if (this.#pollPs !== null && this.#poll === 0 && this.#timed > 0) {
        this.#poll = this.#executor.timer(this.#pollPs, this, EVENT.POLL, 0);
      }
    }
  }

  #complete(cq: Uint32Array, at: number, last: number): void {
    const heads = cq[at + 2]!;
    const cid = last & 0xffff;
    const slot = cid & ((1 << this.#slotBits) - 1);
    if (heads >>> 16 !== this.id) {
      this.#anomalies.record(
        'wrong-queue',
        `queue ${this.id}: a completion names submission queue ${heads >>> 16}`,
      );
      return;
    }
    if (slot >= this.slotCount || this.#cids[slot] !== cid) {
      const isSecond = slot < this.slotCount && this.#lastCids[slot] === cid;
      this.#anomalies.record(
        isSecond ? 'doubled-completion' : 'unknown-command',
        `queue ${this.id}: a completion for command ${cid}, which is not under way`,
      );
      return;
    }
    this.#takeHead(heads & 0xffff);
    const owner = this.#owners[slot]!;
    this.dw0 = cq[at]!;
    this.dw1 = cq[at + 1]!;
    this.position = this.#positions[slot]!;
    this.lengthBytes = this.#lengths[slot]!;
    if (this.#sentPs[slot] !== NEVER) {
      this.#timed--;
    }
    this.#release(slot);
    owner.onCompletion(this.#arguments[slot]!, last >>> 16, this);
  }

  #release(slot: number): void {
    this.#cids[slot] = -1;
    this.#owners[slot] = null;
    const chain = this.#chains[slot]!;
    if (chain >= 0) {
      this.#chains[slot] = -1;
      this.#lists.give(chain);
    }
    this.#freeSlots[this.#freeCount++] = slot;
  }

  /** The controller has taken all entries before `head`; believed as far as they were sent. */
  #takeHead(head: number): void {
    const entries = this.entries;
    const taken = head - this.#head;
    const sent = this.#rung - this.#head;
    if (head >= entries || (taken < 0 ? taken + entries : taken) > (sent < 0 ? sent + entries : sent)) {
      this.#anomalies.record(
        'head-out-of-range',
        `queue ${this.id}: SQHD ${head} with entries ${this.#head} to ${this.#rung} under way`,
      );
      return;
    }
    this.#head = head;
  }

  /** A free slot nearly always means a free entry: its command has completed, so its entry was taken. */
  #hasEntry(): boolean {
    const next = this.#tail + 1;
    if ((next === this.entries ? 0 : next) !== this.#head) {
      return true;
    }
    if (this.#freeCount < this.slotCount) {
      return false;
    }
    this.#anomalies.record(
      'stuck-head',
      `queue ${this.id}: SQHD stayed at ${this.#head} although nothing is under way`,
    );
    this.#head = this.#tail;
    return true;
  }

  #ringCompletions(): void {
    const shadow = this.shadow;
    if (shadow === null || shadowNeedsDoorbell(shadow, shadow.head, this.#cqHead)) {
      this.#registers.write32(this.#cqDoorbell, this.#cqHead);
    }
  }

  /** After completions: what was sent meanwhile goes out, the deadline goes when nothing waits for it. */
  #settle(): void {
    this.#supervisor.onRoom(this);
    this.ring();
    if (this.#timed === 0 && this.#deadline !== 0) {
      this.#executor.cancel(this.#deadline);
      this.#deadline = 0;
    }
    if (this.#timed === 0 && this.#poll !== 0) {
      this.#executor.cancel(this.#poll);
      this.#poll = 0;
    }
  }

  #onDeadline(): void {
    if (this.#timed === 0) {
      return;
    }
    const epoch = this.#epoch;
    if (this.process() > 0) {
      this.#anomalies.record(
        'lost-interrupt',
        `queue ${this.id}: completions were there without an interrupt`,
      );
    }
    const now = this.#executor.nowPs;
    for (let slot = 0; slot < this.slotCount && this.#epoch === epoch; slot++) {
      if (this.#cids[slot]! >= 0 && this.#sentPs[slot]! + this.#timeoutPs <= now) {
        this.#supervisor.onExpired(this, slot);
      }
    }
    if (this.#epoch !== epoch || this.#timed === 0 || this.#deadline !== 0) {
      return;
    }
    let oldest = NEVER;
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (this.#cids[slot]! >= 0 && this.#sentPs[slot]! < oldest) {
        oldest = this.#sentPs[slot]!;
      }
    }
    // One that expired and was not extended is being dealt with: look again after a whole timeout.
    const leftPs = oldest + this.#timeoutPs - now;
    const waitPs = leftPs > 0 ? leftPs : this.#timeoutPs;
    this.#deadline = this.#executor.timer(waitPs, this, EVENT.DEADLINE, 0);
  }

  #stopTimers(): void {
    this.#executor.cancel(this.#deadline);
    this.#executor.cancel(this.#poll);
    this.#deadline = 0;
    this.#poll = 0;
  }

  #copyToController(place: QueueWindow, from: number, to: number): void {
    const end = to > from ? to : this.entries;
    place.window.writeBytes(
      place.offsetBytes + from * SQE_BYTES,
      this.#sqBytes,
      from * SQE_BYTES,
      (end - from) * SQE_BYTES,
    );
    if (to <= from && to > 0) {
      place.window.writeBytes(place.offsetBytes, this.#sqBytes, 0, to * SQE_BYTES);
    }
  }
}

/** Publishes a doorbell's value in memory. @returns whether the controller asked to be told by the register too */
function shadowNeedsDoorbell(shadow: ShadowDoorbells, index: number, value: number): boolean {
  const old = shadow.values[index]!;
  shadow.values[index] = value;
  const event = shadow.eventIndexes[index]!;
  return ((value - event - 1) & 0xffff) < ((value - old) & 0xffff);
}
