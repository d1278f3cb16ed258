/** Random machines for the property tests, from a seed. */
import { SeededRandom } from '../../../src/base/index.ts';
import type { Bus } from '../../../src/fabric/tree/bus.ts';
import type { Fabric, FabricFunction } from '../../../src/fabric/tree/index.ts';
import {
  boot,
  DRAM_START,
  hostBridge,
  MIB,
  machine,
  port,
  setAcs,
  setWindow,
  TestEndpoint,
  WINDOW_START,
  write16,
  write32,
} from '../tree/machine.ts';

const POLICIES = ['routes', 'writes-only', 'none'] as const;

export interface RandomMachine {
  readonly fabric: Fabric;
  readonly endpoints: readonly FabricFunction[];
  /** Addresses worth asking for: BARs and their edges, windows, memory, nowhere. */
  readonly addresses: readonly number[];
  readonly random: SeededRandom;
}

export interface RandomOptions {
  /** Root complexes that route everything, and no ACS. */
  readonly isPermissive?: boolean;
  /** Requests take random times. */
  readonly jitterSeed?: number;
}

/** A machine that nobody has enumerated yet. */
export function growMachine(
  seed: number,
  options: RandomOptions = {},
): { readonly fabric: Fabric; readonly random: SeededRandom } {
  const random = new SeededRandom(seed);
  const fabric = machine(options.jitterSeed === undefined ? {} : { jitterSeed: options.jitterSeed });
  const count = 1 + random.below(2);
  for (let index = 0; index < count; index++) {
    const peers = options.isPermissive
      ? {}
      : { peers: { sameBridge: random.pick(POLICIES), otherBridge: random.pick(POLICIES) } };
    const bridge = hostBridge(fabric, {
      domain: random.below(2) === 0 ? 0 : index,
      rootBus: index * 0x80,
      lastBus: index * 0x80 + 0x7f,
      windows: [{ start: WINDOW_START + index * 512 * MIB, lengthBytes: 512 * MIB }],
      ...peers,
    });
    const ports = 1 + random.below(3);
    for (let device = 1; device <= ports; device++) {
      grow(
        bridge.rootBus.addRootPort(device, 0, port('root-port', { portNumber: device })).secondaryBus!,
        random,
        2,
      );
    }
    if (random.below(3) === 0) {
      bridge.rootBus.addFunction(9, 0, new TestEndpoint('integrated'));
    }
  }
  return { fabric, random };
}

export function randomMachine(seed: number, options: RandomOptions = {}): RandomMachine {
  const { fabric, random } = growMachine(seed, options);
  boot(fabric);
  const all = fabric.functions();
  if (options.isPermissive !== true) {
    for (const fn of all) {
      if (fn.config.offsets.acs !== 0 && random.below(2) === 0) {
        setAcs(fn, random.below(0x80));
      }
    }
  }
  const endpoints = all.filter(({ kind }) => kind === 'endpoint');
  const addresses = [
    DRAM_START,
    DRAM_START + 12_345,
    0x30_0000_0000,
    0xfee0_0000,
    Number.POSITIVE_INFINITY,
    0,
  ];
  for (const fn of endpoints) {
    const { start, end } = fn.state.bars[0]!;
    const registers = fn.state.bars[1]!.start;
    addresses.push(
      start,
      end - 1,
      end,
      registers + 0x100,
      registers + 0x5000,
      registers + 0x8000,
      registers + 0xf000,
    );
  }
  for (const fn of all) {
    for (const window of fn.state.bridge?.windows ?? []) {
      addresses.push(window.start, window.end - 1);
    }
  }
  return { fabric, endpoints, addresses, random };
}

function grow(bus: Bus, random: SeededRandom, depth: number): void {
  const kind = random.below(depth > 0 ? 6 : 3);
  if (kind === 0) {
    bus.plug(
      Array.from(
        { length: 1 + random.below(3) },
        (_, fn) => new TestEndpoint(`m${fn}`, { express: { acs: 0x2c } }),
      ),
      {
        routesInternally: random.below(2) === 0,
      },
    );
  } else if (kind <= 2) {
    bus.plug(new TestEndpoint('e'));
  } else if (kind === 3 && depth < 2) {
    const bridge = bus.addBridge(0, 0, port('pcie-to-pci-bridge'));
    for (let device = 0; device <= random.below(2); device++) {
      bridge.secondaryBus!.addFunction(device, 0, new TestEndpoint('c', { express: null }));
    }
  } else {
    const count = 2 + random.below(2);
    const chip = bus.addSwitch(
      port('switch-upstream', { acs: null, portNumber: 0 }),
      Array.from({ length: count }, (_, index) => port('switch-downstream', { portNumber: index + 1 })),
    );
    for (const downstream of chip.downstream) {
      grow(downstream.secondaryBus!, random, depth - 1);
    }
  }
}

/** One thing that software might do to a machine that runs. */
export function disturb({ fabric, random }: RandomMachine): string {
  const fn = random.pick(fabric.functions());
  const { offsets } = fn.config;
  const what = random.below(9);
  switch (what) {
    case 0:
      write16(fn, 0x04, random.below(8));
      break;
    case 1:
      if (offsets.acs !== 0) {
        setAcs(fn, random.below(0x80));
      }
      break;
    case 2:
      if (offsets.acs !== 0) {
        write32(fn, offsets.acs + 8, random.below(16));
      }
      break;
    case 3:
      write16(fn, offsets.pm + 4, random.below(2) * 3);
      break;
    case 4:
      if (offsets.express !== 0) {
        write16(fn, offsets.express + 8, random.below(6) << 5);
      }
      break;
    case 5:
      if (fn.secondaryBus !== null) {
        const start = WINDOW_START + random.below(16) * MIB;
        setWindow(fn, start, start + random.below(8) * MIB);
      }
      break;
    case 6:
      if (fn.config.bars.length > 0) {
        write32(fn, 0x10, random.below(16) * MIB);
      }
      break;
    case 7:
      if (fn.secondaryBus !== null && fn.device.bus.bridge !== null) {
        const secondary = random.below(8);
        write32(fn, 0x18, fn.device.bus.number | (secondary << 8) | ((secondary + random.below(4)) << 16));
      }
      break;
    default:
      if (fn.model instanceof TestEndpoint) {
        const { model } = fn;
        model.port.setOpen(model.range, !model.range.isOpen);
      }
      break;
  }
  return `${what} at ${fn.bdf}`;
}
