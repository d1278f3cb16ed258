/** What the processor does to memory beside the streams, and what that leaves to devices. */
import { DRAM_COST, dramUsableGBs, isKnownLinkSpeed, netGBs } from '../../rates/index.ts';
import { MachineIndex } from '../../topology/index.ts';
import type { LabMemoryLoad, LabStream } from '../file/index.ts';
import type { LabMachine } from '../machine/index.ts';
import { memberOf, nodeOf } from './places.ts';

/** What one core stores or loads at most; only decides how many cores a rate needs. */
const CORE_GBS = 10;

/**
 * Of what devices would move without it, the processor takes so much at the most: C29 measured a loss of 70 %, the largest that is
 * known, with all cores of a socket storing.
 */
const DEVICE_LOSS_MAX = 0.7;

export interface LoadedMemory {
  readonly node: number;
  /** Traffic of the processor, as the memory sees it. */
  readonly cpuGBs: number;
  /** What is left to devices. */
  readonly deviceGBs: number;
}

/**
 * Takes the processor's part off the memory of a node.
 *
 * Memory shares by weight: a core that stores counts as several streams of a device (docs/timing.md). Devices get what the
 * processor leaves, and at least their share by weight and what the largest known loss leaves of what they ask for.
 */
export function loadMemory(
  machine: LabMachine,
  load: LabMemoryLoad,
  streams: readonly LabStream[],
): LoadedMemory {
  const { network } = machine.fabric.timing!;
  const { memory } = network.platform;
  const stage = network.memory(load.node);
  const readGBs = load.readGBs + load.writeGBs;
  const total = load.readGBs * DRAM_COST.cpuRead + load.writeGBs * DRAM_COST.cpuStore;
  const nodeShare = network.memoryShare(load.node);
  const usable = dramUsableGBs(memory, total === 0 ? 0.5 : readGBs / total) * nodeShare;
  const cores = load.cores ?? Math.max(1, Math.ceil((load.readGBs + load.writeGBs) / CORE_GBS));
  const writeShare = total === 0 ? 0 : (load.writeGBs * DRAM_COST.cpuStore) / total;
  const weight = cores * (writeShare * memory.cpuWriteWeight + (1 - writeShare));
  const alone = dramUsableGBs(memory, 0.5) * nodeShare;
  const leastGBs = Math.max(
    usable / (1 + weight),
    (1 - DEVICE_LOSS_MAX) * Math.min(alone, askedGBs(machine, load.node, streams)),
  );
  const deviceGBs = Math.max(usable - total, Math.min(usable, leastGBs));
  stage.occupancyPsPerByte = 1000 / deviceGBs;
  return { node: load.node, cpuGBs: Math.min(total, usable - Math.min(deviceGBs, usable)), deviceGBs };
}

/** What the devices of all streams could move to and from a node, their links alone counted; each device once. */
function askedGBs(machine: LabMachine, node: number, streams: readonly LabStream[]): number {
  const index = new MachineIndex(machine.machine());
  const names = new Set(streams.flatMap((stream) => devicesAt(machine, node, stream)));
  // Those below one root port share its link.
  const byRootPort = new Map<string, { asked: number; link: number }>();
  for (const name of names) {
    let least = Number.POSITIVE_INFINITY;
    let top = '';
    let link = Number.POSITIVE_INFINITY;
    for (let fn = index.find(memberOf(machine, name).bdf); fn !== undefined; ) {
      const rate = fn.link?.current;
      link = rate !== undefined && isKnownLinkSpeed(rate.speedGTs) && rate.width > 0 ? netGBs(rate) : link;
      least = Math.min(least, link);
      top = fn.bdf;
      fn = fn.parent == null ? undefined : index.find(fn.parent);
    }
    const known = byRootPort.get(top);
    byRootPort.set(top, { asked: (known?.asked ?? 0) + least, link });
  }
  return [...byRootPort.values()].reduce((sum, { asked, link }) => sum + Math.min(asked, link), 0);
}

/** Devices of a stream that move data to or from memory of a node. */
function devicesAt(machine: LabMachine, node: number, stream: LabStream): readonly string[] {
  if (!('device' in stream)) {
    return [];
  }
  const { device } = stream;
  const place = 'memory' in stream ? stream.memory : stream.via;
  if (place !== 'auto' && place.kind !== 'host') {
    return [];
  }
  const disk = machine.lab.iopmem.find(({ name }) => name === device);
  const owner = disk === undefined ? device : disk.function;
  const at = place !== 'auto' && place.node !== null ? place.node : nodeOf(machine, memberOf(machine, owner));
  if (at !== node || disk !== undefined) {
    return [];
  }
  const fetched = 'fetchedBy' in stream && stream.fetchedBy !== undefined ? [stream.fetchedBy] : [];
  const target =
    'target' in stream && !machine.lab.iopmem.some(({ name }) => name === stream.target)
      ? [stream.target]
      : [];
  return [device, ...target, ...fetched];
}
