/**
 * A bus: what a bridge has below it, or the root bus of a host bridge. A PCI Express link is a bus with one device.
 */
import type { FunctionPlacement, HostBridgeDescription, PortDescription } from '../config/index.ts';
import type { EndpointModel } from '../model.ts';
import { addBridge, addEndpoint, addHostBridgeFunction, busName } from './build.ts';
import type { Device, DeviceTraits } from './device.ts';
import { FabricError } from './fabric-error.ts';
import type { FabricFunction } from './fabric-function.ts';
import type { HostBridge } from './host-bridge.ts';
import { cardArrived } from './hot-plug.ts';
import { Link } from './link.ts';

/** The ports of a switch. */
export interface SwitchPorts {
  readonly upstream: FabricFunction;
  readonly downstream: readonly FabricFunction[];
}

export type BusKind =
  /** Inside the root complex. */
  | 'root'
  /** Below a root port or a switch downstream port. */
  | 'link'
  /** Inside a switch, between its ports. */
  | 'internal'
  /** Conventional PCI, shared by several devices. */
  | 'conventional';

export class Bus {
  readonly kind: BusKind;
  readonly hostBridge: HostBridge;
  /** The bridge whose secondary bus this is; null for a root bus. */
  readonly bridge: FabricFunction | null;
  /** Ascending by device number. */
  readonly devices: Device[] = [];
  /** What carries it; null inside a component. */
  readonly link: Link | null;
  /** Something is there and has power. A link that is down delivers nothing. */
  isPowered = true;
  /** The port has interrupted for a change that software has not cleared yet. */
  isChangeAnnounced = false;

  constructor(kind: BusKind, hostBridge: HostBridge, bridge: FabricFunction | null) {
    this.kind = kind;
    this.hostBridge = hostBridge;
    this.bridge = bridge;
    this.link = kind === 'link' || kind === 'conventional' ? new Link() : null;
  }

  /** The number that software has given it; 0 before, and for a root bus what the host bridge has. */
  get number(): number {
    return this.bridge === null ? this.hostBridge.rootBusNumber : this.bridge.state.bridge!.secondary;
  }

  get isLinkUp(): boolean {
    return (
      this.kind !== 'link' ||
      (this.isPowered && this.devices.length > 0 && !this.bridge!.state.bridge!.isLinkDisabled)
    );
  }

  deviceAt(number: number): Device | undefined {
    return this.devices.find((device) => device.number === number);
  }

  functionAt(device: number, fn: number): FabricFunction | undefined {
    return this.deviceAt(device)?.functions.get(fn);
  }

  /** Adds an endpoint function: on a root bus an integrated one, on a conventional bus a PCI device. @throws {FabricError} */
  addFunction(
    device: number,
    fn: number,
    model: EndpointModel,
    traits: DeviceTraits = {},
    placement: FunctionPlacement = {},
  ): FabricFunction {
    const added = addEndpoint(this.hostBridge.fabric, this, device, fn, model, traits, placement);
    cardArrived(this);
    return added;
  }

  /** Adds the function that stands for the host bridge. @throws {FabricError} */
  addHostBridgeFunction(device: number, fn: number, description: HostBridgeDescription): FabricFunction {
    return addHostBridgeFunction(this.hostBridge.fabric, this, device, fn, description);
  }

  /** Adds a root port to a root bus. @throws {FabricError} */
  addRootPort(device: number, fn: number, description: PortDescription): FabricFunction {
    return addBridge(this.hostBridge.fabric, this, device, fn, description);
  }

  /** Adds a bridge of any kind that can be on this bus: to conventional PCI, or a port of a switch. @throws {FabricError} */
  addBridge(device: number, fn: number, description: PortDescription): FabricFunction {
    const added = addBridge(this.hostBridge.fabric, this, device, fn, description);
    cardArrived(this);
    return added;
  }

  /**
   * Plugs a switch into a port. Its downstream ports get device numbers from 0 on, unless `devices` says otherwise.
   * @throws {FabricError}
   */
  addSwitch(
    upstream: PortDescription,
    downstream: readonly PortDescription[],
    devices: readonly number[] = downstream.map((_, index) => index),
  ): SwitchPorts {
    const { fabric } = this.hostBridge;
    const top = addBridge(fabric, this, 0, 0, upstream);
    const ports = downstream.map((port, index) =>
      addBridge(fabric, top.secondaryBus!, devices[index]!, 0, port),
    );
    cardArrived(this);
    return { upstream: top, downstream: ports };
  }

  /**
   * Plugs an endpoint with one function or several, from function 0 on, into a port. On a running machine that is a hot
   * plug: the slot's registers and interrupt say so.
   * @throws {FabricError} FABRIC_SLOT_OCCUPIED
   */
  plug(
    models: EndpointModel | readonly EndpointModel[],
    traits: DeviceTraits = {},
    placement: FunctionPlacement = {},
  ): readonly FabricFunction[] {
    if (this.devices.length > 0) {
      throw new FabricError('FABRIC_SLOT_OCCUPIED', {
        message: `${busName(this)} has a device already`,
        hint: 'a port takes one device; put a switch below it for more',
      });
    }
    const list: readonly EndpointModel[] = 'attach' in models ? [models] : models;
    const added = list.map((model, fn) =>
      addEndpoint(this.hostBridge.fabric, this, 0, fn, model, traits, placement),
    );
    cardArrived(this);
    return added;
  }
}
