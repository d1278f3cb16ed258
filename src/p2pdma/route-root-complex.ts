/** What becomes of a request at the root complex: knowledge of its family, sockets, the chipset, the IOMMU. */
import type { MachineFunction } from '../topology/index.ts';
import {
  differInSocket,
  isIntelChipsetPort,
  type PeerSupport,
  type RootComplexKnowledge,
} from './root-complex.ts';
import { route } from './route-stops.ts';
import type { RequestKind, Trip } from './route-trip.ts';
import type { PhysicalRoute } from './verdict.ts';

/**
 * @param kind  `completion`: of a read whose request went straight. Evidence that reads are refused is about read requests
 *              and says nothing of completions; that reads work takes both.
 */
export function atRootComplex(
  trip: Trip,
  kind: RequestKind | 'completion',
  outcome: 'redirected' | 'root-complex',
  at: MachineFunction,
  hops: readonly string[],
  why: string,
): PhysicalRoute {
  const { knowledge, provider } = trip;
  const place = outcome === 'redirected' ? at.bdf : provider.hostBridge;
  const chipset = [trip.up, trip.down]
    .map((chain) => chain[chain.length - 1]!)
    .find((top) => isIntelChipsetPort(trip.index.machine, top));
  if (chipset !== undefined) {
    return route(
      'unknown',
      chipset.bdf,
      hops,
      `${why}; ${chipset.bdf} is a port of the chipset, and how that routes peers is not known`,
    );
  }
  const vmd = trip.index.machine.hostBridges.find(
    ({ key, behind }) => behind !== null && (key === provider.hostBridge || key === trip.client.hostBridge),
  );
  if (vmd !== undefined) {
    const detail = `${why}; ${vmd.key} lies behind ${vmd.behind}, and how that routes peers is not known`;
    return route('unknown', vmd.key, hops, detail);
  }
  const sockets = socketsCrossed(trip);
  const support = combine(supportOf(knowledge, kind), sockets === false ? 'routes' : knowledge.acrossSockets);
  const what = kind === 'completion' ? 'completions of peer reads' : `peer ${kind}s`;
  if (support === 'refuses') {
    const detail = `${why}; ${knowledge.family} refuses ${what} (${knowledge.source})`;
    return { ...route('blocked', provider.hostBridge, hops, detail), translated: isTranslated(trip) };
  }
  if (support === 'unknown') {
    const across = sockets === false ? '' : sockets ? ' across sockets' : ' if they are on different sockets';
    const known = knowledge.family === 'unknown' ? '' : across;
    return {
      ...route(
        'unknown',
        place,
        hops,
        `${why}; whether the root complex routes ${kind === 'completion' ? what : 'this'}${known} is not known (${knowledge.source})`,
      ),
      translated: isTranslated(trip),
    };
  }
  const detail = `${why}; ${knowledge.family} routes ${what} (${knowledge.source})`;
  return { ...route(outcome, place, hops, detail), translated: isTranslated(trip) };
}

function supportOf(knowledge: RootComplexKnowledge, kind: RequestKind | 'completion'): PeerSupport {
  if (kind === 'write') {
    return knowledge.writes;
  }
  return kind === 'completion' && knowledge.reads === 'refuses' ? 'unknown' : knowledge.reads;
}

function combine(within: PeerSupport, across: PeerSupport): PeerSupport {
  if (within === 'refuses' || across === 'refuses') {
    return 'refuses';
  }
  return within === 'routes' && across === 'routes' ? 'routes' : 'unknown';
}

/** False on one socket or one host bridge; true when the nodes belong to different sockets; undefined when that is not known. */
function socketsCrossed(trip: Trip): boolean | undefined {
  const { provider, client, index } = trip;
  const { sockets } = index.machine.cpu;
  if (provider.hostBridge === client.hostBridge || sockets === 1) {
    return false;
  }
  return differInSocket(index.machine, provider.numaNode, client.numaNode);
}

/** What reaches the root complex meets the IOMMU, if there is one. */
function isTranslated(trip: Trip): boolean | undefined {
  if (trip.translated === true) {
    return false;
  }
  switch (trip.index.machine.iommu.mode) {
    case 'translated':
      return true;
    case 'off':
    case 'passthrough':
      return false;
    case 'on':
    case undefined:
      return undefined;
  }
}
