/**
 * How readers see files: a tree with a root, paths without a leading slash (`sys/bus/pci/devices`).
 *
 * Implemented by a live file system and a sysroot directory (in `linux`) and by an archive in memory (`archive-tree.ts`).
 * Reading never throws for a file that is not there or may not be read: that is a fact about the machine.
 */

/** Why there are no bytes: no such file, no permission, or the read failed (a device that is gone gives EIO). */
export type Absence = 'absent' | 'denied' | 'failed';

export type FileKind = 'file' | 'directory' | 'link';

export interface FileTree {
  /** For messages: `live`, or the path of the snapshot. */
  readonly label: string;
  /** Kind of the entry itself (a link is not followed), or why it is unknown. */
  kind(path: string): FileKind | Absence;
  /** Names in a directory, sorted; links in the path are followed. */
  list(path: string): readonly string[] | Absence;
  /** At most `limitBytes` of a file; links are followed. */
  read(path: string, limitBytes: number): Uint8Array | Absence;
  /** The text of a link, as stored. */
  readLink(path: string): string | Absence;
  /** Where a path leads when all links are followed: a path from the root of the tree. */
  resolve(path: string): string | Absence;
}

const decoder = new TextDecoder('utf-8', { fatal: false });

/** Most attribute files in sysfs hold one short line; nothing longer than a page is ever one. */
export const ATTRIBUTE_LIMIT_BYTES = 4096;

/** One line of text, trimmed; undefined where there is none, whatever the reason. */
export function attributeOrUndefined(tree: FileTree, path: string): string | undefined {
  const bytes = tree.read(path, ATTRIBUTE_LIMIT_BYTES);
  return typeof bytes === 'string' ? undefined : decoder.decode(bytes).trim();
}
