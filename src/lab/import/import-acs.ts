/** Access Control Services as they stand in a machine, for the lab: both registers as they are. */

import type { MachineFunction } from '../../topology/index.ts';
import { ACS_BITS, type LabAcs, type LabAcsBit } from '../file/index.ts';
import type { ImportNotes } from './notes.ts';

/** What ports of servers have, and what the kernel makes of it at boot. */
const ASSUMED: LabAcs = {
  capability: ['SV', 'TB', 'RR', 'CR', 'UF', 'DT'],
  firmware: [],
  control: null,
  egress: [],
};

/** SV to DT: what later versions of the specification added behind them a lab does not have. */
const BITS = 0x7f;

/** @param isPort  of a root complex or switch, downstream: those have the capability nearly always */
export function importAcs(fn: MachineFunction, isPort: boolean, notes: ImportNotes): LabAcs | null {
  const { acs } = fn;
  if (acs === null) {
    return null;
  }
  if (acs === undefined) {
    if (isPort) {
      notes.add('ACS was not readable; assumed: there, as Linux sets it at boot', fn.bdf);
    }
    return isPort ? ASSUMED : null;
  }
  if ((acs.control & BITS & ~acs.capability) !== 0) {
    // Hardware cannot have set them, yet the kernel looks at control only.
    notes.add('ACS Control has bits that the capability does not offer; the lab offers them', fn.bdf);
  }
  const capability = lettersOf(acs.capability | acs.control);
  const control = lettersOf(acs.control);
  const egress = capability.includes('EC') ? acs.egressVector : null;
  return {
    capability,
    firmware: [],
    control,
    egress: (egress ?? []).flatMap((isSet, index) => (isSet ? [index] : [])),
  };
}

function lettersOf(word: number): LabAcsBit[] {
  return ACS_BITS.filter((_, bit) => ((word >> bit) & 1) === 1);
}
