/** The dword every extended capability starts with. PCIe Base 6.0, 7.6.3. */
import { bits, register } from '../../base/index.ts';

export const EXTENDED_CAPABILITY_HEADER = register('Extended Capability Header', 0x00, 32, {
  PCI_Express_Extended_Capability_ID: bits(15, 0, 'RO'),
  Capability_Version: bits(19, 16, 'RO'),
  /** From the start of configuration space; its lowest two bits are reserved. 0 ends the chain. */
  Next_Capability_Offset: bits(31, 20, 'RO'),
});

/** Where the chain starts. */
export const EXTENDED_CAPABILITIES_START = 0x100;
