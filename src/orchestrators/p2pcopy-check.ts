/**
 * The data check of `P2pCopy`: bytes that follow from seed and chunk number, written through host memory, read back through
 * host memory, compared one by one.
 */
import type { Span } from '../access/index.ts';
import { assert, SeededRandom } from '../base/index.ts';
import { ITEM, type Work, type WorkItem } from './transfer.ts';
import { firstDifference } from './verify.ts';

export interface P2pCopyCheck {
  readonly outcome: 'match' | 'mismatch' | 'not-finished';
  readonly comparedBytes: number;
  /** Chunks that differ anywhere. */
  readonly badChunks: number;
  /** The lowest byte that differs, counted from the start of the destination. */
  readonly mismatchAtBytes: number | undefined;
  readonly expected: number | undefined;
  readonly found: number | undefined;
}

/** What check memory holds where nothing was read. */
export const UNREAD = 0xdb;

/** The bytes that a check writes and expects, by seed and number of the chunk. */
export function fillChunk(seed: number, chunk: number, into: Uint8Array): void {
  // Two words of the number, so that no two chunks of a drive of any size are alike.
  const low = Math.imul(chunk >>> 0, 0x9e37_79b1);
  const high = Math.imul(Math.floor(chunk / 0x1_0000_0000), 0x85eb_ca77);
  const random = new SeededRandom((seed ^ low ^ high) >>> 0);
  const words = Math.floor(into.length / 4);
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < words; i++) {
    view.setUint32(i * 4, random.next32(), true);
  }
  for (let i = words * 4; i < into.length; i++) {
    into[i] = random.next32();
  }
}

/** `span`: host memory, `chunkBytes * threads` long. */
export interface CheckSetup {
  readonly seed: number;
  readonly span: Span;
}

/** Writes the bytes of every chunk. */
export class FillWork implements Work {
  readonly #check: CheckSetup;
  readonly #chunks: number;
  readonly #bytes: Uint8Array;
  #taken = 0;

  constructor(check: CheckSetup, chunks: number, chunkBytes: number) {
    this.#check = check;
    this.#chunks = chunks;
    this.#bytes = new Uint8Array(chunkBytes);
  }

  next(item: WorkItem, spanOffsetBytes: number): boolean {
    if (this.#taken >= this.#chunks) {
      return false;
    }
    fillChunk(this.#check.seed, this.#taken, this.#bytes);
    this.#check.span.copyIn(spanOffsetBytes, this.#bytes);
    setItem(item, ITEM.WRITE, this.#taken * this.#bytes.length, this.#bytes.length);
    this.#taken++;
    return true;
  }
}

/** Reads every chunk and compares it with the bytes that were written. */
export class CompareWork implements Work {
  readonly #check: CheckSetup;
  readonly #chunks: number;
  readonly #expected: Uint8Array;
  readonly #found: Uint8Array;
  #taken = 0;
  #compared = 0;
  #badChunks = 0;
  #mismatchAt = Number.POSITIVE_INFINITY;
  #pair: { readonly expected: number; readonly found: number } | undefined;

  constructor(check: CheckSetup, chunks: number, chunkBytes: number) {
    this.#check = check;
    this.#chunks = chunks;
    this.#expected = new Uint8Array(chunkBytes);
    this.#found = new Uint8Array(chunkBytes);
  }

  next(item: WorkItem): boolean {
    if (this.#taken >= this.#chunks) {
      return false;
    }
    const chunkBytes = this.#expected.length;
    setItem(item, ITEM.READ, this.#taken * chunkBytes, chunkBytes);
    this.#taken++;
    return true;
  }

  done(item: WorkItem, spanOffsetBytes: number): void {
    const chunkBytes = this.#expected.length;
    fillChunk(this.#check.seed, item.sourceOffsetBytes / chunkBytes, this.#expected);
    this.#check.span.copyOut(spanOffsetBytes, this.#found);
    this.#compared += chunkBytes;
    const at = firstDifference(this.#expected, this.#found);
    if (at < 0) {
      return;
    }
    this.#badChunks++;
    if (item.sourceOffsetBytes + at < this.#mismatchAt) {
      this.#mismatchAt = item.sourceOffsetBytes + at;
      this.#pair = { expected: this.#expected[at]!, found: this.#found[at]! };
    }
  }

  result(): P2pCopyCheck {
    const isBad = this.#badChunks > 0;
    const isWhole = this.#compared === this.#chunks * this.#expected.length;
    return {
      outcome: isBad ? 'mismatch' : isWhole ? 'match' : 'not-finished',
      comparedBytes: this.#compared,
      badChunks: this.#badChunks,
      mismatchAtBytes: isBad ? this.#mismatchAt : undefined,
      expected: this.#pair?.expected,
      found: this.#pair?.found,
    };
  }
}

function setItem(item: WorkItem, kind: number, offsetBytes: number, lengthBytes: number): void {
  item.kind = kind;
  item.sourceOffsetBytes = offsetBytes;
  item.targetOffsetBytes = offsetBytes;
  item.lengthBytes = lengthBytes;
}

export interface HostAccessResult {
  readonly accesses: number;
  /** First access whose bytes were not what was written; undefined when all were. */
  readonly mismatchAtBytes: number | undefined;
}

/**
 * The processor writes and reads `accesses` pieces of `accessBytes` next to each other, from the start on and again when the
 * memory is used up; with `isReadOnly` it reads only, and nothing is compared.
 * @param span  host memory, at least `accessBytes` long
 */
export function checkHostAccess(
  span: Span,
  accessBytes: number,
  accesses: number,
  isReadOnly: boolean,
  seed: number,
): HostAccessResult {
  assert(span.isReadable, 'peer memory is not touched by the processor');
  const slots = Math.floor(span.lengthBytes / accessBytes);
  const written = new Uint8Array(accessBytes);
  const found = new Uint8Array(accessBytes);
  for (let i = 0; i < accesses; i++) {
    const offset = (i % slots) * accessBytes;
    if (!isReadOnly) {
      fillChunk(seed, i, written);
      span.copyIn(offset, written);
    }
    span.copyOut(offset, found);
    const at = isReadOnly ? -1 : firstDifference(written, found);
    if (at >= 0) {
      return { accesses: i + 1, mismatchAtBytes: offset + at };
    }
  }
  return { accesses, mismatchAtBytes: undefined };
}
