/**
 * The shapes of an answer. Two answers stand side by side: what the kernel of a version says (`KernelVerdict`), and what
 * the PCIe rules say of a write and of a read (`PhysicalRoute`). Reasons and fixes are made from both in `advice`.
 */
import type { Bdf } from '../base/index.ts';

/** As the kernel's map types (Linux include/linux/pci-p2pdma.h), plus `unknown`. */
export type MapType = 'bus-addr' | 'thru-host-bridge' | 'not-supported' | 'unknown';

/** How the walk ended; says which rule made the verdict. */
export type DecidingRule =
  /** A common function, and no redirect on the way. */
  | 'common-upstream'
  /** A common function, but ACS sends requests up. */
  | 'acs-redirect'
  /** No common function: the host bridges decide. */
  | 'no-common-upstream'
  /** The kernel has no p2pdma, or the option is not built. */
  | 'kernel-without-p2pdma'
  /** Something the walk needs could not be read. */
  | 'unknown';

/** Who accepted or refused the way through the host bridge. */
export interface HostBridgeRuling {
  /** Undefined: cannot be told from this input. */
  readonly accepted: boolean | undefined;
  readonly by:
    | 'cpu'
    | 'list'
    | 'not-listed'
    | 'same-host-bridge-required'
    | 'no-representative'
    | 'not-in-this-kernel'
    | 'iommu-present'
    | 'unknown';
  /** The functions that stand for the provider's and the client's host bridge; null where there is none. */
  readonly representatives: readonly (Bdf | null)[];
  /** `8086:2020` of each representative, where known. */
  readonly ids: readonly (string | null)[];
  /** Which of them the list refuses; all false where something else than the list decides, or where that is not known. */
  readonly refused: readonly boolean[];
}

/** One possible answer where the input leaves several open. */
export interface Candidate {
  /** Null where the input leaves out bridges, so that hops cannot be counted. */
  readonly distance: number | null;
  readonly mapType: MapType;
  /** What would have to be true, for a person. */
  readonly when: string;
}

export interface KernelVerdict {
  readonly provider: Bdf;
  readonly client: Bdf;
  /**
   * What pci_p2pdma_distance() returns: -1 when not supported. Null when unknown. Linux 5.2 and 5.3 add 0x1000 where they
   * accept a pair through the root complex.
   */
  readonly distance: number | null;
  /** Before 5.4 the kernel kept no such type; then the way that was accepted is named. */
  readonly mapType: MapType;
  /** Null when the answer depends on something unknown. */
  readonly usable: boolean | null;
  readonly rule: DecidingRule;
  /** Every function from the provider up and down to the client, both included; the host bridge key in the middle when there is no common function. */
  readonly path: readonly string[];
  /** The common function; null when there is none; undefined when the tree itself is unknown there. */
  readonly common: Bdf | null | undefined;
  /** Functions of the walk whose ACS control redirects, in the kernel's order. */
  readonly redirects: readonly Bdf[];
  /** Functions of the walk whose ACS could not be read. */
  readonly unknownAcs: readonly Bdf[];
  readonly hostBridge: HostBridgeRuling | null;
  /** The function (or host bridge key) that decided, as printed in `decidedBy`. */
  readonly decidedBy: string;
  /** Empty when the answer is known. */
  readonly candidates: readonly Candidate[];
  /** What the kernel would log, `device|text`, verbose. */
  readonly messages: readonly string[];
}

/** What happens to one kind of request on its way, by the PCIe rules. */
export type RouteOutcome =
  /** Turns round below the host bridge, in a switch or in one device. */
  | 'direct'
  /** Sent up by ACS and turned round at the root complex, where that is known to work. */
  | 'redirected'
  /** Through the root complex: different root ports or host bridges. */
  | 'root-complex'
  /** Ends as an error: blocked by ACS, refused by the root complex, not decoded. */
  | 'blocked'
  | 'unknown';

export interface PhysicalRoute {
  readonly outcome: RouteOutcome;
  /** The function where the request turns round, is redirected or is blocked. */
  readonly at: string | null;
  /** Functions passed, requester first. Redirected requests list the way up and down. */
  readonly hops: readonly string[];
  /** One line for a person. */
  readonly detail: string;
  /** True when an IOMMU translates the request on its way. Undefined: unknown. */
  readonly translated: boolean | undefined;
}

/** The client is the requester in both: it writes to, or reads from, the provider's memory. */
export interface PhysicalRoutes {
  readonly write: PhysicalRoute;
  readonly read: PhysicalRoute;
}
