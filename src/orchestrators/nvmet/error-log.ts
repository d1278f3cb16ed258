/** The last errors of one controller, as the Error Information log page tells them. NVM Express Base 2.1, 5.1.12.1.2. */
import {
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
} from '../../spec/nvme/index.ts';

/** ELPE + 1. */
export const ERROR_LOG_ENTRIES = 64;
const ENTRY_BYTES = ERROR_LOG_ENTRY.sizeBytes;

export interface ErrorFacts {
  readonly queueId: number;
  readonly commandId: number;
  /** The status word without its phase. */
  readonly statusWord: number;
  /** Byte of the command that is wrong; null: no single one. */
  readonly parameterByte: number | null;
  readonly lba: number;
  readonly nsid: number;
  readonly opcode: number;
  readonly transportType: number;
}

export class ErrorLog {
  readonly #ring = new Uint8Array(ERROR_LOG_ENTRIES * ENTRY_BYTES);
  readonly #view = new DataView(this.#ring.buffer);
  #count = 0;

  /** Errors since the controller was made. */
  get count(): number {
    return this.#count;
  }

  add(facts: ErrorFacts): void {
    const base = (this.#count % ERROR_LOG_ENTRIES) * ENTRY_BYTES;
    this.#ring.fill(0, base, base + ENTRY_BYTES);
    this.#count++;
    ERROR_LOG_COUNT.setValue(this.#view, this.#count, base);
    ERROR_LOG_SQID.setValue(this.#view, facts.queueId, base);
    ERROR_LOG_CID.setValue(this.#view, facts.commandId, base);
    ERROR_LOG_STATUS.setValue(this.#view, facts.statusWord, base);
    ERROR_LOG_PARAMETER.setValue(this.#view, facts.parameterByte ?? 0xffff, base);
    ERROR_LOG_LBA.setValue(this.#view, facts.lba, base);
    ERROR_LOG_NSID.setValue(this.#view, facts.nsid, base);
    ERROR_LOG_OPCODE.setValue(this.#view, facts.opcode, base);
    ERROR_LOG_TRTYPE.setValue(this.#view, facts.transportType, base);
  }

  /** The whole log page, newest first. */
  page(): Uint8Array {
    const page = new Uint8Array(this.#ring.length);
    const kept = Math.min(this.#count, ERROR_LOG_ENTRIES);
    for (let i = 0; i < kept; i++) {
      const at = ((this.#count - 1 - i) % ERROR_LOG_ENTRIES) * ENTRY_BYTES;
      page.set(this.#ring.subarray(at, at + ENTRY_BYTES), i * ENTRY_BYTES);
    }
    return page;
  }
}
