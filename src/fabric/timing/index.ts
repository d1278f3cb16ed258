/**
 * Time: what every request costs on its way, packet by packet or in flows.
 *
 * The fabric routes and moves bytes; here it is decided when. `network.ts` makes a stage of everything that can be busy,
 * `path-builder.ts` turns a route into a way through stages, and an engine sends requests along it: `tlp-engine.ts` every
 * packet by itself, `flow-engine.ts` in trains with closed forms. Follows the timing model of docs/timing.md; the constants
 * are in `rates`. Read `stage.ts`, `path.ts` and `engine.ts` first.
 */
export { ATC, Atc, type AtcOptions, type AtcResult } from './atc.ts';
export { DeviceAts } from './device-translation.ts';
export * from './engine.ts';
export { type EngineName, FabricTiming, type FabricTimingOptions, type StallTimes } from './fabric-timing.ts';
export { FlowEngine, type FlowEngineOptions } from './flow-engine.ts';
export { Iotlb, type IotlbOptions } from './iotlb.ts';
export {
  type CreditCounts,
  type LinkStages,
  Network,
  type PortTiming,
  type TimingOptions,
} from './network.ts';
export * from './path.ts';
export { CPU_SOURCE, PathBuilder } from './path-builder.ts';
export * from './stage.ts';
export { TlpEngine, type TlpEngineOptions } from './tlp-engine.ts';
