/**
 * The device tree of a machine: the model, and the readers that make it from sysfs, archives, lspci text, hwloc and
 * NCCL XML and udev exports.
 *
 * Leaves out on purpose: any judgement (that is `p2pdma` and `advice`) and any access to the host: files come in as a
 * `FileTree`, text as strings, bytes as arrays. Read `machine.ts` first.
 */
export * from './file-tree.ts';
export * from './find.ts';
export * from './machine.ts';
