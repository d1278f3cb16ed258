/** A small machine for the tests of the fabric: an endpoint model, ports, and just enough firmware to number and address it. */
import { AssertionFailure } from '../../../src/base/index.ts';
import type { PortDescription, PortKind } from '../../../src/fabric/config/index.ts';
import { Dram } from '../../../src/fabric/dram.ts';
import { EventQueue, noTurn } from '../../../src/fabric/event-queue.ts';
import type {
  BarMemory,
  EndpointModel,
  ExpressDescription,
  FunctionDescription,
  FunctionPort,
  ResetKind,
  Status,
} from '../../../src/fabric/index.ts';
import { Memory } from '../../../src/fabric/memory/memory.ts';
import type { Translator } from '../../../src/fabric/routing/translator.ts';
import type { Bus } from '../../../src/fabric/tree/bus.ts';
import { Fabric, type FabricFunction, type HostBridge } from '../../../src/fabric/tree/index.ts';

export const MIB = 1 << 20;
export const DRAM_START = 0x1_0000_0000;
export const DRAM_BYTES = 64 * MIB;
export const WINDOW_START = 0x40_0000_0000;
export const WINDOW_BYTES = 0x10_0000_0000;

const EXPRESS: ExpressDescription = {
  maxPayloadBytes: 512,
  canExtendTags: true,
  canResetFunction: true,
  hasAer: true,
  hasAts: false,
  hasPri: false,
  acs: null,
  linkSpeedGTs: 16,
  linkWidth: 4,
};

/** BAR 0: 1 MiB of memory. BAR 2: 64 KiB of registers, with the MSI-X table at 0x8000 and its pending bits at 0xc000. */
export class TestEndpoint implements EndpointModel {
  readonly name: string;
  readonly description: FunctionDescription;
  readonly memory: Memory;
  readonly range: BarMemory;
  readonly registers = new Map<number, number>();
  readonly ended: { readonly token: number; readonly status: Status }[] = [];
  readonly resets: ResetKind[] = [];
  readonly log: string[] = [];
  isDetached = false;
  #port: FunctionPort | undefined;

  constructor(
    name: string,
    change: Omit<Partial<FunctionDescription>, 'express'> & {
      express?: Partial<ExpressDescription> | null;
    } = {},
  ) {
    this.name = name;
    this.memory = Memory.extents(MIB);
    this.range = {
      kind: 'memory',
      offsetBytes: 0,
      memory: this.memory,
      memoryOffset: 0,
      lengthBytes: MIB,
      isOpen: true,
    };
    this.description = {
      vendorId: 0x1de5,
      deviceId: 0x1000,
      subsystemVendorId: 0x1de5,
      subsystemDeviceId: 1,
      revision: 0,
      classCode: 0x058000,
      bars: [
        {
          index: 0,
          kind: 'memory',
          sizeBytes: MIB,
          is64Bit: true,
          isPrefetchable: true,
          regions: [this.range],
        },
        {
          index: 2,
          kind: 'memory',
          sizeBytes: 0x1_0000,
          is64Bit: true,
          isPrefetchable: true,
          regions: [{ kind: 'registers', offsetBytes: 0, lengthBytes: 0x4000 }],
        },
      ],
      interruptPin: 1,
      msix: {
        vectorCount: 4,
        tableBar: 2,
        tableOffsetBytes: 0x8000,
        pendingBar: 2,
        pendingOffsetBytes: 0xc000,
      },
      msiVectorCount: 4,
      sriov: null,
      serialNumber: null,
      ...change,
      express: change.express === null ? null : { ...EXPRESS, ...change.express },
    };
  }

  get port(): FunctionPort {
    if (this.#port === undefined) {
      throw new AssertionFailure('the model is not attached');
    }
    return this.#port;
  }

  attach(port: FunctionPort): void {
    this.#port = port;
  }
  detach(): void {
    this.isDetached = true;
  }
  reset(kind: ResetKind): void {
    this.resets.push(kind);
  }
  readRegister(_bar: number, offsetBytes: number, lengthBytes: number): number {
    this.log.push(`read ${offsetBytes.toString(16)}/${lengthBytes}`);
    return this.registers.get(offsetBytes) ?? 0;
  }
  writeRegister(_bar: number, offsetBytes: number, lengthBytes: number, value: number): void {
    this.log.push(`write ${offsetBytes.toString(16)}/${lengthBytes}=${value.toString(16)}`);
    this.registers.set(offsetBytes, value);
  }
  onDma(token: number, status: Status): void {
    this.ended.push({ token, status });
  }
}

/** Every ACS service that the base specification knows, and the enhanced ones. */
export const ACS_ALL = 0xff;

let portNumbers = 0;

export function port(kind: PortKind, change: Partial<PortDescription> = {}): PortDescription {
  return {
    kind,
    vendorId: 0x1de5,
    deviceId: 0x2000,
    subsystem: null,
    portNumber: portNumbers++ % 32,
    slot: null,
    acs: { capability: ACS_ALL },
    linkSpeedGTs: 16,
    linkWidth: 16,
    maxPayloadBytes: 512,
    hasAer: true,
    isMultiFunction: false,
    ...change,
  };
}

export interface MachineOptions {
  readonly translator?: Translator;
  readonly jitterSeed?: number;
}

/** A fabric whose memory is its own. */
export type TestFabric = Fabric & { readonly dram: Dram };

export function machine(options: MachineOptions = {}): TestFabric {
  const queue = new EventQueue({
    turn: noTurn,
    ...(options.jitterSeed === undefined ? {} : { jitter: { seed: options.jitterSeed, jitterPs: 1000 } }),
  });
  const dram = new Dram([{ numaNode: 0, start: DRAM_START, lengthBytes: DRAM_BYTES }]);
  // It has the memory that it was given.
  return new Fabric({ queue, dram, translator: options.translator ?? null }) as TestFabric;
}

export function hostBridge(
  fabric: Fabric,
  change: Parameters<Fabric['addHostBridge']>[0] | object = {},
): HostBridge {
  return fabric.addHostBridge({
    domain: 0,
    rootBus: 0,
    lastBus: 0xff,
    windows: [{ start: WINDOW_START, lengthBytes: WINDOW_BYTES }],
    ...change,
  });
}

/** Through the front door: config cycles to a function by its place. */
export function write16(fn: FabricFunction, offset: number, value: number): void {
  cycle(fn, offset, 2, value);
}
export function write32(fn: FabricFunction, offset: number, value: number): void {
  cycle(fn, offset, 4, value);
}
function cycle(fn: FabricFunction, offset: number, lengthBytes: 1 | 2 | 4, value: number): void {
  const id = fn.routingId;
  const { domain } = fn.device.bus.hostBridge;
  fn.fabric.configWrite(domain, id >>> 8, (id >>> 3) & 0x1f, id & 7, offset, lengthBytes, value);
}

/** Numbers the buses, places every 64-bit BAR, opens prefetchable windows, enables memory and bus master everywhere. */
export function boot(fabric: Fabric): void {
  for (const bridge of fabric.hostBridges) {
    const cursor = {
      bus: bridge.rootBusNumber,
      addr: (bridge.windows[0]?.start ?? WINDOW_START) - bridge.addressOffset,
    };
    bootBus(bridge.rootBus, cursor);
  }
}

function bootBus(bus: Bus, cursor: { bus: number; addr: number }): void {
  for (const device of bus.devices) {
    for (const fn of device.functions.values()) {
      bootFunction(fn, cursor);
    }
  }
}

function bootFunction(fn: FabricFunction, cursor: { bus: number; addr: number }): void {
  for (const bar of fn.config.bars) {
    cursor.addr = Math.ceil(cursor.addr / bar.sizeBytes) * bar.sizeBytes;
    write32(fn, bar.offset, cursor.addr % 0x1_0000_0000);
    if (bar.is64Bit) {
      write32(fn, bar.offset + 4, Math.floor(cursor.addr / 0x1_0000_0000));
    }
    cursor.addr += bar.sizeBytes;
  }
  if (fn.secondaryBus !== null) {
    cursor.addr = Math.ceil(cursor.addr / MIB) * MIB;
    const start = cursor.addr;
    cursor.bus++;
    const primary = fn.device.bus.number;
    write32(fn, 0x18, primary | (cursor.bus << 8) | (0xff << 16));
    bootBus(fn.secondaryBus, cursor);
    write32(fn, 0x18, primary | (fn.secondaryBus.number << 8) | (cursor.bus << 16));
    cursor.addr = Math.ceil(cursor.addr / MIB) * MIB;
    setWindow(fn, start, cursor.addr);
  }
  write16(fn, 0x04, 0x0006);
}

/** Opens the prefetchable window for [start, end), or closes it when that is empty. */
export function setWindow(fn: FabricFunction, start: number, end: number): void {
  const last = Math.max(end - MIB, 0);
  const [base, limit] = end > start ? [start, last] : [MIB, 0];
  write32(fn, 0x24, ((((limit % 0x1_0000_0000) / MIB) << 20) | (((base % 0x1_0000_0000) / MIB) << 4)) >>> 0);
  write32(fn, 0x28, Math.floor(base / 0x1_0000_0000));
  write32(fn, 0x2c, Math.floor(limit / 0x1_0000_0000));
}

/** Sets bits of ACS Control. */
export const ACS_BIT = { SV: 0x01, TB: 0x02, RR: 0x04, CR: 0x08, UF: 0x10, EC: 0x20, DT: 0x40 } as const;
export function setAcs(fn: FabricFunction, control: number): void {
  write16(fn, fn.config.offsets.acs + 6, control);
}
