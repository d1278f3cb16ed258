/**
 * The way up: from a requester to where its request turns down again, to the root complex, or to its end. What each port
 * does with a request from below: check it (ACS, Bus Master Enable), then to a peer if one claims it, else up.
 *
 * PCIe Base 6.0, 6.12 (ACS), 7.5.1.3.2 (Bus Master Enable of a bridge), PCI-to-PCI Bridge 1.2, 4 (what a bridge claims on
 * its secondary side). A request that comes up to a downstream port in whose own window it lies has undefined handling
 * without ACS Upstream Forwarding (6.12.1.1); here the port turns it round.
 */
import type { Device } from '../tree/device.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { isSourceValid, isTranslationBlocked, memoryTarget, PEER, type Peer, peerRequest } from './acs.ts';
import { claimingBar, completeAt } from './completer.ts';
import { descend, isInWindows, throughSwitch } from './descend.ts';
import { enterRoot, type RootComplex } from './root-complex.ts';
import { failed, type Outcome } from './route.ts';
import type { Trip } from './trip.ts';

/** A request leaves the function that makes it. */
export function sendFrom(complex: RootComplex, from: FabricFunction, trip: Trip): Outcome {
  trip.pass(from);
  const own = claimingBar(from, trip);
  if (own !== undefined) {
    return completeAt(from, own, trip);
  }
  if (from.kind === 'switch-downstream') {
    return passUp(complex, from.device.bus.bridge!, trip);
  }
  return toSibling(from, trip) ?? leaveDevice(complex, from, trip);
}

/** Functions of one device reach each other inside it, where the device does that and ACS lets them. 6.12.1.2. */
function toSibling(from: FabricFunction, trip: Trip): Outcome | undefined {
  if (!from.device.routesInternally) {
    return undefined;
  }
  for (const fn of from.device.functions.values()) {
    if (fn === from) {
      continue;
    }
    const bar = claimingBar(fn, trip);
    // The upstream port of a switch may share its device with endpoint functions.
    const leadsDown = bar === undefined && fn.kind === 'switch-upstream' && isInWindows(fn, trip);
    if (bar === undefined && !leadsDown) {
      continue;
    }
    const peer = peerRequest(from.state.acs, trip.addressType, fn.number);
    if (peer === PEER.VIOLATION) {
      return failed('acs-violation', from, 'primary');
    }
    if (peer === PEER.REDIRECT) {
      trip.redirect(from);
      return undefined;
    }
    trip.pass(fn);
    return bar === undefined ? throughSwitch(fn, trip) : completeAt(fn, bar, trip);
  }
  return undefined;
}

function leaveDevice(complex: RootComplex, from: FabricFunction, trip: Trip): Outcome {
  const { bus } = from.device;
  if (bus.kind === 'root') {
    return enterRoot(complex, bus.hostBridge, from, trip);
  }
  if (!bus.isLinkUp) {
    return failed('gone', from, 'primary');
  }
  if (bus.kind === 'conventional') {
    const peer = toBusPeer(from.device, trip);
    if (peer !== undefined) {
      return peer;
    }
  }
  trip.links.push(bus.link!.up);
  return climb(complex, bus.bridge!, trip);
}

/** Whoever on a conventional bus decodes the address claims it; there is no ACS. PCI 3.0, 3.2. */
function toBusPeer(from: Device, trip: Trip): Outcome | undefined {
  const { bus } = from;
  for (const device of bus.devices) {
    for (const fn of device === from ? [] : device.functions.values()) {
      const bar = claimingBar(fn, trip);
      if (bar !== undefined) {
        trip.links.push(bus.link!.up);
        trip.pass(fn);
        return completeAt(fn, bar, trip);
      }
      if (fn.secondaryBus !== null && isInWindows(fn, trip)) {
        trip.links.push(bus.link!.up);
        return descend(fn, trip);
      }
    }
  }
  return undefined;
}

/** A request arrives at a port from below. */
function climb(complex: RootComplex, port: FabricFunction, trip: Trip): Outcome {
  trip.pass(port);
  const { canMaster, acs, bridge } = port.state;
  if (port.isConventionalBridge) {
    return fromConventional(complex, port, trip);
  }
  if (!canMaster) {
    return failed('unsupported', port, 'secondary');
  }
  if (
    !isSourceValid(acs, trip.requesterId, bridge!.secondary, bridge!.subordinate) ||
    isTranslationBlocked(acs, trip.addressType)
  ) {
    return failed('acs-violation', port, 'secondary');
  }
  return port.kind === 'root-port'
    ? enterRoot(complex, port.device.bus.hostBridge, port, trip)
    : fromDownstreamPort(complex, port, trip);
}

/** A bridge takes what none of its windows contains, and sends it on under its own name. PCIe to PCI/PCI-X Bridge 1.0, 2.3. */
function fromConventional(complex: RootComplex, bridge: FabricFunction, trip: Trip): Outcome {
  if (!bridge.state.canMaster || isInWindows(bridge, trip)) {
    return failed('master-abort', bridge, 'secondary');
  }
  trip.requesterId = bridge.state.bridge!.secondary << 8;
  return leaveDevice(complex, bridge, trip);
}

/** Inside a switch, coming from one of its downstream ports. */
function fromDownstreamPort(complex: RootComplex, ingress: FabricFunction, trip: Trip): Outcome {
  const upstream = ingress.device.bus.bridge!;
  const { acs } = ingress.state;
  if (isInWindows(ingress, trip)) {
    if (acs?.upstreamForwarding !== true) {
      return descend(ingress, trip);
    }
    trip.redirect(ingress);
    return passUp(complex, upstream, trip);
  }
  for (const device of upstream.secondaryBus!.devices) {
    for (const port of device.functions.values()) {
      const bar = claimingBar(port, trip);
      if (bar !== undefined) {
        return byControl(complex, ingress, memoryTarget(acs?.downstreamTargets ?? 0), trip, () => {
          trip.pass(port);
          return completeAt(port, bar, trip);
        });
      }
      if (port !== ingress && isInWindows(port, trip)) {
        const peer = peerRequest(acs, trip.addressType, port.state.bridge!.portNumber);
        return byControl(complex, ingress, peer, trip, () => descend(port, trip));
      }
    }
  }
  const bar = claimingBar(upstream, trip);
  if (bar !== undefined) {
    return byControl(complex, ingress, memoryTarget(acs?.upstreamTargets ?? 0), trip, () => {
      trip.pass(upstream);
      return completeAt(upstream, bar, trip);
    });
  }
  // Inside the switch by its upstream port's windows, and nobody there wants it.
  if (isInWindows(upstream, trip)) {
    if (acs?.unclaimedRedirect !== true) {
      return failed('unsupported', ingress, 'secondary');
    }
    trip.redirect(ingress);
  }
  return passUp(complex, upstream, trip);
}

function byControl(
  complex: RootComplex,
  ingress: FabricFunction,
  peer: Peer,
  trip: Trip,
  direct: () => Outcome,
): Outcome {
  switch (peer) {
    case PEER.DIRECT:
      return direct();
    case PEER.REDIRECT:
      trip.redirect(ingress);
      return passUp(complex, ingress.device.bus.bridge!, trip);
    case PEER.VIOLATION:
      return failed('acs-violation', ingress, 'secondary');
  }
}

/** Out of a switch through its upstream port. */
function passUp(complex: RootComplex, upstream: FabricFunction, trip: Trip): Outcome {
  trip.pass(upstream);
  if (!upstream.state.canMaster) {
    return failed('unsupported', upstream, 'secondary');
  }
  return toSibling(upstream, trip) ?? leaveDevice(complex, upstream, trip);
}
