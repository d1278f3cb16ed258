/** ACS as Linux sets it up when an IOMMU driver asked for isolation. drivers/pci/pci.c, pci_std_enable_acs(). */
import { ACS_CAPABILITY, ACS_CONTROL, EXTENDED_ID } from '../../spec/pcie/index.ts';
import type { FunctionCycles } from './config-cycles.ts';
import type { AcsFacts, FirmwareFunction } from './report.ts';

function capabilityBit(field: { readonly low: number }): number {
  return 1 << field.low;
}

const SV = capabilityBit(ACS_CAPABILITY.ACS_Source_Validation);
const TB = capabilityBit(ACS_CAPABILITY.ACS_Translation_Blocking);
const RR = capabilityBit(ACS_CAPABILITY.ACS_P2P_Request_Redirect);
const CR = capabilityBit(ACS_CAPABILITY.ACS_P2P_Completion_Redirect);
const UF = capabilityBit(ACS_CAPABILITY.ACS_Upstream_Forwarding);

/** With an IOMMU on: the supported ones of SV, RR, CR and UF are added to what firmware had set. */
export function acsWithIommu(facts: AcsFacts): number {
  return facts.control | (facts.capability & (SV | RR | CR | UF));
}

/** The same for a port that leads outside of the machine, or when ATS is off: TB too. */
export function acsUntrusted(facts: AcsFacts): number {
  return acsWithIommu(facts) | (facts.capability & TB);
}

/** Nobody asked for isolation: firmware's word stays. */
export function acsUntouched(facts: AcsFacts): number {
  return facts.control;
}

export function setUpAcs(
  fn: FirmwareFunction,
  cycles: FunctionCycles,
  acsFor: (facts: AcsFacts) => number,
  log: string[],
): void {
  const base = cycles.findExtended(EXTENDED_ID.ACCESS_CONTROL_SERVICES);
  if (base === 0) {
    return;
  }
  const control = cycles.get(ACS_CONTROL, base);
  const wanted = acsFor({ ...fn, capability: cycles.get(ACS_CAPABILITY, base), control }) & 0xffff;
  if (wanted !== control) {
    cycles.put(ACS_CONTROL, wanted, base);
  }
  log.push(`${fn.bdf}: ACS control ${cycles.get(ACS_CONTROL, base).toString(16).padStart(4, '0')}`);
}
