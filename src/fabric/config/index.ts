/**
 * Config space of simulated functions: bytes with access rules that come from the spec tables, and templates that lay out
 * headers and capabilities.
 *
 * Pure: no tree, no routing. Read `config-space.ts` first, then `function-config.ts`. Leaves out: expansion ROMs, DPC, L1
 * substates, conventional PCI's optional bits. Follows PCIe Base 6.0, chapter 7.
 */
export { BarRegister, type BarShape } from './bar-register.ts';
export { type AcsDescription, acsWritableBits } from './capabilities/acs.ts';
export { isDownstreamPort, type SlotDescription } from './capabilities/express.ts';
export { type LinkState, linkNow, setLink, setPresence } from './capabilities/link-state.ts';
export { type VirtualFunctions, virtualFunctions } from './capabilities/sriov.ts';
export { CONFIG_CHANGES, type ConfigChange } from './config-change.ts';
export { type ConfigOffsets, ConfigSpace } from './config-space.ts';
export { type FunctionPlacement, functionConfig, virtualFunctionConfig } from './function-config.ts';
export { type HostBridgeDescription, hostBridgeConfig } from './host-bridge-config.ts';
export { type PortDescription, type PortKind, portConfig } from './port-config.ts';
export { restoreImage } from './restore-image.ts';
