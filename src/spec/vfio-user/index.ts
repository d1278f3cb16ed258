/**
 * vfio-user: the messages by which a virtual machine uses a PCI device that another process is. Read `message.ts` first.
 *
 * Leaves out migration and dirty page tracking: only their commands have names.
 */
export * from './access.ts';
export * from './device.ts';
export * from './message.ts';
export * from './version.ts';
