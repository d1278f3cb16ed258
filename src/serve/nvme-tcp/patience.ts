/** How long a connection has kept us waiting, looked at from time to time: nothing is noted while bytes come and go. */
import type { DataTransfers } from './data-transfers.ts';
import type { NvmeTcpLimits } from './limits.ts';
import type { PduStream } from './pdu-stream.ts';
import type { PduWriter } from './pdu-writer.ts';

export class Patience {
  readonly #limits: NvmeTcpLimits;
  #sinceMs: number;
  #seenPdus = -1;
  #pduSinceMs: number;
  #seenWrites = -1;
  #writeSinceMs: number;

  constructor(limits: NvmeTcpLimits, nowMs: number) {
    this.#limits = limits;
    this.#sinceMs = nowMs;
    this.#pduSinceMs = nowMs;
    this.#writeSinceMs = nowMs;
  }

  /** The last word has been said. */
  ending(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** Why it is over while the last word is on its way; null: not yet. */
  endingLate(nowMs: number): string | null {
    return nowMs - this.#sinceMs > this.#limits.lingerMs ? 'the host does not close it' : null;
  }

  /** Before ICReq, and until Connect is accepted. */
  startLate(nowMs: number, isInitialized: boolean): string | null {
    const { handshakeMs, connectMs } = this.#limits;
    if (!isInitialized) {
      return nowMs - this.#sinceMs > handshakeMs ? 'no ICReq in time' : null;
    }
    return nowMs - this.#sinceMs > connectMs ? 'no Connect in time' : null;
  }

  /** @param isPaused  we do not read, so that nothing can come */
  late(
    nowMs: number,
    stream: PduStream,
    writer: PduWriter,
    transfers: DataTransfers | null,
    isPaused: boolean,
  ): string | null {
    const { pduMs, stallMs } = this.#limits;
    if (stream.pduCount !== this.#seenPdus || isPaused || !stream.isWithinPdu) {
      this.#seenPdus = stream.pduCount;
      this.#pduSinceMs = nowMs;
    }
    if (writer.writtenCount !== this.#seenWrites || !writer.isLeaving) {
      this.#seenWrites = writer.writtenCount;
      this.#writeSinceMs = nowMs;
    }
    if (nowMs - this.#pduSinceMs > pduMs) {
      return 'the rest of a PDU did not come in time';
    }
    if (!isPaused && transfers !== null && transfers.oldestMs(nowMs) > pduMs) {
      return 'data that were asked for did not come in time';
    }
    return nowMs - this.#writeSinceMs > stallMs ? 'the host takes nothing' : null;
  }
}
