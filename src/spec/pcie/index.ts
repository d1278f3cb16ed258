/**
 * PCI Express: the PCI Express capability and the extended capabilities, as tables.
 *
 * Leaves out on purpose: any behaviour, and everything on the wire (TLPs, DLLPs). Follows PCIe Base 6.0; section numbers
 * stand beside each table. Read `express.ts` first.
 */
export * from './acs.ts';
export * from './address-translation.ts';
export * from './encodings.ts';
export * from './error-reporting.ts';
export * from './express.ts';
export * from './extended-header.ts';
export * from './extended-ids.ts';
export * from './meanings.ts';
export * from './other-extended.ts';
export * from './physical-layer.ts';
export * from './port-containment.ts';
export * from './power.ts';
export * from './resizable-bar.ts';
export * from './sr-iov.ts';
export * from './vendor.ts';
export * from './virtual-channel.ts';
