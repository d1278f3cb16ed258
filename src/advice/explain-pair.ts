/** One pair in full: both answers, the path with its links, and all reasons. Computed on demand. */
import type { Bdf } from '../base/index.ts';
import {
  isAtsEnabled,
  judge,
  type KernelVerdict,
  type PhysicalRoutes,
  physicalRoutes,
  type RuleSet,
} from '../p2pdma/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { type PairLetters, pairLetters } from './letters.ts';
import { functionOf, makeContext, type PairContext } from './pair-context.ts';
import {
  type LinkOnPath,
  narrowestLink,
  type PayloadSizes,
  pathLinks,
  payloadSizes,
  physicalOf,
} from './path-links.ts';
import { type Reason, type ReasonCode, rankReasons } from './reason-codes.ts';
import { acsReasons } from './reasons/acs.ts';
import { barReasons } from './reasons/bars.ts';
import { driverReasons } from './reasons/driver.ts';
import { routeReasons } from './reasons/host-bridge.ts';
import { kernelReasons } from './reasons/kernel.ts';
import { linkReasons } from './reasons/links.ts';
import { payloadReasons } from './reasons/payload.ts';
import { platformReasons } from './reasons/platform.ts';

export interface PairExplanation {
  readonly verdict: KernelVerdict;
  readonly physical: PhysicalRoutes;
  readonly letters: PairLetters;
  /** By the rules alone: no driver was asked and no byte moved. */
  readonly trust: 'possible';
  /**
   * Links that requests pass, in the order of the way; where ACS sends them up, those above the common function
   * too. Empty for one function, and between functions of the root complex.
   */
  readonly links: readonly LinkOnPath[];
  /** The link that delivers least; null when no link's rate is known. */
  readonly narrowest: LinkOnPath | null;
  /** True when the rate of every link is known, so that `narrowest` is the narrowest of the whole way. */
  readonly linksComplete: boolean;
  readonly payload: PayloadSizes;
  /** Blocking ones first, the one that made the verdict first of all. */
  readonly reasons: readonly Reason[];
}

/**
 * Explains what the kernel and the hardware make of a client that wants to reach a provider's memory.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when either function is not in the machine
 */
export function explainPair(
  index: MachineIndex,
  rules: RuleSet,
  provider: Bdf,
  client: Bdf,
): PairExplanation {
  const verdict = judge(index, rules, provider, client);
  const physical = physicalRoutes(index, provider, client);
  return explainVerdict(index, rules, verdict, physical);
}

/** The same for answers that are at hand already. @throws {TopologyError} TOPO_UNKNOWN_BDF */
export function explainVerdict(
  index: MachineIndex,
  rules: RuleSet,
  verdict: KernelVerdict,
  physical: PhysicalRoutes,
): PairExplanation {
  const payload = payloadSizes(index, functionOf(index, verdict.provider), functionOf(index, verdict.client));
  const way = wayOf(index, verdict, physical);
  const links = pathLinks(index, way, payload);
  const context = makeContext(index, rules, verdict, physical, links);
  const isRated = (link: LinkOnPath): boolean => link.goodputWriteGBs !== undefined;
  return {
    verdict,
    physical,
    letters: pairLetters(index, verdict.provider, verdict.client),
    trust: 'possible',
    links,
    narrowest: narrowestLink(links),
    linksComplete: links.every(isRated) && !way.some((step) => index.find(step as Bdf)?.hiddenAbove === true),
    payload,
    reasons: reasonsOf(context),
  };
}

/**
 * The functions that requests pass, provider first. Where the hardware turns them round below the common function or sends
 * them up its hops are the way; else the kernel's path, made longer up to the host bridge where the kernel has them go there.
 */
function wayOf(index: MachineIndex, verdict: KernelVerdict, physical: PhysicalRoutes): readonly string[] {
  const { write } = physical;
  const isUpByMapping = goesUpByMapping(index, verdict);
  if (write.outcome === 'redirected' || (write.outcome === 'direct' && !isUpByMapping)) {
    return [...write.hops].reverse();
  }
  if (verdict.mapType !== 'thru-host-bridge' || verdict.common == null) {
    return verdict.path;
  }
  const [provider, client] = [verdict.provider, verdict.client].map((bdf) => functionOf(index, bdf));
  return [...wayUp(index, provider!), provider!.hostBridge, ...wayUp(index, client!).reverse()];
}

/**
 * An IOVA belongs to no bridge, so what the kernel maps through an IOMMU goes up even where ACS would let it turn round, unless the
 * requester translates it first (ATS).
 */
export function goesUpByMapping(index: MachineIndex, { mapType, client }: KernelVerdict): boolean {
  const { mode } = index.machine.iommu;
  return (
    mapType === 'thru-host-bridge' &&
    mode !== 'off' &&
    mode !== 'passthrough' &&
    isAtsEnabled(functionOf(index, client)) !== true
  );
}

/** Deeper than buses can be nested. */
const DEPTH_MAX = 256;

/** A function and every bridge above it, up to the root port. */
export function wayUp(index: MachineIndex, start: MachineFunction): Bdf[] {
  const chain = [start.bdf];
  let owner = physicalOf(index, start);
  while (owner.parent != null && chain.length < DEPTH_MAX) {
    const above = index.find(owner.parent);
    if (above === undefined) {
      break;
    }
    chain.push(above.bdf);
    owner = above;
  }
  return chain;
}

/** All reasons of a pair, ranked. */
export function reasonsOf(context: PairContext): Reason[] {
  const all = [
    ...acsReasons(context),
    ...routeReasons(context),
    ...barReasons(context),
    ...driverReasons(context),
    ...kernelReasons(context),
    ...linkReasons(context),
    ...payloadReasons(context),
    ...platformReasons(context),
  ];
  return rankReasons(
    all.filter((reason) => !isSaidBetter(reason, all)),
    decidingCodes(context.verdict),
  );
}

/** Reasons that name the register which makes the hardware refuse. */
const NAMES_THE_REGISTER: ReadonlySet<ReasonCode> = new Set([
  'DEVICE_GONE',
  'NO_MEMORY_BAR',
  'BAR_UNASSIGNED',
  'BAR_WINDOW_FULL',
  'MEM_DECODE_OFF',
  'BUS_MASTER_OFF',
]);

/** "The hardware refuses" adds nothing to the reason why it does. */
function isSaidBetter(reason: Reason, all: readonly Reason[]): boolean {
  return (
    reason.code === 'HARDWARE_STRICTER' &&
    all.some((other) => other.blocks && other.at === reason.at && NAMES_THE_REGISTER.has(other.code))
  );
}

/** Codes that say why the verdict is what it is. */
function decidingCodes(verdict: KernelVerdict): ReadonlySet<ReasonCode> {
  switch (verdict.rule) {
    case 'kernel-without-p2pdma':
      return new Set(['KERNEL_TOO_OLD', 'KCONFIG_MISSING']);
    case 'common-upstream':
      return new Set(['SAME_FUNCTION', 'DIRECT_SWITCH']);
    case 'acs-redirect':
      return new Set(
        verdict.usable === false
          ? ['ACS_REDIRECT', 'RC_NOT_LISTED']
          : ['THRU_HOST_BRIDGE', 'ACS_REDIRECT', 'RC_UNKNOWN'],
      );
    case 'no-common-upstream':
      return new Set(['NO_COMMON_UPSTREAM', 'RC_NOT_LISTED', 'THRU_HOST_BRIDGE', 'RC_UNKNOWN']);
    case 'unknown':
      return new Set(['PATH_UNKNOWN', 'ACS_UNKNOWN', 'RC_UNKNOWN']);
  }
}
