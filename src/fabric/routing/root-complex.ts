/**
 * What the root complex does with a request: interrupt, translation, DRAM, or down again to another device.
 *
 * Every untranslated request from below is translated here when there is an IOMMU, also one whose bus address lies in the
 * window of a root port: root complexes with an IOMMU have it in front of all else. Whether requests between devices are
 * passed on is the host bridge's policy (PCIe Base 6.0, 1.3.1: optional); ACS of the root port adds to that (6.12.1.1).
 */

import { assert } from '../../base/index.ts';
import type { RemoteMemory, SystemMemory } from '../outside.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HostBridge } from '../tree/host-bridge.ts';
import { ADDRESS_TYPE, PEER, peerRequest } from './acs.ts';
import { claimingBar, completeAt, type Fault, findFault } from './completer.ts';
import { descend, isInWindows } from './descend.ts';
import { isExactAddress } from './region.ts';
import { failed, type Outcome, ROUTE_KIND } from './route.ts';
import type { Translation } from './translator.ts';
import type { Trip } from './trip.ts';

/** The machine above the host bridges, as routing sees it. */
export interface RootComplex {
  readonly hostBridges: readonly HostBridge[];
  readonly dram: SystemMemory;
  /** Who answers what nothing here claims; null: nobody. */
  readonly remote: RemoteMemory | null;
  /** Injected faults of ranges of DRAM. */
  readonly faults: readonly Fault[];
  /** Translation requests of devices (ATS) are counted by who sends them in time, and not when a route is found. */
  readonly countsTranslations: boolean;
}

/** Where message signalled interrupts go on x86: Intel SDM 3A, 11.11.1. */
export const INTERRUPT_RANGE = { start: 0xfee0_0000, end: 0xfef0_0000 };

/** Addresses are translated in whole pages, this many bytes ahead at least. */
const TRANSLATION_PAGE_BYTES = 4096;
const TRANSLATION_AHEAD_BYTES = 0x1_0000;

const translation: Translation = { phys: 0, lengthBytes: 0 };

/** A request comes up through `ingress`: a root port, a bridge on the root bus, or an integrated endpoint. */
export function enterRoot(
  complex: RootComplex,
  hostBridge: HostBridge,
  ingress: FabricFunction,
  trip: Trip,
): Outcome {
  trip.root = hostBridge;
  if (trip.addressType === ADDRESS_TYPE.TRANSLATED) {
    if (!hostBridge.acceptsTranslated) {
      return failed('unsupported', ingress, 'secondary');
    }
  } else {
    // Interrupt messages have a remapping of their own, in the sink.
    if (trip.contains(INTERRUPT_RANGE)) {
      return trip.isWrite
        ? {
            kind: ROUTE_KIND.INTERRUPT,
            completer: null,
            memory: null,
            handler: null,
            bar: 0,
            offset: trip.addr,
            failure: null,
          }
        : failed('unsupported', ingress, 'secondary');
    }
    if (!translate(hostBridge, trip)) {
      return failed('iommu-fault', ingress, 'secondary');
    }
  }
  return deliver(complex, hostBridge, ingress, trip);
}

/** A load or store of the CPU. */
export function enterFromCpu(complex: RootComplex, trip: Trip): Outcome {
  return deliver(complex, null, null, trip);
}

/** Replaces the address by the physical one. @returns false when it was refused */
function translate(hostBridge: HostBridge, trip: Trip): boolean {
  const { translator, domain } = hostBridge;
  if (translator === null || translator.isIdentity?.(domain, trip.requesterId) === true) {
    return true;
  }
  if (!isExactAddress(trip.addr)) {
    return false;
  }
  const skew = trip.addr % TRANSLATION_PAGE_BYTES;
  const lengthBytes = Math.min(
    Math.max(skew + trip.lengthBytes, TRANSLATION_AHEAD_BYTES),
    Number.MAX_SAFE_INTEGER - (trip.addr - skew),
  );
  translator.translate(
    domain,
    trip.requesterId,
    trip.addr - skew,
    lengthBytes,
    trip.isWrite,
    false,
    translation,
  );
  if (translation.phys < 0) {
    return false;
  }
  assert(translation.lengthBytes > skew, 'a translator answered with less than a page', { ...translation });
  trip.region.limit(skew, translation.lengthBytes - skew);
  trip.addr = translation.phys + skew;
  return true;
}

/** From the physical address on. `from` and `ingress` are null for the CPU. */
function deliver(
  complex: RootComplex,
  from: HostBridge | null,
  ingress: FabricFunction | null,
  trip: Trip,
): Outcome {
  const region = complex.dram.regionAt(trip.addr, trip.requester);
  if (region !== undefined) {
    trip.contains(region);
    if (region.isReadOnly === true && trip.isWrite) {
      return failed('unsupported', ingress, 'secondary');
    }
    trip.numaNode = region.numaNode;
    const fault = findFault(complex.faults, null, trip.addr, trip);
    if (fault !== undefined) {
      return failed(fault.code, null, 'primary');
    }
    return {
      kind: ROUTE_KIND.MEMORY,
      completer: null,
      memory: region.memory,
      handler: null,
      bar: 0,
      offset: region.memoryOffset + (trip.addr - region.start),
      failure: null,
    };
  }
  for (const hostBridge of complex.hostBridges) {
    for (const { start, lengthBytes } of hostBridge.windows) {
      if (trip.region.contains(trip.addr, start, start + lengthBytes)) {
        return toDevices(hostBridge, from, ingress, trip);
      }
    }
  }
  // The next range of DRAM may start anywhere above.
  trip.region.limit(0, trip.lengthBytes);
  return failed('unsupported', ingress, 'secondary');
}

function toDevices(
  hostBridge: HostBridge,
  from: HostBridge | null,
  ingress: FabricFunction | null,
  trip: Trip,
): Outcome {
  if (from !== null) {
    // Between two host bridges both have to pass it on.
    const policies = hostBridge === from ? [from.sameBridge] : [from.otherBridge, hostBridge.otherBridge];
    if (policies.some((policy) => policy === 'none' || (policy === 'writes-only' && !trip.isWrite))) {
      return failed('policy', ingress, 'secondary');
    }
  }
  trip.root ??= hostBridge;
  trip.addr -= hostBridge.addressOffset;
  for (const device of hostBridge.rootBus.devices) {
    for (const fn of device.functions.values()) {
      const bar = claimingBar(fn, trip);
      if (bar !== undefined) {
        trip.pass(fn);
        return completeAt(fn, bar, trip);
      }
      if (fn.secondaryBus !== null && isInWindows(fn, trip)) {
        return isBlockedAtIngress(ingress, fn, trip)
          ? failed('acs-violation', ingress, 'secondary')
          : descend(fn, trip);
      }
    }
  }
  return failed('unsupported', ingress, 'secondary');
}

/** Redirected and direct requests take the same way from here; only what Egress Control blocks does not go on. */
function isBlockedAtIngress(ingress: FabricFunction | null, egress: FabricFunction, trip: Trip): boolean {
  if (ingress === null || ingress.kind !== 'root-port') {
    return false;
  }
  const { acs } = ingress.state;
  if (ingress === egress) {
    if (acs?.upstreamForwarding === true) {
      trip.redirect(ingress);
    }
    return false;
  }
  const peer = peerRequest(acs, trip.addressType, egress.state.bridge!.portNumber);
  if (peer === PEER.REDIRECT) {
    trip.redirect(ingress);
  }
  return peer === PEER.VIOLATION;
}
