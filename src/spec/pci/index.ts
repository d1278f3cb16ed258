/**
 * Conventional PCI: the configuration header and the capabilities of the first 256 bytes, as tables.
 *
 * Field names are the specification's, with underscores for blanks and punctuation and one in front of a digit. Bits that
 * no field names are reserved: no write changes them, and they reset to zero.
 *
 * Leaves out on purpose: any behaviour. What a value means to a machine is `topology/config`'s business, what a write
 * does is the simulator's. Follows PCI Local Bus 3.0, PCI-to-PCI Bridge 1.2 and, where they overlap, PCIe Base 6.0. Read
 * `header.ts` first.
 */
export * from './bridge-subsystem.ts';
export * from './capability-header.ts';
export * from './capability-ids.ts';
export * from './class-codes.ts';
export * from './enhanced-allocation.ts';
export * from './header.ts';
export * from './meanings.ts';
export * from './message-signaled-interrupts.ts';
export * from './other-capabilities.ts';
export * from './pci-x.ts';
export * from './power-management.ts';
