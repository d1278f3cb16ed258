/**
 * The lines that the kernel logs for a pair, as `device|text`. Scripts and people match on them, so they are reproduced
 * letter by letter, the cut name list included.
 */
import type { Bdf } from '../base/index.ts';
import type { RuleInterval } from './rule-intervals.ts';

/** What the lines depend on; everything known. */
export interface LogFacts {
  readonly provider: Bdf;
  readonly client: Bdf;
  readonly redirects: readonly Bdf[];
  readonly isAccepted: boolean;
  /** The function standing for the host bridge and its id, when the list was consulted after a redirect and it is not on it. */
  readonly unlisted: { readonly at: Bdf; readonly id: string } | null;
}

export function kernelMessages(interval: RuleInterval, facts: LogFacts, isVerbose: boolean): string[] {
  if (!interval.hasP2pdma) {
    return [];
  }
  const { provider, client, redirects } = facts;
  const lines: string[] = [];
  const say = (at: string, text: string): void => {
    lines.push(`${at}|${text}`);
  };
  if (isVerbose && redirects.length > 0) {
    const refusal = interval.logStyle === 'refusal' ? 'cannot be used for peer-to-peer DMA as ' : '';
    say(client, `${refusal}ACS redirect is set between the client and provider (${provider})`);
    const names = nameList(redirects, interval.nameListBytes);
    say(
      client,
      `to disable ACS redirect for this path, add the kernel parameter: pci=disable_acs_redir=${names}`,
    );
  }
  if (interval.logsUnlistedHostBridge && facts.unlisted !== null) {
    say(facts.unlisted.at, `Host bridge not in P2PDMA whitelist: ${facts.unlisted.id}`);
  }
  const isRefused = !facts.isAccepted && (interval.logStyle === 'warning' || redirects.length === 0);
  if (isVerbose && isRefused) {
    const orListed = interval.logStyle === 'warning' ? ' or whitelisted host bridge' : '';
    say(
      client,
      `cannot be used for peer-to-peer DMA as the client and provider (${provider}) do not share an upstream bridge${orListed}`,
    );
  }
  return lines;
}

/** The line for a client that has no PCI function among its ancestors. */
export function notPciMessage(client: string): string {
  return `${client}|cannot be used for peer-to-peer DMA as it is not a PCI device`;
}

/**
 * Names joined by `;` in a buffer of the kernel's. Each name is written with its separator and the last separator is
 * taken off again, unless the buffer ran full: then the text simply ends one byte before the buffer does.
 */
function nameList(names: readonly Bdf[], bufferBytes: number): string {
  const whole = names.map((name) => `${name};`).join('');
  return whole.length < bufferBytes ? whole.slice(0, -1) : whole.slice(0, bufferBytes - 1);
}
