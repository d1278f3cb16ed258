/** The small capabilities, most of them of interest only because they are there. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

const HEAD = [CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER];

/** The length counts from the capability's ID byte. PCI 3.0, appendix H; PCIe Base 6.0, 7.9.4. */
export const VENDOR_CAPABILITY_LENGTH = plain('Capability Length', 0x02, 8);
export const VENDOR_CAPABILITY = structure('Vendor-Specific', 'PCIe Base 6.0, 7.9.4', 0x03, [
  ...HEAD,
  VENDOR_CAPABILITY_LENGTH,
]);

/** Only its presence counts: the data register holds whatever was read last, a serial number perhaps. PCI 3.0, appendix I. */
export const VPD_ADDRESS = register('VPD Address', 0x02, 16, {
  VPD_Address: bits(14, 0, 'RW'),
  F: bit(15, 'RW'),
});
export const VPD = structure('Vital Product Data', 'PCI 3.0, appendix I', 0x08, [
  ...HEAD,
  VPD_ADDRESS,
  reserved(0x04, 4),
]);

/** PCI-to-PCI Bridge 1.2, 13.2. */
export const SLOT_IDENTIFICATION = structure('Slot Identification', 'PCI-to-PCI Bridge 1.2, 13.2', 0x04, [
  ...HEAD,
  register('Expansion Slot', 0x02, 8, {
    Expansion_Slots_Provided: bits(4, 0, 'RO'),
    First_In_Chassis: bit(5, 'RO'),
  }),
  plain('Chassis Number', 0x03, 8),
]);

/** AGP 2.0, 6.1. */
export const AGP = structure('AGP', 'AGP 2.0, 6.1', 0x04, [
  ...HEAD,
  register('AGP Revision', 0x02, 8, { Minor: bits(3, 0, 'RO'), Major: bits(7, 4, 'RO') }),
  reserved(0x03, 1),
]);

/** Capability Type takes the upper five bits, or the upper three when they are 000 or 001. HyperTransport 3.1, 7. */
export const HYPERTRANSPORT_COMMAND = register('HyperTransport Command', 0x02, 16, {
  Capability_Type: bits(15, 11, 'RO'),
});
export const HYPERTRANSPORT = structure('HyperTransport', 'HyperTransport 3.1, 7', 0x04, [
  ...HEAD,
  HYPERTRANSPORT_COMMAND,
]);
export const HYPERTRANSPORT_TYPE_MSI_MAPPING = 0b10101;

/** HyperTransport 3.1, 7.12. */
export const MSI_MAPPING_COMMAND = register('HyperTransport Command', 0x02, 16, {
  En: bit(0, 'RW'),
  /** The window is at fee00000 and no address follows. */
  Fixd: bit(1, 'RO'),
  Capability_Type: bits(15, 11, 'RO'),
});
export const HYPERTRANSPORT_MSI_MAPPING_FIXED = structure(
  'HyperTransport MSI Mapping',
  'HyperTransport 3.1, 7.12',
  0x04,
  [...HEAD, MSI_MAPPING_COMMAND],
);
export const HYPERTRANSPORT_MSI_MAPPING = structure(
  'HyperTransport MSI Mapping',
  'HyperTransport 3.1, 7.12',
  0x0c,
  [
    ...HEAD,
    MSI_MAPPING_COMMAND,
    register('MSI Mapping Address Low', 0x04, 32, { Base_Address: bits(31, 20, 'RW') }),
    plain('MSI Mapping Address High', 0x08, 32),
  ],
);

/** EHCI 1.0, appendix C.2. */
export const DEBUG_PORT = structure('Debug Port', 'EHCI 1.0, appendix C.2', 0x04, [
  ...HEAD,
  register('Debug Port', 0x02, 16, { Port_Offset: bits(12, 0, 'RO'), BAR: bits(15, 13, 'RO') }),
]);

/** AHCI 1.3.1, 2.4. */
export const SATA_CONFIGURATION = structure('SATA Data/Index Configuration', 'AHCI 1.3.1, 2.4', 0x08, [
  ...HEAD,
  register('SATACR0', 0x02, 16, { MINREV: bits(3, 0, 'RO'), MAJREV: bits(7, 4, 'RO') }),
  register('SATACR1', 0x04, 32, { BARLOC: bits(3, 0, 'RO'), BAROFST: bits(23, 4, 'RO') }),
]);

/** PCI ECN Advanced Capabilities for Conventional PCI (2006). */
export const AF_CAPABILITIES = register('AF Capabilities', 0x03, 8, {
  TP_CAP: bit(0, 'RO'),
  FLR_CAP: bit(1, 'RO'),
});
export const ADVANCED_FEATURES = structure('Advanced Features', 'PCI ECN Advanced Capabilities 2006', 0x06, [
  ...HEAD,
  plain('Length', 0x02, 8),
  AF_CAPABILITIES,
  register('AF Control', 0x04, 8, { INITIATE_FLR: bit(0, 'RW') }),
  register('AF Status', 0x05, 8, { TP: bit(0, 'RO') }),
]);

/** PCIe Base 6.0, 7.8.11. */
export const FLATTENING_PORTAL_BRIDGE = structure('Flattening Portal Bridge', 'PCIe Base 6.0, 7.8.11', 0x24, [
  ...HEAD,
  reserved(0x02, 2),
  register('FPB Capabilities', 0x04, 32, {
    FPB_RID_Decode_Mechanism_Supported: bit(0, 'HwInit'),
    FPB_MEM_Low_Decode_Mechanism_Supported: bit(1, 'HwInit'),
    FPB_MEM_High_Decode_Mechanism_Supported: bit(2, 'HwInit'),
    FPB_Num_Sec_Dev: bits(7, 3, 'HwInit'),
    FPB_RID_Vector_Size_Supported: bits(10, 8, 'HwInit'),
    FPB_MEM_Low_Vector_Size_Supported: bits(18, 16, 'HwInit'),
    FPB_MEM_High_Vector_Size_Supported: bits(26, 24, 'HwInit'),
  }),
  plain('FPB RID Vector Control 1', 0x08, 32),
  plain('FPB RID Vector Control 2', 0x0c, 32),
  plain('FPB MEM Low Vector Control', 0x10, 32),
  plain('FPB MEM High Vector Control 1', 0x14, 32),
  plain('FPB MEM High Vector Control 2', 0x18, 32),
  plain('FPB Vector Access Control', 0x1c, 32),
  plain('FPB Vector Access Data', 0x20, 32),
]);
