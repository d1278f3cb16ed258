/** NCCL's and RCCL's topology XML to a machine. */
import { type Bdf, bdfParts, InputError, toBdf } from '../../base/index.ts';
import { assembleMachine, type FunctionDraft, someHostBridgeKey } from '../assemble/index.ts';
import type { ClassName, Cpu, Finding, Gap, LinkRate, Machine } from '../machine.ts';
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

/**
 * The machine in a file of `NCCL_TOPO_DUMP_FILE`, or one given to NCCL as `NCCL_TOPO_FILE`.
 *
 * A GPU is called `GPU` and its `dev` number, as in `nvidia-smi topo -m`; network devices have the name that NCCL uses.
 *
 * @param label  names the input in messages
 * @throws {InputError} INPUT_XML_MALFORMED, INPUT_XML_BOUNDS, INPUT_XML_ENTITIES, INPUT_NCCL_GRAPH, INPUT_NOT_NCCL,
 *                      INPUT_NO_PCI
 */
export function readNccl(xml: string, label: string): Machine {
  checkTextSize(xml, label);
  const root = parseXml(xml, label);
  if (root.name === 'graphs') {
    throw new InputError('INPUT_NCCL_GRAPH', {
      message: `${label} is an NCCL graph file, which has rings and trees but no PCI devices`,
      hint: 'write the topology with NCCL_TOPO_DUMP_FILE instead of NCCL_GRAPH_DUMP_FILE',
    });
  }
  if (root.name !== 'system') {
    throw new InputError('INPUT_NOT_NCCL', {
      message: `${label} is XML, but its root element is <${root.name.slice(0, 40)}> and not <system>`,
      hint: 'write it with NCCL_TOPO_DUMP_FILE=topology.xml',
    });
  }
  const tree = new NcclTree();
  tree.read(root);
  if (tree.functions.length === 0) {
    throw new InputError('INPUT_NO_PCI', {
      message: `${label} has no PCI devices`,
      hint: 'write it with NCCL_TOPO_DUMP_FILE=topology.xml on a machine with GPUs',
    });
  }
  return assembleMachine({
    source: { kind: 'nccl', label, privileged: undefined },
    functions: tree.functions,
    cpu: cpuFacts(root),
    gaps: GAPS,
    findings: tree.findings,
  });
}

const GAPS: readonly Gap[] = [
  {
    at: null,
    what: 'bridges',
    detail: 'NCCL lists every second port on the way up and no root ports; a snapshot has all of them',
  },
  {
    at: null,
    what: 'root-bus-devices',
    detail:
      'NCCL lists only GPUs, network devices and switches, not what stands for a host bridge; a snapshot does',
  },
];

/** Where a function hangs: below a listed port, below one that somebody made up, or below a CPU. */
interface Surroundings {
  readonly numaNode: number | null | undefined;
  readonly parent: Bdf | undefined;
}

class NcclTree {
  readonly functions: FunctionDraft[] = [];
  readonly findings: Finding[] = [];

  read(root: XmlElement): void {
    const hosts = new Set(root.children.map((cpu) => attributeOf(cpu, 'host_hash')));
    const [host] = hosts;
    if (hosts.size > 1) {
      this.findings.push({
        at: null,
        code: 'NCCL_MANY_HOSTS',
        detail: `the file describes ${hosts.size} hosts; only the first is read`,
      });
    }
    for (const cpu of root.children) {
      if (cpu.name === 'cpu' && attributeOf(cpu, 'host_hash') === host) {
        this.#readBelow(cpu, { numaNode: numaNodeOf(attributeOf(cpu, 'numaid')), parent: undefined });
      }
    }
  }

  #readBelow(top: XmlElement, around: Surroundings): void {
    const open: [XmlElement, Surroundings][] = [[top, around]];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [element, surroundings] = next;
      const inside = element === top ? surroundings : this.#enter(element, surroundings);
      // Last first, since the stack turns them round: functions come in the order of the file.
      for (let i = element.children.length - 1; i >= 0; i--) {
        const child = element.children[i]!;
        if (child.name === 'pci') {
          open.push([child, inside]);
        }
      }
    }
  }

  #enter(pci: XmlElement, around: Surroundings): Surroundings {
    const busId = attributeOf(pci, 'busid') ?? '';
    const bdf = toBdf(busId.trim().replaceAll('_', ':'));
    if (bdf === undefined || isInvented(bdf)) {
      const below = pci.children.flatMap((child) => toBdf(attributeOf(child, 'busid') ?? '') ?? []);
      this.findings.push({
        at: null,
        code: 'NCCL_INVENTED_SWITCH',
        detail: `${bdf ?? 'a device without an address'} is not a real function; what really joins ${below.slice(0, 16).join(', ') || 'nothing'} is not known`,
      });
      return { ...around, parent: undefined };
    }
    const classCode = hexAttribute(pci, 'class');
    const headerType = classCode === undefined ? undefined : headerTypeOfClass(classCode >>> 8);
    const vendorId = idAttribute(pci, 'vendor');
    const rate = linkRate(attributeOf(pci, 'link_speed'), attributeOf(pci, 'link_width'));
    this.functions.push({
      bdf,
      ...placeOf(bdf, around.parent),
      vendorId,
      deviceId: vendorId === undefined ? undefined : idAttribute(pci, 'device'),
      ...subsystemOf(pci),
      classCode,
      headerType,
      secondaryBus: headerType === 0 ? null : undefined,
      subordinateBus: headerType === 0 ? null : undefined,
      windows: headerType === 0 ? [] : undefined,
      // NCCL takes the lesser of what the device and its port can do, so it is no current rate.
      link: rate === undefined ? undefined : { max: rate, current: undefined },
      numaNode: around.numaNode,
      classNames: namesOf(pci),
    });
    return { ...around, parent: bdf };
  }
}

/** -1 where the kernel knows no node. */
function numaNodeOf(text: string | undefined): number | null | undefined {
  return text === '-1' ? null : /^\d{1,4}$/.test(text ?? '') ? Number(text) : undefined;
}

/** Clouds write switches as `ffff:ff:01.0`: domain and bus of all ones, which no machine has. */
function isInvented(bdf: Bdf): boolean {
  const { domain, bus } = bdfParts(bdf);
  return domain === 0xffff && bus === 0xff;
}

/**
 * On its way up NCCL steps over the bridge above each function (src/graph/xml.cc, ncclTopoGetXmlFromSys): the downstream
 * port of a switch, and the root port above a function that hangs on it. Only bus 0 is certain to be a root bus.
 */
function placeOf(
  bdf: Bdf,
  parent: Bdf | undefined,
): Pick<FunctionDraft, 'parent' | 'hiddenAbove' | 'hostBridge'> {
  const { domain, bus } = bdfParts(bdf);
  if (bus === 0) {
    return { parent: null, hiddenAbove: false };
  }
  // In files written by hand a device may stand below a switch of another domain, where it cannot be.
  if (parent !== undefined && bdfParts(parent).domain === domain) {
    return { parent, hiddenAbove: true };
  }
  return { parent: null, hiddenAbove: true, hostBridge: someHostBridgeKey(domain) };
}

function subsystemOf(pci: XmlElement): Pick<FunctionDraft, 'subsystemVendorId' | 'subsystemDeviceId'> {
  const vendor = idAttribute(pci, 'subsystem_vendor');
  const device = idAttribute(pci, 'subsystem_device');
  if (vendor === undefined || device === undefined) {
    return {};
  }
  return vendor === 0 && device === 0
    ? { subsystemVendorId: null, subsystemDeviceId: null }
    : { subsystemVendorId: vendor, subsystemDeviceId: device };
}

/** Names of RDMA devices; all others that NCCL uses are network interfaces. */
const RDMA_NAME =
  /^(?:mlx[45]_|bnxt_re|irdma|hfi1_|qedr|hns_|cxgb[34]_|efa_|rdmap|rocep|ibp|roceo|ionic_|qib|rxe|siw)\d*/;

function namesOf(pci: XmlElement): ClassName[] {
  const names = new Map<string, ClassName>();
  for (const child of pci.children) {
    const dev = attributeOf(child, 'dev');
    if (child.name === 'gpu' && dev !== undefined && /^\d{1,5}$/.test(dev)) {
      names.set(`GPU${dev}`, { subsystem: 'gpu', name: `GPU${dev}` });
    }
    for (const net of child.name === 'nic' ? child.children : []) {
      const name = net.name === 'net' ? attributeOf(net, 'name') : undefined;
      if (name !== undefined && name !== '') {
        names.set(name, { subsystem: RDMA_NAME.test(name) ? 'infiniband' : 'net', name });
      }
    }
  }
  return [...names.values()];
}

/** `0x060400`. */
function hexAttribute(element: XmlElement, name: string): number | undefined {
  const text = attributeOf(element, name);
  return text !== undefined && /^0x[0-9a-f]{1,6}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** FFFFh is what hand-written files put where they know nothing. */
function idAttribute(element: XmlElement, name: string): number | undefined {
  const id = hexAttribute(element, name);
  return id === undefined || id >= 0xffff ? undefined : id;
}

const SPEEDS_GTS = new Set([2.5, 5, 8, 16, 32, 64]);

/** `16 GT/s`, `16.0 GT/s PCIe`; empty and 0 where it is not known. */
function linkRate(speed: string | undefined, width: string | undefined): LinkRate | undefined {
  const speedGTs = Number(/^([\d.]{1,5}) GT\/s/.exec(speed ?? '')?.[1]);
  const lanes = decimal(width) ?? 0;
  return SPEEDS_GTS.has(speedGTs) && lanes >= 1 && lanes <= 32 ? { speedGTs, width: lanes } : undefined;
}

/** All CPUs of a machine are alike; the first that says something speaks for them. */
function cpuFacts(root: XmlElement): Partial<Cpu> {
  const cpus = [...elementsOf(root)].filter((element) => element.name === 'cpu');
  const cpu = cpus.find((element) => attributeOf(element, 'vendor') !== undefined) ?? cpus[0];
  if (cpu === undefined) {
    return {};
  }
  const vendor = cpuVendorOf(attributeOf(cpu, 'vendor'));
  const family = decimal(attributeOf(cpu, 'familyid'));
  return {
    vendor,
    family: family === undefined ? undefined : displayFamily(family),
    model: decimal(attributeOf(cpu, 'modelid')),
    architecture: architectureOf(attributeOf(cpu, 'arch')),
  };
}

/**
 * NCCL puts the extended family of CPUID in front of the base family instead of adding it (src/graph/xml.cc,
 * ncclTopoGetXmlFromCpu): AMD family 17h is base 0fh plus extended 08h, written as 8fh = 143. Hand-written files have the
 * plain number, 23. The extended family only counts where the base is 0fh (CPUID Specification, function 1).
 */
function displayFamily(written: number): number {
  const base = written & 0xf;
  return written > 0x1f && base === 0xf ? base + (written >> 4) : written;
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}
