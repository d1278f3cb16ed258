/** Downstream Port Containment. PCIe Base 6.0, 7.9.14. */
import { bit, bits, plain, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** 7.9.14.2. */
export const DPC_CAPABILITY = register('DPC Capability', 0x04, 16, {
  DPC_Interrupt_Message_Number: bits(4, 0, 'RO'),
  RP_Extensions_for_DPC: bit(5, 'RO'),
  Poisoned_TLP_Egress_Blocking_Supported: bit(6, 'RO'),
  DPC_Software_Triggering_Supported: bit(7, 'RO'),
  /** In dwords. */
  RP_PIO_Log_Size: bits(11, 8, 'RO'),
  DL_Active_ERR_COR_Signaling_Supported: bit(12, 'RO'),
});

/** 7.9.14.3. */
export const DPC_CONTROL = register('DPC Control', 0x06, 16, {
  DPC_Trigger_Enable: bits(1, 0, 'RW'),
  DPC_Completion_Control: bit(2, 'RW'),
  DPC_Interrupt_Enable: bit(3, 'RW'),
  DPC_ERR_COR_Enable: bit(4, 'RW'),
  Poisoned_TLP_Egress_Blocking_Enable: bit(5, 'RW'),
  DPC_Software_Trigger: bit(6, 'RW'),
  DL_Active_ERR_COR_Enable: bit(7, 'RW'),
  DPC_SIG_SFW_Enable: bit(8, 'RW'),
});

/** 7.9.14.4. */
export const DPC_STATUS = register('DPC Status', 0x08, 16, {
  DPC_Trigger_Status: bit(0, 'RW1CS'),
  DPC_Trigger_Reason: bits(2, 1, 'ROS'),
  DPC_Interrupt_Status: bit(3, 'RW1CS'),
  DPC_RP_Busy: bit(4, 'RO'),
  DPC_Trigger_Reason_Extension: bits(6, 5, 'ROS'),
  RP_PIO_First_Error_Pointer: bits(12, 8, 'ROS'),
  DPC_SIG_SFW_Status: bit(13, 'RW1CS'),
});

export const DPC_ERROR_SOURCE_ID = plain('DPC Error Source ID', 0x0a, 16);

export const DOWNSTREAM_PORT_CONTAINMENT = structure(
  'Downstream Port Containment',
  'PCIe Base 6.0, 7.9.14',
  0x0c,
  [EXTENDED_CAPABILITY_HEADER, DPC_CAPABILITY, DPC_CONTROL, DPC_STATUS, DPC_ERROR_SOURCE_ID],
);

/** Of a root port with RP Extensions. 7.9.14.6 to 7.9.14.11; the logs, as long as RP PIO Log Size says, follow. */
function rpPio(name: string, offset: number) {
  return register(name, offset, 32, {
    Cfg_UR_Cpl: bit(0, 'RWS'),
    Cfg_CA_Cpl: bit(1, 'RWS'),
    Cfg_CTO: bit(2, 'RWS'),
    IO_UR_Cpl: bit(8, 'RWS'),
    IO_CA_Cpl: bit(9, 'RWS'),
    IO_CTO: bit(10, 'RWS'),
    Mem_UR_Cpl: bit(16, 'RWS'),
    Mem_CA_Cpl: bit(17, 'RWS'),
    Mem_CTO: bit(18, 'RWS'),
  });
}
export const DPC_ROOT_PORT_OFFSET = 0x0c;
export const DPC_ROOT_PORT = structure('RP PIO', 'PCIe Base 6.0, 7.9.14.6', 0x14, [
  rpPio('RP PIO Status', 0x00),
  rpPio('RP PIO Mask', 0x04),
  rpPio('RP PIO Severity', 0x08),
  rpPio('RP PIO SysError', 0x0c),
  rpPio('RP PIO Exception', 0x10),
]);
