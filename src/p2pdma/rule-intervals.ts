/**
 * The rules of pci_p2pdma_distance() and its map types as data, one row for each run of kernel versions that answer
 * alike. Facts from drivers/pci/p2pdma.c of the releases named in `seen`; no release between two that are named in one
 * row was found to differ.
 *
 * A version between two rows may have the rules of either; `rules.ts` then consults both.
 */

/** One line of pci_p2pdma_whitelist. */
export interface HostBridgeEntry {
  readonly vendorId: number;
  /** Null: any device of this vendor (7.1 and later). */
  readonly deviceId: number | null;
  /** REQ_SAME_HOST_BRIDGE: provider and client must hang off one host bridge object. */
  readonly needsSameHostBridge: boolean;
}

export interface RuleInterval {
  /** `5.19..7.0`. */
  readonly name: string;
  /** Releases whose source was read, oldest first. */
  readonly seen: readonly string[];
  /** False before 4.20: there is no p2pdma. */
  readonly hasP2pdma: boolean;
  /** ACS redirect below the common function: refused outright, or left to the host bridge. */
  readonly onRedirect: 'refused' | 'host-bridge';
  /** No common function. `zen-without-iommu`: both 00.0 are 1022:1450 and no IOMMU is present; adds 0x1000 to the distance. */
  readonly onNoCommon: 'refused' | 'zen-without-iommu' | 'host-bridge';
  /** AMD from family 17h on is accepted without a look at the list (dea286bb71ba). */
  readonly acceptsAmdZen: boolean;
  /** Who stands for a host bridge: slot 00.0 wherever it is in the bus list, or the first function of the list if it qualifies. */
  readonly representative: 'slot-00.0' | 'first-if-00.0' | 'first-if-00.0-or-root-port';
  /** From 5.9 the offset of the ACS capability is kept from enumeration, so a device that is gone still "redirects". */
  readonly keepsAcsOffset: boolean;
  readonly hostBridges: readonly HostBridgeEntry[];
  /** 5.4 and later: the lines no longer begin with "cannot be used" for a redirect, and name the list. */
  readonly logStyle: 'refusal' | 'warning';
  /** 5.14 and later: `Host bridge not in P2PDMA whitelist`, also when silent. */
  readonly logsUnlistedHostBridge: boolean;
  /** Bytes of the buffer in which the names for disable_acs_redir are collected. */
  readonly nameListBytes: number;
}

const PAGE_BYTES = 4096;

function free(vendorId: number, ...deviceIds: (number | null)[]): HostBridgeEntry[] {
  return deviceIds.map((deviceId) => ({ vendorId, deviceId, needsSameHostBridge: false }));
}

function sameOnly(vendorId: number, ...deviceIds: number[]): HostBridgeEntry[] {
  return deviceIds.map((deviceId) => ({ vendorId, deviceId, needsSameHostBridge: true }));
}

const INTEL = 0x8086;
const AMD = 0x1022;
const GOOGLE = 0x1ae0;
const NVIDIA = 0x10de;

const ZEN_1450 = free(AMD, 0x1450);
/** Sandy Bridge-EP and Haswell-EP (494d63b0d5d0). */
const XEON_E5 = sameOnly(INTEL, 0x3c00, 0x3c01, 0x2f00, 0x2f01);
/** Skylake-E (bc123a515cb7). */
const SKYLAKE_E = free(INTEL, 0x2030, 0x2020);
/** Skylake-E root ports (7b94b53db34f). */
const SKYLAKE_E_PORTS = free(INTEL, 0x2031, 0x2032, 0x2033);
/** Raven and Renoir (7d5b10fcb81e), in 5.8 only. */
const ZEN_CLIENT = free(AMD, 0x15d0, 0x1630);
/** Ice Lake and later Xeons (feaea1fe8b36). */
const XEON_09A2 = free(INTEL, 0x09a2);
/** Google SoCs (70cf146a674c, 1a1f96e3e2a8). */
const GOOGLE_ANY = free(GOOGLE, null);
/** DSA, IAX and QAT accelerators, which are the first device of a root bus of their own (0ba76b19fd4c). */
const XEON_ACCELERATORS = free(
  INTEL,
  ...[0x0b25, 0x0cfe, 0x11fb, 0x1212, 0x1216, 0x4940, 0x4942, 0x4944, 0x4946, 0x4948],
);
/** Vera Rubin (894a78088fc3). */
const VERA_RUBIN = free(NVIDIA, 0x2f95, 0x2f96, 0x2f97, 0x2f98);

const NO_P2PDMA: RuleInterval = {
  name: 'before 4.20',
  seen: [],
  hasP2pdma: false,
  onRedirect: 'refused',
  onNoCommon: 'refused',
  acceptsAmdZen: false,
  representative: 'slot-00.0',
  keepsAcsOffset: false,
  hostBridges: [],
  logStyle: 'refusal',
  logsUnlistedHostBridge: false,
  nameListBytes: PAGE_BYTES,
};

function interval(seen: readonly string[], base: RuleInterval, changes: Partial<RuleInterval>): RuleInterval {
  const name = seen.length === 1 ? seen[0]! : `${seen[0]}..${seen[seen.length - 1]}`;
  return { ...base, ...changes, name, seen };
}

const FIRST = interval(['4.20', '5.0'], NO_P2PDMA, { hasP2pdma: true });
const ZEN_ROOT_COMPLEX = interval(['5.2.1', '5.3.1'], FIRST, {
  onNoCommon: 'zen-without-iommu',
  hostBridges: ZEN_1450,
});
const LIST = interval(['5.4'], ZEN_ROOT_COMPLEX, {
  onRedirect: 'host-bridge',
  onNoCommon: 'host-bridge',
  hostBridges: [...ZEN_1450, ...XEON_E5],
  logStyle: 'warning',
});
const LIST_SKYLAKE = interval(['5.6.4'], LIST, { hostBridges: [...LIST.hostBridges, ...SKYLAKE_E] });
const LIST_SKYLAKE_PORTS = interval(['5.7.14'], LIST, {
  hostBridges: [...LIST_SKYLAKE.hostBridges, ...SKYLAKE_E_PORTS],
});
const LIST_ZEN_CLIENT = interval(['5.8.1'], LIST, {
  hostBridges: [...LIST_SKYLAKE_PORTS.hostBridges, ...ZEN_CLIENT],
});
const CPU_RULE = interval(['5.9.1', '5.11.14', '5.12.9'], LIST, {
  acceptsAmdZen: true,
  keepsAcsOffset: true,
  hostBridges: [...XEON_E5, ...SKYLAKE_E, ...SKYLAKE_E_PORTS],
});
const FIRST_OF_BUS = interval(['5.14-rc5', '5.15.135', '5.16.10', '5.17-rc5'], CPU_RULE, {
  representative: 'first-if-00.0',
  logsUnlistedHostBridge: true,
  nameListBytes: 128,
});
const ROOT_PORT_STANDS_IN = interval(
  ['5.19', '6.0.1', '6.1.10', '6.2', '6.3.8', '6.6.129', '6.8', '6.11.11', '6.12', '6.13.7', '6.14'].concat([
    '6.17',
    '6.18.2',
    '6.18.33',
    '6.19.10',
    '7.0',
  ]),
  FIRST_OF_BUS,
  {
    representative: 'first-if-00.0-or-root-port',
    hostBridges: [...CPU_RULE.hostBridges, ...XEON_09A2],
  },
);
const WITH_GOOGLE = interval(['7.1-mergewindow', '7.1.2'], ROOT_PORT_STANDS_IN, {
  hostBridges: [...ROOT_PORT_STANDS_IN.hostBridges, ...GOOGLE_ANY],
});
const WITH_ACCELERATORS = interval(['7.1.3', '7.1.5', '7.2.12'], WITH_GOOGLE, {
  hostBridges: [...ROOT_PORT_STANDS_IN.hostBridges, ...XEON_ACCELERATORS, ...GOOGLE_ANY],
});
const WITH_VERA_RUBIN = interval(['7.3.4'], WITH_ACCELERATORS, {
  hostBridges: [...WITH_ACCELERATORS.hostBridges, ...VERA_RUBIN],
});

/** Oldest first. The last row is also used, marked as unverified, for whatever is newer. */
export const RULE_INTERVALS: readonly RuleInterval[] = [
  NO_P2PDMA,
  FIRST,
  ZEN_ROOT_COMPLEX,
  LIST,
  LIST_SKYLAKE,
  LIST_SKYLAKE_PORTS,
  LIST_ZEN_CLIENT,
  CPU_RULE,
  FIRST_OF_BUS,
  ROOT_PORT_STANDS_IN,
  WITH_GOOGLE,
  WITH_ACCELERATORS,
  WITH_VERA_RUBIN,
];

/** Rules that a stable series took from a later kernel. What such a series once took it keeps. */
export interface Backport {
  /** `5.10`. */
  readonly series: string;
  /** The release in which it was seen; it came with this one or an earlier one. */
  readonly seenInPatch: number;
  readonly interval: RuleInterval;
}

export const BACKPORTS: readonly Backport[] = [
  {
    series: '5.10',
    seenInPatch: 198,
    interval: interval(['5.10.198'], CPU_RULE, { representative: 'first-if-00.0' }),
  },
];

/** Added to the distance of a pair that 5.2 and 5.3 accept through the root complex. */
export const ROOT_COMPLEX_PENALTY = 0x1000;
