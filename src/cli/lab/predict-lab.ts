/** Timing of the functions of a lab file, for predictions. Loaded with labs only. */
import type { MediaRates, PeerPolicy, PredictFacts } from '../../advice/index.ts';
import { type LabEndpoint, type LabMember, type LabPortTiming, mediaTiming } from '../../lab/index.ts';
import type { RunningLab } from './boot.ts';

export { endpointTiming, labPlatform } from '../../lab/index.ts';

type LabNode = LabMember['node'];
/** What `kind: nvme` says of a node. */
type LabDrive = Parameters<typeof mediaTiming>[0];

/** Bridges have no DMA engine of their own. */
export function isLabEndpoint(node: LabNode): node is LabNode & LabEndpoint {
  return (
    !['root-port', 'switch', 'port', 'pci-bridge', 'vmd'].includes(node.kind) &&
    'timing' in node &&
    'link' in node
  );
}

/** Null for what is no drive. */
export function mediaRates(node: LabNode): MediaRates | null {
  if (node.kind !== 'nvme') {
    return null;
  }
  const { readGBs, writeGBs } = mediaTiming(node as unknown as LabDrive);
  return {
    name: 'media of the lab file',
    readGBs: readGBs ?? Number.POSITIVE_INFINITY,
    writeGBs: writeGBs ?? Number.POSITIVE_INFINITY,
  };
}

type FabricNode = LabMember['fn'];
type HostPolicy = FabricNode['device']['bus']['hostBridge']['sameBridge'];

/** What a lab says beside presets: what its root complexes pass, who relaxes order, and what closed forms leave out. */
export function labFacts({
  lab,
  machine,
}: RunningLab): Required<Pick<PredictFacts, 'peers' | 'isRelaxed' | 'leftOut' | 'nodesPerSocket'>> {
  const functions = new Map<string, FabricNode>();
  const nodes = new Map<string, LabNode>();
  for (const { fn, node, bdf } of machine.members) {
    functions.set(bdf, fn);
    nodes.set(bdf, node);
    for (const virtual of fn.virtuals) {
      functions.set(virtual.bdf, virtual);
    }
  }
  return {
    peers: (provider, client) =>
      policyOf(functions.get(provider.bdf), functions.get(client.bdf), lab.time.platform),
    isRelaxed: ({ bdf }) => functions.get(bdf)?.device.usesRelaxedOrdering ?? null,
    leftOut: ({ bdf }) => leftOut(bdf, nodes.get(bdf), lab),
    nodesPerSocket: Math.max(1, Math.ceil(lab.memory.length / Math.max(1, lab.cpu.sockets))),
  };
}

const LEAST: readonly HostPolicy[] = ['none', 'writes-only', 'routes'];

function policyOf(
  provider: FabricNode | undefined,
  client: FabricNode | undefined,
  platform: string,
): PeerPolicy | null {
  if (provider === undefined || client === undefined) {
    return null;
  }
  const [from, to] = [client.device.bus.hostBridge, provider.device.bus.hostBridge];
  const policies = from === to ? [from.sameBridge] : [from.otherBridge, to.otherBridge];
  const policy = LEAST.find((each) => policies.includes(each))!;
  const key = from === to ? 'peers' : 'peers-across';
  const whose = from === to ? from.name : `${from.name} and ${to.name}`;
  const named = platform === 'auto' ? '' : `, with the platform ${platform} that the lab names`;
  return {
    writes: policy !== 'none',
    reads: policy === 'routes',
    because: `\`${key}: ${policy}\` of ${whose} in the lab file${named}`,
  };
}

/** What the simulation knows of a port or a device and predictions do not. */
function leftOut(bdf: string, node: LabNode | undefined, { time }: RunningLab['lab']): readonly string[] {
  // Of endpoints `timing` has credits as ports do, and neither forwarding nor errors.
  const own: Partial<LabPortTiming> | null =
    node !== undefined && 'timing' in node ? (node.timing as Partial<LabPortTiming> | null) : null;
  const credits = own?.credits ?? time.credits;
  const hasCredits = credits != null && Object.values(credits).some((count) => count !== null);
  const isSaid = (own?.forwarding ?? null) !== null || (own?.latencyPs ?? null) !== null;
  const errorRate = own?.errorRate ?? time.errorRate;
  return [
    ...(hasCredits ? ['credits of links as the lab has them'] : []),
    ...(isSaid || time.forwarding === 'store-and-forward'
      ? [`latency and forwarding of ${bdf} as the lab has them`]
      : []),
    ...(errorRate > 0 ? [`packets that ${bdf} sends again`] : []),
  ];
}
