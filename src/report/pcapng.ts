/**
 * A capture file in the format of Wireshark, as it happens: Section Header, Interface Description and Enhanced Packet blocks.
 * Follows draft-ietf-opsawg-pcapng. Little-endian; a reader finds that out from the byte-order magic.
 */

/** For whoever agrees on its meaning: docs/pcap.md is ours. */
export const LINKTYPE_USER0 = 147;
/** Ethernet frames without their check sequence. */
export const LINKTYPE_ETHERNET = 1;

const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const END_OF_OPTIONS = 0;
const COMMENT = 1;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const SHB_USERAPPL = 4;
const TWO_32 = 0x1_0000_0000;
const CHUNK_BYTES = 65_536;

export interface PcapngOptions {
  /** Who made it, for people. */
  readonly application: string;
  readonly comment?: string;
  /** Ticks of the clock are 10 to the power of minus this many seconds; default 12, picoseconds. */
  readonly resolutionDigits?: number;
}

export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #digits: number;
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(CHUNK_BYTES + 8192);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #interfaces = 0;

  /** @param write  takes pieces of the file in their order, and owns them */
  constructor(write: (bytes: Uint8Array) => void, options: PcapngOptions) {
    this.#write = write;
    this.#digits = options.resolutionDigits ?? 12;
    const start = this.#begin(SECTION_HEADER);
    this.#word(BYTE_ORDER_MAGIC);
    this.#half(1, 0);
    // Section Length: not known yet, all ones.
    this.#word(0xffff_ffff);
    this.#word(0xffff_ffff);
    if (options.comment !== undefined) {
      this.#option(COMMENT, this.#encoder.encode(options.comment));
    }
    this.#option(SHB_USERAPPL, this.#encoder.encode(options.application));
    this.#option(END_OF_OPTIONS, new Uint8Array(0));
    this.#end(start);
  }

  /** Where packets are seen. @returns its number for `packet` */
  addInterface(name: string, linkType: number): number {
    const start = this.#begin(INTERFACE_DESCRIPTION);
    this.#half(linkType, 0);
    // SnapLen 0: no limit.
    this.#word(0);
    this.#option(IF_NAME, this.#encoder.encode(name));
    this.#option(IF_TSRESOL, Uint8Array.of(this.#digits));
    this.#option(END_OF_OPTIONS, new Uint8Array(0));
    this.#end(start);
    return this.#interfaces++;
  }

  /**
   * @param at  in ticks of the clock, 0 to 2^53 - 1
   * @param bytes  what was captured; may be used again afterwards
   * @param originalBytes  length of the packet, when not all of it was captured
   */
  packet(interfaceId: number, at: number, bytes: Uint8Array, originalBytes: number = bytes.length): void {
    const start = this.#begin(ENHANCED_PACKET);
    this.#word(interfaceId);
    this.#word(Math.floor(at / TWO_32));
    this.#word(at % TWO_32);
    this.#word(bytes.length);
    this.#word(Math.max(originalBytes, bytes.length));
    this.#append(bytes);
    this.#end(start);
    if (this.#length >= CHUNK_BYTES) {
      this.#flush();
    }
  }

  /** Hands over what is left. The file is whole after it. */
  close(): void {
    this.#flush();
  }

  #flush(): void {
    if (this.#length > 0) {
      this.#write(this.#bytes.slice(0, this.#length));
      this.#length = 0;
    }
  }

  #begin(type: number): number {
    const start = this.#length;
    this.#word(type);
    this.#word(0);
    return start;
  }

  /** The length of a block stands at both of its ends. */
  #end(start: number): void {
    const length = this.#length - start + 4;
    this.#word(length);
    this.#view.setUint32(start + 4, length, true);
  }

  #option(code: number, bytes: Uint8Array): void {
    // A length has 16 bits.
    const value = bytes.subarray(0, 0xfffc);
    this.#half(code, value.length);
    this.#append(value);
  }

  #word(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  #half(first: number, second: number): void {
    this.#reserve(4);
    this.#view.setUint16(this.#length, first, true);
    this.#view.setUint16(this.#length + 2, second, true);
    this.#length += 4;
  }

  /** Padded with zeros to whole words. */
  #append(bytes: Uint8Array): void {
    const padded = Math.ceil(bytes.length / 4) * 4;
    this.#reserve(padded);
    this.#bytes.set(bytes, this.#length);
    this.#bytes.fill(0, this.#length + bytes.length, this.#length + padded);
    this.#length += padded;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) {
      return;
    }
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
