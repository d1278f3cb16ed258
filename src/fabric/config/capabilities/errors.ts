/** Advanced Error Reporting. PCIe Base 6.0, 7.8.4. */
import {
  ADVANCED_ERROR_CAPABILITIES_AND_CONTROL,
  AER,
  AER_ROOT,
  CORRECTABLE_ERROR_MASK,
  CORRECTABLE_ERROR_STATUS,
  EXTENDED_ID,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_SEVERITY,
  UNCORRECTABLE_ERROR_STATUS,
} from '../../../spec/pcie/index.ts';
import type { ConfigDraft } from '../config-draft.ts';

/**
 * Which errors a function can log: data link protocol, poisoned, flow control, timeout, abort, unexpected completion,
 * overflow, malformed, ECRC, unsupported request, internal.
 */
const ENDPOINT_ERRORS = 0x005f_f010;
/** Of a port also: surprise down, ACS violation. */
const PORT_ERRORS = ENDPOINT_ERRORS | 0x0020_0020;
/** Data link protocol, surprise down, flow control, overflow, malformed, internal. 7.8.4.4. */
const FATAL_AT_RESET = 0x0046_2030;
/** Uncorrectable internal errors are masked until asked for. 7.8.4.3. */
const MASKED_AT_RESET = 0x0040_0000;
const CORRECTABLE_ERRORS = 0x0000_f1c1;
/** Advisory non-fatal, corrected internal, log overflow. 7.8.4.6. */
const CORRECTABLE_MASKED_AT_RESET = 0x0000_e000;

export function addErrorReporting(draft: ConfigDraft, who: 'endpoint' | 'port' | 'root-port'): number {
  const base = draft.extended(
    'aer',
    EXTENDED_ID.ADVANCED_ERROR_REPORTING,
    2,
    who === 'root-port' ? AER_ROOT : AER,
    'errors',
  );
  const implemented = who === 'endpoint' ? ENDPOINT_ERRORS : PORT_ERRORS;
  for (const register of [
    UNCORRECTABLE_ERROR_STATUS,
    UNCORRECTABLE_ERROR_MASK,
    UNCORRECTABLE_ERROR_SEVERITY,
  ]) {
    draft.restrict(register, base, implemented);
  }
  for (const register of [CORRECTABLE_ERROR_STATUS, CORRECTABLE_ERROR_MASK]) {
    draft.restrict(register, base, CORRECTABLE_ERRORS);
  }
  draft
    .set(UNCORRECTABLE_ERROR_SEVERITY, FATAL_AT_RESET & implemented, base)
    .set(UNCORRECTABLE_ERROR_MASK, MASKED_AT_RESET, base)
    .set(CORRECTABLE_ERROR_MASK, CORRECTABLE_MASKED_AT_RESET, base)
    .set(ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.ECRC_Generation_Capable, 1, base)
    .set(ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.ECRC_Check_Capable, 1, base)
    .hardwire(base, ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.Multiple_Header_Recording_Enable);
  return base;
}
