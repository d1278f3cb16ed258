/** Resizable BAR and VF Resizable BAR, which share one layout. PCIe Base 6.0, 7.8.6 and 7.8.7. */
import { bits, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** Bit 4 of the register is 1 MiB, bit 31 is 128 TiB. 7.8.6.2. */
export const RESIZABLE_BAR_CAPABILITY = register('Resizable BAR Capability', 0x00, 32, {
  /** Bit n of the field stands for 1 MiB << n. */
  Supported_Sizes: bits(31, 4, 'RO'),
});

/** 7.8.6.3. */
export const RESIZABLE_BAR_CONTROL = register('Resizable BAR Control', 0x04, 32, {
  BAR_Index: bits(2, 0, 'RO'),
  /** In the first entry only. */
  Number_of_Resizable_BARs: bits(7, 5, 'RO'),
  /** 1 MiB << value. */
  BAR_Size: bits(13, 8, 'RW'),
  /** Bit n of the field stands for 256 TiB << n. */
  Supported_Sizes_Upper: bits(31, 16, 'RO'),
});

export const RESIZABLE_BAR_HEADER = structure('Resizable BAR', 'PCIe Base 6.0, 7.8.6', 0x04, [
  EXTENDED_CAPABILITY_HEADER,
]);
export const VF_RESIZABLE_BAR_HEADER = structure('VF Resizable BAR', 'PCIe Base 6.0, 7.8.7', 0x04, [
  EXTENDED_CAPABILITY_HEADER,
]);

/** One BAR; the entries follow the header. */
export const RESIZABLE_BAR_ENTRY = structure('Resizable BAR Entry', 'PCIe Base 6.0, 7.8.6', 0x08, [
  RESIZABLE_BAR_CAPABILITY,
  RESIZABLE_BAR_CONTROL,
]);

/** More than a header has BARs is a broken count. */
export const RESIZABLE_BARS_MAX = 6;
