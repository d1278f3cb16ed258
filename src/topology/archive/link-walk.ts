/**
 * Following symbolic links inside a tree of files, the way a kernel would if the tree were its root: absolute targets
 * start at the tree's root, `..` at the root stays there, and a chain of links ends (path_resolution(7)).
 *
 * Used by archives and by directories, so that neither can lead out of itself.
 */
import type { Absence, FileKind } from '../file-tree.ts';

/** What stands at a path whose parents are already free of links. */
export interface RawEntries {
  kind(path: string): FileKind | Absence;
  /** Only asked of links. */
  linkText(path: string): string | Absence;
}

/** Linux gives up after 40 links (MAXSYMLINKS). */
const LINKS_MAX = 40;
/** PATH_MAX is 4096 bytes: no more components than this. */
const COMPONENTS_MAX = 2048;

export class LinkWalk {
  readonly #entries: RawEntries;
  /** Where directories lead; most paths share theirs. */
  readonly #directories = new Map<string, string | Absence>();

  constructor(entries: RawEntries) {
    this.#entries = entries;
  }

  /** The path without links. The last component may be missing a file; every other one must be a directory. */
  resolve(path: string): string | Absence {
    return this.#walk(path, true);
  }

  /** The path with links followed everywhere but in its last component. */
  resolveParent(path: string): string | Absence {
    return this.#walk(path, false);
  }

  #walk(path: string, followsLast: boolean): string | Absence {
    const slash = path.lastIndexOf('/');
    if (slash <= 0) {
      return this.#steps([], path.split('/'), followsLast);
    }
    const directory = path.slice(0, slash);
    let resolved = this.#directories.get(directory);
    if (resolved === undefined) {
      resolved = this.#steps([], directory.split('/'), true);
      this.#directories.set(directory, resolved);
    }
    if (isAbsence(resolved)) {
      return resolved;
    }
    const base = resolved === '' ? [] : resolved.split('/');
    return this.#steps(base, [path.slice(slash + 1)], followsLast);
  }

  /** Walks `components` from `base`, which is free of links. */
  #steps(base: readonly string[], components: readonly string[], followsLast: boolean): string | Absence {
    // Components still to walk, last first.
    const todo = [...components].reverse();
    const done = [...base];
    let links = 0;
    while (todo.length > 0) {
      const name = todo.pop()!;
      if (name === '' || name === '.') {
        continue;
      }
      if (name === '..') {
        done.pop();
        continue;
      }
      done.push(name);
      const here = done.join('/');
      const kind = this.#entries.kind(here);
      const isLast = todo.length === 0;
      if (kind === 'link' && (!isLast || followsLast)) {
        const target = this.#entries.linkText(here);
        links++;
        if (links > LINKS_MAX || todo.length > COMPONENTS_MAX) {
          return 'absent';
        }
        if (isAbsence(target)) {
          return target;
        }
        done.pop();
        if (target.startsWith('/')) {
          done.length = 0;
        }
        todo.push(...target.split('/').reverse());
      } else if (isAbsence(kind)) {
        return kind;
      } else if (!isLast && kind !== 'directory') {
        return 'absent';
      }
    }
    return done.join('/');
  }
}

/** True for a reason instead of a path. No path in a sysroot has these names. */
export function isAbsence(value: unknown): value is Absence {
  return value === 'absent' || value === 'denied' || value === 'failed';
}
