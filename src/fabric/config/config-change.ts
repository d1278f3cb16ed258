/** What a software store to config space touched: what the rest of the fabric listens to. */

/** In the order in which one store reports them. */
export const CONFIG_CHANGES = [
  'other',
  /** COMMAND and STATUS. */
  'command',
  /** A base address register. */
  'bar',
  'bus-numbers',
  /** An I/O, memory or prefetchable window of a bridge. */
  'window',
  'bridge-control',
  /** PMCSR. */
  'power',
  'msi',
  'msix',
  'acs',
  'ats',
  'pri',
  'pasid',
  /** Anything of the SR-IOV capability, VF BARs included. */
  'sriov',
  /** A BAR has another size. */
  'rebar',
  /** ARI control of a function. */
  'ari',
  /** Device Control, Device Control 2 and their status registers. */
  'device-control',
  'link-control',
  'slot',
  /** Advanced Error Reporting. */
  'errors',
  /** One was written to Initiate Function Level Reset. The listener does the reset; nothing has happened yet. */
  'function-reset',
] as const;

export type ConfigChange = (typeof CONFIG_CHANGES)[number];

export function configChangeIndex(change: ConfigChange): number {
  return CONFIG_CHANGES.indexOf(change);
}
