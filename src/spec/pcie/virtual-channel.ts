/** Virtual Channel. PCIe Base 6.0, 7.9.1. */
import { bit, bits, register, reserved, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** 7.9.1.2. */
export const PORT_VC_CAPABILITY_1 = register('Port VC Capability 1', 0x04, 32, {
  /** Virtual channels beside VC0. */
  Extended_VC_Count: bits(2, 0, 'RO'),
  Low_Priority_Extended_VC_Count: bits(6, 4, 'RO'),
  Reference_Clock: bits(9, 8, 'RO'),
  Port_Arbitration_Table_Entry_Size: bits(11, 10, 'RO'),
});

/** 7.9.1.3. */
export const PORT_VC_CAPABILITY_2 = register('Port VC Capability 2', 0x08, 32, {
  VC_Arbitration_Capability: bits(7, 0, 'RO'),
  /** In units of 16 bytes from the start of the capability; 0 is none. */
  VC_Arbitration_Table_Offset: bits(31, 24, 'RO'),
});

/** 7.9.1.4. */
export const PORT_VC_CONTROL = register('Port VC Control', 0x0c, 16, {
  Load_VC_Arbitration_Table: bit(0, 'RW'),
  VC_Arbitration_Select: bits(3, 1, 'RW'),
});

/** 7.9.1.5. */
export const PORT_VC_STATUS = register('Port VC Status', 0x0e, 16, {
  VC_Arbitration_Table_Status: bit(0, 'RO'),
});

export const VIRTUAL_CHANNEL = structure('Virtual Channel', 'PCIe Base 6.0, 7.9.1', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  PORT_VC_CAPABILITY_1,
  PORT_VC_CAPABILITY_2,
  PORT_VC_CONTROL,
  PORT_VC_STATUS,
]);

/** 7.9.1.6. */
export const VC_RESOURCE_CAPABILITY = register('VC Resource Capability', 0x00, 32, {
  Port_Arbitration_Capability: bits(7, 0, 'RO'),
  /** Advanced Packet Switching; undefined since Base 2.0. */
  Advanced_Packet_Switching: bit(14, 'RO'),
  Reject_Snoop_Transactions: bit(15, 'HwInit'),
  Maximum_Time_Slots: bits(22, 16, 'HwInit'),
  Port_Arbitration_Table_Offset: bits(31, 24, 'RO'),
});

/** 7.9.1.7. */
export const VC_RESOURCE_CONTROL = register('VC Resource Control', 0x04, 32, {
  TC_VC_Map: bits(7, 0, 'RW'),
  Load_Port_Arbitration_Table: bit(16, 'RW'),
  Port_Arbitration_Select: bits(19, 17, 'RW'),
  VC_ID: bits(26, 24, 'RW'),
  VC_Enable: bit(31, 'RW'),
});

/** 7.9.1.8. */
export const VC_RESOURCE_STATUS = register('VC Resource Status', 0x0a, 16, {
  Port_Arbitration_Table_Status: bit(0, 'RO'),
  VC_Negotiation_Pending: bit(1, 'RO'),
});

/** One a virtual channel, VC0 first, behind the structure above. */
export const VC_RESOURCE = structure('VC Resource', 'PCIe Base 6.0, 7.9.1.6', 0x0c, [
  VC_RESOURCE_CAPABILITY,
  VC_RESOURCE_CONTROL,
  reserved(0x08, 2),
  VC_RESOURCE_STATUS,
]);
