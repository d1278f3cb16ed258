/** The tree of a lab as QEMU can build it, with the `-device` options that build it, in one pass so that both say the same. */
import type {
  LabAcs,
  LabAcsBit,
  LabDownstreamPort,
  LabEndpoint,
  LabHostBridge,
  LabLink,
  LabNode,
  LabPciBridge,
  LabPortBase,
  LabRootBusNode,
  LabRootPort,
  LabSlotNode,
  LabSwitch,
} from '../file/index.ts';
import { ACS_BITS } from '../file/index.ts';
import type { Changes } from './changes.ts';
import { type ExportedEndpoint, exportEndpoint, exportedBase } from './export-endpoint.ts';
import {
  exportServed,
  NOTHING_SERVED,
  type QemuPlace,
  type ServedOptions,
  servedDevice,
} from './export-served.ts';
import {
  CHIPSET,
  FURTHER_HOST_BRIDGE_TRAITS,
  QEMU_ACS,
  QEMU_IDS,
  QEMU_LINK,
  QEMU_PAYLOAD_BYTES,
} from './qemu-devices.ts';

/** One option of the command line. */
export interface QemuOption {
  readonly name: '-device' | '-object';
  readonly value: string;
}

/** A controller, for those who add namespaces. */
export interface QemuController {
  readonly id: string;
  readonly node: Extract<LabEndpoint, { kind: 'nvme' }>;
}

interface Place {
  readonly device: number;
  readonly function: number;
}

/** q35's own: the host bridge, the chipset, and two that are kept free for folders shared with the guest. */
const TAKEN_DEVICES: readonly number[] = [0, 0x1d, 0x1e, 0x1f];
/** Links of root ports: of QEMU 7.2, and of those that have vfio-user-pci. */
const GENERATION_MAX = 4;
const NEWER_GENERATION_MAX = 6;
/** Chassis numbers of ports are eight bits, and 0 is QEMU's own. */
const CHASSIS = 255;
const SPEEDS: readonly string[] = ['', '2_5', '5', '8', '16', '32', '64'];

export class TreeExporter {
  readonly options: QemuOption[] = [];
  readonly controllers: QemuController[] = [];
  /** QEMU's id of each device of the lab that has a name. */
  readonly ids = new Map<string, string>();
  /** `pci=config_acs=` elements for ports whose ACS Control the lab states. */
  readonly acsElements: string[] = [];
  readonly #changes: Changes;
  readonly #names: ReadonlySet<string>;
  readonly #served: ServedOptions;
  #ids = 0;
  #ports = 0;

  /** @param names  of the lab, which made ids keep away from */
  constructor(changes: Changes, names: ReadonlySet<string>, served: ServedOptions = NOTHING_SERVED) {
    this.#changes = changes;
    this.#names = names;
    this.#served = served;
  }

  /** It has vfio-user-pci, so it is none of those before 10.1. */
  get #isNewer(): boolean {
    return this.#served.served.size > 0;
  }

  /** The host bridge that q35 has, and the further ones as devices on it. */
  rootBridge(bridge: LabHostBridge, further: readonly LabHostBridge[]): LabHostBridge {
    const below = this.#rootBus(bridge, 'pcie.0', TAKEN_DEVICES);
    const used = new Set([...TAKEN_DEVICES, ...below.map(({ device }) => device)]);
    const chipset = CHIPSET.map(([fn, traits], index): LabEndpoint => {
      const place = { device: 0x1f, function: fn, kind: 'root' } as const;
      return { kind: 'generic', ...exportedBase({ name: `q35-${index}` }, place, traits) };
    });
    const others = further.map((other, index): LabEndpoint => {
      const device = lastFree(used);
      used.add(device);
      const id = furtherBridgeId(index);
      const node = other.numaNode === 0 ? '' : `,numa_node=${other.numaNode}`;
      this.#device(`pxb-pcie,id=${id},bus_nr=${other.rootBus},bus=pcie.0,addr=${hex(device)}.0${node}`);
      const place = { device, function: 0, kind: 'root' } as const;
      return {
        kind: 'generic',
        ...exportedBase({ name: `q35-pxb${index + 1}` }, place, FURTHER_HOST_BRIDGE_TRAITS),
      };
    });
    return {
      ...exportedBridge(bridge),
      identity: QEMU_IDS.hostBridge,
      below: inOrder([...below, ...chipset, ...others]),
    };
  }

  /** After `rootBridge`, which made its device. */
  furtherBridge(bridge: LabHostBridge, index: number): LabHostBridge {
    if (bridge.identity !== null) {
      this.#changes.add('further host bridges are pxb-pcie: their root bus has no function 00.0');
    }
    const ports = bridge.below.filter((node): node is LabRootPort => {
      if (node.kind !== 'root-port') {
        this.#changes.add(
          'devices directly on the root bus of a further host bridge are left out',
          nameOf(node),
        );
      }
      return node.kind === 'root-port';
    });
    return {
      ...exportedBridge(bridge),
      identity: null,
      below: this.#rootBus({ ...bridge, below: ports }, furtherBridgeId(index), []),
    };
  }

  #rootBus(bridge: LabHostBridge, bus: string, taken: readonly number[]): LabRootBusNode[] {
    const nodes = bridge.below.filter((node) => node.kind !== 'vmd');
    return this.#placed(nodes, taken).map(({ node, place, isMany }): LabRootBusNode => {
      const at = placeOf(bus, place, isMany);
      return node.kind === 'root-port'
        ? this.#rootPort(node, place, address(at), bridge)
        : this.#endpoint(node, { ...place, kind: 'root' }, at);
    });
  }

  /** Where each stands: as in the lab, or the next free device where QEMU has something of its own. */
  #placed<Node extends LabNode>(
    nodes: readonly Node[],
    taken: readonly number[],
  ): { node: Node; place: Place; isMany: boolean }[] {
    const used = new Set([...taken, ...nodes.map(({ device }) => device)]);
    const moved = new Map<number, number>();
    for (const { device } of nodes) {
      if (taken.includes(device) && !moved.has(device)) {
        const other = firstFree(used);
        used.add(other);
        moved.set(device, other);
      }
    }
    const placed = nodes.map((node) => {
      const device = moved.get(node.device) ?? node.device;
      const isLowest = !nodes.some((other) => other.device === node.device && other.function < node.function);
      // Where function 0 was left out, nobody would find the others.
      const place = { device, function: isLowest ? 0 : node.function };
      if (place.device !== node.device || place.function !== node.function) {
        this.#changes.add('its device or function number is another', nameOf(node));
      }
      return { node, place };
    });
    return placed
      .map(({ node, place }) => ({
        node,
        place,
        isMany: placed.some((other) => other.place.device === place.device && other.node !== node),
      }))
      .sort((a, b) => a.place.device - b.place.device || a.place.function - b.place.function);
  }

  #rootPort(node: LabRootPort, place: Place, at: string, bridge: LabHostBridge): LabRootPort {
    const id = this.#id('rp', node.name);
    const most = this.#isNewer ? NEWER_GENERATION_MAX : GENERATION_MAX;
    const link: LabLink = { ...node.link, generation: Math.min(most, node.link.generation) };
    if (link.generation !== node.link.generation) {
      this.#changes.add(`links are gen${most} at most`, node.name ?? id);
    }
    const slot = this.#slot(node);
    const acs = this.#acs(
      node.acs,
      `${hex(bridge.rootBus)}:${hex(place.device)}.${place.function}`,
      node.name ?? id,
    );
    this.#device(
      `pcie-root-port,id=${id},${at},${slot.options},port=${node.port},x-speed=${SPEEDS[link.generation]},x-width=${link.width}` +
        `${acs === null ? ',disable-acs=on' : ''}`,
    );
    return {
      kind: 'root-port',
      name: node.name,
      ...place,
      id: QEMU_IDS.rootPort,
      acs,
      maxPayloadBytes: QEMU_PAYLOAD_BYTES,
      link,
      port: node.port,
      slot: slot.number,
      isHotPlug: node.isHotPlug,
      timing: null,
      below: this.#slotBus(node.below, id),
    };
  }

  /** Only what the kernel's command line can say survives: QEMU comes up with nothing set. */
  #acs(acs: LabAcs | null, address: string, name: string): LabAcs | null {
    if (acs === null) {
      if (this.#isNewer) {
        // Of 7.2 they can be had without; 11 has no such option any more.
        this.#changes.add('every root port has ACS, which firmware leaves off', name);
        return QEMU_ACS;
      }
      return null;
    }
    if (
      acs.firmware.length > 0 ||
      acs.egress.length > 0 ||
      acs.capability.join() !== QEMU_ACS.capability.join()
    ) {
      this.#changes.add('ACS of root ports is SV TB RR CR UF DT, and firmware leaves it off', name);
    }
    if (acs.control !== null) {
      const flags = flagsOf(acs.control.filter((bit) => QEMU_ACS.capability.includes(bit)));
      this.acsElements.push(`${flags}@${address}`);
      this.#changes.add('ACS Control that the lab states is set with pci=config_acs=', name);
    }
    return QEMU_ACS;
  }

  #slotBus(nodes: readonly LabSlotNode[], bus: string): LabSlotNode[] {
    return this.#placed(nodes, []).map(({ node, place, isMany }): LabSlotNode => {
      const at = placeOf(bus, place, isMany);
      switch (node.kind) {
        case 'switch':
          return this.#switch(node, place, address(at));
        case 'pci-bridge':
          return this.#pciBridge(node, place, address(at));
        default:
          return this.#endpoint(node, { ...place, kind: 'slot' }, at);
      }
    });
  }

  #switch(node: LabSwitch, place: Place, at: string): LabSwitch {
    const id = this.#id('up', node.name);
    this.#changes.add('switches are TI’s XIO3130 (104c:8232 and 8233) with gen1 x1 links', node.name ?? id);
    if (node.acs !== null || node.below.some(({ acs }) => acs !== null)) {
      this.#changes.add('switch ports have no ACS', node.name ?? id);
    }
    this.#device(`x3130-upstream,id=${id},${at}`);
    return {
      kind: 'switch',
      name: node.name,
      ...place,
      id: QEMU_IDS.upstream,
      acs: null,
      maxPayloadBytes: QEMU_PAYLOAD_BYTES,
      link: QEMU_LINK,
      trained: null,
      timing: null,
      below: this.#placed(node.below, []).map(({ node: port, place: of, isMany }) =>
        this.#downstreamPort(port, of, address(placeOf(id, of, isMany))),
      ),
    };
  }

  #downstreamPort(node: LabDownstreamPort, place: Place, at: string): LabDownstreamPort {
    const id = this.#id('dp', node.name);
    const slot = this.#slot(node);
    this.#device(`xio3130-downstream,id=${id},${at},${slot.options},port=${node.port}`);
    return {
      kind: 'port',
      name: node.name,
      ...place,
      id: QEMU_IDS.downstream,
      acs: null,
      maxPayloadBytes: QEMU_PAYLOAD_BYTES,
      link: QEMU_LINK,
      port: node.port,
      slot: slot.number,
      isHotPlug: node.isHotPlug,
      timing: null,
      below: this.#slotBus(node.below, id),
    };
  }

  #pciBridge(node: LabPciBridge, place: Place, at: string): LabPciBridge {
    const id = this.#id('br', node.name);
    this.#changes.add('bridges to conventional PCI are pcie-pci-bridge (1b36:000e)', node.name ?? id);
    this.#device(`pcie-pci-bridge,id=${id},${at}`);
    return {
      kind: 'pci-bridge',
      name: node.name,
      ...place,
      id: QEMU_IDS.pciBridge,
      acs: null,
      maxPayloadBytes: QEMU_PAYLOAD_BYTES,
      link: QEMU_LINK,
      trained: null,
      // Its hot-plug controller owns device 0.
      below: this.#placed(node.below, [0]).map(({ node: device, place: of, isMany }) =>
        this.#endpoint(device, { ...of, kind: 'pci' }, placeOf(id, of, isMany)),
      ),
    };
  }

  #endpoint(
    node: LabEndpoint,
    place: Place & { readonly kind: 'root' | 'slot' | 'pci' },
    at: QemuPlace,
  ): LabEndpoint {
    const id = this.#id('dev', node.name);
    const socketPath = this.#served.served.get(node.name);
    if (socketPath !== undefined) {
      this.#device(servedDevice(id, socketPath, at, this.#served.messageTimeoutMs));
      return exportServed(node, place, this.#changes);
    }
    const exported: ExportedEndpoint = exportEndpoint(node, id, place, this.#changes);
    for (const value of exported.objects) {
      this.options.push({ name: '-object', value });
    }
    const [model, ...properties] = splitModel(exported.device);
    this.#device([model, `id=${id}`, address(at), ...properties].join(','));
    if (exported.isNvme) {
      this.controllers.push({ id, node: exported.node as QemuController['node'] });
    }
    return exported.node;
  }

  #slot(node: LabPortBase): { readonly number: number; readonly options: string } {
    const index = this.#ports++;
    const number = node.slot ?? index + 1;
    if (node.slot === null) {
      this.#changes.add('every port has a slot');
    }
    const hotPlug = node.isHotPlug ? 'on' : 'off';
    return { number, options: `chassis=${(index % CHASSIS) + 1},slot=${number},hotplug=${hotPlug}` };
  }

  /** A name of the lab is an id of QEMU's: both begin with a letter and hold letters, digits, `-` and `_`. */
  #id(prefix: string, name: string | null): string {
    if (name !== null) {
      this.ids.set(name, name);
      return name;
    }
    let id: string;
    do {
      id = `${prefix}-${this.#ids++}`;
    } while (this.#names.has(id));
    return id;
  }

  #device(value: string): void {
    this.options.push({ name: '-device', value });
  }
}

/** With a character that no name of a lab has. */
function furtherBridgeId(index: number): string {
  return `hb.${index + 1}`;
}

function placeOf(bus: string, place: Place, isMany: boolean): QemuPlace {
  return {
    bus,
    addr: `${hex(place.device)}.${place.function}`,
    isMultifunction: isMany && place.function === 0,
  };
}

function address({ bus, addr, isMultifunction }: QemuPlace): string {
  return `bus=${bus},addr=${addr}${isMultifunction ? ',multifunction=on' : ''}`;
}

/** At the first comma; values may hold more. */
function splitModel(device: string): string[] {
  const comma = device.indexOf(',');
  return comma === -1 ? [device] : [device.slice(0, comma), device.slice(comma + 1)];
}

function exportedBridge(bridge: LabHostBridge): Omit<LabHostBridge, 'below'> {
  const { below: _, ...rest } = bridge;
  return { ...rest, peers: 'routes', peersAcross: 'routes', translationOffsetBytes: 0 };
}

/** From the right SV, TB, RR, CR, UF, EC, DT; what the port does not have is left alone. */
function flagsOf(control: readonly LabAcsBit[]): string {
  return [...ACS_BITS]
    .reverse()
    .map((bit) => (!QEMU_ACS.capability.includes(bit) ? 'x' : control.includes(bit) ? '1' : '0'))
    .join('');
}

function firstFree(used: ReadonlySet<number>): number {
  let device = 1;
  while (used.has(device)) {
    device++;
  }
  return device;
}

function lastFree(used: ReadonlySet<number>): number {
  let device = 0x1c;
  while (used.has(device)) {
    device--;
  }
  return device;
}

function inOrder<Node extends LabNode>(nodes: readonly Node[]): Node[] {
  return [...nodes].sort((a, b) => a.device - b.device || a.function - b.function);
}

function nameOf(node: LabNode): string {
  return node.name ?? `${node.kind} at ${hex(node.device)}.${node.function}`;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}
