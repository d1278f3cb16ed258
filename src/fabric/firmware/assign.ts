/**
 * Giving addresses: what is on a bus is placed into the ranges that lead there, and when something does not fit, something
 * gives way: first what Resizable BARs had been grown by, then room kept for hot plug, then the largest BAR.
 */
import { AddressPool } from './address-pool.ts';
import {
  contentOf,
  type Demand,
  demandsOf,
  type Leaf,
  type SpareRoom,
  sortedForPacking,
  type WindowKind,
  writeWindow,
} from './demand.ts';
import type { FirmwareProblem, UnassignedBar, UnassignedReason } from './report.ts';
import { hex, type ScannedFunction } from './scan.ts';
import type { SizedBar } from './size-bars.ts';

/** Where something may go: pools in order of preference. Makes new ones for every attempt. */
export interface Ranges {
  pools(): { readonly poolsFor: (demand: Demand) => readonly AddressPool[] };
}

export interface AssignContext {
  readonly spare: SpareRoom;
  readonly problems: FirmwareProblem[];
  readonly unassigned: UnassignedBar[];
  readonly log: string[];
}

interface Placement {
  readonly demand: Demand;
  readonly address: number;
}

const ALL_KINDS: readonly WindowKind[] = ['io', 'memory', 'prefetchable'];

/** Places everything on a bus and behind it, and writes the registers. */
export function assignBus(
  functions: readonly ScannedFunction[],
  ranges: Ranges,
  context: AssignContext,
): void {
  const bars = new Set<SizedBar>();
  const spares = new Set<ScannedFunction>();
  const waived = { bars, spares };
  for (;;) {
    const demands = demandsOf(functions, waived, context.spare);
    const outcome = place(demands, ranges);
    if (outcome.failed === null) {
      dropWhatNoBridgePasses(functions, outcome.placements, bars, context);
      writeAll(functions, outcome.placements, context);
      return;
    }
    giveWay(outcome.failed, outcome, bars, spares, context);
  }
}

interface Outcome {
  readonly placements: readonly Placement[];
  readonly failed: Demand | null;
  /** All that wanted the same ranges, itself included; empty when there are none of the kind. */
  readonly rivals: readonly Demand[];
  /** What those ranges hold together. */
  readonly capacityBytes: number;
}

function place(demands: readonly Demand[], ranges: Ranges): Outcome {
  const { poolsFor } = ranges.pools();
  // What has one choice goes before what has two.
  const order = sortedForPacking(demands)
    .map((demand) => ({ demand, pools: poolsFor(demand) }))
    .sort((a, b) => a.pools.length - b.pools.length);
  const capacities = new Map(order.flatMap(({ pools }) => pools.map((pool) => [pool, pool.freeBytes])));
  const placements: Placement[] = [];
  for (const { demand, pools } of order) {
    let address: number | undefined;
    for (const pool of pools) {
      address ??= pool.allocate(demand.sizeBytes, demand.alignBytes);
    }
    if (address === undefined) {
      const rivals = order
        .filter((other) => other.pools[0] === pools[0] && other.pools.length <= pools.length)
        .map((other) => other.demand);
      return {
        placements,
        failed: demand,
        rivals: pools.length === 0 ? [] : rivals,
        capacityBytes: pools.reduce((sum, pool) => sum + capacities.get(pool)!, 0),
      };
    }
    placements.push({ demand, address });
  }
  return { placements, failed: null, rivals: [], capacityBytes: 0 };
}

function giveWay(
  failed: Demand,
  { rivals, capacityBytes }: Outcome,
  bars: Set<SizedBar>,
  spares: Set<ScannedFunction>,
  context: AssignContext,
): void {
  const hasWindow = rivals.length > 0;
  const contents = (hasWindow ? rivals : [failed]).map(contentOf);
  const leaves = contents.flatMap((content) => content.leaves);
  const grown = largest(leaves.filter(({ bar }) => bar.shrink !== null));
  if (grown !== undefined) {
    const { fn, bar } = grown;
    const wanted = bar.sizeBytes;
    bar.shrink!();
    const text = `BAR ${bar.index} does not fit with ${sizeText(wanted)}, back to ${sizeText(bar.sizeBytes)}`;
    context.problems.push({ bdf: fn.bdf, code: 'bar-not-grown', text });
    context.log.push(`${fn.bdf}: ${text}`);
    return;
  }
  const spare = contents.flatMap((content) => content.spares)[0];
  if (spare !== undefined) {
    spares.add(spare);
    context.log.push(`${spare.bdf}: keeps no room for hot plug`);
    return;
  }
  // As long as what is left is more than all there is, trying again would only find the next one.
  let rest = leaves;
  let wantedBytes = leaves.reduce((sum, { bar }) => sum + bar.sizeBytes, 0);
  do {
    const victim = largest(rest)!;
    bars.add(victim.bar);
    giveUp(victim, hasWindow ? 'no-room' : 'no-window', context);
    rest = rest.filter((leaf) => leaf !== victim);
    wantedBytes -= victim.bar.sizeBytes;
  } while (rest.length > 0 && wantedBytes > capacityBytes);
}

/** The last one among equals, so that what was found first stays. */
function largest(leaves: readonly Leaf[]): Leaf | undefined {
  let found: Leaf | undefined;
  for (const leaf of leaves) {
    if (found === undefined || leaf.bar.sizeBytes >= found.bar.sizeBytes) {
      found = leaf;
    }
  }
  return found;
}

function giveUp({ fn, bar }: Leaf, reason: UnassignedReason, context: AssignContext): void {
  context.unassigned.push({
    bdf: fn.bdf,
    barIndex: bar.index,
    isVirtualFunctionBar: bar.isVirtual,
    kind: bar.kind,
    sizeBytes: bar.sizeBytes,
    reason,
  });
  context.log.push(`${fn.bdf}: ${barName(bar)} not assigned: ${reason}, ${sizeText(bar.sizeBytes)}`);
}

/** I/O BARs behind a bridge without an I/O window are in no demand and would be forgotten. */
function dropWhatNoBridgePasses(
  functions: readonly ScannedFunction[],
  placements: readonly Placement[],
  waived: Set<SizedBar>,
  context: AssignContext,
): void {
  const placed = new Set(
    placements.flatMap(({ demand }) => contentOf(demand).leaves.map((leaf) => leaf.bar)),
  );
  forEachBelow(functions, (fn) => {
    for (const bar of fn.bars) {
      if (!placed.has(bar) && !waived.has(bar)) {
        giveUp({ fn, bar }, 'no-io-at-bridge', context);
      }
    }
  });
}

export function forEachBelow(
  functions: readonly ScannedFunction[],
  visit: (fn: ScannedFunction) => void,
): void {
  for (const fn of functions) {
    visit(fn);
    forEachBelow(fn.children, visit);
  }
}

function writeAll(
  functions: readonly ScannedFunction[],
  placements: readonly Placement[],
  context: AssignContext,
): void {
  forEachBelow(functions, (fn) => {
    for (const bar of fn.bars) {
      writeBar(fn, bar, 0);
    }
    if (fn.isBridge) {
      for (const kind of ALL_KINDS) {
        writeWindow(fn.cycles, kind, 0, 0);
      }
    }
  });
  for (const { demand, address } of placements) {
    writeDemand(demand, address, context);
  }
}

function writeDemand(demand: Demand, address: number, context: AssignContext): void {
  if (demand.leaf !== null) {
    const { fn, bar } = demand.leaf;
    bar.address = address;
    writeBar(fn, bar, address);
    context.log.push(`${fn.bdf}: ${barName(bar)} at ${hex(address, 1)}, ${sizeText(bar.sizeBytes)}`);
    return;
  }
  const { bridge, parts } = demand.window!;
  writeWindow(bridge.cycles, demand.kind, address, demand.sizeBytes);
  context.log.push(
    `${bridge.bdf}: ${demand.kind} window ${hex(address, 1)} to ${hex(address + demand.sizeBytes - 1, 1)}`,
  );
  for (const { demand: inner, offsetBytes } of parts) {
    writeDemand(inner, address + offsetBytes, context);
  }
}

function writeBar(fn: ScannedFunction, bar: SizedBar, address: number): void {
  fn.cycles.write(bar.offset, 4, address % 2 ** 32);
  if (bar.is64Bit) {
    fn.cycles.write(bar.offset + 4, 4, Math.floor(address / 2 ** 32));
  }
}

function barName(bar: SizedBar): string {
  return bar.isVirtual ? `VF BAR ${bar.index}` : `BAR ${bar.index}`;
}

function sizeText(bytes: number): string {
  return bytes >= 2 ** 30
    ? `${bytes / 2 ** 30} GiB`
    : bytes >= 2 ** 20
      ? `${bytes / 2 ** 20} MiB`
      : bytes >= 1024
        ? `${bytes / 1024} KiB`
        : `${bytes} bytes`;
}

/** The ranges of a root bus, in bus addresses. Nothing goes to the first MiB nor to the first 4 KiB of ports. */
export function rootRanges(bridge: {
  readonly memoryWindows: readonly { readonly start: number; readonly lengthBytes: number }[];
  readonly ioWindows?: readonly { readonly start: number; readonly lengthBytes: number }[];
  readonly addressOffset?: number;
}): Ranges {
  const offset = bridge.addressOffset ?? 0;
  const memory = bridge.memoryWindows.map(({ start, lengthBytes }) => ({
    start: start - offset,
    lengthBytes,
  }));
  return {
    pools: () => {
      const io = new AddressPool(bridge.ioWindows ?? [], 0x1000, 0x1_0000);
      const low = new AddressPool(memory, 0x10_0000, 2 ** 32);
      const high = new AddressPool(memory, 2 ** 32);
      const lowOnly = low.isEmpty ? [] : [low];
      const highFirst = high.isEmpty ? lowOnly : [high, ...lowOnly];
      const lowFirst = high.isEmpty ? lowOnly : [...lowOnly, high];
      const ioOnly = io.isEmpty ? [] : [io];
      return {
        poolsFor: (demand) => {
          if (demand.kind === 'io') {
            return ioOnly;
          }
          return !demand.can64 ? lowOnly : demand.kind === 'prefetchable' ? highFirst : lowFirst;
        },
      };
    },
  };
}
