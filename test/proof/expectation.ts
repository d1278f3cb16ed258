/**
 * What a predicted route allows an execution to be: links, arrival, status. The prediction says what PCI Express does; what the
 * lab decides on top of it (does its root complex pass peers on, does its IOMMU have the page) is added here from the lab.
 */
import type { FabricFunction } from '../../src/fabric/index.ts';
import type { LabFile, LabMachine, LabPeerPolicy } from '../../src/lab/index.ts';
import type { PhysicalRoute, PhysicalRoutes } from '../../src/p2pdma/index.ts';
import { type Executed, functionOf, type LinkName, nameOf, type RequestName } from './bench-lab.ts';
import { isHostBridge, isSameSet, linksOf, linksUp, reversed, waysBetween } from './paths.ts';

export interface Asked {
  readonly machine: LabMachine;
  readonly client: FabricFunction;
  readonly provider: FabricFunction;
  readonly routes: PhysicalRoutes;
  readonly what: RequestName;
  /** The IOMMU translates, and has no page for this address and client. */
  readonly isUnmapped: boolean;
  /** The client has ATS enabled: it asks for a translation before it sends anything. */
  readonly asksFirst: boolean;
  /** A port above the client has Translation Blocking enabled, so that it is not answered. */
  readonly isAskingBlocked: boolean;
  /** Reads of command data carry Relaxed Ordering. */
  readonly canRelax: boolean;
}

export interface Answer {
  /** What the execution does that the prediction does not allow; null when they agree. */
  readonly disagreement: string | null;
  /** How far the prediction went: its outcome, and for `unknown` why. */
  readonly kind: string;
}

/** What a lab's root complex does with a request between two of its functions. */
export function rootComplexPasses(
  lab: LabFile,
  machine: LabMachine,
  client: FabricFunction,
  provider: FabricFunction,
  isWrite: boolean,
): boolean {
  const bridgeOf = (fn: FabricFunction) =>
    lab.hostBridges[machine.fabric.hostBridges.indexOf(fn.device.bus.hostBridge)]!;
  const [from, to] = [bridgeOf(client), bridgeOf(provider)];
  const passes = (policy: LabPeerPolicy): boolean =>
    policy === 'routes' || (policy === 'writes-only' && isWrite);
  return from === to ? passes(from.peers) : passes(from.peersAcross) && passes(to.peersAcross);
}

export function judgeExecution(asked: Asked, executed: Executed): Answer {
  const { routes, what } = asked;
  const route = what === 'write' ? routes.write : routes.read;
  const kind = kindOf(route);
  // Without a translation nothing is sent, whatever would have become of it: that is the requester's doing, not a route.
  const isOff = route.outcome === 'blocked' && route.at === nameOf(asked.client) && !isBlockedByAcs(route);
  if (asked.asksFirst && !isOff && (asked.isAskingBlocked || asked.isUnmapped)) {
    const by = asked.isAskingBlocked ? 'TB above the client' : 'no page in the IOMMU';
    return { kind: `not sent for want of a translation: ${by}`, disagreement: unsentError(asked, executed) };
  }
  return { kind, disagreement: outcomeError(asked, executed) ?? routeError(asked, route, executed) };
}

function unsentError(asked: Asked, executed: Executed): string | null {
  if (!asked.isAskingBlocked && executed.iommuFaults === 0) {
    return 'the IOMMU recorded no fault';
  }
  return outcomeError(asked, executed) ?? lossError(asked, executed, []);
}

/** Status and bytes belong together, whatever the way was. */
function outcomeError({ what }: Asked, executed: Executed): string | null {
  const { status, hasArrived, isAllOnes } = executed;
  if (what === 'write') {
    return hasArrived && status !== 0 ? `a write arrived with status ${status}` : null;
  }
  if (hasArrived !== (status === 0)) {
    return `a read ended with ${status}, and its bytes are ${hasArrived ? '' : 'not '}those of the target`;
  }
  return status !== 0 && !isAllOnes ? 'a failed read is not all ones' : null;
}

function routeError(asked: Asked, route: PhysicalRoute, executed: Executed): string | null {
  const { machine, routes, what } = asked;
  const isCompletionTurned =
    what !== 'write' && routes.write.outcome === 'direct' && route.outcome !== 'direct';
  if (isCompletionTurned) {
    return completionError(asked, route, executed);
  }
  if (route.outcome === 'direct') {
    return arrivalError(asked, executed, [linksOf(machine, route.hops)]);
  }
  // Functions of one integrated device may reach each other inside it or over the root complex; which, is its maker's.
  const isOneDevice = route.outcome === 'unknown' && asked.client.device === asked.provider.device;
  if (goesThroughRoot(route) && !isOneDevice) {
    return throughRootError(asked, route, executed);
  }
  if (route.outcome === 'blocked') {
    return blockedError(asked, route, executed);
  }
  return unknownError(asked, executed);
}

/** The whole way over the root complex is told, whether or not it is known to be open. */
function goesThroughRoot(route: PhysicalRoute): boolean {
  return route.hops.some(isHostBridge);
}

/** It arrived over one of these ways, and completions came back as they may. */
function arrivalError(
  asked: Asked,
  executed: Executed,
  ways: readonly (readonly LinkName[])[],
  backs?: readonly (readonly LinkName[])[],
): string | null {
  const { what } = asked;
  if (!executed.hasArrived) {
    return `it did not arrive (status ${executed.status}); moved on ${shown(executed)}`;
  }
  const fits = ways.some((way) => {
    if (what === 'write') {
      return isSameSet(executed.moved.payload.keys(), way) && isSameSet(executed.moved.packets, way);
    }
    return (backs ?? [reversed(way)]).some(
      (back) =>
        isSameSet(executed.moved.payload.keys(), back) &&
        isSameSet(executed.moved.packets, [...way, ...back]),
    );
  });
  const wanted = ways.map((way) => `[${way.join(', ')}]`).join(' or ');
  return fits ? null : `it moved on ${shown(executed)} instead of ${wanted}`;
}

/** It did not arrive, and went no further than this. */
function lossError(asked: Asked, executed: Executed, upTo: readonly LinkName[]): string | null {
  if (executed.hasArrived) {
    return `it arrived, over ${shown(executed)}`;
  }
  const wanted = asked.what === 'write' ? upTo : [...upTo, ...reversed(upTo)];
  return isSameSet(executed.moved.packets, wanted)
    ? null
    : `it was lost after ${shown(executed)} instead of after [${upTo.join(', ')}]`;
}

function throughRootError(asked: Asked, route: PhysicalRoute, executed: Executed): string | null {
  const { machine, client, provider, what, isUnmapped, routes } = asked;
  const at = route.hops.findIndex(isHostBridge);
  const climbed = linksOf(machine, route.hops.slice(0, at));
  if (isUnmapped) {
    return executed.iommuFaults === 0 ? 'the IOMMU recorded no fault' : lossError(asked, executed, climbed);
  }
  if (!rootComplexPasses(machine.lab, machine, client, provider, what === 'write')) {
    return lossError(asked, executed, climbed);
  }
  // Where completions of a redirected request go is not part of the prediction: back the same way, or lower.
  const backs = routes.write.outcome === 'direct' ? undefined : waysBetween(provider, client);
  const ways = [linksOf(machine, route.hops)];
  const isOpen = route.outcome === 'unknown' && /upstream forwarding|clear/.test(route.detail);
  return isOpen ? unknownError(asked, executed) : arrivalError(asked, executed, ways, backs);
}

/** The request went straight, its completions do not. */
function completionError(asked: Asked, route: PhysicalRoute, executed: Executed): string | null {
  const { machine, client, provider, what, routes, canRelax } = asked;
  const way = linksOf(machine, routes.write.hops);
  const straight = reversed(way);
  // Completions of relaxed reads are not redirected (PCIe Base 6.0, 6.12.1.1): with them both is right.
  const relaxed = what === 'relaxed-read' && canRelax ? [straight] : [];
  if (route.outcome === 'redirected') {
    const turned = reversed(linksOf(machine, route.hops));
    return arrivalError(asked, executed, [way], relaxed.length > 0 ? relaxed : [turned]);
  }
  if (relaxed.length > 0) {
    return arrivalError(asked, executed, [way], relaxed);
  }
  if (route.outcome === 'blocked' || !executed.hasArrived) {
    return executed.hasArrived ? `it arrived, over ${shown(executed)}` : null;
  }
  return arrivalError(asked, executed, [way], waysBetween(provider, client));
}

/** Egress control: the port that blocks a request logs it. */
export function isBlockedByAcs(route: PhysicalRoute): boolean {
  return route.outcome === 'blocked' && route.at !== null && /\(EC\)/.test(route.detail);
}

function blockedError(asked: Asked, route: PhysicalRoute, executed: Executed): string | null {
  const { machine, client, provider, what, isUnmapped } = asked;
  if (executed.hasArrived) {
    return `it arrived, over ${shown(executed)}`;
  }
  if (isBlockedByAcs(route)) {
    // Of a posted write an uncorrectable error; of a read an advisory one, which is masked after reset (6.12.4, 6.2.3.2.4).
    // At a root port the root complex may have refused it before: its IOMMU, or because it passes no peers on.
    const isRoot = functionOf(machine, route.at!).kind === 'root-port';
    const passes = rootComplexPasses(machine.lab, machine, client, provider, what === 'write');
    const mayEndBefore = isRoot && (isUnmapped || !passes);
    if (what === 'write' && !executed.hasViolation && !mayEndBefore) {
      return `${route.at} has logged no ACS violation`;
    }
    return lossError(asked, executed, linksOf(machine, route.hops));
  }
  if (route.at === nameOf(client) && /bus mastering is off/.test(route.detail)) {
    return lossError(asked, executed, []);
  }
  // Switched off somewhere: it ends there or before, on no way that leads anywhere else.
  const possible = new Set(waysBetween(client, provider).flat());
  const all = what === 'write' ? possible : new Set([...possible, ...reversed(possible)]);
  return [...executed.moved.packets].every((link) => all.has(link)) ? null : `it moved on ${shown(executed)}`;
}

/** Not known: then at least a way that exists, or the beginning of one. */
function unknownError(asked: Asked, executed: Executed): string | null {
  const { client, provider, what } = asked;
  const ways = waysBetween(client, provider);
  if (executed.hasArrived) {
    return arrivalError(asked, executed, ways, what === 'write' ? undefined : waysBetween(provider, client));
  }
  const begun = new Set(linksUp(client, null));
  const possible = new Set([...ways.flat(), ...begun]);
  const all = what === 'write' ? possible : new Set([...possible, ...reversed(possible)]);
  return [...executed.moved.packets].every((link) => all.has(link)) ? null : `it moved on ${shown(executed)}`;
}

function shown({ moved }: Executed): string {
  return `[${[...moved.packets].map((link) => `${link}${moved.payload.has(link) ? '*' : ''}`).join(', ')}]`;
}

/** Reasons for `unknown`, by their words. What is in no row makes a test fail: it would be a new kind of not knowing. */
const UNKNOWN_KINDS: readonly (readonly [string, RegExp])[] = [
  ['functions of a device without ACS', /has no ACS: whether its device joins/],
  ['upstream forwarding is clear', /upstream forwarding|\(UF clear/],
  ['part of the root complex', /part of the root complex|does not hang below a PCIe root port/],
  ['root complex not known', /is not known \(/],
  ['egress control towards something unnumbered', /has egress control/],
];

export function kindOf(route: PhysicalRoute): string {
  if (route.outcome !== 'unknown') {
    return route.outcome;
  }
  const found = UNKNOWN_KINDS.find(([, words]) => words.test(route.detail));
  return `unknown: ${found?.[0] ?? `?? ${route.detail}`}`;
}
