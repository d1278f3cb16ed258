/**
 * The error log: the last commands that failed, newest first. Follows NVM Express Base 2.1, section 5.1.12.1.2.
 *
 * A reset leaves it; a power cycle empties it.
 */
import {
  CID_NONE,
  ERROR_LOG_CID,
  ERROR_LOG_COUNT,
  ERROR_LOG_ENTRY,
  ERROR_LOG_LBA,
  ERROR_LOG_NSID,
  ERROR_LOG_OPCODE,
  ERROR_LOG_PARAMETER,
  ERROR_LOG_SQID,
  ERROR_LOG_STATUS,
  ERROR_LOG_TRTYPE,
  ERROR_LOG_VERSION,
  STATUS_WORD_DNR,
  STATUS_WORD_MORE,
  statusWord,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';

/** ELPE is one less. */
export const ERROR_LOG_ENTRIES = 64;
const ENTRY_BYTES = ERROR_LOG_ENTRY.sizeBytes;
const TRANSPORT_PCIE = 0;
/** No command: the queue does not exist. */
const SQID_NONE = 0xffff;

export class ErrorLog {
  /** A ring; entry n of the controller's life is at n modulo its length. */
  readonly #ring = new Uint8Array(ERROR_LOG_ENTRIES * ENTRY_BYTES);
  readonly #view = new DataView(this.#ring.buffer);
  /** Errors since the factory. */
  count = 0;

  addCommand(command: Command): void {
    const at = this.#next();
    const view = this.#view;
    const flags = STATUS_WORD_MORE | (command.dnr ? STATUS_WORD_DNR : 0);
    ERROR_LOG_SQID.setValue(view, command.queueId, at);
    ERROR_LOG_CID.setValue(view, command.cid, at);
    ERROR_LOG_STATUS.setValue(view, statusWord(command.status, 0, flags), at);
    ERROR_LOG_PARAMETER.setValue(view, 0xffff, at);
    if (command.errorByte !== 0xffff) {
      ERROR_LOG_PARAMETER.setValue(view, 0, at);
      ERROR_LOG_PARAMETER.BYTLOC.write(view, command.errorByte, at);
      ERROR_LOG_PARAMETER.BITLOC.write(view, command.errorBit, at);
    }
    ERROR_LOG_LBA.setValue(view, command.errorLba, at);
    ERROR_LOG_NSID.setValue(view, command.nsid, at);
    ERROR_LOG_OPCODE.setValue(view, command.opcode, at);
  }

  /** An error of no command, such as a doorbell. */
  addOther(status: number): void {
    const at = this.#next();
    ERROR_LOG_SQID.setValue(this.#view, SQID_NONE, at);
    ERROR_LOG_CID.setValue(this.#view, CID_NONE, at);
    ERROR_LOG_STATUS.setValue(this.#view, statusWord(status, 0), at);
    ERROR_LOG_PARAMETER.setValue(this.#view, 0xffff, at);
  }

  /** The log page: entries from the newest to the oldest, zeroes behind. */
  page(): Uint8Array {
    const page = new Uint8Array(ERROR_LOG_ENTRIES * ENTRY_BYTES);
    const there = Math.min(this.count, ERROR_LOG_ENTRIES);
    for (let i = 0; i < there; i++) {
      const at = ((this.count - i) % ERROR_LOG_ENTRIES) * ENTRY_BYTES;
      page.set(this.#ring.subarray(at, at + ENTRY_BYTES), i * ENTRY_BYTES);
    }
    return page;
  }

  clear(): void {
    this.#ring.fill(0);
    this.count = 0;
  }

  #next(): number {
    this.count++;
    const at = (this.count % ERROR_LOG_ENTRIES) * ENTRY_BYTES;
    this.#ring.fill(0, at, at + ENTRY_BYTES);
    ERROR_LOG_COUNT.setValue(this.#view, this.count, at);
    ERROR_LOG_TRTYPE.setValue(this.#view, TRANSPORT_PCIE, at);
    ERROR_LOG_VERSION.setValue(this.#view, 1, at);
    return at;
  }
}
