/**
 * The specifications as tables: where each bit is, what it is called, how software may write it.
 *
 * Leaves out on purpose: behaviour of any kind. A spec fact is written once, here, and the decoder, the simulated functions
 * and the tests all read it. One folder a specification; read `pci/header.ts` first. Outsiders may also import the
 * folders' own faces.
 */
export * from './accelerator/index.ts';
export * from './dma-engine/index.ts';
export * from './nvme/index.ts';
export * from './pci/index.ts';
export * from './pcie/index.ts';
