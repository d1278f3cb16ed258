/**
 * The way back: a completion goes to the bus of its requester by the ports' bus-number ranges. PCIe Base 6.0, 2.2.4.2 (ID
 * routing), 6.12.1.1 (Completion Redirect, Upstream Forwarding).
 *
 * Bus Master and Memory Space Enable do not matter to completions. Between host bridges of different domains the root
 * complex stands in for the requester, whose bus number means nothing there.
 */
import type { Bus } from '../tree/bus.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import type { LinkDirection } from '../tree/link.ts';
import { isCompletionRedirected } from './acs.ts';

export interface CompletionPath {
  readonly links: LinkDirection[];
  readonly stops: FabricFunction[];
  /** Links travelled before each stop. */
  readonly linksBefore: number[];
  /** False when nobody with this requester ID is where it leads. */
  arrives: boolean;
}

interface Journey extends CompletionPath {
  /** Who waits for it. A completion that gets to somebody else with the same ID does not arrive. */
  readonly target: FabricFunction;
  requesterId: number;
  readonly isRelaxed: boolean;
}

function journey(target: FabricFunction, requesterId: number, isRelaxed: boolean): Journey {
  return { target, links: [], stops: [], linksBefore: [], arrives: false, requesterId, isRelaxed };
}

function pass(path: Journey, stop: FabricFunction): void {
  // A port that turns it round is passed once.
  if (path.stops.at(-1) !== stop) {
    path.stops.push(stop);
    path.linksBefore.push(path.links.length);
  }
}

/** From the root complex (DRAM) down to the requester. */
export function completeFromRoot(
  hostBridge: HostBridge,
  target: FabricFunction,
  requesterId: number,
  isRelaxed: boolean,
): CompletionPath {
  const path = journey(target, requesterId, isRelaxed);
  downFromRoot(hostBridge, path);
  return path;
}

/**
 * From a function to its requester.
 * @param target     who waits for it
 * @param isOnOneBus the request came over the completer's own conventional bus, and is answered on it
 */
export function completeFrom(
  completer: FabricFunction,
  target: FabricFunction,
  requesterId: number,
  isRelaxed: boolean,
  isOnOneBus: boolean,
): CompletionPath {
  const { bus } = completer.device;
  const path = journey(target, requesterId, isRelaxed);
  pass(path, completer);
  if (completer === target || isOnOneBus) {
    if (completer !== target) {
      path.links.push(bus.link!.down);
      pass(path, target);
    }
    path.arrives = true;
    return path;
  }
  const from = bus.hostBridge;
  const home = target.device.bus.hostBridge;
  if (from.domain === home.domain) {
    up(completer, path);
    return path;
  }
  path.requesterId = from.rootBusNumber << 8;
  up(completer, path, home, requesterId);
  return path;
}

/** Out of a function. `home` is where the root complex sends it on under `homeId`, when that is another domain. */
function up(from: FabricFunction, path: Journey, home?: HostBridge, homeId?: number): void {
  const { bus } = from.device;
  if (from.kind === 'switch-downstream') {
    passUp(bus.bridge!, path, home, homeId);
  } else if (!toSibling(from, path)) {
    if (bus.kind === 'root') {
      atRoot(bus.hostBridge, path, home, homeId);
    } else if (bus.isLinkUp) {
      path.links.push(bus.link!.up);
      atPort(bus.bridge!, path, home, homeId);
    }
  }
}

/** Functions of one device answer each other inside it, unless Completion Redirect sends that up. 6.12.1.2. */
function toSibling(from: FabricFunction, path: Journey): boolean {
  if (!from.device.routesInternally || isCompletionRedirected(from.state.acs, path.isRelaxed)) {
    return false;
  }
  for (const fn of from.device.functions.values()) {
    if (fn !== from && fn.requesterId === path.requesterId) {
      pass(path, fn);
      path.arrives = fn === path.target;
      return true;
    }
    if (fn !== from && fn.kind === 'switch-upstream' && isBelow(fn, path)) {
      pass(path, fn);
      down(fn, path);
      return true;
    }
  }
  return false;
}

function passUp(upstream: FabricFunction, path: Journey, home?: HostBridge, homeId?: number): void {
  pass(path, upstream);
  if (upstream.state.isD0) {
    up(upstream, path, home, homeId);
  }
}

/** At a downstream port or a bridge, coming from below. */
function atPort(port: FabricFunction, path: Journey, home?: HostBridge, homeId?: number): void {
  pass(path, port);
  if (!port.state.isD0) {
    return;
  }
  if (port.kind !== 'switch-downstream') {
    up(port, path, home, homeId);
    return;
  }
  const upstream = port.device.bus.bridge!;
  const { acs } = port.state;
  if (isBelow(port, path)) {
    if (acs?.upstreamForwarding === true) {
      passUp(upstream, path, home, homeId);
    } else {
      down(port, path);
    }
    return;
  }
  if (!isBelow(upstream, path)) {
    passUp(upstream, path, home, homeId);
    return;
  }
  for (const device of upstream.secondaryBus!.devices) {
    for (const sibling of device.functions.values()) {
      if (isBelow(sibling, path)) {
        if (isCompletionRedirected(acs, path.isRelaxed)) {
          passUp(upstream, path, home, homeId);
        } else {
          down(sibling, path);
        }
        return;
      }
    }
  }
}

function atRoot(from: HostBridge, path: Journey, home?: HostBridge, homeId?: number): void {
  if (home !== undefined && homeId !== undefined) {
    path.requesterId = homeId;
    downFromRoot(home, path);
  } else {
    downFromRoot(from, path);
  }
}

/** Any host bridge of the domain that answers for the bus. */
function downFromRoot(hostBridge: HostBridge, path: Journey): void {
  const bus = path.requesterId >>> 8;
  for (const candidate of hostBridge.domainPeers()) {
    if (bus >= candidate.rootBusNumber && bus <= candidate.lastBus) {
      toBus(candidate.rootBus, path);
      return;
    }
  }
}

function down(port: FabricFunction, path: Journey): void {
  pass(path, port);
  const bus = port.secondaryBus!;
  if (bus.kind !== 'internal') {
    if (!bus.isLinkUp) {
      return;
    }
    path.links.push(bus.link!.down);
  }
  toBus(bus, path);
}

/** To whoever on a bus has the requester ID or has it below. */
function toBus(bus: Bus, path: Journey): void {
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      if (fn.requesterId === path.requesterId) {
        pass(path, fn);
        path.arrives = fn === path.target;
        return;
      }
    }
  }
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      if (fn.secondaryBus !== null && isBelow(fn, path)) {
        pass(path, fn);
        if (fn.isConventionalBridge && fn.state.bridge!.secondary << 8 === path.requesterId) {
          // The bridge knows for whom it asked.
          path.links.push(fn.secondaryBus.link!.down);
          path.arrives = true;
        } else if (fn.state.isD0) {
          down(fn, path);
        }
        return;
      }
    }
  }
}

/** Whether the requester's bus is among those behind the bridge. */
function isBelow(port: FabricFunction, path: Journey): boolean {
  const { bridge } = port.state;
  const bus = path.requesterId >>> 8;
  return bridge !== null && bridge.secondary !== 0 && bus >= bridge.secondary && bus <= bridge.subordinate;
}
