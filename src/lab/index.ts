/**
 * Labs: a machine described in a file becomes a simulated one.
 *
 * Here now: the file itself (`file/`), read, checked and printed. Leaves out so far: building the machine, its sysfs tree and
 * the exports. Read `file/lab-file.ts` first; the format is in docs/lab-file.md.
 */
export * from './file/index.ts';
export * from './machine/index.ts';
