/** PCI-X. PCI-X Protocol Addendum 2.0, 7.2 (functions) and 8.6.2 (bridges). */
import { bit, bits, register, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

export const PCIX_COMMAND = register('PCI-X Command', 0x02, 16, {
  Data_Parity_Error_Recovery_Enable: bit(0, 'RW'),
  Enable_Relaxed_Ordering: bit(1, 'RW'),
  /** 512 bytes << value. */
  Maximum_Memory_Read_Byte_Count: bits(3, 2, 'RW'),
  Maximum_Outstanding_Split_Transactions: bits(6, 4, 'RW'),
  Version: bits(13, 12, 'RO'),
});

export const PCIX_STATUS = register('PCI-X Status', 0x04, 32, {
  Function_Number: bits(2, 0, 'RO'),
  Device_Number: bits(7, 3, 'RO'),
  Bus_Number: bits(15, 8, 'RO'),
  _64_bit_Device: bit(16, 'RO'),
  _133_MHz_Capable: bit(17, 'RO'),
  Split_Completion_Discarded: bit(18, 'RW1C'),
  Unexpected_Split_Completion: bit(19, 'RW1C'),
  Device_Complexity: bit(20, 'RO'),
  Designed_Maximum_Memory_Read_Byte_Count: bits(22, 21, 'RO'),
  Designed_Maximum_Outstanding_Split_Transactions: bits(25, 23, 'RO'),
  Designed_Maximum_Cumulative_Read_Size: bits(28, 26, 'RO'),
  Received_Split_Completion_Error_Message: bit(29, 'RW1C'),
  PCI_X_266_Capable: bit(30, 'RO'),
  PCI_X_533_Capable: bit(31, 'RO'),
});

export const PCI_X_FUNCTION = structure('PCI-X', 'PCI-X Protocol Addendum 2.0, 7.2', 0x08, [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  PCIX_COMMAND,
  PCIX_STATUS,
]);

export const PCIX_SECONDARY_STATUS = register('PCI-X Secondary Status', 0x02, 16, {
  _64_bit_Device: bit(0, 'RO'),
  _133_MHz_Capable: bit(1, 'RO'),
  Split_Completion_Discarded: bit(2, 'RW1C'),
  Unexpected_Split_Completion: bit(3, 'RW1C'),
  Split_Completion_Overrun: bit(4, 'RW1C'),
  Split_Request_Delayed: bit(5, 'RW1C'),
  Secondary_Bus_Mode_and_Frequency: bits(9, 6, 'RO'),
  Version: bits(13, 12, 'RO'),
  PCI_X_266_Capable: bit(14, 'RO'),
  PCI_X_533_Capable: bit(15, 'RO'),
});

export const PCIX_BRIDGE_STATUS = register('PCI-X Bridge Status', 0x04, 32, {
  Function_Number: bits(2, 0, 'RO'),
  Device_Number: bits(7, 3, 'RO'),
  Bus_Number: bits(15, 8, 'RO'),
  _64_bit_Device: bit(16, 'RO'),
  _133_MHz_Capable: bit(17, 'RO'),
  Split_Completion_Discarded: bit(18, 'RW1C'),
  Unexpected_Split_Completion: bit(19, 'RW1C'),
  Split_Completion_Overrun: bit(20, 'RW1C'),
  Split_Request_Delayed: bit(21, 'RW1C'),
  Device_ID_Messaging_Capable: bit(29, 'RO'),
  PCI_X_266_Capable: bit(30, 'RO'),
  PCI_X_533_Capable: bit(31, 'RO'),
});

function splitTransactionControl(name: string, offset: number) {
  return register(name, offset, 32, {
    Split_Transaction_Capacity: bits(15, 0, 'RO'),
    Split_Transaction_Commitment_Limit: bits(31, 16, 'RW'),
  });
}
export const PCIX_UPSTREAM_SPLIT = splitTransactionControl('Upstream Split Transaction Control', 0x08);
export const PCIX_DOWNSTREAM_SPLIT = splitTransactionControl('Downstream Split Transaction Control', 0x0c);

export const PCI_X_BRIDGE = structure('PCI-X Bridge', 'PCI-X Protocol Addendum 2.0, 8.6.2', 0x10, [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  PCIX_SECONDARY_STATUS,
  PCIX_BRIDGE_STATUS,
  PCIX_UPSTREAM_SPLIT,
  PCIX_DOWNSTREAM_SPLIT,
]);
