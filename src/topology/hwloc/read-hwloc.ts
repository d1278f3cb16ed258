/** hwloc's object tree to a machine. */
import { type Bdf, bdfParts, InputError } from '../../base/index.ts';
import {
  assembleMachine,
  type FunctionDraft,
  type HostBridgeDraft,
  hostBridgeKey,
  type MachineDraft,
  someHostBridgeKey,
} from '../assemble/index.ts';
import type { ClassName, Gap, Machine } from '../machine.ts';
import {
  architectureOf,
  attributeOf,
  checkTextSize,
  cpuVendorOf,
  elementsOf,
  headerTypeOfClass,
  parseXml,
  type XmlElement,
} from '../text/index.ts';
import {
  type BusRange,
  classNameOf,
  linkRateOf,
  parseBusId,
  parseBusRange,
  parsePciType,
  singleNode,
} from './pci-attributes.ts';

/**
 * The machine in an XML file of `lstopo` (hwloc 0.9 to 3).
 *
 * @param label  names the input in messages
 * @throws {InputError} INPUT_XML_MALFORMED, INPUT_XML_BOUNDS, INPUT_XML_ENTITIES, INPUT_NOT_HWLOC,
 *                      INPUT_NO_PCI when the file was written without I/O devices
 */
export function readHwloc(xml: string, label: string): Machine {
  checkTextSize(xml, label);
  const root = parseXml(xml, label);
  if (root.name !== 'topology' && root.name !== 'root') {
    throw new InputError('INPUT_NOT_HWLOC', {
      message: `${label} is XML, but its root element is <${root.name.slice(0, 40)}> and not <topology>`,
      hint: 'write it with `lstopo --whole-io topology.xml`',
    });
  }
  const tree = new HwlocTree(Number.parseInt(attributeOf(root, 'version') ?? '1', 10) >= 3);
  tree.read(root);
  if (tree.functions.length === 0) {
    throw new InputError('INPUT_NO_PCI', {
      message: `${label} has no PCI devices`,
      hint: 'write it with `lstopo --whole-io topology.xml`',
    });
  }
  const facts = machineFacts(root);
  return assembleMachine({
    source: { kind: 'hwloc', label, privileged: undefined },
    functions: tree.functions,
    hostBridges: tree.hostBridges,
    gaps: tree.gaps(),
    ...facts,
  });
}

/** What an object inherits from those around it. */
interface Surroundings {
  readonly numaNode: number | undefined;
  readonly hostBridge: { readonly key: string; readonly rootBus: number } | undefined;
  readonly parent: { readonly bdf: Bdf; readonly behind: BusRange | undefined } | undefined;
}

class HwlocTree {
  readonly functions: FunctionDraft[] = [];
  readonly hostBridges: HostBridgeDraft[] = [];
  readonly #isFormat3: boolean;
  #hasHalfClasses = false;

  constructor(isFormat3: boolean) {
    this.#isFormat3 = isFormat3;
  }

  read(root: XmlElement): void {
    const open: [XmlElement, Surroundings][] = [
      [root, { numaNode: undefined, hostBridge: undefined, parent: undefined }],
    ];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [element, around] = next;
      const inside = element.name === 'object' ? this.#enter(element, around) : around;
      // Last first, since the stack turns them round: functions come in the order of the file.
      for (let i = element.children.length - 1; i >= 0; i--) {
        const child = element.children[i]!;
        if (child.name === 'object') {
          open.push([child, inside]);
        }
      }
    }
  }

  #enter(object: XmlElement, around: Surroundings): Surroundings {
    const type = attributeOf(object, 'type');
    const bdf = parseBusId(attributeOf(object, 'pci_busid') ?? '');
    if ((type === 'PCIDev' || type === 'Bridge') && bdf !== undefined) {
      return this.#enterFunction(object, bdf, around);
    }
    const behind = parseBusRange(attributeOf(object, 'bridge_pci') ?? '');
    if (type === 'Bridge' && behind !== undefined) {
      const key = hostBridgeKey(behind.domain, behind.first);
      this.hostBridges.push({ key, numaNode: around.numaNode });
      return { ...around, hostBridge: { key, rootBus: behind.first }, parent: undefined };
    }
    const nodeset = attributeOf(object, 'nodeset');
    return nodeset === undefined ? around : { ...around, numaNode: singleNode(nodeset) };
  }

  #enterFunction(object: XmlElement, bdf: Bdf, around: Surroundings): Surroundings {
    const behind = parseBusRange(attributeOf(object, 'bridge_pci') ?? '');
    const pciType = parsePciType(attributeOf(object, 'pci_type') ?? '');
    const isBridge = attributeOf(object, 'type') === 'Bridge';
    const headerType = isBridge
      ? pciType?.classAndSubclass === 0x0607
        ? 2
        : 1
      : pciType === undefined
        ? undefined
        : headerTypeOfClass(pciType.classAndSubclass);
    const rate = linkRateOf(attributeOf(object, 'pci_link_speed'));
    this.#hasHalfClasses ||= pciType !== undefined && pciType.programmingInterface === undefined;
    this.functions.push({
      bdf,
      ...placeOf(bdf, around),
      vendorId: pciType?.vendorId,
      deviceId: pciType?.deviceId,
      subsystemVendorId: pciType?.subsystemVendorId,
      subsystemDeviceId: pciType?.subsystemDeviceId,
      revision: pciType?.revision,
      classCode:
        pciType === undefined
          ? undefined
          : pciType.classAndSubclass * 256 + (pciType.programmingInterface ?? 0),
      headerType,
      vendorName: infoOf(object, 'PCIVendor'),
      deviceName: infoOf(object, 'PCIDevice'),
      link: rate === undefined ? undefined : { max: undefined, current: rate },
      secondaryBus: isBridge ? behind?.first : headerType === 0 ? null : undefined,
      subordinateBus: isBridge ? behind?.last : headerType === 0 ? null : undefined,
      windows: headerType === 0 ? [] : undefined,
      numaNode: around.numaNode,
      classNames: this.#namesBelow(object),
    });
    return { ...around, parent: { bdf, behind } };
  }

  #namesBelow(object: XmlElement): ClassName[] {
    const names = new Map<string, ClassName>();
    for (const child of object.children) {
      const name = attributeOf(child, 'name');
      if (child.name === 'object' && attributeOf(child, 'type') === 'OSDev' && name !== undefined) {
        const className = classNameOf(name, attributeOf(child, 'osdev_type'), this.#isFormat3);
        if (className !== undefined) {
          names.set(name, className);
        }
      }
    }
    return [...names.values()];
  }

  gaps(): Gap[] {
    const gaps: Gap[] = [
      {
        at: null,
        what: 'root-bus-devices',
        detail:
          'hwloc leaves out devices that do no I/O, among them the one that stands for a host bridge; a snapshot has all',
      },
    ];
    if (this.#hasHalfClasses) {
      gaps.push({
        at: null,
        what: 'programming-interface',
        detail:
          'hwloc before 3.0 gives class and subclass only; the last two digits of class codes stand as 00',
      });
    }
    return gaps;
  }
}

/**
 * Where a function hangs. hwloc nests as the buses do, but a filter may have taken bridges out (`--no-bridges`, and
 * hwloc 1 does so where they are not wanted): then the bus of the function is not the one that its surroundings own.
 */
function placeOf(
  bdf: Bdf,
  around: Surroundings,
): Pick<FunctionDraft, 'parent' | 'hiddenAbove' | 'hostBridge'> {
  const { domain, bus } = bdfParts(bdf);
  const { parent, hostBridge } = around;
  if (parent !== undefined) {
    const { behind } = parent;
    const isBetween = behind !== undefined && bus > behind.first && bus <= behind.last;
    return { parent: parent.bdf, hiddenAbove: isBetween };
  }
  if (hostBridge === undefined) {
    return bus === 0
      ? { parent: null }
      : { parent: null, hiddenAbove: true, hostBridge: someHostBridgeKey(domain) };
  }
  return { parent: null, hiddenAbove: bus !== hostBridge.rootBus, hostBridge: hostBridge.key };
}

/** `<info name=... value=...>` of the object itself. */
function infoOf(object: XmlElement, name: string): string | undefined {
  const info = object.children.find((child) => child.name === 'info' && attributeOf(child, 'name') === name);
  const value = info === undefined ? undefined : attributeOf(info, 'value');
  return value === undefined || value === '' ? undefined : value;
}

/** CPU and kernel, from infos of the machine and its packages; the first package stands for all. */
function machineFacts(root: XmlElement): Pick<MachineDraft, 'cpu' | 'kernel'> {
  const infos = new Map<string, string>();
  let sockets = 0;
  for (const element of elementsOf(root)) {
    const type = element.name === 'object' ? attributeOf(element, 'type') : undefined;
    sockets += type === 'Package' || type === 'Socket' ? 1 : 0;
    const name = element.name === 'info' ? attributeOf(element, 'name') : undefined;
    const value = attributeOf(element, 'value');
    if (name !== undefined && value !== undefined && !infos.has(name)) {
      infos.set(name, value);
    }
  }
  const name = infos.get('CPUModel')?.trim();
  const isPower = name !== undefined && /^POWER/.test(name);
  return {
    cpu: {
      vendor: cpuVendorOf(infos.get('CPUVendor')) ?? (isPower ? 'ibm' : undefined),
      family: decimal(infos.get('CPUFamilyNumber')),
      model: decimal(infos.get('CPUModelNumber')),
      name,
      architecture: architectureOf(infos.get('Architecture')) ?? (isPower ? 'ppc64' : undefined),
      sockets: sockets === 0 ? undefined : sockets,
    },
    kernel: { release: (infos.get('OSName') ?? 'Linux') === 'Linux' ? infos.get('OSRelease') : undefined },
  };
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}
