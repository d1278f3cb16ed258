/** What `peerlane lint` finds. Codes are API and explained in docs/verdict-codes.md. */

/**
 * - `error`: what was asked for does not happen
 * - `warning`: it happens differently from what it looks like, or the machine is not as it should be
 * - `note`: worth knowing
 */
export type LintSeverity = 'error' | 'warning' | 'note';

export const LINT_CODES = {
  LINT_SEPARATOR: 'error',
  LINT_MISSING_PREFIX: 'error',
  LINT_DEVICE_SYNTAX: 'error',
  LINT_NO_SUCH_FUNCTION: 'error',
  LINT_NO_ACS: 'error',
  LINT_UNSUPPORTED_OPTION: 'error',
  LINT_MANGLED_OPTION: 'error',
  LINT_NOT_UPSTREAM: 'error',
  LINT_WRONG_MODULE: 'error',
  LINT_BAD_VALUE: 'error',
  LINT_ACS_DIFFERS: 'warning',
  LINT_REPEATED_OPTION: 'warning',
  LINT_OTHER_VENDOR: 'warning',
  LINT_STATE_DIFFERS: 'warning',
  LINT_OPTION_NOT_LIVE: 'warning',
  LINT_LINK_DEGRADED: 'warning',
  LINT_UNKNOWN_PCI_OPTION: 'note',
  LINT_UNKNOWN_PARAMETER: 'note',
  LINT_UNVERIFIED_OPTION: 'note',
} as const satisfies Record<string, LintSeverity>;

export type LintCode = keyof typeof LINT_CODES;

export interface LintFinding {
  readonly code: LintCode;
  readonly severity: LintSeverity;
  /** The function concerned, or null. */
  readonly at: string | null;
  /** The words that are at fault, as they stand: `pci=disable_acs_redir=02:00.0,02:01.0`; null when it is no option. */
  readonly parameter: string | null;
  readonly detail: string;
  readonly hint: string;
}

export function makeFinding(
  code: LintCode,
  facts: { at?: string | null; parameter?: string | null; detail: string; hint: string },
): LintFinding {
  return {
    code,
    severity: LINT_CODES[code],
    at: facts.at ?? null,
    parameter: facts.parameter ?? null,
    detail: facts.detail,
    hint: facts.hint,
  };
}

const ORDER: readonly LintSeverity[] = ['error', 'warning', 'note'];

/** Errors first; otherwise as found. */
export function sortFindings(findings: readonly LintFinding[]): LintFinding[] {
  return [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
