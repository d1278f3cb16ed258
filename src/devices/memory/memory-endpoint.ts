/**
 * The plain memory endpoint: BARs that are memory, and nothing else. The simplest provider of peer memory, and the card of
 * the iopmem text of 2016 (a BAR of non-volatile memory). It also stands in for any device of which only config space and
 * BARs matter: it offers whatever capabilities it is told to and uses none of them.
 */
import {
  type BarDescription,
  type BarMemory,
  type EndpointModel,
  type ExpressDescription,
  type FunctionDescription,
  type FunctionPort,
  Memory,
  type MsixDescription,
  type ResetKind,
  type SriovDescription,
} from '../../fabric/index.ts';

export interface MemoryBarOptions {
  readonly index: number;
  readonly kind: 'memory' | 'io';
  /** A power of two, at least 16; an I/O BAR answers zeros. */
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
  readonly isPrefetchable: boolean;
  readonly resizableTo?: readonly number[];
}

export interface MemoryEndpointOptions {
  readonly name: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  readonly revision: number;
  /** 05_00_00 is a RAM controller. */
  readonly classCode: number;
  readonly bars: readonly MemoryBarOptions[];
  readonly express: ExpressDescription | null;
  readonly msix: MsixDescription | null;
  readonly msiVectorCount: number;
  readonly interruptPin: number;
  readonly sriov: SriovDescription | null;
  /** Content survives a loss of power. */
  readonly isPersistent: boolean;
  /** `flat`: real bytes from the start; `extents`: bytes where they are needed. */
  readonly storage: 'flat' | 'extents';
  /** Memory for a BAR that somebody outside looks at too; null: it has its own. */
  readonly shareMemory?: (bar: number, sizeBytes: number) => Memory | null;
}

export class MemoryEndpoint implements EndpointModel {
  readonly name: string;
  readonly description: FunctionDescription;
  readonly #isPersistent: boolean;
  /** By BAR index, for those who check what arrived by the device's own view. */
  readonly #memories = new Map<number, Memory>();

  constructor(options: MemoryEndpointOptions) {
    this.name = options.name;
    this.#isPersistent = options.isPersistent;
    this.description = {
      vendorId: options.vendorId,
      deviceId: options.deviceId,
      subsystemVendorId: options.subsystemVendorId,
      subsystemDeviceId: options.subsystemDeviceId,
      revision: options.revision,
      classCode: options.classCode,
      bars: options.bars.map((bar) => this.#memoryBar(bar, options)),
      interruptPin: options.interruptPin,
      msix: options.msix,
      msiVectorCount: options.msiVectorCount,
      express: options.express,
      sriov: options.sriov,
      serialNumber: null,
    };
  }

  /** The memory behind a BAR; undefined when the BAR is not one of its own. */
  memory(bar: number): Memory | undefined {
    return this.#memories.get(bar);
  }

  attach(_port: FunctionPort): void {}

  detach(): void {}

  reset(kind: ResetKind): void {
    if (kind === 'power' && !this.#isPersistent) {
      for (const memory of this.#memories.values()) {
        memory.reset();
      }
    }
  }

  readRegister(): number {
    return 0;
  }

  writeRegister(): void {}

  onDma(): void {}

  #memoryBar(bar: MemoryBarOptions, { storage, shareMemory }: MemoryEndpointOptions): BarDescription {
    if (bar.kind === 'io') {
      return { ...bar, is64Bit: false, isPrefetchable: false, regions: [] };
    }
    const memory =
      shareMemory?.(bar.index, bar.sizeBytes) ??
      (storage === 'flat' ? Memory.flat(bar.sizeBytes) : Memory.extents(bar.sizeBytes));
    this.#memories.set(bar.index, memory);
    const region: BarMemory = {
      kind: 'memory',
      offsetBytes: 0,
      memory,
      memoryOffset: 0,
      lengthBytes: bar.sizeBytes,
      isOpen: true,
    };
    return {
      index: bar.index,
      kind: 'memory',
      sizeBytes: bar.sizeBytes,
      is64Bit: bar.is64Bit,
      isPrefetchable: bar.isPrefetchable,
      regions: [region],
      ...(bar.resizableTo === undefined ? {} : { resizableTo: bar.resizableTo }),
    };
  }
}
