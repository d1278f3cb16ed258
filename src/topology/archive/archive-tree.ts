/** A tar or tar.gz archive as a tree of files, held in memory. */
import { InputError, PeerlaneError } from '../../base/index.ts';
import type { Absence, FileKind, FileTree } from '../file-tree.ts';
import { isAbsence, LinkWalk } from './link-walk.ts';
import { readTar, TAR_BYTES_MAX, TAR_ENTRIES_MAX, type TarEntry, type TarLimits } from './tar.ts';

/**
 * Unpacks gzip (RFC 1952). Must stop, with an `InputError` INPUT_TOO_LARGE, as soon as more than `bytesMax` bytes came
 * out, and throw anything else for damaged data.
 */
export type Gunzip = (bytes: Uint8Array, bytesMax: number) => Uint8Array;

export interface ArchiveOptions extends TarLimits {
  /** Needed for compressed archives only. */
  readonly gunzip?: Gunzip;
}

/** Compressions that people use, by their first bytes, and what unpacks them. */
const FOREIGN_COMPRESSIONS: readonly (readonly [readonly number[], string])[] = [
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd'],
  [[0x42, 0x5a, 0x68], 'bzip2'],
  [[0x50, 0x4b, 0x03, 0x04], 'zip'],
];

/** `sys/` may lie below this many folders: archives are often made with one leading folder. */
const LEADING_FOLDERS_MAX = 4;

/** Archives may leave out the directories that their paths imply; more than this many is no snapshot. */
const NODES_PER_ENTRY_MAX = 4;

/**
 * The files of an archive. Where `sys/` lies below a leading folder, that folder is the root of the tree.
 *
 * @param label  the archive's name, for messages
 * @throws {InputError} what `readTar` throws, INPUT_COMPRESSION for a compression other than gzip, INPUT_TRUNCATED for
 *         compressed data that ends early or is damaged, INPUT_TOO_LARGE before an oversized archive is expanded
 */
export function archiveTree(bytes: Uint8Array, label: string, options: ArchiveOptions = {}): FileTree {
  const entries = readTar(expanded(bytes, label, options), label, options);
  return new ArchiveTree(entries, label, NODES_PER_ENTRY_MAX * (options.entriesMax ?? TAR_ENTRIES_MAX));
}

/** True when the first bytes are those of gzip. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function expanded(bytes: Uint8Array, label: string, options: ArchiveOptions): Uint8Array {
  if (!isGzip(bytes)) {
    const foreign = FOREIGN_COMPRESSIONS.find(([magic]) => magic.every((byte, i) => bytes[i] === byte));
    if (foreign !== undefined) {
      throw new InputError('INPUT_COMPRESSION', {
        message: `${label}: compressed with ${foreign[1]}, and only gzip is read`,
        hint: 'unpack it, or pack it again as tar.gz',
      });
    }
    return bytes;
  }
  const bytesMax = options.bytesMax ?? TAR_BYTES_MAX;
  if (options.gunzip === undefined) {
    throw new InputError('INPUT_COMPRESSION', {
      message: `${label}: compressed, and nothing here unpacks gzip`,
      hint: 'unpack it first',
    });
  }
  // Data that will be refused anyway is unpacked only far enough to tell a bomb from an archive that was cut off.
  const isBomb = claimedBytes(bytes) > bytesMax;
  try {
    const unpacked = options.gunzip(bytes, isBomb ? Math.min(bytesMax, BOMB_PROBE_BYTES) : bytesMax);
    if (unpacked.length <= bytesMax) {
      return unpacked;
    }
  } catch (cause) {
    if (!(cause instanceof PeerlaneError && cause.code === 'INPUT_TOO_LARGE')) {
      throw new InputError('INPUT_TRUNCATED', {
        message: `${label}: the compressed data is damaged or ends too early`,
        hint: 'copy it again; `gzip -t` tests it',
        cause,
      });
    }
  }
  throw tooLarge(label, bytesMax);
}

const BOMB_PROBE_BYTES = 16 * 2 ** 20;
/** Deflate cannot do better (zlib technical details: 258 bytes from 2 bits). */
const DEFLATE_RATIO_MAX = 1032;

/**
 * How many bytes the data says it unpacks to: its last four bytes, modulo 2^32 (RFC 1952, 2.3.1, ISIZE). Of data that was
 * cut off these are any bytes, so a claim that no compression can keep is none.
 */
function claimedBytes(bytes: Uint8Array): number {
  const end = bytes.length;
  const claimed = end < 18 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(end - 4, true);
  return claimed > end * DEFLATE_RATIO_MAX ? 0 : claimed;
}

function tooLarge(label: string, bytesMax: number): InputError {
  return new InputError('INPUT_TOO_LARGE', {
    message: `${label}: expands to more than ${bytesMax} bytes, which no snapshot does`,
    hint: 'take the snapshot with `peerlane snapshot`, which keeps only what is needed',
  });
}

interface Node {
  kind: FileKind | 'other';
  target: string;
  data: Uint8Array;
  /** Names below a directory, in the archive's order. */
  children: string[];
  isSorted: boolean;
}

const NOTHING = new Uint8Array(0);

class ArchiveTree implements FileTree {
  readonly label: string;
  readonly #nodes = new Map<string, Node>();
  readonly #walk: LinkWalk;

  readonly #nodesMax: number;

  constructor(entries: readonly TarEntry[], label: string, nodesMax: number) {
    this.label = label;
    this.#nodesMax = nodesMax;
    this.#nodes.set('', directoryNode());
    const root = rootFolder(entries);
    for (const entry of entries) {
      if (root === '') {
        this.#add(entry.path, entry);
      } else if (entry.path.startsWith(root)) {
        this.#add(entry.path.slice(root.length), entry);
      }
    }
    this.#walk = new LinkWalk({
      kind: (path) => this.#rawKind(path),
      linkText: (path) => this.#nodes.get(path)?.target ?? 'absent',
    });
  }

  kind(path: string): FileKind | Absence {
    const place = this.#walk.resolveParent(path);
    return isAbsence(place) ? place : this.#rawKind(place);
  }

  list(path: string): readonly string[] | Absence {
    const place = this.#walk.resolve(path);
    if (isAbsence(place)) {
      return place;
    }
    const node = this.#nodes.get(place);
    if (node?.kind !== 'directory') {
      return 'absent';
    }
    if (!node.isSorted) {
      node.children.sort();
      node.isSorted = true;
    }
    return node.children;
  }

  read(path: string, limitBytes: number): Uint8Array | Absence {
    const place = this.#walk.resolve(path);
    if (isAbsence(place)) {
      return place;
    }
    const node = this.#nodes.get(place);
    return node?.kind === 'file' ? node.data.subarray(0, limitBytes) : 'failed';
  }

  readLink(path: string): string | Absence {
    const place = this.#walk.resolveParent(path);
    if (isAbsence(place)) {
      return place;
    }
    const node = this.#nodes.get(place);
    return node?.kind === 'link' ? node.target : 'failed';
  }

  resolve(path: string): string | Absence {
    return this.#walk.resolve(path);
  }

  #rawKind(path: string): FileKind | Absence {
    const kind = this.#nodes.get(path)?.kind;
    return kind === undefined ? 'absent' : kind === 'other' ? 'failed' : kind;
  }

  #add(path: string, entry: TarEntry): void {
    if (path === '') {
      return;
    }
    const existing = this.#nodes.get(path);
    if (existing !== undefined) {
      // A directory that was implied by its contents stays one.
      if (entry.kind !== 'directory' && existing.kind !== 'directory') {
        Object.assign(existing, { kind: entry.kind, target: entry.target, data: entry.data });
      }
      return;
    }
    if (!this.#addParents(path)) {
      return;
    }
    this.#nodes.set(path, {
      kind: entry.kind,
      target: entry.target,
      data: entry.data,
      children: [],
      isSorted: false,
    });
  }

  /** Makes the directories above a path; false where one of them is no directory, which nothing can lie below. */
  #addParents(path: string): boolean {
    const slash = path.lastIndexOf('/');
    const parentPath = slash === -1 ? '' : path.slice(0, slash);
    let parent = this.#nodes.get(parentPath);
    if (parent === undefined) {
      if (!this.#addParents(parentPath)) {
        return false;
      }
      parent = directoryNode();
      this.#nodes.set(parentPath, parent);
    }
    if (parent.kind !== 'directory') {
      return false;
    }
    if (this.#nodes.size > this.#nodesMax) {
      throw new InputError('INPUT_TOO_LARGE', {
        message: `${this.label}: more than ${this.#nodesMax} files and directories`,
        hint: 'take the snapshot with `peerlane snapshot`, which keeps only what is needed',
      });
    }
    parent.children.push(path.slice(slash + 1));
    return true;
  }
}

function directoryNode(): Node {
  return { kind: 'directory', target: '', data: NOTHING, children: [], isSorted: false };
}

/** The folder, with a trailing slash, in which `sys` lies; empty for the archive's own root. */
function rootFolder(entries: readonly TarEntry[]): string {
  let best: string | undefined;
  for (const entry of entries) {
    const parts = entry.path.split('/', LEADING_FOLDERS_MAX + 2);
    const depth = parts.indexOf('sys');
    const isBelow =
      depth >= 0 && depth <= LEADING_FOLDERS_MAX && (parts.length > depth + 1 || entry.kind === 'directory');
    if (!isBelow || (best !== undefined && best.split('/').length <= depth + 1)) {
      continue;
    }
    best = depth === 0 ? '' : `${parts.slice(0, depth).join('/')}/`;
    if (best === '') {
      break;
    }
  }
  return best ?? '';
}
