/** Power Management. PCI Bus Power Management Interface 1.2, 3.2; PCIe Base 6.0, 7.5.2. */
import { bit, bits, plain, register, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

export const PMC = register('Power Management Capabilities', 0x02, 16, {
  Version: bits(2, 0, 'RO'),
  PME_Clock: bit(3, 'RO'),
  Immediate_Readiness_on_Return_to_D0: bit(4, 'RO'),
  Device_Specific_Initialization: bit(5, 'RO'),
  Aux_Current: bits(8, 6, 'RO'),
  D1_Support: bit(9, 'RO'),
  D2_Support: bit(10, 'RO'),
  /** From the lowest bit: D0, D1, D2, D3hot, D3cold. */
  PME_Support: bits(15, 11, 'RO'),
});

export const PMCSR = register('Power Management Control/Status', 0x04, 16, {
  PowerState: bits(1, 0, 'RW'),
  No_Soft_Reset: bit(3, 'RO'),
  PME_En: bit(8, 'RWS'),
  Data_Select: bits(12, 9, 'RW'),
  Data_Scale: bits(14, 13, 'RO'),
  PME_Status: bit(15, 'RW1CS'),
});

export const PMCSR_BSE = register('PMCSR Bridge Support Extensions', 0x06, 8, {
  B2_B3: bit(6, 'RO'),
  BPCC_En: bit(7, 'RO'),
});

export const POWER_MANAGEMENT = structure('Power Management', 'PCIe Base 6.0, 7.5.2', 0x08, [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  PMC,
  PMCSR,
  PMCSR_BSE,
  plain('Data', 0x07, 8),
]);
