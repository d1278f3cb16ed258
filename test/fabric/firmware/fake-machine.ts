// A tree of config spaces that routes config cycles by bus numbers and knows nothing else: no links, no memory.
import fc from 'fast-check';
import {
  type BarShape,
  type ConfigSpace,
  functionConfig,
  hostBridgeConfig,
  isDownstreamPort,
  type PortDescription,
  type PortKind,
  portConfig,
} from '../../../src/fabric/config/index.ts';
import type { FirmwareHostBridge, FirmwareMachine } from '../../../src/fabric/firmware/index.ts';
import type { BarDescription, ExpressDescription, FunctionDescription } from '../../../src/fabric/model.ts';
import { DEVICE_CONTROL_2, PCI_EXPRESS_CAPABILITIES } from '../../../src/spec/pcie/index.ts';
import { neverCreated } from '../config/descriptions.ts';

/** Device numbers of a bus, each with its functions 0 to 7. */
export type FakeBus = Map<number, FakeFunction[]>;

export interface FakeFunction {
  readonly space: ConfigSpace;
  /** Behind a bridge; null otherwise. */
  readonly below: FakeBus | null;
  readonly bars: readonly BarShape[];
}

export class FakeMachine implements FirmwareMachine {
  readonly hostBridges: readonly FirmwareHostBridge[];
  readonly #roots: readonly FakeBus[];

  constructor(bridges: readonly FirmwareHostBridge[], roots: readonly FakeBus[]) {
    this.hostBridges = bridges;
    this.#roots = roots;
  }

  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
  ): number {
    return this.find(domain, bus, device, fn)?.read(offset, lengthBytes) ?? 2 ** (8 * lengthBytes) - 1;
  }

  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
    value: number,
  ): void {
    this.find(domain, bus, device, fn)?.write(offset, lengthBytes, value);
  }

  find(domain: number, bus: number, device: number, fn: number): ConfigSpace | undefined {
    for (const [i, bridge] of this.hostBridges.entries()) {
      if (bridge.domain === domain && bus >= bridge.rootBus && bus <= bridge.lastBus) {
        return findBelow(this.#roots[i]!, bridge.rootBus, bus, device, fn);
      }
    }
    return undefined;
  }

  /** Every function with the bridges above it, the root first. */
  *walk(): Generator<{ fn: FakeFunction; above: readonly FakeFunction[]; root: number }> {
    for (const [root, bus] of this.#roots.entries()) {
      yield* walkBus(bus, [], root);
    }
  }
}

function findBelow(
  tree: FakeBus,
  number: number,
  bus: number,
  device: number,
  fn: number,
): ConfigSpace | undefined {
  if (number === bus) {
    return tree.get(device)?.[fn]?.space;
  }
  for (const functions of tree.values()) {
    for (const { space, below } of functions) {
      const [secondary, subordinate] = [space.read(0x19, 1), space.read(0x1a, 1)];
      if (below !== null && secondary !== 0 && bus >= secondary && bus <= subordinate) {
        const { express } = space.offsets;
        const portType =
          express === 0 ? -1 : PCI_EXPRESS_CAPABILITIES.Device_Port_Type.read(space.view, express);
        // The other end of a link is device 0; all else there would be functions of it, by ARI.
        if (bus === secondary && isDownstreamPort(portType) && device !== 0) {
          const isAri = DEVICE_CONTROL_2.ARI_Forwarding_Enable.read(space.view, express) === 1;
          return isAri ? below.get(0)?.[device * 8 + fn]?.space : undefined;
        }
        return findBelow(below, secondary, bus, device, fn);
      }
    }
  }
  return undefined;
}

function* walkBus(
  bus: FakeBus,
  above: readonly FakeFunction[],
  root: number,
): Generator<{ fn: FakeFunction; above: readonly FakeFunction[]; root: number }> {
  for (const functions of bus.values()) {
    for (const fn of functions) {
      yield { fn, above, root };
      if (fn.below !== null) {
        yield* walkBus(fn.below, [...above, fn], root);
      }
    }
  }
}

export const expressOf = (change: Partial<ExpressDescription> = {}): ExpressDescription => ({
  maxPayloadBytes: 512,
  canExtendTags: true,
  canResetFunction: true,
  hasAer: true,
  hasAts: false,
  hasPri: false,
  acs: null,
  linkSpeedGTs: 16,
  linkWidth: 4,
  ...change,
});

export const functionOf = (change: Partial<FunctionDescription> = {}): FunctionDescription => ({
  vendorId: 0x1234,
  deviceId: 0x5678,
  subsystemVendorId: 0,
  subsystemDeviceId: 0,
  revision: 0,
  classCode: 0x010802,
  bars: [],
  interruptPin: 1,
  msix: null,
  msiVectorCount: 1,
  express: expressOf(),
  sriov: null,
  serialNumber: null,
  ...change,
});

export const barOf = (
  index: number,
  sizeBytes: number,
  type: 'io' | 'm32' | 'm32p' | 'm64' | 'm64p',
  resizableTo?: readonly number[],
): BarDescription => ({
  index,
  kind: type === 'io' ? 'io' : 'memory',
  sizeBytes,
  is64Bit: type.startsWith('m64'),
  isPrefetchable: type.endsWith('p'),
  regions: [],
  ...(resizableTo === undefined ? {} : { resizableTo }),
});

export const endpoint = (d: FunctionDescription, isMultiFunction = false): FakeFunction => ({
  space: functionConfig(d, { isMultiFunction }),
  below: null,
  bars: d.bars,
});

export const port = (
  kind: PortKind,
  below: FakeBus,
  change: Partial<PortDescription> = {},
): FakeFunction => ({
  space: portConfig({
    kind,
    vendorId: 0x10b5,
    deviceId: 0x8796,
    subsystem: null,
    portNumber: 1,
    slot: null,
    acs: { capability: 0x1f },
    linkSpeedGTs: 16,
    linkWidth: 4,
    maxPayloadBytes: 512,
    hasAer: true,
    isMultiFunction: false,
    ...change,
  }),
  below,
  bars: change.bars ?? [],
});

export const busOf = (...devices: readonly (FakeFunction | readonly FakeFunction[])[]): FakeBus =>
  new Map(devices.map((device, i) => [i, 'space' in device ? [device] : [...device]]));

export const HOT_PLUG_SLOT = { physicalNumber: 1, isHotPlugCapable: true, isSurpriseCapable: true };

export const PLENTY: FirmwareHostBridge = {
  domain: 0,
  rootBus: 0,
  lastBus: 0xff,
  memoryWindows: [
    { start: 0x4000_0000, lengthBytes: 0xa000_0000 },
    { start: 2 ** 40, lengthBytes: 2 ** 44 },
  ],
  ioWindows: [{ start: 0, lengthBytes: 0x1_0000 }],
};

/** A recipe, because config spaces are changed by a run and every run wants its own. */
export type Recipe =
  | { readonly kind: 'function'; readonly functions: readonly FunctionDescription[] }
  | {
      readonly kind: 'switch';
      readonly ports: readonly (readonly Recipe[])[];
      readonly hasSlots: boolean;
      readonly change: Partial<PortDescription>;
    }
  | { readonly kind: 'bridge'; readonly devices: readonly Recipe[] };

export function build(recipes: readonly Recipe[]): FakeBus {
  return busOf(...recipes.map(buildDevice));
}

function buildDevice(recipe: Recipe): FakeFunction | readonly FakeFunction[] {
  switch (recipe.kind) {
    case 'function':
      return recipe.functions.map((d) => endpoint(d, recipe.functions.length > 1));
    case 'switch':
      return port(
        'switch-upstream',
        busOf(
          ...recipe.ports.map((below) =>
            port('switch-downstream', build(below.slice(0, 1)), {
              slot: recipe.hasSlots ? HOT_PLUG_SLOT : null,
              ...recipe.change,
            }),
          ),
        ),
        recipe.change,
      );
    case 'bridge':
      return port('pcie-to-pci-bridge', build(recipe.devices));
  }
}

/** A root bus: a host bridge function and a root port for every recipe. */
export function buildRoot(recipes: readonly Recipe[], change: Partial<PortDescription> = {}): FakeBus {
  return busOf(
    { space: hostBridgeConfig({ vendorId: 0x8086, deviceId: 1 }), below: null, bars: [] },
    ...recipes.map((recipe) => port('root-port', build([recipe]), change)),
  );
}

const barTypes = fc.constantFrom('io', 'm32', 'm32p', 'm64', 'm64p', 'none') as fc.Arbitrary<
  'io' | 'm32' | 'm32p' | 'm64' | 'm64p' | 'none'
>;

const barsArbitrary = (sizeLogMax: number): fc.Arbitrary<BarDescription[]> =>
  fc.array(fc.tuple(barTypes, fc.nat(40)), { minLength: 3, maxLength: 3 }).map((choices) =>
    choices.flatMap(([type, log], i) => {
      if (type === 'none') {
        return [];
      }
      const top = type === 'io' ? 8 : type === 'm64p' ? sizeLogMax : Math.min(26, sizeLogMax);
      const bottom = type === 'io' ? 2 : 4;
      const sizeBytes = 2 ** (bottom + (log % (top - bottom + 1)));
      const isResizable = type === 'm64p' && sizeBytes >= 2 ** 20;
      return [barOf(2 * i, sizeBytes, type, isResizable ? [sizeBytes * 4, sizeBytes * 16] : undefined)];
    }),
  );

const describedArbitrary = (sizeLogMax: number): fc.Arbitrary<FunctionDescription> =>
  fc
    .record({
      bars: barsArbitrary(sizeLogMax),
      vfBars: barsArbitrary(20),
      totalVfs: fc.integer({ min: 1, max: 300 }),
      hasVfs: fc.nat(5).map((n) => n === 0),
      maxPayloadBytes: fc.constantFrom(128, 256, 512, 1024),
    })
    .map(({ bars, vfBars, totalVfs, hasVfs, maxPayloadBytes }) =>
      functionOf({
        bars,
        express: expressOf({ maxPayloadBytes }),
        sriov: hasVfs
          ? {
              totalVfs,
              firstVfOffset: 16,
              vfStride: 1,
              vfDeviceId: 0x9999,
              bars: vfBars.filter((bar) => bar.kind === 'memory').map(({ resizableTo: _, ...bar }) => bar),
              createVf: neverCreated,
            }
          : null,
      }),
    );

export const recipesArbitrary = (sizeLogMax: number): fc.Arbitrary<Recipe[]> => {
  const leaf: fc.Arbitrary<Recipe> = fc
    .array(describedArbitrary(sizeLogMax), { minLength: 1, maxLength: 3 })
    .map((functions) => ({ kind: 'function', functions }));
  const { node } = fc.letrec<{ node: Recipe }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaf,
      fc.record({
        kind: fc.constant('switch' as const),
        ports: fc.array(fc.array(tie('node'), { maxLength: 1 }), { minLength: 1, maxLength: 4 }),
        hasSlots: fc.boolean(),
        change: fc.record({
          prefetchableWindow: fc.constantFrom('64-bit', '64-bit', '32-bit', 'none'),
          ioWindow: fc.constantFrom('32-bit', '16-bit', 'none'),
          // A port's own register lies beside its windows and those of its neighbours.
          bars: fc.constantFrom([], [barOf(0, 0x4000, 'm32')]),
        }) as fc.Arbitrary<Partial<PortDescription>>,
      }),
      fc.record({
        kind: fc.constant('bridge' as const),
        devices: fc.array(leaf, { maxLength: 3 }),
      }),
    ),
  }));
  return fc.array(node, { minLength: 1, maxLength: 4 });
};
