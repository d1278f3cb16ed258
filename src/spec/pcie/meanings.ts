/** What the values of enumerated fields mean, for people. Values that a table leaves out are reserved. */
import type { Field } from '../../base/index.ts';
import type { Encoding } from '../pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL,
  DEVICE_CONTROL_2,
  LINK_CAPABILITIES,
  LINK_CONTROL,
  LINK_CONTROL_2,
  LINK_STATUS,
  LINK_STATUS_2,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_CONTROL,
} from './express.ts';
import { ELEMENT_SELF_DESCRIPTION, TPH_CAPABILITY, TPH_CONTROL } from './other-extended.ts';
import { DPC_CONTROL, DPC_STATUS } from './port-containment.ts';
import {
  L1SS_CAPABILITIES,
  L1SS_CONTROL_1,
  L1SS_CONTROL_2,
  MAX_NO_SNOOP_LATENCY,
  MAX_SNOOP_LATENCY,
} from './power.ts';

const SPEEDS: Encoding = {
  1: '2.5 GT/s',
  2: '5 GT/s',
  3: '8 GT/s',
  4: '16 GT/s',
  5: '32 GT/s',
  6: '64 GT/s',
};
const WIDTHS: Encoding = { 0: 'x0', 1: 'x1', 2: 'x2', 4: 'x4', 8: 'x8', 12: 'x12', 16: 'x16', 32: 'x32' };
const SIZES: Encoding = {
  0: '128 bytes',
  1: '256 bytes',
  2: '512 bytes',
  3: '1024 bytes',
  4: '2048 bytes',
  5: '4096 bytes',
};
const ASPM: Encoding = { 0: 'none', 1: 'L0s', 2: 'L1', 3: 'L0s and L1' };
const INDICATOR: Encoding = { 1: 'on', 2: 'blinking', 3: 'off' };
const LATENCY_SCALE: Encoding = {
  0: '1 ns',
  1: '32 ns',
  2: '1024 ns',
  3: '32768 ns',
  4: '1048576 ns',
  5: '33554432 ns',
};
const POWER_ON_SCALE: Encoding = { 0: '2 us', 1: '10 us', 2: '100 us' };

export const PCIE_MEANINGS: ReadonlyMap<Field, Encoding> = new Map<Field, Encoding>([
  [
    PCI_EXPRESS_CAPABILITIES.Device_Port_Type,
    {
      0: 'PCI Express Endpoint',
      1: 'Legacy PCI Express Endpoint',
      4: 'Root Port of PCI Express Root Complex',
      5: 'Upstream Port of PCI Express Switch',
      6: 'Downstream Port of PCI Express Switch',
      7: 'PCI Express to PCI/PCI-X Bridge',
      8: 'PCI/PCI-X to PCI Express Bridge',
      9: 'Root Complex Integrated Endpoint',
      10: 'Root Complex Event Collector',
    },
  ],
  [DEVICE_CAPABILITIES.Max_Payload_Size_Supported, SIZES],
  [
    DEVICE_CAPABILITIES.Endpoint_L0s_Acceptable_Latency,
    { 0: '64 ns', 1: '128 ns', 2: '256 ns', 3: '512 ns', 4: '1 us', 5: '2 us', 6: '4 us', 7: 'no limit' },
  ],
  [
    DEVICE_CAPABILITIES.Endpoint_L1_Acceptable_Latency,
    { 0: '1 us', 1: '2 us', 2: '4 us', 3: '8 us', 4: '16 us', 5: '32 us', 6: '64 us', 7: 'no limit' },
  ],
  [DEVICE_CONTROL.Max_Payload_Size, SIZES],
  [DEVICE_CONTROL.Max_Read_Request_Size, SIZES],
  [LINK_CAPABILITIES.Max_Link_Speed, SPEEDS],
  [LINK_CAPABILITIES.Maximum_Link_Width, WIDTHS],
  [LINK_CAPABILITIES.ASPM_Support, ASPM],
  [
    LINK_CAPABILITIES.L0s_Exit_Latency,
    {
      0: 'less than 64 ns',
      1: 'less than 128 ns',
      2: 'less than 256 ns',
      3: 'less than 512 ns',
      4: 'less than 1 us',
      5: 'less than 2 us',
      6: '2 us to 4 us',
      7: 'more than 4 us',
    },
  ],
  [
    LINK_CAPABILITIES.L1_Exit_Latency,
    {
      0: 'less than 1 us',
      1: 'less than 2 us',
      2: 'less than 4 us',
      3: 'less than 8 us',
      4: 'less than 16 us',
      5: 'less than 32 us',
      6: '32 us to 64 us',
      7: 'more than 64 us',
    },
  ],
  [LINK_CONTROL.ASPM_Control, { ...ASPM, 0: 'disabled' }],
  [LINK_CONTROL.Read_Completion_Boundary, { 0: '64 bytes', 1: '128 bytes' }],
  [LINK_STATUS.Current_Link_Speed, SPEEDS],
  [LINK_STATUS.Negotiated_Link_Width, WIDTHS],
  [SLOT_CONTROL.Attention_Indicator_Control, INDICATOR],
  [SLOT_CONTROL.Power_Indicator_Control, INDICATOR],
  [SLOT_CONTROL.Power_Controller_Control, { 0: 'power on', 1: 'power off' }],
  [
    DEVICE_CAPABILITIES_2.Completion_Timeout_Ranges_Supported,
    {
      0: 'not programmable',
      1: '50 us to 10 ms',
      2: '10 ms to 250 ms',
      3: '50 us to 250 ms',
      6: '10 ms to 4 s',
      7: '50 us to 4 s',
      14: '10 ms to 64 s',
      15: '50 us to 64 s',
    },
  ],
  [DEVICE_CAPABILITIES_2.TPH_Completer_Supported, { 0: 'none', 1: 'TPH', 3: 'TPH and Extended TPH' }],
  [DEVICE_CAPABILITIES_2.OBFF_Supported, { 0: 'none', 1: 'message', 2: 'WAKE#', 3: 'WAKE# and message' }],
  [DEVICE_CAPABILITIES_2.Max_End_End_TLP_Prefixes, { 0: '4', 1: '1', 2: '2', 3: '3' }],
  [
    DEVICE_CONTROL_2.Completion_Timeout_Value,
    {
      0: '50 us to 50 ms',
      1: '50 us to 100 us',
      2: '1 ms to 10 ms',
      5: '16 ms to 55 ms',
      6: '65 ms to 210 ms',
      9: '260 ms to 900 ms',
      10: '1 s to 3.5 s',
      13: '4 s to 13 s',
      14: '17 s to 64 s',
    },
  ],
  [
    DEVICE_CONTROL_2.OBFF_Enable,
    { 0: 'disabled', 1: 'message, variation A', 2: 'message, variation B', 3: 'WAKE#' },
  ],
  // A port of 2.5 GT/s may have the field hardwired to 0 (PCIe Base 6.0, 7.5.3.19).
  [LINK_CONTROL_2.Target_Link_Speed, { ...SPEEDS, 0: '2.5 GT/s' }],
  [LINK_CONTROL_2.Selectable_De_emphasis, { 0: '-6 dB', 1: '-3.5 dB' }],
  [LINK_STATUS_2.Current_De_emphasis_Level, { 0: '-6 dB', 1: '-3.5 dB' }],
  [
    LINK_STATUS_2.Crosslink_Resolution,
    { 0: 'not supported', 1: 'upstream port', 2: 'downstream port', 3: 'not completed' },
  ],
  [
    LINK_STATUS_2.Downstream_Component_Presence,
    {
      0: 'link down, presence not determined',
      1: 'link down, not present',
      2: 'link down, present',
      4: 'link up, present',
      5: 'link up, present and DRS received',
    },
  ],
  [DPC_CONTROL.DPC_Trigger_Enable, { 0: 'disabled', 1: 'on ERR_FATAL', 2: 'on ERR_NONFATAL or ERR_FATAL' }],
  [DPC_CONTROL.DPC_Completion_Control, { 0: 'Completer Abort', 1: 'Unsupported Request' }],
  [
    DPC_STATUS.DPC_Trigger_Reason,
    {
      0: 'unmasked uncorrectable error',
      1: 'ERR_NONFATAL received',
      2: 'ERR_FATAL received',
      3: 'see extension',
    },
  ],
  [DPC_STATUS.DPC_Trigger_Reason_Extension, { 0: 'RP PIO error', 1: 'software trigger' }],
  [L1SS_CAPABILITIES.Port_T_POWER_ON_Scale, POWER_ON_SCALE],
  [L1SS_CONTROL_2.T_POWER_ON_Scale, POWER_ON_SCALE],
  [L1SS_CONTROL_1.LTR_L1_2_THRESHOLD_Scale, LATENCY_SCALE],
  [MAX_SNOOP_LATENCY.Max_Snoop_LatencyScale, LATENCY_SCALE],
  [MAX_NO_SNOOP_LATENCY.Max_No_Snoop_LatencyScale, LATENCY_SCALE],
  [TPH_CAPABILITY.ST_Table_Location, { 0: 'none', 1: 'in the capability', 2: 'in the MSI-X table' }],
  [TPH_CONTROL.ST_Mode_Select, { 0: 'no ST', 1: 'interrupt vector', 2: 'device specific' }],
  [TPH_CONTROL.TPH_Requester_Enable, { 0: 'disabled', 1: 'TPH', 3: 'TPH and Extended TPH' }],
  [
    ELEMENT_SELF_DESCRIPTION.Element_Type,
    { 0: 'configuration space element', 1: 'egress port or internal sink', 2: 'internal root complex link' },
  ],
]);
