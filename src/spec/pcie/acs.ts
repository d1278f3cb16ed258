/** Access Control Services. PCIe Base 6.0, 7.7.11. The letters are the ones that lspci and the kernel use. */
import { bit, bits, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** 7.7.11.2. */
export const ACS_CAPABILITY = register('ACS Capability', 0x04, 16, {
  /** SV. */
  ACS_Source_Validation: bit(0, 'RO'),
  /** TB. */
  ACS_Translation_Blocking: bit(1, 'RO'),
  /** RR. */
  ACS_P2P_Request_Redirect: bit(2, 'RO'),
  /** CR. */
  ACS_P2P_Completion_Redirect: bit(3, 'RO'),
  /** UF. */
  ACS_Upstream_Forwarding: bit(4, 'RO'),
  /** EC. */
  ACS_P2P_Egress_Control: bit(5, 'RO'),
  /** DT. */
  ACS_Direct_Translated_P2P: bit(6, 'RO'),
  ACS_Enhanced_Capability: bit(7, 'RO'),
  /** In bits; 0 means 256. */
  Egress_Control_Vector_Size: bits(15, 8, 'HwInit'),
});

/** 7.7.11.3. */
export const ACS_CONTROL = register('ACS Control', 0x06, 16, {
  ACS_Source_Validation_Enable: bit(0, 'RW'),
  ACS_Translation_Blocking_Enable: bit(1, 'RW'),
  ACS_P2P_Request_Redirect_Enable: bit(2, 'RW'),
  ACS_P2P_Completion_Redirect_Enable: bit(3, 'RW'),
  ACS_Upstream_Forwarding_Enable: bit(4, 'RW'),
  ACS_P2P_Egress_Control_Enable: bit(5, 'RW'),
  ACS_Direct_Translated_P2P_Enable: bit(6, 'RW'),
  ACS_IO_Request_Blocking_Enable: bit(7, 'RW'),
  ACS_DSP_Memory_Target_Access_Control: bits(9, 8, 'RW'),
  ACS_USP_Memory_Target_Access_Control: bits(11, 10, 'RW'),
  ACS_Unclaimed_Request_Redirect_Control: bit(12, 'RW'),
});

export const ACS = structure('Access Control Services', 'PCIe Base 6.0, 7.7.11', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  ACS_CAPABILITY,
  ACS_CONTROL,
]);

/** Behind the structure above where P2P Egress Control is implemented, as many as the vector's size needs. 7.7.11.4. */
export const ACS_EGRESS_CONTROL_VECTOR_OFFSET = 0x08;
export const ACS_EGRESS_CONTROL_VECTOR = structure(
  'ACS Egress Control Vector',
  'PCIe Base 6.0, 7.7.11.4',
  0x04,
  [
    /** Bit n of dword m stands for port or function 32 m + n. */
    register('Egress Control Vector', 0x00, 32, { Egress_Control_Vector: bits(31, 0, 'RW') }),
  ],
);
