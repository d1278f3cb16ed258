/**
 * DMA that leaves the fabric and is under way: from `RemoteMemory`, whose answers come whenever they come, to the models that
 * asked. What a function asked for before it was reset or taken away never ends for its model, and nothing is written into
 * its memory any more.
 *
 * Requests live in slots that are used again.
 */
import { DONE, PENDING, type Status } from '../../access/index.ts';
import { Memory } from '../memory/memory.ts';
import { DMA_STATUS, type Traffic } from '../model.ts';
import type { RemoteMemory, RemoteSink } from '../outside.ts';
import type { Requester } from './requester.ts';

const NO_MEMORY = Memory.flat(0);
/** Room for a read; grows in powers of two. */
const ROOM_MIN_BYTES = 4096;

class Slot {
  requester: Requester | null = null;
  /** The requester's run when it was sent: another one means that it must not end. */
  run = 0;
  isRead = false;
  addr = 0;
  local = NO_MEMORY;
  localOffset = 0;
  lengthBytes = 0;
  traffic: Traffic = 0;
  token = 0;
  /** Where a read arrives first: its requester may have given its own memory to somebody else by then. */
  room = NO_MEMORY;
}

export class RemoteRequests implements RemoteSink {
  readonly #remote: RemoteMemory | null;
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];

  constructor(remote: RemoteMemory | null) {
    this.#remote = remote;
  }

  /** Requests that have not ended. */
  get count(): number {
    return this.#slots.length - this.#free.length;
  }

  /** @returns PENDING, then the model's `onDma`; or a DMA_STATUS: then `local` holds all ones */
  read(
    requester: Requester,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    const index = this.#take(requester, true, addr, local, localOffset, lengthBytes, traffic, token);
    const { room } = this.#slots[index]!;
    const status = this.#remote!.read(requester.fn!, addr, room, 0, lengthBytes, this, index);
    return status === PENDING ? status : this.#end(index, status);
  }

  /** @returns PENDING, then the model's `onDma`; or a DMA_STATUS */
  write(
    requester: Requester,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    const index = this.#take(requester, false, addr, local, localOffset, lengthBytes, traffic, token);
    const status = this.#remote!.write(requester.fn!, addr, local, localOffset, lengthBytes, this, index);
    return status === PENDING ? status : this.#end(index, status);
  }

  onRemote(index: number, status: Status): void {
    const { requester, run, addr, local, localOffset, lengthBytes, traffic, token, isRead } =
      this.#slots[index]!;
    const { fn } = requester!;
    const isAlive = run === requester!.run;
    const ended = isAlive ? this.#end(index, status) : this.#release(index, status);
    if (isAlive) {
      if (isRead) {
        fn!.dmaWatcher?.onRead(addr, local, localOffset, lengthBytes, traffic, ended);
      }
      fn!.model!.onDma(token, ended);
    }
  }

  #take(
    requester: Requester,
    isRead: boolean,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#slots.length;
      this.#slots.push(new Slot());
    }
    const slot = this.#slots[index]!;
    slot.requester = requester;
    slot.run = requester.run;
    slot.isRead = isRead;
    slot.addr = addr;
    slot.local = local;
    slot.localOffset = localOffset;
    slot.lengthBytes = lengthBytes;
    slot.traffic = traffic;
    slot.token = token;
    if (isRead && slot.room.sizeBytes < lengthBytes) {
      slot.room = Memory.flat(2 ** Math.ceil(Math.log2(Math.max(ROOM_MIN_BYTES, lengthBytes))));
    }
    return index;
  }

  /** The slot may be used again from here on, within the call that follows as well. */
  #end(index: number, status: Status): Status {
    const { isRead, room, local, localOffset, lengthBytes } = this.#slots[index]!;
    if (isRead && status === DONE) {
      room.copyTo(0, local, localOffset, lengthBytes);
    } else if (isRead) {
      local.fill(localOffset, lengthBytes, 0xff);
    }
    // Of a posted write its requester learns no more than whether it could be sent.
    const isHeard = isRead || status === DMA_STATUS.GONE || status === DMA_STATUS.DISABLED;
    return this.#release(index, isHeard ? status : DONE);
  }

  #release(index: number, status: Status): Status {
    const slot = this.#slots[index]!;
    slot.requester = null;
    slot.local = NO_MEMORY;
    this.#free.push(index);
    return status;
  }
}
