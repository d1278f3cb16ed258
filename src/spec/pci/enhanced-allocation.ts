/** Enhanced Allocation: fixed ranges in place of BARs. PCIe Base 6.0, 7.8.5. */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

export const EA_NUM_ENTRIES = register('Num Entries', 0x02, 8, { Num_Entries: bits(5, 0, 'HwInit') });

export const EA_HEADER = structure('Enhanced Allocation', 'PCIe Base 6.0, 7.8.5', 0x04, [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  EA_NUM_ENTRIES,
  reserved(0x03, 1),
]);

/** Follows the header in a bridge only. */
export const EA_BRIDGE = structure('Enhanced Allocation Bus Numbers', 'PCIe Base 6.0, 7.8.5.2', 0x04, [
  plain('Fixed Secondary Bus Number', 0x00, 8),
  plain('Fixed Subordinate Bus Number', 0x01, 8),
  reserved(0x02, 2),
]);

/** First dword of an entry. 7.8.5.3. */
export const EA_ENTRY = register('EA Entry', 0x00, 32, {
  /** Dwords that follow this one. */
  Entry_Size: bits(2, 0, 'HwInit'),
  /** 0 to 5 a BAR, 6 behind a bridge, 7 none, 8 the ROM, 9 to 14 VF BARs. */
  BAR_Equivalent_Indicator: bits(7, 4, 'HwInit'),
  Primary_Properties: bits(15, 8, 'HwInit'),
  Secondary_Properties: bits(23, 16, 'HwInit'),
  Writable: bit(30, 'HwInit'),
  Enable: bit(31, 'RW'),
});

export const EA_BASE = register('Base', 0x04, 32, {
  /** A dword with the upper half follows the two lower ones. */
  Is_64_Bit: bit(1, 'HwInit'),
  /** Unit 4 bytes. */
  Base: bits(31, 2, 'RW'),
});
export const EA_MAX_OFFSET = register('MaxOffset', 0x08, 32, {
  Is_64_Bit: bit(1, 'HwInit'),
  /** Unit 4 bytes; the lowest two bits of the offset itself are ones. */
  MaxOffset: bits(31, 2, 'HwInit'),
});

export const EA_ENTRY_HEAD = structure('Enhanced Allocation Entry', 'PCIe Base 6.0, 7.8.5.3', 0x0c, [
  EA_ENTRY,
  EA_BASE,
  EA_MAX_OFFSET,
]);
export const EA_BASE_UPPER = structure('Enhanced Allocation Entry', 'PCIe Base 6.0, 7.8.5.3', 0x04, [
  plain('Base Upper 32 Bits', 0x00, 32),
]);
export const EA_MAX_OFFSET_UPPER = structure('Enhanced Allocation Entry', 'PCIe Base 6.0, 7.8.5.3', 0x04, [
  plain('MaxOffset Upper 32 Bits', 0x00, 32),
]);
