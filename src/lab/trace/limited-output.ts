/** Where a recorder's bytes go, up to a size: a trace grows with what is traced, and a disk does not. */

/** A writer still has so many bytes in hand when it hands over others. */
const IN_HAND_BYTES = 160 * 1024;

export class LimitedOutput {
  readonly limitBytes: number;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #nowPs: () => number;
  bytes = 0;
  /** Since when it is full; null: it is not. */
  fullPs: number | null;

  /** @param write takes pieces of the file in their order, and owns them */
  constructor(write: (bytes: Uint8Array) => void, limitBytes: number, nowPs: () => number) {
    this.#write = write;
    this.#nowPs = nowPs;
    this.limitBytes = limitBytes;
    this.fullPs = this.isFull ? nowPs() : null;
  }

  /** What is in hand still fits; nothing should be added. */
  get isFull(): boolean {
    return this.bytes + IN_HAND_BYTES > this.limitBytes;
  }

  readonly write = (bytes: Uint8Array): void => {
    this.bytes += bytes.length;
    if (this.fullPs === null && this.isFull) {
      this.fullPs = this.#nowPs();
    }
    this.#write(bytes);
  };
}
