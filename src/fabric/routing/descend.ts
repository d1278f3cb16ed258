/**
 * The way down: from a downstream port over its link to whoever claims the address. PCIe Base 6.0, 7.5.1.3 (windows),
 * 2.3.1 (what nobody claims is an Unsupported Request of the component that it reached).
 */
import type { Bus } from '../tree/bus.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { claimingBar, completeAt } from './completer.ts';
import { failed, type Outcome } from './route.ts';
import type { Trip } from './trip.ts';

/** Whether a bridge passes the address on to its secondary side. */
export function isInWindows(port: FabricFunction, trip: Trip): boolean {
  const { decodesMemory, bridge } = port.state;
  return decodesMemory && bridge!.windows.some((window) => trip.contains(window));
}

/** Out through a downstream port or a bridge whose window contains the address. */
export function descend(port: FabricFunction, trip: Trip): Outcome {
  trip.pass(port);
  const bus = port.secondaryBus!;
  // A port whose link is down answers in its place. 2.9.1.
  if (!bus.isLinkUp) {
    return failed('link-down', port, 'primary');
  }
  trip.links.push(bus.link!.down);
  return arriveBelow(bus, trip);
}

function arriveBelow(bus: Bus, trip: Trip): Outcome {
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      const bar = claimingBar(fn, trip);
      if (bar !== undefined) {
        trip.pass(fn);
        return completeAt(fn, bar, trip);
      }
      if (fn.secondaryBus !== null && isInWindows(fn, trip)) {
        trip.pass(fn);
        return fn.kind === 'switch-upstream' ? throughSwitch(fn, trip) : descend(fn, trip);
      }
    }
  }
  return bus.kind === 'conventional'
    ? failed('master-abort', bus.bridge, 'secondary')
    : failed('unsupported', bus.devices[0]!.lowestFunction, 'primary');
}

/** From the upstream port of a switch to its downstream ports. */
export function throughSwitch(upstream: FabricFunction, trip: Trip): Outcome {
  for (const device of upstream.secondaryBus!.devices) {
    for (const port of device.functions.values()) {
      const bar = claimingBar(port, trip);
      if (bar !== undefined) {
        trip.pass(port);
        return completeAt(port, bar, trip);
      }
      if (isInWindows(port, trip)) {
        return descend(port, trip);
      }
    }
  }
  return failed('unsupported', upstream, 'primary');
}
