/** The two bytes every capability starts with. PCI 3.0, 6.7. */
import { bits, plain, register } from '../../base/index.ts';

export const CAPABILITY_ID_REGISTER = plain('Capability ID', 0x00, 8);

/** The lowest two bits are reserved: software masks them before use. */
export const NEXT_CAPABILITY_POINTER = register('Next Capability Pointer', 0x01, 8, {
  Next: bits(7, 2, 'RO'),
});
