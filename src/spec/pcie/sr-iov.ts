/** Single Root I/O Virtualization. PCIe Base 6.0, 9.3.3. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { type BaseAddressRegister, baseAddressRegister } from '../pci/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** 9.3.3.2. */
export const SRIOV_CAPABILITIES = register('SR-IOV Capabilities', 0x04, 32, {
  VF_Migration_Capable: bit(0, 'RO'),
  ARI_Capable_Hierarchy_Preserved: bit(1, 'RO'),
  VF_10_Bit_Tag_Requester_Supported: bit(2, 'HwInit'),
  VF_14_Bit_Tag_Requester_Supported: bit(3, 'HwInit'),
  VF_Migration_Interrupt_Message_Number: bits(31, 21, 'RO'),
});

/** 9.3.3.3. */
export const SRIOV_CONTROL = register('SR-IOV Control', 0x08, 16, {
  VF_Enable: bit(0, 'RW'),
  VF_Migration_Enable: bit(1, 'RW'),
  VF_Migration_Interrupt_Enable: bit(2, 'RW'),
  VF_MSE: bit(3, 'RW'),
  ARI_Capable_Hierarchy: bit(4, 'RW'),
  VF_10_Bit_Tag_Requester_Enable: bit(5, 'RW'),
  VF_14_Bit_Tag_Requester_Enable: bit(6, 'RW'),
});

/** 9.3.3.4. */
export const SRIOV_STATUS = register('SR-IOV Status', 0x0a, 16, {
  VF_Migration_Status: bit(0, 'RW1C'),
});

export const INITIAL_VFS = plain('InitialVFs', 0x0c, 16, 'HwInit');
export const TOTAL_VFS = plain('TotalVFs', 0x0e, 16, 'HwInit');
export const NUM_VFS = plain('NumVFs', 0x10, 16, 'RW');
/** Routing ID of the first VF minus that of the PF. 9.3.3.9. */
export const FIRST_VF_OFFSET = plain('First VF Offset', 0x14, 16);
/** Routing ID distance between neighbours. 9.3.3.10. */
export const VF_STRIDE = plain('VF Stride', 0x16, 16);
export const VF_DEVICE_ID = plain('VF Device ID', 0x1a, 16);
/** Bit n stands for pages of 4 KiB << n. */
export const SUPPORTED_PAGE_SIZES = plain('Supported Page Sizes', 0x1c, 32);
export const SYSTEM_PAGE_SIZE = plain('System Page Size', 0x20, 32, 'RW');

export const VF_BARS: readonly BaseAddressRegister[] = [0, 1, 2, 3, 4, 5].map((index) =>
  baseAddressRegister(index, 0x24 + 4 * index, `VF BAR${index}`),
);

/** 9.3.3.15. */
export const VF_MIGRATION_STATE_ARRAY_OFFSET = register('VF Migration State Array Offset', 0x3c, 32, {
  VF_Migration_State_BIR: bits(2, 0, 'RO'),
  /** Unit 8 bytes. */
  VF_Migration_State_Offset: bits(31, 3, 'RO'),
});

export const SR_IOV = structure('Single Root I/O Virtualization', 'PCIe Base 6.0, 9.3.3', 0x40, [
  EXTENDED_CAPABILITY_HEADER,
  SRIOV_CAPABILITIES,
  SRIOV_CONTROL,
  SRIOV_STATUS,
  INITIAL_VFS,
  TOTAL_VFS,
  NUM_VFS,
  plain('Function Dependency Link', 0x12, 8),
  reserved(0x13, 1),
  FIRST_VF_OFFSET,
  VF_STRIDE,
  reserved(0x18, 2),
  VF_DEVICE_ID,
  SUPPORTED_PAGE_SIZES,
  SYSTEM_PAGE_SIZE,
  ...VF_BARS,
  VF_MIGRATION_STATE_ARRAY_OFFSET,
]);
