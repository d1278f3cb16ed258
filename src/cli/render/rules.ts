/** Which kernel's rules a report used, and how sure that is. */
import type { RuleSet } from '../../p2pdma/index.ts';
import type { Style } from './style.ts';

const DOUBTS: Readonly<Record<string, string>> = {
  'vendor-kernel': 'a vendor kernel, which may have later changes: unverified',
  'no-version': 'the kernel version is not known, so the newest rules are used: unverified',
  gap: 'no release of this version was read; both neighbours are asked',
  'newer-than-known': 'newer than the newest release that was read: unverified',
};

export function rulesLine(rules: RuleSet, style: Style): string {
  const doubt =
    rules.unverified === null ? '' : style.warn(` (${DOUBTS[rules.unverified] ?? rules.unverified})`);
  return `rules of ${rules.id}${doubt}`;
}
