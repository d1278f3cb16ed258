/**
 * Reading tar archives: POSIX ustar and pax (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"), and the GNU
 * extensions that tar(1) writes by default (GNU tar manual, "Basic Tar Format"): long names, base-256 numbers.
 *
 * Written here and not taken from a library, because link targets, bounds on work and bytes, and a browser are needed
 * together. Entry contents are views into the archive, never copies. Sparse entries and several volumes are refused.
 */
import { InputError } from '../../base/index.ts';

export type TarKind = 'file' | 'directory' | 'link' | 'other';

export interface TarEntry {
  /** From the root of the archive, without `.`, `..`, leading or trailing slash: `sys/bus/pci`. */
  readonly path: string;
  readonly kind: TarKind;
  /** Text of a symbolic link as stored; empty for everything else. */
  readonly target: string;
  /** Contents of a file, a view into the archive; empty for everything else. */
  readonly data: Uint8Array;
}

export interface TarLimits {
  /** Longest archive that is looked at. */
  readonly bytesMax?: number;
  /** Most entries. */
  readonly entriesMax?: number;
}

const BLOCK_BYTES = 512;
/** A machine with 4,096 functions needs about 100 MB unpacked. */
export const TAR_BYTES_MAX = 256 * 2 ** 20;
export const TAR_ENTRIES_MAX = 400_000;
/** Longer than any path that Linux accepts (PATH_MAX). */
const NAME_BYTES_MAX = 8192;
/** Deeper than any path in sysfs by far; keeps the tree that is made of an archive in proportion to it. */
const PATH_DEPTH_MAX = 128;
const PAX_BYTES_MAX = 2 ** 20;
const NOTHING = new Uint8Array(0);

/** Places in a header block: offset and length. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const LINK_NAME = [157, 100] as const;
const MAGIC = [257, 5] as const;
const PREFIX = [345, 155] as const;
/** GNU writes `ustar  `; its bytes from 345 on are times, not a prefix. */
const GNU_VERSION = 263;

const decoder = new TextDecoder('utf-8', { fatal: false });

/**
 * All entries of an archive, in its order; a later entry with the same path replaces an earlier one.
 *
 * @param label  the name of the archive, for messages
 * @throws {InputError} INPUT_NOT_TAR, INPUT_TRUNCATED, INPUT_BAD_TAR, INPUT_TOO_LARGE, INPUT_UNSAFE_PATH,
 *         INPUT_UNSUPPORTED
 */
export function readTar(bytes: Uint8Array, label: string, limits: TarLimits = {}): readonly TarEntry[] {
  const bytesMax = limits.bytesMax ?? TAR_BYTES_MAX;
  if (bytes.length > bytesMax) {
    throw new InputError('INPUT_TOO_LARGE', {
      message: `${label}: ${bytes.length} bytes of archive; at most ${bytesMax} are read`,
      hint: 'take the snapshot with `peerlane snapshot`, which keeps only what is needed',
    });
  }
  return new TarReader(bytes, label, limits.entriesMax ?? TAR_ENTRIES_MAX).entries();
}

/** What pax and GNU headers say of the entry that follows them. */
interface Overrides {
  path?: string;
  linkPath?: string;
  sizeBytes?: number;
}

class TarReader {
  readonly #bytes: Uint8Array;
  readonly #label: string;
  readonly #entriesMax: number;
  readonly #found = new Map<string, TarEntry>();
  #offset = 0;
  #headers = 0;

  constructor(bytes: Uint8Array, label: string, entriesMax: number) {
    // Plain, because the `slice` of a subclass may share memory instead of copying (Node's Buffer does).
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#label = label;
    this.#entriesMax = entriesMax;
  }

  entries(): readonly TarEntry[] {
    let overrides: Overrides = {};
    for (;;) {
      const header = this.#nextHeader();
      if (header === undefined) {
        return [...this.#found.values()];
      }
      const type = String.fromCharCode(header[TYPE]!);
      const sizeBytes = overrides.sizeBytes ?? this.#number(header, SIZE);
      if ('LKxg'.includes(type)) {
        const body = this.#body(
          this.#number(header, SIZE),
          type === 'x' || type === 'g' ? PAX_BYTES_MAX : NAME_BYTES_MAX,
        );
        if (type === 'L') {
          overrides.path = untilNul(body);
        } else if (type === 'K') {
          overrides.linkPath = untilNul(body);
        } else if (type === 'x') {
          overrides = { ...overrides, ...this.#paxRecords(body) };
        }
        // Global pax headers carry comments and times; a path for all entries would make no sense.
        continue;
      }
      this.#add(type, header, overrides, sizeBytes);
      overrides = {};
    }
  }

  /** The next header block, checked; undefined at the end mark. */
  #nextHeader(): Uint8Array | undefined {
    const start = this.#offset;
    if (start + BLOCK_BYTES > this.#bytes.length) {
      throw start === 0 ? this.#notTar() : this.#truncated('the end mark is missing');
    }
    const header = this.#bytes.subarray(start, start + BLOCK_BYTES);
    this.#offset += BLOCK_BYTES;
    if (header.every((byte) => byte === 0)) {
      return undefined;
    }
    if (!hasChecksum(header)) {
      throw start === 0 ? this.#notTar() : this.#bad(start, 'a header does not match its checksum');
    }
    this.#headers++;
    if (this.#headers > this.#entriesMax) {
      throw new InputError('INPUT_TOO_LARGE', {
        message: `${this.#label}: more than ${this.#entriesMax} entries`,
        hint: 'take the snapshot with `peerlane snapshot`, which keeps only what is needed',
      });
    }
    return header;
  }

  #add(type: string, header: Uint8Array, overrides: Overrides, sizeBytes: number): void {
    const stored = overrides.path ?? storedPath(header);
    const path = this.#safePath(stored);
    const target = overrides.linkPath ?? text(header, LINK_NAME);
    let entry: TarEntry;
    switch (type) {
      case '0':
      case '\0':
      case '7': {
        const data = this.#body(sizeBytes, Number.POSITIVE_INFINITY);
        // Before ustar, a trailing slash was the only mark of a directory.
        const kind = stored.endsWith('/') ? 'directory' : 'file';
        entry = { path, kind, target: '', data: kind === 'file' ? data : NOTHING };
        break;
      }
      case '1': {
        this.#body(sizeBytes, Number.POSITIVE_INFINITY);
        const original = this.#found.get(this.#safePath(target));
        entry = {
          path,
          kind: original?.kind ?? 'other',
          target: original?.target ?? '',
          data: original?.data ?? NOTHING,
        };
        break;
      }
      case '2':
        this.#body(sizeBytes, Number.POSITIVE_INFINITY);
        entry = { path, kind: 'link', target, data: NOTHING };
        break;
      case '5':
        this.#body(sizeBytes, Number.POSITIVE_INFINITY);
        entry = { path, kind: 'directory', target: '', data: NOTHING };
        break;
      case 'S':
      case 'M':
        throw new InputError('INPUT_UNSUPPORTED', {
          message: `${this.#label}: ${path} is a ${type === 'S' ? 'sparse file' : 'file continued from another volume'}`,
          hint: 'pack it again without --sparse and in one volume',
        });
      default:
        // Devices, pipes, volume labels and whatever comes: they are there, and have no contents for us.
        this.#body(sizeBytes, Number.POSITIVE_INFINITY);
        entry = { path, kind: 'other', target: '', data: NOTHING };
    }
    if (path !== '') {
      this.#found.delete(path);
      this.#found.set(path, entry);
    }
  }

  /** Contents at the current place; steps over their padding. */
  #body(sizeBytes: number, sizeMax: number): Uint8Array {
    const start = this.#offset;
    if (sizeBytes > sizeMax) {
      throw this.#bad(start, `a name or pax header of ${sizeBytes} bytes`);
    }
    if (start + sizeBytes > this.#bytes.length) {
      throw this.#truncated(`an entry claims ${sizeBytes} bytes and ${this.#bytes.length - start} are left`);
    }
    this.#offset = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    return this.#bytes.subarray(start, start + sizeBytes);
  }

  /** Octal text, or GNU base-256 where the first bit is set. */
  #number(header: Uint8Array, [offset, length]: readonly [number, number]): number {
    const first = header[offset]!;
    let value = 0;
    if (first >= 0x80) {
      value = first & 0x7f;
      for (let i = offset + 1; i < offset + length; i++) {
        value = value * 256 + header[i]!;
      }
    } else {
      const digits = text(header, [offset, length]).trim();
      value = digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
    }
    if (!Number.isSafeInteger(value) || first === 0xff) {
      throw this.#bad(this.#offset - BLOCK_BYTES, 'a size that is none');
    }
    return value;
  }

  /** `length key=value\n` records. */
  #paxRecords(body: Uint8Array): Overrides {
    const overrides: Overrides = {};
    let at = 0;
    while (at < body.length) {
      const space = body.indexOf(0x20, at);
      const length =
        space === -1 ? Number.NaN : Number(decoder.decode(body.subarray(at, Math.min(space, at + 12))));
      if (!Number.isInteger(length) || length <= space - at + 1 || at + length > body.length) {
        throw this.#bad(this.#offset, 'a pax record whose length is wrong');
      }
      const record = decoder.decode(body.subarray(space + 1, at + length - 1));
      const equals = record.indexOf('=');
      const key = record.slice(0, equals);
      const value = record.slice(equals + 1);
      if (key === 'path') {
        overrides.path = value;
      } else if (key === 'linkpath') {
        overrides.linkPath = value;
      } else if (key === 'size') {
        if (!/^[0-9]{1,15}$/.test(value)) {
          throw this.#bad(this.#offset, 'a pax size that is none');
        }
        overrides.sizeBytes = Number(value);
      } else if (key.startsWith('GNU.sparse.')) {
        throw new InputError('INPUT_UNSUPPORTED', {
          message: `${this.#label}: holds a sparse file`,
          hint: 'pack it again without --sparse',
        });
      }
      at += length;
    }
    return overrides;
  }

  /** A path that cannot leave the archive. */
  #safePath(stored: string): string {
    const parts: string[] = [];
    for (const part of stored.slice(0, NAME_BYTES_MAX + 1).split('/')) {
      if (part === '' || part === '.') {
        continue;
      }
      if (part === '..' && parts.pop() === undefined) {
        throw new InputError('INPUT_UNSAFE_PATH', {
          message: `${this.#label}: entry ${JSON.stringify(stored.slice(0, 200))} lies outside the archive`,
          hint: 'this archive was not made by a snapshot; do not unpack it either',
        });
      }
      if (part !== '..') {
        parts.push(part);
      }
    }
    if (stored.length > NAME_BYTES_MAX || parts.length > PATH_DEPTH_MAX) {
      throw this.#bad(this.#offset, `a path of ${parts.length} levels and ${stored.length} characters`);
    }
    return parts.join('/');
  }

  #notTar(): InputError {
    return new InputError('INPUT_NOT_TAR', {
      message: `${this.#label}: not a tar archive`,
      hint: 'a snapshot is made with `peerlane snapshot -o FILE`, or by tar of a sysroot with sys/ in it',
    });
  }

  #truncated(what: string): InputError {
    return new InputError('INPUT_TRUNCATED', {
      message: `${this.#label}: the archive ends too early: ${what}`,
      hint: 'copy it again; compare sizes with the original',
      detail: { offset: this.#offset, lengthBytes: this.#bytes.length },
    });
  }

  #bad(offset: number, what: string): InputError {
    return new InputError('INPUT_BAD_TAR', {
      message: `${this.#label}: damaged archive: ${what} at byte ${offset}`,
      hint: 'copy it again; compare checksums with the original',
      detail: { offset },
    });
  }
}

/** Sum of all header bytes with the checksum field as blanks; old writers summed signed bytes. */
function hasChecksum(header: Uint8Array): boolean {
  const stored = Number.parseInt(text(header, CHECKSUM).trim(), 8);
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const isField = i >= CHECKSUM[0] && i < CHECKSUM[0] + CHECKSUM[1];
    const byte = isField ? 0x20 : header[i]!;
    unsigned += byte;
    signed += byte >= 0x80 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

function storedPath(header: Uint8Array): string {
  const name = text(header, NAME);
  const isUstar = text(header, MAGIC) === 'ustar' && header[GNU_VERSION] !== 0x20;
  const prefix = isUstar ? text(header, PREFIX) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function text(header: Uint8Array, [offset, length]: readonly [number, number]): string {
  return untilNul(header.subarray(offset, offset + length));
}

function untilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end));
}
