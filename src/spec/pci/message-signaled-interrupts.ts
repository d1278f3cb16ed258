/** MSI and MSI-X. PCI 3.0, 6.8; PCIe Base 6.0, 7.7.1 and 7.7.2. */
import {
  bit,
  bits,
  plain,
  type RegisterMeta,
  register,
  type Structure,
  structure,
} from '../../base/index.ts';
import { CAPABILITY_ID_REGISTER, NEXT_CAPABILITY_POINTER } from './capability-header.ts';

export const MSI_MESSAGE_CONTROL = register('Message Control', 0x02, 16, {
  MSI_Enable: bit(0, 'RW'),
  /** Vectors asked for, 1 << value. */
  Multiple_Message_Capable: bits(3, 1, 'RO'),
  /** Vectors granted, 1 << value. */
  Multiple_Message_Enable: bits(6, 4, 'RW'),
  _64_bit_Address_Capable: bit(7, 'RO'),
  Per_Vector_Masking_Capable: bit(8, 'RO'),
  Extended_Message_Data_Capable: bit(9, 'RO'),
  Extended_Message_Data_Enable: bit(10, 'RW'),
});

export const MSI_MESSAGE_ADDRESS = register('Message Address', 0x04, 32, {
  Message_Address: bits(31, 2, 'RW'),
});

/** The capability has four lengths: with 64-bit addresses or not, with masking or not. */
function msiLayout(is64Bit: boolean, isMaskable: boolean): Structure {
  const data = is64Bit ? 0x0c : 0x08;
  const parts: RegisterMeta[] = [
    CAPABILITY_ID_REGISTER,
    NEXT_CAPABILITY_POINTER,
    MSI_MESSAGE_CONTROL,
    MSI_MESSAGE_ADDRESS,
    register('Message Data', data, 16, { Message_Data: bits(15, 0, 'RW') }),
    register('Extended Message Data', data + 2, 16, { Extended_Message_Data: bits(15, 0, 'RW') }),
  ];
  if (is64Bit) {
    parts.push(register('Message Upper Address', 0x08, 32, { Message_Upper_Address: bits(31, 0, 'RW') }));
  }
  if (isMaskable) {
    parts.push(
      register('Mask Bits', data + 4, 32, { Mask_Bits: bits(31, 0, 'RW') }),
      plain('Pending Bits', data + 8, 32),
    );
  }
  return structure('MSI', 'PCIe Base 6.0, 7.7.1', data + (isMaskable ? 12 : 4), parts);
}

export const MSI_32 = msiLayout(false, false);
export const MSI_64 = msiLayout(true, false);
export const MSI_32_MASKABLE = msiLayout(false, true);
export const MSI_64_MASKABLE = msiLayout(true, true);

export const MSIX_MESSAGE_CONTROL = register('Message Control', 0x02, 16, {
  /** 0's based: see `msixVectorCount`. */
  Table_Size: bits(10, 0, 'RO'),
  Function_Mask: bit(14, 'RW'),
  MSI_X_Enable: bit(15, 'RW'),
});

export const MSIX_TABLE = register('Table Offset/BIR', 0x04, 32, {
  Table_BIR: bits(2, 0, 'RO'),
  /** Unit 8 bytes. */
  Table_Offset: bits(31, 3, 'RO'),
});

export const MSIX_PBA = register('PBA Offset/BIR', 0x08, 32, {
  PBA_BIR: bits(2, 0, 'RO'),
  /** Unit 8 bytes. */
  PBA_Offset: bits(31, 3, 'RO'),
});

export const MSI_X = structure('MSI-X', 'PCIe Base 6.0, 7.7.2', 0x0c, [
  CAPABILITY_ID_REGISTER,
  NEXT_CAPABILITY_POINTER,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE,
  MSIX_PBA,
]);

/** Entries of the MSI-X table from its 0's based field. */
export function msixVectorCount(tableSize: number): number {
  return tableSize + 1;
}
