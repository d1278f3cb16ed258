/** Capabilities of the physical and the data link layer, one for each step in speed. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** PCIe Base 6.0, 7.7.3.2. */
export const LINK_CONTROL_3 = register('Link Control 3', 0x04, 32, {
  Perform_Equalization: bit(0, 'RW'),
  Link_Equalization_Request_Interrupt_Enable: bit(1, 'RW'),
  Enable_Lower_SKP_OS_Generation_Vector: bits(15, 9, 'RW'),
});

/** One bit a lane. PCIe Base 6.0, 7.7.3.3. */
export const LANE_ERROR_STATUS = register('Lane Error Status', 0x08, 32, {
  Lane_Error_Status: bits(31, 0, 'RW1CS'),
});

export const SECONDARY_PCI_EXPRESS = structure('Secondary PCI Express', 'PCIe Base 6.0, 7.7.3', 0x0c, [
  EXTENDED_CAPABILITY_HEADER,
  LINK_CONTROL_3,
  LANE_ERROR_STATUS,
]);

/** One a lane, behind the structure above. PCIe Base 6.0, 7.7.3.4. */
export const LANE_EQUALIZATION_CONTROL = register('Lane Equalization Control', 0x00, 16, {
  Downstream_Port_8_0_GTs_Transmitter_Preset: bits(3, 0, 'HwInit'),
  Downstream_Port_8_0_GTs_Receiver_Preset_Hint: bits(6, 4, 'HwInit'),
  Upstream_Port_8_0_GTs_Transmitter_Preset: bits(11, 8, 'HwInit'),
  Upstream_Port_8_0_GTs_Receiver_Preset_Hint: bits(14, 12, 'HwInit'),
});
export const LANE_EQUALIZATION = structure('Lane Equalization', 'PCIe Base 6.0, 7.7.3.4', 0x02, [
  LANE_EQUALIZATION_CONTROL,
]);

/** PCIe Base 6.0, 7.7.4.2. */
export const DATA_LINK_FEATURE_CAPABILITIES = register('Data Link Feature Capabilities', 0x04, 32, {
  /** Bit 0: scaled flow control. */
  Local_Data_Link_Feature_Supported: bits(22, 0, 'HwInit'),
  Data_Link_Feature_Exchange_Enable: bit(31, 'HwInit'),
});

/** PCIe Base 6.0, 7.7.4.3. */
export const DATA_LINK_FEATURE_STATUS = register('Data Link Feature Status', 0x08, 32, {
  Remote_Data_Link_Feature_Supported: bits(22, 0, 'RO'),
  Remote_Data_Link_Feature_Supported_Valid: bit(31, 'RO'),
});

export const DATA_LINK_FEATURE = structure('Data Link Feature', 'PCIe Base 6.0, 7.7.4', 0x0c, [
  EXTENDED_CAPABILITY_HEADER,
  DATA_LINK_FEATURE_CAPABILITIES,
  DATA_LINK_FEATURE_STATUS,
]);

/** PCIe Base 6.0, 7.7.5.4. */
export const STATUS_16GT = register('16.0 GT/s Status', 0x0c, 32, {
  Equalization_16_0_GTs_Complete: bit(0, 'ROS'),
  Equalization_16_0_GTs_Phase_1_Successful: bit(1, 'ROS'),
  Equalization_16_0_GTs_Phase_2_Successful: bit(2, 'ROS'),
  Equalization_16_0_GTs_Phase_3_Successful: bit(3, 'ROS'),
  Link_Equalization_Request_16_0_GTs: bit(4, 'RW1CS'),
});

export const PHYSICAL_LAYER_16GT = structure('Physical Layer 16.0 GT/s', 'PCIe Base 6.0, 7.7.5', 0x20, [
  EXTENDED_CAPABILITY_HEADER,
  plain('16.0 GT/s Capabilities', 0x04, 32),
  plain('16.0 GT/s Control', 0x08, 32),
  STATUS_16GT,
  plain('16.0 GT/s Local Data Parity Mismatch Status', 0x10, 32),
  plain('16.0 GT/s First Retimer Data Parity Mismatch Status', 0x14, 32),
  plain('16.0 GT/s Second Retimer Data Parity Mismatch Status', 0x18, 32),
  reserved(0x1c, 4),
]);

/** PCIe Base 6.0, 7.7.6.2. */
export const CAPABILITIES_32GT = register('32.0 GT/s Capabilities', 0x04, 32, {
  Equalization_Bypass_to_Highest_Rate_Supported: bit(0, 'HwInit'),
  No_Equalization_Needed_Supported: bit(1, 'HwInit'),
  Modified_TS_Usage_Mode_0_Supported: bit(8, 'HwInit'),
  Modified_TS_Usage_Mode_1_Supported: bit(9, 'HwInit'),
  Modified_TS_Usage_Mode_2_Supported: bit(10, 'HwInit'),
});

/** PCIe Base 6.0, 7.7.6.3. */
export const CONTROL_32GT = register('32.0 GT/s Control', 0x08, 32, {
  Equalization_Bypass_to_Highest_Rate_Disable: bit(0, 'RWS'),
  No_Equalization_Needed_Disable: bit(1, 'RWS'),
  Modified_TS_Usage_Mode_Selected: bits(10, 8, 'RWS'),
});

/** PCIe Base 6.0, 7.7.6.4. */
export const STATUS_32GT = register('32.0 GT/s Status', 0x0c, 32, {
  Equalization_32_0_GTs_Complete: bit(0, 'ROS'),
  Equalization_32_0_GTs_Phase_1_Successful: bit(1, 'ROS'),
  Equalization_32_0_GTs_Phase_2_Successful: bit(2, 'ROS'),
  Equalization_32_0_GTs_Phase_3_Successful: bit(3, 'ROS'),
  Link_Equalization_Request_32_0_GTs: bit(4, 'RW1CS'),
  Modified_TS_Received: bit(5, 'RO'),
  Received_Enhanced_Link_Behavior_Control: bits(7, 6, 'RO'),
  Transmitter_Precoding_On: bit(8, 'RO'),
  Transmitter_Precode_Request: bit(9, 'RO'),
  No_Equalization_Needed_Received: bit(10, 'RO'),
});

export const PHYSICAL_LAYER_32GT = structure('Physical Layer 32.0 GT/s', 'PCIe Base 6.0, 7.7.6', 0x20, [
  EXTENDED_CAPABILITY_HEADER,
  CAPABILITIES_32GT,
  CONTROL_32GT,
  STATUS_32GT,
  plain('Received Modified TS Data 1', 0x10, 32),
  plain('Received Modified TS Data 2', 0x14, 32),
  plain('Transmitted Modified TS Data 1', 0x18, 32),
  plain('Transmitted Modified TS Data 2', 0x1c, 32),
]);

/** PCIe Base 6.0, 7.7.7.4. */
export const STATUS_64GT = register('64.0 GT/s Status', 0x0c, 32, {
  Equalization_64_0_GTs_Complete: bit(0, 'ROS'),
  Equalization_64_0_GTs_Phase_1_Successful: bit(1, 'ROS'),
  Equalization_64_0_GTs_Phase_2_Successful: bit(2, 'ROS'),
  Equalization_64_0_GTs_Phase_3_Successful: bit(3, 'ROS'),
  Link_Equalization_Request_64_0_GTs: bit(4, 'RW1CS'),
  Transmitter_Precoding_On: bit(5, 'RO'),
  Transmitter_Precode_Request: bit(6, 'RO'),
  No_Equalization_Needed_Received: bit(7, 'RO'),
});

export const PHYSICAL_LAYER_64GT = structure('Physical Layer 64.0 GT/s', 'PCIe Base 6.0, 7.7.7', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  plain('64.0 GT/s Capabilities', 0x04, 32),
  plain('64.0 GT/s Control', 0x08, 32),
  STATUS_64GT,
]);

/** One a lane, behind the 16, 32 and 64 GT/s structures. PCIe Base 6.0, 7.7.5.8, 7.7.6.9 and 7.7.7.5. */
export const LANE_PRESETS_REGISTER = register('Lane Equalization Control', 0x00, 8, {
  Downstream_Port_Transmitter_Preset: bits(3, 0, 'HwInit'),
  Upstream_Port_Transmitter_Preset: bits(7, 4, 'HwInit'),
});
export const LANE_PRESETS = structure('Lane Equalization', 'PCIe Base 6.0, 7.7.5.8', 0x01, [
  LANE_PRESETS_REGISTER,
]);

/** PCIe Base 6.0, 7.7.10.2 and 7.7.10.3. */
export const LANE_MARGINING = structure('Lane Margining at the Receiver', 'PCIe Base 6.0, 7.7.10', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  register('Margining Port Capabilities', 0x04, 16, { Margining_uses_Driver_Software: bit(0, 'HwInit') }),
  register('Margining Port Status', 0x06, 16, {
    Margining_Ready: bit(0, 'RO'),
    Margining_Software_Ready: bit(1, 'RO'),
  }),
]);

/** One a lane, behind the structure above. PCIe Base 6.0, 7.7.10.4 and 7.7.10.5. */
export const LANE_MARGIN = structure('Lane Margin', 'PCIe Base 6.0, 7.7.10.4', 0x04, [
  register('Margining Lane Control', 0x00, 16, {
    Receiver_Number: bits(2, 0, 'RW'),
    Margin_Type: bits(5, 3, 'RW'),
    Usage_Model: bit(6, 'RW'),
    Margin_Payload: bits(15, 8, 'RW'),
  }),
  register('Margining Lane Status', 0x02, 16, {
    Receiver_Number_Status: bits(2, 0, 'RO'),
    Margin_Type_Status: bits(5, 3, 'RO'),
    Usage_Model_Status: bit(6, 'RO'),
    Margin_Payload_Status: bits(15, 8, 'RO'),
  }),
]);
