/** Advanced Error Reporting. PCIe Base 6.0, 7.8.4. */
import { type Access, bit, bits, plain, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** Status, mask and severity have the same bits. 7.8.4.2 to 7.8.4.4. */
function uncorrectable(name: string, offset: number, access: Access) {
  return register(name, offset, 32, {
    Data_Link_Protocol_Error: bit(4, access),
    Surprise_Down_Error: bit(5, access),
    Poisoned_TLP_Received: bit(12, access),
    Flow_Control_Protocol_Error: bit(13, access),
    Completion_Timeout: bit(14, access),
    Completer_Abort: bit(15, access),
    Unexpected_Completion: bit(16, access),
    Receiver_Overflow: bit(17, access),
    Malformed_TLP: bit(18, access),
    ECRC_Error: bit(19, access),
    Unsupported_Request_Error: bit(20, access),
    ACS_Violation: bit(21, access),
    Uncorrectable_Internal_Error: bit(22, access),
    MC_Blocked_TLP: bit(23, access),
    AtomicOp_Egress_Blocked: bit(24, access),
    TLP_Prefix_Blocked_Error: bit(25, access),
    Poisoned_TLP_Egress_Blocked: bit(26, access),
    DMWr_Request_Egress_Blocked: bit(27, access),
    IDE_Check_Failed: bit(28, access),
    Misrouted_IDE_TLP: bit(29, access),
    PCRC_Check_Failed: bit(30, access),
    TLP_Translation_Egress_Blocked: bit(31, access),
  });
}
export const UNCORRECTABLE_ERROR_STATUS = uncorrectable('Uncorrectable Error Status', 0x04, 'RW1CS');
export const UNCORRECTABLE_ERROR_MASK = uncorrectable('Uncorrectable Error Mask', 0x08, 'RWS');
/** 1 is fatal. */
export const UNCORRECTABLE_ERROR_SEVERITY = uncorrectable('Uncorrectable Error Severity', 0x0c, 'RWS');

/** 7.8.4.5 and 7.8.4.6. */
function correctable(name: string, offset: number, access: Access) {
  return register(name, offset, 32, {
    Receiver_Error: bit(0, access),
    Bad_TLP: bit(6, access),
    Bad_DLLP: bit(7, access),
    REPLAY_NUM_Rollover: bit(8, access),
    Replay_Timer_Timeout: bit(12, access),
    Advisory_Non_Fatal_Error: bit(13, access),
    Corrected_Internal_Error: bit(14, access),
    Header_Log_Overflow: bit(15, access),
  });
}
export const CORRECTABLE_ERROR_STATUS = correctable('Correctable Error Status', 0x10, 'RW1CS');
export const CORRECTABLE_ERROR_MASK = correctable('Correctable Error Mask', 0x14, 'RWS');

/** 7.8.4.7. */
export const ADVANCED_ERROR_CAPABILITIES_AND_CONTROL = register(
  'Advanced Error Capabilities and Control',
  0x18,
  32,
  {
    /** The bit of Uncorrectable Error Status that the header log belongs to. */
    First_Error_Pointer: bits(4, 0, 'ROS'),
    ECRC_Generation_Capable: bit(5, 'RO'),
    ECRC_Generation_Enable: bit(6, 'RWS'),
    ECRC_Check_Capable: bit(7, 'RO'),
    ECRC_Check_Enable: bit(8, 'RWS'),
    Multiple_Header_Recording_Capable: bit(9, 'RO'),
    Multiple_Header_Recording_Enable: bit(10, 'RWS'),
    TLP_Prefix_Log_Present: bit(11, 'ROS'),
    Completion_Timeout_Prefix_Header_Log_Capable: bit(12, 'RO'),
    Header_Log_Size: bits(17, 13, 'RO'),
    Logged_TLP_was_Flit_Mode: bit(18, 'ROS'),
    Logged_TLP_Size: bits(23, 19, 'ROS'),
  },
);

/** 7.8.4.9. */
export const ROOT_ERROR_COMMAND = register('Root Error Command', 0x2c, 32, {
  Correctable_Error_Reporting_Enable: bit(0, 'RW'),
  Non_Fatal_Error_Reporting_Enable: bit(1, 'RW'),
  Fatal_Error_Reporting_Enable: bit(2, 'RW'),
});

/** 7.8.4.10. */
export const ROOT_ERROR_STATUS = register('Root Error Status', 0x30, 32, {
  ERR_COR_Received: bit(0, 'RW1CS'),
  Multiple_ERR_COR_Received: bit(1, 'RW1CS'),
  ERR_FATAL_NONFATAL_Received: bit(2, 'RW1CS'),
  Multiple_ERR_FATAL_NONFATAL_Received: bit(3, 'RW1CS'),
  First_Uncorrectable_Fatal: bit(4, 'RW1CS'),
  Non_Fatal_Error_Messages_Received: bit(5, 'RW1CS'),
  Fatal_Error_Messages_Received: bit(6, 'RW1CS'),
  ERR_COR_Subclass: bits(8, 7, 'RW1CS'),
  Advanced_Error_Interrupt_Message_Number: bits(31, 27, 'RO'),
});

/** 7.8.4.11. */
export const ERR_COR_SOURCE = plain('ERR_COR Source Identification', 0x34, 16, 'ROS');
export const ERR_FATAL_NONFATAL_SOURCE = plain('ERR_FATAL/NONFATAL Source Identification', 0x36, 16, 'ROS');

const FUNCTION_PART = [
  EXTENDED_CAPABILITY_HEADER,
  UNCORRECTABLE_ERROR_STATUS,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_SEVERITY,
  CORRECTABLE_ERROR_STATUS,
  CORRECTABLE_ERROR_MASK,
  ADVANCED_ERROR_CAPABILITIES_AND_CONTROL,
  ...[0, 1, 2, 3].map((index) => plain(`Header Log ${index}`, 0x1c + 4 * index, 32, 'ROS')),
];
const ROOT_PART = [ROOT_ERROR_COMMAND, ROOT_ERROR_STATUS, ERR_COR_SOURCE, ERR_FATAL_NONFATAL_SOURCE];
const SOURCE = 'PCIe Base 6.0, 7.8.4';

/** Of an endpoint or a switch port. */
export const AER = structure('Advanced Error Reporting', SOURCE, 0x2c, FUNCTION_PART);

/** Of a root port or a root complex event collector. */
export const AER_ROOT = structure('Advanced Error Reporting', SOURCE, 0x38, [...FUNCTION_PART, ...ROOT_PART]);

/** Behind the root part, also where that is empty, in functions that take end-to-end TLP prefixes. 7.8.4.12. */
export const AER_PREFIX_LOG_OFFSET = 0x38;
export const AER_PREFIX_LOG = structure('TLP Prefix Log', 'PCIe Base 6.0, 7.8.4.12', 0x10, [
  ...[0, 1, 2, 3].map((index) => plain(`TLP Prefix Log ${index}`, 4 * index, 32, 'ROS')),
]);
