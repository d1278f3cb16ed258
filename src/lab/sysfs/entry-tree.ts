/** Files in memory as a `FileTree`. */
import {
  type Absence,
  type FileKind,
  type FileTree,
  isAbsence,
  LinkWalk,
  type NewTarEntry,
} from '../../topology/index.ts';

/** @param entries  each path once; the folders above are made */
export function entryTree(entries: Iterable<NewTarEntry>, label: string): FileTree {
  return new EntryTree(entries, label);
}

class EntryTree implements FileTree {
  readonly label: string;
  readonly #contents = new Map<string, NewTarEntry['content']>([['', 'directory']]);
  readonly #children = new Map<string, string[]>([['', []]]);
  readonly #walk: LinkWalk;

  constructor(entries: Iterable<NewTarEntry>, label: string) {
    this.label = label;
    for (const { path, content } of entries) {
      this.#add(path, content);
    }
    for (const names of this.#children.values()) {
      names.sort();
    }
    this.#walk = new LinkWalk({
      kind: (path) => this.#kindAt(path),
      linkText: (path) => this.#linkAt(path) ?? 'absent',
    });
  }

  kind(path: string): FileKind | Absence {
    const place = this.#walk.resolveParent(path);
    return isAbsence(place) ? place : this.#kindAt(place);
  }

  list(path: string): readonly string[] | Absence {
    const place = this.#walk.resolve(path);
    return isAbsence(place) ? place : (this.#children.get(place) ?? 'absent');
  }

  read(path: string, limitBytes: number): Uint8Array | Absence {
    const place = this.#walk.resolve(path);
    if (isAbsence(place)) {
      return place;
    }
    const content = this.#contents.get(place);
    return content instanceof Uint8Array ? content.subarray(0, limitBytes) : 'failed';
  }

  readLink(path: string): string | Absence {
    const place = this.#walk.resolveParent(path);
    return isAbsence(place) ? place : (this.#linkAt(place) ?? 'failed');
  }

  resolve(path: string): string | Absence {
    return this.#walk.resolve(path);
  }

  #kindAt(path: string): FileKind | Absence {
    const content = this.#contents.get(path);
    if (content === undefined) {
      return 'absent';
    }
    return content === 'directory' ? 'directory' : content instanceof Uint8Array ? 'file' : 'link';
  }

  #linkAt(path: string): string | undefined {
    const content = this.#contents.get(path);
    return typeof content === 'object' && 'linkTo' in content ? content.linkTo : undefined;
  }

  #add(path: string, content: NewTarEntry['content']): void {
    if (!this.#contents.has(path)) {
      const slash = path.lastIndexOf('/');
      const folder = slash === -1 ? '' : path.slice(0, slash);
      if (!this.#contents.has(folder)) {
        this.#add(folder, 'directory');
      }
      this.#children.get(folder)!.push(path.slice(slash + 1));
    }
    this.#contents.set(path, content);
    if (content === 'directory' && !this.#children.has(path)) {
      this.#children.set(path, []);
    }
  }
}
