/**
 * Requests that leave the fabric: nothing in it claims their address, and somebody beyond it may (`RemoteMemory`). What the
 * tree of a guest has beside our devices is there: memory that is not shared with us, devices of others.
 *
 * Only after the request has failed here: a BAR of the fabric that claims the address has the last word, whatever it says.
 */
import type { RemoteMemory } from '../outside.ts';
import type { Bus } from '../tree/bus.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import { isExactAddress } from './region.ts';
import type { RootComplex } from './root-complex.ts';
import { type Failure, type Outcome, type RequestShape, ROUTE_KIND } from './route.ts';
import { Trip } from './trip.ts';

/** Whether a request that ended with `failure` is asked of whoever is beyond the fabric. `trip` is as it ended. */
export function leavesFabric(
  complex: RootComplex,
  remote: RemoteMemory,
  from: FabricFunction,
  addr: number,
  failure: Failure,
  trip: Trip,
): boolean {
  return (
    failure.code === 'unsupported' &&
    isExactAddress(addr) &&
    complex.dram.regionAt(addr, from) === undefined &&
    remote.reaches(from) &&
    !isClaimed(complex.hostBridges, addr, trip)
  );
}

/** The way of such a request: up to the root and out. It shares the region of the failed one. */
export function remoteTrip(from: FabricFunction, addr: number, shape: RequestShape, failed: Trip): Trip {
  const trip = new Trip(from, addr, failed.requesterId, failed.region, shape, failed.lengthBytes);
  trip.pass(from);
  let { bus } = from.device;
  while (bus.bridge !== null) {
    if (bus.link !== null) {
      trip.links.push(bus.link.up);
    }
    trip.pass(bus.bridge);
    bus = bus.bridge.device.bus;
  }
  trip.root = bus.hostBridge;
  return trip;
}

export function remoteOutcome(addr: number): Outcome {
  return {
    kind: ROUTE_KIND.REMOTE,
    completer: null,
    memory: null,
    handler: null,
    bar: 0,
    offset: addr,
    failure: null,
  };
}

/** Whether a BAR of any function decodes the address; the region shrinks to where the answer is the same. */
function isClaimed(hostBridges: readonly HostBridge[], addr: number, trip: Trip): boolean {
  const onBus = (bus: Bus): boolean =>
    bus.devices.some((device) =>
      [...device.functions.values()].some(
        (fn) =>
          fn.state.bars.some(({ start, end }) => trip.region.contains(addr, start, end)) ||
          (fn.secondaryBus !== null && onBus(fn.secondaryBus)),
      ),
    );
  return hostBridges.some(({ rootBus }) => onBus(rootBus));
}
