/** From a lab file to a fabric: host bridges, ports, switches and devices, before firmware has run. */
import type {
  Bus,
  EndpointModel,
  Fabric,
  FabricFunction,
  HostBridge,
  HostBridgeWindow,
  PortDescription,
  PortKind,
} from '../../fabric/index.ts';
import { platformNamed } from '../../rates/index.ts';
import type {
  LabDownstreamPort,
  LabEndpoint,
  LabFile,
  LabFunctionBase,
  LabHostBridge,
  LabLink,
  LabPciBridge,
  LabRootPort,
  LabSlotNode,
  LabSwitch,
  LabVmd,
} from '../file/index.ts';
import { type ModelOptions, modelOf, vmdModel } from './models.ts';
import type { WindowWish } from './physical-map.ts';
import { acsWord, linkSpeedGTs } from './words.ts';

/** What the tree was made of, by function, for those who need to find it again. */
export interface BuiltTree {
  /** Every function that the lab file names or implies, in the order of the file. */
  readonly functions: readonly BuiltFunction[];
  /** By VMD endpoint: the host bridge of its domain. */
  readonly vmds: ReadonlyMap<LabVmd, HostBridge>;
}

export interface BuiltFunction {
  readonly node: LabFunctionBase & { readonly kind: string };
  readonly fn: FabricFunction;
  /** Null for bridges. */
  readonly model: EndpointModel | null;
}

/** Host bridges of a lab: its own, then those that the domains behind VMDs have. */
export function windowWishes(lab: LabFile): readonly WindowWish[] {
  return [...lab.hostBridges, ...vmdsOf(lab).map((vmd) => ({ ...vmd, translationOffsetBytes: 0 }))];
}

function vmdsOf(lab: LabFile): readonly LabVmd[] {
  return lab.hostBridges.flatMap(({ below }) => below.filter((node) => node.kind === 'vmd'));
}

/** @param windows in the order of `windowWishes` */
export function buildTree(
  lab: LabFile,
  fabric: Fabric,
  windows: readonly (readonly HostBridgeWindow[])[],
  options: ModelOptions,
): BuiltTree {
  return new TreeBuilder(fabric, options).build(lab, windows);
}

class TreeBuilder {
  readonly #fabric: Fabric;
  readonly #options: ModelOptions;
  readonly #functions: BuiltFunction[] = [];

  constructor(fabric: Fabric, options: ModelOptions) {
    this.#fabric = fabric;
    this.#options = options;
  }

  build(lab: LabFile, windows: readonly (readonly HostBridgeWindow[])[]): BuiltTree {
    for (const [index, description] of lab.hostBridges.entries()) {
      this.#hostBridge(lab, asPlatform(lab, description), lastBusOf(lab, description), windows[index]!);
    }
    const vmds = new Map<LabVmd, HostBridge>();
    for (const [index, vmd] of vmdsOf(lab).entries()) {
      const owner = lab.hostBridges.find(({ below }) => below.includes(vmd))!;
      vmds.set(vmd, this.#vmdDomain(vmd, owner, windows[lab.hostBridges.length + index]!));
    }
    return { functions: this.#functions, vmds };
  }

  #hostBridge(
    lab: LabFile,
    description: LabHostBridge,
    lastBus: number,
    windows: readonly HostBridgeWindow[],
  ): void {
    const { domain, rootBus, numaNode, identity } = description;
    const hostBridge = this.#fabric.addHostBridge({
      ...(description.name === null ? {} : { name: description.name }),
      domain,
      rootBus,
      lastBus,
      windows,
      addressOffset: description.translationOffsetBytes,
      peers: { sameBridge: description.peers, otherBridge: description.peersAcross },
      acceptsTranslated: lab.iommu.hasAts,
      numaNode,
    });
    const bus = hostBridge.rootBus;
    if (identity !== null) {
      bus.addHostBridgeFunction(0, 0, identity);
    }
    for (const node of description.below) {
      if (node.kind === 'root-port') {
        this.#rootPort(bus, node);
      } else if (node.kind === 'vmd') {
        this.#vmd(bus, node);
      } else {
        this.#endpoint(bus, node, true);
      }
    }
  }

  /** Root ports behind a VMD are a domain of their own, whose windows are ranges of the VMD's BARs. */
  #vmdDomain(vmd: LabVmd, owner: LabHostBridge, windows: readonly HostBridgeWindow[]): HostBridge {
    const hostBridge = this.#fabric.addHostBridge({
      domain: vmd.domain,
      rootBus: 0,
      lastBus: 255,
      windows,
      peers: { sameBridge: owner.peers, otherBridge: owner.peersAcross },
      numaNode: owner.numaNode,
    });
    for (const port of vmd.below) {
      this.#rootPort(hostBridge.rootBus, port);
    }
    return hostBridge;
  }

  #rootPort(bus: Bus, node: LabRootPort): void {
    const fn = bus.addRootPort(node.device, node.function, portDescription('root-port', node));
    this.#functions.push({ node, fn, model: null });
    this.#slot(fn.secondaryBus!, node.below);
  }

  #slot(bus: Bus, nodes: readonly LabSlotNode[]): void {
    for (const node of nodes) {
      if (node.kind === 'switch') {
        this.#switch(bus, node);
      } else if (node.kind === 'pci-bridge') {
        this.#pciBridge(bus, node);
      } else {
        this.#endpoint(bus, node, true);
      }
    }
  }

  #switch(bus: Bus, node: LabSwitch): void {
    const description = portDescription('switch-upstream', {
      ...node,
      port: 0,
      slot: null,
      isHotPlug: false,
    });
    const upstream = bus.addBridge(node.device, node.function, description);
    this.#functions.push({ node, fn: upstream, model: null });
    const ports = node.below.map((port) => {
      const fn = upstream.secondaryBus!.addBridge(
        port.device,
        port.function,
        portDescription('switch-downstream', port),
      );
      this.#functions.push({ node: port, fn, model: null });
      return { port, fn };
    });
    for (const { port, fn } of ports) {
      this.#slot(fn.secondaryBus!, port.below);
    }
  }

  #pciBridge(bus: Bus, node: LabPciBridge): void {
    const description = portDescription('pcie-to-pci-bridge', {
      ...node,
      port: 0,
      slot: null,
      isHotPlug: false,
    });
    const fn = bus.addBridge(node.device, node.function, description);
    this.#functions.push({ node, fn, model: null });
    for (const device of node.below) {
      this.#endpoint(fn.secondaryBus!, device, false);
    }
  }

  #endpoint(bus: Bus, node: LabEndpoint, isExpress: boolean): void {
    const model = modelOf(node, isExpress, this.#options);
    const fn = bus.addFunction(node.device, node.function, model, {
      usesRelaxedOrdering: node.hasRelaxedOrdering,
    });
    this.#functions.push({ node, fn, model });
  }

  #vmd(bus: Bus, node: LabVmd): void {
    const model = vmdModel(node, this.#options.storage);
    const fn = bus.addFunction(node.device, node.function, model);
    this.#functions.push({ node, fn, model });
  }
}

/**
 * A platform that the lab names, and that refuses reads or everything between root ports, refuses it here too; what the
 * host bridge says is taken at its word only where it says less. A platform that follows from the processor decides nothing.
 */
function asPlatform(lab: LabFile, bridge: LabHostBridge): LabHostBridge {
  if (lab.time.platform === 'auto') {
    return bridge;
  }
  const { writeShare, readShare, otherSocketShare } = platformNamed(lab.time.platform).peers;
  const least = (own: LabHostBridge['peers'], write: number, read: number): LabHostBridge['peers'] =>
    write === 0 ? 'none' : read === 0 && own === 'routes' ? 'writes-only' : own;
  return {
    ...bridge,
    peers: least(bridge.peers, writeShare, readShare),
    peersAcross: least(
      bridge.peersAcross,
      Math.min(writeShare, otherSocketShare),
      Math.min(readShare, otherSocketShare),
    ),
  };
}

/** A host bridge has the buses up to the next one of its domain. */
function lastBusOf(lab: LabFile, bridge: LabHostBridge): number {
  const above = lab.hostBridges
    .filter(({ domain, rootBus }) => domain === bridge.domain && rootBus > bridge.rootBus)
    .map(({ rootBus }) => rootBus);
  return Math.min(256, ...above) - 1;
}

type PortFacts = LabFunctionBase & {
  readonly link: LabLink;
  readonly port: LabDownstreamPort['port'];
  readonly slot: LabDownstreamPort['slot'];
  readonly isHotPlug: boolean;
};

function portDescription(kind: PortKind, node: PortFacts): PortDescription {
  return {
    kind,
    vendorId: node.id.vendorId,
    deviceId: node.id.deviceId,
    subsystem: null,
    portNumber: node.port,
    slot:
      node.slot === null
        ? null
        : {
            physicalNumber: node.slot,
            isHotPlugCapable: node.isHotPlug,
            isSurpriseCapable: node.isHotPlug,
          },
    acs:
      node.acs === null
        ? null
        : { capability: acsWord(node.acs.capability), firmwareControl: acsWord(node.acs.firmware) },
    linkSpeedGTs: linkSpeedGTs(node.link),
    linkWidth: node.link.width,
    maxPayloadBytes: node.maxPayloadBytes,
    hasAer: true,
    isMultiFunction: false,
  };
}
