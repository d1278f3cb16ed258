/**
 * Names that programs know a function by: `nvme0`, `nvme0n1`, `mlx5_0`, `eth0`, `card0`. They come from the links in the
 * folders of the classes; where a snapshot has no such folder, from the function's own subfolders.
 */
import type { Bdf } from '../../base/index.ts';
import type { FileTree } from '../file-tree.ts';
import type { ClassName } from '../machine.ts';
import { CLASS_FOLDERS } from './names.ts';
import { functionInPath } from './place.ts';
import { lastComponent, linkDestination } from './text.ts';

/** One link of a class folder. */
export interface ClassLink {
  readonly folder: string;
  readonly subsystem: string;
  readonly name: string;
  /** Text of the link. */
  readonly target: string;
  readonly bdf: Bdf;
}

/** A path of a multipath NVMe disk: subsystem 0, controller 1, head 2. The disk itself is `nvme0n2`. */
const NVME_PATH = /^nvme(\d+)c\d+n(\d+)$/;
const NVME_DISK = /^nvme\d+n\d+$/;

/** The links that lead to something behind a PCI function; partitions and display connectors are left out. */
export function* classLinks(tree: FileTree): Generator<ClassLink> {
  for (const [folder, subsystem] of CLASS_FOLDERS) {
    const names = tree.list(folder);
    if (typeof names === 'string') {
      continue;
    }
    const known = new Set(names);
    for (const name of names) {
      // Asking for the kind first: some folders also hold files, which are no links to read.
      if (tree.kind(`${folder}/${name}`) !== 'link') {
        continue;
      }
      const target = tree.readLink(`${folder}/${name}`);
      const path = linkDestination(folder, target);
      const bdf = functionInPath(path);
      const above = lastComponent(path.slice(0, path.lastIndexOf('/')));
      if (bdf !== undefined && !known.has(above)) {
        yield { folder, subsystem, name, target, bdf };
      }
    }
  }
}

export class ClassNames {
  readonly #byFunction = new Map<Bdf, ClassName[]>();
  readonly #folders = new Set<string>();

  constructor(tree: FileTree) {
    for (const [folder, subsystem] of CLASS_FOLDERS) {
      if (typeof tree.list(folder) !== 'string') {
        this.#folders.add(subsystem);
      }
    }
    for (const link of classLinks(tree)) {
      this.#add(link.bdf, link.subsystem, link.name);
    }
  }

  /**
   * The names of one function, sorted by class and name.
   *
   * @param names  what lies in the function's folder `path`
   */
  of(tree: FileTree, bdf: Bdf, path: string, names: ReadonlySet<string>): readonly ClassName[] {
    this.#fromSubfolders(tree, bdf, path, names);
    const found = this.#byFunction.get(bdf) ?? [];
    return found.sort((a, b) => compare(a.subsystem, b.subsystem) || compare(a.name, b.name));
  }

  #fromSubfolders(tree: FileTree, bdf: Bdf, path: string, names: ReadonlySet<string>): void {
    for (const [, subsystem] of CLASS_FOLDERS) {
      if (this.#folders.has(subsystem) || !names.has(subsystem)) {
        continue;
      }
      for (const name of foldersIn(tree, `${path}/${subsystem}`)) {
        this.#add(bdf, subsystem, name);
        if (subsystem === 'nvme' && !this.#folders.has('block')) {
          for (const disk of foldersIn(tree, `${path}/nvme/${name}`)) {
            if (NVME_DISK.test(disk) || NVME_PATH.test(disk)) {
              this.#add(bdf, 'block', disk);
            }
          }
        }
      }
    }
    for (const device of this.#folders.has('virtio') ? [] : names) {
      if (!/^virtio\d+$/.test(device)) {
        continue;
      }
      this.#add(bdf, 'virtio', device);
      for (const subsystem of ['block', 'net']) {
        for (const name of this.#folders.has(subsystem)
          ? []
          : foldersIn(tree, `${path}/${device}/${subsystem}`)) {
          this.#add(bdf, subsystem, name);
        }
      }
    }
  }

  #add(bdf: Bdf, subsystem: string, name: string): void {
    const path = NVME_PATH.exec(name);
    const entry = { subsystem, name: path === null ? name : `nvme${path[1]}n${path[2]}` };
    const known = this.#byFunction.get(bdf);
    if (known === undefined) {
      this.#byFunction.set(bdf, [entry]);
    } else if (!known.some((other) => other.subsystem === subsystem && other.name === entry.name)) {
      known.push(entry);
    }
  }
}

function foldersIn(tree: FileTree, path: string): readonly string[] {
  const names = tree.list(path);
  return typeof names === 'string'
    ? []
    : names.filter((name) => tree.kind(`${path}/${name}`) === 'directory');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
