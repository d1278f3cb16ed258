/**
 * What keeps a workload from being faster: whatever is busy all the time; else what is waited for (tags, credits, the processor); else
 * nothing is, and each request takes the time it takes.
 */
import type { LabMachine } from '../machine/index.ts';
import type { Stream } from './stream.ts';

export interface Candidate {
  /** For people: `Gen3 x4 link of 0000:03:00.0 (nvme1), down`. */
  readonly what: string;
  readonly kind: 'link' | 'root-complex' | 'socket' | 'memory' | 'engine' | 'media' | 'cpu' | 'iommu';
  /** Share of the time in which it was busy, 0 to 1. */
  readonly utilisation: number;
  /** What goes with it: `99.6 % of look-ups miss`. */
  readonly note?: string;
}

export interface Stall {
  readonly what: string;
  /** Share of the time in which something waited for it. */
  readonly share: number;
}

export interface Candidates {
  /** The busiest first. */
  readonly busy: readonly Candidate[];
  readonly stalls: readonly Stall[];
}

export interface Limiter {
  readonly what: string;
  /** Share of the time; null where nothing is busy. */
  readonly utilisation: number | null;
  /** One line: `Gen3 x4 link of 0000:03:00.0, 98 % busy; next: media of nvme0 at 91 %`. */
  readonly text: string;
}

/** From here on something is the limit and not merely used. */
const BUSY = 0.9;
const STALLED = 0.5;
/** What is less busy is not worth a line. */
const NOTABLE = 0.005;

export function candidates(machine: LabMachine, streams: readonly Stream[], measuredPs: number): Candidates {
  if (measuredPs === 0) {
    return { busy: [], stalls: [] };
  }
  const { fabric } = machine;
  const timing = fabric.timing!;
  const names = new Map<number, string>();
  for (const { port, up, down, speed } of timing.network.linkStages()) {
    const below = port.secondaryBus?.devices[0]?.functions.get(0);
    const name = machine.members.find(({ fn }) => fn === below)?.node.name ?? null;
    const who = name === null ? '' : ` (${name})`;
    names.set(up.id, `${speed} link of ${port.bdf}${who}, up`);
    names.set(down.id, `${speed} link of ${port.bdf}${who}, down`);
  }
  const busy: Candidate[] = [];
  const stalls: Stall[] = [];
  for (const stage of timing.network.stages) {
    const what = names.get(stage.id) ?? stage.name;
    busy.push({ what, kind: stage.kind, utilisation: Math.min(1, stage.busyPs / measuredPs) });
    if (stage.creditStallPs > 0) {
      stalls.push({ what: `credits of the ${what}`, share: Math.min(1, stage.creditStallPs / measuredPs) });
    }
  }
  for (const iotlb of timing.iotlbs) {
    busy.push({
      what: `IOMMU page walkers of ${iotlb.name}`,
      kind: 'iommu',
      utilisation: iotlb.utilisation(measuredPs),
      note: missText(iotlb),
    });
  }
  for (const device of timing.devices) {
    const name = machine.members.find(({ fn }) => fn === device.fn)?.node.name ?? device.fn.bdf;
    const waitingPs = timing.transport.translations.heldPs(device);
    stalls.push({
      what: `translations of ${name} (its own cache: ${missText(device.atc)})`,
      share: Math.min(1, waitingPs / measuredPs),
    });
  }
  for (const { what, utilisation } of machine.mediaUtilisation()) {
    busy.push({ what, kind: 'media', utilisation });
  }
  for (const stream of streams) {
    const waiting = stream.softwarePs / (measuredPs * stream.description.jobs);
    if (waiting > 0) {
      stalls.push({ what: `software between the chunks of ${stream.name}`, share: Math.min(1, waiting) });
    }
    const share = stream.cpuBusyPs / (measuredPs * stream.description.jobs);
    if (share > 0) {
      busy.push({ what: `processor thread of ${stream.name}`, kind: 'cpu', utilisation: Math.min(1, share) });
    }
  }
  for (const { name, tagPs, orderPs, gatePs } of timing.stallsByName()) {
    for (const [what, ps] of [
      [`tags of ${name}`, tagPs],
      [`order of posted writes of ${name}`, orderPs],
      [name, gatePs],
    ] as const) {
      if (ps > 0) {
        stalls.push({ what, share: Math.min(1, ps / measuredPs) });
      }
    }
  }
  return {
    busy: busy
      .filter(({ utilisation }) => utilisation >= NOTABLE)
      .sort((a, b) => b.utilisation - a.utilisation || (a.what < b.what ? -1 : 1)),
    stalls: stalls.filter(({ share }) => share >= NOTABLE).sort((a, b) => b.share - a.share),
  };
}

export function limiterOf({ busy, stalls }: Candidates, streams: readonly Stream[]): Limiter {
  const [first, second] = busy;
  const next = (candidate: Candidate | undefined): string =>
    candidate === undefined ? '' : `; next: ${candidate.what} at ${percent(candidate.utilisation)}`;
  const [stall] = stalls;
  if (first !== undefined && first.utilisation >= BUSY) {
    return {
      what: first.what,
      utilisation: first.utilisation,
      text: `${first.what}, ${percent(first.utilisation)} busy${first.note === undefined ? '' : `, ${first.note}`}${next(second)}`,
    };
  }
  if (stall !== undefined && stall.share >= STALLED) {
    return {
      what: stall.what,
      utilisation: stall.share,
      text: `${stall.what}, waited for ${percent(stall.share)} of the time${next(first)}`,
    };
  }
  if (
    streams.length > 0 &&
    streams.every(({ description }) => description.rateGBs !== null || description.duty !== null)
  ) {
    return {
      what: 'the rate that the workload asks for',
      utilisation: null,
      text: `the workload's own rate${next(first)}`,
    };
  }
  const depths = [...new Set(streams.map(({ depth, description }) => depth * description.jobs))];
  return {
    what: 'latency',
    utilisation: null,
    text:
      streams.length === 0
        ? `latency: nothing is busy all the time${next(first)}`
        : `latency: nothing is busy, and ${depths.join(' and ')} ${depths.length === 1 && depths[0] === 1 ? 'request is' : 'requests are'} in flight at a time${next(first)}`,
  };
}

function missText({ hits, misses }: { readonly hits: number; readonly misses: number }): string {
  const share = hits + misses === 0 ? 0 : misses / (hits + misses);
  return `${(100 * share).toFixed(1)} % of look-ups miss`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
