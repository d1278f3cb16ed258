/**
 * One function in the tree: its config space, its model, where it is, and what is decoded from its registers.
 *
 * A bridge has a secondary bus; a virtual function has a physical one. Behaviour is elsewhere: routing reads `state`, the
 * model's requests go through `requester`, registers are watched by `Fabric`.
 */
import { type Bdf, formatBdf } from '../../base/index.ts';
import { type ConfigSpace, type PortKind, virtualFunctions } from '../config/index.ts';
import type { EndpointModel, FunctionDescription } from '../model.ts';
import type { DmaWatcher, InterruptDelivery } from '../outside.ts';
import type { BarTarget, Fault } from '../routing/completer.ts';
import { type AddressRange, type FunctionState, functionState } from '../routing/function-state.ts';
import { Bus, type BusKind } from './bus.ts';
import type { Device } from './device.ts';
import type { Fabric } from './fabric.ts';
import { MsixTable } from './msix-table.ts';
import { Requester } from './requester.ts';

export type FunctionKind = PortKind | 'endpoint' | 'virtual' | 'host-bridge';

/** Which physical function a virtual one belongs to, and its number there, from 0. */
export interface VirtualIdentity {
  readonly physical: FabricFunction;
  readonly index: number;
}

const SECONDARY_BUS: Readonly<Partial<Record<FunctionKind, BusKind>>> = {
  'root-port': 'link',
  'switch-upstream': 'internal',
  'switch-downstream': 'link',
  'pcie-to-pci-bridge': 'conventional',
  'pci-bridge': 'conventional',
};

export class FabricFunction {
  readonly fabric: Fabric;
  readonly device: Device;
  /** Function number; of a virtual function its routing id relative to function 0 of the device. */
  readonly number: number;
  readonly kind: FunctionKind;
  readonly config: ConfigSpace;
  /** Null for bridges and host bridge functions. */
  readonly model: EndpointModel | null;
  readonly virtual: VirtualIdentity | null;
  /** What is below it; null for everything but bridges. */
  readonly secondaryBus: Bus | null;
  readonly requester: Requester;
  readonly msix: MsixTable | null;
  /** What is behind its BARs. */
  readonly targets: readonly BarTarget[];
  /** Injected; change through `Fabric.injectFault`. */
  readonly faults: Fault[] = [];
  /** Its virtual functions, while they are enabled. */
  readonly virtuals: FabricFunction[] = [];
  /** Takes its interrupts in place of the fabric; null: they are messages and wires. */
  interruptDelivery: InterruptDelivery | null = null;
  /** Looks at its DMA; null costs one comparison. */
  dmaWatcher: DmaWatcher | null = null;
  isGone = false;
  /** The level of its interrupt pin as its model wants it. */
  isIntxAsserted = false;
  /** The level that has been sent. */
  isIntxSent = false;
  #state: FunctionState | null = null;
  #windows: readonly AddressRange[] | null = null;

  constructor(
    fabric: Fabric,
    device: Device,
    number: number,
    kind: FunctionKind,
    config: ConfigSpace,
    model: EndpointModel | null,
    virtual: VirtualIdentity | null,
  ) {
    this.fabric = fabric;
    this.device = device;
    this.number = number;
    this.kind = kind;
    this.config = config;
    this.model = model;
    this.virtual = virtual;
    const below = SECONDARY_BUS[kind];
    this.secondaryBus = below === undefined ? null : new Bus(below, device.bus.hostBridge, this);
    const msix = model?.description.msix ?? null;
    this.msix = msix === null ? null : new MsixTable(this, msix);
    this.targets = model === null ? [] : barTargets(model, model.description, this.msix);
    this.requester = new Requester(fabric, this);
  }

  /** What its registers say now. */
  get state(): FunctionState {
    this.#state ??= this.#decode();
    return this.#state;
  }

  /** Bus, device and function that it puts into its requests. */
  get requesterId(): number {
    return (((this.device.capturedBus << 8) | (this.device.number << 3)) + this.number) & 0xffff;
  }

  /** Routing ID by which configuration requests find it. */
  get routingId(): number {
    return (((this.device.bus.number << 8) | (this.device.number << 3)) + this.number) & 0xffff;
  }

  get bdf(): Bdf {
    const id = this.routingId;
    return formatBdf({
      domain: this.device.bus.hostBridge.domain,
      bus: id >>> 8,
      device: (id >>> 3) & 0x1f,
      function: id & 7,
    });
  }

  get isConventionalBridge(): boolean {
    return this.kind === 'pcie-to-pci-bridge' || this.kind === 'pci-bridge';
  }

  /** Its registers have changed. Virtual functions share some of them. */
  forgetState(): void {
    this.#state = null;
    for (const fn of this.virtuals) {
      fn.forgetState();
    }
  }

  /**
   * What a bridge passes down, in place of the windows in its registers: in a tree whose bridges nobody programs. It then takes
   * packets of any length, too. Null: the registers.
   */
  setWindows(windows: readonly AddressRange[] | null): void {
    this.#windows = windows;
    this.forgetState();
    this.fabric.touch();
  }

  #decode(): FunctionState {
    const state = functionState(this.config, this.#virtualPlace());
    return this.#windows === null || state.bridge === null
      ? state
      : { ...state, maxPayloadBytes: 0, bridge: { ...state.bridge, windows: this.#windows } };
  }

  #virtualPlace() {
    if (this.virtual === null) {
      return null;
    }
    const { physical, index } = this.virtual;
    return {
      physical: physical.config,
      index,
      isMemoryEnabled: virtualFunctions(physical.config)?.isMemoryEnabled === true,
    };
  }
}

/** The MSI-X structures lie over whatever the model has in their place. */
function barTargets(
  model: EndpointModel,
  description: FunctionDescription,
  msix: MsixTable | null,
): readonly BarTarget[] {
  const targets: BarTarget[] = msix === null ? [] : [...msix.targets];
  for (const bar of description.bars) {
    for (const region of bar.regions) {
      const place = {
        bar: bar.index,
        start: region.offsetBytes,
        end: region.offsetBytes + region.lengthBytes,
      };
      targets.push(
        region.kind === 'memory'
          ? {
              ...place,
              memory: region.memory,
              memoryOffset: region.memoryOffset,
              range: region,
              handler: null,
            }
          : { ...place, memory: null, memoryOffset: 0, range: null, handler: model },
      );
    }
  }
  return targets;
}
