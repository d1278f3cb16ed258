/** The shape of what `peerlane fix` prints. It is a plan: nothing here changes a machine. */
import type { Bdf } from '../base/index.ts';
import type { KernelVerdict } from '../p2pdma/index.ts';
import type { BootLoaderSteps } from './boot-loader.ts';
import type { GroupMerge } from './isolation-groups.ts';
import type { Reason } from './reason-codes.ts';

/** A change of one ACS Control word. */
export interface AcsChange {
  readonly at: Bdf;
  readonly before: number;
  readonly after: number;
  /** Bits of RR, CR and EC that are set and will be cleared. */
  readonly mask: number;
  /** As root; effective at once, lost at reboot, reset or resume. */
  readonly command: string;
  /** Puts the old bits back. */
  readonly undo: string;
}

export type PersistentKind = 'disable_acs_redir' | 'config_acs' | 'service';

export interface PersistentForm {
  readonly kind: PersistentKind;
  /** What this kernel makes of it. */
  readonly state: 'works' | 'mangled' | 'unknown' | 'absent';
  /** The one to use on this kernel. */
  readonly isRecommended: boolean;
  /** For the kernel command line, quoted so that it survives every boot loader; the unit file of a service. */
  readonly text: string;
  readonly loaders: readonly BootLoaderSteps[];
  /** What it does besides, and what it replaces. */
  readonly notes: readonly string[];
}

/** What is given up. */
export interface FixCost {
  /** Groups that would be one after the next boot with this change; empty when none merge or there is no IOMMU. */
  readonly merges: readonly GroupMerge[];
  /** Functions whose state is not known and could add to that. */
  readonly unknown: readonly Bdf[];
  readonly lines: readonly string[];
}

/** Something else that would help, or would help too. */
export interface Alternative {
  readonly what: string;
  readonly how: string;
}

/**
 * - `nothing-to-do`: usable and direct already
 * - `acs`: clearing ACS redirect bits makes the pair usable
 * - `acs-faster`: usable through the host bridge; clearing them makes it direct
 * - `other`: ACS has no part in it, or clearing it would not be enough: see `alternatives`
 * - `unknown`: the input does not say enough
 */
export type FixStatus = 'nothing-to-do' | 'acs' | 'acs-faster' | 'other' | 'unknown';

export interface FixPlan {
  readonly status: FixStatus;
  /** One line for a person. */
  readonly summary: string;
  readonly verdictBefore: KernelVerdict;
  /** With the ACS words changed; null when nothing is to be changed. */
  readonly verdictAfter: KernelVerdict | null;
  readonly changes: readonly AcsChange[];
  readonly persistent: readonly PersistentForm[];
  readonly cost: FixCost | null;
  /** Blocking reasons that remain after the change. */
  readonly remaining: readonly Reason[];
  readonly alternatives: readonly Alternative[];
  readonly notes: readonly string[];
}
