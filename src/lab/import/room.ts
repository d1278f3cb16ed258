/** Room in the lab for what was imported: bus numbers and address windows. */
import type { LabBar, LabHostBridge, LabNode } from '../file/index.ts';
import type { ImportNotes } from './notes.ts';

const BUSES = 256;
const WINDOW32_MAX = 2 ** 31;
const WINDOW64_MAX = 2 ** 46;
/** The defaults of a lab file: 1 GiB shared by all, as a power of two, at least 32 MiB; 1 TiB each. */
const SHARED32_BYTES = 2 ** 30;
const LEAST32_BYTES = 2 ** 25;
const LEAST64_BYTES = 2 ** 40;
/** Windows of bridges are whole MiB. */
const GRANULE = 2 ** 20;

/** Windows as a lab has them by default, larger where the BARs below need it. */
export function windowBytes(
  below: readonly LabNode[],
  hostBridges: number,
): Pick<LabHostBridge, 'window32Bytes' | 'window64Bytes'> {
  const need = { low: 0, high: 0 };
  addNeeds(below, need);
  const share = 2 ** Math.floor(Math.log2(SHARED32_BYTES / Math.max(1, hostBridges)));
  return {
    window32Bytes: Math.min(WINDOW32_MAX, Math.max(share, LEAST32_BYTES, powerOfTwoFrom(need.low))),
    window64Bytes: Math.min(WINDOW64_MAX, Math.max(LEAST64_BYTES, powerOfTwoFrom(2 * need.high))),
  };
}

function addNeeds(nodes: readonly LabNode[], need: { low: number; high: number }): void {
  for (const node of nodes) {
    if ('bars' in node) {
      for (const bar of node.bars) {
        addBar(bar, 1, need);
      }
      for (const bar of node.sriov?.bars ?? []) {
        addBar(bar, node.sriov!.total, need);
      }
    } else if (node.kind === 'vmd') {
      need.low += node.window32Bytes;
      need.high += node.window64Bytes;
    } else {
      need.low += GRANULE;
      addNeeds(node.below, need);
    }
  }
}

/** Only what is prefetchable and 64-bit may lie above 4 GiB behind a bridge. */
function addBar(bar: LabBar, count: number, need: { low: number; high: number }): void {
  if (bar.kind === 'memory') {
    const bytes = Math.max(GRANULE, bar.sizeBytes) * count;
    need[bar.is64Bit && bar.isPrefetchable ? 'high' : 'low'] += bytes;
  }
}

function powerOfTwoFrom(bytes: number): number {
  return bytes <= 1 ? 1 : 2 ** Math.ceil(Math.log2(bytes));
}

/** Root buses so far apart that every bus finds a number; where there is room for all, those that were read. */
export function fitRootBuses(hostBridges: readonly LabHostBridge[], notes: ImportNotes): LabHostBridge[] {
  const places = new Map<LabHostBridge, { domain: number; rootBus: number }>();
  const domains = new Set(hostBridges.map((bridge) => bridge.domain));
  let freeDomain = 0;
  for (const domain of [...domains]) {
    const inOrder = hostBridges
      .filter((bridge) => bridge.domain === domain)
      .sort((a, b) => a.rootBus - b.rootBus);
    while (inOrder.length > 1 && inOrder.reduce((sum, { below }) => sum + busCount(below), 0) > BUSES) {
      while (domains.has(freeDomain)) {
        freeDomain++;
      }
      domains.add(freeDomain);
      places.set(inOrder.pop()!, { domain: freeDomain, rootBus: 0 });
    }
    placeInDomain(inOrder, domain, places);
  }
  return hostBridges.map((bridge) => {
    const place = places.get(bridge)!;
    if (place.domain !== bridge.domain || place.rootBus !== bridge.rootBus) {
      notes.add(`the root bus ${busText(bridge)} is ${busText(place)} in the lab, for want of bus numbers`);
    }
    return { ...bridge, ...place };
  });
}

/** Upwards from those before, then downwards from the end of the domain, each no further than needed. */
function placeInDomain(
  inOrder: readonly LabHostBridge[],
  domain: number,
  places: Map<LabHostBridge, { domain: number; rootBus: number }>,
): void {
  let next = 0;
  const buses = inOrder.map((bridge) => {
    const rootBus = Math.max(bridge.rootBus, next);
    next = rootBus + busCount(bridge.below);
    return rootBus;
  });
  let end = BUSES;
  for (let i = inOrder.length - 1; i >= 0; i--) {
    const rootBus = Math.max(0, Math.min(buses[i]!, end - busCount(inOrder[i]!.below)));
    places.set(inOrder[i]!, { domain, rootBus });
    end = rootBus;
  }
}

/** Itself, one for each bridge, and the one that firmware keeps free below a hot-plug slot; VMDs have their own. */
function busCount(nodes: readonly LabNode[]): number {
  let buses = 1;
  for (const node of nodes) {
    if ('below' in node && node.kind !== 'vmd') {
      buses += busCount(node.below) + ('isHotPlug' in node && node.isHotPlug ? 1 : 0);
    }
  }
  return buses;
}

function busText({ domain, rootBus }: Pick<LabHostBridge, 'domain' | 'rootBus'>): string {
  return `${domain.toString(16).padStart(4, '0')}:${rootBus.toString(16).padStart(2, '0')}`;
}
