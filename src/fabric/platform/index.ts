/**
 * The operating system's part of the simulated machine: functions as drivers see them, DMA mappings, interrupts, host memory.
 *
 * Works on the fabric through `MachineSide` alone: config cycles, loads and stores. Read `platform.ts` first.
 */
export { FabricDma } from './dma-view.ts';
export { FabricPciFunction, wireName } from './fabric-pci-function.ts';
export { HostSpan } from './host-span.ts';
export { InterruptController, MESSAGE_ADDRESS } from './interrupt-controller.ts';
export type { HostBridgeFacts, MachineSide } from './machine-side.ts';
export { Platform } from './platform.ts';
export { type FoundFunction, scanFunctions } from './scan.ts';
export { lowestBit, probeRegister, sizeBarRegisters, withoutDecoding } from './sized-bar.ts';
