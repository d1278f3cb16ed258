/** Power and latency: L1 PM Substates, LTR, power budgeting, dynamic power allocation, readiness times. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** PCIe Base 6.0, 7.8.3.2. */
export const L1SS_CAPABILITIES = register('L1 PM Substates Capabilities', 0x04, 32, {
  PCI_PM_L1_2_Supported: bit(0, 'HwInit'),
  PCI_PM_L1_1_Supported: bit(1, 'HwInit'),
  ASPM_L1_2_Supported: bit(2, 'HwInit'),
  ASPM_L1_1_Supported: bit(3, 'HwInit'),
  L1_PM_Substates_Supported: bit(4, 'HwInit'),
  Link_Activation_Supported: bit(5, 'HwInit'),
  /** In microseconds. */
  Port_Common_Mode_Restore_Time: bits(15, 8, 'HwInit'),
  Port_T_POWER_ON_Scale: bits(17, 16, 'HwInit'),
  /** In units of the scale: 2, 10 or 100 microseconds. */
  Port_T_POWER_ON_Value: bits(23, 19, 'HwInit'),
});

/** PCIe Base 6.0, 7.8.3.3. */
export const L1SS_CONTROL_1 = register('L1 PM Substates Control 1', 0x08, 32, {
  PCI_PM_L1_2_Enable: bit(0, 'RW'),
  PCI_PM_L1_1_Enable: bit(1, 'RW'),
  ASPM_L1_2_Enable: bit(2, 'RW'),
  ASPM_L1_1_Enable: bit(3, 'RW'),
  Link_Activation_Interrupt_Enable: bit(4, 'RW'),
  Link_Activation_Control: bit(5, 'RW'),
  /** In microseconds. */
  Common_Mode_Restore_Time: bits(15, 8, 'RW'),
  LTR_L1_2_THRESHOLD_Value: bits(25, 16, 'RW'),
  /** 1 ns << (5 * value), up to 5. */
  LTR_L1_2_THRESHOLD_Scale: bits(31, 29, 'RW'),
});

/** PCIe Base 6.0, 7.8.3.4. */
export const L1SS_CONTROL_2 = register('L1 PM Substates Control 2', 0x0c, 32, {
  T_POWER_ON_Scale: bits(1, 0, 'RW'),
  T_POWER_ON_Value: bits(7, 3, 'RW'),
});

export const L1_PM_SUBSTATES = structure('L1 PM Substates', 'PCIe Base 6.0, 7.8.3', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  L1SS_CAPABILITIES,
  L1SS_CONTROL_1,
  L1SS_CONTROL_2,
]);

/** Only where Link Activation is supported. PCIe Base 6.0, 7.8.3.5. */
export const L1SS_STATUS_OFFSET = 0x10;
export const L1SS_STATUS = structure('L1 PM Substates Status', 'PCIe Base 6.0, 7.8.3.5', 0x04, [
  register('L1 PM Substates Status', 0x00, 32, { Link_Activation_Status: bit(0, 'RW1C') }),
]);

/** PCIe Base 6.0, 7.8.2.2. */
export const MAX_SNOOP_LATENCY = register('Max Snoop Latency', 0x04, 16, {
  Max_Snoop_LatencyValue: bits(9, 0, 'RW'),
  /** 1 ns << (5 * value), up to 5. */
  Max_Snoop_LatencyScale: bits(12, 10, 'RW'),
});
/** PCIe Base 6.0, 7.8.2.3. */
export const MAX_NO_SNOOP_LATENCY = register('Max No-Snoop Latency', 0x06, 16, {
  Max_No_Snoop_LatencyValue: bits(9, 0, 'RW'),
  Max_No_Snoop_LatencyScale: bits(12, 10, 'RW'),
});
export const LATENCY_TOLERANCE_REPORTING = structure(
  'Latency Tolerance Reporting',
  'PCIe Base 6.0, 7.8.2',
  0x08,
  [EXTENDED_CAPABILITY_HEADER, MAX_SNOOP_LATENCY, MAX_NO_SNOOP_LATENCY],
);

/** PCIe Base 6.0, 7.8.1. */
export const POWER_BUDGETING = structure('Power Budgeting', 'PCIe Base 6.0, 7.8.1', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  plain('Power Budgeting Data Select', 0x04, 8),
  reserved(0x05, 3),
  register('Power Budgeting Data', 0x08, 32, {
    Base_Power: bits(7, 0, 'RO'),
    Data_Scale: bits(9, 8, 'RO'),
    PM_Sub_State: bits(12, 10, 'RO'),
    PM_State: bits(14, 13, 'RO'),
    Type: bits(17, 15, 'RO'),
    Power_Rail: bits(20, 18, 'RO'),
  }),
  register('Power Budget Capability', 0x0c, 8, { System_Allocated: bit(0, 'HwInit') }),
  reserved(0x0d, 3),
]);

/** PCIe Base 6.0, 7.9.12. The allocations of the substates, a byte each, follow. */
export const DYNAMIC_POWER_ALLOCATION = structure('Dynamic Power Allocation', 'PCIe Base 6.0, 7.9.12', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  register('DPA Capability', 0x04, 32, {
    Substate_Max: bits(4, 0, 'RO'),
    Transition_Latency_Unit: bits(9, 8, 'RO'),
    Power_Allocation_Scale: bits(13, 12, 'RO'),
    Transition_Latency_Value_0: bits(23, 16, 'RO'),
    Transition_Latency_Value_1: bits(31, 24, 'RO'),
  }),
  plain('DPA Latency Indicator', 0x08, 32),
  register('DPA Status', 0x0c, 16, {
    Substate_Status: bits(4, 0, 'RO'),
    Substate_Control_Enabled: bit(8, 'RW1C'),
  }),
  register('DPA Control', 0x0e, 16, { Substate_Control: bits(4, 0, 'RW') }),
]);

/** PCIe Base 6.0, 7.9.16. */
export const READINESS_TIME_REPORTING = structure('Readiness Time Reporting', 'PCIe Base 6.0, 7.9.16', 0x0c, [
  EXTENDED_CAPABILITY_HEADER,
  register('Readiness Time Reporting 1', 0x04, 32, {
    Reset_Time: bits(11, 0, 'HwInit'),
    DL_Up_Time: bits(23, 12, 'HwInit'),
    Valid: bit(31, 'HwInit'),
  }),
  register('Readiness Time Reporting 2', 0x08, 32, {
    FLR_Time: bits(11, 0, 'HwInit'),
    D3hot_to_D0_Time: bits(23, 12, 'HwInit'),
  }),
]);
