/** What would help besides ACS: another place for the card, another kernel, the firmware, module options. */
import type { Bdf } from '../base/index.ts';
import {
  judge,
  KERNEL_REDIRECT_BITS,
  NEWEST_KNOWN_RELEASE,
  type RuleSet,
  rulesFor,
} from '../p2pdma/index.ts';
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

/**
 * Downstream ports without anything below them, on the switches that one of the two hangs off. A port helps as it stands
 * only where neither it nor what would be walked besides redirects; the others are named only where there is none of these.
 */
function otherSlots(index: MachineIndex, explanation: PairExplanation): Alternative[] {
  const { provider, client, common } = explanation.verdict;
  if (common != null) {
    return [];
  }
  return [
    { fn: provider, other: client },
    { fn: client, other: provider },
  ].flatMap(({ fn, other }) => {
    const slots = freeSlots(index, fn, other);
    const open = slots.filter((slot) => slot.redirects.length === 0 && slot.unknown.length === 0);
    if (open.length > 0) {
      return [
        {
          what: `${fn} hangs off a switch with free ports (${portNames(open)})`,
          how: `move ${other} there: below one switch the host bridge is not asked`,
        },
      ];
    }
    // Known redirects first: what to do about them is known as well.
    const slot = slots.find((one) => one.redirects.length > 0) ?? slots[0];
    if (slot === undefined) {
      return [];
    }
    const what = `${fn} hangs off a switch with a free port (${slot.port.bdf})`;
    return slot.redirects.length > 0
      ? [
          {
            what: `${what}, but ${slot.redirects.join(' and ')} would redirect there`,
            how: `moving ${other} there helps only with those redirects cleared: \`peerlane fix\` prints how, once it is moved`,
          },
        ]
      : [
          {
            what: `${what}; whether ${slot.unknown.join(' and ')} would redirect there is not known`,
            how: `read the machine as root before moving ${other} there: a redirect would send requests to the host bridge again`,
          },
        ];
  });
}

function portNames(slots: readonly Slot[]): string {
  return slots
    .slice(0, SLOTS_MAX)
    .map((slot) => slot.port.bdf)
    .join(', ');
}

/** A free port and, of the functions that the kernel would walk if the other card were below it, those in the way. */
interface Slot {
  readonly port: MachineFunction;
  readonly redirects: readonly Bdf[];
  readonly unknown: readonly Bdf[];
}

function freeSlots(index: MachineIndex, fn: Bdf, other: Bdf): Slot[] {
  const occupied = new Set(index.machine.functions.map(({ parent }) => parent));
  const moved = index.find(other);
  return switchesAbove(index, fn).flatMap(({ bridge, below }) =>
    index.machine.functions
      .filter(
        (port) => port.parent === bridge && port.pcieType === 'switch-downstream' && !occupied.has(port.bdf),
      )
      .map((port) => {
        const walked = [...below, port, ...(moved === undefined ? [] : [moved])];
        return {
          port,
          redirects: walked
            .filter(({ acs }) => acs != null && (acs.control & KERNEL_REDIRECT_BITS) !== 0)
            .map(({ bdf }) => bdf),
          unknown: walked.filter(({ acs }) => acs === undefined).map(({ bdf }) => bdf),
        };
      }),
  );
}

/** Switches above a function, nearest first, each with the functions below it that lead there, the function itself first. */
function switchesAbove(
  index: MachineIndex,
  bdf: Bdf,
): { readonly bridge: Bdf; readonly below: readonly MachineFunction[] }[] {
  const found: { bridge: Bdf; below: readonly MachineFunction[] }[] = [];
  const below: MachineFunction[] = [];
  let current: MachineFunction | undefined = index.find(bdf);
  for (let depth = 0; depth < 64 && current?.parent != null; depth++) {
    below.push(current);
    current = index.find(current.parent);
    if (current?.pcieType === 'switch-upstream') {
      found.push({ bridge: current.bdf, below: [...below] });
    }
  }
  return found;
}
