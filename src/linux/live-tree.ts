/** The files of the machine that this runs on. */
import type { FileTree } from '../topology/index.ts';
import { directoryTree } from './directory-tree.ts';

/** The live machine's root. Each tree remembers the directories it has listed, so take a new one for a new look. */
export function liveTree(): FileTree {
  return directoryTree('/', 'live');
}
