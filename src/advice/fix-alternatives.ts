/** What would help besides ACS: another place for the card, another kernel, the firmware, module options. */
import type { Bdf } from '../base/index.ts';
import { judge, NEWEST_KNOWN_RELEASE, type RuleSet, rulesFor } from '../p2pdma/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import type { PairExplanation } from './explain-pair.ts';
import type { Alternative } from './fix-plan.ts';
import type { ReasonCode } from './reason-codes.ts';

/** First release of each step in which more pairs became usable. */
const MILESTONES = [
  '4.20',
  '5.2.1',
  '5.4',
  '5.6.4',
  '5.7.14',
  '5.9.1',
  '5.19',
  '7.1.2',
  '7.1.5',
  NEWEST_KNOWN_RELEASE,
];

/** Codes whose hint is advice of its own, besides what the plan says of ACS. */
const WORTH_A_LINE: ReadonlySet<ReasonCode> = new Set([
  'KERNEL_TOO_OLD',
  'KCONFIG_MISSING',
  'ACS_UNKNOWN',
  'RC_UNKNOWN',
  'PATH_UNKNOWN',
  'NO_MEMORY_BAR',
  'BAR_UNASSIGNED',
  'BAR_WINDOW_FULL',
  'BAR_OUTSIDE_WINDOW',
  'MEM_DECODE_OFF',
  'BUS_MASTER_OFF',
  'DMA_MASK',
  'DEVICE_GONE',
  'RC_READ_UNSUPPORTED',
  'DRIVER_NOT_PROVIDER',
  'NOT_PUBLISHED',
  'CMB_TOO_SMALL',
  'PEER_MEMORY_FULL',
  'ALLOCATE_MISSING',
  'NVME_MULTIPATH',
  'BAR_SMALLER_THAN_MEMORY',
  'PASSED_THROUGH',
  'EXTERNAL_UNTRUSTED',
  'BEHIND_VMD',
  'IOMMU_TRANSLATED',
]);

export function alternativesFor(
  index: MachineIndex,
  rules: RuleSet,
  explanation: PairExplanation,
): Alternative[] {
  const isOpen = explanation.verdict.usable === false;
  return [
    ...explanation.reasons
      .filter((reason) => WORTH_A_LINE.has(reason.code))
      .map((reason) => ({ what: reason.detail, how: reason.hint })),
    ...(isOpen ? newerKernel(index, rules, explanation) : []),
    ...(isOpen ? otherSlots(index, explanation) : []),
  ];
}

/** The first release after this one whose rules accept the pair as it stands. */
function newerKernel(index: MachineIndex, rules: RuleSet, explanation: PairExplanation): Alternative[] {
  const { provider, client } = explanation.verdict;
  for (const release of MILESTONES) {
    const newer = rulesFor(release);
    if (rules.version === undefined || !isLater(newer, rules)) {
      continue;
    }
    if (judge(index, newer, provider, client).usable === true) {
      return [
        {
          what: `Linux ${release} and later accept this pair as it stands`,
          how: `boot a newer kernel; \`peerlane check --kernel ${release} ${provider} ${client}\` shows its verdict`,
        },
      ];
    }
  }
  return [];
}

function isLater(candidate: RuleSet, current: RuleSet): boolean {
  const a = candidate.version!;
  const b = current.version!;
  return (a.major - b.major || a.minor - b.minor || (a.patch ?? 0) - (b.patch ?? 0)) > 0;
}

const SLOTS_MAX = 4;

/** Downstream ports without anything below them, on the switches that one of the two hangs off. */
function otherSlots(index: MachineIndex, explanation: PairExplanation): Alternative[] {
  const { provider, client, common } = explanation.verdict;
  if (common != null) {
    return [];
  }
  const occupied = new Set(index.machine.functions.map((fn) => fn.parent));
  return [
    { fn: provider, other: client },
    { fn: client, other: provider },
  ].flatMap(({ fn, other }) => {
    const ports = switchesAbove(index, fn).flatMap((bridge) =>
      index.machine.functions.filter(
        (port) => port.parent === bridge && port.pcieType === 'switch-downstream' && !occupied.has(port.bdf),
      ),
    );
    if (ports.length === 0) {
      return [];
    }
    const names = ports
      .slice(0, SLOTS_MAX)
      .map((port) => port.bdf)
      .join(', ');
    return [
      {
        what: `${fn} hangs off a switch with free ports (${names})`,
        how: `move ${other} there: below one switch the host bridge is not asked`,
      },
    ];
  });
}

function switchesAbove(index: MachineIndex, bdf: Bdf): Bdf[] {
  const found: Bdf[] = [];
  let current: MachineFunction | undefined = index.find(bdf);
  for (let depth = 0; depth < 64 && current?.parent != null; depth++) {
    current = index.find(current.parent);
    if (current?.pcieType === 'switch-upstream') {
      found.push(current.bdf);
    }
  }
  return found;
}
