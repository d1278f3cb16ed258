/** What to change so that a pair works: the plan behind `peerlane fix`. Nothing is applied. */
import type { Bdf } from '../base/index.ts';
import { KERNEL_REDIRECT_BITS, type KernelVerdict, type RuleSet } from '../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../topology/index.ts';
import { explainPair, type PairExplanation } from './explain-pair.ts';
import { alternativesFor } from './fix-alternatives.ts';
import { persistentForms } from './fix-persistent.ts';
import type { AcsChange, FixCost, FixPlan, FixStatus } from './fix-plan.ts';
import { isolationGroups, mergesBetween } from './isolation-groups.ts';

/**
 * Works out the plan and judges again with it, so that a change which would not help is not advised.
 *
 * Only functions that the kernel's walk found to redirect are changed, and of them only the bits of RR, CR and EC that are
 * set. Where there is no common function ACS has no part in the verdict and is left alone.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when either function is not in the machine
 */
export function fixPair(index: MachineIndex, rules: RuleSet, provider: Bdf, client: Bdf): FixPlan {
  const before = explainPair(index, rules, provider, client);
  const changes = before.verdict.common == null ? [] : changesOf(index, before.verdict);
  const words = new Map(changes.map((change) => [change.at, change.after]));
  const after = changes.length === 0 ? null : explainPair(withAcs(index, words), rules, provider, client);
  const status = statusOf(before.verdict, after?.verdict ?? null);
  const isAdvised = status === 'acs' || status === 'acs-faster';
  const remaining = (isAdvised ? after! : before).reasons.filter((reason) => reason.blocks);
  return {
    status,
    summary: summaryOf(status, before, changes, remaining.length),
    verdictBefore: before.verdict,
    verdictAfter: after?.verdict ?? null,
    changes: isAdvised ? changes : [],
    persistent: isAdvised ? persistentForms(index, rules, changes) : [],
    cost: isAdvised ? costOf(index, words) : null,
    remaining,
    alternatives: alternativesFor(index, rules, before),
    notes: isAdvised ? RUN_TIME_NOTES : [],
  };
}

const RUN_TIME_NOTES: readonly string[] = [
  'undo: the undo commands now, or a reboot; for the persistent form take it out again and repeat its commands',
  'the run-time commands last until the next boot; a reset or resume of a port may put its old value back',
  'the kernel keeps the verdict of pairs that it has mapped before: if a transfer was refused already, unbind and bind the provider’s driver',
];

function changesOf(index: MachineIndex, verdict: KernelVerdict): AcsChange[] {
  return verdict.redirects.flatMap((at) => {
    const fn = index.find(at);
    if (fn?.acs == null || fn.isGone) {
      return [];
    }
    const before = fn.acs.control;
    const mask = before & KERNEL_REDIRECT_BITS;
    const hex = mask.toString(16);
    return [
      {
        at,
        before,
        after: before & ~mask,
        mask,
        command: `setpci -s ${at} ECAP_ACS+0x6.w=0:${hex}`,
        undo: `setpci -s ${at} ECAP_ACS+0x6.w=${hex}:${hex}`,
      },
    ];
  });
}

/** The same machine with other ACS Control words. */
export function withAcs(index: MachineIndex, words: ReadonlyMap<Bdf, number>): MachineIndex {
  const machine: Machine = {
    ...index.machine,
    functions: index.machine.functions.map((fn) => {
      const control = words.get(fn.bdf);
      return control === undefined || fn.acs == null ? fn : { ...fn, acs: { ...fn.acs, control } };
    }),
  };
  return new MachineIndex(machine);
}

function statusOf(before: KernelVerdict, after: KernelVerdict | null): FixStatus {
  if (before.usable === true && before.mapType === 'bus-addr') {
    return 'nothing-to-do';
  }
  if (after?.usable === true && after.mapType === 'bus-addr') {
    return before.usable === true ? 'acs-faster' : 'acs';
  }
  if (before.usable === true) {
    return 'nothing-to-do';
  }
  return before.usable === null ? 'unknown' : 'other';
}

function summaryOf(
  status: FixStatus,
  before: PairExplanation,
  changes: readonly AcsChange[],
  remainingCount: number,
): string {
  const { verdict } = before;
  const ports = changes.map((change) => change.at).join(', ');
  const rest =
    remainingCount === 0
      ? ''
      : `; ${remainingCount} other blocking ${remainingCount === 1 ? 'reason remains' : 'reasons remain'}`;
  switch (status) {
    case 'nothing-to-do':
      return `the kernel accepts this pair (${verdict.mapType})${rest}`;
    case 'acs':
      return `clearing ACS redirect at ${ports} makes the pair usable, directly below ${verdict.common}${rest}`;
    case 'acs-faster':
      return `the pair works through the host bridge; clearing ACS redirect at ${ports} makes it direct, below ${verdict.common}${rest}`;
    case 'other':
      return verdict.common === null
        ? 'ACS has no part in this verdict: there is no switch above both, and the host bridge is not accepted'
        : `ACS settings cannot change this verdict (${verdict.rule})`;
    case 'unknown':
      return 'the input does not say enough for a verdict, so nothing is advised yet';
  }
}

function costOf(index: MachineIndex, words: ReadonlyMap<Bdf, number>): FixCost {
  const mode = index.machine.iommu.mode;
  if (mode === 'off') {
    return {
      merges: [],
      unknown: [],
      lines: ['no IOMMU is in use, so there are no groups to merge; devices are not kept apart now either'],
    };
  }
  const before = isolationGroups(index);
  const after = isolationGroups(index, words);
  const merges = mergesBetween(index, before, after);
  const unknown = [...new Set([...before.unknown, ...after.unknown])];
  return {
    merges,
    unknown,
    lines: [
      ...merges.map((merge) => {
        const groups = merge.groups.length === 0 ? '' : ` (today groups ${merge.groups.join(', ')})`;
        return `no longer kept apart${groups}: ${merge.functions.join(', ')}`;
      }),
      ...(merges.length === 0
        ? ['nothing that was kept apart comes together']
        : [
            'functions of one group can be passed to a guest only together, and can reach each other’s memory',
          ]),
      'IOMMU groups do not change until the next boot: until then they show an isolation that is gone, so do not pass these devices through',
      ...(unknown.length === 0 ? [] : [`not known for ${unknown.join(', ')}: more may merge`]),
      'worked out from the registers; device quirks of the kernel are not taken into account',
    ],
  };
}
