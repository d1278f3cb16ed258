/** How the way ends: below a common function, or at host bridges that the kernel trusts or does not. */
import type { HostBridgeRuling } from '../../p2pdma/index.ts';
import { familyText } from '../../topology/index.ts';
import type { PairContext } from '../pair-context.ts';
import { makeReason, type Reason } from '../reason-codes.ts';

export function routeReasons(context: PairContext): Reason[] {
  return [...treeReasons(context), ...rulingReasons(context), ...readReasons(context)];
}

function treeReasons(context: PairContext): Reason[] {
  const { verdict } = context;
  if (verdict.provider === verdict.client) {
    return [
      makeReason('SAME_FUNCTION', {
        at: verdict.provider,
        detail: 'provider and client are the same function: it reaches its own memory',
        hint: 'nothing to change',
      }),
    ];
  }
  if (verdict.common === undefined) {
    return [
      makeReason('PATH_UNKNOWN', {
        at: verdict.decidedBy,
        detail: 'the input leaves bridges out between the two, so it cannot be told where their ways meet',
        hint: 'take a snapshot on the machine: `sudo peerlane snapshot -o host.tar.gz`',
      }),
    ];
  }
  if (verdict.common === null) {
    return [
      makeReason('NO_COMMON_UPSTREAM', {
        blocks: verdict.usable === false,
        at: hostBridgeKeys(context),
        detail: 'no switch or port is above both: every request goes through the host bridge',
        hint: 'put both cards below one switch, if the machine has one; otherwise only the host bridge decides',
      }),
    ];
  }
  if (verdict.mapType !== 'bus-addr') {
    return hiddenReasons(context);
  }
  return [
    makeReason('DIRECT_SWITCH', {
      at: verdict.common,
      detail: `requests turn round at ${verdict.common} and never reach the host bridge`,
      hint: 'nothing to change',
    }),
  ];
}

/** They meet, but what the input leaves out on the way there may redirect, and is not counted. */
function hiddenReasons(context: PairContext): Reason[] {
  const { verdict, path } = context;
  const below = path.filter((fn) => fn.bdf !== verdict.common);
  const hidden = below.find((fn) => fn.hiddenAbove);
  if (hidden === undefined || (verdict.distance !== null && verdict.mapType !== 'unknown')) {
    return [];
  }
  return [
    makeReason('PATH_UNKNOWN', {
      at: hidden.bdf,
      detail: `the input leaves out bridges above ${hidden.bdf}: whether they redirect, and how many there are, is not known`,
      hint: 'take a snapshot on the machine: `sudo peerlane snapshot -o host.tar.gz`',
    }),
  ];
}

function hostBridgeKeys(context: PairContext): string {
  const { provider, client } = context;
  return provider.hostBridge === client.hostBridge
    ? provider.hostBridge
    : `${provider.hostBridge} ${client.hostBridge}`;
}

function rulingReasons(context: PairContext): Reason[] {
  const { verdict } = context;
  const ruling = verdict.hostBridge;
  if (ruling === null || verdict.mapType === 'bus-addr') {
    return [];
  }
  if (ruling.accepted === true) {
    return verdict.mapType === 'thru-host-bridge' ? [acceptedReason(context, ruling)] : [];
  }
  if (ruling.accepted === undefined) {
    return verdict.mapType === 'unknown' ? [openReason(context, ruling)] : [];
  }
  return [refusedReason(context, ruling)];
}

function acceptedReason(context: PairContext, ruling: HostBridgeRuling): Reason {
  const { machine } = context;
  const why =
    ruling.by === 'cpu'
      ? `the CPU is AMD family ${familyText(machine.cpu) ?? 'unknown'}, which the kernel accepts everywhere`
      : `its host bridge is on the kernel's list (${representativesText(ruling)})`;
  return makeReason('THRU_HOST_BRIDGE', {
    at: hostBridgeKeys(context),
    evidence:
      ruling.by === 'cpu'
        ? {
            register: 'CPU vendor and family',
            value: `${machine.cpu.vendor} ${familyText(machine.cpu) ?? 'unknown'}`,
          }
        : { register: 'Vendor ID, Device ID', value: representativesText(ruling) },
    detail: `requests go up to the host bridge and down again: ${why}`,
    hint:
      context.verdict.rule === 'acs-redirect'
        ? `the direct way is closed by ACS: \`peerlane fix ${context.verdict.provider} ${context.verdict.client}\``
        : 'it works; below one switch it would be faster',
  });
}

function openReason(context: PairContext, ruling: HostBridgeRuling): Reason {
  const { machine } = context;
  const lacks = [
    ...(machine.cpu.vendor === undefined ? ['the CPU vendor'] : []),
    ...(machine.cpu.vendor === 'amd' && familyText(machine.cpu) === undefined ? ['the CPU family'] : []),
    ...(machine.kernel.release === undefined ? ['the kernel version'] : []),
    ...(ruling.ids.some((id) => id === null) ? ['which function stands for the host bridge'] : []),
  ];
  return makeReason('RC_UNKNOWN', {
    at: hostBridgeKeys(context),
    detail: `whether the kernel accepts this host bridge cannot be told${lacks.length === 0 ? '' : `: ${lacks.join(', ')} not known`}`,
    hint: 'take a snapshot on the machine, or name the CPU with --cpu and the kernel with --kernel',
  });
}

function refusedReason(context: PairContext, ruling: HostBridgeRuling): Reason {
  const { verdict } = context;
  return makeReason('RC_NOT_LISTED', {
    blocks: verdict.usable === false,
    at: refusedAt(context, ruling),
    evidence: { register: 'Vendor ID, Device ID', value: refusedText(ruling) },
    detail: `the kernel does not let peer requests through the host bridge: ${refusal(context, ruling)}`,
    hint: refusalHint(context, ruling),
  });
}

function representativesText(ruling: HostBridgeRuling): string {
  const ids = [...new Set(ruling.ids.map((id) => id ?? 'none'))];
  return ids.join(' and ');
}

/** The first function that the list refuses; its host bridge where none stands for it. */
function refusedAt(context: PairContext, ruling: HostBridgeRuling): string {
  const first = ruling.refused.indexOf(true);
  if (first < 0) {
    return ruling.representatives.find((bdf) => bdf !== null) ?? hostBridgeKeys(context);
  }
  const { provider, client } = context;
  return ruling.representatives[first] ?? [provider, client][first]!.hostBridge;
}

/** Of two host bridges only those that are refused: the other one may well be on the list. */
function refusedText(ruling: HostBridgeRuling): string {
  const ids = ruling.refused.includes(true)
    ? ruling.ids.filter((_, side) => ruling.refused[side])
    : ruling.ids;
  return [...new Set(ids.map((id) => id ?? 'none'))].join(' and ');
}

function isPlural(ruling: HostBridgeRuling): boolean {
  return refusedText(ruling).includes(' and ');
}

function refusal(context: PairContext, ruling: HostBridgeRuling): string {
  switch (ruling.by) {
    case 'same-host-bridge-required':
      return `${refusedText(ruling)} ${isPlural(ruling) ? 'are' : 'is'} listed for pairs below one and the same host bridge only`;
    case 'no-representative':
      return `no function of the root bus ${refusedAt(context, ruling)} can stand for it (${firstOfBus(context)})`;
    case 'not-in-this-kernel':
      return `${context.rules.id} has no list of host bridges for this case`;
    case 'iommu-present':
      return 'this kernel accepts Zen only while no IOMMU is in use';
    default:
      return `${refusedText(ruling)} ${isPlural(ruling) ? 'are' : 'is'} not on the list of ${context.rules.id}`;
  }
}

/** What the rules ask of the function that stands for a host bridge. */
function firstOfBus(context: PairContext): string {
  switch (context.rules.intervals.at(-1)!.representative) {
    case 'slot-00.0':
      return 'it has no 00.0';
    case 'first-if-00.0':
      return 'the first one is not 00.0';
    case 'first-if-00.0-or-root-port':
      return 'the first one is neither 00.0 nor a root port';
  }
}

function refusalHint(context: PairContext, ruling: HostBridgeRuling): string {
  if (ruling.by === 'not-in-this-kernel') {
    return 'a newer kernel knows more host bridges: try `--kernel 7.3` to see what it would say';
  }
  if (ruling.by === 'iommu-present') {
    return 'a kernel from 5.4 on does not ask for the IOMMU; or boot with amd_iommu=off';
  }
  return context.verdict.rule === 'acs-redirect'
    ? 'the way through it is needed only because of ACS: clear the redirects, or try `--kernel` with a newer version'
    : 'put both cards below one switch, or try `--kernel` with a newer version; the list cannot be changed at run time';
}

/** Blocked by the root complex itself, not by a port on the way. */
function readReasons(context: PairContext): Reason[] {
  const { read, write } = context.physical;
  const isRootComplex = context.machine.hostBridges.some((bridge) => bridge.key === read.at);
  if (read.outcome !== 'blocked' || write.outcome === 'blocked' || !isRootComplex) {
    return [];
  }
  const { cpu } = context.machine;
  return [
    makeReason('RC_READ_UNSUPPORTED', {
      blocks: true,
      at: read.at,
      evidence: cpu.vendor === undefined ? null : { register: 'CPU', value: cpu.name ?? cpu.vendor },
      detail: `writes arrive, reads do not: ${read.detail}`,
      hint: 'turn the transfer round so that the side which has the data writes it, or use host memory',
    }),
  ];
}
