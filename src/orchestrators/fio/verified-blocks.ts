/**
 * Blocks that say what they are: `verify=crc32c` of a job.
 *
 * Each block has a head (mark, length, offset, seed) and data that follow from seed and offset; a CRC-32C covers both. A block that was
 * lost, moved, swapped, cut or changed is found, by this run or by a later one. The layout is our own, not fio's: what one
 * wrote the other does not verify. CRC-32C as in RFC 3720, appendix B.4.
 */
import type { Span } from '../../access/index.ts';
import { SeededRandom } from '../../base/index.ts';
import type { Work, WorkItem } from '../transfer.ts';

const MARK = 0x504c_4e56;
const AT = { MARK: 0, LENGTH: 4, OFFSET_LOW: 8, OFFSET_HIGH: 12, SEED: 16, CRC: 20, DATA: 24 } as const;
const TWO_32 = 0x1_0000_0000;

const TABLE = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  TABLE[byte] = crc >>> 0;
}

function crcOf(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) {
    // The sum does not cover itself.
    const byte = i >= AT.CRC && i < AT.DATA ? 0 : bytes[i]!;
    crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  }
  return ~crc >>> 0;
}

/** Makes the block of `offsetBytes`: the same for the same seed. */
export function makeBlock(into: Uint8Array, offsetBytes: number, seed: number, isZero: boolean): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  const random = new SeededRandom((seed ^ Math.imul(offsetBytes / 512, 0x9e37_79b1)) >>> 0);
  const words = Math.floor(into.length / 4);
  for (let i = AT.DATA / 4; i < words; i++) {
    view.setUint32(i * 4, isZero ? 0 : random.next32(), true);
  }
  into.fill(0, words * 4);
  view.setUint32(AT.MARK, MARK, true);
  view.setUint32(AT.LENGTH, into.length, true);
  view.setUint32(AT.OFFSET_LOW, offsetBytes % TWO_32, true);
  view.setUint32(AT.OFFSET_HIGH, Math.floor(offsetBytes / TWO_32), true);
  view.setUint32(AT.SEED, seed, true);
  view.setUint32(AT.CRC, crcOf(into), true);
}

/** @returns what is wrong with the block that was read at `offsetBytes`; undefined: nothing */
export function blockProblem(bytes: Uint8Array, offsetBytes: number): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(AT.MARK, true) !== MARK) {
    return 'no block that was written with verify lies here';
  }
  const offset = view.getUint32(AT.OFFSET_HIGH, true) * TWO_32 + view.getUint32(AT.OFFSET_LOW, true);
  if (offset !== offsetBytes) {
    return `the block of offset ${offset} lies here`;
  }
  const length = view.getUint32(AT.LENGTH, true);
  if (length !== bytes.length) {
    return `a block of ${length} bytes lies here, and ${bytes.length} were read`;
  }
  const crc = view.getUint32(AT.CRC, true);
  const found = crcOf(bytes);
  return crc === found ? undefined : `its checksum is ${hex(found)} and not ${hex(crc)}`;
}

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, '0')}`;
}

export interface BadBlock {
  readonly offsetBytes: number;
  readonly problem: string;
}

/** Makes the data of what another work writes. */
export class WritingBlocks implements Work {
  readonly #work: Work;
  readonly #span: Span;
  readonly #bytes: Uint8Array;
  readonly #seed: number;
  readonly #isZero: boolean;

  constructor(work: Work, span: Span, blockBytes: number, seed: number, isZero: boolean) {
    this.#work = work;
    this.#span = span;
    this.#bytes = new Uint8Array(blockBytes);
    this.#seed = seed;
    this.#isZero = isZero;
  }

  next(item: WorkItem, spanOffsetBytes: number): boolean {
    if (!this.#work.next(item, spanOffsetBytes)) {
      return false;
    }
    makeBlock(this.#bytes, item.targetOffsetBytes, this.#seed, this.#isZero);
    this.#span.copyIn(spanOffsetBytes, this.#bytes);
    return true;
  }
}

/** Tests the data of what another work reads, and ends at the first bad block. */
export class TestingBlocks implements Work {
  readonly #work: Work;
  readonly #span: Span;
  readonly #bytes: Uint8Array;
  bad: BadBlock | undefined;
  tested = 0;

  constructor(work: Work, span: Span, blockBytes: number) {
    this.#work = work;
    this.#span = span;
    this.#bytes = new Uint8Array(blockBytes);
  }

  next(item: WorkItem, spanOffsetBytes: number): boolean {
    if (this.bad !== undefined || !this.#work.next(item, spanOffsetBytes)) {
      return false;
    }
    // A read that moves nothing must not find the good block that was here before.
    this.#span.copyIn(spanOffsetBytes, NO_MARK);
    return true;
  }

  done(item: WorkItem, spanOffsetBytes: number): void {
    this.#span.copyOut(spanOffsetBytes, this.#bytes);
    this.tested++;
    const problem = blockProblem(this.#bytes, item.sourceOffsetBytes);
    if (problem !== undefined && (this.bad === undefined || item.sourceOffsetBytes < this.bad.offsetBytes)) {
      this.bad = { offsetBytes: item.sourceOffsetBytes, problem };
    }
  }
}

const NO_MARK = new Uint8Array(4);
