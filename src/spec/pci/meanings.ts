/** What the values of enumerated fields mean, for people. Values that a table leaves out are reserved. */
import type { Field } from '../../base/index.ts';
import {
  HEADER_TYPE,
  INTERRUPT_PIN,
  IO_BASE,
  IO_LIMIT,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  SECONDARY_STATUS,
  STATUS,
} from './header.ts';
import { MSI_MESSAGE_CONTROL } from './message-signaled-interrupts.ts';
import { HYPERTRANSPORT_COMMAND, MSI_MAPPING_COMMAND } from './other-capabilities.ts';
import { PCIX_COMMAND, PCIX_SECONDARY_STATUS } from './pci-x.ts';
import { PMC, PMCSR } from './power-management.ts';

/** Texts by value. */
export type Encoding = Readonly<Record<number, string>>;

const DEVSEL: Encoding = { 0: 'fast', 1: 'medium', 2: 'slow' };
const VECTORS: Encoding = {
  0: '1 vector',
  1: '2 vectors',
  2: '4 vectors',
  3: '8 vectors',
  4: '16 vectors',
  5: '32 vectors',
};
const HYPERTRANSPORT_TYPES: Encoding = {
  0: 'Slave or Primary Interface',
  1: 'Slave or Primary Interface',
  2: 'Slave or Primary Interface',
  3: 'Slave or Primary Interface',
  4: 'Host or Secondary Interface',
  5: 'Host or Secondary Interface',
  6: 'Host or Secondary Interface',
  7: 'Host or Secondary Interface',
  8: 'Switch',
  16: 'Interrupt Discovery and Configuration',
  17: 'Revision ID',
  18: 'UnitID Clumping',
  19: 'Extended Configuration Space Access',
  20: 'Address Mapping',
  21: 'MSI Mapping',
  22: 'Direct Route',
  23: 'VCSet',
  24: 'Retry Mode',
  25: 'X86 Encoding',
  26: 'Gen3',
  27: 'Function-Level Extension',
  28: 'Power Management',
  29: 'High Node Count',
};

export const PCI_MEANINGS: ReadonlyMap<Field, Encoding> = new Map<Field, Encoding>([
  [STATUS.DEVSEL_Timing, DEVSEL],
  [SECONDARY_STATUS.DEVSEL_Timing, DEVSEL],
  [HEADER_TYPE.Header_Layout, { 0: 'endpoint', 1: 'PCI-to-PCI bridge', 2: 'CardBus bridge' }],
  [IO_BASE.IO_Addressing_Capability, { 0: '16 bit', 1: '32 bit' }],
  [IO_LIMIT.IO_Addressing_Capability, { 0: '16 bit', 1: '32 bit' }],
  [PREFETCHABLE_MEMORY_BASE._64_bit_Addressing_Capability, { 0: '32 bit', 1: '64 bit' }],
  [PREFETCHABLE_MEMORY_LIMIT._64_bit_Addressing_Capability, { 0: '32 bit', 1: '64 bit' }],
  [PMCSR.PowerState, { 0: 'D0', 1: 'D1', 2: 'D2', 3: 'D3hot' }],
  [
    PMC.Aux_Current,
    { 0: '0 mA', 1: '55 mA', 2: '100 mA', 3: '160 mA', 4: '220 mA', 5: '270 mA', 6: '320 mA', 7: '375 mA' },
  ],
  [MSI_MESSAGE_CONTROL.Multiple_Message_Capable, VECTORS],
  [MSI_MESSAGE_CONTROL.Multiple_Message_Enable, VECTORS],
  [HYPERTRANSPORT_COMMAND.Capability_Type, HYPERTRANSPORT_TYPES],
  [MSI_MAPPING_COMMAND.Capability_Type, HYPERTRANSPORT_TYPES],
  [
    PCIX_COMMAND.Maximum_Memory_Read_Byte_Count,
    { 0: '512 bytes', 1: '1024 bytes', 2: '2048 bytes', 3: '4096 bytes' },
  ],
  [
    PCIX_SECONDARY_STATUS.Secondary_Bus_Mode_and_Frequency,
    {
      0: 'conventional',
      1: '66 MHz',
      2: '100 MHz',
      3: '133 MHz',
      9: '266 MHz, 66 MHz clock',
      10: '266 MHz, 100 MHz clock',
      11: '266 MHz, 133 MHz clock',
    },
  ],
]);

/** Texts of whole registers. */
export const PCI_REGISTER_MEANINGS: ReadonlyMap<string, Encoding> = new Map([
  [INTERRUPT_PIN.name, { 0: 'none', 1: 'INTA#', 2: 'INTB#', 3: 'INTC#', 4: 'INTD#' }],
]);
