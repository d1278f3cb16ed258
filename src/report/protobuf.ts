/** The wire format of Protocol Buffers, as far as traces need it: varints, 64-bit fields, length-delimited fields. */

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;

const TWO_32 = 0x1_0000_0000;

/** A message that grows. Its memory is used again after `clear`. */
export class ProtoMessage {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  get length(): number {
    return this.#length;
  }

  /** What was written. A view: valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  /** A whole number from 0 to 2^53 - 1, for uint32, uint64, enum and bool. */
  uint(field: number, value: number): this {
    this.#varint(field * 8 + VARINT);
    this.#varint(value);
    return this;
  }

  /** The same range, in eight bytes. */
  fixed64(field: number, value: number): this {
    this.#varint(field * 8 + FIXED64);
    this.#reserve(8);
    this.#view.setUint32(this.#length, value % TWO_32, true);
    this.#view.setUint32(this.#length + 4, Math.floor(value / TWO_32), true);
    this.#length += 8;
    return this;
  }

  double(field: number, value: number): this {
    this.#varint(field * 8 + FIXED64);
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
    return this;
  }

  string(field: number, text: string): this {
    // Lone surrogates become U+FFFD, so that what is written is always UTF-8.
    return this.#delimited(field, this.#encoder.encode(text));
  }

  message(field: number, inner: ProtoMessage): this {
    return this.#delimited(field, inner.bytes);
  }

  #delimited(field: number, bytes: Uint8Array): this {
    this.#varint(field * 8 + DELIMITED);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Seven bits a byte, lowest first. Shifts would lose what is above 32 bits. */
  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) {
      return;
    }
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
