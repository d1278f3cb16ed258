/** What could not be read of a machine, and what was odd in it: once, grouped, after the answer. */
import type { Machine } from '../../topology/index.ts';
import { printable, type Style, wrap } from './style.ts';

const AT_MOST = 8;

/** What a lab's boot says was told on stderr already, and stands in the tree. */
export function isBootFinding(code: string): boolean {
  return code.startsWith('BOOT_');
}

export function renderNotes(machine: Machine, style: Style): string {
  const lines: string[] = [];
  for (const [detail, where] of grouped(machine.gaps)) {
    lines.push(`${style.warn('unknown')}  ${wrap(printable(detail) + where, 100, '         ')}`);
  }
  for (const [detail, where] of grouped(
    machine.findings
      .filter(({ code }) => !isBootFinding(code))
      .map((f) => ({ at: f.at, detail: `${f.code}: ${f.detail}` })),
  )) {
    lines.push(`${style.warn('finding')}  ${wrap(printable(detail) + where, 100, '         ')}`);
  }
  const shown = lines.slice(0, AT_MOST);
  if (lines.length > AT_MOST) {
    shown.push(style.dim(`         and ${lines.length - AT_MOST} more; --json has all`));
  }
  return shown.length === 0 ? '' : `\n${shown.join('\n')}\n`;
}

function grouped(
  entries: readonly { readonly at: string | null; readonly detail: string }[],
): [string, string][] {
  const byDetail = new Map<string, string[]>();
  for (const entry of entries) {
    const list = byDetail.get(entry.detail);
    if (list === undefined) {
      byDetail.set(entry.detail, entry.at === null ? [] : [entry.at]);
    } else if (entry.at !== null) {
      list.push(entry.at);
    }
  }
  return [...byDetail].map(([detail, at]) => [
    detail,
    at.length === 0
      ? ''
      : at.length <= 3
        ? ` (${at.join(', ')})`
        : ` (${at.slice(0, 2).join(', ')} and ${at.length - 2} more)`,
  ]);
}
