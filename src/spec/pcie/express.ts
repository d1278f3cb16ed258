/** The PCI Express capability: Device, Link, Slot and Root registers, and their second set. PCIe Base 6.0, 7.5.3. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from '../pci/index.ts';

/** 7.5.3.2. */
export const PCI_EXPRESS_CAPABILITIES = register('PCI Express Capabilities', 0x02, 16, {
  Capability_Version: bits(3, 0, 'RO'),
  Device_Port_Type: bits(7, 4, 'RO'),
  Slot_Implemented: bit(8, 'HwInit'),
  Interrupt_Message_Number: bits(13, 9, 'RO'),
  Flit_Mode_Supported: bit(15, 'HwInit'),
});

/** 7.5.3.3. */
export const DEVICE_CAPABILITIES = register('Device Capabilities', 0x04, 32, {
  /** 128 bytes << value, up to 5. */
  Max_Payload_Size_Supported: bits(2, 0, 'RO'),
  Phantom_Functions_Supported: bits(4, 3, 'RO'),
  Extended_Tag_Field_Supported: bit(5, 'RO'),
  Endpoint_L0s_Acceptable_Latency: bits(8, 6, 'RO'),
  Endpoint_L1_Acceptable_Latency: bits(11, 9, 'RO'),
  /** 14:12 belonged to Base 1.0a (attention button, attention and power indicator) and are undefined since 1.1. */
  Attention_Button_Present: bit(12, 'RO'),
  Attention_Indicator_Present: bit(13, 'RO'),
  Power_Indicator_Present: bit(14, 'RO'),
  Role_Based_Error_Reporting: bit(15, 'RO'),
  ERR_COR_Subclass_Capable: bit(16, 'RO'),
  Rx_MPS_Fixed: bit(17, 'HwInit'),
  /** In units of the scale below. */
  Captured_Slot_Power_Limit_Value: bits(25, 18, 'RO'),
  Captured_Slot_Power_Limit_Scale: bits(27, 26, 'RO'),
  Function_Level_Reset_Capability: bit(28, 'RO'),
  Mixed_MPS_Supported: bit(29, 'HwInit'),
  TEE_IO_Supported: bit(30, 'HwInit'),
});

/** 7.5.3.4. */
export const DEVICE_CONTROL = register('Device Control', 0x08, 16, {
  Correctable_Error_Reporting_Enable: bit(0, 'RW'),
  Non_Fatal_Error_Reporting_Enable: bit(1, 'RW'),
  Fatal_Error_Reporting_Enable: bit(2, 'RW'),
  Unsupported_Request_Reporting_Enable: bit(3, 'RW'),
  Enable_Relaxed_Ordering: bit(4, 'RW'),
  /** 128 bytes << value, up to 5. */
  Max_Payload_Size: bits(7, 5, 'RW'),
  Extended_Tag_Field_Enable: bit(8, 'RW'),
  Phantom_Functions_Enable: bit(9, 'RW'),
  Aux_Power_PM_Enable: bit(10, 'RWS'),
  Enable_No_Snoop: bit(11, 'RW'),
  /** 128 bytes << value, up to 5. */
  Max_Read_Request_Size: bits(14, 12, 'RW'),
  /** Of a PCIe-to-PCI bridge: Bridge Configuration Retry Enable. */
  Initiate_Function_Level_Reset: bit(15, 'RW'),
});

/** 7.5.3.5. */
export const DEVICE_STATUS = register('Device Status', 0x0a, 16, {
  Correctable_Error_Detected: bit(0, 'RW1C'),
  Non_Fatal_Error_Detected: bit(1, 'RW1C'),
  Fatal_Error_Detected: bit(2, 'RW1C'),
  Unsupported_Request_Detected: bit(3, 'RW1C'),
  AUX_Power_Detected: bit(4, 'RO'),
  Transactions_Pending: bit(5, 'RO'),
  Emergency_Power_Reduction_Detected: bit(6, 'RW1C'),
});

/** 7.5.3.6. */
export const LINK_CAPABILITIES = register('Link Capabilities', 0x0c, 32, {
  /** The bit of the Supported Link Speeds Vector (Link Capabilities 2) that the fastest speed has, counted from 1. */
  Max_Link_Speed: bits(3, 0, 'RO'),
  /** In lanes. */
  Maximum_Link_Width: bits(9, 4, 'RO'),
  ASPM_Support: bits(11, 10, 'RO'),
  L0s_Exit_Latency: bits(14, 12, 'RO'),
  L1_Exit_Latency: bits(17, 15, 'RO'),
  Clock_Power_Management: bit(18, 'RO'),
  Surprise_Down_Error_Reporting_Capable: bit(19, 'RO'),
  Data_Link_Layer_Link_Active_Reporting_Capable: bit(20, 'RO'),
  Link_Bandwidth_Notification_Capability: bit(21, 'RO'),
  ASPM_Optionality_Compliance: bit(22, 'HwInit'),
  Port_Number: bits(31, 24, 'HwInit'),
});

/** 7.5.3.7. */
export const LINK_CONTROL = register('Link Control', 0x10, 16, {
  ASPM_Control: bits(1, 0, 'RW'),
  PTM_Propagation_Delay_Adaptation_Interpretation_B: bit(2, 'RW'),
  /** 0 is 64 bytes, 1 is 128 bytes. */
  Read_Completion_Boundary: bit(3, 'RW'),
  Link_Disable: bit(4, 'RW'),
  Retrain_Link: bit(5, 'RW'),
  Common_Clock_Configuration: bit(6, 'RW'),
  Extended_Synch: bit(7, 'RW'),
  Enable_Clock_Power_Management: bit(8, 'RW'),
  Hardware_Autonomous_Width_Disable: bit(9, 'RW'),
  Link_Bandwidth_Management_Interrupt_Enable: bit(10, 'RW'),
  Link_Autonomous_Bandwidth_Interrupt_Enable: bit(11, 'RW'),
  SRIS_Clocking: bit(12, 'RWS'),
  Flit_Mode_Disable: bit(13, 'RWS'),
  DRS_Signaling_Control: bits(15, 14, 'RW'),
});

/** 7.5.3.8. */
export const LINK_STATUS = register('Link Status', 0x12, 16, {
  /** As Max_Link_Speed. Undefined when the link is down. */
  Current_Link_Speed: bits(3, 0, 'RO'),
  /** In lanes. Undefined when the link is down. */
  Negotiated_Link_Width: bits(9, 4, 'RO'),
  /** Base 1.0a; undefined since 1.1. */
  Training_Error: bit(10, 'RO'),
  Link_Training: bit(11, 'RO'),
  Slot_Clock_Configuration: bit(12, 'HwInit'),
  Data_Link_Layer_Link_Active: bit(13, 'RO'),
  Link_Bandwidth_Management_Status: bit(14, 'RW1C'),
  Link_Autonomous_Bandwidth_Status: bit(15, 'RW1C'),
});

/** 7.5.3.9. */
export const SLOT_CAPABILITIES = register('Slot Capabilities', 0x14, 32, {
  Attention_Button_Present: bit(0, 'HwInit'),
  Power_Controller_Present: bit(1, 'HwInit'),
  MRL_Sensor_Present: bit(2, 'HwInit'),
  Attention_Indicator_Present: bit(3, 'HwInit'),
  Power_Indicator_Present: bit(4, 'HwInit'),
  Hot_Plug_Surprise: bit(5, 'HwInit'),
  Hot_Plug_Capable: bit(6, 'HwInit'),
  Slot_Power_Limit_Value: bits(14, 7, 'HwInit'),
  Slot_Power_Limit_Scale: bits(16, 15, 'HwInit'),
  Electromechanical_Interlock_Present: bit(17, 'HwInit'),
  No_Command_Completed_Support: bit(18, 'HwInit'),
  Physical_Slot_Number: bits(31, 19, 'HwInit'),
});

/** 7.5.3.10. */
export const SLOT_CONTROL = register('Slot Control', 0x18, 16, {
  Attention_Button_Pressed_Enable: bit(0, 'RW'),
  Power_Fault_Detected_Enable: bit(1, 'RW'),
  MRL_Sensor_Changed_Enable: bit(2, 'RW'),
  Presence_Detect_Changed_Enable: bit(3, 'RW'),
  Command_Completed_Interrupt_Enable: bit(4, 'RW'),
  Hot_Plug_Interrupt_Enable: bit(5, 'RW'),
  Attention_Indicator_Control: bits(7, 6, 'RW'),
  Power_Indicator_Control: bits(9, 8, 'RW'),
  /** 0 is power on, 1 is power off. */
  Power_Controller_Control: bit(10, 'RW'),
  Electromechanical_Interlock_Control: bit(11, 'RW'),
  Data_Link_Layer_State_Changed_Enable: bit(12, 'RW'),
  Auto_Slot_Power_Limit_Disable: bit(13, 'RW'),
  In_Band_PD_Disable: bit(14, 'RW'),
});

/** 7.5.3.11. */
export const SLOT_STATUS = register('Slot Status', 0x1a, 16, {
  Attention_Button_Pressed: bit(0, 'RW1C'),
  Power_Fault_Detected: bit(1, 'RW1C'),
  MRL_Sensor_Changed: bit(2, 'RW1C'),
  Presence_Detect_Changed: bit(3, 'RW1C'),
  Command_Completed: bit(4, 'RW1C'),
  /** 1 is open. */
  MRL_Sensor_State: bit(5, 'RO'),
  /** 1 is a card in the slot. */
  Presence_Detect_State: bit(6, 'RO'),
  /** 1 is engaged. */
  Electromechanical_Interlock_Status: bit(7, 'RO'),
  Data_Link_Layer_State_Changed: bit(8, 'RW1C'),
});

/** 7.5.3.12. */
export const ROOT_CONTROL = register('Root Control', 0x1c, 16, {
  System_Error_on_Correctable_Error_Enable: bit(0, 'RW'),
  System_Error_on_Non_Fatal_Error_Enable: bit(1, 'RW'),
  System_Error_on_Fatal_Error_Enable: bit(2, 'RW'),
  PME_Interrupt_Enable: bit(3, 'RW'),
  /** CRS Software Visibility Enable until Base 5.0. */
  Configuration_RRS_Software_Visibility_Enable: bit(4, 'RW'),
  No_NFM_Subtree_Below_This_Root_Port: bit(5, 'RW'),
});

/** 7.5.3.13. */
export const ROOT_CAPABILITIES = register('Root Capabilities', 0x1e, 16, {
  /** CRS Software Visibility until Base 5.0. */
  Configuration_RRS_Software_Visibility: bit(0, 'RO'),
});

/** 7.5.3.14. */
export const ROOT_STATUS = register('Root Status', 0x20, 32, {
  PME_Requester_ID: bits(15, 0, 'RO'),
  PME_Status: bit(16, 'RW1C'),
  PME_Pending: bit(17, 'RO'),
});

/** 7.5.3.15. */
export const DEVICE_CAPABILITIES_2 = register('Device Capabilities 2', 0x24, 32, {
  Completion_Timeout_Ranges_Supported: bits(3, 0, 'HwInit'),
  Completion_Timeout_Disable_Supported: bit(4, 'RO'),
  ARI_Forwarding_Supported: bit(5, 'RO'),
  AtomicOp_Routing_Supported: bit(6, 'RO'),
  _32_bit_AtomicOp_Completer_Supported: bit(7, 'RO'),
  _64_bit_AtomicOp_Completer_Supported: bit(8, 'RO'),
  _128_bit_CAS_Completer_Supported: bit(9, 'RO'),
  No_RO_enabled_PR_PR_Passing: bit(10, 'HwInit'),
  LTR_Mechanism_Supported: bit(11, 'RO'),
  TPH_Completer_Supported: bits(13, 12, 'RO'),
  /** Lightweight Notification; undefined since Base 6.0. */
  LN_System_CLS: bits(15, 14, 'HwInit'),
  _10_Bit_Tag_Completer_Supported: bit(16, 'HwInit'),
  _10_Bit_Tag_Requester_Supported: bit(17, 'HwInit'),
  OBFF_Supported: bits(19, 18, 'HwInit'),
  Extended_Fmt_Field_Supported: bit(20, 'RO'),
  End_End_TLP_Prefix_Supported: bit(21, 'HwInit'),
  /** 0 means 4. */
  Max_End_End_TLP_Prefixes: bits(23, 22, 'HwInit'),
  Emergency_Power_Reduction_Supported: bits(25, 24, 'HwInit'),
  Emergency_Power_Reduction_Initialization_Required: bit(26, 'HwInit'),
  DMWr_Completer_Supported: bit(28, 'HwInit'),
  DMWr_Lengths_Supported: bits(30, 29, 'HwInit'),
  FRS_Supported: bit(31, 'HwInit'),
});

/** 7.5.3.16. */
export const DEVICE_CONTROL_2 = register('Device Control 2', 0x28, 16, {
  Completion_Timeout_Value: bits(3, 0, 'RW'),
  Completion_Timeout_Disable: bit(4, 'RW'),
  ARI_Forwarding_Enable: bit(5, 'RW'),
  AtomicOp_Requester_Enable: bit(6, 'RW'),
  AtomicOp_Egress_Blocking: bit(7, 'RW'),
  IDO_Request_Enable: bit(8, 'RW'),
  IDO_Completion_Enable: bit(9, 'RW'),
  LTR_Mechanism_Enable: bit(10, 'RW'),
  Emergency_Power_Reduction_Request: bit(11, 'RW'),
  _10_Bit_Tag_Requester_Enable: bit(12, 'RW'),
  OBFF_Enable: bits(14, 13, 'RW'),
  End_End_TLP_Prefix_Blocking: bit(15, 'RW'),
});

/** 7.5.3.17: a placeholder. */
export const DEVICE_STATUS_2 = plain('Device Status 2', 0x2a, 16);

/** 7.5.3.18. */
export const LINK_CAPABILITIES_2 = register('Link Capabilities 2', 0x2c, 32, {
  /** Bit 0 of the field is 2.5 GT/s, bit 5 is 64 GT/s. */
  Supported_Link_Speeds_Vector: bits(7, 1, 'HwInit'),
  Crosslink_Supported: bit(8, 'RO'),
  Lower_SKP_OS_Generation_Supported_Speeds_Vector: bits(15, 9, 'HwInit'),
  Lower_SKP_OS_Reception_Supported_Speeds_Vector: bits(22, 16, 'HwInit'),
  Retimer_Presence_Detect_Supported: bit(23, 'HwInit'),
  Two_Retimers_Presence_Detect_Supported: bit(24, 'HwInit'),
  DRS_Supported: bit(31, 'HwInit'),
});

/** 7.5.3.19. */
export const LINK_CONTROL_2 = register('Link Control 2', 0x30, 16, {
  Target_Link_Speed: bits(3, 0, 'RWS'),
  Enter_Compliance: bit(4, 'RWS'),
  Hardware_Autonomous_Speed_Disable: bit(5, 'RWS'),
  /** At 5 GT/s: 0 is -6 dB, 1 is -3.5 dB. */
  Selectable_De_emphasis: bit(6, 'HwInit'),
  Transmit_Margin: bits(9, 7, 'RWS'),
  Enter_Modified_Compliance: bit(10, 'RWS'),
  Compliance_SOS: bit(11, 'RWS'),
  Compliance_Preset_De_emphasis: bits(15, 12, 'RWS'),
});

/** 7.5.3.20. */
export const LINK_STATUS_2 = register('Link Status 2', 0x32, 16, {
  Current_De_emphasis_Level: bit(0, 'RO'),
  Equalization_8_0_GTs_Complete: bit(1, 'ROS'),
  Equalization_8_0_GTs_Phase_1_Successful: bit(2, 'ROS'),
  Equalization_8_0_GTs_Phase_2_Successful: bit(3, 'ROS'),
  Equalization_8_0_GTs_Phase_3_Successful: bit(4, 'ROS'),
  Link_Equalization_Request_8_0_GTs: bit(5, 'RW1CS'),
  Retimer_Presence_Detected: bit(6, 'ROS'),
  Two_Retimers_Presence_Detected: bit(7, 'ROS'),
  Crosslink_Resolution: bits(9, 8, 'RO'),
  Flit_Mode_Status: bit(10, 'RO'),
  Downstream_Component_Presence: bits(14, 12, 'RO'),
  DRS_Message_Received: bit(15, 'RW1C'),
});

/** 7.5.3.21. */
export const SLOT_CAPABILITIES_2 = register('Slot Capabilities 2', 0x34, 32, {
  In_Band_PD_Disable_Supported: bit(0, 'HwInit'),
});
/** 7.5.3.22 and 7.5.3.23: placeholders. */
export const SLOT_CONTROL_2 = plain('Slot Control 2', 0x38, 16);
export const SLOT_STATUS_2 = plain('Slot Status 2', 0x3a, 16);

const EXPRESS_DEVICE = [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  PCI_EXPRESS_CAPABILITIES,
  DEVICE_CAPABILITIES,
  DEVICE_CONTROL,
  DEVICE_STATUS,
];
const EXPRESS_LINK = [LINK_CAPABILITIES, LINK_CONTROL, LINK_STATUS];
const EXPRESS_SLOT = [SLOT_CAPABILITIES, SLOT_CONTROL, SLOT_STATUS];
const EXPRESS_ROOT = [ROOT_CONTROL, ROOT_CAPABILITIES, ROOT_STATUS];

/** Version 2 and later: every register has its place, and reads zero where the function has no use for it. */
export const PCI_EXPRESS_CAPABILITY = structure('PCI Express', 'PCIe Base 6.0, 7.5.3', 0x3c, [
  ...EXPRESS_DEVICE,
  ...EXPRESS_LINK,
  ...EXPRESS_SLOT,
  ...EXPRESS_ROOT,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL_2,
  DEVICE_STATUS_2,
  LINK_CAPABILITIES_2,
  LINK_CONTROL_2,
  LINK_STATUS_2,
  SLOT_CAPABILITIES_2,
  SLOT_CONTROL_2,
  SLOT_STATUS_2,
]);

/**
 * Version 1 ends where its function's last kind of register ends: device, link, slot, root. What follows may already be
 * another capability. PCIe Base 1.1, 7.8.
 */
export const PCI_EXPRESS_V1_DEVICE = structure('PCI Express', 'PCIe Base 1.1, 7.8', 0x0c, EXPRESS_DEVICE);
export const PCI_EXPRESS_V1_LINK = structure('PCI Express', 'PCIe Base 1.1, 7.8', 0x14, [
  ...EXPRESS_DEVICE,
  ...EXPRESS_LINK,
]);
export const PCI_EXPRESS_V1_SLOT = structure('PCI Express', 'PCIe Base 1.1, 7.8', 0x1c, [
  ...EXPRESS_DEVICE,
  ...EXPRESS_LINK,
  ...EXPRESS_SLOT,
]);
export const PCI_EXPRESS_V1_ROOT = structure('PCI Express', 'PCIe Base 1.1, 7.8', 0x24, [
  ...EXPRESS_DEVICE,
  ...EXPRESS_LINK,
  ...EXPRESS_SLOT,
  ...EXPRESS_ROOT,
]);
/** A root complex event collector of version 1 has root registers, and neither link nor slot. */
export const PCI_EXPRESS_V1_EVENT_COLLECTOR = structure('PCI Express', 'PCIe Base 1.1, 7.8', 0x24, [
  ...EXPRESS_DEVICE,
  reserved(0x0c, 0x10),
  ...EXPRESS_ROOT,
]);
