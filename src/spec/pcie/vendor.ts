/** Capabilities that vendors fill: VSEC and DVSEC. */
import { bits, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** PCIe Base 6.0, 7.9.5.2. */
export const VSEC_HEADER = register('Vendor-Specific Header', 0x04, 32, {
  /** Means something only together with the function's vendor ID. */
  VSEC_ID: bits(15, 0, 'RO'),
  VSEC_Rev: bits(19, 16, 'RO'),
  /** In bytes, from the extended capability header on. */
  VSEC_Length: bits(31, 20, 'RO'),
});
export const VSEC = structure('Vendor-Specific Extended', 'PCIe Base 6.0, 7.9.5', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  VSEC_HEADER,
]);

/** PCIe Base 6.0, 7.9.6.2. */
export const DVSEC_HEADER_1 = register('Designated Vendor-Specific Header 1', 0x04, 32, {
  DVSEC_Vendor_ID: bits(15, 0, 'RO'),
  DVSEC_Revision: bits(19, 16, 'RO'),
  /** In bytes, from the extended capability header on. */
  DVSEC_Length: bits(31, 20, 'RO'),
});
/** PCIe Base 6.0, 7.9.6.3. */
export const DVSEC_HEADER_2 = register('Designated Vendor-Specific Header 2', 0x08, 16, {
  DVSEC_ID: bits(15, 0, 'RO'),
});
export const DVSEC = structure('Designated Vendor-Specific', 'PCIe Base 6.0, 7.9.6', 0x0a, [
  EXTENDED_CAPABILITY_HEADER,
  DVSEC_HEADER_1,
  DVSEC_HEADER_2,
]);

/** DVSEC vendor of the CXL consortium, and the names of its DVSECs. CXL 3.1, 8.1.1. */
export const CXL_VENDOR_ID = 0x1e98;
export const CXL_DVSEC_NAME: Readonly<Record<number, string>> = {
  0: 'PCIe DVSEC for CXL Devices',
  2: 'Non-CXL Function Map DVSEC',
  3: 'CXL Extensions DVSEC for Ports',
  4: 'GPF DVSEC for CXL Ports',
  5: 'GPF DVSEC for CXL Devices',
  7: 'PCIe DVSEC for Flex Bus Ports',
  8: 'Register Locator DVSEC',
  9: 'MLD DVSEC',
  10: 'PCIe DVSEC for Test Capability',
};
