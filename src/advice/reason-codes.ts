/**
 * Every code a reason can have, its class, and its rank. Codes are API: none is renamed or reused. The same list, with
 * what to do about each, is docs/verdict-codes.md.
 *
 * Order is rank: of two reasons that block, or of two that do not, the one that stands first here is told first.
 */

/**
 * - `topology`: where the functions sit. Changed by moving a card.
 * - `platform`: firmware, chipset and register state: ACS, IOMMU, BARs, links.
 * - `driver`: what the drivers and the kernel's build can do.
 * - `policy`: what somebody decided: kernel rules, options, passthrough.
 */
export type ReasonClass = 'topology' | 'platform' | 'driver' | 'policy';

export const REASON_CODES = {
  // Nothing else matters while one of these holds.
  DEVICE_GONE: 'platform',
  KERNEL_TOO_OLD: 'driver',
  KCONFIG_MISSING: 'driver',
  // The way between the two.
  ACS_REDIRECT: 'platform',
  NO_COMMON_UPSTREAM: 'topology',
  RC_NOT_LISTED: 'policy',
  PATH_UNKNOWN: 'topology',
  ACS_UNKNOWN: 'platform',
  RC_UNKNOWN: 'policy',
  SAME_FUNCTION: 'topology',
  DIRECT_SWITCH: 'topology',
  THRU_HOST_BRIDGE: 'topology',
  // What stops a request on that way.
  NO_MEMORY_BAR: 'topology',
  BAR_UNASSIGNED: 'platform',
  BAR_WINDOW_FULL: 'platform',
  BAR_OUTSIDE_WINDOW: 'platform',
  MEM_DECODE_OFF: 'platform',
  BUS_MASTER_OFF: 'platform',
  DMA_MASK: 'driver',
  ACS_EGRESS: 'platform',
  RC_READ_UNSUPPORTED: 'platform',
  PAYLOAD_SIZE_MISMATCH: 'platform',
  // Where the two answers differ.
  KERNEL_STRICTER: 'policy',
  HARDWARE_STRICTER: 'platform',
  // What the memory's side lacks.
  DRIVER_NOT_PROVIDER: 'driver',
  NOT_PUBLISHED: 'driver',
  CMB_TOO_SMALL: 'driver',
  PEER_MEMORY_FULL: 'driver',
  ALLOCATE_MISSING: 'driver',
  NVME_MULTIPATH: 'driver',
  BAR_SMALLER_THAN_MEMORY: 'platform',
  PASSED_THROUGH: 'policy',
  POWERED_DOWN: 'platform',
  EXTERNAL_UNTRUSTED: 'policy',
  // What makes it slower, or different from what it looks like.
  IOMMU_TRANSLATED: 'platform',
  IOMMU_GROUP_SPLIT: 'platform',
  ACS_TRANSLATION_BLOCKED: 'platform',
  ACS_SV_ONLY: 'platform',
  CROSS_SOCKET: 'topology',
  CROSS_DOMAIN: 'topology',
  BEHIND_VMD: 'topology',
  NOT_PCIE: 'topology',
  CHIPSET_UPLINK: 'topology',
  LINK_DEGRADED: 'platform',
  LINK_LIMITED_BY_PORT: 'platform',
  LINK_IDLE_DOWNSHIFT: 'platform',
  RELAXED_ORDERING_OFF: 'driver',
  VIRTUALISED: 'platform',
  UNVERIFIED: 'policy',
} as const satisfies Record<string, ReasonClass>;

export type ReasonCode = keyof typeof REASON_CODES;

const RANK = new Map<string, number>(Object.keys(REASON_CODES).map((code, rank) => [code, rank]));

/** Place in the table above. */
export function reasonRank(code: ReasonCode): number {
  return RANK.get(code)!;
}

export interface Evidence {
  /** The register or file, by its name in the specification or the kernel: `ACS Control`, `COMMAND`, `p2pmem/published`. */
  readonly register: string;
  /** As read: `0x001d`, `8086:2020`, `off`. */
  readonly value: string;
}

export interface Reason {
  readonly code: ReasonCode;
  readonly class: ReasonClass;
  /**
   * True when this alone stops the transfer as the machine stands: the kernel refuses because of it, or the request
   * would end as an error. The kernel looks only at topology, ACS and host bridges, so a pair it accepts can still
   * have a blocking reason.
   */
  readonly blocks: boolean;
  /** The function or host bridge it is about; null for the whole machine. */
  readonly at: string | null;
  readonly evidence: Evidence | null;
  /** What is the case, one line. */
  readonly detail: string;
  /** What a person can do, one line. */
  readonly hint: string;
}

/** What differs from reason to reason; `class` comes from the table. */
export interface ReasonFacts {
  readonly blocks?: boolean;
  readonly at?: string | null;
  readonly evidence?: Evidence | null;
  readonly detail: string;
  readonly hint: string;
}

export function makeReason(code: ReasonCode, facts: ReasonFacts): Reason {
  return {
    code,
    class: REASON_CODES[code],
    blocks: facts.blocks ?? false,
    at: facts.at ?? null,
    evidence: facts.evidence ?? null,
    detail: facts.detail,
    hint: facts.hint,
  };
}

/** Blocking reasons first; among equals those that made the verdict; then the order of the table. Stable. */
export function rankReasons(reasons: readonly Reason[], deciding: ReadonlySet<ReasonCode>): Reason[] {
  const weight = (reason: Reason): number => (reason.blocks ? 0 : 2) + (deciding.has(reason.code) ? 0 : 1);
  return reasons
    .map((reason, position) => ({ reason, position }))
    .sort(
      (a, b) =>
        weight(a.reason) - weight(b.reason) ||
        reasonRank(a.reason.code) - reasonRank(b.reason.code) ||
        a.position - b.position,
    )
    .map((entry) => entry.reason);
}
