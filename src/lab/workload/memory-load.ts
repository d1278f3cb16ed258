/** What the processor does to memory beside the streams, and what that leaves to devices. */
import { DRAM_COST, dramUsableGBs } from '../../rates/index.ts';
import type { LabMemoryLoad } from '../file/index.ts';
import type { LabMachine } from '../machine/index.ts';

/** What one core stores or loads at most; only decides how many cores a rate needs. */
const CORE_GBS = 10;

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
 * processor leaves, and their share by weight at least.
 */
export function loadMemory(machine: LabMachine, load: LabMemoryLoad): LoadedMemory {
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
  const leastGBs = usable / (1 + weight);
  const deviceGBs = Math.max(usable - total, Math.min(usable, leastGBs));
  stage.occupancyPsPerByte = 1000 / deviceGBs;
  return { node: load.node, cpuGBs: Math.min(total, usable - Math.min(deviceGBs, usable)), deviceGBs };
}
