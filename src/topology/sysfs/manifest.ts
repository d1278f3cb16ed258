/**
 * The one file of a snapshot that is not a copy: `peerlane/snapshot.json`. It says whether the snapshot is complete, so
 * that a missing file means that the machine has none, and which files were there and could not be read.
 */
import type { Absence, FileTree } from '../file-tree.ts';
import { LIVE_MARK } from './names.ts';
import { textOf } from './text.ts';

export const MANIFEST_FILE = 'peerlane/snapshot.json';
export const MANIFEST_SCHEMA = 'peerlane/snapshot/1';
const MANIFEST_BYTES_MAX = 16 * 2 ** 20;

export interface Manifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  /** False when serial numbers, names and command-line values were kept. */
  readonly blanked: boolean;
  /** Taken from a running kernel's sysfs, and not from a copy that may leave things out. */
  readonly complete: boolean;
  /** Files that could not be read, and why; in the archive they are empty. */
  readonly unreadable: Readonly<Record<string, Exclude<Absence, 'absent'>>>;
}

export interface ManifestTree {
  /** The tree as the machine had it: what a snapshot notes as unreadable is so again. */
  readonly tree: FileTree;
  /** What is not in the tree is not in the machine: a running kernel's own sysfs, or a snapshot of one. */
  readonly isComplete: boolean;
}

export function withManifest(tree: FileTree): ManifestTree {
  const manifest = readManifest(tree);
  if (manifest === undefined) {
    return { tree, isComplete: tree.kind(LIVE_MARK) === 'file' };
  }
  const unreadable = new Map(Object.entries(manifest.unreadable));
  if (unreadable.size === 0) {
    return { tree, isComplete: manifest.complete };
  }
  return {
    isComplete: manifest.complete,
    tree: {
      label: tree.label,
      kind: (path) => tree.kind(path),
      list: (path) => tree.list(path),
      read: (path, limitBytes) => unreadable.get(path) ?? tree.read(path, limitBytes),
      readLink: (path) => tree.readLink(path),
      resolve: (path) => tree.resolve(path),
    },
  };
}

/** Undefined for anything that is not a manifest of a version that is known here. */
function readManifest(tree: FileTree): Manifest | undefined {
  const text = textOf(tree, MANIFEST_FILE, MANIFEST_BYTES_MAX);
  if (text === undefined) {
    return undefined;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (
    typeof parsed !== 'object' ||
    parsed === null ||
    !('schema' in parsed) ||
    parsed.schema !== MANIFEST_SCHEMA
  ) {
    return undefined;
  }
  const listed = 'unreadable' in parsed && typeof parsed.unreadable === 'object' ? parsed.unreadable : {};
  const unreadable: Record<string, 'denied' | 'failed'> = {};
  for (const [path, why] of Object.entries(listed ?? {})) {
    if (why === 'denied' || why === 'failed') {
      unreadable[path] = why;
    }
  }
  return {
    schema: MANIFEST_SCHEMA,
    blanked: !('blanked' in parsed) || parsed.blanked !== false,
    complete: 'complete' in parsed && parsed.complete === true,
    unreadable,
  };
}
