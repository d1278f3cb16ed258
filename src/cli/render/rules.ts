/** Which kernel's rules a report used, and how sure that is. */
import type { RuleSet } from '../../p2pdma/index.ts';
import type { Style } from './style.ts';

export function rulesLine(rules: RuleSet, style: Style): string {
  return rules.unverified === null
    ? `judged by ${rules.id}`
    : `judged by ${rules.id}; ${style.warn('unverified')}: ${rules.note}`;
}
