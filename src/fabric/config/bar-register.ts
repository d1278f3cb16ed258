/**
 * A base address register of a config space: what it decodes and how software finds out its size. PCI 3.0, 6.2.5.1.
 *
 * The sizing protocol (write all ones, read back) needs no code of its own: address bits below the size are hardwired to
 * zero, so what reads back is the mask.
 */
import { ADDR_NOWHERE, addressFromDwords, assert } from '../../base/index.ts';

/** The shape of a BAR, as device descriptions give it. */
export interface BarShape {
  /** 0 to 5; a 64-bit BAR takes the next index too. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  /** A power of two, at least 16 (memory) or 4 (I/O). */
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
}

export class BarRegister {
  readonly index: number;
  readonly kind: 'memory' | 'io';
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  /** Where its lower dword is in config space. */
  readonly offset: number;
  /** After every reset. */
  readonly initialSizeBytes: number;
  /** Now: a Resizable BAR or the system page size of virtual functions change it. Written by the config space only. */
  sizeBytes: number;

  constructor(shape: BarShape, offset: number) {
    const { sizeBytes, kind, is64Bit } = shape;
    assert(Math.log2(sizeBytes) % 1 === 0, 'the size of a BAR is no power of two', { sizeBytes });
    assert(sizeBytes >= (kind === 'io' ? 4 : 16), 'a BAR is too small', { sizeBytes });
    assert(is64Bit ? kind === 'memory' && sizeBytes <= 2 ** 51 : sizeBytes <= 2 ** 31, 'a BAR is too large', {
      sizeBytes,
    });
    this.index = shape.index;
    this.kind = kind;
    this.is64Bit = is64Bit;
    this.isPrefetchable = shape.isPrefetchable;
    this.offset = offset;
    this.initialSizeBytes = sizeBytes;
    this.sizeBytes = sizeBytes;
  }

  /** The read-only low bits. */
  get typeBits(): number {
    return this.kind === 'io' ? 1 : (this.isPrefetchable ? 8 : 0) | (this.is64Bit ? 4 : 0);
  }

  /** Address bits of the lower dword that software can write. */
  get lowMask(): number {
    return this.sizeBytes >= 0x1_0000_0000 ? 0 : (0x1_0000_0000 - this.sizeBytes) >>> 0;
  }

  /** Of the upper dword; 0 when there is none. */
  get highMask(): number {
    if (!this.is64Bit) {
      return 0;
    }
    return this.sizeBytes <= 0x1_0000_0000
      ? 0xffff_ffff
      : (0x1_0000_0000 - this.sizeBytes / 0x1_0000_0000) >>> 0;
  }

  /** The address that stands in the register, 0 included; ADDR_NOWHERE from 2^53 on. */
  addressIn(view: DataView): number {
    const low = view.getUint32(this.offset, true);
    const high = this.is64Bit ? view.getUint32(this.offset + 4, true) : 0;
    const address = addressFromDwords((low & (this.kind === 'io' ? ~3 : ~15)) >>> 0, high);
    return address + this.sizeBytes > Number.MAX_SAFE_INTEGER ? ADDR_NOWHERE : address;
  }
}
