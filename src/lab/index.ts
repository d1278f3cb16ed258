/**
 * Labs: a machine described in a file becomes a simulated one.
 *
 * `file/` reads, checks and prints the file; `machine/` boots it: fabric, firmware, drivers; `sysfs/` shows the machine as Linux
 * would; `faults/` makes it fail as the file says; `workload/` runs what it asks for in virtual time; `import/` makes a lab of a
 * machine that was read, `qemu/` a virtual machine of a lab. Read `file/lab-file.ts` first, then `machine/lab-machine.ts`; the
 * format is in docs/lab-file.md.
 */
export * from './faults/index.ts';
export * from './file/index.ts';
export * from './import/index.ts';
export * from './machine/index.ts';
export * from './qemu/index.ts';
export * from './reproduce/index.ts';
export * from './trace/index.ts';
export * from './workload/index.ts';
