/**
 * Commands as tasks: one command, its data through a buffer of its own or a mapped span, its result as a value.
 *
 * For everything that is not hot: admin commands, and the I/O commands that move no block data. Waits for room when the
 * queue is full. Leaves out retries: the caller sees what became of the command.
 */
import { type CoherentMemory, Delivery, type DmaView, type Task } from '../../access/index.ts';
import { assert, NvmeError } from '../../base/index.ts';
import { CDW0, DPTR_OFFSET, SQE_BYTES } from '../../spec/nvme/index.ts';
import { type CommandResult, completedResult, lostResult } from './command-result.ts';
import { LIST_FAILED, writePrps, writeSgl } from './data-pointer.ts';
import type { ListPool } from './list-pool.ts';
import type { CommandOwner, Loss, QueuePair } from './queue-pair.ts';
import { SpanMapping } from './span-mapping.ts';

/** A command to be sent: 64 bytes; CID and, with `data`, the data pointer are filled in when it goes out. */
export class Command {
  readonly bytes = new Uint8Array(SQE_BYTES);
  readonly view = new DataView(this.bytes.buffer);

  constructor(opcode: number, nsid = 0) {
    CDW0.OPC.write(this.view, opcode);
    this.view.setUint32(4, nsid, true);
  }
}

/** Memory of a command that is mapped already. */
export interface MappedData {
  readonly mapping: SpanMapping;
  readonly spanOffset: number;
  readonly lengthBytes: number;
  readonly bySgl: boolean;
}

const PSDT_BITS = 3 << 14;

class Running {
  readonly delivery = new Delivery<CommandResult>();
}

export class CommandRunner implements CommandOwner {
  readonly #dma: DmaView;
  readonly #lists: ListPool;
  readonly #running: (Running | null)[] = [];
  /** Tasks that wait for a slot, by queue. */
  readonly #waiting = new Map<QueuePair, Delivery<Loss | null>[]>();
  #waitingCount = 0;
  #closedBy: Loss | null = null;

  constructor(dma: DmaView, lists: ListPool) {
    this.#dma = dma;
    this.#lists = lists;
  }

  /** Commands under way, and those that wait for a slot. */
  get inFlight(): number {
    let count = this.#waitingCount;
    for (const running of this.#running) {
      count += running === null ? 0 : 1;
    }
    return count;
  }

  /**
   * Sends a command and waits for its end.
   * @param sqe   64 bytes; not changed
   * @param data  null leaves the data pointer as it stands in `sqe`
   */
  *run(queue: QueuePair, sqe: Uint8Array, data: MappedData | null, hasDeadline = true): Task<CommandResult> {
    assert(sqe.length === SQE_BYTES, 'a submission queue entry has 64 bytes', { length: sqe.length });
    const running = new Running();
    for (;;) {
      if (this.#closedBy !== null) {
        return lostResult(this.#closedBy);
      }
      const index = this.#free();
      const at = queue.begin(this, index, 0, 0);
      if (at >= 0) {
        this.#running[index] = running;
        if (!this.#write(queue, at, sqe, data)) {
          queue.cancel();
          this.#running[index] = null;
          throw new NvmeError('NVME_NO_MEMORY', {
            message: 'no host memory is left for the lists of a command',
            hint: 'use smaller transfers, or fewer at once',
            exitStatus: 3,
          });
        }
        queue.commit(hasDeadline);
        return yield* running.delivery.wait();
      }
      const loss = yield* this.#room(queue);
      if (loss !== null) {
        return lostResult(loss);
      }
    }
  }

  /**
   * As `run`, with a buffer of its own in host memory.
   * @param bytes  what the command takes, and where what it leaves is put
   */
  *runWithBuffer(queue: QueuePair, sqe: Uint8Array, bytes: Uint8Array): Task<CommandResult> {
    const page = this.#lists.pageBytes;
    const memory = this.#dma.allocCoherent(Math.max(page, Math.ceil(bytes.length / page) * page), page);
    memory.bytes.set(bytes);
    const mapping = coherentMapping(memory, this.#dma, page);
    try {
      const result = yield* this.run(queue, sqe, {
        mapping,
        spanOffset: 0,
        lengthBytes: bytes.length,
        bySgl: false,
      });
      if (result.loss === null) {
        bytes.set(memory.bytes.subarray(0, bytes.length));
      }
      return result;
    } finally {
      mapping.close();
    }
  }

  onCompletion(argument: number, statusWord: number, queue: QueuePair): void {
    const running = this.#running[argument]!;
    this.#running[argument] = null;
    running.delivery.deliver(completedResult(statusWord, queue.dw0, queue.dw1));
  }

  onLost(argument: number, loss: Loss): void {
    const running = this.#running[argument]!;
    this.#running[argument] = null;
    running.delivery.deliver(lostResult(loss));
  }

  /** Whether a task waits for a slot of any queue. */
  get isAnyWaiting(): boolean {
    return this.#waitingCount > 0;
  }

  /** Whether a task waits for a slot of the queue. */
  isWaitingFor(queue: QueuePair): boolean {
    return (this.#waiting.get(queue)?.length ?? 0) > 0;
  }

  /** Slots of the queue are free: as many tasks as fit try again. */
  onRoom(queue: QueuePair): void {
    const waiting = this.#waiting.get(queue);
    // Each once: a task that finds no entry waits again, behind the others.
    for (let left = waiting?.length ?? 0; left > 0 && queue.room > 0 && waiting!.length > 0; left--) {
      this.#waitingCount--;
      waiting!.shift()!.deliver(null);
    }
  }

  /** No command goes out any more; those that wait for a slot give up. */
  close(loss: Loss): void {
    this.#closedBy = loss;
    for (const queue of this.#waiting.keys()) {
      this.loseWaiting(queue, loss);
    }
  }

  /** Those that wait for a slot of the queue give up. */
  loseWaiting(queue: QueuePair, loss: Loss): void {
    const waiting = this.#waiting.get(queue)?.splice(0) ?? [];
    this.#waitingCount -= waiting.length;
    for (const delivery of waiting) {
      delivery.deliver(loss);
    }
  }

  #write(queue: QueuePair, at: number, sqe: Uint8Array, data: MappedData | null): boolean {
    const { words } = queue;
    const source = new DataView(sqe.buffer, sqe.byteOffset, sqe.byteLength);
    // The CID is in place already.
    words[at] = (words[at]! & 0xffff_0000) | source.getUint16(0, true);
    for (let i = 1; i < SQE_BYTES / 4; i++) {
      words[at + i] = source.getUint32(4 * i, true);
    }
    if (data === null || data.lengthBytes === 0) {
      return true;
    }
    const { mapping, spanOffset, lengthBytes, bySgl } = data;
    words[at]! &= ~PSDT_BITS;
    words.fill(0, at + DPTR_OFFSET / 4, at + DPTR_OFFSET / 4 + 4);
    const chain = (bySgl ? writeSgl : writePrps)(words, at, mapping, spanOffset, lengthBytes, this.#lists);
    if (chain === LIST_FAILED) {
      return false;
    }
    queue.attachLists(chain);
    return true;
  }

  *#room(queue: QueuePair): Task<Loss | null> {
    const delivery = new Delivery<Loss | null>();
    const waiting = this.#waiting.get(queue);
    this.#waitingCount++;
    if (waiting === undefined) {
      this.#waiting.set(queue, [delivery]);
    } else {
      waiting.push(delivery);
    }
    return yield* delivery.wait();
  }

  #free(): number {
    const index = this.#running.indexOf(null);
    return index >= 0 ? index : this.#running.length;
  }
}

/** Coherent memory as a mapping of one segment; closing it frees the memory. */
export function coherentMapping(memory: CoherentMemory, dma: DmaView, pageBytes: number): SpanMapping {
  return new SpanMapping(
    {
      segments: [{ addr: memory.addr, lengthBytes: memory.lengthBytes }],
      unmap: () => memory.free(),
    },
    dma,
    pageBytes,
  );
}
