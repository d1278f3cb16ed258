/** Which provider the kernel would take for a set of clients, as pci_p2pmem_find_many() ranks them. */
import type { Bdf } from '../base/index.ts';
import type { MachineIndex } from '../topology/index.ts';
import { judgeMany, type ManyVerdict } from './judge-many.ts';
import type { RuleSet } from './rules.ts';

/** Candidates of equal distance that fit the page in which the kernel collects them, with pages of 4 KiB. */
export const TIES_MAX = 512;

export interface FindOptions {
  /** Picks among ties, as the kernel does: a whole number in [0, count). Without it nothing is chosen. */
  readonly random?: (count: number) => number;
  /** Default true, as in the kernel. False: every function that is known to have peer memory. */
  readonly onlyPublished?: boolean;
}

export interface RankedProvider {
  readonly provider: Bdf;
  readonly verdict: ManyVerdict;
}

export interface FindResult {
  /** Usable at a known distance, nearest first; ties in enumeration order. */
  readonly ranked: readonly RankedProvider[];
  /** The nearest ones, among which the kernel throws dice: at most TIES_MAX. */
  readonly nearest: readonly Bdf[];
  /** What the given random source picks from `nearest`; null without one, or when nothing or too little is known. */
  readonly chosen: Bdf | null;
  /** Providers that cannot be reached by some client. */
  readonly rejected: readonly RankedProvider[];
  /** Providers whose distance, or whether they are published at all, is not known: one of them may be the nearest. */
  readonly undecided: readonly RankedProvider[];
}

/**
 * Ranks the providers of a machine for a set of clients.
 *
 * Only distance counts: not free space, bandwidth, NUMA node or map type. A way through the host bridge at distance 2 beats
 * one through a switch at 4. Functions of which the input does not say whether they have peer memory are left out.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when a client is not in the machine
 * @see Linux drivers/pci/p2pdma.c, pci_p2pmem_find_many()
 */
export function findMany(
  index: MachineIndex,
  rules: RuleSet,
  clients: readonly Bdf[],
  options: FindOptions = {},
): FindResult {
  const ranked: RankedProvider[] = [];
  const rejected: RankedProvider[] = [];
  const undecided: RankedProvider[] = [];
  for (const fn of index.machine.functions) {
    const state = fn.p2pmem;
    if (state == null || (options.onlyPublished !== false && state.published === false)) {
      continue;
    }
    const entry = { provider: fn.bdf, verdict: judgeMany(index, rules, fn.bdf, clients) };
    const isCandidate = options.onlyPublished === false || state.published === true;
    if (entry.verdict.usable === false) {
      rejected.push(entry);
    } else if (isCandidate && entry.verdict.distance !== null) {
      ranked.push(entry);
    } else {
      undecided.push(entry);
    }
  }
  ranked.sort((a, b) => a.verdict.distance! - b.verdict.distance!);
  const closest = ranked[0]?.verdict.distance;
  const nearest = ranked
    .filter((entry) => entry.verdict.distance === closest)
    .slice(0, TIES_MAX)
    .map((entry) => entry.provider);
  const mayWin = ({ verdict }: RankedProvider): boolean =>
    verdict.distance === null || closest == null || verdict.distance <= closest;
  const canChoose = options.random !== undefined && nearest.length > 0 && !undecided.some(mayWin);
  return {
    ranked,
    nearest,
    chosen: canChoose ? nearest[options.random!(nearest.length)]! : null,
    rejected,
    undecided,
  };
}
