/** A `Machine` as a `LabFile`: tree, ids, BARs, ACS, links, NUMA nodes, kernel, CPU and IOMMU as they were read. */
import { type Bdf, bdfParts } from '../../base/index.ts';
import type { HostBridge, Machine } from '../../topology/index.ts';
import { LAB_TIME_DEFAULT, type LabFile, type LabHostBridge, type LabNode } from '../file/index.ts';
import { importPeers, importPlatform } from './import-platform.ts';
import { TreeImporter } from './import-tree.ts';
import { ImportNotes } from './notes.ts';
import { fitRootBuses, windowBytes } from './room.ts';

export interface ImportedLab {
  readonly lab: LabFile;
  /** What could not be known and was assumed, and what a lab cannot hold; one line each. */
  readonly notes: readonly string[];
  /**
   * Nodes of `lab` by the function that they were made of. Bus numbers in the lab are its firmware's, so a function may have
   * another address there. Left out are virtual functions (the node is their physical function's) and functions 00.0 that
   * became the identity of their host bridge.
   */
  readonly nodes: ReadonlyMap<Bdf, LabNode>;
}

/** Domains of a lab's host bridges have 16 bits; those behind VMDs have more. */
const DOMAIN_MAX = 0xffff;

/** Never throws: what does not fit is left out or changed, with a note. */
export function importMachine(machine: Machine): ImportedLab {
  const notes = new ImportNotes();
  const platform = importPlatform(machine, notes);
  const peers = importPeers(machine, notes);
  const tree = new TreeImporter(machine, notes);
  const bridges = machine.hostBridges.filter(({ behind }) => behind === null);
  const hostBridges = bridges.map((bridge): LabHostBridge => {
    const { identity, below } = tree.rootBus(bridge);
    return {
      name: null,
      domain: domainOf(bridge, notes),
      rootBus: bridge.rootBus ?? firstBus(machine, bridge),
      numaNode: Math.min(platform.memory.length - 1, bridge.numaNode ?? 0),
      identity,
      ...peers,
      translationOffsetBytes: 0,
      ...windowBytes(below, bridges.length),
      below,
    };
  });
  if (machine.cpu.architecture !== undefined && machine.cpu.architecture !== 'x86') {
    notes.add('how host bridges translate addresses is not in a reading; assumed: not at all');
  }
  const lab: LabFile = {
    version: 1,
    title: null,
    seed: 1,
    ...platform,
    hostBridges: fitRootBuses(hostBridges, notes),
    iopmem: [],
    time: LAB_TIME_DEFAULT,
    faults: [],
    workload: null,
  };
  return { lab, notes: notes.lines(), nodes: tree.nodes };
}

function domainOf(bridge: HostBridge, notes: ImportNotes): number {
  if (bridge.domain > DOMAIN_MAX) {
    notes.add(
      `the domain of ${bridge.key} has more than 16 bits and belongs to no VMD; its lower half was taken`,
    );
  }
  return bridge.domain & DOMAIN_MAX;
}

/** The input names no root bus: the lowest that occurs. */
function firstBus(machine: Machine, bridge: HostBridge): number {
  let lowest: number | undefined;
  for (const fn of machine.functions) {
    const { bus } = bdfParts(fn.bdf);
    if (fn.hostBridge === bridge.key && bus < (lowest ?? 256)) {
      lowest = bus;
    }
  }
  return lowest ?? 0;
}
