/** Links that run below what they could, and links that others share (PCIe Base 6.0, 7.5.3.6 and 7.5.3.8). */
import { isIntelChipsetPort } from '../../p2pdma/index.ts';
import { isKnownLinkSpeed, netGBs } from '../../rates/index.ts';
import type { LinkRate, MachineFunction } from '../../topology/index.ts';
import type { PairContext } from '../pair-context.ts';
import { type LinkOnPath, lowersSpeedWhenIdle } from '../path-links.ts';
import { makeReason, type Reason } from '../reason-codes.ts';

export function linkReasons(context: PairContext): Reason[] {
  return [...context.links.flatMap((link) => linkReason(context, link)), ...chipsetReasons(context)];
}

export function rateText(rate: LinkRate): string {
  return `${rate.speedGTs} GT/s x${rate.width}`;
}

function linkReason(context: PairContext, link: LinkOnPath): Reason[] {
  const upper = context.index.find(link.upper)!;
  const lower = context.index.find(link.lower)!;
  return [...trainingReasons(context, link, upper, lower), ...portReasons(link, upper, lower)];
}

/** Only where both ends are known: with one, the other may be what limits. */
function trainingReasons(
  context: PairContext,
  link: LinkOnPath,
  upper: MachineFunction,
  lower: MachineFunction,
): Reason[] {
  const { current, max } = link;
  if (
    current === undefined ||
    max === undefined ||
    upper.link?.max === undefined ||
    lower.link?.max === undefined
  ) {
    return [];
  }
  const isNarrow = current.width < max.width;
  const isSlow = current.speedGTs < max.speedGTs;
  if (!isNarrow && !isSlow) {
    return [];
  }
  const evidence = { register: 'Link Status', value: rateText(current) };
  if (isSlow && !isNarrow && lowersSpeedWhenIdle(context.index, lower)) {
    return [
      makeReason('LINK_IDLE_DOWNSHIFT', {
        at: link.lower,
        evidence,
        detail: `the link ${link.upper} - ${link.lower} runs at ${rateText(current)} now and can do ${rateText(max)}: GPUs lower the speed while idle; figures use the latter`,
        hint: 'look again under load; if it stays low then, it is degraded',
      }),
    ];
  }
  return [
    makeReason('LINK_DEGRADED', {
      at: link.lower,
      evidence,
      detail: `the link ${link.upper} - ${link.lower} runs at ${rateText(current)}, both ends can do ${rateText(max)}`,
      hint: isNarrow
        ? 'reseat the card, check riser and cable, and whether the slot shares lanes with another'
        : 'check firmware settings for the link speed, riser and cable; power management may also lower it while idle',
    }),
  ];
}

/** The port offers less than the card could take (or the reverse), and the difference is known on both ends. */
function portReasons(link: LinkOnPath, upper: MachineFunction, lower: MachineFunction): Reason[] {
  const a = upper.link?.max;
  const b = lower.link?.max;
  if (
    a === undefined ||
    b === undefined ||
    ![a, b, link.max!].every((rate) => isKnownLinkSpeed(rate.speedGTs))
  ) {
    return [];
  }
  // Only a card in too small a slot is worth a word; a small card in a large slot is ordinary.
  if (netGBs(link.max!) >= netGBs(b)) {
    return [];
  }
  return [
    makeReason('LINK_LIMITED_BY_PORT', {
      at: link.upper,
      evidence: { register: 'Link Capabilities', value: rateText(a) },
      detail: `${link.lower} could do ${rateText(b)}, the port ${link.upper} above it ${rateText(a)}`,
      hint: 'a wider or faster slot would help this card',
    }),
  ];
}

/** Upstream ports of AMD chipsets, which are switches: everything behind shares their link. */
const AMD_CHIPSET_UPSTREAM = new Set([0x43b0, 0x43b4, 0x43c6, 0x43e9, 0x43f4, 0x57ad]);

function chipsetReasons(context: PairContext): Reason[] {
  const reasons: Reason[] = [];
  for (const fn of context.path) {
    const { vendorId, deviceId, pcieType } = fn;
    if (
      vendorId === 0x1022 &&
      deviceId !== undefined &&
      pcieType === 'switch-upstream' &&
      AMD_CHIPSET_UPSTREAM.has(deviceId)
    ) {
      reasons.push(chipsetReason(fn, 'the upstream port of the chipset'));
    } else if (isIntelChipsetPort(context.machine, fn) && crossesRoot(context)) {
      reasons.push(chipsetReason(fn, 'a root port of the chipset (PCH), behind the DMI link'));
    }
  }
  return reasons;
}

/** The transfer goes through the root port, not only up to a switch below it. */
function crossesRoot(context: PairContext): boolean {
  return context.verdict.mapType !== 'bus-addr';
}

function chipsetReason(fn: MachineFunction, what: string): Reason {
  return makeReason('CHIPSET_UPLINK', {
    at: fn.bdf,
    detail: `${fn.bdf} is ${what}: its link to the CPU is shared with everything else on the chipset and does not show here`,
    hint: 'put the card into a slot that is wired to the CPU',
  });
}
