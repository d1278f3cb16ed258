/** The remaining extended capabilities. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** Eight bytes follow; they are the device's identity, so only their presence is told. PCIe Base 6.0, 7.9.3. */
export const DEVICE_SERIAL_NUMBER = structure('Device Serial Number', 'PCIe Base 6.0, 7.9.3', 0x0c, [
  EXTENDED_CAPABILITY_HEADER,
  reserved(0x04, 8),
]);

/** PCIe Base 6.0, 7.8.8.2. */
export const ARI_CAPABILITY = register('ARI Capability', 0x04, 16, {
  MFVC_Function_Groups_Capability: bit(0, 'RO'),
  ACS_Function_Groups_Capability: bit(1, 'RO'),
  /** 0 ends the list of functions. */
  Next_Function_Number: bits(15, 8, 'RO'),
});
/** PCIe Base 6.0, 7.8.8.3. */
export const ARI_CONTROL = register('ARI Control', 0x06, 16, {
  MFVC_Function_Groups_Enable: bit(0, 'RW'),
  ACS_Function_Groups_Enable: bit(1, 'RW'),
  Function_Group: bits(6, 4, 'RW'),
});
export const ARI = structure('Alternative Routing-ID Interpretation', 'PCIe Base 6.0, 7.8.8', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  ARI_CAPABILITY,
  ARI_CONTROL,
]);

/** PCIe Base 6.0, 7.9.15.2. */
export const PTM_CAPABILITY = register('PTM Capability', 0x04, 32, {
  PTM_Requester_Capable: bit(0, 'HwInit'),
  PTM_Responder_Capable: bit(1, 'HwInit'),
  PTM_Root_Capable: bit(2, 'HwInit'),
  ePTM_Capable: bit(3, 'HwInit'),
  PTM_Propagation_Delay_Adaptation_Capable: bit(4, 'HwInit'),
  /** In nanoseconds; 0 is no local clock, 255 is more than 254. */
  Local_Clock_Granularity: bits(15, 8, 'HwInit'),
});
/** PCIe Base 6.0, 7.9.15.3. */
export const PTM_CONTROL = register('PTM Control', 0x08, 32, {
  PTM_Enable: bit(0, 'RW'),
  Root_Select: bit(1, 'RW'),
  /** In nanoseconds; 0 is unknown, 255 is more than 254. */
  Effective_Granularity: bits(15, 8, 'RW'),
});
export const PRECISION_TIME_MEASUREMENT = structure(
  'Precision Time Measurement',
  'PCIe Base 6.0, 7.9.15',
  0x0c,
  [EXTENDED_CAPABILITY_HEADER, PTM_CAPABILITY, PTM_CONTROL],
);

/** PCIe Base 6.0, 7.9.13.2. */
export const TPH_CAPABILITY = register('TPH Requester Capability', 0x04, 32, {
  No_ST_Mode_Supported: bit(0, 'RO'),
  Interrupt_Vector_Mode_Supported: bit(1, 'RO'),
  Device_Specific_Mode_Supported: bit(2, 'RO'),
  Extended_TPH_Requester_Supported: bit(8, 'RO'),
  ST_Table_Location: bits(10, 9, 'RO'),
  /** 0's based, in entries of 2 bytes. */
  ST_Table_Size: bits(26, 16, 'RO'),
});
/** PCIe Base 6.0, 7.9.13.3. */
export const TPH_CONTROL = register('TPH Requester Control', 0x08, 32, {
  ST_Mode_Select: bits(2, 0, 'RW'),
  TPH_Requester_Enable: bits(9, 8, 'RW'),
});
export const TPH_REQUESTER = structure('TPH Requester', 'PCIe Base 6.0, 7.9.13', 0x0c, [
  EXTENDED_CAPABILITY_HEADER,
  TPH_CAPABILITY,
  TPH_CONTROL,
]);

/** PCIe Base 6.0, 7.9.11. */
export const MULTICAST = structure('Multicast', 'PCIe Base 6.0, 7.9.11', 0x28, [
  EXTENDED_CAPABILITY_HEADER,
  register('Multicast Capability', 0x04, 16, {
    /** 0's based. */
    MC_Max_Group: bits(5, 0, 'RO'),
    MC_Window_Size_Requested: bits(13, 8, 'RO'),
    MC_ECRC_Regeneration_Supported: bit(15, 'RO'),
  }),
  register('Multicast Control', 0x06, 16, {
    /** 0's based. */
    MC_Num_Group: bits(5, 0, 'RW'),
    MC_Enable: bit(15, 'RW'),
  }),
  register('MC_Base_Address', 0x08, 64, {
    MC_Index_Position: bits(5, 0, 'RW'),
    /** Unit 4 KiB. */
    MC_Base_Address: bits(63, 12, 'RW'),
  }),
  plain('MC_Receive Lower', 0x10, 32),
  plain('MC_Receive Upper', 0x14, 32),
  plain('MC_Block_All Lower', 0x18, 32),
  plain('MC_Block_All Upper', 0x1c, 32),
  plain('MC_Block_Untranslated Lower', 0x20, 32),
  plain('MC_Block_Untranslated Upper', 0x24, 32),
]);

/** Of a port only. PCIe Base 6.0, 7.9.11.8. */
export const MULTICAST_OVERLAY_OFFSET = 0x28;
export const MULTICAST_OVERLAY = structure('Multicast Overlay', 'PCIe Base 6.0, 7.9.11.8', 0x08, [
  plain('MC_Overlay_BAR Lower', 0x00, 32),
  plain('MC_Overlay_BAR Upper', 0x04, 32),
]);

/** PCIe Base 6.0, 7.9.24.2. */
export const DOE_CAPABILITIES = register('DOE Capabilities', 0x04, 32, {
  DOE_Interrupt_Support: bit(0, 'HwInit'),
  DOE_Interrupt_Message_Number: bits(11, 1, 'RO'),
});
/** PCIe Base 6.0, 7.9.24.3. */
export const DOE_CONTROL = register('DOE Control', 0x08, 32, {
  DOE_Abort: bit(0, 'RW'),
  DOE_Interrupt_Enable: bit(1, 'RW'),
  DOE_Go: bit(31, 'RW'),
});
/** PCIe Base 6.0, 7.9.24.4. */
export const DOE_STATUS = register('DOE Status', 0x0c, 32, {
  DOE_Busy: bit(0, 'RO'),
  DOE_Interrupt_Status: bit(1, 'RW1C'),
  DOE_Error: bit(2, 'RO'),
  Data_Object_Ready: bit(31, 'RO'),
});
export const DATA_OBJECT_EXCHANGE = structure('Data Object Exchange', 'PCIe Base 6.0, 7.9.24', 0x18, [
  EXTENDED_CAPABILITY_HEADER,
  DOE_CAPABILITIES,
  DOE_CONTROL,
  DOE_STATUS,
  plain('DOE Write Data Mailbox', 0x10, 32),
  plain('DOE Read Data Mailbox', 0x14, 32),
]);

/** PCIe Base 6.0, 7.7.9.2. */
export const DEVICE_CAPABILITIES_3 = register('Device Capabilities 3', 0x04, 32, {
  DMWr_Request_Routing_Supported: bit(0, 'HwInit'),
  _14_Bit_Tag_Completer_Supported: bit(1, 'HwInit'),
  _14_Bit_Tag_Requester_Supported: bit(2, 'HwInit'),
  Receiver_L0p_Supported: bit(3, 'HwInit'),
  Port_L0p_Exit_Latency: bits(6, 4, 'HwInit'),
  Retimer_L0p_Exit_Latency: bits(9, 7, 'HwInit'),
});
/** PCIe Base 6.0, 7.7.9.3. */
export const DEVICE_CONTROL_3 = register('Device Control 3', 0x08, 32, {
  DMWr_Requester_Enable: bit(0, 'RW'),
  DMWr_Egress_Blocking: bit(1, 'RW'),
  _14_Bit_Tag_Requester_Enable: bit(2, 'RW'),
  L0p_Enable: bit(3, 'RW'),
  Target_Link_Width: bits(6, 4, 'RW'),
});
/** PCIe Base 6.0, 7.7.9.4. */
export const DEVICE_STATUS_3 = register('Device Status 3', 0x0c, 32, {
  Initial_Link_Width: bits(2, 0, 'RO'),
  Segment_Captured: bit(3, 'RO'),
  Remote_L0p_Supported: bit(4, 'RO'),
});
export const DEVICE_3 = structure('Device 3', 'PCIe Base 6.0, 7.7.9', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  DEVICE_CAPABILITIES_3,
  DEVICE_CONTROL_3,
  DEVICE_STATUS_3,
]);

/** Bit n: the root complex endpoint with device number n, on the same bus. PCIe Base 6.0, 7.9.10. */
export const RCEC_ENDPOINT_ASSOCIATION = structure(
  'Root Complex Event Collector Endpoint Association',
  'PCIe Base 6.0, 7.9.10',
  0x08,
  [EXTENDED_CAPABILITY_HEADER, plain('Association Bitmap for RCiEPs', 0x04, 32)],
);
/** From version 2 on. PCIe Base 6.0, 7.9.10.3. */
export const RCEC_BUS_NUMBERS_OFFSET = 0x08;
export const RCEC_BUS_NUMBERS = structure('RCEC Associated Bus Numbers', 'PCIe Base 6.0, 7.9.10.3', 0x04, [
  register('RCEC Associated Bus Numbers', 0x00, 32, {
    RCEC_Next_Bus: bits(15, 8, 'HwInit'),
    RCEC_Last_Bus: bits(23, 16, 'HwInit'),
  }),
]);

/** PCIe Base 6.0, 7.9.8.2. */
export const ELEMENT_SELF_DESCRIPTION = register('Element Self Description', 0x04, 32, {
  Element_Type: bits(3, 0, 'RO'),
  Number_of_Link_Entries: bits(15, 8, 'HwInit'),
  Component_ID: bits(23, 16, 'HwInit'),
  Port_Number: bits(31, 24, 'HwInit'),
});
export const ROOT_COMPLEX_LINK_DECLARATION = structure(
  'Root Complex Link Declaration',
  'PCIe Base 6.0, 7.9.8',
  0x10,
  [EXTENDED_CAPABILITY_HEADER, ELEMENT_SELF_DESCRIPTION, reserved(0x08, 8)],
);
/** PCIe Base 6.0, 7.9.8.3. */
export const LINK_ENTRY = structure('Link Entry', 'PCIe Base 6.0, 7.9.8.3', 0x10, [
  register('Link Description', 0x00, 32, {
    Link_Valid: bit(0, 'HwInit'),
    Link_Type: bit(1, 'HwInit'),
    Associate_RCRB_Header: bit(2, 'HwInit'),
    Target_Component_ID: bits(23, 16, 'HwInit'),
    Target_Port_Number: bits(31, 24, 'HwInit'),
  }),
  reserved(0x04, 4),
  plain('Link Address Lower', 0x08, 32),
  plain('Link Address Upper', 0x0c, 32),
]);

/** PCIe Base 6.0, 7.9.26. The link and selective stream blocks follow. */
export const INTEGRITY_AND_DATA_ENCRYPTION = structure(
  'Integrity and Data Encryption',
  'PCIe Base 6.0, 7.9.26',
  0x0c,
  [
    EXTENDED_CAPABILITY_HEADER,
    register('IDE Capability', 0x04, 32, {
      Link_IDE_Stream_Supported: bit(0, 'HwInit'),
      Selective_IDE_Streams_Supported: bit(1, 'HwInit'),
      Flow_Through_IDE_Stream_Supported: bit(2, 'HwInit'),
      Partial_Header_Encryption_Supported: bit(3, 'HwInit'),
      Aggregation_Supported: bit(4, 'HwInit'),
      PCRC_Supported: bit(5, 'HwInit'),
      IDE_KM_Protocol_Supported: bit(6, 'HwInit'),
      Selective_IDE_for_Configuration_Requests_Supported: bit(7, 'HwInit'),
      Supported_Algorithms: bits(12, 8, 'HwInit'),
      /** 0's based. */
      Number_of_TCs_Supported_for_Link_IDE: bits(15, 13, 'HwInit'),
      /** 0's based. */
      Number_of_Selective_IDE_Streams_Supported: bits(23, 16, 'HwInit'),
      TEE_Limited_Stream_Supported: bit(24, 'HwInit'),
    }),
    register('IDE Control', 0x08, 32, { Flow_Through_IDE_Stream_Enabled: bit(2, 'RW') }),
  ],
);

/** PCIe Base 6.0, 7.8.10. */
export const FRS_QUEUEING = structure('FRS Queueing', 'PCIe Base 6.0, 7.8.10', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  register('FRS Queueing Capability', 0x04, 32, {
    FRS_Queue_Max_Depth: bits(11, 0, 'HwInit'),
    FRS_Interrupt_Message_Number: bits(20, 16, 'RO'),
  }),
  register('FRS Queueing Status', 0x08, 16, {
    FRS_Message_Received: bit(0, 'RW1C'),
    FRS_Message_Overflow: bit(1, 'RW1C'),
  }),
  register('FRS Queueing Control', 0x0a, 16, { FRS_Interrupt_Enable: bit(0, 'RW') }),
  plain('FRS Message Queue', 0x0c, 32),
]);

/** PCIe Base 6.0, 7.9.19. */
export const NATIVE_PCIE_ENCLOSURE_MANAGEMENT = structure(
  'Native PCIe Enclosure Management',
  'PCIe Base 6.0, 7.9.19',
  0x10,
  [
    EXTENDED_CAPABILITY_HEADER,
    plain('NPEM Capability', 0x04, 32),
    plain('NPEM Control', 0x08, 32),
    plain('NPEM Status', 0x0c, 32),
  ],
);
