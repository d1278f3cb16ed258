/** Memory of a BAR as a block device. Read `iopmem-disk.ts`. */
export * from './iopmem-disk.ts';
