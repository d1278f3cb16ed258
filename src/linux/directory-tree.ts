/**
 * A directory as a tree of files: a sysroot, or the live machine's own root. Links never lead out of it: absolute targets
 * start at the directory, as they would for a process whose root it is.
 *
 * Directories are listed once and remembered, so a reading is of one moment, and a thousand functions cost a thousand
 * listings and not a hundred thousand look-ups. Only regular files are opened, and never so that it could block.
 */
import {
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { InputError } from '../base/index.ts';
import { type Absence, type FileKind, type FileTree, isAbsence, LinkWalk } from '../topology/index.ts';

/** A pipe or a device: there, and not to be opened. */
type EntryKind = FileKind | 'other';

type Listing = ReadonlyMap<string, EntryKind>;

/**
 * The files below a directory.
 *
 * @throws {InputError} INPUT_MISSING, INPUT_UNREADABLE, INPUT_NOT_A_DIRECTORY
 */
export function directoryTree(path: string, label = path): FileTree {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (cause) {
    const isMissing = absenceOf(cause) === 'absent';
    throw new InputError(isMissing ? 'INPUT_MISSING' : 'INPUT_UNREADABLE', {
      message: `${path}: ${isMissing ? 'no such directory' : 'not readable'}`,
      hint: 'a sysroot is a directory with sys/ and, when present, proc/ in it',
      detail: { path },
      cause,
    });
  }
  if (!stats.isDirectory()) {
    throw new InputError('INPUT_NOT_A_DIRECTORY', {
      message: `${path}: not a directory`,
      hint: 'a sysroot is a directory with sys/ and, when present, proc/ in it',
      detail: { path },
    });
  }
  return new DirectoryTree(path, label);
}

class DirectoryTree implements FileTree {
  readonly label: string;
  readonly #root: string;
  readonly #listings = new Map<string, Listing | Absence>();
  readonly #walk: LinkWalk;

  constructor(root: string, label: string) {
    this.label = label;
    this.#root = root.endsWith('/') ? root : `${root}/`;
    this.#walk = new LinkWalk({
      kind: (path) => fileKind(this.#kindAt(path)),
      linkText: (path) => this.#linkAt(path),
    });
  }

  kind(path: string): FileKind | Absence {
    const place = this.#walk.resolveParent(path);
    return isAbsence(place) ? place : fileKind(this.#kindAt(place));
  }

  list(path: string): readonly string[] | Absence {
    const place = this.#walk.resolve(path);
    if (isAbsence(place)) {
      return place;
    }
    const listing = this.#listing(place);
    return typeof listing === 'string' ? listing : [...listing.keys()];
  }

  read(path: string, limitBytes: number): Uint8Array | Absence {
    const place = this.#walk.resolve(path);
    if (isAbsence(place)) {
      return place;
    }
    const kind = this.#kindAt(place);
    if (kind !== 'file') {
      return isAbsence(kind) ? kind : 'failed';
    }
    return readFile(this.#root + place, limitBytes);
  }

  readLink(path: string): string | Absence {
    const place = this.#walk.resolveParent(path);
    return isAbsence(place) ? place : this.#linkAt(place);
  }

  resolve(path: string): string | Absence {
    return this.#walk.resolve(path);
  }

  /** `path` has no links above its last component. */
  #kindAt(path: string): EntryKind | Absence {
    if (path === '') {
      return 'directory';
    }
    const slash = path.lastIndexOf('/');
    const listing = this.#listing(slash === -1 ? '' : path.slice(0, slash));
    if (listing === 'denied') {
      // A directory that may be searched but not listed.
      return this.#kindByStat(path);
    }
    return typeof listing === 'string' ? listing : (listing.get(path.slice(slash + 1)) ?? 'absent');
  }

  #kindByStat(path: string): EntryKind | Absence {
    try {
      return kindOf(lstatSync(this.#root + path));
    } catch (error) {
      return absenceOf(error);
    }
  }

  #listing(path: string): Listing | Absence {
    const known = this.#listings.get(path);
    if (known !== undefined) {
      return known;
    }
    const listing = this.#readDirectory(path);
    this.#listings.set(path, listing);
    return listing;
  }

  #readDirectory(path: string): Listing | Absence {
    let entries: Dirent[];
    try {
      entries = readdirSync(this.#root + path, { withFileTypes: true });
    } catch (error) {
      return absenceOf(error);
    }
    entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    return new Map(entries.map((entry) => [entry.name, this.#kindOfEntry(path, entry)]));
  }

  /** Some file systems do not say in a listing what an entry is. */
  #kindOfEntry(directory: string, entry: Dirent): EntryKind {
    const kind = kindOf(entry);
    if (kind !== 'other') {
      return kind;
    }
    const stated = this.#kindByStat(directory === '' ? entry.name : `${directory}/${entry.name}`);
    return isAbsence(stated) ? 'other' : stated;
  }

  #linkAt(path: string): string | Absence {
    try {
      return readlinkSync(this.#root + path);
    } catch (error) {
      return absenceOf(error);
    }
  }
}

function kindOf(entry: Dirent | Stats): EntryKind {
  return entry.isSymbolicLink()
    ? 'link'
    : entry.isDirectory()
      ? 'directory'
      : entry.isFile()
        ? 'file'
        : 'other';
}

function fileKind(kind: EntryKind | Absence): FileKind | Absence {
  return kind === 'other' ? 'failed' : kind;
}

/** Attributes are far smaller; one buffer serves them all. */
const CHUNK_BYTES = 64 * 1024;
const chunk = new Uint8Array(CHUNK_BYTES);

function readFile(path: string, limitBytes: number): Uint8Array | Absence {
  let fd: number;
  try {
    fd = openSync(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (error) {
    return absenceOf(error);
  }
  try {
    // Files of sysfs and procfs do not know their length: the end is where a read gives nothing.
    const parts: Uint8Array[] = [];
    let length = 0;
    while (length < limitBytes) {
      const count = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, limitBytes - length), null);
      if (count === 0) {
        break;
      }
      parts.push(chunk.slice(0, count));
      length += count;
    }
    return parts.length === 1 ? parts[0]! : joined(parts, length);
  } catch (error) {
    return absenceOf(error);
  } finally {
    closeSync(fd);
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function absenceOf(error: unknown): Absence {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return 'absent';
    case 'EACCES':
    case 'EPERM':
      return 'denied';
    default:
      return 'failed';
  }
}
