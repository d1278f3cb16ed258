/**
 * The tree of the simulated machine and what its functions send. Read `fabric.ts` first.
 */
export { readBar, writeBar } from './bar-access.ts';
export { Bus, type BusKind, type SwitchPorts } from './bus.ts';
export { Cpu } from './cpu.ts';
export { Device, type DeviceTraits } from './device.ts';
export { Fabric, type FabricOptions, type InterruptSink } from './fabric.ts';
export { FabricError } from './fabric-error.ts';
export { FabricFunction, type FunctionKind, type VirtualIdentity } from './fabric-function.ts';
export {
  HostBridge,
  type HostBridgeOptions,
  type HostBridgeWindow,
  type PeerPolicy,
} from './host-bridge.ts';
export type { DmaSink } from './in-flight.ts';
export { type IntxSink, pinAtRoot } from './interrupt-wires.ts';
export type { InterruptMode } from './interrupts.ts';
export { Link, LinkDirection } from './link.ts';
export { Requester } from './requester.ts';
