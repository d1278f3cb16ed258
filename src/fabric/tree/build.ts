/**
 * Puts functions into the tree: at a place on a bus, with the config space of their kind. Refuses what no machine can be.
 */
import {
  type ConfigSpace,
  type FunctionPlacement,
  functionConfig,
  type HostBridgeDescription,
  hostBridgeConfig,
  type PortDescription,
  portConfig,
} from '../config/index.ts';
import type { EndpointModel } from '../model.ts';
import type { Bus, BusKind } from './bus.ts';
import { Device, type DeviceTraits } from './device.ts';
import type { Fabric } from './fabric.ts';
import { FabricError } from './fabric-error.ts';
import { FabricFunction, type FunctionKind } from './fabric-function.ts';
import { FabricFunctionPort } from './function-port.ts';

/** Buses on which each kind of bridge can be. */
const BRIDGE_PLACES: Readonly<Record<PortDescription['kind'], readonly BusKind[]>> = {
  'root-port': ['root'],
  'switch-upstream': ['link'],
  'switch-downstream': ['internal'],
  'pcie-to-pci-bridge': ['link'],
  'pci-bridge': ['root', 'conventional'],
};

const DEVICE_MAX = 31;
const FUNCTION_MAX = 7;

/** Adds a bridge: a root port, a port of a switch, a bridge to conventional PCI. */
export function addBridge(
  fabric: Fabric,
  bus: Bus,
  device: number,
  fn: number,
  description: PortDescription,
): FabricFunction {
  if (!BRIDGE_PLACES[description.kind].includes(bus.kind)) {
    throw new FabricError('FABRIC_WRONG_BUS', {
      message: `a ${description.kind} cannot be on ${busName(bus)}`,
      hint: `it belongs on a ${BRIDGE_PLACES[description.kind].join(' or ')} bus`,
    });
  }
  return place(fabric, bus, device, fn, description.kind, portConfig(description), null, {});
}

/** Adds an endpoint; on a root bus it is integrated into the root complex. */
export function addEndpoint(
  fabric: Fabric,
  bus: Bus,
  device: number,
  fn: number,
  model: EndpointModel,
  traits: DeviceTraits,
  placement: FunctionPlacement,
): FabricFunction {
  if (bus.kind === 'internal') {
    throw new FabricError('FABRIC_WRONG_BUS', {
      message: `${model.name} cannot be inside a switch, on ${busName(bus)}`,
      hint: 'plug it into a downstream port',
    });
  }
  const config = functionConfig(model.description, {
    ...placement,
    isRootComplexIntegrated: bus.kind === 'root' && model.description.express !== null,
  });
  const added = place(fabric, bus, device, fn, 'endpoint', config, model, traits);
  model.attach(new FabricFunctionPort(added));
  return added;
}

/** Adds the function that stands for the host bridge itself, usually 00.0. */
export function addHostBridgeFunction(
  fabric: Fabric,
  bus: Bus,
  device: number,
  fn: number,
  description: HostBridgeDescription,
): FabricFunction {
  if (bus.kind !== 'root') {
    throw new FabricError('FABRIC_WRONG_BUS', {
      message: `a host bridge cannot be on ${busName(bus)}`,
      hint: 'it belongs on a root bus',
    });
  }
  return place(fabric, bus, device, fn, 'host-bridge', hostBridgeConfig(description), null, {});
}

function place(
  fabric: Fabric,
  bus: Bus,
  number: number,
  fn: number,
  kind: FunctionKind,
  config: ConfigSpace,
  model: EndpointModel | null,
  traits: DeviceTraits,
): FabricFunction {
  checkAddress(bus, number, fn);
  let device = bus.deviceAt(number);
  if (device === undefined) {
    device = new Device(bus, number, traits);
    bus.devices.push(device);
    bus.devices.sort((a, b) => a.number - b.number);
  }
  const added = new FabricFunction(fabric, device, fn, kind, config, model, null);
  insert(device, added);
  const isMultiFunction = device.functions.size > 1;
  for (const sibling of device.functions.values()) {
    sibling.config.setMultiFunction(isMultiFunction);
  }
  fabric.adopt(added);
  return added;
}

/** Keeps functions in ascending order. */
export function insert(device: Device, added: FabricFunction): void {
  const all = [...device.functions.values(), added].sort((a, b) => a.number - b.number);
  device.functions.clear();
  for (const fn of all) {
    device.functions.set(fn.number, fn);
  }
}

function checkAddress(bus: Bus, device: number, fn: number): void {
  const isSingle = bus.kind === 'link';
  if (
    !Number.isInteger(device) ||
    !Number.isInteger(fn) ||
    device < 0 ||
    fn < 0 ||
    device > (isSingle ? 0 : DEVICE_MAX) ||
    fn > FUNCTION_MAX
  ) {
    throw new FabricError('FABRIC_BAD_ADDRESS', {
      message: `there is no device ${device} function ${fn} on ${busName(bus)}`,
      hint: isSingle
        ? 'below a port there is device 0, with functions 0 to 7'
        : 'devices are 0 to 31, functions 0 to 7',
    });
  }
  if (bus.functionAt(device, fn) !== undefined) {
    throw new FabricError('FABRIC_ADDRESS_TAKEN', {
      message: `device ${device} function ${fn} on ${busName(bus)} is there already`,
      hint: 'give one of the two another device or function number',
    });
  }
}

/** A bus for people: by the bridge above it. */
export function busName(bus: Bus): string {
  return bus.bridge === null
    ? `the root bus of ${bus.hostBridge.name}`
    : `the bus below ${bus.bridge.kind} ${bus.bridge.bdf}`;
}
