/** What sits at one device number of a bus: one function or several, and what they share. */
import type { Bus } from './bus.ts';
import type { FabricFunction } from './fabric-function.ts';

export interface DeviceTraits {
  /**
   * Whether requests between functions of the device stay inside it. Without ACS that is up to the device (PCIe Base 6.0,
   * 6.12.1.2); Linux assumes that they do.
   */
  readonly routesInternally?: boolean;
  /** Whether reads of command data carry the Relaxed Ordering attribute when Device Control permits it. Default false. */
  readonly usesRelaxedOrdering?: boolean;
}

export class Device {
  readonly bus: Bus;
  readonly number: number;
  readonly routesInternally: boolean;
  readonly usesRelaxedOrdering: boolean;
  /** By function number, virtual functions at their routing id relative to function 0. */
  readonly functions = new Map<number, FabricFunction>();
  /**
   * The bus number that the device takes for its own: what came with the last configuration write (PCIe Base 6.0, 2.2.6.2).
   * 0 before the first.
   */
  capturedBus = 0;
  isGone = false;

  constructor(bus: Bus, number: number, traits: DeviceTraits) {
    this.bus = bus;
    this.number = number;
    this.routesInternally = traits.routesInternally ?? true;
    this.usesRelaxedOrdering = traits.usesRelaxedOrdering ?? false;
    this.capturedBus = bus.kind === 'root' ? bus.number : 0;
  }

  /** The function that answers for the device as a whole. */
  get lowestFunction(): FabricFunction {
    return this.functions.values().next().value!;
  }
}
