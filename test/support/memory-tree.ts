/** Trees of files in a few lines, for tests: through our own archives, so that links work as they do there. */
import { archiveTree, type FileTree, type NewTarEntry, writeTar } from '../../src/topology/index.ts';

/** A file's text or bytes, a link (`-> target`), or an empty directory. */
export type Content = string | Uint8Array | { readonly linkTo: string } | 'directory';

export type Files = Readonly<Record<string, Content>>;

export function entriesOf(files: Files): NewTarEntry[] {
  const encoder = new TextEncoder();
  return Object.entries(files).map(([path, content]) => ({
    path,
    content: typeof content === 'string' && content !== 'directory' ? encoder.encode(content) : content,
  })) as NewTarEntry[];
}

export function memoryTree(files: Files, label = 'test'): FileTree {
  return archiveTree(writeTar(entriesOf(files)), label);
}

/** The files of one PCI function at `path` below `sys/devices`, and its link in the list of devices. */
export function deviceFiles(
  path: string,
  attributes: Readonly<Record<string, Content>>,
): Record<string, Content> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const files: Record<string, Content> = {
    [`sys/bus/pci/devices/${name}`]: { linkTo: `../../../devices/${path}` },
  };
  for (const [attribute, content] of Object.entries(attributes)) {
    files[`sys/devices/${path}/${attribute}`] = content;
  }
  return files;
}
