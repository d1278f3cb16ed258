/**
 * Writing tar archives that depend on nothing but their entries: sorted by path, time 0, owner 0, no names of users.
 * Format: POSIX ustar; paths and link targets that do not fit get a pax header (IEEE Std 1003.1-2017, pax).
 */
import { assert } from '../../base/index.ts';

export interface NewTarEntry {
  /** From the root of the archive: `sys/bus/pci/devices/0000:00:00.0`. */
  readonly path: string;
  /** A file's contents, or the target of a symbolic link. Only empty directories need an entry. */
  readonly content: Uint8Array | { readonly linkTo: string } | 'directory';
}

const BLOCK_BYTES = 512;
const encoder = new TextEncoder();

/** The archive as bytes. A path that occurs twice is a bug of the caller. */
export function writeTar(entries: Iterable<NewTarEntry>): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const members: Member[] = [];
  for (const [i, entry] of sorted.entries()) {
    assert(entry.path !== sorted[i - 1]?.path, 'a path is written to an archive twice', { path: entry.path });
    members.push(...membersOf(entry));
  }
  const sizeBytes = members.reduce((sum, { data }) => sum + BLOCK_BYTES + paddedLength(data), END_BYTES);
  const archive = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const member of members) {
    writeHeader(archive.subarray(offset, offset + BLOCK_BYTES), member);
    archive.set(member.data, offset + BLOCK_BYTES);
    offset += BLOCK_BYTES + paddedLength(member.data);
  }
  return archive;
}

/** Two blocks of zeros. */
const END_BYTES = 2 * BLOCK_BYTES;

/** A header block and what follows it. */
interface Member {
  readonly name: SplitName;
  readonly type: string;
  readonly target: string;
  readonly data: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** The entry itself, behind a pax header where ustar has no room for its names. */
function membersOf({ path, content }: NewTarEntry): Member[] {
  const name = splitName(path);
  const target = typeof content === 'object' && 'linkTo' in content ? content.linkTo : '';
  const isTargetShort = byteLength(target) <= 100;
  const member: Member = {
    name: name ?? { prefix: '', name: 'long' },
    type: content instanceof Uint8Array ? '0' : content === 'directory' ? '5' : '2',
    target: isTargetShort ? target : '',
    data: content instanceof Uint8Array ? content : NOTHING,
  };
  if (name !== undefined && isTargetShort) {
    return [member];
  }
  const records = `${name === undefined ? paxRecord('path', path) : ''}${isTargetShort ? '' : paxRecord('linkpath', target)}`;
  return [
    { name: { prefix: '', name: 'pax' }, type: 'x', target: '', data: encoder.encode(records) },
    member,
  ];
}

interface SplitName {
  readonly prefix: string;
  readonly name: string;
}

/** A path as ustar keeps it: up to 155 bytes, a slash, up to 100 bytes. Undefined where that does not go. */
function splitName(path: string): SplitName | undefined {
  if (byteLength(path) <= 100) {
    return { prefix: '', name: path };
  }
  // Only paths of one byte a character are split, so that lengths in characters are lengths in bytes.
  if (byteLength(path) !== path.length) {
    return undefined;
  }
  const slash = path.indexOf('/', path.length - 101);
  return slash === -1 || slash > 155
    ? undefined
    : { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** `length key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = byteLength(rest);
  let length = restBytes + 1;
  while (String(length).length + restBytes !== length) {
    length = String(length).length + restBytes;
  }
  return `${length}${rest}`;
}

function writeHeader(block: Uint8Array, { name, type, target, data }: Member): void {
  put(block, 0, name.name);
  put(block, 100, type === '0' || type === 'x' ? '0000644\0' : '0000777\0');
  put(block, 108, '0000000\0');
  put(block, 116, '0000000\0');
  put(block, 124, `${data.length.toString(8).padStart(11, '0')}\0`);
  put(block, 136, '00000000000\0');
  put(block, 148, '        ');
  put(block, 156, type);
  put(block, 157, target);
  put(block, 257, 'ustar\u000000');
  put(block, 329, '0000000\0');
  put(block, 337, '0000000\0');
  put(block, 345, name.prefix);
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    sum += block[i]!;
  }
  put(block, 148, `${sum.toString(8).padStart(6, '0')}\0 `);
}

function put(block: Uint8Array, offset: number, text: string): void {
  encoder.encodeInto(text, block.subarray(offset));
}

/** Length in UTF-8. Nearly every path is ASCII. */
function byteLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII starts with them.
  return /^[\x00-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length;
}

function paddedLength(bytes: Uint8Array): number {
  return Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES;
}
