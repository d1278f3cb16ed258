/** From the words of a lab file to the values of registers. */

import { LINK_SPEED_GTS } from '../../spec/index.ts';
import { ACS_BITS, type LabAcsBit, type LabLink } from '../file/index.ts';

/** Bits of ACS Capability and ACS Control; both have them in the order SV, TB, RR, CR, UF, EC, DT. */
export function acsWord(bits: readonly LabAcsBit[]): number {
  return bits.reduce((word, bit) => word | (1 << ACS_BITS.indexOf(bit)), 0);
}

export function linkSpeedGTs(link: LabLink): number {
  return LINK_SPEED_GTS[link.generation]!;
}
