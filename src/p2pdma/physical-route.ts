/**
 * The way of a write and of a read between two functions by the rules of PCI Express, whatever a kernel thinks of it.
 *
 * The client is the requester, the provider's BAR the target. A request climbs from the client until a port finds the
 * target below another of its peers; there ACS of that ingress port decides. What is sent up ends at the root complex,
 * where only knowledge of its family helps. A read's completions travel back and are judged at the provider's port.
 *
 * Leaves out on purpose: BARs outside of bridge windows, and forged requester ids. PCIe Base 6.0, 1.3, 2.2.4, 6.12.
 */
import { type Bdf, bdfParts } from '../base/index.ts';
import { DEVICE_CONTROL } from '../spec/pcie/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import {
  completionTurn,
  type Decision,
  forwardTurn,
  passingTurn,
  portMemoryTurn,
  requestTurn,
  type Translated,
} from './acs-routing.ts';
import { portNumber } from './config-facts.ts';
import { positionOf } from './judge.ts';
import { atRootComplex } from './route-root-complex.ts';
import {
  direct,
  ended,
  names,
  route,
  stoppedAtBridges,
  stoppedAtTheEnds,
  stoppedByPower,
} from './route-stops.ts';
import { planTrip, type RequestKind, type Trip } from './route-trip.ts';
import type { PhysicalRoute, PhysicalRoutes } from './verdict.ts';

/**
 * Routes of a client's write to, and read from, a provider's memory.
 *
 * @throws {TopologyError} TOPO_UNKNOWN_BDF when either function is not in the machine
 */
export function physicalRoutes(index: MachineIndex, provider: Bdf, client: Bdf): PhysicalRoutes {
  const trip = planTrip(index, positionOf(index, provider), positionOf(index, client));
  const write = routeRequest(trip, 'write');
  return { write, read: routeRead(trip, routeRequest(trip, 'read')) };
}

function routeRequest(trip: Trip, kind: RequestKind): PhysicalRoute {
  const { provider, client } = trip;
  const stopped = stoppedAtTheEnds(trip);
  if (stopped !== null) {
    return stopped;
  }
  if (provider === client) {
    return direct([client.bdf], client.bdf, 'stays inside the function');
  }
  if (trip.treeGap !== null) {
    return route('unknown', null, [client.bdf], trip.treeGap);
  }
  return trip.upSteps < 0 ? throughRoot(trip, kind) : belowOneBridge(trip, kind);
}

/** Both hang below one bridge. */
function belowOneBridge(trip: Trip, kind: RequestKind): PhysicalRoute {
  const { up, down, upSteps, downSteps } = trip;
  const common = up[upSteps]!;
  const climbed = up.slice(0, upSteps);
  const descended = down.slice(0, downSteps).reverse();
  const turnsInside = common.pcieType === 'switch-upstream' && upSteps > 0 && downSteps > 0;
  const middle = turnsInside || isOneBus(trip) ? [] : [common];
  const hops = names([...climbed, ...middle, ...descended]);
  const stopped = stoppedAtBridges(climbed.slice(1), descended.slice(0, -1), names(climbed));
  if (stopped !== null) {
    return stopped;
  }
  for (const port of climbed.slice(1, -1)) {
    const decision = isIngress(port) ? passingTurn(port, trip.translated) : null;
    if (decision !== null && decision.turn !== 'direct') {
      return ended(decision, port, names(climbed));
    }
  }
  const ofPort = portMemory(trip, common, climbed.at(-1));
  if (ofPort !== null && ofPort.turn !== 'direct') {
    const ingress = climbed.at(-1)!;
    return ofPort.turn === 'redirected'
      ? redirected(trip, kind, ingress, ofPort.why)
      : ended(ofPort, ingress, names(climbed));
  }
  if (upSteps === 0 || downSteps === 0) {
    const end =
      upSteps === 0
        ? 'the client is a bridge above the provider'
        : 'the provider is a bridge above the client';
    return direct(hops, common.bdf, end);
  }
  const ingress = climbed[climbed.length - 1]!;
  const decision = ofPort ?? turnBelow(trip, common, ingress, down[downSteps - 1]!);
  switch (decision.turn) {
    case 'direct':
      return direct(hops, common.pcieType === 'switch-upstream' ? ingress.bdf : common.bdf, decision.why);
    case 'redirected':
      return redirected(trip, kind, ingress, decision.why);
    case 'blocked':
    case 'unknown':
      return ended(decision, ingress, names(climbed));
  }
}

/** The provider is a port of the switch by which the request comes: its BAR has bits of its own in ACS Control. */
function portMemory(
  trip: Trip,
  common: MachineFunction,
  ingress: MachineFunction | undefined,
): Decision | null {
  const { provider, downSteps } = trip;
  if (common.pcieType !== 'switch-upstream' || ingress?.pcieType !== 'switch-downstream') {
    return null;
  }
  if (downSteps === 0) {
    return portMemoryTurn(ingress, 'upstream');
  }
  return downSteps === 1 && provider.pcieType === 'switch-downstream' && provider !== ingress
    ? portMemoryTurn(ingress, 'downstream')
    : null;
}

/**
 * Provider and client (or the bridges above them) sit on the common bridge's own bus: one device at a link, or devices of a
 * parallel bus that hear each other. Then nothing passes the bridge.
 */
function isOneBus(trip: Trip): boolean {
  const common = trip.up[trip.upSteps]!;
  return trip.upSteps > 0 && trip.downSteps > 0 && (leadsToLink(common) || leadsToParallelBus(common));
}

function leadsToParallelBus({ pcieType }: MachineFunction): boolean {
  return pcieType === null || pcieType === 'pcie-to-pci-bridge';
}

function leadsToLink(bridge: MachineFunction): boolean {
  const { pcieType } = bridge;
  return pcieType === 'root-port' || pcieType === 'switch-downstream' || pcieType === 'pci-to-pcie-bridge';
}

/** Ports at which a request arrives from below. */
function isIngress(port: MachineFunction): boolean {
  return port.pcieType === 'switch-downstream' || port.pcieType === 'root-port';
}

function turnBelow(
  trip: Trip,
  common: MachineFunction,
  ingress: MachineFunction,
  egress: MachineFunction,
): Decision {
  if (common.pcieType === 'switch-upstream') {
    return requestTurn(ingress, portNumber(egress), trip.translated);
  }
  if (leadsToLink(common)) {
    return insideOneDevice(ingress, egress, trip.translated);
  }
  if (leadsToParallelBus(common)) {
    return { turn: 'direct', why: `both hear each other on the parallel bus below ${common.bdf}` };
  }
  return { turn: 'unknown', why: `what kind of bridge ${common.bdf} is, is not known` };
}

/**
 * A link has one device at its end, so both are functions of one device. Only ACS in the functions tells that and how the
 * device lets them reach each other (PCIe Base 6.0, 6.12.1.2).
 */
function insideOneDevice(
  ingress: MachineFunction,
  egress: MachineFunction,
  translated: Translated,
): Decision {
  if (ingress.acs === null) {
    return {
      turn: 'unknown',
      why: `${ingress.bdf} has no ACS: whether its device joins its functions is not specified`,
    };
  }
  const parts = bdfParts(egress.bdf);
  // Functions of an ARI device are numbered in one field; their groups decide, which are not read here.
  return requestTurn(ingress, parts.device === 0 ? parts.function : undefined, translated);
}

/**
 * Sent up by an ingress port although the target lies below the same bridge: up to the root complex and down again.
 * @param isCompletion  Bus Master Enable and Memory Space Enable of bridges stop requests only (PCIe Base 6.0, 7.5.1.1.3)
 */
function redirected(
  trip: Trip,
  kind: RequestKind,
  ingress: MachineFunction,
  why: string,
  isCompletion = false,
): PhysicalRoute {
  const { up, down, client } = trip;
  const above = up.slice(up.indexOf(ingress) + 1);
  const key = trip.client.hostBridge;
  const hops = names(up);
  // In the order of the way: what a port does undefined keeps it from those above.
  for (const port of above) {
    const stopped = isCompletion ? stoppedByPower([port], hops) : stoppedAtBridges([port], [], hops);
    if (stopped !== null) {
      return stopped;
    }
    if (!isIngress(port)) {
      continue;
    }
    const decision = forwardTurn(port, trip.translated);
    if (decision.turn !== 'redirected') {
      return ended({ ...decision, why: `${why}, but ${decision.why}` }, port, hops);
    }
  }
  const below = down.slice(1);
  const lost = isCompletion ? stoppedByPower(below, hops) : stoppedAtBridges([], below, hops);
  if (lost !== null) {
    return lost;
  }
  const top = up[up.length - 1]!;
  if (top.pcieType !== 'root-port') {
    return route('unknown', top.bdf, hops, `${why}; ${client.bdf} does not hang below a PCIe root port`);
  }
  const whole = [...hops, key, ...names(down).reverse()];
  return atRootComplex(trip, isCompletion ? 'completion' : kind, 'redirected', ingress, whole, why);
}

/** No common bridge: the request leaves through one root port and has to come back through another. */
function throughRoot(trip: Trip, kind: RequestKind): PhysicalRoute {
  const { up, down } = trip;
  const keys = [...new Set([trip.client.hostBridge, trip.provider.hostBridge])];
  const hops = [...names(up), ...keys, ...names(down).reverse()];
  const climbed = names(up);
  const stopped = stoppedAtBridges(up.slice(1), down.slice(1), climbed);
  if (stopped !== null) {
    return stopped;
  }
  const [ingress, egress] = [up[up.length - 1]!, down[down.length - 1]!];
  for (const port of up.slice(1, -1).filter(isIngress)) {
    const decision = passingTurn(port, trip.translated);
    if (decision.turn !== 'direct') {
      return ended(decision, port, climbed);
    }
  }
  for (const top of [ingress, egress]) {
    if (top.pcieType !== 'root-port') {
      const kindOfTop =
        top.pcieType === undefined ? 'is of unknown kind' : 'is part of the root complex or conventional';
      return route(
        'unknown',
        top.bdf,
        hops,
        `${top.bdf} ${kindOfTop}; how it reaches root ports is not known`,
      );
    }
  }
  const decision = requestTurn(ingress, portNumber(egress), trip.translated);
  const between = `between ${ingress.bdf} and ${egress.bdf}`;
  const beyond = atRootComplex(trip, kind, 'root-complex', ingress, hops, between);
  // Redirected or not, the request ends up in the root complex; an unknown bit matters only if it might block before.
  const mayPass = decision.turn === 'direct' || decision.turn === 'redirected';
  const endsAnyway = decision.turn === 'unknown' && beyond.outcome === 'blocked';
  return mayPass || endsAnyway ? beyond : ended(decision, ingress, climbed);
}

/** What comes back: a read that went straight may still have its completions redirected. */
function routeRead(trip: Trip, request: PhysicalRoute): PhysicalRoute {
  const { down, downSteps, upSteps, client } = trip;
  if (request.outcome !== 'direct' || upSteps < 1 || downSteps < 1 || client === trip.provider) {
    return request;
  }
  const common = trip.up[upSteps]!;
  const turns = common.pcieType === 'switch-upstream' || leadsToLink(common);
  if (!turns) {
    return request;
  }
  const port = down[downSteps - 1]!;
  // A VF has no such bit; its PF's speaks for it (PCIe Base 6.0, 9.3.5.4).
  const owner = client.physicalFunction == null ? client : trip.index.find(client.physicalFunction);
  const deviceControl = owner?.deviceControl;
  const canRelax =
    deviceControl == null ? undefined : DEVICE_CONTROL.Enable_Relaxed_Ordering.of(deviceControl) === 1;
  const decision = completionTurn(port, canRelax);
  if (decision.turn === 'direct') {
    return request;
  }
  if (decision.turn !== 'redirected') {
    return ended(decision, port, request.hops);
  }
  // Completions go up as a redirected request would, and their way leads back down to the client.
  const back = { ...trip, up: trip.down, down: trip.up, translated: false as const };
  const returned = redirected(back, 'read', port, decision.why, true);
  const isWhole = returned.outcome === 'redirected';
  return { ...returned, hops: isWhole ? [...returned.hops].reverse() : request.hops };
}
