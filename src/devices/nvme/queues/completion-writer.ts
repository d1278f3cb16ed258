/**
 * Makes completion queue entries and writes them: those of one queue that are contiguous with one request, and one interrupt
 * behind them. Follows NVM Express Base 2.1, section 4.2.
 */
import { DONE, type FunctionPort, PENDING, type Status, TRAFFIC } from '../../../fabric/index.ts';
import { CQE_BYTES, STATUS_WORD_DNR, STATUS_WORD_MORE } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Interrupts } from './interrupts.ts';
import { TOKEN_POSTED } from './tokens.ts';

/** An identifier that is not the command's: a fault. */
const CID_FLIP = 0x8000;

export class CompletionWriter {
  readonly #port: FunctionPort;
  readonly #interrupts: Interrupts;
  /** Queues with entries that were not written. */
  readonly #dirty: CompletionQueue[] = [];
  /** Requests to write entries, for people. */
  writeCount = 0;
  /** Requests that became PENDING since the caller last set it to 0. */
  pendingCount = 0;

  constructor(port: FunctionPort, interrupts: Interrupts) {
    this.#port = port;
    this.#interrupts = interrupts;
  }

  /** Puts the completion of a command into its queue, which has room. `sqHead` and `sqId` are of its submission queue. */
  post(completion: CompletionQueue, command: Command, sqHead: number, sqId: number): void {
    const word =
      (command.status << 1) |
      (command.status !== 0 && command.dnr ? STATUS_WORD_DNR : 0) |
      (command.more ? STATUS_WORD_MORE : 0);
    const dw2 = sqHead | (sqId << 16);
    const { fault } = command;
    if (fault === null) {
      completion.push(command.dw0, command.dw1, dw2, command.cid, word, false);
    } else {
      const cid = fault.kind === 'wrong-cid' ? command.cid ^ CID_FLIP : command.cid;
      completion.push(command.dw0, command.dw1, dw2, cid, word, fault.kind === 'wrong-phase');
      if (fault.kind === 'twice' && !completion.isFull) {
        completion.push(command.dw0, command.dw1, dw2, cid, word, false);
      }
    }
    if (!completion.isDirty) {
      completion.isDirty = true;
      this.#dirty.push(completion);
    }
  }

  /** Writes all that was posted. @returns DONE, or what a write failed with */
  flush(): Status {
    const dirty = this.#dirty;
    let result: Status = DONE;
    for (let i = 0; i < dirty.length; i++) {
      const status = this.#flushQueue(dirty[i]!);
      if (status !== DONE) {
        result = status;
      }
    }
    dirty.length = 0;
    return result;
  }

  /** Forgets what was posted. */
  clear(): void {
    for (const queue of this.#dirty) {
      queue.isDirty = false;
    }
    this.#dirty.length = 0;
  }

  #flushQueue(queue: CompletionQueue): Status {
    queue.isDirty = false;
    let total = 0;
    while (queue.written !== queue.tail) {
      const from = queue.written;
      const count = (queue.tail > from ? queue.tail : queue.entries) - from;
      queue.written = from + count === queue.entries ? 0 : from + count;
      total += count;
      this.writeCount++;
      const { place } = queue;
      const offset = from * CQE_BYTES;
      if (place.memory !== null) {
        queue.mirror.copyTo(offset, place.memory, place.offset + offset, count * CQE_BYTES);
        continue;
      }
      const status = this.#port.dmaWrite(
        place.address + offset,
        queue.mirror,
        offset,
        count * CQE_BYTES,
        TRAFFIC.CONTROL,
        TOKEN_POSTED,
      );
      if (status === PENDING) {
        this.pendingCount++;
      } else if (status !== DONE) {
        return status;
      }
    }
    if (total > 0) {
      this.#interrupts.notify(queue, total);
    }
    return DONE;
  }
}
