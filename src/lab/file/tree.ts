/**
 * The tree of a lab: entries of the file become nodes with addresses, port numbers, names and the ports that the file leaves out.
 *
 * Each bus is read in three steps: which entries stand on it, which address each has, then the nodes with what is below them.
 */
import {
  bridgeSchemas,
  fillPciBridge,
  fillPort,
  fillSwitch,
  fillVmd,
  type LabBridgeKind,
  type PortDefaults,
  rootPortDefaults,
  switchPortDefaults,
} from './bridge-fields.ts';
import { assignAddresses, assignPorts, type DeviceAddress } from './bus-numbers.ts';
import { at } from './endpoint-fields.ts';
import { type Entry, EntryReader, endpointKindOf, type Origin } from './entries.ts';
import { count, flag } from './field.ts';
import { readFields } from './kind.ts';
import type {
  LabDownstreamPort,
  LabEndpoint,
  LabNode,
  LabPciBridge,
  LabRootBusNode,
  LabRootPort,
  LabSlotNode,
  LabSwitch,
  LabVmd,
} from './lab-device.ts';
import type { LabCpuVendor, LabId } from './lab-file.ts';
import type { Names } from './names.ts';
import type { Problems } from './problems.ts';
import type { LabValue } from './values.ts';
import type { YamlSource } from './yaml-source.ts';

/** What stands on a bus of each sort, and what a port is called that the file leaves out. */
const BUSES = {
  root: { what: 'the root bus of a host bridge', allows: ['root-port', 'vmd'], port: 'root-port' },
  vmd: { what: 'a VMD', allows: ['root-port'], port: 'root-port' },
  switch: { what: 'a switch', allows: ['port'], port: 'port' },
  slot: { what: 'a port', allows: ['switch', 'pci-bridge'], port: null },
  pci: { what: 'a bridge to conventional PCI', allows: [], port: null },
} as const satisfies Record<
  string,
  { what: string; allows: readonly LabBridgeKind[]; port: 'root-port' | 'port' | null }
>;
type BusKind = keyof typeof BUSES;

/** Where a bridge of each kind belongs. */
const BELONGS: Readonly<Record<LabBridgeKind, string>> = {
  'root-port': 'directly below a host bridge or a VMD',
  switch: 'below a root port, or a downstream port of another switch',
  port: 'directly below a switch',
  'pci-bridge': 'below a root port, or a downstream port of a switch',
  vmd: 'directly below a host bridge',
};

const NO_DEFAULTS: PortDefaults = rootPortDefaults('');

interface Placed {
  readonly entry: Entry;
  readonly address: DeviceAddress;
  /** Number of a port; 0 for others. */
  readonly port: number;
  /** A port that the file leaves out: the entry is what is below it. */
  readonly isImplied: boolean;
}

export class TreeReader {
  readonly entries: EntryReader;
  readonly #names: Names;
  readonly #rootPorts: PortDefaults;
  readonly #origins: Map<LabNode, Origin>;
  #nextVmdDomain = 0x10000;

  /** @param origins  receives where in the file each node is */
  constructor(
    source: YamlSource,
    problems: Problems,
    names: Names,
    cpuVendor: LabCpuVendor,
    origins: Map<LabNode, Origin>,
  ) {
    this.entries = new EntryReader(source, problems);
    this.#names = names;
    this.#rootPorts = rootPortDefaults(cpuVendor);
    this.#origins = origins;
  }

  readRootBus(below: LabValue | undefined, holder: Origin, identity: LabId | null): LabRootBusNode[] {
    return this.#readBus(
      below,
      holder,
      'root',
      this.#rootPorts,
      identity === null ? [] : [0],
    ) as LabRootBusNode[];
  }

  #readBus(
    below: LabValue | undefined,
    holder: Origin,
    bus: BusKind,
    defaults: PortDefaults,
    taken: readonly number[] = [],
  ): LabNode[] {
    const entries = this.entries.read(below, holder).filter((entry) => this.#isAllowed(entry, bus));
    const nodes = this.#place(entries, bus, taken).flatMap(
      (placed) => this.#node(placed, bus, defaults) ?? [],
    );
    return nodes.sort((a, b) => a.device - b.device || a.function - b.function);
  }

  #isAllowed(entry: Entry, bus: BusKind): boolean {
    const isEndpoint = endpointKindOf(entry.kind) !== undefined;
    if (isEndpoint) {
      if (isIntegrated(entry) && bus !== 'root') {
        entry.report(
          'LAB_PLACE',
          ['integrated'],
          `integrated: only directly below a host bridge, not below ${BUSES[bus].what}`,
        );
        return false;
      }
      return true;
    }
    const allowed: readonly string[] = BUSES[bus].allows;
    const isBehindPort = BUSES[bus].port !== null && (entry.kind === 'switch' || entry.kind === 'pci-bridge');
    if (allowed.includes(entry.kind) || isBehindPort) {
      return true;
    }
    entry.complain(
      'LAB_PLACE',
      `a ${entry.kind} cannot be below ${BUSES[bus].what}; it goes ${BELONGS[entry.kind as LabBridgeKind]}`,
    );
    return false;
  }

  #place(entries: readonly Entry[], bus: BusKind, taken: readonly number[]): Placed[] {
    const implied = entries.map((entry) => isImpliedPort(entry, bus));
    const given = entries.map((entry, i) => (implied[i] === true ? null : givenAddress(entry)));
    if (bus === 'slot') {
      oneDevice(entries, given);
    }
    const addresses = assignAddresses(given, taken);
    const isPort = entries.map(
      (entry, i) => implied[i] === true || entry.kind === 'root-port' || entry.kind === 'port',
    );
    const numbered = entries.flatMap((entry, i) =>
      isPort[i] === true ? [implied[i] === true ? null : givenPort(entry)] : [],
    );
    const ports = assignPorts(numbered);
    let nextPort = 0;
    const placed = entries.flatMap((entry, i): Placed[] => {
      const port = isPort[i] === true ? ports[nextPort++]! : 0;
      const address = addresses[i]!;
      if (address === null) {
        entry.complain('LAB_ADDRESS', `no device number is left: a bus has 32 devices`);
        return [];
      }
      return [{ entry, address, port, isImplied: implied[i] === true }];
    });
    checkAddresses(placed, taken);
    checkPorts(placed);
    return placed;
  }

  #node(placed: Placed, bus: BusKind, defaults: PortDefaults): LabNode | undefined {
    const { entry, address } = placed;
    if (placed.isImplied) {
      return this.#impliedPort(placed, bus, defaults);
    }
    const node = this.#ownNode(entry, address, placed.port, bus, defaults);
    if (node !== undefined) {
      this.#origins.set(node, entry.origin);
    }
    return node;
  }

  #impliedPort(placed: Placed, bus: BusKind, defaults: PortDefaults): LabNode | undefined {
    const kind = BUSES[bus].port ?? 'port';
    const below = this.#place([placed.entry], 'slot', []).flatMap(
      (inner) => this.#node(inner, 'slot', NO_DEFAULTS) ?? [],
    ) as LabSlotNode[];
    const raw = bridgeSchemas.port.parse({});
    const port = { ...fillPort(kind, raw, { name: null, ...placed.address }, defaults, placed.port), below };
    this.#origins.set(port as LabNode, placed.entry.origin);
    return port as LabNode;
  }

  #ownNode(
    entry: Entry,
    address: DeviceAddress,
    port: number,
    bus: BusKind,
    defaults: PortDefaults,
  ): LabNode | undefined {
    const place = { name: entry.name, device: address.device, function: address.function };
    const children = (kind: BusKind, portDefaults = NO_DEFAULTS) =>
      this.#readBus(
        entry.below,
        { container: entry.origin.container, path: [...entry.origin.path, 'below'] },
        kind,
        portDefaults,
      );
    this.#names.claim(entry.name, entry.complain);
    switch (entry.kind) {
      case 'root-port':
      case 'port': {
        const raw = readFields(bridgeSchemas.port, entry.fields, entry.report);
        const below = children('slot') as LabSlotNode[];
        return raw === undefined
          ? undefined
          : ({ ...fillPort(entry.kind, raw, place, defaults, port), below } as
              | LabRootPort
              | LabDownstreamPort);
      }
      case 'switch': {
        const raw = readFields(bridgeSchemas.switch, entry.fields, entry.report);
        const below = children('switch', raw === undefined ? NO_DEFAULTS : switchPortDefaults(raw));
        return raw === undefined ? undefined : ({ ...fillSwitch(raw, place), below } as LabSwitch);
      }
      case 'pci-bridge': {
        const raw = readFields(bridgeSchemas['pci-bridge'], entry.fields, entry.report);
        const below = children('pci');
        return raw === undefined ? undefined : ({ ...fillPciBridge(raw, place), below } as LabPciBridge);
      }
      case 'vmd':
        return this.#vmd(entry, place, () => children('vmd', this.#rootPorts) as LabRootPort[]);
      default:
        return this.#endpoint(entry, place, bus);
    }
  }

  #vmd(entry: Entry, place: DeviceAddress, children: () => LabRootPort[]): LabVmd | undefined {
    const raw = readFields(bridgeSchemas.vmd, entry.fields, entry.report);
    const name = entry.name ?? this.#names.next('vmd');
    const below = children();
    if (raw === undefined) {
      return undefined;
    }
    const vmd = fillVmd(raw, { ...place, name }, this.#nextVmdDomain);
    this.#nextVmdDomain = Math.max(this.#nextVmdDomain, Math.min(vmd.domain, 0xffff_fffe) + 1);
    return { ...vmd, below };
  }

  #endpoint(entry: Entry, place: DeviceAddress, bus: BusKind): LabEndpoint | undefined {
    const kind = endpointKindOf(entry.kind)!;
    const name = entry.name ?? this.#names.next(kind.prefix);
    const hasLink = bus === 'slot';
    for (const key of hasLink ? [] : ['link', 'trained']) {
      if (key in entry.fields) {
        const why = bus === 'pci' ? 'conventional PCI has no links' : 'a device on a root bus has no link';
        entry.report('LAB_PLACE', [key], `${key}: ${why}`);
      }
    }
    if (bus === 'pci' && 'sr-iov' in entry.fields) {
      entry.report('LAB_PLACE', ['sr-iov'], 'sr-iov: conventional PCI has no virtual functions');
    }
    return kind.read(
      entry.fields,
      { name, device: place.device, function: place.function, hasLink },
      entry.report,
    );
  }
}

/** Devices, switches and bridges directly below a host bridge, VMD or switch have a port that nobody wrote. */
function isImpliedPort(entry: Entry, bus: BusKind): boolean {
  if (BUSES[bus].port === null || isIntegrated(entry)) {
    return false;
  }
  return endpointKindOf(entry.kind) !== undefined || entry.kind === 'switch' || entry.kind === 'pci-bridge';
}

const flagField = flag();
const addressField = at();
const portField = count(0, 255);

function isIntegrated(entry: Entry): boolean {
  const result = flagField.safeParse(entry.fields.integrated ?? 'no');
  return endpointKindOf(entry.kind) !== undefined && result.success && result.data;
}

/** What is wrong with it is told when all fields are read. */
function givenAddress(entry: Entry): DeviceAddress | null {
  const result = addressField.safeParse(entry.fields.at);
  return result.success ? (result.data ?? null) : null;
}

function givenPort(entry: Entry): number | null {
  const value = entry.fields['port-number'];
  const result = value === undefined ? undefined : portField.safeParse(value);
  return result?.success === true ? result.data : null;
}

/** A link leads to one device, whose number is 0 (PCIe Base 6.0, 7.3.1). */
function oneDevice(entries: readonly Entry[], given: (DeviceAddress | null)[]): void {
  let unnumbered = 0;
  entries.forEach((entry, i) => {
    const address = given[i] ?? null;
    if (address === null && unnumbered === 0) {
      unnumbered++;
      given[i] = { device: 0, function: 0 };
    } else if (address === null) {
      entry.complain(
        'LAB_ADDRESS',
        'a second device below a port, which has one; `at: .1` makes it a second function, a switch has several ports',
      );
      // One message is enough; it is not placed again.
      given[i] = { device: 0, function: 7 };
    } else if (address !== null && address.device !== 0) {
      entry.report('LAB_ADDRESS', ['at'], 'at: below a port there is only device 0');
    }
  });
}

function checkAddresses(placed: readonly Placed[], taken: readonly number[]): void {
  const seen = new Set<number>(taken.map((device) => device * 8));
  for (const { entry, address } of placed) {
    const key = address.device * 8 + address.function;
    if (seen.has(key)) {
      const where = `${address.device.toString(16).padStart(2, '0')}.${address.function}`;
      const owner =
        key === 0 && taken.includes(0)
          ? 'the function of the host bridge itself (`identity: none` takes it away)'
          : 'another function of this bus';
      entry.report('LAB_ADDRESS', ['at'], `at: ${where} is ${owner}`);
    }
    seen.add(key);
  }
  for (const { entry, address } of placed) {
    if (address.function !== 0 && !seen.has(address.device * 8)) {
      entry.report(
        'LAB_ADDRESS',
        ['at'],
        `at: device ${address.device.toString(16)} has no function 0, without which no function of it is found`,
      );
    }
  }
}

function checkPorts(placed: readonly Placed[]): void {
  const seen = new Set<number>();
  for (const { entry, port, isImplied } of placed) {
    if (isImplied || entry.kind === 'root-port' || entry.kind === 'port') {
      if (seen.has(port)) {
        entry.report('LAB_ADDRESS', ['port-number'], `port-number: another port here has number ${port}`);
      }
      seen.add(port);
    }
  }
}
