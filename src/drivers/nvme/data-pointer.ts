/**
 * The data pointer of a command: PRP entries and lists, or SGL descriptors and segments, for a range of a mapped span.
 *
 * Leaves out metadata pointers and who splits what is too long. Lists lie in host memory. Follows NVM Express Base 2.1,
 * sections 4.3.1 (PRP) and 4.3.2 (SGL).
 */
import { DPTR_OFFSET, PRP_ENTRY_BYTES, PSDT, SGL_DESCRIPTOR_BYTES, SGL_TYPE } from '../../spec/nvme/index.ts';
import type { ListPool } from './list-pool.ts';
import { type SpanMapping, setAddress } from './span-mapping.ts';

/** No list was needed, or one of the span's own served. */
export const NO_LIST = -1;
/** There is no memory for a list. */
export const LIST_FAILED = -2;

/** Where DPTR starts in an entry, in dwords. */
const DPTR = DPTR_OFFSET / 4;
/** CDW0.PSDT for data by SGL; there is no metadata pointer. */
const PSDT_SGL = PSDT.SGL_MPTR_BUFFER << 14;

/** For commands without data. */
export function writeNoData(words: Uint32Array, at: number): void {
  words[at + DPTR] = 0;
  words[at + DPTR + 1] = 0;
  words[at + DPTR + 2] = 0;
  words[at + DPTR + 3] = 0;
}

/**
 * Writes PRP1 and PRP2. The range lies in what `mapping.prpRun` says, and is dword aligned.
 * @returns the first page of the command's own lists, NO_LIST, or LIST_FAILED
 */
export function writePrps(
  words: Uint32Array,
  at: number,
  mapping: SpanMapping,
  spanOffset: number,
  lengthBytes: number,
  pool: ListPool,
): number {
  const page = pool.pageBytes;
  const first = mapping.addressAt(spanOffset);
  // The low bits of a number below 2^53, without a division of large numbers.
  const inPage = page - (first & (page - 1));
  setAddress(words, at + DPTR, first);
  if (lengthBytes <= inPage) {
    words[at + DPTR + 2] = 0;
    words[at + DPTR + 3] = 0;
    return NO_LIST;
  }
  const rest = Math.ceil((lengthBytes - inPage) / page);
  if (rest === 1) {
    setAddress(words, at + DPTR + 2, mapping.addressAt(spanOffset + inPage));
    return NO_LIST;
  }
  const ready = mapping.listAddress(spanOffset, rest);
  if (ready !== 0) {
    setAddress(words, at + DPTR + 2, ready);
    return NO_LIST;
  }
  const head = pool.take();
  if (head < 0) {
    return LIST_FAILED;
  }
  setAddress(words, at + DPTR + 2, pool.address(head));
  return fillPrpList(mapping, spanOffset + inPage, rest, pool, head) ? head : LIST_FAILED;
}

function fillPrpList(
  mapping: SpanMapping,
  spanOffset: number,
  entries: number,
  pool: ListPool,
  head: number,
): boolean {
  const page = pool.pageBytes;
  const last = page / PRP_ENTRY_BYTES - 1;
  let list = head;
  let words = pool.words(list);
  let place = 0;
  for (let i = 0; i < entries; i++) {
    if (place === last && i < entries - 1) {
      const next = pool.take();
      if (next < 0) {
        pool.give(head);
        return false;
      }
      pool.link(list, next);
      setAddress(words, place * 2, pool.address(next));
      list = next;
      words = pool.words(list);
      place = 0;
    }
    setAddress(words, place * 2, mapping.addressAt(spanOffset + i * page));
    place++;
  }
  return true;
}

/**
 * Writes SGL1 and the bits of PSDT. Any range of the span will do.
 * @returns as `writePrps`
 */
export function writeSgl(
  words: Uint32Array,
  at: number,
  mapping: SpanMapping,
  spanOffset: number,
  lengthBytes: number,
  pool: ListPool,
): number {
  words[at]! |= PSDT_SGL;
  const first = mapping.segmentAt(spanOffset);
  const end = spanOffset + lengthBytes;
  const last = mapping.segmentAt(end - 1);
  if (first === last) {
    setDescriptor(words, at + DPTR, mapping.addressAt(spanOffset), lengthBytes, SGL_TYPE.DATA_BLOCK);
    return NO_LIST;
  }
  const head = pool.take();
  if (head < 0) {
    return LIST_FAILED;
  }
  const perPage = pool.pageBytes / SGL_DESCRIPTOR_BYTES;
  let left = last - first + 1;
  let list = head;
  let into = pool.words(list);
  let place = 0;
  setSegment(words, at + DPTR, pool.address(head), left, perPage);
  for (let i = first; i <= last; i++) {
    if (place === perPage - 1 && left > 1) {
      const next = pool.take();
      if (next < 0) {
        pool.give(head);
        return LIST_FAILED;
      }
      pool.link(list, next);
      setSegment(into, place * 4, pool.address(next), left, perPage);
      list = next;
      into = pool.words(list);
      place = 0;
    }
    const start = Math.max(spanOffset, mapping.starts[i]!);
    const stop = Math.min(end, mapping.starts[i]! + mapping.lengths[i]!);
    setDescriptor(into, place * 4, mapping.addressAt(start), stop - start, SGL_TYPE.DATA_BLOCK);
    place++;
    left--;
  }
  return head;
}

/** A descriptor of the segment that holds the next `left` descriptors, or as many as a page takes. */
function setSegment(words: Uint32Array, at: number, address: number, left: number, perPage: number): void {
  const isLast = left <= perPage;
  const count = isLast ? left : perPage;
  const type = isLast ? SGL_TYPE.LAST_SEGMENT : SGL_TYPE.SEGMENT;
  setDescriptor(words, at, address, count * SGL_DESCRIPTOR_BYTES, type);
}

function setDescriptor(
  words: Uint32Array,
  at: number,
  address: number,
  lengthBytes: number,
  type: number,
): void {
  setAddress(words, at, address);
  words[at + 2] = lengthBytes;
  words[at + 3] = type << 28;
}
