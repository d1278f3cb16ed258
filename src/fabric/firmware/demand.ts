/**
 * What has to be placed: BARs, and the windows of bridges that hold the BARs behind them.
 *
 * Windows of a PCI-to-PCI bridge (PCI-to-PCI Bridge 1.2, 3.2.5.6 to 3.2.5.10): I/O in 4 KiB, memory in 1 MiB below 4 GiB,
 * prefetchable memory in 1 MiB anywhere. As in Linux (drivers/pci/setup-bus.c), only 64-bit prefetchable BARs go into a
 * 64-bit prefetchable window; all other memory goes below 4 GiB. A prefetchable window of 32 bits stays closed: its BARs are
 * as well served by the memory window.
 */
import {
  IO_BASE,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT,
  IO_LIMIT_UPPER_16_BITS,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
} from '../../spec/pci/index.ts';
import type { AddressRange } from './address-pool.ts';
import type { FunctionCycles } from './config-cycles.ts';
import type { ScannedFunction } from './scan.ts';
import type { SizedBar } from './size-bars.ts';

export type WindowKind = 'io' | 'memory' | 'prefetchable';

export interface Leaf {
  readonly fn: ScannedFunction;
  readonly bar: SizedBar;
}

/** Something with a size that gets one address. */
export interface Demand {
  readonly kind: WindowKind;
  /** The register can hold an address from 4 GiB on. */
  readonly can64: boolean;
  readonly sizeBytes: number;
  readonly alignBytes: number;
  /** One of the two. */
  readonly leaf: Leaf | null;
  readonly window: WindowDemand | null;
}

export interface WindowDemand {
  readonly bridge: ScannedFunction;
  /** What is in it, and how far from its start. */
  readonly parts: readonly { readonly demand: Demand; readonly offsetBytes: number }[];
  /** Part of its size is kept for what may be plugged in. */
  readonly isSpare: boolean;
}

/** What was given up so that the rest fits. */
export interface Waived {
  readonly bars: ReadonlySet<SizedBar>;
  /** Bridges that keep no room for hot plug any more. */
  readonly spares: ReadonlySet<ScannedFunction>;
}

export interface SpareRoom {
  readonly memoryBytes: number;
  readonly prefetchableBytes: number;
}

const GRANULE: Readonly<Record<WindowKind, number>> = {
  io: 0x1000,
  memory: 0x10_0000,
  prefetchable: 0x10_0000,
};

/** What a bridge can do with its windows, found by writing and reading back. */
export interface BridgeWindows {
  readonly hasIo: boolean;
  readonly hasPrefetchable64: boolean;
}

export function probeWindows(cycles: FunctionCycles): BridgeWindows {
  const io = cycles.get(IO_BASE);
  let hasIo = io !== 0;
  if (!hasIo) {
    cycles.put(IO_BASE, 0xf0);
    hasIo = cycles.get(IO_BASE) !== 0;
    cycles.put(IO_BASE, io);
  }
  const base = cycles.get(PREFETCHABLE_MEMORY_BASE);
  return { hasIo, hasPrefetchable64: PREFETCHABLE_MEMORY_BASE._64_bit_Addressing_Capability.of(base) === 1 };
}

/** Everything on one bus that needs an address there, in order of discovery. */
export function demandsOf(functions: readonly ScannedFunction[], waived: Waived, spare: SpareRoom): Demand[] {
  return functions.flatMap((fn) => [
    ...fn.bars.filter((bar) => !waived.bars.has(bar)).map((bar) => leafDemand(fn, bar)),
    ...(fn.isBridge ? windowDemands(fn, waived, spare) : []),
  ]);
}

function leafDemand(fn: ScannedFunction, bar: SizedBar): Demand {
  const isHigh = bar.is64Bit && bar.isPrefetchable;
  return {
    kind: bar.kind === 'io' ? 'io' : isHigh ? 'prefetchable' : 'memory',
    can64: bar.is64Bit,
    sizeBytes: bar.sizeBytes,
    alignBytes: bar.unitBytes,
    leaf: { fn, bar },
    window: null,
  };
}

/** Which window of a bridge something behind it goes into; null when the bridge has none for it. */
export function windowFor(windows: BridgeWindows, demand: Demand): WindowKind | null {
  switch (demand.kind) {
    case 'io':
      return windows.hasIo ? 'io' : null;
    case 'memory':
      return 'memory';
    case 'prefetchable':
      return windows.hasPrefetchable64 ? 'prefetchable' : 'memory';
  }
}

function windowDemands(bridge: ScannedFunction, waived: Waived, spare: SpareRoom): Demand[] {
  const windows = bridge.windows!;
  const inside: Record<WindowKind, Demand[]> = { io: [], memory: [], prefetchable: [] };
  for (const demand of demandsOf(bridge.children, waived, spare)) {
    const kind = windowFor(windows, demand);
    if (kind !== null) {
      inside[kind].push(demand);
    }
  }
  const hasSpare = bridge.isHotPlugSlot && !waived.spares.has(bridge);
  const spares: Record<WindowKind, number> = {
    io: 0,
    memory: hasSpare ? spare.memoryBytes : 0,
    prefetchable: hasSpare && windows.hasPrefetchable64 ? spare.prefetchableBytes : 0,
  };
  return (['io', 'memory', 'prefetchable'] as const)
    .filter((kind) => inside[kind].length > 0 || spares[kind] > 0)
    .map((kind) => windowDemand(bridge, kind, inside[kind], spares[kind]));
}

function windowDemand(
  bridge: ScannedFunction,
  kind: WindowKind,
  inside: readonly Demand[],
  spareBytes: number,
): Demand {
  let sizeBytes = 0;
  let alignBytes = GRANULE[kind];
  const parts = sortedForPacking(inside).map((demand) => {
    const offsetBytes = roundUp(sizeBytes, demand.alignBytes);
    sizeBytes = offsetBytes + demand.sizeBytes;
    alignBytes = Math.max(alignBytes, demand.alignBytes);
    return { demand, offsetBytes };
  });
  const used = roundUp(sizeBytes, GRANULE[kind]);
  const wanted = Math.max(used, roundUp(spareBytes, GRANULE[kind]));
  return {
    kind,
    can64: kind === 'prefetchable',
    sizeBytes: wanted,
    alignBytes,
    leaf: null,
    window: { bridge, parts, isSpare: wanted > used },
  };
}

/** Largest alignment first, so that nothing is lost between; what is equal stays in order of discovery. */
export function sortedForPacking(demands: readonly Demand[]): Demand[] {
  return [...demands].sort((a, b) => b.alignBytes - a.alignBytes || b.sizeBytes - a.sizeBytes);
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The BARs in a demand, and the bridges in it that keep room. */
export function contentOf(demand: Demand): { leaves: Leaf[]; spares: ScannedFunction[] } {
  if (demand.leaf !== null) {
    return { leaves: [demand.leaf], spares: [] };
  }
  const inside = demand.window!.parts.map((part) => contentOf(part.demand));
  return {
    leaves: inside.flatMap((content) => content.leaves),
    spares: [
      ...inside.flatMap((content) => content.spares),
      ...(demand.window!.isSpare ? [demand.window!.bridge] : []),
    ],
  };
}

/** Opens a window of a bridge; a length of 0 closes it, base above limit. */
export function writeWindow(
  cycles: FunctionCycles,
  kind: WindowKind,
  start: number,
  lengthBytes: number,
): void {
  const isOpen = lengthBytes > 0;
  const last = start + lengthBytes - 1;
  switch (kind) {
    case 'io':
      cycles.put(IO_BASE, isOpen ? (start >>> 8) & 0xf0 : 0xf0);
      cycles.put(IO_LIMIT, isOpen ? (last >>> 8) & 0xf0 : 0);
      // Ports are 16 bits wide on the machines that have any.
      cycles.put(IO_BASE_UPPER_16_BITS, 0);
      cycles.put(IO_LIMIT_UPPER_16_BITS, 0);
      break;
    case 'memory':
      cycles.put(MEMORY_BASE, isOpen ? (start >>> 16) & 0xfff0 : 0xfff0);
      cycles.put(MEMORY_LIMIT, isOpen ? (last >>> 16) & 0xfff0 : 0);
      break;
    case 'prefetchable':
      cycles.put(PREFETCHABLE_MEMORY_BASE, isOpen ? (start >>> 16) & 0xfff0 : 0xfff0);
      cycles.put(PREFETCHABLE_MEMORY_LIMIT, isOpen ? (last >>> 16) & 0xfff0 : 0);
      cycles.put(PREFETCHABLE_BASE_UPPER_32_BITS, isOpen ? Math.floor(start / 2 ** 32) : 0);
      cycles.put(PREFETCHABLE_LIMIT_UPPER_32_BITS, isOpen ? Math.floor(last / 2 ** 32) : 0);
      break;
  }
}

/** The ranges that a bridge passes on now. */
export function readWindows(
  cycles: FunctionCycles,
  windows: BridgeWindows,
): Readonly<Record<WindowKind, readonly AddressRange[]>> {
  const range = (start: number, last: number, granule: number): AddressRange[] =>
    start > last ? [] : [{ start, lengthBytes: last - start + granule }];
  const low = (register: typeof MEMORY_BASE | typeof PREFETCHABLE_MEMORY_BASE): number =>
    register.Address_31_20.of(cycles.get(register)) * 2 ** 20;
  const io = (register: typeof IO_BASE): number => register.Address_15_12.of(cycles.get(register)) * 0x1000;
  return {
    io: windows.hasIo ? range(io(IO_BASE), io(IO_LIMIT), GRANULE.io) : [],
    memory: range(low(MEMORY_BASE), low(MEMORY_LIMIT), GRANULE.memory),
    prefetchable: windows.hasPrefetchable64
      ? range(
          low(PREFETCHABLE_MEMORY_BASE) + cycles.get(PREFETCHABLE_BASE_UPPER_32_BITS) * 2 ** 32,
          low(PREFETCHABLE_MEMORY_LIMIT) + cycles.get(PREFETCHABLE_LIMIT_UPPER_32_BITS) * 2 ** 32,
          GRANULE.prefetchable,
        )
      : [],
  };
}
