/**
 * The functions below a host bridge as nodes of a lab.
 *
 * A lab knows fewer shapes than real machines have: on a root bus only root ports, devices and VMDs, below a port one device,
 * below a bridge to conventional PCI no further bridge. What does not fit is put where it changes least, with a note: a port
 * or bridge more on the way changes distances, never whether ACS redirects.
 */
import { type Bdf, bdfParts } from '../../base/index.ts';
import { CAPABILITY_ID, LINK_CAPABILITIES } from '../../spec/index.ts';
import type { HostBridge, Machine, MachineFunction } from '../../topology/index.ts';
import type {
  LabDownstreamPort,
  LabEndpoint,
  LabId,
  LabLink,
  LabNode,
  LabPciBridge,
  LabRootBusNode,
  LabRootPort,
  LabSlotNode,
  LabSwitch,
  LabVmd,
} from '../file/index.ts';
import { LAB_FUNCTIONS_MAX } from '../file/index.ts';
import { ConfigRegisters } from './config-registers.ts';
import { importAcs } from './import-acs.ts';
import { importEndpoint, importId } from './import-endpoint.ts';
import { importLink, importTrained } from './import-link.ts';
import { ImportNames } from './import-names.ts';
import type { ImportNotes } from './notes.ts';
import { freePlace, isRootBusHead, keyOf, type Place, payloadOfFunction, slotOf } from './places.ts';

export interface RootBus {
  /** Function 00.0, where it is a host bridge; it is no node. */
  readonly identity: LabId | null;
  readonly below: readonly LabRootBusNode[];
}

const PORT_MORE = 'a port was put above it, which a lab needs there: one hop more';

/** QEMU's port, for those that the machine does not have. */
const MADE_PORT: LabId = { vendorId: 0x1b36, deviceId: 0x000c };
const PORTS_MAX = 32;

type PortKind = 'root-port' | 'port';
type PortOf<Kind extends PortKind> = Kind extends 'port' ? LabDownstreamPort : LabRootPort;

export class TreeImporter {
  /** The node that each function became; virtual functions and host bridges have none. */
  readonly nodes = new Map<Bdf, LabNode>();
  readonly #machine: Machine;
  readonly #notes: ImportNotes;
  readonly #names: ImportNames;
  readonly #children = new Map<Bdf | string, MachineFunction[]>();
  readonly #vfs = new Map<Bdf, MachineFunction[]>();
  #count = 0;

  constructor(machine: Machine, notes: ImportNotes) {
    this.#machine = machine;
    this.#notes = notes;
    this.#names = new ImportNames(machine.functions);
    for (const fn of machine.functions) {
      this.#sort(fn);
    }
  }

  rootBus(bridge: HostBridge): RootBus {
    const functions = this.#children.get(bridge.key) ?? [];
    const first = functions.find(isRootBusHead);
    const identity = first === undefined ? null : importId(first, this.#notes);
    const rest = functions.filter((fn) => fn !== first);
    const taken = first === undefined ? [] : [{ device: 0, function: 0 }];
    return {
      identity,
      below: this.#onBus(rest, taken, (fn, place) => this.#onRootBus(fn, place)),
    };
  }

  #sort(fn: MachineFunction): void {
    const add = <Key>(map: Map<Key, MachineFunction[]>, key: Key): void => {
      map.set(key, [...(map.get(key) ?? []), fn]);
    };
    if (fn.isGone) {
      this.#notes.add('the function did not answer and was left out', fn.bdf);
    } else if (fn.physicalFunction != null) {
      add(this.#vfs, fn.physicalFunction);
    } else if (this.#count >= LAB_FUNCTIONS_MAX) {
      this.#notes.add(`a lab has at most ${LAB_FUNCTIONS_MAX} functions; the rest was left out`);
    } else {
      this.#count++;
      if (fn.parent === undefined) {
        this.#notes.add('the bridge above it is not known; it was put on the root bus', fn.bdf);
      }
      if (fn.hiddenAbove) {
        this.#notes.add('bridges above it are not in the input, so distances are smaller', fn.bdf);
      }
      add<Bdf | string>(this.#children, fn.parent ?? fn.hostBridge);
    }
  }

  /** Gives every function a place that its bus can have, and makes the nodes in that order. */
  #onBus<Node extends LabNode>(
    functions: readonly MachineFunction[],
    taken: readonly Place[],
    make: (fn: MachineFunction, place: Place) => Node | undefined,
    isLink = false,
  ): Node[] {
    const used = new Set(taken.map(keyOf));
    const withZero = new Set(taken.map(({ device }) => device));
    const inOrder = [...functions].sort((a, b) => keyOf(bdfParts(a.bdf)) - keyOf(bdfParts(b.bdf)));
    const nodes: Node[] = [];
    for (const fn of inOrder) {
      const place = freePlace(bdfParts(fn.bdf), used, withZero, isLink);
      const wanted = bdfParts(fn.bdf);
      if (place === undefined) {
        this.#notes.add('its bus has no room for it in a lab; it was left out', fn.bdf);
        continue;
      }
      if (place.device !== wanted.device || place.function !== wanted.function) {
        this.#notes.add('it has another device or function number in the lab', fn.bdf);
      }
      const node = make(fn, place);
      if (node !== undefined) {
        used.add(keyOf(place));
        withZero.add(place.device);
        nodes.push(node);
        this.nodes.set(fn.bdf, this.nodes.get(fn.bdf) ?? node);
      }
    }
    return nodes.sort((a, b) => keyOf(a) - keyOf(b));
  }

  #onRootBus(fn: MachineFunction, place: Place): LabRootBusNode {
    const behind = this.#machine.hostBridges.find((bridge) => bridge.behind === fn.bdf);
    if (behind !== undefined) {
      return this.#vmd(fn, place, behind);
    }
    if (!this.#isBridge(fn)) {
      return this.#endpoint(fn, place, null, true);
    }
    return this.#isPlainPort(fn, 'root-port')
      ? this.#port('root-port', fn, place)
      : this.#portAbove('root-port', fn, place);
  }

  #vmd(fn: MachineFunction, place: Place, bridge: HostBridge): LabVmd {
    const bytesOf = (index: number, least: number, most: number): number => {
      const sizeBytes = fn.bars?.find((bar) => bar.index === index)?.sizeBytes ?? 0;
      return Math.min(most, Math.max(least, sizeBytes));
    };
    const functions = this.#children.get(bridge.key) ?? [];
    return {
      kind: 'vmd',
      name: this.#names.nameOf(fn, 'vmd'),
      ...place,
      id: importId(fn, this.#notes),
      acs: null,
      maxPayloadBytes: 512,
      domain: bridge.domain,
      // A window has to hold what is below it; MEMBAR1 and MEMBAR2 are BARs 2 and 4.
      window32Bytes: bytesOf(2, 2 ** 26, 2 ** 31),
      window64Bytes: bytesOf(4, 2 ** 36, 2 ** 44),
      below: this.#onBus(functions, [], (child, at) =>
        this.#isBridge(child) && this.#isPlainPort(child, 'root-port')
          ? this.#port('root-port', child, at)
          : this.#portAbove('root-port', child, at),
      ),
    };
  }

  /** What is below a port: one device, a switch or a bridge. */
  #slot(functions: readonly MachineFunction[], portLink: LabLink): LabSlotNode[] {
    const devices = new Map<string, MachineFunction[]>();
    for (const fn of functions) {
      const device = fn.bdf.slice(0, -2);
      devices.set(device, [...(devices.get(device) ?? []), fn]);
    }
    if (devices.size > 1) {
      return [this.#switchAbove([...devices.values()])];
    }
    return this.#onBus(functions, [], (fn, place) => this.#inSlot(fn, place, portLink), true);
  }

  #inSlot(fn: MachineFunction, place: Place, portLink: LabLink): LabSlotNode {
    if (!this.#isBridge(fn)) {
      return this.#endpoint(fn, place, portLink, true);
    }
    return this.#isSwitch(fn) ? this.#switch(fn, place, portLink) : this.#pciBridge(fn, place, portLink);
  }

  #switch(fn: MachineFunction, place: Place, portLink: LabLink): LabSwitch {
    const link = importLink(fn, this.#notes);
    const ports: number[] = [];
    return {
      kind: 'switch',
      name: null,
      ...place,
      id: importId(fn, this.#notes),
      acs: importAcs(fn, false, this.#notes),
      maxPayloadBytes: payloadOfFunction(fn),
      link,
      trained: importTrained(fn, link, portLink),
      timing: null,
      below: this.#onBus(this.#childrenOf(fn), [], (child, at) =>
        this.#isBridge(child) && this.#isPlainPort(child, 'port')
          ? this.#port('port', child, at, ports)
          : this.#portAbove('port', child, at, ports),
      ),
    };
  }

  /** Where the input leaves a switch out, or a bridge is not what it was taken for: several devices below one port. */
  #switchAbove(devices: readonly (readonly MachineFunction[])[]): LabSwitch {
    const link: LabLink = { generation: 4, width: 16 };
    const id = MADE_PORT;
    const shown = devices.slice(0, PORTS_MAX);
    for (const fn of devices.slice(PORTS_MAX).flat()) {
      this.#notes.add('its bus has no room for it in a lab; it was left out', fn.bdf);
    }
    const below = shown.map((functions, index): LabDownstreamPort => {
      for (const fn of functions) {
        this.#notes.add(
          'a switch was put above it, since its port has several devices: one hop more',
          fn.bdf,
        );
      }
      return {
        kind: 'port',
        name: null,
        device: index,
        function: 0,
        id,
        acs: null,
        maxPayloadBytes: 512,
        link,
        port: index + 1,
        slot: null,
        isHotPlug: false,
        timing: null,
        below: this.#slot(functions, link),
      };
    });
    return {
      kind: 'switch',
      name: null,
      device: 0,
      function: 0,
      id,
      acs: null,
      maxPayloadBytes: 512,
      link,
      trained: null,
      timing: null,
      below,
    };
  }

  #pciBridge(fn: MachineFunction, place: Place, portLink: LabLink): LabPciBridge {
    const link = importLink(fn, this.#notes);
    if (fn.acs != null) {
      this.#notes.add('ACS of a bridge to conventional PCI was left out', fn.bdf);
    }
    return {
      kind: 'pci-bridge',
      name: null,
      ...place,
      id: importId(fn, this.#notes),
      acs: null,
      maxPayloadBytes: payloadOfFunction(fn),
      link,
      trained: importTrained(fn, link, portLink),
      below: this.#onBus(this.#conventional(fn), [], (child, at) => this.#endpoint(child, at, null, false)),
    };
  }

  /** Everything behind a bridge to conventional PCI, on one bus. */
  #conventional(fn: MachineFunction): MachineFunction[] {
    return this.#childrenOf(fn).flatMap((child) => {
      if (!this.#isBridge(child)) {
        return [child];
      }
      this.#notes.add('a bridge below a bridge to conventional PCI was left out: one hop less', child.bdf);
      return this.#conventional(child);
    });
  }

  #port<Kind extends PortKind>(
    kind: Kind,
    fn: MachineFunction,
    place: Place,
    ports: number[] = this.#rootPorts(fn),
  ): PortOf<Kind> {
    const link = importLink(fn, this.#notes);
    const slot = slotOf(fn);
    const registers = new ConfigRegisters(fn);
    const capabilities = registers.capability(CAPABILITY_ID.PCI_EXPRESS, LINK_CAPABILITIES);
    const port = {
      kind,
      name: null,
      ...place,
      id: importId(fn, this.#notes),
      acs: importAcs(fn, true, this.#notes),
      maxPayloadBytes: payloadOfFunction(fn),
      link,
      port: this.#number(
        capabilities === undefined ? undefined : LINK_CAPABILITIES.Port_Number.of(capabilities),
        ports,
        fn,
      ),
      slot: slot?.number ?? null,
      isHotPlug: slot?.isHotPlug ?? false,
      timing: null,
      below: this.#slot(this.#childrenOf(fn), link),
    };
    return port as unknown as PortOf<Kind>;
  }

  /** A port that the machine does not have, for what a lab cannot put on this bus. */
  #portAbove<Kind extends PortKind>(
    kind: Kind,
    fn: MachineFunction,
    place: Place,
    ports: number[] = this.#rootPorts(fn),
  ): PortOf<Kind> {
    this.#notes.add(PORT_MORE, fn.bdf);
    const link: LabLink = { generation: 4, width: 16 };
    const inner = this.#inSlot(fn, { device: 0, function: 0 }, link);
    this.nodes.set(fn.bdf, inner);
    const port = {
      kind,
      name: null,
      ...place,
      id: MADE_PORT,
      acs: null,
      maxPayloadBytes: 512,
      link,
      port: this.#number(undefined, ports, fn),
      slot: null,
      isHotPlug: false,
      timing: null,
      below: [inner],
    };
    return port as unknown as PortOf<Kind>;
  }

  readonly #rootPortNumbers = new Map<string, number[]>();

  /** Numbers of root ports are per host bridge. */
  #rootPorts(fn: MachineFunction): number[] {
    const numbers = this.#rootPortNumbers.get(fn.hostBridge) ?? [];
    this.#rootPortNumbers.set(fn.hostBridge, numbers);
    return numbers;
  }

  #number(wanted: number | undefined, taken: number[], fn: MachineFunction): number {
    let number = wanted ?? 1;
    if (taken.includes(number)) {
      number = 1;
      while (taken.includes(number)) {
        number++;
      }
      if (wanted !== undefined && (fn.acs?.egressVector ?? null) !== null) {
        this.#notes.add('port numbers that occur twice were changed; egress vectors count by them', fn.bdf);
      }
    }
    taken.push(number);
    return number;
  }

  #endpoint(fn: MachineFunction, place: Place, portLink: LabLink | null, isExpress: boolean): LabEndpoint {
    return importEndpoint(fn, {
      names: this.#names,
      notes: this.#notes,
      vfs: this.#vfs.get(fn.bdf) ?? [],
      ...place,
      portLink,
      isExpress,
    });
  }

  #childrenOf(fn: MachineFunction): readonly MachineFunction[] {
    return this.#children.get(fn.bdf) ?? [];
  }

  #isBridge(fn: MachineFunction): boolean {
    return fn.headerType === undefined
      ? (fn.classCode ?? 0) >>> 8 === 0x0604 || this.#childrenOf(fn).length > 0
      : fn.headerType === 1;
  }

  /** A root port or downstream port, or taken for one where the input has no types. */
  #isPlainPort(fn: MachineFunction, kind: PortKind): boolean {
    if (fn.pcieType === undefined) {
      this.#notes.add('the kind of bridge is not known; taken from where it stands', fn.bdf);
      return true;
    }
    return fn.pcieType === (kind === 'port' ? 'switch-downstream' : 'root-port');
  }

  #isSwitch(fn: MachineFunction): boolean {
    if (fn.pcieType === undefined) {
      this.#notes.add('the kind of bridge is not known; taken from where it stands', fn.bdf);
      const children = this.#childrenOf(fn);
      return children.length > 0 && children.every((child) => this.#isBridge(child));
    }
    return (
      fn.pcieType === 'switch-upstream' || fn.pcieType === 'switch-downstream' || fn.pcieType === 'root-port'
    );
  }
}
