/** Functions without a machine: BARs that nobody decodes and a DMA view that only keeps books. */
import type {
  BarWindow,
  ConfigSpace,
  DmaMapping,
  DmaView,
  Executor,
  Interrupts,
  PciFunction,
  Span,
  Task,
} from '../../../src/access/index.ts';
import {
  type Bdf,
  type BusAddr,
  type DmaAddr,
  MappingError,
  type PhysAddr,
  SeededRandom,
} from '../../../src/base/index.ts';
import { P2pdma, type P2pdmaOptions } from '../../../src/p2pdma/index.ts';
import type { Machine } from '../../../src/topology/index.ts';
import { bdf, type MachineSketch, makeMachine, oneSwitch } from '../support/build-machine.ts';

export const MIB = 2 ** 20;
export const PAGE = 4096;
/** BAR 0 of the provider in most tests. */
export const BAR_START = 0x10_0000_0000;

export interface FakeBar {
  readonly start?: number;
  readonly lengthBytes?: number;
  /** Bus address minus CPU address. */
  readonly busOffset?: number;
  readonly is64Bit?: boolean;
  readonly isPrefetchable?: boolean;
}

function fakeBar(index: number, bar: FakeBar): BarWindow {
  const { start = BAR_START, lengthBytes = 64 * MIB, busOffset = 0 } = bar;
  return {
    index,
    lengthBytes,
    is64Bit: bar.is64Bit ?? true,
    isPrefetchable: bar.isPrefetchable ?? true,
    physAddr: start as PhysAddr,
    busAddr: (start + busOffset) as BusAddr,
    read32: () => 0xffff_ffff,
    write32: () => {},
    writeBytes: () => {},
    readBytes: () => 0,
  };
}

/** Maps physical addresses to themselves plus `iovaOffset`, host spans to made-up addresses. */
export class FakeDma implements DmaView {
  addressBits = 64;
  iovaOffset = 0;
  /** Mappings that are not unmapped yet. */
  readonly live = new Set<DmaMapping>();
  hostCalls = 0;
  physCalls = 0;
  #nextHost = 0x1_0000;

  setAddressBits(bits: number): void {
    this.addressBits = bits;
  }

  allocCoherent(): never {
    throw new Error('not needed here');
  }

  mapHost(span: Span, offsetBytes: number, lengthBytes: number): DmaMapping {
    if (span.kind !== 'host') {
      throw new MappingError('DMA_NOT_HOST', { message: 'no host memory' });
    }
    this.hostCalls += 1;
    const addr = this.#nextHost + offsetBytes;
    this.#nextHost += span.lengthBytes;
    return this.#mapping(addr, lengthBytes);
  }

  mapPhys(addr: PhysAddr, lengthBytes: number): DmaMapping {
    this.physCalls += 1;
    const at = addr + this.iovaOffset;
    if (at + lengthBytes > 2 ** this.addressBits) {
      throw new MappingError('DMA_MASK', { message: 'beyond the mask' });
    }
    return this.#mapping(at, lengthBytes);
  }

  #mapping(addr: number, lengthBytes: number): DmaMapping {
    const mapping: DmaMapping = {
      segments: [{ addr: addr as DmaAddr, lengthBytes }],
      unmap: () => this.live.delete(mapping),
    };
    this.live.add(mapping);
    return mapping;
  }
}

export class FakeFunction implements PciFunction {
  readonly bdf: Bdf;
  readonly dma = new FakeDma();
  readonly bars = new Map<number, BarWindow>();
  /** Dwords of config space; what is missing reads 0. */
  readonly registers = new Map<number, number>();
  isPresent = true;
  onGone: () => void = () => {};

  constructor(at: string, bars: Readonly<Record<number, FakeBar>> = { 0: {} }) {
    this.bdf = bdf(at);
    for (const [index, bar] of Object.entries(bars)) {
      this.bars.set(Number(index), fakeBar(Number(index), bar));
    }
  }

  get config(): ConfigSpace {
    return { read32: (offset: number) => this.registers.get(offset) ?? 0 } as ConfigSpace;
  }

  get executor(): Executor {
    throw new Error('not needed here');
  }

  get interrupts(): Interrupts {
    throw new Error('not needed here');
  }

  bar(index: number): BarWindow | undefined {
    return this.bars.get(index);
  }

  moveBar(index: number, bar: FakeBar): void {
    this.bars.set(index, fakeBar(index, bar));
  }

  enable(): void {}

  // biome-ignore lint/correctness/useYield: nothing here takes time.
  *reset(): Task<boolean> {
    return true;
  }
}

export class FakeHostSpan implements Span {
  readonly kind = 'host';
  readonly provider = null;
  readonly isReadable = true;
  readonly lengthBytes: number;

  constructor(lengthBytes: number) {
    this.lengthBytes = lengthBytes;
  }

  copyOut(): void {}
  copyIn(): void {}
  fill(): void {}
  close(): void {}
}

export interface Bench {
  readonly p2pdma: P2pdma;
  /** `device|text`, in order. */
  readonly lines: string[];
  /** What the next reading of the machine gives. */
  machine: Machine;
  /** Times that the machine was read. */
  readings: number;
}

export function bench(
  sketch: Partial<MachineSketch> = {},
  options: Partial<Omit<P2pdmaOptions, 'machine'>> = {},
): Bench {
  const lines: string[] = [];
  const state: { machine: Machine; readings: number } = {
    machine: makeMachine({ functions: oneSwitch(), ...sketch }),
    readings: 0,
  };
  const p2pdma = new P2pdma({
    machine: () => {
      state.readings += 1;
      return state.machine;
    },
    random: new SeededRandom(1),
    log: (device, text) => lines.push(`${device ?? ''}|${text}`),
    ...options,
  });
  return Object.assign(state, { p2pdma, lines });
}

/** A bench with a provider at 03:00.0 that has registered all of BAR 0, and a client at 04:00.0 of the same switch. */
export function benchWithMemory(
  sketch: Partial<MachineSketch> = {},
  options: Partial<Omit<P2pdmaOptions, 'machine'>> = {},
  bar: FakeBar = {},
) {
  const made = bench(sketch, options);
  const fn = new FakeFunction('03:00.0', { 0: bar });
  const client = new FakeFunction('04:00.0');
  made.p2pdma.addResource(fn, 0);
  made.p2pdma.publish(fn.bdf);
  return Object.assign(made, { fn, client, provider: made.p2pdma.provider(fn.bdf)! });
}

/** What a call throws: code, errno and number of the case, for one `toEqual`. */
export function refusalOf(call: () => unknown): Record<string, unknown> {
  try {
    call();
  } catch (error) {
    if (error instanceof MappingError) {
      const { edgeCase, errno, kernel } = error.detail;
      return {
        code: error.code,
        ...(errno == null ? {} : { errno }),
        ...(edgeCase === undefined ? {} : { edgeCase }),
        ...(kernel === undefined ? {} : { isWorse: true }),
      };
    }
    throw error;
  }
  return { code: 'none' };
}
