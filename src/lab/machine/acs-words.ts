/** What stands in ACS of each function once a lab machine runs. */
import type { Bdf } from '../../base/index.ts';
import { ACS_CONTROL, ACS_EGRESS_CONTROL_VECTOR_OFFSET, EXTENDED_ID } from '../../spec/index.ts';
import type { LabMember } from './lab-machine.ts';
import { acsWord } from './words.ts';

/**
 * Writes ACS Control as the file has it outright, else as the kernel's command line leaves it, and the egress control vectors.
 * @param byCommandLine functions whose word the command line changes
 */
export function setAcs(members: readonly LabMember[], byCommandLine: ReadonlyMap<Bdf, number>): void {
  for (const { node, bdf, platform } of members) {
    const offset = platform.config.findExtendedCapability(EXTENDED_ID.ACCESS_CONTROL_SERVICES);
    if (offset === 0) {
      continue;
    }
    const fixed = node.acs?.control ?? null;
    const word = fixed === null ? byCommandLine.get(bdf) : acsWord(fixed);
    if (word !== undefined) {
      platform.config.write16(offset + ACS_CONTROL.offset, word);
    }
    for (const number of node.acs?.egress ?? []) {
      const at = offset + ACS_EGRESS_CONTROL_VECTOR_OFFSET + 4 * Math.floor(number / 32);
      platform.config.write32(at, (platform.config.read32(at) | (1 << (number % 32))) >>> 0);
    }
  }
}
