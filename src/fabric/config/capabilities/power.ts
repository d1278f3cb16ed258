/** Power Management: D0 and D3hot, without soft reset. PCIe Base 6.0, 7.5.2. */
import { CAPABILITY_ID, PMC, PMCSR, POWER_MANAGEMENT } from '../../../spec/pci/index.ts';
import type { ConfigDraft } from '../config-draft.ts';

const D1 = 1;
const D2 = 2;

/** @param pmeSupport from the lowest bit: D0, D1, D2, D3hot, D3cold */
export function addPowerManagement(draft: ConfigDraft, pmeSupport: number): number {
  const base = draft.capability('pm', CAPABILITY_ID.POWER_MANAGEMENT, POWER_MANAGEMENT, 'power');
  draft
    .set(PMC.Version, 3, base)
    .set(PMC.PME_Support, pmeSupport, base)
    .set(PMCSR.No_Soft_Reset, 1, base)
    .hardwire(base, PMCSR.Data_Select);
  if (pmeSupport === 0) {
    draft.hardwire(base, PMCSR.PME_En, PMCSR.PME_Status);
  }
  // A state that is not supported: the write completes and the state stays. 7.5.2.2.
  draft.rule(base + PMCSR.offset, (space, before) => {
    const state = PMCSR.PowerState.read(space.view, base);
    if (state === D1 || state === D2) {
      space.set(PMCSR.PowerState, PMCSR.PowerState.of(before), base);
    }
    return undefined;
  });
  return base;
}
