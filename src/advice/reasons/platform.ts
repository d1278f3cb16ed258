/** The platform around the pair: presence, power, IOMMU, sockets, virtual machines. */
import { bdfParts } from '../../base/index.ts';
import { differInSocket } from '../../p2pdma/index.ts';
import type { MachineFunction } from '../../topology/index.ts';
import { nameOf, type PairContext } from '../pair-context.ts';
import { makeReason, type Reason } from '../reason-codes.ts';

export function platformReasons(context: PairContext): Reason[] {
  return [
    ...presenceReasons(context),
    ...iommuReasons(context),
    ...distanceReasons(context),
    ...conventionalReasons(context),
    ...guestReasons(context),
  ];
}

function endpoints(context: PairContext): MachineFunction[] {
  return [...new Set([context.provider, context.client])];
}

function presenceReasons(context: PairContext): Reason[] {
  const reasons: Reason[] = [];
  const passed = new Set([...endpoints(context), ...context.path]);
  for (const fn of passed) {
    if (fn.isGone) {
      reasons.push(
        makeReason('DEVICE_GONE', {
          blocks: true,
          at: fn.bdf,
          evidence: { register: 'config space', value: 'all ones' },
          detail: `${nameOf(fn)} does not answer: it is off, hung or gone; the kernel takes what it reads there (0xffff) for a redirect`,
          hint: 'wake it up or reset it, or remove and rescan it; look for errors in the kernel log',
        }),
      );
    }
  }
  for (const fn of endpoints(context)) {
    if (!fn.isGone && fn.powerState !== undefined && /^D3/.test(fn.powerState)) {
      reasons.push(
        makeReason('POWERED_DOWN', {
          at: fn.bdf,
          evidence: { register: 'power_state', value: fn.powerState },
          detail: `${nameOf(fn)} is in ${fn.powerState}; peer-to-peer DMA does not keep it awake, and its memory does not answer while it sleeps`,
          hint: 'keep it awake: echo on > /sys/bus/pci/devices/ADDRESS/power/control',
        }),
      );
    }
  }
  if (context.client.isUntrusted === true) {
    reasons.push(
      makeReason('EXTERNAL_UNTRUSTED', {
        at: context.client.bdf,
        evidence: { register: 'untrusted', value: '1' },
        detail: `${nameOf(context.client)} is outside the machine for Linux (Thunderbolt or another external port): its mappings go through bounce buffers without asking for a verdict`,
        hint: 'external devices are kept behind the IOMMU on purpose; use an internal slot',
      }),
    );
  }
  return reasons;
}

function iommuReasons(context: PairContext): Reason[] {
  const { machine, physical, verdict, provider, client } = context;
  const reasons: Reason[] = [];
  if (
    verdict.mapType === 'thru-host-bridge' &&
    machine.iommu.mode === 'translated' &&
    // A requester with ATS brings translated addresses; what the hardware would turn round below gets an IOVA and goes up.
    (physical.write.translated !== false || physical.write.outcome === 'direct')
  ) {
    reasons.push(
      makeReason('IOMMU_TRANSLATED', {
        at: provider.hostBridge,
        evidence: { register: 'IOMMU mode', value: machine.iommu.mode ?? 'unknown' },
        detail:
          'the IOMMU translates every request of this way, which costs a look-up each and misses on large windows',
        hint: 'boot with iommu=pt where devices need not be isolated from the host',
      }),
    );
  }
  if (
    verdict.rule === 'acs-redirect' &&
    typeof provider.iommuGroup === 'string' &&
    typeof client.iommuGroup === 'string' &&
    provider.iommuGroup !== client.iommuGroup
  ) {
    reasons.push(
      makeReason('IOMMU_GROUP_SPLIT', {
        at: verdict.common ?? null,
        evidence: { register: 'iommu_group', value: `${provider.iommuGroup} and ${client.iommuGroup}` },
        detail: `the two are in IOMMU groups ${provider.iommuGroup} and ${client.iommuGroup}: the redirect that stands in the way is what keeps them apart`,
        hint: 'without it they can be handed to a guest only together',
      }),
    );
  }
  return reasons;
}

/** Nodes are not sockets: firmware may cut a socket into several (NPS, sub-NUMA clusters). */
const CROSSING = {
  true: ': requests cross the link between sockets',
  false: ' of one socket',
  undefined: ': requests may cross the link between sockets',
} as const;

function distanceReasons(context: PairContext): Reason[] {
  const { provider, client, verdict, machine } = context;
  const reasons: Reason[] = [];
  const a = provider.numaNode;
  const b = client.numaNode;
  if (verdict.common == null && typeof a === 'number' && typeof b === 'number' && a !== b) {
    const isCrossing = differInSocket(machine, a, b);
    reasons.push(
      makeReason('CROSS_SOCKET', {
        at: null,
        evidence: { register: 'numa_node', value: `${a} and ${b}` },
        detail: `provider and client belong to different NUMA nodes (${a} and ${b})${CROSSING[String(isCrossing) as keyof typeof CROSSING]}`,
        hint: 'put both cards on the same node',
      }),
    );
  }
  const domains = [bdfParts(provider.bdf).domain, bdfParts(client.bdf).domain];
  if (domains[0] !== domains[1]) {
    reasons.push(
      makeReason('CROSS_DOMAIN', {
        at: null,
        evidence: {
          register: 'PCI domain',
          value: domains.map((domain) => domain!.toString(16).padStart(4, '0')).join(' and '),
        },
        detail: 'provider and client are in different PCI domains (segments), which never share a bridge',
        hint: 'only host bridges that route between domains can carry this',
      }),
    );
  }
  // Below one switch the VMD is not passed.
  const isDirect = verdict.mapType === 'bus-addr';
  for (const fn of isDirect ? [] : endpoints(context)) {
    const bridge = machine.hostBridges.find((known) => known.key === fn.hostBridge);
    if (bridge?.behind != null) {
      reasons.push(
        makeReason('BEHIND_VMD', {
          at: bridge.behind,
          evidence: { register: 'host bridge', value: bridge.key },
          detail: `${nameOf(fn)} sits behind the Intel VMD ${bridge.behind}: to the kernel its domain has a host bridge of its own, which is on no list`,
          hint: 'switch VMD off for this slot in the firmware setup (RAID volumes on it will be lost)',
        }),
      );
    }
  }
  return reasons;
}

function conventionalReasons(context: PairContext): Reason[] {
  const passed = [...new Set([...endpoints(context), ...context.path])];
  return passed
    .filter((fn) => fn.pcieType === null && !isRootIntegrated(fn))
    .map((fn) =>
      makeReason('NOT_PCIE', {
        at: fn.bdf,
        evidence: { register: 'PCI Express Capability', value: 'absent' },
        detail: `${nameOf(fn)} is conventional PCI: the kernel treats it like any other, but peers on a parallel bus see each other only when their bridge forwards it`,
        hint: 'expect PCI rates and test with data',
      }),
    );
}

/** Functions of the chipset on a root bus have no PCI Express capability either, and are no parallel bus. */
function isRootIntegrated(fn: MachineFunction): boolean {
  return fn.parent === null;
}

function guestReasons(context: PairContext): Reason[] {
  if (context.machine.isVirtual !== true) {
    return [];
  }
  return [
    makeReason('VIRTUALISED', {
      detail:
        'this machine is a guest: its tree is what the hypervisor shows, and the real path is decided on the host',
      hint: 'ask on the host as well, with the addresses the devices have there',
    }),
  ];
}
