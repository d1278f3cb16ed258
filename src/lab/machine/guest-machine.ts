/**
 * The devices of a lab with a guest of a virtual machine as their host: the same tree and the same models as in a lab machine,
 * without firmware, operating system and drivers, which are the guest's. Memory is the guest's too.
 *
 * The guest has bridges of its own, whose registers nobody here sees. What it tells us are the registers of the endpoints:
 * where it has put their BARs. The bridges here pass on exactly that (`configWritten`), so that DMA between two devices is
 * routed in this fabric, by the way that the lab gives it, and everything else goes to memory or out to the guest.
 *
 * Nothing here waits: whoever serves runs `queue` by the clock on the wall (`EventQueue.runUntil`).
 */
import {
  type BarMemory,
  type EndpointModel,
  EventQueue,
  Fabric,
  type FabricFunction,
  type Memory,
  noTurn,
  PAGE_BYTES,
  type RemoteMemory,
  type SystemMemory,
} from '../../fabric/index.ts';
import { FaultInjector } from '../faults/index.ts';
import type { LabEndpoint, LabFile, LabNode } from '../file/index.ts';
import { type BuiltFunction, buildTree, windowWishes } from './build.ts';
import { mirrorWindows, switchBridgesOn } from './guest-bridges.ts';
import { type ModelOptions, nameSeed, type Storage } from './models.ts';

export interface GuestMachineOptions {
  /** How bytes are kept that are not shared with the guest. Default `extents`. */
  readonly storage?: Storage;
  /** Needed by labs that name images. @throws PeerlaneError when it cannot be opened */
  readonly openImage: ModelOptions['openImage'];
  readonly codec: ModelOptions['codec'];
  /** The guest's. */
  readonly memory: SystemMemory;
  /** Who answers what is neither memory nor one of our devices; null: nobody. */
  readonly remote: RemoteMemory | null;
  /**
   * Makes memory of a BAR that the guest may map. Asked once for each such range while the machine is made.
   * @param name       its own, of the device and what it is there: `nvme0-cmb`, `nvme0-pmr`, `card0-bar2`
   * @param sizeBytes  whole pages
   * @returns flat memory of that size, zeroed; null: the BAR keeps its own, and the guest's accesses are calls
   */
  readonly shareMemory?: (name: string, sizeBytes: number) => Memory | null;
}

/** A part of a BAR that the guest may map: whole pages, without tables of interrupts. */
export interface MappableRange {
  readonly bar: number;
  /** From the start of the BAR. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** One of those that `shareMemory` made. */
  readonly memory: Memory;
  /** Where in `memory` the range starts. */
  readonly memoryOffset: number;
}

export interface GuestEndpoint {
  readonly name: string;
  readonly node: LabEndpoint;
  readonly fn: FabricFunction;
  readonly model: EndpointModel;
  readonly mappable: readonly MappableRange[];
}

export class GuestMachine {
  readonly lab: LabFile;
  readonly queue: EventQueue;
  readonly fabric: Fabric;
  /** Every endpoint function of the lab, in the order of the file; no bridges, no VMD, no virtual functions. */
  readonly endpoints: readonly GuestEndpoint[];
  /** Ports, switches and bridges that the lab file names or implies; null for those without a name. */
  readonly bridges: readonly { readonly name: string | null; readonly fn: FabricFunction }[];
  /** The faults of the lab, which begin to count now, and those that are added. */
  readonly faults: FaultInjector;
  /** Where the BARs of each endpoint were when windows were made, as text. */
  readonly #placed = new Map<GuestEndpoint, string>();

  /** @throws {FabricError}, {DeviceError}, and what `openImage` throws */
  constructor(lab: LabFile, options: GuestMachineOptions) {
    this.lab = lab;
    this.queue = new EventQueue({ turn: noTurn });
    this.fabric = new Fabric({ queue: this.queue, dram: options.memory, remote: options.remote });
    const shared = new Set<Memory>();
    const tree = buildTree(
      lab,
      this.fabric,
      windowWishes(lab).map(() => []),
      {
        storage: options.storage ?? 'extents',
        seed: lab.seed,
        openImage: options.openImage,
        codec: options.codec,
        isTimed: false,
        wires: new Map(),
        shareMemory: (name, sizeBytes) => {
          const memory = sizeBytes % PAGE_BYTES === 0 ? options.shareMemory?.(name, sizeBytes) : undefined;
          if (memory === null || memory === undefined) {
            return null;
          }
          shared.add(memory);
          return memory;
        },
      },
    );
    switchBridgesOn(this.fabric);
    const built = new Map<unknown, BuiltFunction>(tree.functions.map((one) => [one.node, one]));
    this.endpoints = endpointsOf(lab.hostBridges.flatMap(({ below }) => below)).map((node) => {
      const { fn, model } = built.get(node)!;
      return { name: node.name, node, fn, model: model!, mappable: mappableRanges(model!, shared) };
    });
    this.bridges = tree.functions.flatMap(({ node, fn, model }) =>
      model === null ? [{ name: node.name, fn }] : [],
    );
    mirrorWindows(this.fabric.hostBridges);
    this.faults = new FaultInjector(
      {
        queue: this.queue,
        fabric: this.fabric,
        endpoints: this.endpoints,
        setAbsent: (endpoint, isAbsent) => this.setAbsent(endpoint.name, isAbsent),
      },
      nameSeed(lab.seed, 'faults'),
    );
    for (const rule of lab.faults) {
      this.faults.add(rule);
    }
  }

  endpoint(name: string): GuestEndpoint | undefined {
    return this.endpoints.find((one) => one.name === name);
  }

  /**
   * To be called when registers of an endpoint's config space may have changed: by the guest, or by a reset that it asked for.
   * The bridges then pass on what the BARs say now. Costs little when they have not moved.
   */
  configWritten(endpoint: GuestEndpoint): void {
    const now = endpoint.fn.state.bars.map(({ index, start, end }) => `${index}:${start}-${end}`).join();
    if (now !== (this.#placed.get(endpoint) ?? '')) {
      this.#placed.set(endpoint, now);
      mirrorWindows(this.fabric.hostBridges);
    }
  }

  /**
   * The guest's machine was reset, or its last user is gone: registers are as from power on. Power was never off, so media and
   * what a drive has in its caches stay.
   */
  powerReset(endpoint: GuestEndpoint): void {
    const { fn } = endpoint;
    this.fabric.resetFunction(fn, 'bus');
    // Error logs survive a hot reset, and not that the next guest is another machine.
    fn.config.reset('power');
    fn.forgetState();
    this.fabric.touch();
    this.configWritten(endpoint);
  }

  /**
   * Pulls a device out, or puts it back as just switched on. While it is out its `fn.isGone`: config space and registers are to
   * be read as all ones, stores dropped, and its DMA ends with GONE. No effect when it is so already.
   * @returns whether there is such a device
   */
  setAbsent(name: string, isAbsent: boolean): boolean {
    const endpoint = this.endpoint(name);
    if (endpoint === undefined) {
      return false;
    }
    this.fabric.setAbsent(endpoint.fn, isAbsent);
    this.configWritten(endpoint);
    return true;
  }
}

function endpointsOf(nodes: readonly LabNode[]): readonly LabEndpoint[] {
  return nodes.flatMap((node) => ('below' in node ? endpointsOf(node.below) : [node]));
}

/** Memory of BARs that is shared, less the pages where interrupt tables lie over it. */
function mappableRanges({ description }: EndpointModel, shared: ReadonlySet<Memory>): MappableRange[] {
  const ranges: MappableRange[] = [];
  for (const bar of description.bars) {
    for (const region of bar.regions) {
      if (region.kind === 'memory' && shared.has(region.memory)) {
        for (const { start, end } of withoutTables(region, bar.index, description)) {
          ranges.push({
            bar: bar.index,
            offsetBytes: start,
            lengthBytes: end - start,
            memory: region.memory,
            memoryOffset: region.memoryOffset + (start - region.offsetBytes),
          });
        }
      }
    }
  }
  return ranges;
}

function withoutTables(
  region: BarMemory,
  bar: number,
  { msix }: EndpointModel['description'],
): readonly { readonly start: number; readonly end: number }[] {
  const tables =
    msix === null
      ? []
      : [
          { bar: msix.tableBar, start: msix.tableOffsetBytes, lengthBytes: msix.vectorCount * 16 },
          {
            bar: msix.pendingBar,
            start: msix.pendingOffsetBytes,
            lengthBytes: Math.ceil(msix.vectorCount / 64) * 8,
          },
        ];
  let parts = [{ start: region.offsetBytes, end: region.offsetBytes + region.lengthBytes }];
  for (const table of tables) {
    if (table.bar === bar) {
      const start = Math.floor(table.start / PAGE_BYTES) * PAGE_BYTES;
      const end = Math.ceil((table.start + table.lengthBytes) / PAGE_BYTES) * PAGE_BYTES;
      parts = parts.flatMap((part) => [
        { start: part.start, end: Math.min(part.end, start) },
        { start: Math.max(part.start, end), end: part.end },
      ]);
      parts = parts.filter((part) => part.start < part.end);
    }
  }
  return parts;
}
