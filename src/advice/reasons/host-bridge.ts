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
    return [];
  }
  return [
    makeReason('DIRECT_SWITCH', {
      at: verdict.common,
      detail: `requests turn round at ${verdict.common} and never reach the host bridge`,
      hint: 'nothing to change',
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
    at: ruling.representatives.find((bdf) => bdf !== null) ?? hostBridgeKeys(context),
    evidence: { register: 'Vendor ID, Device ID', value: representativesText(ruling) },
    detail: `the kernel does not let peer requests through the host bridge: ${refusal(context, ruling)}`,
    hint: refusalHint(context, ruling),
  });
}

function representativesText(ruling: HostBridgeRuling): string {
  const ids = [...new Set(ruling.ids.map((id) => id ?? 'none'))];
  return ids.join(' and ');
}

function refusal(context: PairContext, ruling: HostBridgeRuling): string {
  switch (ruling.by) {
    case 'same-host-bridge-required':
      return `${representativesText(ruling)} is listed for pairs below one and the same host bridge only`;
    case 'no-representative':
      return 'no function of its root bus can stand for it (the first one is neither 00.0 nor a root port)';
    case 'not-in-this-kernel':
      return `${context.rules.id} has no list of host bridges for this case`;
    case 'iommu-present':
      return 'this kernel accepts Zen only while no IOMMU is in use';
    default:
      return `${representativesText(ruling)} is not on the list of ${context.rules.id}`;
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
