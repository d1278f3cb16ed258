/**
 * Configuration requests: routed by bus number from the root bus down, type 1 until the bus is reached and type 0 there.
 * PCIe Base 6.0, 7.3.
 */
import { DEVICE_CONTROL_2 } from '../../spec/pcie/index.ts';
import { TRAFFIC } from '../model.ts';
import type { TlpKind } from '../tlp/trace.ts';
import type { Bus } from './bus.ts';
import type { Fabric } from './fabric.ts';
import type { FabricFunction } from './fabric-function.ts';
import type { HostBridge } from './host-bridge.ts';

/** Where a configuration request ends. */
export interface ConfigTarget {
  readonly fn: FabricFunction;
  /** Buses whose links it travels, from the root down. */
  readonly buses: readonly Bus[];
  /** It arrives as type 0, which tells a device its bus number. Virtual functions on further buses get type 1. */
  readonly isTypeZero: boolean;
}

/** @param devfn device and function, 8 bits */
export function findConfigTarget(
  hostBridges: readonly HostBridge[],
  domain: number,
  bus: number,
  devfn: number,
): ConfigTarget | undefined {
  const hostBridge = hostBridges.find(
    (candidate) => candidate.domain === domain && bus >= candidate.rootBusNumber && bus <= candidate.lastBus,
  );
  return hostBridge === undefined ? undefined : onBus(hostBridge.rootBus, bus, devfn, []);
}

function onBus(bus: Bus, number: number, devfn: number, buses: readonly Bus[]): ConfigTarget | undefined {
  const isHere = bus.number === number;
  const routingId = (number << 8) | devfn;
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      if (fn.routingId === routingId && (!isHere || devfn < 8 || isReachable(bus))) {
        return { fn, buses, isTypeZero: isHere };
      }
    }
  }
  return isHere ? undefined : throughBridge(bus, number, devfn, buses);
}

function throughBridge(
  bus: Bus,
  number: number,
  devfn: number,
  buses: readonly Bus[],
): ConfigTarget | undefined {
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      const { bridge, isD0 } = fn.state;
      const below = fn.secondaryBus;
      // A bridge that software has not numbered yet passes nothing on.
      if (
        bridge !== null &&
        below !== null &&
        bridge.secondary !== 0 &&
        number >= bridge.secondary &&
        number <= bridge.subordinate
      ) {
        return isD0 && below.isLinkUp
          ? onBus(below, number, devfn, below.link === null ? buses : [...buses, below])
          : undefined;
      }
    }
  }
  return undefined;
}

/** Below a port there is device 0 alone, unless ARI forwarding makes eight bits of function number of it. 6.13. */
function isReachable(bus: Bus): boolean {
  if (bus.kind !== 'link') {
    return true;
  }
  const { view, offsets } = bus.bridge!.config;
  return DEVICE_CONTROL_2.ARI_Forwarding_Enable.read(view, offsets.express) === 1;
}

/** Counts and shows a request: down each link on the way, and its completion up. */
export function countConfigRequest(
  fabric: Fabric,
  target: ConfigTarget,
  offset: number,
  lengthBytes: number,
  isWrite: boolean,
): void {
  for (const { link } of target.buses) {
    link!.down.add(0, isWrite ? lengthBytes : 0, 1);
    link!.up.add(0, isWrite ? 0 : lengthBytes, 1);
  }
  if (fabric.listener === null) {
    return;
  }
  const kinds: readonly TlpKind[] = isWrite ? ['CfgWr1', 'CfgWr0'] : ['CfgRd1', 'CfgRd0'];
  fabric.listener.onTlp({
    kind: kinds[target.isTypeZero ? 1 : 0]!,
    atPs: fabric.queue.nowPs,
    requesterId: 0,
    tag: fabric.nextTag(),
    addr: offset & ~3,
    lengthDw: 1,
    firstEnables: ((1 << lengthBytes) - 1) << (offset & 3),
    lastEnables: 0,
    traffic: TRAFFIC.CONTROL,
    isTranslated: false,
    completionStatus: 0,
    path: [...target.buses.map(({ bridge }) => bridge!), target.fn],
  });
}
